//! real_server: one server of a service.

use std::net::{IpAddr, SocketAddr};

use super::Around;
use super::checker;
use super::notify::Scripts;
use super::timing::{Timing, remark_unused};
use super::tree::Directive;
use super::values::{address_and_port, flag, number};
use super::virtual_server::{on_failure, warn_unless_dr};
use crate::import::draft::Server;
use crate::import::note::Notes;
use crate::model::{Family, ServiceId};

/// Reads one with its checkers; none is one that LVX cannot have in this service.
pub(super) fn read(
    directive: &Directive,
    around: &Around<'_>,
    scripts: &mut Scripts,
    notes: &mut Notes,
) -> Option<Server> {
    let (address, port) = address_and_port(directive, 0, notes)?;
    let Some(doubts) = doubts(directive, around.id, address, port) else {
        let text = format!("{}: {LEFT_OUT}; left out", directive.shown());
        notes.warn(&directive.place, text);
        return None;
    };
    let mut server = Server { weight: around.weight, notes: doubts, ..Server::new(address) };
    let (mut timing, mut virtual_host, mut checkers) = (Timing::default(), around.virtual_host, Vec::new());
    let mut alpha = around.alpha;
    for inner in directive.inner() {
        let notes = &mut server.notes;
        if timing.takes(inner, notes) {
            continue;
        }
        match inner.keyword() {
            "weight" => server.weight = number(inner, notes).unwrap_or(1),
            "notify_up" | "notify_down" => {
                let name = SocketAddr::new(address, around.id.port()).to_string();
                scripts.server(inner, &name, notes);
            }
            "uthreshold" => server.upper_threshold = number(inner, notes).unwrap_or(0),
            "lthreshold" => server.lower_threshold = number(inner, notes).unwrap_or(0),
            "inhibit_on_failure" => server.policy.extend(flag(inner, notes).map(on_failure)),
            "virtualhost" => virtual_host = Some(inner.value(0)),
            "lvs_method" | "lb_kind" => warn_unless_dr(inner, notes),
            "alpha" => alpha = own_alpha(inner, around, notes),
            keyword if checker::is_checker(keyword) => checkers.push(inner),
            other => notes.warn(&inner.place, format!("{}: {}", inner.shown(), why_not(other))),
        }
    }
    if server.lower_threshold > server.upper_threshold {
        let text = format!("{}: lthreshold is above uthreshold; left out", directive.shown());
        server.notes.warn(&directive.place, text);
        server.lower_threshold = 0;
    }
    let around = Around { timing: timing.or(around.timing), virtual_host, alpha, ..*around };
    for inner in checkers {
        server.checks.extend(checker::read(inner, &around, port, &mut server.notes));
    }
    if server.checks.is_empty() {
        remark_unused(directive.inner(), &mut server.notes);
    }
    Some(server)
}

/// Why a server is left out.
pub(super) const LEFT_OUT: &str = "LVX forwards to other machines of the service's own family, not to itself";

/// What direct routing makes of a server's port; none is a server that the service cannot have.
pub(super) fn doubts(directive: &Directive, id: ServiceId, address: IpAddr, port: Option<u16>) -> Option<Notes> {
    if Family::from(address) != id.family() || address.is_loopback() {
        return None;
    }
    let mut notes = Notes::default();
    match (id, port) {
        (ServiceId::Address { port: services, .. }, Some(port)) if port != services => {
            let services = if services == 0 { "the client's".to_owned() } else { format!("the service's, {services}") };
            let text =
                format!("{}: direct routing keeps the port, {services}, where it must listen", directive.shown());
            notes.warn(&directive.place, text);
        }
        (ServiceId::Mark { .. }, Some(port)) if port != 0 => {
            let text = format!("{}: direct routing keeps the client's port, {port} is only asked", directive.shown());
            notes.warn(&directive.place, text);
        }
        (ServiceId::Address { .. } | ServiceId::Mark { .. }, _) => {}
    }
    Some(notes)
}

/// `alpha` of one server or checker, which LVX has for whole services.
pub(super) fn own_alpha(directive: &Directive, around: &Around<'_>, notes: &mut Notes) -> bool {
    let alpha = flag(directive, notes).unwrap_or(around.alpha);
    if alpha == around.alpha {
        notes.remark(&directive.place, format!("{}: as its service", directive.shown()));
    } else {
        let text = format!("{}: LVX has alpha for a whole service; left out", directive.shown());
        notes.warn(&directive.place, text);
    }
    alpha
}

fn why_not(keyword: &str) -> &'static str {
    match keyword {
        "smtp_alert" => "LVX sends no mail; a command or a webhook of [notify] can",
        "snmp_name" => "LVX has no SNMP; it has metrics",
        _unknown => "unknown in a real_server; left out",
    }
}
