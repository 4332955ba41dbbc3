//! Health checks: each table says only what differs from the one around it.

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::time::Duration;

use crate::health::{Check, CheckKind, HttpCheck, PassiveCheck, Target};
use crate::model::{Protocol, ServiceId};

use super::passive;
use super::request::RequestKeys;
use super::section::Section;

const INTERVAL: RangeInclusive<Duration> = Duration::from_millis(10)..=Duration::from_secs(24 * 3600);
const TIMEOUT: RangeInclusive<Duration> = Duration::from_millis(10)..=Duration::from_secs(3600);
const MOST_IN_A_ROW: u32 = 1000;

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
    interval: Duration,
    timeout: Duration,
    rise: u32,
    fall: u32,
    passive: Option<PassiveCheck>,
}

/// A check without a port to ask.
pub(super) struct NeedsPort {
    kind: &'static str,
    why: &'static str,
}

/// `[defaults.health]`: without it, servers are checked only where their service says so.
pub(super) fn defaults(root: &Section<'_>) -> Setting {
    let second = Duration::from_secs(1);
    let template = Template {
        kind: CheckKind::Tcp,
        port: None,
        interval: second,
        timeout: second,
        rise: 2,
        fall: 2,
        passive: None,
    };
    let off = Setting { on: false, template };
    root.table("defaults", |section| setting(section, &off)).unwrap_or(off)
}

/// The `health` of a table: false, true, or what differs from `outer`.
pub(super) fn setting(section: &Section<'_>, outer: &Setting) -> Setting {
    let Some(item) = section.get("health") else {
        return outer.clone();
    };
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
        interval: duration(section, "interval", INTERVAL).unwrap_or(outer.interval),
        timeout: duration(section, "timeout", TIMEOUT).unwrap_or(outer.timeout),
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

pub(super) fn duration(section: &Section<'_>, key: &'static str, range: RangeInclusive<Duration>) -> Option<Duration> {
    let item = section.get(key)?;
    let duration =
        item.parsed("a duration", "write \"500ms\", \"2s\" or \"1m\"", |text| humantime::parse_duration(text).ok())?;
    if range.contains(&duration) {
        return Some(duration);
    }
    let (shortest, longest) = (humantime::format_duration(*range.start()), humantime::format_duration(*range.end()));
    item.refuse(&format!("{} is out of range: {shortest} to {longest}", item.written()), "");
    None
}

impl Setting {
    /// Whether clients' handshakes speak for and against a server.
    pub(super) fn passive(&self) -> Option<PassiveCheck> {
        self.template.passive.filter(|_| self.on)
    }

    /// The check of one server, or none where servers are not checked.
    pub(super) fn check(&self, target: &Target) -> Result<Option<Check>, NeedsPort> {
        if !self.on {
            return Ok(None);
        }
        let Template { kind, port, interval, timeout, rise, fall, passive: _ } = self.template.clone();
        let port = match port {
            Some(port) => port,
            None => default_port(target).map_err(|why| NeedsPort { kind: kind.name(), why })?,
        };
        let endpoint = SocketAddr::new(target.address, port);
        Ok(Some(Check { kind, endpoint, interval, timeout, rise, fall }))
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

impl NeedsPort {
    pub(super) fn refuse(&self, section: &Section<'_>) {
        let message = format!("a {} check needs one here: {}", self.kind, self.why);
        section.refuse_key("health.port", &message, "add health.port, or health = false");
    }
}
