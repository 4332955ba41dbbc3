//! The families of services and of real servers.

use std::fmt::Display;
use std::net::SocketAddr;

use crate::api::{Health, NeighbourState, Role, ServerEntry, ServiceEntry};

use super::failure;
use super::text::{Kind, Page, labels_text};

type Series<'e, E> = Vec<(String, &'e E)>;

/// Services as a whole.
pub(super) fn write(page: &mut Page, services: &[ServiceEntry]) {
    let labels = |entry: &ServiceEntry| labels_text(&[("service", &entry.service.id.to_string())]);
    let services: Series<'_, ServiceEntry> = services.iter().map(|entry| (labels(entry), entry)).collect();
    let mut family = |name, kind, help, value: fn(&ServiceEntry) -> u64| {
        page.family(name, kind, help);
        services.iter().for_each(|(labels, entry)| page.labelled("", labels, value(entry)));
    };
    family("lvx_service_connections_total", Kind::Counter, "Connections scheduled.", |service| {
        service.counters.connections
    });
    family("lvx_service_packets_total", Kind::Counter, "Packets from clients.", |service| service.counters.packets);
    family("lvx_service_bytes_total", Kind::Counter, "Bytes from clients, IP total length.", |service| {
        service.counters.bytes
    });
    family("lvx_service_real_servers", Kind::Gauge, "Real servers that the service has.", |service| {
        service.servers.iter().filter(|server| server.role != Role::Sorry).count() as u64
    });
    family(
        "lvx_service_real_servers_usable",
        Kind::Gauge,
        "Real servers that take new connections: in service, reachable, and with a weight in force above 0.",
        |service| service.servers.iter().filter(|server| is_usable(server)).count() as u64,
    );
    family("lvx_service_active_connections", Kind::Gauge, "Active connections of its real servers.", |service| {
        service.servers.iter().map(|server| u64::from(server.active)).sum()
    });
    page.family("lvx_service_quorum", Kind::Gauge, "1 if enough real servers are healthy, 0 if the quorum is lost.");
    for (labels, entry) in &services {
        if let Some(quorum) = entry.quorum {
            page.labelled("", labels, u8::from(quorum.up));
        }
    }
}

/// Whether new connections reach a server.
fn is_usable(server: &ServerEntry) -> bool {
    server.effective_weight.is_some_and(|weight| weight > 0) && is_reachable(server)
}

fn is_up(server: &ServerEntry) -> bool {
    match server.health {
        Health::Unchecked | Health::Up { .. } => true,
        Health::Down { .. } => false,
    }
}

fn is_reachable(server: &ServerEntry) -> bool {
    match server.neighbour {
        NeighbourState::Reachable { .. } | NeighbourState::Local => true,
        NeighbourState::Unresolved { .. } => false,
    }
}

/// Each real server of each service.
pub(super) fn write_servers(page: &mut Page, services: &[ServiceEntry]) {
    let mut servers: Series<'_, ServerEntry> = Vec::new();
    for service in services {
        let id = service.service.id.to_string();
        for entry in &service.servers {
            let address = SocketAddr::new(entry.server.address, entry.server.port).to_string();
            servers.push((labels_text(&[("service", &id), ("server", &address)]), entry));
        }
    }
    traffic(page, &servers);
    connections(page, &servers);
    health(page, &servers);
}

fn family<V: Display>(
    page: &mut Page,
    servers: &Series<'_, ServerEntry>,
    (name, kind, help): (&'static str, Kind, &'static str),
    value: impl Fn(&ServerEntry) -> V,
) {
    page.family(name, kind, help);
    servers.iter().for_each(|(labels, entry)| page.labelled("", labels, value(entry)));
}

fn traffic(page: &mut Page, servers: &Series<'_, ServerEntry>) {
    let counter = |name, help| (name, Kind::Counter, help);
    let connections = counter("lvx_server_connections_total", "Connections scheduled to the real server.");
    family(page, servers, connections, |server| server.counters.connections);
    let packets = counter("lvx_server_packets_total", "Packets from clients to the real server.");
    family(page, servers, packets, |server| server.counters.packets);
    let bytes = counter("lvx_server_bytes_total", "Bytes from clients to the real server, IP total length.");
    family(page, servers, bytes, |server| server.counters.bytes);
    let begun = counter("lvx_server_handshakes_begun_total", "TCP connections that a client's SYN opened.");
    family(page, servers, begun, |server| server.handshakes.begun);
    let confirmed =
        counter("lvx_server_handshakes_confirmed_total", "TCP connections whose client's ACK followed its SYN.");
    family(page, servers, confirmed, |server| server.handshakes.confirmed);
    let again = counter("lvx_server_syn_retransmits_total", "SYNs of connections whose SYN was seen before.");
    family(page, servers, again, |server| server.handshakes.retransmitted);
}

fn connections(page: &mut Page, servers: &Series<'_, ServerEntry>) {
    let gauge = |name, help| (name, Kind::Gauge, help);
    let active = gauge("lvx_server_active_connections", "Active connections, as in ipvsadm -Ln.");
    family(page, servers, active, |server| server.active);
    let inactive = gauge("lvx_server_inactive_connections", "Inactive connections, as in ipvsadm -Ln.");
    family(page, servers, inactive, |server| server.inactive);
    let templates = gauge("lvx_server_templates", "Persistence templates that lead to the real server.");
    family(page, servers, templates, |server| server.persistent);
    let weight = gauge("lvx_server_weight", "Weight; 0 is quiesced.");
    family(page, servers, weight, |server| server.server.weight);
    let effective = gauge("lvx_server_effective_weight", "The weight in force: 0 also while it is out of service.");
    family(page, servers, effective, |server| server.effective_weight.unwrap_or(0));
}

fn health(page: &mut Page, servers: &Series<'_, ServerEntry>) {
    let up = ("lvx_server_up", Kind::Gauge, "0 if a health check took the real server out; 1 also without a check.");
    family(page, servers, up, |server| u8::from(is_up(server)));
    page.family("lvx_server_down", Kind::Gauge, "1 for each real server that is down, with the class of the reason.");
    for (labels, entry) in servers {
        if let Health::Down { reason } = &entry.health {
            let labels = format!("{},reason=\"{}\"}}", labels.trim_end_matches('}'), failure::class(reason));
            page.labelled("", &labels, 1);
        }
    }
    let reachable = ("lvx_server_reachable", Kind::Gauge, "1 if the MAC address to send to is known.");
    family(page, servers, reachable, |server| u8::from(is_reachable(server)));
    page.family("lvx_server_check_duration_seconds", Kind::Summary, "How long probes took, failed ones included.");
    for (labels, entry) in servers {
        if let Some(check) = &entry.check {
            page.labelled("_sum", labels, check.total_seconds);
            page.labelled("_count", labels, check.probes);
        }
    }
    page.family("lvx_server_check_last_duration_seconds", Kind::Gauge, "How long the last probe took.");
    for (labels, entry) in servers {
        if let Some(check) = &entry.check {
            page.labelled("", labels, check.last_seconds);
        }
    }
    page.family("lvx_server_check_failures_total", Kind::Counter, "Probes that spoke against the real server.");
    for (labels, entry) in servers {
        if let Some(check) = &entry.check {
            page.labelled("", labels, check.failed);
        }
    }
}
