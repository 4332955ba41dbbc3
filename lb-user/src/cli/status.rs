//! `lvx status` for people.

use std::fmt::Write as _;

use crate::api::{Handshakes, Health, NeighbourState, ServerEntry, ServiceEntry, Status};
use crate::model::Service;

use super::paint::Paint;

/// The status as text: what is wrong first.
pub(super) fn text(status: &Status, paint: Paint) -> String {
    let mut out = String::new();
    write(&mut out, status, paint).expect("writing to a String never fails");
    out
}

fn write(out: &mut String, status: &Status, paint: Paint) -> std::fmt::Result {
    writeln!(out, "lvx {}, up {}", status.version, duration(status.uptime))?;
    for warning in &status.warnings {
        writeln!(out, "{} {warning}", paint.warning("!"))?;
    }
    writeln!(out, "\nINTERFACE        MODE      STATE  MAC")?;
    for interface in &status.interfaces {
        let state = if interface.up { "up" } else { "down" };
        writeln!(out, "{:<16} {:<9} {state:<6} {}", interface.name, interface.mode, interface.mac)?;
    }
    for service in &status.services {
        write_service(out, service, paint)?;
    }
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
    let happened: Vec<_> = status.reasons.iter().filter(|reason| reason.packets != 0).collect();
    if !happened.is_empty() {
        writeln!(out, "\nNOT FORWARDED           PACKETS      WHY")?;
        for reason in happened {
            writeln!(out, "{:<23} {:<12} {}", reason.reason, reason.packets, reason.meaning)?;
        }
    }
    Ok(())
}

fn write_service(out: &mut String, entry: &ServiceEntry, paint: Paint) -> std::fmt::Result {
    let persistence = entry.service.persistence.map(|persistence| format!(", persistent {} s", persistence.timeout));
    let counters = &entry.counters;
    let Service { id, scheduler, scheduler_flags, .. } = &entry.service;
    let flags = scheduler_flags.names(*scheduler);
    let flags = if flags.is_empty() { flags } else { format!(" ({flags})") };
    writeln!(out, "\n{id} {scheduler}{flags}{}", persistence.unwrap_or_default())?;
    writeln!(out, "  {} connections, {} packets, {} bytes", counters.connections, counters.packets, counters.bytes)?;
    writeln!(out, "  REAL SERVER                    WEIGHT  ACTIVE  INACTIVE  TEMPLATES  HEALTH, NEIGHBOUR")?;
    for server in &entry.servers {
        write_server(out, server, paint)?;
    }
    if entry.servers.is_empty() {
        writeln!(out, "  none: clients get port unreachable")?;
    }
    Ok(())
}

fn write_server(out: &mut String, entry: &ServerEntry, paint: Paint) -> std::fmt::Result {
    let server = std::net::SocketAddr::new(entry.server.address, entry.server.port).to_string();
    let health = match &entry.health {
        Health::Unchecked => "unchecked".to_owned(),
        Health::Up { detail } => format!("up ({detail})"),
        Health::Down { reason } => format!("{} ({reason})", paint.bad("DOWN")),
    };
    let neighbour = match &entry.neighbour {
        NeighbourState::Reachable { interface, mac } => format!("{mac} on {interface}"),
        NeighbourState::Local => "this machine".to_owned(),
        NeighbourState::Unresolved { reason } => format!("{} ({reason})", paint.bad("UNREACHABLE")),
    };
    writeln!(
        out,
        "  {server:<30} {:<7} {:<7} {:<9} {:<10} {health}, {neighbour}{}",
        entry.server.weight,
        entry.active,
        entry.inactive,
        entry.persistent,
        handshakes(&entry.handshakes)
    )
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
