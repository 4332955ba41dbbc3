//! Servers whose health has changed, on their way to the director.

use std::collections::BTreeMap;
use std::time::Duration;

use super::check::Target;
use crate::model::ServiceId;

/// Servers that wait, by service: all of a service are one change, and the daemon does other things between two services.
#[derive(Debug, Default)]
pub struct Waiting(BTreeMap<ServiceId, Vec<(Target, Duration)>>);

impl Waiting {
    /// One more, and how long its change took.
    pub fn add(&mut self, target: Target, after: Duration) {
        self.0.entry(target.id).or_default().push((target, after));
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Those of a service, in the order in which they came.
    pub fn next_service(&mut self) -> Option<Vec<(Target, Duration)>> {
        self.0.pop_first().map(|(_, targets)| targets)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Protocol;

    #[test]
    fn the_servers_of_a_service_stay_together_and_in_order() {
        let target = |port, server: u8| {
            let id = ServiceId::Address { protocol: Protocol::Tcp, vip: [192, 0, 2, 1].into(), port };
            (Target { id, address: [192, 0, 2, server].into(), port }, Duration::from_secs(server.into()))
        };
        let mut waiting = Waiting::default();
        for each in [target(80, 11), target(443, 10), target(80, 10)] {
            waiting.add(each.0, each.1);
        }
        assert_eq!(waiting.next_service(), Some(vec![target(80, 11), target(80, 10)]));
        assert_eq!(waiting.next_service(), Some(vec![target(443, 10)]));
        assert!(waiting.is_empty() && waiting.next_service().is_none());
    }
}
