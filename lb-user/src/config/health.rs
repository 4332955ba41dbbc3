//! Health checks: each table says only what differs from the one around it.

use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use crate::health::{Check, CheckKind, PassiveCheck, Target, Via};
use crate::model::{Protocol, ServiceId};

use super::item::Item;
use super::passive;
use super::section::Section;

mod dns;
mod expect;
mod http;
mod keys;
mod kind;
mod rhythm;
mod script;
mod smtp;
mod tls;
mod udp;
pub mod write;

use rhythm::Rhythm;
pub(super) use rhythm::{DELAY, INTERVAL, MOST_IN_A_ROW, MOST_RETRIES};

pub(super) const TIMEOUT: RangeInclusive<Duration> = Duration::from_millis(10)..=Duration::from_secs(3600);
const VIAS: [(&str, Via); 2] = [("vip", Via::Vip), ("address", Via::Address)];

/// Whether servers are checked, and how.
#[derive(Clone)]
pub(super) struct Setting {
    on: bool,
    /// How often, and what makes a transition.
    rhythm: Rhythm,
    first: Template,
    /// The others of a list.
    more: Vec<Template>,
    passive: Option<PassiveCheck>,
}

/// A check that does not know its server yet.
#[derive(Clone)]
struct Template {
    kind: CheckKind,
    address: Option<IpAddr>,
    port: Option<u16>,
    via: Option<Via>,
    timeout: Duration,
}

/// A check that has nobody to ask.
pub(super) struct Unaskable {
    key: &'static str,
    message: String,
    advice: &'static str,
}

/// The `health` of a table, the tables that it inherits from included: false, true, what differs from `outer`, or a list of
/// that. Of a list around it, its first check is what a table or another list differs from.
pub(super) fn setting(section: &Section<'_>, outer: &Setting) -> Setting {
    section.each("health").iter().fold(outer.clone(), |outer, item| differing(item, &outer))
}

fn differing(item: &Item<'_>, outer: &Setting) -> Setting {
    if item.is_boolean() {
        return Setting { on: item.boolean() == Some(true), ..outer.clone() };
    }
    let list = if item.is_list() { item.list() } else { Vec::new() };
    let (first, more) = match list.split_first() {
        Some((first, more)) => (first, more),
        None if item.is_list() => {
            item.refuse("an empty list", "write health = false, if nothing is to be checked");
            return outer.clone();
        }
        None => (item, &[] as &[Item<'_>]),
    };
    let read = first.table(|section| {
        let passive = passive::read(section, outer.passive);
        (Rhythm::read(section, &outer.rhythm), template(section, &outer.first), passive)
    });
    let (rhythm, first, passive) = read.unwrap_or_else(|| (outer.rhythm, outer.first.clone(), outer.passive));
    let more = more.iter().filter_map(|item| another(item, &outer.first)).collect();
    Setting { on: true, rhythm, first, more, passive }
}

/// A check of a list after the first.
fn another(item: &Item<'_>, outer: &Template) -> Option<Template> {
    item.table(|section| {
        Rhythm::refuse(section);
        template(section, outer)
    })
}

fn template(section: &Section<'_>, outer: &Template) -> Template {
    let kind = kind::read(section, &outer.kind);
    let address = section.get("address").and_then(|item| {
        item.parsed("an address", "write \"192.0.2.10\"; the port has a key of its own", |text| text.parse().ok())
    });
    let port = section.number("port", 1..=65_535).and_then(|port| u16::try_from(port).ok());
    if kind == CheckKind::Icmp && section.has("port") {
        section.refuse_key("port", "an icmp check has no such key", "remove it");
    }
    Template {
        kind,
        address: address.or(outer.address),
        port: port.or(outer.port),
        via: section.get("via").and_then(|item| item.choice(&VIAS)).or(outer.via),
        timeout: section.duration("timeout", TIMEOUT).unwrap_or(outer.timeout),
    }
}

impl Setting {
    /// Without `[defaults.health]` servers are checked only where their service says so.
    pub(super) fn off() -> Self {
        let timeout = Duration::from_secs(1);
        let first = Template { kind: CheckKind::Tcp, address: None, port: None, via: None, timeout };
        Self { on: false, rhythm: Rhythm::default(), first, more: Vec::new(), passive: None }
    }

    /// Whether clients' handshakes speak for and against a server.
    pub(super) fn passive(&self) -> Option<PassiveCheck> {
        self.passive.filter(|_| self.on)
    }

    /// The check of one server, or none where servers are not checked.
    pub(super) fn check(&self, target: &Target) -> Result<Option<Check>, Unaskable> {
        if !self.on {
            return Ok(None);
        }
        let first = self.first.check(target, &self.rhythm)?;
        if self.more.is_empty() {
            return Ok(Some(first));
        }
        let more = self.more.iter().map(|template| template.check(target, &self.rhythm));
        let all = std::iter::once(Ok(first)).chain(more).collect::<Result<Arc<[Check]>, _>>()?;
        // One that asks for the VIP speaks for all of them.
        let Some(speaker) = all.iter().find(|check| check.via == Via::Vip).or(all.first()) else { return Ok(None) };
        let (endpoint, timeout, via) = (speaker.endpoint, speaker.timeout, speaker.via);
        Ok(Some(Check { timeout, via, ..self.rhythm.check(CheckKind::All(all), endpoint) }))
    }
}

impl Template {
    fn check(&self, target: &Target, rhythm: &Rhythm) -> Result<Check, Unaskable> {
        let port = match self.port {
            Some(port) => port,
            None => default_port(&self.kind, target).map_err(|why| Unaskable::without_port(self.kind.name(), why))?,
        };
        let kind = if let CheckKind::Script(script) = &self.kind {
            CheckKind::Script(Arc::new(script.of_server(target, port)))
        } else {
            self.kind.clone()
        };
        let (via, address) = self.whom(target)?;
        let endpoint = SocketAddr::new(address, port);
        Ok(Check { via, timeout: self.timeout, ..rhythm.check(kind, endpoint) })
    }

    /// Whose address is asked for. A service of a VIP and a port is asked as its clients ask; the port of a service of all
    /// ports says nothing of what listens there on the VIP, and a mark names no VIP. A script asks as it likes.
    fn whom(&self, target: &Target) -> Result<(Via, IpAddr), Unaskable> {
        if matches!(self.kind, CheckKind::Script(_)) {
            return Ok((Via::Address, self.address.unwrap_or(target.address)));
        }
        match (target.id, self.via, self.address) {
            (_, Some(Via::Vip), Some(_)) => Err(Unaskable::at_another_address()),
            (_, Some(Via::Address) | None, Some(address)) => Ok((Via::Address, address)),
            (ServiceId::Address { vip, .. }, Some(Via::Vip), None) => Ok((Via::Vip, vip)),
            (ServiceId::Address { vip, port: 1.., .. }, None, None) => Ok((Via::Vip, vip)),
            (ServiceId::Mark { .. }, Some(Via::Vip), None) => Err(Unaskable::without_vip()),
            (_, Some(Via::Address) | None, None) => Ok((Via::Address, target.address)),
        }
    }
}

/// The port that is asked where none is named: the server's, if it is one of the check's protocol.
fn default_port(kind: &CheckKind, target: &Target) -> Result<u16, &'static str> {
    let udp = match target.id {
        ServiceId::Address { protocol, .. } => Some(protocol == Protocol::Udp),
        ServiceId::Mark { .. } => None,
    };
    match kind {
        CheckKind::Icmp | CheckKind::Script(_) => Ok(target.port),
        _ if target.port == 0 => Err("the real servers have no port of their own"),
        CheckKind::Udp(_) if udp == Some(false) => Err("the service's port is one of TCP"),
        CheckKind::Udp(_) | CheckKind::Dns(_) => Ok(target.port),
        CheckKind::Tcp
        | CheckKind::Http(_)
        | CheckKind::Tls(_)
        | CheckKind::Smtp(_)
        | CheckKind::Expect(_)
        | CheckKind::All(_) => {
            if udp == Some(true) {
                return Err("the service's port is one of UDP");
            }
            Ok(target.port)
        }
    }
}

impl Unaskable {
    fn without_port(kind: &str, why: &str) -> Self {
        let message = format!("{} check needs one here: {why}", keys::with_article(kind));
        Self { key: "health.port", message, advice: "add health.port, or health = false" }
    }

    fn at_another_address() -> Self {
        let message = "\"vip\" asks for a service's VIP, and `address` names another one".to_owned();
        Self { key: "health.via", message, advice: "remove health.address, or health.via" }
    }

    fn without_vip() -> Self {
        let message = "\"vip\" asks for a service's VIP, and a mark has none".to_owned();
        Self { key: "health.via", message, advice: "add health.via = \"address\"" }
    }

    pub(super) fn refuse(&self, section: &Section<'_>) {
        section.refuse_key(self.key, &self.message, self.advice);
    }
}
