//! What all kinds of files are read into: an LVX config with notes, before it is written.

use std::net::IpAddr;
use std::time::Duration;

use toml::Value;

use super::note::{Note, Notes, Place};
use crate::model::{Netmask, SchedulerFlags, SchedulerKind, ServiceId};

/// The config as far as it is known.
#[derive(Debug, Default)]
pub(super) struct Draft {
    /// What belongs to no service.
    pub(super) notes: Notes,
    /// Keys of `[timeouts]`, in seconds.
    pub(super) timeouts: Vec<(&'static str, u32)>,
    /// Addresses that the file puts on interfaces: told, not imported.
    pub(super) vips: Vec<Vip>,
    /// Whether netfilter is followed; none where no file has rules of netfilter.
    pub(super) follow_netfilter: Option<bool>,
    /// `[[marks.rule]]`, in order.
    pub(super) rules: Vec<Rule>,
    /// `[[service]]`, in order.
    pub(super) services: Vec<Service>,
}

/// An address for `[[vip]]`.
#[derive(Debug)]
pub(super) struct Vip {
    pub(super) place: Place,
    /// With its prefix, as it is written.
    pub(super) address: String,
    pub(super) interface: Option<String>,
}

/// A key of the config and its value.
pub(super) type Entry = (&'static str, Value);

/// A `[[marks.rule]]`.
#[derive(Clone, Debug)]
pub(super) struct Rule {
    pub(super) notes: Notes,
    pub(super) keys: Vec<Entry>,
}

/// A virtual service.
#[derive(Clone, Debug)]
pub(super) struct Service {
    pub(super) notes: Notes,
    pub(super) place: Place,
    pub(super) id: ServiceId,
    pub(super) scheduler: SchedulerKind,
    pub(super) scheduler_flags: SchedulerFlags,
    /// Seconds.
    pub(super) persistent: Option<u32>,
    pub(super) netmask: Option<Netmask>,
    pub(super) one_packet: bool,
    /// What happens when servers fail, by the keys of the config.
    pub(super) policy: Vec<Entry>,
    /// Keys of `[service.notify]`.
    pub(super) notify: Vec<Entry>,
    pub(super) servers: Vec<Server>,
}

impl Service {
    /// A service as `ipvsadm -A` makes it without options.
    pub(super) fn new(place: Place, id: ServiceId) -> Self {
        Self {
            notes: Notes::default(),
            place,
            id,
            scheduler: SchedulerKind::Wlc,
            scheduler_flags: SchedulerFlags::default(),
            persistent: None,
            netmask: None,
            one_packet: false,
            policy: Vec::new(),
            notify: Vec::new(),
            servers: Vec::new(),
        }
    }
}

/// A real server.
#[derive(Clone, Debug)]
pub(super) struct Server {
    pub(super) notes: Notes,
    pub(super) address: IpAddr,
    /// Only where the service is a firewall mark.
    pub(super) port: Option<u16>,
    pub(super) weight: u32,
    pub(super) upper_threshold: u32,
    pub(super) lower_threshold: u32,
    /// What happens when it fails, by the keys of the config.
    pub(super) policy: Vec<Entry>,
    /// All must be good; none is unchecked.
    pub(super) checks: Vec<Check>,
}

impl Server {
    /// A server as `ipvsadm -a` makes it without options.
    pub(super) fn new(address: IpAddr) -> Self {
        Self {
            notes: Notes::default(),
            address,
            port: None,
            weight: 1,
            upper_threshold: 0,
            lower_threshold: 0,
            policy: Vec::new(),
            checks: Vec::new(),
        }
    }
}

/// A health check.
#[derive(Clone, Debug)]
pub(super) struct Check {
    pub(super) notes: Notes,
    pub(super) place: Place,
    pub(super) keys: Vec<Entry>,
}

/// When a server is asked. The checks of a list are asked together, so that only the first of them says it.
pub(super) const RHYTHM: [&str; 6] = ["interval", "warmup", "rise", "fall", "retry", "delay_before_retry"];

impl Check {
    /// A check of this type.
    pub(super) fn new(kind: &str, place: &Place) -> Self {
        Self { notes: Notes::default(), place: place.clone(), keys: vec![("type", kind.into())] }
    }

    pub(super) fn set(&mut self, key: &'static str, value: impl Into<Value>) {
        self.keys.push((key, value.into()));
    }

    pub(super) fn set_duration(&mut self, key: &'static str, duration: Duration) {
        self.set(key, humantime::format_duration(duration).to_string());
    }

    pub(super) fn set_list<'a>(&mut self, key: &'static str, words: impl IntoIterator<Item = &'a str>) {
        self.set(key, words.into_iter().map(Value::from).collect::<Vec<_>>());
    }

    pub(super) fn value(&self, key: &str) -> Option<&Value> {
        self.keys.iter().find(|(known, _)| *known == key).map(|(_, value)| value)
    }

    fn kind(&self) -> &str {
        self.value("type").and_then(Value::as_str).unwrap_or_default()
    }

    /// Asks the real server's own address where LVX would ask the VIP on it, as what is imported does.
    pub(super) fn ask_the_address(&mut self, id: ServiceId) {
        let by_vip = matches!(id, ServiceId::Address { port, .. } if port != 0);
        if by_vip && self.kind() != "script" && self.value("address").is_none() {
            self.set("via", "address");
        }
    }
}

impl Server {
    /// Lets the first check say when all are asked.
    fn join_checks(&mut self) {
        let Some((first, others)) = self.checks.split_first_mut() else { return };
        for other in others {
            if RHYTHM.iter().any(|key| first.value(key) != other.value(key)) {
                let text = format!("LVX asks this together with the check of {}, and as often", first.place);
                other.notes.warn(&other.place, text);
            }
            other.keys.retain(|(key, _)| !RHYTHM.contains(key));
        }
    }
}

impl Draft {
    /// Adds a service unless it is there already.
    pub(super) fn add(&mut self, mut service: Service) {
        service.servers.iter_mut().for_each(Server::join_checks);
        match self.services.iter_mut().find(|known| known.id == service.id) {
            Some(known) => {
                let first = known.place.clone();
                let text = format!(
                    "{} a second time: the one of {first} is imported, this one and what is in it is not",
                    service.id
                );
                known.notes.warn(&service.place, text);
            }
            None => self.services.push(service),
        }
    }

    /// Everything that was said.
    pub(super) fn notes(&self) -> impl Iterator<Item = &Note> {
        let services = self.services.iter().flat_map(|service| {
            let servers = service.servers.iter().flat_map(|server| {
                server.notes.iter().chain(server.checks.iter().flat_map(|check| check.notes.iter()))
            });
            service.notes.iter().chain(servers)
        });
        let rules = self.rules.iter().flat_map(|rule| rule.notes.iter());
        self.notes.iter().chain(rules).chain(services)
    }
}
