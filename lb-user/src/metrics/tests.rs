use std::collections::BTreeSet;

use crate::api::{
    CheckTimes, Counters, Handshakes, Health, InterfaceStatus, NeighbourState, NoticeCounts, Quorum, Rates,
    ReasonCount, Role, ServerEntry, TableFill, VipState, VipStatus,
};
use crate::model::{
    ForwardingMethod, Netmask, Protocol, RealServer, SchedulerFlags, SchedulerKind, Service, ServiceId,
};

use super::*;

fn server(host: u8, health: Health, check: Option<CheckTimes>) -> ServerEntry {
    ServerEntry {
        server: RealServer {
            address: [192, 0, 2, host].into(),
            port: 80,
            weight: 3,
            method: ForwardingMethod::Gate,
            upper_threshold: 0,
            lower_threshold: 0,
        },
        active: 7,
        inactive: 8,
        persistent: 9,
        counters: Counters { connections: 10, packets: 11, bytes: 12 },
        rates: Rates::default(),
        handshakes: Handshakes { begun: 13, confirmed: 14, retransmitted: 15 },
        role: if matches!(health, Health::Down { .. }) { Role::Removed } else { Role::Serves },
        effective_weight: (!matches!(health, Health::Down { .. })).then_some(3),
        health,
        check,
        asked: None,
        neighbour: NeighbourState::Local,
    }
}

fn status() -> Status {
    let id = ServiceId::Address { protocol: Protocol::Tcp, vip: [192, 0, 2, 1].into(), port: 80 };
    let times = CheckTimes { probes: 4, failed: 3, last_seconds: 0.25, total_seconds: 1.5 };
    let service = ServiceEntry {
        service: Service {
            id,
            scheduler: SchedulerKind::Rr,
            scheduler_flags: SchedulerFlags::default(),
            persistence: None,
            netmask: Netmask::host(id.family()),
            one_packet: false,
            servers: Vec::new(),
        },
        counters: Counters { connections: 1, packets: 2, bytes: 3 },
        rates: Rates::default(),
        servers: vec![
            server(10, Health::Down { reason: "connection refused".into() }, Some(times)),
            server(11, Health::Unchecked, None),
        ],
        quorum: Some(Quorum { up: false, weight: 3, quorum: 4, hysteresis: 0 }),
    };
    Status {
        version: "1.0".into(),
        uptime: 60,
        interfaces: vec![InterfaceStatus {
            name: "eth0".into(),
            index: 2,
            mode: "native".into(),
            mac: String::new(),
            up: true,
        }],
        reasons: vec![ReasonCount { reason: "vlan".into(), meaning: String::new(), packets: 5 }],
        vips: vec![VipStatus {
            address: [192, 0, 2, 1].into(),
            prefix: 32,
            interface: "eth0".into(),
            state: VipState::Put,
            announced: 3,
        }],
        notices: NoticeCounts { delivered: 20, failed: 21, dropped: 22, waiting: 23 },
        tables: vec![TableFill { table: "connections".into(), used: 6, size: 100 }],
        services: vec![service],
        ..Status::default()
    }
}

#[test]
fn each_number_has_its_line() {
    let status = status();
    let text = render(&status, &status.services);
    let first = "{service=\"TCP 192.0.2.1:80\",server=\"192.0.2.10:80\"";
    for line in [
        "lvx_build_info{version=\"1.0\"} 1".to_owned(),
        "lvx_uptime_seconds 60".to_owned(),
        "lvx_interface_up{interface=\"eth0\"} 1".to_owned(),
        "lvx_interface_attached{interface=\"eth0\",mode=\"native\"} 1".to_owned(),
        "lvx_not_forwarded_packets_total{reason=\"vlan\"} 5".to_owned(),
        "lvx_vip_present{address=\"192.0.2.1\",interface=\"eth0\"} 1".to_owned(),
        "lvx_notifications_total{outcome=\"dropped\"} 22".to_owned(),
        "lvx_service_quorum{service=\"TCP 192.0.2.1:80\"} 0".to_owned(),
        "lvx_table_entries{table=\"connections\"} 6".to_owned(),
        "lvx_table_capacity{table=\"connections\"} 100".to_owned(),
        "lvx_service_connections_total{service=\"TCP 192.0.2.1:80\"} 1".to_owned(),
        "lvx_service_real_servers{service=\"TCP 192.0.2.1:80\"} 2".to_owned(),
        "lvx_service_real_servers_usable{service=\"TCP 192.0.2.1:80\"} 1".to_owned(),
        "lvx_service_active_connections{service=\"TCP 192.0.2.1:80\"} 14".to_owned(),
        format!("lvx_server_bytes_total{first}}} 12"),
        format!("lvx_server_handshakes_confirmed_total{first}}} 14"),
        format!("lvx_server_syn_retransmits_total{first}}} 15"),
        format!("lvx_server_active_connections{first}}} 7"),
        format!("lvx_server_weight{first}}} 3"),
        format!("lvx_server_effective_weight{first}}} 0"),
        format!("lvx_server_up{first}}} 0"),
        "lvx_server_up{service=\"TCP 192.0.2.1:80\",server=\"192.0.2.11:80\"} 1".to_owned(),
        format!("lvx_server_down{first},reason=\"refused\"}} 1"),
        format!("lvx_server_reachable{first}}} 1"),
        format!("lvx_server_check_duration_seconds_sum{first}}} 1.5"),
        format!("lvx_server_check_duration_seconds_count{first}}} 4"),
        format!("lvx_server_check_last_duration_seconds{first}}} 0.25"),
        format!("lvx_server_check_failures_total{first}}} 3"),
    ] {
        assert_eq!(text.lines().filter(|found| **found == line).count(), 1, "{line}\n{text}");
    }
}

#[test]
fn a_family_is_described_once_and_in_the_documentation() {
    let status = status();
    let text = render(&status, &status.services);
    let documentation = include_str!("../../../docs/metrics.md");
    let families: Vec<_> = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect();
    assert_eq!(families.iter().collect::<BTreeSet<_>>().len(), families.len());
    for family in &families {
        assert!(documentation.contains(&format!("| `{family}` |")), "docs/metrics.md has no row for {family}");
    }
    let rows = documentation.lines().filter(|line| line.starts_with("| `lvx_")).count();
    assert_eq!(rows, families.len(), "docs/metrics.md has a row for what there is not");
}

#[test]
fn dashboard_and_alerts_ask_for_what_there_is() {
    let status = status();
    let text = render(&status, &status.services);
    let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '));
    let mut known = BTreeSet::new();
    for (family, kind) in types {
        known.insert(family.to_owned());
        if kind == "summary" {
            known.extend([format!("{family}_sum"), format!("{family}_count")]);
        }
    }
    for (name, text) in [
        ("grafana.json", include_str!("../../../docs/grafana.json")),
        ("alerts.yml", include_str!("../../../docs/alerts.yml")),
    ] {
        let words = text.split(|character: char| !character.is_ascii_alphanumeric() && character != '_');
        let asked: BTreeSet<_> = words.filter(|word| word.starts_with("lvx_")).collect();
        assert!(!asked.is_empty(), "{name} asks for nothing");
        for word in asked {
            assert!(known.contains(word), "{name} asks for {word}");
        }
    }
}

#[test]
fn without_detail_no_line_names_a_server() {
    let status = status();
    assert_eq!(Detail::of_query(Some("a=b&detail=services")), Detail::Services);
    assert_eq!(
        (Detail::of_query(Some("detail=all")), Detail::of_query(None)),
        (Detail::RealServers, Detail::RealServers)
    );
    let text = render_in(Detail::Services, &status, &status.services);
    assert!(text.contains("lvx_service_packets_total{") && !text.contains("lvx_server_"), "{text}");
}
