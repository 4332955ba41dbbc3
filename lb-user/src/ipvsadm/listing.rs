//! The tables of `-L`, byte for byte (`ipvsadm.c: print_title`, `print_service_entry`).

use std::net::Ipv4Addr;

use super::legality::Given;
use super::names::{Names, cut, printed};
use super::options::Kind;
use super::order;
use crate::api::{Counters, Rates, ServerEntry, ServiceEntry};
use crate::model::{Family, ForwardingMethod, Netmask, Service, ServiceId};

/// Which table is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum View {
    /// Forwarding method, weight and connections.
    #[default]
    Default,
    /// `--stats`
    Stats,
    /// `--rate`
    Rate,
    /// `--thresholds`
    Thresholds,
    /// `--persistent-conn`
    PersistentConn,
    /// `--tun-info`
    TunInfo,
}

impl View {
    /// The view that was asked for; of several the first of this list counts.
    pub(super) fn of(given: Given) -> Self {
        let precedence = [
            (Kind::Stats, Self::Stats),
            (Kind::Rate, Self::Rate),
            (Kind::Thresholds, Self::Thresholds),
            (Kind::PersistentConn, Self::PersistentConn),
            (Kind::TunInfo, Self::TunInfo),
        ];
        precedence.into_iter().find(|(kind, _)| given.has(*kind)).map_or(Self::Default, |(_, view)| view)
    }
}

/// How a table is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Format {
    /// Which table.
    pub(super) view: View,
    /// `-n`
    pub(super) numeric: bool,
    /// Not `--nosort`.
    pub(super) sorted: bool,
    /// `--exact`
    pub(super) exact: bool,
}

impl Default for Format {
    fn default() -> Self {
        Self { view: View::Default, numeric: false, sorted: true, exact: false }
    }
}

/// The first line of a list of all services.
pub(super) fn banner(connection_table_size: u32) -> String {
    format!("IP Virtual Server version 1.2.1 (size={connection_table_size})\n")
}

/// The table of these services.
pub(super) fn table(entries: &[ServiceEntry], format: Format, names: &dyn Names) -> String {
    let mut out = title(format.view);
    let entries = if format.sorted { order::services(entries) } else { entries.iter().collect() };
    for entry in entries {
        out.push_str(&service_line(entry, format, names));
        // What a health check took out is no member, as if its script had called `ipvsadm -d`.
        let servers = entry.servers.iter().filter(|server| server.effective_weight.is_some());
        let servers = if format.sorted { order::servers(servers) } else { servers.collect() };
        for server in servers {
            out.push_str(&server_line(entry.service.id, server, format, names));
        }
    }
    out
}

fn title(view: View) -> String {
    let first = "Prot LocalAddress:Port";
    let remote = "  -> RemoteAddress:Port";
    match view {
        View::Stats => {
            let [a, b, c, d, e] = ["Conns", "InPkts", "OutPkts", "InBytes", "OutBytes"];
            format!("{first:<33} {a:>8} {b:>8} {c:>8} {d:>8} {e:>8}\n{remote}\n")
        }
        View::Rate => {
            let [a, b, c, d, e] = ["CPS", "InPPS", "OutPPS", "InBPS", "OutBPS"];
            format!("{first:<33} {a:>8} {b:>8} {c:>8} {d:>8} {e:>8}\n{remote}\n")
        }
        View::Thresholds => {
            let [a, b, c, d] = ["Uthreshold", "Lthreshold", "ActiveConn", "InActConn"];
            format!("{first:<33} {a:<10} {b:<10} {c:<10} {d:<10}\n{remote}\n")
        }
        View::PersistentConn => {
            let [a, b, c, d] = ["Weight", "PersistConn", "ActiveConn", "InActConn"];
            format!("{first:<33} {a:<9} {b:<11} {c:<10} {d:<10}\n{remote}\n")
        }
        View::TunInfo => {
            format!("{first} Scheduler Flags\n{remote:<34}Forward TunnelInfo    Weight ActiveConn InActConn\n")
        }
        View::Default => format!("{first} Scheduler Flags\n{remote:<34}Forward Weight ActiveConn InActConn\n"),
    }
}

fn service_line(entry: &ServiceEntry, format: Format, names: &dyn Names) -> String {
    let name = service_name(entry.service.id, format.numeric, names);
    match format.view {
        View::Stats => format!("{name:<33}{}\n", numbers(all_counters(entry.counters), format.exact)),
        View::Rate => format!("{name:<33}{}\n", numbers(all_rates(entry.rates), format.exact)),
        View::Default | View::Thresholds | View::PersistentConn | View::TunInfo => {
            format!("{name} {}\n", scheduling(&entry.service))
        }
    }
}

fn service_name(id: ServiceId, numeric: bool, names: &dyn Names) -> String {
    match id {
        // ipvsadm prints marks as signed numbers.
        ServiceId::Mark { mark, family: Family::Inet } => format!("FWM  {}", mark.cast_signed()),
        ServiceId::Mark { mark, family: Family::Inet6 } => format!("FWM  {} IPv6", mark.cast_signed()),
        ServiceId::Address { protocol, vip, port } => {
            let endpoint = printed(vip, port, Some(protocol.into()), numeric, names);
            let name = format!("{:<4} {endpoint}", protocol.to_string());
            if vip.is_ipv4() { cut(&name, 33) } else { name }
        }
    }
}

/// Scheduler and flags of a service.
fn scheduling(service: &Service) -> String {
    let mut out = service.scheduler.to_string();
    // The parentheses are there even where the scheduler has no name for its flag.
    if !service.scheduler_flags.is_empty() {
        out.push_str(&format!(" ({})", service.scheduler_flags.names(service.scheduler)));
    }
    if let Some(persistence) = service.persistence {
        out.push_str(&format!(" persistent {}", persistence.timeout));
        out.extend(mask_unless_host(service.netmask).map(|mask| format!(" mask {mask}")));
    }
    if service.one_packet {
        out.push_str(" ops");
    }
    out
}

/// The netmask, if it is not the one that keeps the whole address.
pub(super) fn mask_unless_host(netmask: Netmask) -> Option<String> {
    match netmask {
        Netmask::V4(Ipv4Addr::BROADCAST) | Netmask::V6(128) => None,
        Netmask::V4(mask) => Some(mask.to_string()),
        Netmask::V6(length) => Some(length.to_string()),
    }
}

fn server_line(id: ServiceId, entry: &ServerEntry, format: Format, names: &dyn Names) -> String {
    let server = &entry.server;
    let name = server_name(id, entry, format.numeric, names);
    let name = if server.address.is_ipv4() { cut(&name, 28) } else { name };
    let ServerEntry { active, inactive, .. } = entry;
    let method = match server.method {
        ForwardingMethod::Gate => "Route",
    };
    let weight = entry.effective_weight.unwrap_or(server.weight);
    match format.view {
        View::Stats => format!("  -> {name:<28}{}\n", numbers(all_counters(entry.counters), format.exact)),
        View::Rate => {
            let [connections, in_packets, out_packets, in_bytes, out_bytes] = all_rates(entry.rates);
            let bytes = numbers([in_bytes, out_bytes], format.exact);
            format!("  -> {name:<28} {connections:>8} {in_packets:>8} {out_packets:>8}{bytes}\n")
        }
        View::Thresholds => {
            let (upper, lower) = (server.upper_threshold, server.lower_threshold);
            format!("  -> {name:<28} {upper:<10} {lower:<10} {active:<10} {inactive:<10}\n")
        }
        View::PersistentConn => {
            let persistent = entry.persistent;
            format!("  -> {name:<28} {weight:<9} {persistent:<11} {active:<10} {inactive:<10}\n")
        }
        View::TunInfo => {
            let tunnel = "n/a";
            format!("  -> {name:<28} {method:<7} {tunnel:<13} {weight:<6} {active:<10} {inactive:<10}\n")
        }
        View::Default => format!("  -> {name:<28} {method:<7} {weight:<6} {active:<10} {inactive:<10}\n"),
    }
}

/// `address:port` of a real server. A mark has no protocol, and so the ports of its servers have no names.
pub(super) fn server_name(id: ServiceId, entry: &ServerEntry, numeric: bool, names: &dyn Names) -> String {
    let transport = match id {
        ServiceId::Address { protocol, .. } => Some(protocol.into()),
        ServiceId::Mark { .. } => None,
    };
    printed(entry.server.address, entry.server.port, transport, numeric, names)
}

/// Connections, packets in and out, bytes in and out; under direct routing the director sees nothing go out.
fn all_counters(counters: Counters) -> [u64; 5] {
    [counters.connections, counters.packets, 0, counters.bytes, 0]
}

/// The same per second.
fn all_rates(rates: Rates) -> [u64; 5] {
    [rates.connections, rates.packets, 0, rates.bytes, 0]
}

fn numbers<const N: usize>(numbers: [u64; N], exact: bool) -> String {
    numbers.map(|number| large_number(number, exact)).concat()
}

/// A number in at least nine columns (`ipvsadm.c: print_largenum`).
fn large_number(number: u64, exact: bool) -> String {
    if exact {
        let digits = number.to_string();
        return if digits.len() <= 8 { format!("{digits:>9}") } else { format!(" {digits}") };
    }
    match number {
        0..100_000_000 => format!("{number:>9}"),
        100_000_000..1_000_000_000 => format!("{:>8}K", number / 1000),
        1_000_000_000..100_000_000_000 => format!("{:>8}M", number / 1_000_000),
        100_000_000_000..100_000_000_000_000 => format!("{:>8}G", number / 1_000_000_000),
        _ => format!("{:>8}T", number / 1_000_000_000_000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_numbers_are_shortened_unless_exact() {
        for (number, short, exact) in [
            (0, "        0", "        0"),
            (99_999_999, " 99999999", " 99999999"),
            (100_000_000, "  100000K", " 100000000"),
            (999_999_999, "  999999K", " 999999999"),
            (1_000_000_000, "    1000M", " 1000000000"),
            (99_999_999_999, "   99999M", " 99999999999"),
            (100_000_000_000, "     100G", " 100000000000"),
            (99_999_999_999_999, "   99999G", " 99999999999999"),
            (100_000_000_000_000, "     100T", " 100000000000000"),
            (u64::MAX, "18446744T", " 18446744073709551615"),
        ] {
            assert_eq!(large_number(number, false), short);
            assert_eq!(large_number(number, true), exact);
        }
    }
}
