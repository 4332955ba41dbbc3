//! Health checks: each table says only what differs from the one around it.

use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use crate::health::{Check, CheckKind, Target};
use crate::model::{Protocol, ServiceId};

use super::item::Item;
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

const TIMEOUT: RangeInclusive<Duration> = Duration::from_millis(10)..=Duration::from_secs(3600);

/// Whether servers are checked, and how.
#[derive(Clone)]
pub(super) struct Setting {
    on: bool,
    /// How often, and what makes a transition.
    rhythm: Rhythm,
    first: Template,
    /// The others of a list.
    more: Vec<Template>,
}

/// A check that does not know its server yet.
#[derive(Clone)]
struct Template {
    kind: CheckKind,
    address: Option<IpAddr>,
    port: Option<u16>,
    timeout: Duration,
}

/// A check without a port to ask.
pub(super) struct NeedsPort {
    kind: &'static str,
    why: &'static str,
}

/// `[defaults.health]`: without it, servers are checked only where their service says so.
pub(super) fn defaults(root: &Section<'_>) -> Setting {
    let first = Template { kind: CheckKind::Tcp, address: None, port: None, timeout: Duration::from_secs(1) };
    let off = Setting { on: false, rhythm: Rhythm::default(), first, more: Vec::new() };
    root.table("defaults", |section| setting(section, &off)).unwrap_or(off)
}

/// The `health` of a table: false, true, what differs from `outer`, or a list of that. Of a list around it, its first
/// check is what a table or another list differs from.
pub(super) fn setting(section: &Section<'_>, outer: &Setting) -> Setting {
    let Some(item) = section.get("health") else {
        return outer.clone();
    };
    if item.is_boolean() {
        return Setting { on: item.boolean() == Some(true), ..outer.clone() };
    }
    let items = if item.is_list() { item.list() } else { vec![item] };
    let [first, more @ ..] = items.as_slice() else {
        section.refuse_key("health", "an empty list", "write health = false, if nothing is to be checked");
        return outer.clone();
    };
    let read = first.table(|section| (Rhythm::read(section, &outer.rhythm), template(section, &outer.first)));
    let (rhythm, first) = read.unwrap_or_else(|| (outer.rhythm, outer.first.clone()));
    let more = more.iter().filter_map(|item| another(item, &outer.first)).collect();
    Setting { on: true, rhythm, first, more }
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
        timeout: rhythm::duration(section, "timeout", TIMEOUT).unwrap_or(outer.timeout),
    }
}

impl Setting {
    /// The check of one server, or none where servers are not checked.
    pub(super) fn check(&self, target: &Target) -> Result<Option<Check>, NeedsPort> {
        if !self.on {
            return Ok(None);
        }
        let first = self.first.check(target, &self.rhythm)?;
        if self.more.is_empty() {
            return Ok(Some(first));
        }
        let (endpoint, timeout) = (first.endpoint, first.timeout);
        let more = self.more.iter().map(|template| template.check(target, &self.rhythm));
        let all = std::iter::once(Ok(first)).chain(more).collect::<Result<Arc<[Check]>, _>>()?;
        Ok(Some(Check { timeout, ..self.rhythm.check(CheckKind::All(all), endpoint) }))
    }
}

impl Template {
    fn check(&self, target: &Target, rhythm: &Rhythm) -> Result<Check, NeedsPort> {
        let port = match self.port {
            Some(port) => port,
            None => default_port(&self.kind, target).map_err(|why| NeedsPort { kind: self.kind.name(), why })?,
        };
        let kind = if let CheckKind::Script(script) = &self.kind {
            CheckKind::Script(Arc::new(script.of_server(target, port)))
        } else {
            self.kind.clone()
        };
        let endpoint = SocketAddr::new(self.address.unwrap_or(target.address), port);
        Ok(Check { timeout: self.timeout, ..rhythm.check(kind, endpoint) })
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

impl NeedsPort {
    pub(super) fn refuse(&self, section: &Section<'_>) {
        let message = format!("{} check needs one here: {}", keys::with_article(self.kind), self.why);
        section.refuse_key("health.port", &message, "add health.port, or health = false");
    }
}
