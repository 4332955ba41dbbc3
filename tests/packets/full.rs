//! Full tables: what is established stays, what is new is forwarded all the same, and a counter says so.

use std::collections::BTreeMap;
use std::time::Duration;

use lb_common::reason::Reason;
use lb_user::dataplane::Sizes;
use lvx_tests::director::TestDirector;
use lvx_tests::fate::Fate;
use lvx_tests::frame::{Packet, mac_addresses};

use super::expect::change;
use super::*;

/// Tables of one bucket: 16 entries.
const TINY: Sizes = Sizes { connections: 8, templates: 8, services: 4, real_servers: 8 };
const ENTRIES: u16 = 16;

fn packet(port: u16, flags: &str) -> Vec<u8> {
    Packet::tcp(&format!("10.0.0.1:{}", 2000 + port), VIP_WEB, flags).frame()
}

fn reason(director: &mut TestDirector, reason: Reason) -> u64 {
    let reasons = director.director().plane().reasons().expect("the counters can be read");
    reasons.iter().find(|(other, _)| *other == reason).map_or(0, |(_, count)| *count)
}

fn server(fate: &Fate) -> [u8; 6] {
    mac_addresses(fate.sent()).0
}

fn full() -> (TestDirector, BTreeMap<u16, [u8; 6]>) {
    let mut director = TestDirector::new(TINY);
    change(&mut director, WEB_OF_THREE);
    let mut servers = BTreeMap::new();
    for port in 0..ENTRIES {
        servers.insert(port, server(&director.receive(&packet(port, "S"))));
        assert_eq!(server(&director.receive(&packet(port, "A"))), servers[&port]);
    }
    assert_eq!(reason(&mut director, Reason::ConnectionTableFull), 0);
    (director, servers)
}

#[test]
fn in_a_full_connection_table_the_established_stay_and_the_new_are_forwarded() {
    let (mut director, established) = full();
    let mut without = BTreeMap::new();
    for port in 100..200 {
        without.insert(port, server(&director.receive(&packet(port, "S"))));
    }
    assert_eq!(reason(&mut director, Reason::ConnectionTableFull), 100);
    let used: std::collections::BTreeSet<_> = without.values().collect();
    assert_eq!(used.len(), 3, "all servers get some of them");
    for (port, first) in without.iter().chain(&established) {
        assert_eq!(server(&director.receive(&packet(*port, "PA"))), *first, "port {port}");
    }
    assert_eq!(reason(&mut director, Reason::ConnectionTableFull), 200, "the established hit");
    let connections = director.run("ipvsadm -Lnc").stdout;
    assert_eq!(connections.lines().count(), 2 + usize::from(ENTRIES), "{connections}");
}

#[test]
fn a_flow_without_an_entry_counts_as_one_connection() {
    let (mut director, _) = full();
    let before = conns(&mut director);
    for flags in ["S", "A", "PA", "PA", "FA"] {
        director.receive(&packet(300, flags));
    }
    assert_eq!(conns(&mut director), before + 1);
}

fn conns(director: &mut TestDirector) -> u64 {
    let stats = director.run("ipvsadm -Ln --stats").stdout;
    let line = stats.lines().find(|line| line.starts_with("TCP")).expect("the service");
    line.split_whitespace().nth(2).expect("a column").parse().expect("a number")
}

#[test]
fn what_expired_makes_room() {
    let (mut director, _) = full();
    for port in 0..ENTRIES {
        director.receive(&packet(port, "FA"));
    }
    director.advance(Duration::from_secs(121));
    let first = server(&director.receive(&packet(500, "S")));
    assert_eq!(reason(&mut director, Reason::ConnectionTableFull), 0);
    assert_eq!(server(&director.receive(&packet(500, "A"))), first);
    assert_eq!(director.run("ipvsadm -Lnc").stdout.lines().count(), 3);
}

/// Case 9.
#[test]
fn in_a_flood_of_syns_half_open_connections_give_way_and_the_established_stay() {
    let mut director = TestDirector::new(TINY);
    change(&mut director, WEB_OF_THREE);
    let mut established = BTreeMap::new();
    for port in 0..ENTRIES - 1 {
        established.insert(port, server(&director.receive(&packet(port, "S"))));
        director.receive(&packet(port, "A"));
    }
    for port in 100..1100 {
        director.receive(&packet(port, "S"));
        let hit = port % (ENTRIES - 1);
        assert_eq!(server(&director.receive(&packet(hit, "PA"))), established[&hit]);
    }
    assert_eq!(reason(&mut director, Reason::MadeRoom), 999, "all but the last");
    assert_eq!(reason(&mut director, Reason::ConnectionTableFull), 0);
    let listed = director.run("ipvsadm -Ln").stdout;
    let active: u16 = listed.lines().filter_map(|line| line.split_whitespace().nth(4)?.parse::<u16>().ok()).sum();
    assert_eq!(active, ENTRIES, "{listed}");
}

/// A server that is removed must not get what has no entry either.
#[test]
fn without_entries_changes_take_effect_at_once() {
    let (mut director, _) = full();
    change(
        &mut director,
        "ipvsadm -d -t 172.16.100.1:80 -r 172.16.100.10
         ipvsadm -e -t 172.16.100.1:80 -r 172.16.100.11 -g -w 0",
    );
    for port in 100..200 {
        let only = lvx_tests::director::mac_of(C.parse().expect("an address"));
        assert_eq!(server(&director.receive(&packet(port, "S"))), only);
    }
    change(&mut director, "ipvsadm -d -t 172.16.100.1:80 -r 172.16.100.12");
    Expected::answered(3, 3, Reason::NoRealServer).counting(Reason::ConnectionTableFull).check(
        &mut director,
        "nobody is left",
        &packet(100, "S"),
    );
}

#[test]
fn a_persistent_client_stays_together_in_a_full_connection_table() {
    let mut director = TestDirector::new(TINY);
    change(&mut director, &WEB_OF_THREE.replace("-s rr", "-s rr -p 300"));
    let first = server(&director.receive(&packet(0, "S")));
    director.receive(&packet(0, "A"));
    for port in 1..100 {
        assert_eq!(server(&director.receive(&packet(port, "S"))), first, "with a template, port {port}");
        director.receive(&packet(port, "A"));
    }
    for client in 2..50 {
        let syn = |port: u16| Packet::tcp(&format!("10.0.0.{client}:{port}"), VIP_WEB, "S").frame();
        let first = server(&director.receive(&syn(1)));
        for port in 2..10 {
            assert_eq!(server(&director.receive(&syn(port))), first, "without one, 10.0.0.{client}:{port}");
        }
    }
}

#[test]
fn in_a_full_template_table_clients_are_scheduled_and_counted() {
    let mut director = TestDirector::new(Sizes { connections: 4096, ..TINY });
    change(&mut director, &WEB_OF_THREE.replace("-s rr", "-s rr -p 300"));
    let syn = |client: u16, port: u16| Packet::tcp(&format!("10.0.0.{client}:{port}"), VIP_WEB, "S").frame();
    let mut servers = Vec::new();
    for client in 0..ENTRIES {
        servers.push(server(&director.receive(&syn(client, 1))));
    }
    assert_eq!(reason(&mut director, Reason::TemplateTableFull), 0);
    for client in 100..110 {
        let first = server(&director.receive(&syn(client, 1)));
        let ack = Packet::tcp(&format!("10.0.0.{client}:1"), VIP_WEB, "A").frame();
        assert_eq!(server(&director.receive(&ack)), first, "its connection is in the table");
    }
    assert_eq!(reason(&mut director, Reason::TemplateTableFull), 10);
    for (client, first) in (0..ENTRIES).zip(servers) {
        assert_eq!(server(&director.receive(&syn(client, 2))), first, "client {client} has its template");
    }
}
