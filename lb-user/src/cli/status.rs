//! `lvx status` for people.

use std::collections::HashSet;
use std::fmt::Write as _;

use super::drain::time;
use super::report;
use crate::api::{
    Change, Generation, Handshakes, Health, NeighbourState, NoticeCounts, Quorum, Role, ServerEntry, ServiceEntry,
    Status, VipState, VipStatus,
};
use crate::model::{Service, server_name};

use super::paint::Paint;

/// The status as text: what is wrong first.
pub(super) fn text(status: &Status, paint: Paint) -> String {
    let mut out = String::new();
    write(&mut out, status, paint).expect("writing to a String never fails");
    out
}

fn write(out: &mut String, status: &Status, paint: Paint) -> std::fmt::Result {
    writeln!(out, "lvx {}, up {}", status.version, duration(status.uptime))?;
    if let Some(Generation { number, name, time, .. }) = &status.generation {
        writeln!(out, "generation {number}: {name}, applied {}", report::at(*time))?;
    }
    for warning in &status.warnings {
        writeln!(out, "{} {warning}", paint.warning("!"))?;
    }
    writeln!(out, "\nINTERFACE        MODE      STATE  MAC")?;
    for interface in &status.interfaces {
        let state = if interface.up { "up" } else { "down" };
        writeln!(out, "{:<16} {:<9} {state:<6} {}", interface.name, interface.mode, interface.mac)?;
    }
    write_vips(out, &status.vips)?;
    let by_hand: HashSet<_> = status.by_hand.iter().map(|change| change.name.as_str()).collect();
    for service in &status.services {
        write_service(out, service, &by_hand, paint)?;
    }
    write_by_hand(out, &status.by_hand)?;
    let set: Vec<_> = status.sysctls.iter().filter(|sysctl| sysctl.value != sysctl.default).collect();
    if !set.is_empty() {
        writeln!(out, "\nSYSCTLS that are not at their default")?;
        for sysctl in set {
            writeln!(out, "{} = {}", sysctl.name, sysctl.value)?;
        }
    }
    if !status.mark_rules.is_empty() {
        writeln!(out, "\nMARK RULES, the last that matches wins")?;
        for rule in &status.mark_rules {
            writeln!(out, "{rule}")?;
        }
    }
    writeln!(out, "\nTABLE            USED       SIZE")?;
    for table in &status.tables {
        writeln!(out, "{:<16} {:<10} {}", table.table, table.used, table.size)?;
    }
    let NoticeCounts { delivered, failed, dropped, waiting } = status.notices;
    if status.notices != NoticeCounts::default() {
        writeln!(out, "\nNOTIFICATIONS: {delivered} delivered, {failed} failed, {dropped} dropped, {waiting} waiting")?;
    }
    let happened: Vec<_> = status.reasons.iter().filter(|reason| reason.packets != 0).collect();
    if !happened.is_empty() {
        writeln!(out, "\nNOT FORWARDED           PACKETS      WHY")?;
        for reason in happened {
            writeln!(out, "{:<23} {:<12} {}", reason.reason, reason.packets, reason.meaning)?;
        }
    }
    Ok(())
}

/// What differs from the file but for what was added, which is marked where it stands.
fn write_by_hand(out: &mut String, by_hand: &[Change]) -> std::fmt::Result {
    let is_added = |change: &&Change| change.before.is_none();
    if by_hand.iter().any(|change| !is_added(&change)) {
        writeln!(out, "\nBY HAND, unlike the file that was applied")?;
    }
    for change in by_hand.iter().filter(|change| !is_added(change)) {
        writeln!(out, "{change}")?;
    }
    Ok(())
}

fn write_vips(out: &mut String, vips: &[VipStatus]) -> std::fmt::Result {
    if !vips.is_empty() {
        writeln!(out, "\nVIRTUAL ADDRESS                  INTERFACE        ANNOUNCED  STATE")?;
    }
    for vip in vips {
        let state = match &vip.state {
            VipState::Put => "put on by LVX".to_owned(),
            VipState::Found => "there before LVX".to_owned(),
            VipState::Missing { reason } => format!("MISSING ({reason})"),
        };
        let address = format!("{}/{}", vip.address, vip.prefix);
        writeln!(out, "{address:<32} {:<16} {:<10} {state}", vip.interface, vip.announced)?;
    }
    Ok(())
}

fn write_service(out: &mut String, entry: &ServiceEntry, by_hand: &HashSet<&str>, paint: Paint) -> std::fmt::Result {
    let persistence = entry.service.persistence.map(|persistence| format!(", persistent {} s", persistence.timeout));
    let counters = &entry.counters;
    let Service { id, scheduler, scheduler_flags, .. } = &entry.service;
    let flags = scheduler_flags.names(*scheduler);
    let flags = if flags.is_empty() { flags } else { format!(" ({flags})") };
    let mark = if by_hand.contains(id.to_string().as_str()) { " (by hand)" } else { "" };
    writeln!(out, "\n{id} {scheduler}{flags}{}{mark}", persistence.unwrap_or_default())?;
    writeln!(out, "  {} connections, {} packets, {} bytes", counters.connections, counters.packets, counters.bytes)?;
    if let Some(quorum) = entry.quorum.filter(|quorum| !quorum.up || (quorum.quorum, quorum.hysteresis) != (1, 0)) {
        let state = if quorum.up { "up" } else { "LOST" };
        let Quorum { weight, quorum, hysteresis, .. } = quorum;
        writeln!(out, "  quorum {state}: healthy weights {weight}, needed {quorum}, hysteresis {hysteresis}")?;
    }
    writeln!(out, "  REAL SERVER                    WEIGHT  ACTIVE  INACTIVE  TEMPLATES  HEALTH, NEIGHBOUR")?;
    for server in &entry.servers {
        let is_by_hand = by_hand.contains(server_name(id, &server.server).as_str());
        write_server(out, server, if is_by_hand { ", by hand" } else { "" }, paint)?;
    }
    if entry.servers.is_empty() {
        writeln!(out, "  none: clients get port unreachable")?;
    }
    Ok(())
}

fn write_server(out: &mut String, entry: &ServerEntry, mark: &str, paint: Paint) -> std::fmt::Result {
    let server = std::net::SocketAddr::new(entry.server.address, entry.server.port).to_string();
    let health = match &entry.health {
        Health::Unchecked => "unchecked".to_owned(),
        Health::Up { detail } => format!("up ({detail})"),
        Health::Down { reason } => format!("{} ({reason})", paint.bad("DOWN")),
    };
    let asked = entry.asked.map(|via| format!(" via {}", via.name())).unwrap_or_default();
    let neighbour = match &entry.neighbour {
        NeighbourState::Reachable { interface, mac } => format!("{mac} on {interface}"),
        NeighbourState::Local => "this machine".to_owned(),
        NeighbourState::Unresolved { reason } => format!("{} ({reason})", paint.bad("UNREACHABLE")),
    };
    let role = role(&entry.role).map(|role| format!("{role}, ")).unwrap_or_default();
    writeln!(
        out,
        "  {server:<30} {:<7} {:<7} {:<9} {:<10} {role}{health}{asked}, {neighbour}{}{mark}",
        entry.effective_weight.unwrap_or(entry.server.weight),
        entry.active,
        entry.inactive,
        entry.persistent,
        handshakes(&entry.handshakes)
    )
}

/// What its health alone does not say.
fn role(role: &Role) -> Option<String> {
    match role {
        Role::Serves | Role::Removed => None,
        Role::SlowStart { percent } => Some(format!("slow start {percent} %")),
        Role::ServesThoughFailed => Some("serves, for all are down".to_owned()),
        Role::Inhibited => Some("inhibited".to_owned()),
        Role::Suspended => Some("out while the quorum is lost".to_owned()),
        Role::Draining { left } => Some(format!("draining {} left", time(*left))),
        Role::Drained => Some("drained, out of service".to_owned()),
        Role::Sorry => Some("sorry".to_owned()),
    }
}

/// The share of TCP connections that got past the SYN, and SYNs that came again; nothing before the first one.
fn handshakes(counted: &Handshakes) -> String {
    let Handshakes { begun: begun @ 1.., confirmed, retransmitted } = *counted else { return String::new() };
    let again = if retransmitted > 0 { format!(", {retransmitted} SYNs again") } else { String::new() };
    format!(", {confirmed} of {begun} past the SYN{again}")
}

fn duration(seconds: u64) -> String {
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, _) => format!("{minutes} min {} s", seconds % 60),
        (0, ..) => format!("{hours} h {minutes} min"),
        _ => format!("{days} d {hours} h"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{InterfaceStatus, ReasonCount, SysctlEntry, TableFill};

    #[test]
    fn what_is_wrong_comes_first_and_what_never_happened_is_left_out() {
        let reason = |name: &str, packets| ReasonCount { reason: name.into(), meaning: "a meaning".into(), packets };
        let status = Status {
            version: "1.0".into(),
            uptime: 3_700,
            interfaces: vec![InterfaceStatus {
                name: "eth0".into(),
                index: 2,
                mode: "native".into(),
                mac: "02:00:00:00:00:01".into(),
                up: true,
            }],
            vips: vec![VipStatus {
                address: [172, 16, 100, 1].into(),
                prefix: 32,
                interface: "eth1".into(),
                state: VipState::Missing { reason: "there is no interface eth1".into() },
                announced: 0,
            }],
            sysctls: [("net.ipv4.vs.drop_entry", 1), ("net.ipv4.vs.drop_packet", 0)]
                .map(|(name, value)| SysctlEntry { name: name.into(), value, default: 0 })
                .into(),
            reasons: vec![reason("fragment", 3), reason("vlan", 0)],
            tables: vec![TableFill { table: "connections".into(), used: 1, size: 2 }],
            warnings: vec!["a warning".into()],
            ..Status::default()
        };
        let coloured = text(&status, Paint::Colours);
        let text = text(&status, Paint::Plain);
        assert!(text.starts_with("lvx 1.0, up 1 h 1 min\n! a warning\n"), "{text}");
        assert!(text.contains("eth0             native    up     02:00:00:00:00:01"), "{text}");
        let vip = "172.16.100.1/32                  eth1             0          MISSING (there is no interface eth1)";
        assert!(text.contains(vip), "{text}");
        assert!(text.contains("fragment                3            a meaning"), "{text}");
        assert!(text.contains("\nnet.ipv4.vs.drop_entry = 1\n"), "{text}");
        assert!(coloured.contains("\n\u{1b}[33m!\u{1b}[0m a warning\n") && !text.contains('\u{1b}'), "{coloured}");
        assert!(!text.contains("vlan") && !text.contains("drop_packet"), "{text}");
    }

    #[test]
    fn how_many_connections_get_past_the_syn() {
        let of = |begun, confirmed, retransmitted| handshakes(&Handshakes { begun, confirmed, retransmitted });
        assert_eq!(of(0, 0, 0), "");
        assert_eq!(of(40, 40, 0), ", 40 of 40 past the SYN");
        assert_eq!(of(40, 3, 71), ", 3 of 40 past the SYN, 71 SYNs again");
    }
}
