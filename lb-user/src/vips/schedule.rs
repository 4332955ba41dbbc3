//! When to announce an address.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

/// Announcements each time (`MAX_NEIGHBOR_ADVERTISEMENT` of RFC 4861): one may be lost.
const TIMES: u32 = 3;

/// Between them (`RETRANS_TIMER` of RFC 4861).
const BETWEEN: Duration = Duration::from_secs(1);

/// When to announce what.
#[derive(Debug)]
pub(super) struct Schedule<K>(BTreeMap<K, Due>);

#[derive(Debug)]
struct Due {
    at: Instant,
    left: u32,
    interval: Option<Duration>,
}

impl<K: Ord + Clone> Schedule<K> {
    pub(super) fn new() -> Self {
        Self(BTreeMap::new())
    }

    /// Announces now and a few times more, and then once in each interval.
    pub(super) fn start(&mut self, key: K, interval: Option<Duration>, now: Instant) {
        self.0.insert(key, Due { at: now, left: TIMES, interval });
    }

    /// Forgets what is not in `keys`.
    pub(super) fn retain(&mut self, wanted: impl Fn(&K) -> bool) {
        self.0.retain(|key, _| wanted(key));
    }

    /// When something is due next.
    pub(super) fn next(&self) -> Option<Instant> {
        self.0.values().map(|due| due.at).min()
    }

    /// What is due now.
    pub(super) fn take_due(&mut self, now: Instant) -> Vec<K> {
        let keys: Vec<_> = self.0.iter().filter(|(_, due)| due.at <= now).map(|(key, _)| key.clone()).collect();
        self.0.retain(|_, due| due.at > now || due.moved(now));
        keys
    }
}

impl Due {
    /// To its next time, if there is one.
    fn moved(&mut self, now: Instant) -> bool {
        self.left = self.left.saturating_sub(1);
        let next = if self.left > 0 { Some(BETWEEN) } else { self.interval };
        if let Some(next) = next {
            self.at = now + next;
        }
        next.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Seconds at which something is due in the first minute.
    fn announced(interval: Option<Duration>) -> Vec<u64> {
        let start = Instant::now();
        let mut schedule = Schedule::new();
        schedule.start("vip", interval, start);
        let seconds = (0..60).filter(|second| !schedule.take_due(start + Duration::from_secs(*second)).is_empty());
        seconds.collect()
    }

    #[test]
    fn an_address_is_announced_three_times_and_then_as_often_as_the_file_says() {
        assert_eq!(announced(None), [0, 1, 2]);
        assert_eq!(announced(Some(Duration::from_secs(20))), [0, 1, 2, 22, 42]);
    }

    #[test]
    fn the_next_time_is_that_of_the_first() {
        let start = Instant::now();
        let mut schedule = Schedule::new();
        assert_eq!(schedule.next(), None);
        schedule.start("late", None, start + BETWEEN * 9);
        schedule.start("soon", None, start);
        assert_eq!(schedule.next(), Some(start));
        assert_eq!(schedule.take_due(start), ["soon"]);
        assert_eq!(schedule.next(), Some(start + BETWEEN));
        schedule.retain(|key| *key == "late");
        assert_eq!(schedule.next(), Some(start + BETWEEN * 9));
    }
}
