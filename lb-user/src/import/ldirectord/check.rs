//! What ldirectord asks a real server, as a check of LVX.

use std::net::IpAddr;
use std::time::Duration;

use super::global::Global;
use super::lines::{Key, Section};
use super::service::Words;
use crate::import::draft::Check;
use crate::import::note::{Notes, Place};
use crate::model::{Protocol, ServiceId};

mod negotiate;

/// How the servers of a service are checked.
pub(super) struct Checked<'a> {
    kind: Kind,
    words: &'a Words<'a>,
    id: ServiceId,
    /// Where the language of the check is named, or else where the service begins.
    place: &'a Place,
    /// The virtual, as ldirectord hands it to programs: address or mark, and port.
    virtual_words: (String, String),
    service: &'a str,
    interval: u32,
    connect_timeout: u32,
    negotiate_timeout: u32,
    /// Tries of one ping.
    count: u32,
    failures: u32,
    check_port: Option<u16>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Off,
    On,
    Connect,
    Ping,
    External,
    Negotiate,
}

impl<'a> Checked<'a> {
    pub(super) fn new(
        words: &'a Words<'a>,
        global: &Global,
        id: ServiceId,
        section: &'a Section,
        notes: &mut Notes,
    ) -> Self {
        let whole = |name: &str| global.numbers.get(name).copied();
        let number = |name: &str| words.own(name).or_else(|| whole(name));
        // Each is the other's default, first here and then in the whole file.
        let (connect, negotiate) = ("checktimeout", "negotiatetimeout");
        let either = |first: &str, second: &str| {
            words.own(first).or_else(|| words.own(second)).or_else(|| whole(first)).or_else(|| whole(second))
        };
        let check_port = words.get("checkport").and_then(|key| key.number(notes));
        let port = id.port();
        Self {
            kind: kind(words, notes),
            words,
            id,
            place: words.get("service").map_or(&section.head.place, |key| &key.place),
            virtual_words: match id {
                ServiceId::Address { vip, port, .. } => (vip.to_string(), port.to_string()),
                ServiceId::Mark { mark, .. } => (mark.to_string(), "0".to_owned()),
            },
            service: words.text("service").unwrap_or_else(|| if is_mark(id) { "none" } else { service_of(port) }),
            interval: number("checkinterval").unwrap_or(10),
            connect_timeout: either(connect, negotiate).unwrap_or(5),
            negotiate_timeout: either(negotiate, connect).unwrap_or(30),
            count: number("checkcount").unwrap_or(1),
            failures: number("failurecount").unwrap_or(1),
            check_port: check_port.and_then(|port| u16::try_from(port).ok()),
        }
    }

    /// Says which keys mean nothing to the check, to ldirectord neither.
    pub(super) fn remark_unused(&self, section: &Section, notes: &mut Notes) {
        let is_udp = matches!(self.id, ServiceId::Address { protocol: Protocol::Udp, .. });
        let pings = self.kind == Kind::Ping || self.kind == Kind::Connect && is_udp;
        let asks = self.kind == Kind::Negotiate && self.service != "none";
        let checks = !matches!(self.kind, Kind::On | Kind::Off) && (self.kind != Kind::Negotiate || asks);
        for key in &section.keys {
            let used = match key.name.as_str() {
                "service" => self.kind == Kind::Negotiate,
                "checkcommand" => self.kind == Kind::External,
                "checkport" => asks || self.kind == Kind::Connect && !is_udp,
                "request" | "receive" | "virtualhost" | "httpmethod" | "login" | "passwd" | "database" | "secret" => {
                    asks
                }
                "checkcount" => pings,
                "checktimeout" => checks && (!asks || self.words.own("negotiatetimeout").is_none()),
                "negotiatetimeout" => checks && (asks || self.words.own("checktimeout").is_none()),
                "failurecount" => checks,
                _other => true,
            };
            if !used {
                notes.remark(&key.place, format!("{}: means nothing to this check", key.shown()));
            }
        }
    }

    /// Whether no server is ever used.
    pub(super) fn is_off(&self) -> bool {
        self.kind == Kind::Off
    }

    /// The check of a server; none is unchecked. `pair` is its own request and what must come back.
    pub(super) fn check(&self, key: &Key, address: IpAddr, port: u16, pair: Option<(&str, &str)>) -> Option<Check> {
        let is_udp = matches!(self.id, ServiceId::Address { protocol: Protocol::Udp, .. });
        let mut check = match self.kind {
            Kind::Off | Kind::On => return None,
            Kind::Connect if is_udp => Check::new("icmp", self.place),
            Kind::Connect => Check::new("tcp", self.place),
            Kind::Ping => Check::new("icmp", self.place),
            Kind::External => self.script(address, port),
            Kind::Negotiate => self.negotiate(key, pair)?,
        };
        let kind = check.value("type").and_then(toml::Value::as_str).unwrap_or_default().to_owned();
        if !matches!(kind.as_str(), "icmp" | "script") {
            self.set_port(port, &mut check)?;
        }
        check.ask_the_address(self.id);
        let negotiates = self.kind == Kind::Negotiate;
        let timeout = if negotiates { self.negotiate_timeout } else { self.connect_timeout };
        check.set_duration("interval", Duration::from_secs(self.interval.into()));
        check.set_duration("timeout", Duration::from_secs(timeout.into()));
        check.set("rise", 1);
        check.set("fall", if kind == "icmp" { self.failures.saturating_mul(self.count) } else { self.failures });
        Some(check)
    }

    /// ldirectord's port: checkport, else the server's, else the usual one of the protocol.
    fn set_port(&self, port: u16, check: &mut Check) -> Option<()> {
        if check.value("port").is_some() {
            return Some(());
        }
        let needed = is_mark(self.id) || self.id.port() == 0;
        let is_udp = matches!(self.id, ServiceId::Address { protocol: Protocol::Udp, .. });
        let asked = match self.check_port {
            Some(port) => Some(port),
            None if needed => Some(port).filter(|port| *port != 0).or_else(|| port_of(self.service)),
            None => Some(self.id.port()).filter(|_| is_udp),
        };
        if let Some(port) = asked {
            check.set("port", u32::from(port));
        } else if needed {
            check.notes.warn(self.place, "no port to ask: its servers are not checked; add checkport");
            return None;
        }
        Some(())
    }

    /// External programs get the virtual and the real server.
    fn script(&self, address: IpAddr, port: u16) -> Check {
        let mut check = Check::new("script", self.place);
        let command = self.words.text("checkcommand").unwrap_or("/bin/true");
        let (host, service_port) = (&self.virtual_words.0, &self.virtual_words.1);
        let (address, port) = (address.to_string(), port.to_string());
        check.set_list("command", [command, host, service_port, &address, &port]);
        check
    }
}

fn kind(words: &Words<'_>, notes: &mut Notes) -> Kind {
    let Some(key) = words.get("checktype") else { return Kind::Negotiate };
    match key.unquoted() {
        "off" => Kind::Off,
        "on" => Kind::On,
        "connect" => Kind::Connect,
        "ping" => Kind::Ping,
        "external" => Kind::External,
        "external-perl" => {
            notes.warn(&key.place, format!("{}: LVX runs it as a program, each time anew", key.shown()));
            Kind::External
        }
        "negotiate" => Kind::Negotiate,
        number if number.bytes().any(|byte| byte.is_ascii_digit()) => {
            notes.warn(&key.place, format!("{}: LVX negotiates each time, and never only connects", key.shown()));
            Kind::Negotiate
        }
        _other => {
            notes.error(&key.place, format!("{}: ldirectord has no such check", key.shown()));
            Kind::Negotiate
        }
    }
}

fn is_mark(id: ServiceId) -> bool {
    matches!(id, ServiceId::Mark { .. })
}

/// The usual ports of the services that ldirectord knows.
const PORTS: [(&str, u16); 20] = [
    ("ftp", 21),
    ("smtp", 25),
    ("dns", 53),
    ("http", 80),
    ("pop", 110),
    ("nntp", 119),
    ("imap", 143),
    ("ldap", 389),
    ("https", 443),
    ("submission", 587),
    ("ldaps", 636),
    ("imaps", 993),
    ("pops", 995),
    ("oracle", 1521),
    ("radius", 1812),
    ("http_proxy", 3128),
    ("mysql", 3306),
    ("sip", 5060),
    ("pgsql", 5432),
    ("none", 0),
];

fn service_of(port: u16) -> &'static str {
    PORTS.iter().find(|(_, known)| *known == port).map_or("none", |(name, _)| name)
}

fn port_of(service: &str) -> Option<u16> {
    PORTS.iter().find(|(name, port)| *name == service && *port != 0).map(|(_, port)| *port)
}

/// What to change where ldirectord would not forward by direct routing.
pub(super) fn warn_of_method(key: &Key, method: &str, notes: &mut Notes) {
    if method != "gate" {
        let text = format!(
            "{}: LVX forwards by direct routing only: the server needs the VIP on lo, and answers clients \
             without the director",
            key.shown()
        );
        notes.warn(&key.place, text);
    }
}
