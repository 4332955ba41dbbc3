//! Health checks: each table says only what differs from the one around it.

use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::time::Duration;

use crate::health::{Check, CheckKind, HttpCheck, PassiveCheck, Target, Via};
use crate::model::{Protocol, ServiceId};

use super::item::Item;
use super::passive;
use super::request::RequestKeys;
use super::section::Section;

pub(super) const INTERVAL: RangeInclusive<Duration> = Duration::from_millis(10)..=Duration::from_secs(24 * 3600);
pub(super) const TIMEOUT: RangeInclusive<Duration> = Duration::from_millis(10)..=Duration::from_secs(3600);
pub(super) const MOST_IN_A_ROW: u32 = 1000;
const VIAS: [(&str, Via); 2] = [("vip", Via::Vip), ("address", Via::Address)];

/// Whether servers are checked, and how.
#[derive(Clone)]
pub(super) struct Setting {
    on: bool,
    template: Template,
}

/// A check that does not know its server yet.
#[derive(Clone)]
struct Template {
    kind: CheckKind,
    port: Option<u16>,
    via: Option<Via>,
    interval: Duration,
    timeout: Duration,
    rise: u32,
    fall: u32,
    passive: Option<PassiveCheck>,
}

/// A check that has nobody to ask.
pub(super) struct Unaskable {
    key: &'static str,
    message: String,
    advice: &'static str,
}

/// The `health` of a table, the tables that it inherits from included: false, true, or what differs from `outer`.
pub(super) fn setting(section: &Section<'_>, outer: &Setting) -> Setting {
    section.each("health").iter().fold(outer.clone(), |outer, item| differing(item, &outer))
}

fn differing(item: &Item<'_>, outer: &Setting) -> Setting {
    if item.is_boolean() {
        return Setting { on: item.boolean() == Some(true), template: outer.template.clone() };
    }
    let template = item.table(|section| template(section, &outer.template));
    Setting { on: true, template: template.unwrap_or_else(|| outer.template.clone()) }
}

fn template(section: &Section<'_>, outer: &Template) -> Template {
    let limit = |key| section.number(key, 1..=MOST_IN_A_ROW);
    Template {
        kind: kind(section, &outer.kind),
        port: section.number("port", 1..=65_535).and_then(|port| u16::try_from(port).ok()).or(outer.port),
        via: section.get("via").and_then(|item| item.choice(&VIAS)).or(outer.via),
        interval: section.duration("interval", INTERVAL).unwrap_or(outer.interval),
        timeout: section.duration("timeout", TIMEOUT).unwrap_or(outer.timeout),
        rise: limit("rise").unwrap_or(outer.rise),
        fall: limit("fall").unwrap_or(outer.fall),
        passive: passive::read(section, outer.passive),
    }
}

fn kind(section: &Section<'_>, outer: &CheckKind) -> CheckKind {
    let kinds = [("tcp", false), ("http", true)];
    let named = section.get("type").map(|item| item.choice(&kinds));
    let request = RequestKeys::of(section);
    let is_http = match named {
        Some(Some(is_http)) => is_http,
        // Which one was meant is unknown, and so is whether the other keys belong to it.
        Some(None) => return CheckKind::Http(request.read(&HttpCheck::default())),
        None => matches!(outer, CheckKind::Http(_)),
    };
    match (is_http, outer) {
        (true, CheckKind::Http(outer)) => CheckKind::Http(request.read(outer)),
        (true, CheckKind::Tcp) => CheckKind::Http(request.read(&HttpCheck::default())),
        (false, CheckKind::Tcp | CheckKind::Http(_)) => {
            request.refuse();
            CheckKind::Tcp
        }
    }
}

impl Setting {
    /// Without `[defaults.health]` servers are checked only where their service says so.
    pub(super) fn off() -> Self {
        let second = Duration::from_secs(1);
        let template = Template {
            kind: CheckKind::Tcp,
            port: None,
            via: None,
            interval: second,
            timeout: second,
            rise: 2,
            fall: 2,
            passive: None,
        };
        Self { on: false, template }
    }

    /// Whether clients' handshakes speak for and against a server.
    pub(super) fn passive(&self) -> Option<PassiveCheck> {
        self.template.passive.filter(|_| self.on)
    }

    /// The check of one server, or none where servers are not checked.
    pub(super) fn check(&self, target: &Target) -> Result<Option<Check>, Unaskable> {
        if !self.on {
            return Ok(None);
        }
        let Template { kind, port, via, interval, timeout, rise, fall, passive: _ } = self.template.clone();
        let port = match port {
            Some(port) => port,
            None => default_port(target).map_err(|why| Unaskable::without_port(kind.name(), why))?,
        };
        let (via, address) = whom(target, via)?;
        let endpoint = SocketAddr::new(address, port);
        Ok(Some(Check { kind, endpoint, via, interval, timeout, rise, fall }))
    }
}

/// Whose address is asked for. A service of a VIP and a port is asked as its clients ask; the port of a service of all
/// ports says nothing of what listens there on the VIP, and a mark names no VIP.
fn whom(target: &Target, via: Option<Via>) -> Result<(Via, IpAddr), Unaskable> {
    match (target.id, via) {
        (ServiceId::Address { vip, .. }, Some(Via::Vip)) => Ok((Via::Vip, vip)),
        (ServiceId::Address { vip, port: 1.., .. }, None) => Ok((Via::Vip, vip)),
        (ServiceId::Mark { .. }, Some(Via::Vip)) => Err(Unaskable::without_vip()),
        (_, Some(Via::Address) | None) => Ok((Via::Address, target.address)),
    }
}

fn default_port(target: &Target) -> Result<u16, &'static str> {
    let udp = matches!(target.id, ServiceId::Address { protocol: Protocol::Udp, .. });
    match target.port {
        0 => Err("the real servers have no port of their own"),
        _ if udp => Err("the service's port is one of UDP"),
        port => Ok(port),
    }
}

impl Unaskable {
    fn without_port(kind: &str, why: &str) -> Self {
        let message = format!("a {kind} check needs one here: {why}");
        Self { key: "health.port", message, advice: "add health.port, or health = false" }
    }

    fn without_vip() -> Self {
        let message = "\"vip\" asks for a service's VIP, and a mark has none".to_owned();
        Self { key: "health.via", message, advice: "add health.via = \"address\"" }
    }

    pub(super) fn refuse(&self, section: &Section<'_>) {
        section.refuse_key(self.key, &self.message, self.advice);
    }
}
