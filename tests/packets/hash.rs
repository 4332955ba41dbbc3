//! The schedulers that hash, and twos: what of a packet they look at, and with how many servers.

use lb_user::dataplane::Sizes;
use lb_user::model::SchedulerKind;
use lvx_tests::director::TestDirector;
use lvx_tests::fate::Fate;
use lvx_tests::frame::{Packet, ROUTER};

use super::expect::change;
use super::*;

/// The last byte of the MAC address that a packet left to, or nothing.
fn server(director: &mut TestDirector, packet: &Packet) -> Option<u8> {
    match director.receive(&packet.frame()) {
        Fate::Sent(frame) if frame[..6] != ROUTER => Some(frame[5]),
        Fate::Sent(_) | Fate::Redirected(_) | Fate::Passed(_) | Fate::Dropped => None,
    }
}

/// Three servers for VIP_WEB.
fn with_three(scheduler: &str) -> TestDirector {
    with(&format!(
        "ipvsadm -A -t {VIP_WEB} -s {scheduler}
         ipvsadm -a -t {VIP_WEB} -r {A} -g
         ipvsadm -a -t {VIP_WEB} -r {B} -g
         ipvsadm -a -t {VIP_WEB} -r {C} -g"
    ))
}

fn picks(director: &mut TestDirector, clients: impl IntoIterator<Item = String>) -> Vec<Option<u8>> {
    clients.into_iter().map(|client| server(director, &Packet::tcp(&client, VIP_WEB, "S"))).collect()
}

fn clients(count: u16, port: u16) -> impl Iterator<Item = String> {
    (1..=count).map(move |client| format!("10.1.{}.{}:{port}", client >> 8, client & 0xff))
}

#[test]
fn a_source_stays_with_its_server_and_with_port_its_connection_does() {
    for scheduler in ["sh", "mh"] {
        let mut director = with_three(scheduler);
        let first = picks(&mut director, clients(40, 1024));
        assert_eq!(first, picks(&mut director, clients(40, 1025)), "{scheduler}");
        change(&mut director, &format!("ipvsadm -E -t {VIP_WEB} -s {scheduler} -b {scheduler}-port"));
        assert_eq!(first, picks(&mut director, clients(40, 1024)), "{scheduler}: connections stay");
        let other = picks(&mut director, clients(40, 1026));
        assert!(other != picks(&mut director, clients(40, 1027)), "{scheduler}: the port matters");
        assert!(first.iter().chain(&other).all(Option::is_some));
    }
}

#[test]
fn only_a_fallback_looks_further() {
    for scheduler in ["sh", "mh"] {
        let mut director = with_three(scheduler);
        let before = picks(&mut director, clients(40, 1024));
        change(&mut director, &format!("ipvsadm -e -t {VIP_WEB} -r {A} -g -w 0"));
        let quiesced = picks(&mut director, clients(40, 1025));
        change(&mut director, &format!("ipvsadm -E -t {VIP_WEB} -s {scheduler} -b {scheduler}-fallback"));
        let fallen_back = picks(&mut director, clients(40, 1026));
        assert!(before.contains(&Some(10)));
        for ((before, quiesced), fallen_back) in before.into_iter().zip(quiesced).zip(fallen_back) {
            assert_eq!(quiesced, before.filter(|server| *server != 10), "{scheduler}");
            assert!(matches!(fallen_back, Some(11 | 12)), "{scheduler}");
            assert!(quiesced.is_none() || quiesced == fallen_back, "{scheduler}");
        }
    }
}

#[test]
fn destination_hashing_goes_by_the_vip_of_a_mark() {
    let mut director = with(&format!(
        "ipvsadm -A -f 8 -s dh
         ipvsadm -a -f 8 -r {A}:80 -g
         ipvsadm -a -f 8 -r {B}:80 -g"
    ));
    director.iptables("-A PREROUTING -p tcp --dport 80 -j MARK --set-mark 8");
    let mut of = |client: u8, vip: u8| {
        let (client, vip) = (format!("10.1.0.{client}:1024"), format!("172.16.101.{vip}:80"));
        server(&mut director, &Packet::tcp(&client, &vip, "S"))
    };
    let rows: Vec<Vec<_>> = (0..32).map(|vip| (1..4).map(|client| of(client, vip)).collect()).collect();
    assert!(rows.iter().all(|row| row[0].is_some() && row.iter().all(|server| *server == row[0])));
    assert!(rows.iter().any(|row| row[0] == Some(10)) && rows.iter().any(|row| row[0] == Some(11)));
}

#[test]
fn addresses_of_ipv6_are_hashed_whole() {
    for scheduler in ["sh", "mh"] {
        let mut director = with(&format!(
            "ipvsadm -A -t [2001:db8::200]:80 -s {scheduler}
             ipvsadm -a -t [2001:db8::200]:80 -r [2001:db8:1::a]:80 -g
             ipvsadm -a -t [2001:db8::200]:80 -r [2001:db8:1::b]:80 -g"
        ));
        let mut of = |client: &str| server(&mut director, &Packet::tcp(client, "[2001:db8::200]:80", "S"));
        // The same fold, so the same bucket.
        let same = ["[2001:db8:0:1::5]:1024", "[2001:db8::1:5]:1025", "[2001:db8:1::5]:1026"];
        let found: Vec<_> = same.into_iter().map(&mut of).collect();
        assert_eq!(found[1], found[2], "{scheduler}");
        assert!(found.iter().all(Option::is_some), "{scheduler}");
        let others: Vec<_> = (1..40).map(|host| of(&format!("[2001:db8::{host:x}]:1024"))).collect();
        assert!(others.contains(&Some(10)) && others.contains(&Some(11)), "{scheduler}");
    }
}

/// mh goes by the last weight that was not 0, and `-a` sets that one too, whatever it was before (`__ip_vs_update_dest`).
#[test]
fn a_quiesced_server_keeps_its_slots_of_mh_until_it_is_added_anew() {
    let mut director = with_three("mh");
    let before = picks(&mut director, clients(60, 1024));
    change(&mut director, &format!("ipvsadm -e -t {VIP_WEB} -r {C} -g -w 0"));
    let quiesced = picks(&mut director, clients(60, 1025));
    assert!(before.contains(&Some(12)));
    assert!(before.iter().zip(&quiesced).all(|(before, now)| *now == before.filter(|server| *server != 12)));
    let mut of_two = with_three("mh");
    change(&mut of_two, &format!("ipvsadm -d -t {VIP_WEB} -r {C}"));
    let of_two = picks(&mut of_two, clients(60, 1026));
    change(&mut director, &format!("ipvsadm -d -t {VIP_WEB} -r {C}\nipvsadm -a -t {VIP_WEB} -r {C} -g -w 0"));
    assert_eq!(picks(&mut director, clients(60, 1026)), of_two);
    change(&mut director, &format!("ipvsadm -e -t {VIP_WEB} -r {C} -g -w 1"));
    assert_eq!(picks(&mut director, clients(60, 1027)), before);
}

#[test]
fn a_thousand_servers_of_one_service_are_all_found() {
    for scheduler in SchedulerKind::ALL {
        let mut director =
            TestDirector::new(Sizes { connections: 8192, templates: 16, services: 2, real_servers: 1024 });
        director.must([format!("ipvsadm -A -t {VIP_WEB} -s {scheduler}").as_str()]);
        for number in 0..1024 {
            let (high, low) = (number >> 8, number & 0xff);
            director.must([format!("ipvsadm -a -t {VIP_WEB} -r 10.9.{high}.{low} -g").as_str()]);
        }
        let mut found = std::collections::BTreeSet::new();
        for client in clients(2048, 1024) {
            let packet = Packet::tcp(&client, VIP_WEB, "S");
            let Fate::Sent(frame) = director.receive(&packet.frame()) else { panic!("{scheduler}: {client}") };
            found.insert((frame[4], frame[5]));
        }
        let least = match scheduler {
            SchedulerKind::Fo | SchedulerKind::Dh => 1,
            // 2,048 clients in 256 buckets, in 1,024 slots, or by lot: with overwhelming likelihood.
            SchedulerKind::Sh => 200,
            SchedulerKind::Mh | SchedulerKind::Twos => 700,
            SchedulerKind::Rr
            | SchedulerKind::Wrr
            | SchedulerKind::Lc
            | SchedulerKind::Wlc
            | SchedulerKind::Lblc
            | SchedulerKind::Lblcr
            | SchedulerKind::Sed
            | SchedulerKind::Nq
            | SchedulerKind::Ovf => 1024,
        };
        assert!(found.len() >= least, "{scheduler}: {} servers", found.len());
    }
}

/// Shares by weight, if costs do not matter: of two equal lots the first wins, so the share of a server is that of its
/// weight, but for the lot 0, which the newest gets. 4,000 picks; the bounds are seven standard deviations away.
#[test]
fn lots_fall_by_weight() {
    let mut director = with(&format!(
        "ipvsadm -A -u {VIP_DNS} -s twos -o
         ipvsadm -a -u {VIP_DNS} -r {A} -g -w 100
         ipvsadm -a -u {VIP_DNS} -r {B} -g -w 300
         ipvsadm -a -u {VIP_DNS} -r {C} -g -w 0"
    ));
    let mut shares = [0i32; 2];
    for _ in 0..4000 {
        match server(&mut director, &Packet::udp("10.0.0.1:1024", VIP_DNS)) {
            Some(10) => shares[0] += 1,
            Some(11) => shares[1] += 1,
            other => panic!("{other:?}"),
        }
    }
    assert!((shares[0] - 1000).abs() < 200 && (shares[1] - 3000).abs() < 200, "{shares:?}");
}

/// Where the table is full, a connection of a scheduler that hashes goes where it would have gone.
#[test]
fn without_room_for_an_entry_the_hash_still_decides() {
    for scheduler in ["sh", "mh"] {
        let mut director = TestDirector::new(Sizes { connections: 16, templates: 16, services: 2, real_servers: 8 });
        let mut wide = with_three(scheduler);
        director.must([format!("ipvsadm -A -t {VIP_WEB} -s {scheduler}").as_str()]);
        for real in [A, B, C] {
            director.must([format!("ipvsadm -a -t {VIP_WEB} -r {real} -g").as_str()]);
        }
        for client in clients(200, 1024) {
            let syn = Packet::tcp(&client, VIP_WEB, "S");
            let expected = server(&mut wide, &syn);
            assert_eq!(server(&mut director, &syn), expected, "{scheduler}: {client}");
            // Established flows do not give way to others.
            assert_eq!(server(&mut director, &Packet::tcp(&client, VIP_WEB, "A")), expected, "{scheduler}: {client}");
        }
    }
}

/// Nor do thresholds move it, and a persistent client's network stays together, whatever the ports.
#[test]
fn without_room_for_an_entry_each_packet_of_a_flow_gets_the_same_answer() {
    for scheduler in ["sh", "mh"] {
        let mut director = TestDirector::new(Sizes { connections: 8, templates: 8, services: 2, real_servers: 8 });
        change(&mut director, &format!("ipvsadm -A -t {VIP_WEB} -s {scheduler}\nipvsadm -A -u {VIP_DNS} -s rr"));
        for real in [A, B, C] {
            change(
                &mut director,
                &format!("ipvsadm -a -t {VIP_WEB} -r {real} -g\nipvsadm -a -u {VIP_DNS} -r {real} -g"),
            );
        }
        for client in clients(8, 500) {
            for flags in ["S", "A"] {
                director.receive(&Packet::tcp(&client, VIP_WEB, flags).frame());
            }
        }
        for client in clients(200, 1024) {
            director.receive(&Packet::udp(&client, VIP_DNS).frame());
        }
        let before = picks(&mut director, clients(40, 1024));
        for real in [A, B, C] {
            // Each has a connection, and so more than it may have from now on.
            change(&mut director, &format!("ipvsadm -e -t {VIP_WEB} -r {real} -g -x 1"));
        }
        for flags in ["S", "A", "PA"] {
            let packets = clients(40, 1024).map(|client| Packet::tcp(&client, VIP_WEB, flags));
            let again: Vec<_> = packets.map(|packet| server(&mut director, &packet)).collect();
            assert_eq!(again, before, "{scheduler} {flags}");
        }
        let network = "-p 60 -M 255.255.0.0";
        change(&mut director, &format!("ipvsadm -E -t {VIP_WEB} -s {scheduler} -b {scheduler}-port {network}"));
        let ports = (2048..2068).flat_map(|port| clients(3, port));
        let together = picks(&mut director, ports);
        assert!(together[0].is_some() && together.iter().all(|server| *server == together[0]), "{scheduler}");
    }
}

/// Where nobody can be picked that is found out by looking at the members, and with one that can it is found.
#[test]
fn a_fallback_finds_nobody_only_where_there_is_nobody() {
    for scheduler in ["sh", "mh"] {
        let mut director = with_three(&format!("{scheduler} -b {scheduler}-fallback"));
        for (real, left) in [(A, 2), (B, 1), (C, 0)] {
            change(&mut director, &format!("ipvsadm -e -t {VIP_WEB} -r {real} -g -w 0"));
            let found: std::collections::BTreeSet<_> =
                picks(&mut director, clients(40, 1024 + left)).into_iter().collect();
            assert_eq!(found.contains(&None), left == 0, "{scheduler}: {found:?}");
            assert_eq!(found.len(), usize::from(left.max(1)), "{scheduler}: {found:?}");
        }
    }
}
