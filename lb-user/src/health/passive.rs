//! The passive signal: whether clients' connections to a real server get past the SYN. It shows what no check does that
//! asks the server from here: answers that never reach the clients.
//!
//! A flood of SYNs looks the same, and at every server. So a server is only held against the others of its service, and
//! never more than half of them are out at a time.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::Duration;

use lb_common::handshake::Handshakes;
use tokio::time::Instant;

use super::{Report, Target};
use crate::model::ServiceId;

/// When the signal takes a server out. Everything is counted over the window.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PassiveCheck {
    /// The share of connections that must get past the SYN.
    pub min_share: f64,
    /// With fewer connections nothing is said of a server.
    pub min_connections: u32,
    /// What the counts look back on.
    pub window: Duration,
    /// How long a server stays out; nothing is seen of it then.
    pub hold: Duration,
}

impl Default for PassiveCheck {
    fn default() -> Self {
        Self { min_share: 0.5, min_connections: 20, window: Duration::from_secs(10), hold: Duration::from_secs(60) }
    }
}

impl PassiveCheck {
    fn is_met(&self, counted: &Handshakes) -> bool {
        counted.confirmed as f64 >= self.min_share * counted.begun as f64
    }

    fn says_something(&self, counted: &Handshakes) -> bool {
        counted.begun >= u64::from(self.min_connections)
    }
}

/// What is known of the watched servers.
#[derive(Debug, Default)]
pub struct Passive {
    servers: BTreeMap<Target, Watched>,
}

#[derive(Debug)]
struct Watched {
    check: PassiveCheck,
    /// The first is as old as the window, or all that there is.
    samples: VecDeque<(Instant, Handshakes)>,
    held: Option<Held>,
}

/// A server that is out.
#[derive(Debug)]
struct Held {
    until: Instant,
    reason: String,
}

impl Passive {
    /// Watches exactly these servers from now on; what is known of those that stay is kept. Gives those that were out, and
    /// are watched no more.
    pub fn set(&mut self, checks: impl IntoIterator<Item = (Target, PassiveCheck)>) -> Vec<Target> {
        let mut before = std::mem::take(&mut self.servers);
        for (target, check) in checks {
            let (samples, held) = match before.remove(&target) {
                Some(watched) => (watched.samples, watched.held),
                None => (VecDeque::new(), None),
            };
            self.servers.insert(target, Watched { check, samples, held });
        }
        before.into_iter().filter(|(_, watched)| watched.held.is_some()).map(|(target, _)| target).collect()
    }

    /// Looks at the counters, about once a second; gives the servers whose verdict changed.
    pub fn observe(&mut self, now: Instant, count: impl Fn(&Target) -> Option<Handshakes>) -> Vec<Target> {
        let mut changed = Vec::new();
        let mut services: HashMap<ServiceId, Vec<(Target, Handshakes)>> = HashMap::new();
        for (target, watched) in &mut self.servers {
            if watched.held.as_ref().is_some_and(|held| held.until <= now) {
                watched.held = None;
                watched.samples.clear();
                changed.push(*target);
            }
            let counted = count(target).map(|counted| watched.sample(now, counted)).unwrap_or_default();
            services.entry(target.id).or_default().push((*target, counted));
        }
        for servers in services.values() {
            changed.extend(self.hold(now, servers));
        }
        changed
    }

    /// Takes those servers of a service out that do badly while the others do well.
    fn hold(&mut self, now: Instant, servers: &[(Target, Handshakes)]) -> Vec<Target> {
        let mut out = servers.iter().filter(|(target, _)| self.is_held(target)).count();
        let mut bad: Vec<_> = servers.iter().filter(|(target, counted)| self.is_bad(target, counted)).collect();
        bad.sort_by(|(_, one), (_, other)| share(one).total_cmp(&share(other)));
        let mut held = Vec::new();
        for (target, counted) in bad {
            let others = servers.iter().filter(|(other, _)| other != target && !self.is_held(other));
            let others = others.fold(Handshakes::default(), |sum, (_, counted)| sum.and(counted));
            let Some(watched) = self.servers.get_mut(target) else { continue };
            let check = watched.check;
            if (out + 1) * 2 <= servers.len() && check.says_something(&others) && check.is_met(&others) {
                watched.held = Some(Held { until: now + check.hold, reason: reason(counted, check.window) });
                out += 1;
                held.push(*target);
            }
        }
        held
    }

    fn is_held(&self, target: &Target) -> bool {
        self.servers.get(target).is_some_and(|watched| watched.held.is_some())
    }

    fn is_bad(&self, target: &Target, counted: &Handshakes) -> bool {
        self.servers.get(target).is_some_and(|Watched { check, held, .. }| {
            held.is_none() && check.says_something(counted) && !check.is_met(counted)
        })
    }

    /// What the check of a server says, with this signal's word: a server is well if both say so.
    pub fn judge(&self, target: &Target, mut report: Report) -> Report {
        let held = self.servers.get(target).and_then(|watched| watched.held.as_ref());
        if let Some(held) = held.filter(|_| report.healthy) {
            report.healthy = false;
            report.detail.clone_from(&held.reason);
        }
        report
    }
}

impl Watched {
    /// What came within the window.
    fn sample(&mut self, now: Instant, counted: Handshakes) -> Handshakes {
        // `-Z`, or another server of the same name: what came before is no measure.
        if self.samples.back().is_some_and(|(_, last)| counted.begun < last.begun) {
            self.samples.clear();
        }
        self.samples.push_back((now, counted));
        while self.samples.get(1).is_some_and(|(at, _)| *at + self.check.window <= now) {
            self.samples.pop_front();
        }
        self.samples.front().map(|(_, first)| counted.since(first)).unwrap_or_default()
    }
}

fn share(counted: &Handshakes) -> f64 {
    counted.confirmed as f64 / counted.begun.max(1) as f64
}

fn reason(counted: &Handshakes, window: Duration) -> String {
    let Handshakes { begun, confirmed, .. } = counted;
    format!("only {confirmed} of {begun} connections got past the SYN within {}", humantime::format_duration(window))
}

#[cfg(test)]
mod tests;
