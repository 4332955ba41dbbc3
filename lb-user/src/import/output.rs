//! The draft as a TOML file with comments.

use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};

use toml::Value;

use super::draft::{Check, Draft, Entry, Server, Service, Vip};
use super::note::Notes;
use crate::dataplane::Sizes;
use crate::model::{Family, Netmask, Protocol, ServiceId};

/// The file. `names` are those of the imported files.
pub(super) fn write(draft: &Draft, names: &[String]) -> String {
    let mut out = format!("# Made by `lvx import` from {}.\n", names.join(", "));
    out.push_str("# Name the interfaces here, or start `lvx run --interface eth0`.\n# interfaces = [\"eth0\"]\n");
    if draft.services.iter().flat_map(|service| &service.servers).flat_map(|server| &server.checks).any(is_narrow) {
        out.push_str(VIA);
    }
    notes(&mut out, &draft.notes);
    sizes(&mut out, draft);
    if !draft.timeouts.is_empty() {
        out.push_str("\n[timeouts]\n");
        draft.timeouts.iter().for_each(|(name, value)| key(&mut out, name, &Value::from(*value)));
    }
    vips(&mut out, &draft.vips);
    marks(&mut out, draft);
    draft.services.iter().for_each(|one| service(&mut out, one));
    out
}

const VIA: &str = "#\n\
    # The checks ask the real servers' own addresses, as those that they come from did: via = \"address\". Such a check\n\
    # does not notice a real server that lacks the VIP. Without that line LVX asks the VIP on the real server.\n";

fn is_narrow(check: &Check) -> bool {
    check.value("via").is_some()
}

/// The tables' sizes where the default ones do not do.
fn sizes(out: &mut String, draft: &Draft) {
    let default = Sizes::default();
    let servers = draft.services.iter().map(|service| service.servers.len()).sum::<usize>();
    let needed =
        [("services", draft.services.len(), default.services), ("real_servers", servers, default.real_servers)];
    let mut header = "\n[sizes]\n";
    for (name, needed, default) in needed {
        if let Some(needed) = u32::try_from(needed).ok().filter(|needed| *needed > default) {
            out.push_str(std::mem::take(&mut header));
            key(out, name, &Value::from(needed));
        }
    }
}

fn vips(out: &mut String, vips: &[Vip]) {
    if !vips.is_empty() {
        out.push_str(
            "\n# Addresses that keepalived puts on interfaces. While VRRP does so, leave them to it; a director\n",
        );
        out.push_str("# without a standby may let LVX do it, without the comment signs.\n");
    }
    for vip in vips {
        let address = Value::from(vip.address.as_str());
        let _infallible = writeln!(out, "# {}\n# [[vip]]\n# address = {address}", vip.place);
        if let Some(interface) = &vip.interface {
            let _infallible = writeln!(out, "# interface = {}", Value::from(interface.as_str()));
        }
    }
}

fn marks(out: &mut String, draft: &Draft) {
    if let Some(follow) = draft.follow_netfilter {
        out.push_str("\n[marks]\n");
        key(out, "follow_netfilter", &Value::from(follow));
    }
    for rule in &draft.rules {
        out.push('\n');
        notes(out, &rule.notes);
        table(out, "[[marks.rule]]", &rule.keys);
    }
}

fn service(out: &mut String, service: &Service) {
    out.push('\n');
    notes(out, &service.notes);
    let (name, value) = match service.id {
        ServiceId::Address { protocol: Protocol::Tcp, vip, port } => ("tcp", socket(vip, port)),
        ServiceId::Address { protocol: Protocol::Udp, vip, port } => ("udp", socket(vip, port)),
        ServiceId::Mark { mark, .. } => ("mark", Value::from(mark)),
    };
    let mut keys = vec![(name, value)];
    if matches!(service.id, ServiceId::Mark { family: Family::Inet6, .. }) {
        keys.push(("ipv6", true.into()));
    }
    keys.push(("scheduler", service.scheduler.name().into()));
    if !service.scheduler_flags.is_empty() {
        let names = service.scheduler_flags.names(service.scheduler);
        keys.push(("scheduler_flags", names.split(',').map(Value::from).collect::<Vec<_>>().into()));
    }
    keys.extend(service.persistent.map(|seconds| ("persistent", seconds.into())));
    keys.extend(service.netmask.map(|mask| ("netmask", netmask(mask))));
    if service.one_packet {
        keys.push(("one_packet", true.into()));
    }
    keys.extend(service.policy.iter().cloned());
    table(out, "[[service]]", &keys);
    if !service.notify.is_empty() {
        out.push('\n');
        table(out, "[service.notify]", &service.notify);
    }
    let shared = shared_checks(service);
    shared.iter().for_each(|checks| health(out, "service", checks));
    for one in &service.servers {
        server(out, one, shared.is_none());
    }
}

fn socket(vip: IpAddr, port: u16) -> Value {
    SocketAddr::new(vip, port).to_string().into()
}

fn netmask(mask: Netmask) -> Value {
    match mask {
        Netmask::V4(mask) => mask.to_string().into(),
        Netmask::V6(bits) => u32::from(bits).into(),
    }
}

/// The checks of all servers, if they are the same for all; with what was said of any of them.
fn shared_checks(service: &Service) -> Option<Vec<Check>> {
    let (first, others) = service.servers.split_first()?;
    let keys = |checks: &[Check]| checks.iter().map(|check| check.keys.clone()).collect::<Vec<_>>();
    if first.checks.is_empty() || others.iter().any(|other| keys(&other.checks) != keys(&first.checks)) {
        return None;
    }
    let mut shared = first.checks.clone();
    for other in others {
        let pairs = shared.iter_mut().zip(&other.checks);
        pairs.for_each(|(check, theirs)| check.notes.extend(theirs.notes.clone()));
    }
    Some(shared)
}

fn server(out: &mut String, server: &Server, with_checks: bool) {
    out.push('\n');
    notes(out, &server.notes);
    let address = match server.port {
        Some(port) => socket(server.address, port),
        None => server.address.to_string().into(),
    };
    let mut keys = vec![("address", address), ("weight", server.weight.into())];
    let thresholds = [("upper_threshold", server.upper_threshold), ("lower_threshold", server.lower_threshold)];
    keys.extend(thresholds.into_iter().filter(|(_, value)| *value != 0).map(|(name, value)| (name, value.into())));
    keys.extend(server.policy.iter().cloned());
    table(out, "[[service.real_server]]", &keys);
    if with_checks && !server.checks.is_empty() {
        health(out, "service.real_server", &server.checks);
    }
}

fn health(out: &mut String, owner: &str, checks: &[Check]) {
    let header = if checks.len() == 1 { format!("[{owner}.health]") } else { format!("[[{owner}.health]]") };
    for check in checks {
        out.push('\n');
        notes(out, &check.notes);
        table(out, &header, &check.keys);
    }
}

fn table(out: &mut String, header: &str, keys: &[Entry]) {
    out.push_str(header);
    out.push('\n');
    keys.iter().for_each(|(name, value)| key(out, name, value));
}

fn key(out: &mut String, name: &str, value: &Value) {
    let _infallible = writeln!(out, "{name} = {value}");
}

/// As comments; what would end a comment, or hide in it, is written otherwise.
fn notes(out: &mut String, notes: &Notes) {
    for note in notes.iter() {
        let text: String = note.to_string().chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        let _infallible = writeln!(out, "# {text}");
    }
}
