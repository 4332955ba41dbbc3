//! What differs between two models, in words: for plans, the log and the status.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Model, Netmask, RealServer, Service, ServiceId, Timeouts, sysctls};

/// What a change is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Subject {
    /// An interface that LVX balances on.
    Interface,
    /// A key of the file that belongs to no service.
    Setting,
    /// A timeout of `ipvsadm --set`.
    Timeout,
    /// A sysctl.
    Sysctl,
    /// An address that LVX puts on an interface.
    Vip,
    /// A rule that sets firewall marks.
    MarkRule,
    /// A virtual service: its options; with those that come or go their servers.
    Service,
    /// A real server of a service that stays.
    Server,
    /// The order of a service's servers.
    Order,
    /// The health check of a server.
    Health,
    /// What becomes of a service's servers that fail, and who is told.
    Policy,
}

/// Something that differs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Change {
    /// What it is about.
    pub subject: Subject,
    /// Which one.
    pub name: String,
    /// What it was; none where it was not there.
    pub before: Option<String>,
    /// What it is; none where it is gone.
    pub after: Option<String>,
}

impl Subject {
    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Interface => "interface",
            Self::Setting => "setting",
            Self::Timeout => "timeout",
            Self::Sysctl => "sysctl",
            Self::MarkRule => "mark rule",
            Self::Service => "service",
            Self::Server => "server",
            Self::Order => "order of servers",
            Self::Health => "health",
            Self::Vip => "vip",
            Self::Policy => "policy",
        }
    }
}

impl Change {
    /// A change, or none where nothing differs.
    pub fn of<T: PartialEq>(
        subject: Subject,
        name: impl fmt::Display,
        before: Option<&T>,
        after: Option<&T>,
        words: impl Fn(&T) -> String,
    ) -> Option<Self> {
        let differs = before != after;
        differs.then(|| Self { subject, name: name.to_string(), before: before.map(&words), after: after.map(&words) })
    }
}

impl fmt::Display for Change {
    /// `+` what is new, `-` what is gone, `~` what changed.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { subject, name, before, after } = self;
        let subject = subject.name();
        match (before, after) {
            (None, Some(after)) => write!(out, "+ {subject} {name}{}", behind(after)),
            (Some(before), None) => write!(out, "- {subject} {name}{}", behind(before)),
            (Some(before), Some(after)) => write!(out, "~ {subject} {name}: {before} -> {after}"),
            (None, None) => write!(out, "~ {subject} {name}"),
        }
    }
}

/// What has nothing to say but its name has no words.
fn behind(words: &str) -> String {
    if words.is_empty() { String::new() } else { format!(": {words}") }
}

/// What differs, sorted by subject.
pub fn differences(old: &Model, new: &Model) -> Vec<Change> {
    let mut changes = timeouts(old.timeouts(), new.timeouts());
    changes.extend(sysctls::ALL.iter().filter_map(|sysctl| {
        let (before, after) = (sysctl.get(old.sysctls()), sysctl.get(new.sysctls()));
        Change::of(Subject::Sysctl, sysctl, Some(&before), Some(&after), u32::to_string)
    }));
    let ids: BTreeSet<_> = old.services().chain(new.services()).map(|service| service.id).collect();
    let pairs = ids.iter().map(|id| (old.service(id), new.service(id))).filter(|(old, new)| old != new);
    changes.extend(pairs.flat_map(|(old, new)| match (old, new) {
        (Some(old), Some(new)) => of_service(old, new),
        (old, new) => whole(old, new).into_iter().collect(),
    }));
    changes.sort_by_key(|change| change.subject);
    changes
}

fn timeouts(old: Timeouts, new: Timeouts) -> Vec<Change> {
    let (Timeouts { tcp, tcpfin, udp }, after) = (old, new);
    let pairs = [("tcp", tcp, after.tcp), ("tcpfin", tcpfin, after.tcpfin), ("udp", udp, after.udp)];
    let change = |(name, old, new)| Change::of(Subject::Timeout, name, Some(&old), Some(&new), |s| format!("{s} s"));
    pairs.into_iter().filter_map(change).collect()
}

/// A service that comes or goes.
pub(super) fn whole(old: Option<&Service>, new: Option<&Service>) -> Option<Change> {
    let id = old.or(new)?.id;
    let words = |service: &Service| format!("{}, {}", options(service), count(service.servers.len()));
    Change::of(Subject::Service, id, old, new, words)
}

fn count(servers: usize) -> String {
    if servers == 1 { "1 server".to_owned() } else { format!("{servers} servers") }
}

fn of_service(old: &Service, new: &Service) -> Vec<Change> {
    let (before, after) = (old.by_address(), new.by_address());
    let mut changes: Vec<_> =
        Change::of(Subject::Service, new.id, Some(&old.bare()), Some(&new.bare()), options).into_iter().collect();
    let changed = |server: &RealServer| {
        let (before, after) = (before.get(&server.key()).copied(), after.get(&server.key()).copied());
        Change::of(Subject::Server, server_name(&new.id, server), before, after, server_words)
    };
    let gone = old.servers.iter().filter(|server| !after.contains_key(&server.key()));
    changes.extend(new.servers.iter().chain(gone).filter_map(changed));
    let order = |service: &Service, others: &std::collections::HashMap<_, _>| -> Vec<_> {
        // As the file has it: oldest first.
        let kept = service.servers.iter().rev().map(RealServer::key);
        kept.filter(|key| others.contains_key(key)).map(|(address, _)| address).collect()
    };
    let words = |order: &Vec<_>| order.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
    let (old, order) = (order(old, &after), order(new, &before));
    changes.extend(Change::of(Subject::Order, new.id, Some(&old), Some(&order), words));
    changes
}

/// The name of a server in [`Change::name`].
pub fn server_name(id: &ServiceId, server: &RealServer) -> String {
    format!("{id} -> {}", std::net::SocketAddr::new(server.address, server.port))
}

/// A service's options in words, without its servers.
pub(super) fn options(service: &Service) -> String {
    let Service { id, scheduler, scheduler_flags, persistence, netmask, one_packet, servers: _ } = service;
    let mut words = scheduler.to_string();
    let flags = scheduler_flags.names(*scheduler);
    if !flags.is_empty() {
        words.push_str(&format!(" ({flags})"));
    }
    if let Some(persistence) = persistence {
        words.push_str(&format!(", persistent {} s", persistence.timeout));
    }
    if *netmask != Netmask::host(id.family()) {
        match netmask {
            Netmask::V4(mask) => words.push_str(&format!(", netmask {mask}")),
            Netmask::V6(bits) => words.push_str(&format!(", netmask {bits}")),
        }
    }
    if *one_packet {
        words.push_str(", one packet");
    }
    words
}

/// A server's options in words.
pub(super) fn server_words(server: &RealServer) -> String {
    let RealServer { address: _, port: _, weight, method: _, upper_threshold, lower_threshold } = server;
    let thresholds = match (upper_threshold, lower_threshold) {
        (0, 0) => String::new(),
        (upper, lower) => format!(", thresholds {upper} and {lower}"),
    };
    format!("weight {weight}{thresholds}")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::arbitrary::model;
    use crate::model::plan;

    proptest! {
        #[test]
        fn whatever_a_plan_changes_is_told_and_nothing_else(old in model(), new in model()) {
            prop_assert_eq!(plan(&old, &new).is_empty(), differences(&old, &new).is_empty());
            prop_assert!(differences(&old, &old).is_empty());
            for change in differences(&old, &new) {
                prop_assert!(change.before != change.after, "{change}");
            }
        }
    }
}
