//! Checkers: what a real server is asked.

use std::net::IpAddr;

use super::Around;
use super::http;
use super::real_server::own_alpha;
use super::script;
use super::timing::{Defaults, Timing};
use super::tree::Directive;
use super::values::{flag, hex, number, timer, value};
use crate::import::draft::Check;
use crate::import::note::Notes;
use crate::model::{Protocol, ServiceId};

/// Whether the keyword is that of a checker.
pub(super) fn is_checker(keyword: &str) -> bool {
    matches!(
        keyword,
        "HTTP_GET"
            | "SSL_GET"
            | "TCP_CHECK"
            | "SMTP_CHECK"
            | "DNS_CHECK"
            | "MISC_CHECK"
            | "UDP_CHECK"
            | "PING_CHECK"
            | "FILE_CHECK"
            | "BFD_CHECK"
    )
}

/// The checks that a checker is; `port` is that of the real server as keepalived has it.
pub(super) fn read(directive: &Directive, around: &Around<'_>, port: Option<u16>, notes: &mut Notes) -> Vec<Check> {
    let base = Base { around, port, address: None, own_port: None, timing: Timing::default() };
    match directive.keyword() {
        "HTTP_GET" => http::read(directive, base, false, notes),
        "SSL_GET" => http::read(directive, base, true, notes),
        "TCP_CHECK" => one(base.read(directive, "tcp", Defaults::PLAIN, |_, _, _| false), notes),
        "PING_CHECK" => one(base.read(directive, "icmp", Defaults::PLAIN, |_, _, _| false), notes),
        "DNS_CHECK" => one(dns(directive, base), notes),
        "UDP_CHECK" => one(base.read(directive, "udp", Defaults::PLAIN, udp_key), notes),
        "SMTP_CHECK" => smtp(directive, base, notes),
        "MISC_CHECK" => misc(directive, around, notes),
        other => {
            let why = if other == "BFD_CHECK" { "LVX has no BFD" } else { "LVX watches no files; a script can" };
            notes.warn(&directive.place, format!("{}: {why}; the server is not checked by it", directive.shown()));
            Vec::new()
        }
    }
}

fn one(check: Result<Check, Notes>, notes: &mut Notes) -> Vec<Check> {
    match check {
        Ok(check) => vec![check],
        Err(why) => {
            notes.extend(why);
            Vec::new()
        }
    }
}

/// What all checkers have in common.
#[derive(Clone, Copy)]
pub(super) struct Base<'a> {
    pub(super) around: &'a Around<'a>,
    /// The real server's.
    port: Option<u16>,
    /// connect_ip
    address: Option<IpAddr>,
    /// connect_port
    own_port: Option<u16>,
    timing: Timing,
}

impl Base<'_> {
    /// Reads a checker whose own keys are `own`'s; an error is why there is no check.
    fn read(
        mut self,
        directive: &Directive,
        kind: &str,
        defaults: Defaults,
        own: impl Fn(&Directive, &mut Check, &mut Notes) -> bool,
    ) -> Result<Check, Notes> {
        let mut check = Check::new(kind, &directive.place);
        let mut notes = Notes::default();
        for inner in directive.inner() {
            if !self.takes(inner, &mut notes) && !own(inner, &mut check, &mut notes) {
                unknown(inner, &mut notes);
            }
        }
        check.notes = notes;
        self.finish(directive, check, defaults)
    }

    /// Takes a directive that all checkers have; whether it is one.
    pub(super) fn takes(&mut self, inner: &Directive, notes: &mut Notes) -> bool {
        if self.timing.takes(inner, notes) {
            return true;
        }
        let why = match inner.keyword() {
            "connect_ip" => {
                self.address = value(inner, 0, "an address", notes);
                return true;
            }
            "connect_port" => {
                self.own_port = value(inner, 0, "a port", notes);
                return true;
            }
            "alpha" => {
                own_alpha(inner, self.around, notes);
                return true;
            }
            "bindto" | "bind_if" | "bind_port" => "LVX leaves it to the routing table where checks come from",
            "fwmark" => "LVX does not mark the packets of checks",
            "log_all_failures" => "LVX logs changes, each once",
            _other => return false,
        };
        notes.warn(&inner.place, format!("{}: {why}", inner.shown()));
        true
    }

    /// Adds what all have in common, which comes last for nothing in it hangs on the order.
    pub(super) fn finish(&self, directive: &Directive, mut check: Check, defaults: Defaults) -> Result<Check, Notes> {
        if let Some(address) = self.address {
            check.set("address", address.to_string());
        }
        let kind = check.value("type").and_then(toml::Value::as_str);
        let (is_icmp, asks_udp) = (kind == Some("icmp"), matches!(kind, Some("udp" | "dns")));
        let serves = self.around.id.port();
        let is_udp = matches!(self.around.id, ServiceId::Address { protocol: Protocol::Udp, .. });
        let asked = match self.own_port {
            Some(port) => Some(port),
            // LVX asks the port of the service, where the server has to listen.
            None if serves != 0 => (is_udp || asks_udp).then_some(serves),
            None => self.port.filter(|port| *port != 0),
        };
        match asked {
            _ if is_icmp => {}
            Some(port) => check.set("port", u32::from(port)),
            None if serves != 0 => {}
            None => {
                let text = format!("{}: no port to ask; add connect_port. Left out", directive.shown());
                check.notes.warn(&directive.place, text);
                return Err(check.notes);
            }
        }
        check.ask_the_address(self.around.id);
        let timing = self.timing.or(self.around.timing);
        timing.write(timing.connect_timeout(), defaults, &mut check);
        Ok(check)
    }
}

/// A directive that nobody knows here.
pub(super) fn unknown(inner: &Directive, notes: &mut Notes) {
    notes.warn(&inner.place, format!("{}: unknown here; left out", inner.shown()));
}

fn dns(directive: &Directive, base: Base<'_>) -> Result<Check, Notes> {
    let mut check = base.read(directive, "dns", Defaults::DNS, |inner, check, _| match inner.keyword() {
        "type" => {
            check.set("record", inner.value(0).to_ascii_uppercase());
            true
        }
        "name" => {
            check.set("name", inner.value(0));
            true
        }
        _other => false,
    })?;
    for (key, default) in [("record", "SOA"), ("name", ".")] {
        if check.value(key).is_none() {
            check.set(key, default);
        }
    }
    Ok(check)
}

fn udp_key(inner: &Directive, check: &mut Check, notes: &mut Notes) -> bool {
    let mut digits = |key: &'static str, check: &mut Check| match hex(&inner.values()) {
        Some(digits) => check.set(key, digits),
        None => notes.error(&inner.place, format!("{}: not hexadecimal digits", inner.shown())),
    };
    match inner.keyword() {
        "payload" => digits("payload", check),
        "require_reply" => {
            check.set("require_reply", true);
            if !inner.values().is_empty() {
                digits("reply", check);
            }
        }
        "min_reply_length" => check.keys.extend(number(inner, notes).map(|n| ("min_reply_length", n.into()))),
        "max_reply_length" => check.keys.extend(number(inner, notes).map(|n| ("max_reply_length", n.into()))),
        _other => return false,
    }
    true
}

/// Of keepalived's SMTP_CHECK that does not say it.
const HELO: &str = "smtpchecker.keepalived.org";

fn smtp(directive: &Directive, mut base: Base<'_>, notes: &mut Notes) -> Vec<Check> {
    let (mut own, mut helo, mut hosts) = (Notes::default(), HELO, Vec::new());
    for inner in directive.inner() {
        match inner.keyword() {
            "helo_name" => helo = inner.value(0),
            "host" => hosts.push(inner),
            _other if base.takes(inner, &mut own) => {}
            _other => unknown(inner, &mut own),
        }
    }
    let hosts = if hosts.is_empty() { vec![None] } else { hosts.into_iter().map(Some).collect() };
    let mut checks = Vec::new();
    for host in hosts {
        let (mut base, mut check) =
            (base, Check { notes: std::mem::take(&mut own), ..Check::new("smtp", &directive.place) });
        check.set("helo", helo);
        for inner in host.map(Directive::inner).unwrap_or_default() {
            if !base.takes(inner, &mut check.notes) {
                unknown(inner, &mut check.notes);
            }
        }
        checks.extend(one(base.finish(directive, check, Defaults::PLAIN), notes));
    }
    checks
}

fn misc(directive: &Directive, around: &Around<'_>, notes: &mut Notes) -> Vec<Check> {
    let mut check = Check::new("script", &directive.place);
    let (mut timing, mut timeout, mut user, mut dynamic) = (Timing::default(), None, around.script_user, false);
    for inner in directive.inner() {
        let own = &mut check.notes;
        if timing.takes(inner, own) {
            continue;
        }
        match inner.keyword() {
            "misc_path" => {
                let command = script::command(&inner.values());
                check.set_list("command", command.iter().map(String::as_str));
            }
            "misc_timeout" => timeout = timer(inner, own),
            "user" => {
                user = Some(inner.value(0));
                if !inner.value(1).is_empty() {
                    own.warn(&inner.place, format!("{}: the group is the user's own", inner.shown()));
                }
            }
            "misc_dynamic" => dynamic = flag(inner, own).unwrap_or(true),
            "alpha" => drop(own_alpha(inner, around, own)),
            "log_all_failures" => own.warn(&inner.place, "log_all_failures: LVX logs changes, each once"),
            _other => unknown(inner, own),
        }
    }
    if check.value("command").is_none() {
        notes.error(&directive.place, format!("{}: without a misc_path", directive.shown()));
    }
    if let Some(user) = user {
        check.set("user", user);
    }
    if dynamic {
        check.set("dynamic", true);
    }
    let timing = timing.or(around.timing);
    timing.write(timeout.unwrap_or(timing.delay_loop()), Defaults::MISC, &mut check);
    vec![check]
}
