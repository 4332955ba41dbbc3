//! Events of the data plane, from its counters: that packets are not forwarded for a reason, when that begins and when it
//! is over; never a line a packet.

use std::collections::BTreeMap;
use std::time::Duration;

use lb_common::reason::{Disposition, Reason};

/// Looks at the counters without a packet after which it is over; they come once a second.
const QUIET: u32 = 60;

/// What is to be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// Packets meet with a reason, after none did for a while.
    Began {
        /// The reason.
        reason: Reason,
        /// So many at once.
        packets: u64,
    },
    /// None did for a minute.
    Ended {
        /// The reason.
        reason: Reason,
        /// All of them together.
        packets: u64,
    },
}

/// The reasons that packets meet with.
#[derive(Debug, Default)]
pub struct Drops {
    /// By the reason's number.
    running: BTreeMap<u32, Episode>,
    last: BTreeMap<u32, u64>,
}

#[derive(Debug)]
struct Episode {
    packets: u64,
    quiet: u32,
}

impl Drops {
    /// Takes the counters as they are now.
    pub fn observe(&mut self, counters: &[(Reason, u64)]) -> Vec<Event> {
        let mut events = Vec::new();
        for (reason, count) in counters {
            let number = *reason as u32;
            let packets = count.wrapping_sub(self.last.insert(number, *count).unwrap_or(0));
            match (self.running.get_mut(&number), packets) {
                (None, 0) => {}
                (None, _) => {
                    self.running.insert(number, Episode { packets, quiet: 0 });
                    events.push(Event::Began { reason: *reason, packets });
                }
                (Some(episode), 0) => {
                    episode.quiet += 1;
                    if episode.quiet >= QUIET {
                        events.push(Event::Ended { reason: *reason, packets: episode.packets });
                        self.running.remove(&number);
                    }
                }
                (Some(episode), _) => {
                    episode.packets += packets;
                    episode.quiet = 0;
                }
            }
        }
        events
    }
}

impl Event {
    /// Writes it to the log: as a warning, unless the packets only went to the director's own stack.
    pub fn log(self) {
        match self {
            Self::Began { reason, packets } => {
                let (name, meaning) = (reason.name(), reason.meaning());
                match reason.disposition() {
                    Disposition::Pass => tracing::info!(reason = name, packets, meaning, "packets pass to the stack"),
                    Disposition::Forward => {
                        tracing::warn!(reason = name, packets, meaning, "packets are not forwarded as asked");
                    }
                    Disposition::Drop | Disposition::Answer(_) => {
                        tracing::warn!(reason = name, packets, meaning, "packets are not forwarded");
                    }
                }
            }
            Self::Ended { reason, packets } => {
                let quiet = humantime::format_duration(Duration::from_secs(QUIET.into()));
                tracing::info!(reason = reason.name(), packets, "no more such packets for {quiet}");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_told_when_it_begins_and_when_it_is_over() {
        let mut drops = Drops::default();
        let mut look = |vlan, too_big| drops.observe(&[(Reason::Vlan, vlan), (Reason::TooBig, too_big)]);
        assert_eq!(look(0, 0), []);
        assert_eq!(look(3, 0), [Event::Began { reason: Reason::Vlan, packets: 3 }]);
        for more in 4..300 {
            assert_eq!(look(more, 0), [], "one line, however many packets");
        }
        assert_eq!(look(299, 1), [Event::Began { reason: Reason::TooBig, packets: 1 }]);
        for _ in 0..58 {
            assert_eq!(look(299, 1), []);
        }
        assert_eq!(look(299, 1), [Event::Ended { reason: Reason::Vlan, packets: 299 }]);
        assert_eq!(look(299, 1), [Event::Ended { reason: Reason::TooBig, packets: 1 }]);
        assert_eq!(look(300, 1), [Event::Began { reason: Reason::Vlan, packets: 1 }]);
    }
}
