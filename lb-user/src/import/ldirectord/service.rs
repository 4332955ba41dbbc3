//! virtual: one service.

use std::collections::BTreeMap;

use super::check::{self, Checked};
use super::endpoint;
use super::global::{Global, has_no_equal, number_name};
use super::lines::{Key, Section};
use super::server;
use crate::import::draft::{Draft, Entry, Service};
use crate::import::note::Notes;
use crate::ipvsadm::Names;
use crate::model::{Family, Netmask, Protocol, SchedulerFlags, SchedulerKind, ServiceId};

/// Reads a section.
pub(super) fn read(section: &Section, global: &Global, names: &dyn Names, draft: &mut Draft) {
    let mut notes = Notes::default();
    let words = Words::of(section, global, &mut notes);
    let Some(id) = id(section, &words, names, &mut notes) else { return draft.notes.extend(notes) };
    let mut service = Service::new(section.head.place.clone(), id);
    service.scheduler = scheduler(&words, &mut notes);
    service.scheduler_flags = flags(&words, service.scheduler, &mut notes);
    service.persistent = words.number("persistent", &mut notes);
    service.netmask = netmask(&words, id, &mut notes);
    service.one_packet = one_packet(&words, id, &mut notes);
    if words.get("quiescent").and_then(|key| key.flag(&mut notes)).unwrap_or(global.quiescent) {
        service.policy.push(("on_failure", "inhibit".into()));
    }
    service.policy.extend(fallback(&words, id, global, names, &mut notes));
    let checked = Checked::new(&words, global, id, section, &mut notes);
    checked.remark_unused(section, &mut notes);
    for key in &words.servers {
        for server in server::read(key, id, &checked, names, &mut notes) {
            if service.servers.iter().any(|known| known.address == server.address && known.port == server.port) {
                notes.warn(&key.place, format!("{}: {} is there already; left out", key.shown(), server.address));
            } else {
                service.servers.push(server);
            }
        }
    }
    if service.servers.is_empty() {
        for key in section.keys.iter().filter(|key| IS_OF_CHECKS.contains(&key.name.as_str())) {
            notes.remark(&key.place, format!("{}: no server is left to check", key.shown()));
        }
    }
    if checked.is_off() {
        let names: Vec<_> = service.servers.drain(..).map(|server| server.address.to_string()).collect();
        let text = format!("checktype=off: its servers are never used, and left out: {}", names.join(", "));
        notes.warn(words.get("checktype").map_or(&section.head.place, |key| &key.place), text);
    }
    service.notes = notes;
    draft.add(service);
}

/// Keys that only say how servers are checked.
const IS_OF_CHECKS: [&str; 17] = [
    "checktype",
    "service",
    "checkcommand",
    "checkport",
    "request",
    "receive",
    "httpmethod",
    "virtualhost",
    "login",
    "passwd",
    "database",
    "secret",
    "checktimeout",
    "negotiatetimeout",
    "checkinterval",
    "checkcount",
    "failurecount",
];

/// The keys of a section; of those given twice the last one counts, as in ldirectord.
pub(super) struct Words<'a> {
    keys: BTreeMap<&'a str, &'a Key>,
    /// Keys with numbers, those of the whole file included.
    numbers: BTreeMap<&'static str, u32>,
    servers: Vec<&'a Key>,
}

impl<'a> Words<'a> {
    fn of(section: &'a Section, global: &Global, notes: &mut Notes) -> Self {
        let mut words = Self { keys: BTreeMap::new(), numbers: BTreeMap::new(), servers: Vec::new() };
        for key in &section.keys {
            match key.name.as_str() {
                "real" | "real6" => words.servers.push(key),
                "checkinterval" if !global.fork => {
                    notes.warn(&key.place, format!("{}: does not count without fork=yes", key.shown()));
                }
                name if let Some(name) = number_name(name) => {
                    words.numbers.extend(key.number(notes).map(|number| (name, number)));
                }
                "servicename" | "comment" => notes.remark(&key.place, key.shown()),
                name if KEYS.contains(&name) => {
                    if let Some(first) = words.keys.insert(name, key) {
                        notes.warn(&first.place, format!("{}: said again in line {}", first.shown(), key.place.line));
                    }
                }
                _other => has_no_equal(key, notes),
            }
        }
        words
    }

    pub(super) fn get(&self, name: &str) -> Option<&'a Key> {
        self.keys.get(name).copied()
    }

    /// The value without quotes.
    pub(super) fn text(&self, name: &str) -> Option<&'a str> {
        self.get(name).map(Key::unquoted)
    }

    fn number(&self, name: &str, notes: &mut Notes) -> Option<u32> {
        self.get(name)?.number(notes)
    }

    /// A number of this service.
    pub(super) fn own(&self, name: &str) -> Option<u32> {
        self.numbers.get(name).copied()
    }
}

/// Keys with an equal, or that a check reads.
const KEYS: [&str; 24] = [
    "checktype",
    "service",
    "checkcommand",
    "checkport",
    "request",
    "receive",
    "httpmethod",
    "virtualhost",
    "login",
    "passwd",
    "database",
    "secret",
    "scheduler",
    "schedflags",
    "persistent",
    "netmask",
    "protocol",
    "ops",
    "fallback",
    "fallback6",
    "quiescent",
    "real",
    "real6",
    "virtual",
];

fn id(section: &Section, words: &Words<'_>, names: &dyn Names, notes: &mut Notes) -> Option<ServiceId> {
    let Key { place, name, value } = &section.head;
    let family = if name == "virtual6" { Family::Inet6 } else { Family::Inet };
    if value.bytes().all(|byte| byte.is_ascii_digit()) {
        if let Some(key) = words.get("protocol") {
            notes.remark(&key.place, format!("{}: as the virtual is a firewall mark", key.shown()));
        }
        let mark = value.parse().ok().filter(|mark| *mark != 0);
        if mark.is_none() {
            notes.error(place, format!("{}: not a firewall mark", section.head.shown()));
        }
        return mark.map(|mark| ServiceId::Mark { mark, family });
    }
    let (host, port) = endpoint::split(value);
    let by_port = if matches!(port, Some("53" | "domain")) { Protocol::Udp } else { Protocol::Tcp };
    let protocol = match words.get("protocol").map(|key| (key, key.value.as_str())) {
        None => by_port,
        Some((_, "tcp")) => Protocol::Tcp,
        Some((_, "udp")) => Protocol::Udp,
        Some((key, _)) => {
            notes.error(&key.place, format!("{}: neither tcp nor udp", key.shown()));
            return None;
        }
    };
    let port = port.ok_or_else(|| "the port is missing".to_owned());
    let port = port.and_then(|port| endpoint::port(port, Some(protocol), names));
    match (endpoint::address(host, family, names), port) {
        (Ok(vip), Ok(port)) => Some(ServiceId::Address { protocol, vip, port }),
        (Err(why), _) | (_, Err(why)) => {
            notes.error(place, format!("{}: {why}", section.head.shown()));
            None
        }
    }
}

fn scheduler(words: &Words<'_>, notes: &mut Notes) -> SchedulerKind {
    let Some(key) = words.get("scheduler") else { return SchedulerKind::Wrr };
    key.unquoted().parse().unwrap_or_else(|()| {
        notes.warn(&key.place, format!("{}: LVX does not know it, wrr instead", key.shown()));
        SchedulerKind::Wrr
    })
}

fn flags(words: &Words<'_>, scheduler: SchedulerKind, notes: &mut Notes) -> SchedulerFlags {
    let Some(key) = words.get("schedflags") else { return SchedulerFlags::default() };
    let mut flags = SchedulerFlags::default();
    for name in key.unquoted().split(',').filter(|name| !name.is_empty()) {
        match SchedulerFlags::named(scheduler, name) {
            Some(flag) => flags = flags.and(flag),
            None => notes.warn(&key.place, format!("{}: {name} means nothing to {scheduler}", key.shown())),
        }
    }
    flags
}

fn netmask(words: &Words<'_>, id: ServiceId, notes: &mut Notes) -> Option<Netmask> {
    let key = words.get("netmask")?;
    let text = key.unquoted();
    let mask = match id.family() {
        Family::Inet => text.parse().ok().map(Netmask::V4),
        Family::Inet6 => text.parse().ok().filter(|bits| (1..=128).contains(bits)).map(Netmask::V6),
    };
    if mask.is_none() {
        notes.error(&key.place, format!("{}: not a netmask", key.shown()));
    }
    mask.filter(|mask| *mask != Netmask::host(id.family()))
}

fn one_packet(words: &Words<'_>, id: ServiceId, notes: &mut Notes) -> bool {
    let Some(key) = words.get("ops") else { return false };
    let wanted = key.flag(notes).unwrap_or(false);
    let is_udp = matches!(id, ServiceId::Address { protocol: Protocol::Udp, .. });
    if wanted && !is_udp {
        notes.warn(&key.place, format!("{}: is for UDP; left out, as ldirectord does", key.shown()));
    }
    wanted && is_udp
}

/// The sorry server: the service's own, or that of the whole file.
fn fallback(words: &Words<'_>, id: ServiceId, global: &Global, names: &dyn Names, notes: &mut Notes) -> Option<Entry> {
    let (own, whole) = match id.family() {
        Family::Inet => (words.get("fallback"), &global.fallback),
        Family::Inet6 => (words.get("fallback6"), &global.fallback6),
    };
    let key = own.or(whole.as_ref())?;
    let mut parts = key.value.split_whitespace();
    let (host, port) = endpoint::split(parts.next().unwrap_or_default());
    let address = match endpoint::address(host, id.family(), names) {
        Ok(address) => address,
        Err(why) => {
            notes.error(&key.place, format!("{}: {why}", key.shown()));
            return None;
        }
    };
    if address.is_loopback() {
        let text = format!("{}: LVX forwards to other machines only, not to itself; left out", key.shown());
        notes.warn(&key.place, text);
        return None;
    }
    check::warn_of_method(key, parts.next().unwrap_or("gate"), notes);
    server::warn_of_port(key, port.and_then(|port| endpoint::port(port, None, names).ok()), id, notes);
    let table = toml::Table::from_iter([("address".to_owned(), address.to_string().into())]);
    Some(("sorry_server", table.into()))
}
