//! Neighbours and interfaces against the real kernel, in network namespaces. Needs root and iproute2.

mod lab;

use std::fmt::Write as _;

use lab::{Netns, ip, parse_mac};
use lb_user::neighbours::{self, LinkState, Path};

const DIRECTOR: &[&str] = &["10.0.0.1/24", "fd00::1/64"];
const SERVER: &[&str] = &["10.0.0.9/24", "fd00::9/64"];

/// A director and a real server on one wire, `eth0` at both ends.
fn one_server() -> (Netns, Netns) {
    let (director, server) = (Netns::new(), Netns::new());
    director.link("eth0", DIRECTOR, &server, SERVER);
    (director, server)
}

#[test]
fn a_server_that_nobody_ever_talked_to_is_resolved_in_both_families() {
    let (director, server) = one_server();
    director.ip("link set eth0 mtu 1400");
    director.watch(async |mut watcher| {
        watcher.watch(["10.0.0.9", "fd00::9"]);
        for address in ["10.0.0.9", "fd00::9"] {
            watcher.reaches(address, "eth0", server.mac("eth0")).await;
        }
        let eth0 = &watcher.links["eth0"];
        let expected = |source| Path::Reachable {
            ifindex: eth0.index,
            interface: "eth0".into(),
            destination_mac: server.mac("eth0"),
            source_mac: eth0.mac.expect("Ethernet"),
            mtu: 1400,
            source: Some(ip(source)),
        };
        assert_eq!(watcher.paths[&ip("10.0.0.9")], expected("10.0.0.1"));
        assert_eq!(watcher.paths[&ip("fd00::9")], expected("fd00::1"));
    });
}

#[test]
fn a_mac_that_changes_in_silence_is_found_by_probing() {
    let (director, server) = one_server();
    for family in ["ipv4", "ipv6"] {
        director.set(&format!("{family}/neigh/eth0/base_reachable_time_ms"), "1000");
        director.set(&format!("{family}/neigh/eth0/delay_first_probe_time"), "1");
        director.set(&format!("{family}/neigh/eth0/retrans_time_ms"), "200");
    }
    director.watch(async |mut watcher| {
        watcher.watch(["10.0.0.9", "fd00::9"]);
        let old = server.mac("eth0");
        watcher.reaches("10.0.0.9", "eth0", old).await;
        watcher.reaches("fd00::9", "eth0", old).await;
        server.ip("link set eth0 address 02:00:00:00:00:99");
        let new = parse_mac("02:00:00:00:00:99");
        watcher.reaches("10.0.0.9", "eth0", new).await;
        watcher.reaches("fd00::9", "eth0", new).await;
    });
}

#[test]
fn a_mac_that_the_operator_sets_is_followed_and_left_alone() {
    let (director, server) = one_server();
    director.watch(async |mut watcher| {
        watcher.watch(["10.0.0.9", "10.0.0.8"]);
        watcher.reaches("10.0.0.9", "eth0", server.mac("eth0")).await;
        director.ip("neigh replace 10.0.0.9 lladdr 02:00:00:00:00:77 dev eth0 nud permanent");
        watcher.reaches("10.0.0.9", "eth0", parse_mac("02:00:00:00:00:77")).await;
        // By then unknown addresses have been asked for at least twice.
        watcher.misses("10.0.0.8", "no answer to ARP for 10.0.0.8 on eth0").await;
        assert!(director.ip("neigh show 10.0.0.9").contains("PERMANENT"));
        director.ip("neigh del 10.0.0.9 dev eth0");
        watcher.reaches("10.0.0.9", "eth0", server.mac("eth0")).await;
    });
}

#[test]
fn a_silent_server_is_told_and_found_when_it_comes() {
    let (director, server) = one_server();
    director.watch(async |mut watcher| {
        watcher.watch(["10.0.0.8", "fd00::8"]);
        watcher.misses("10.0.0.8", "no answer to ARP for 10.0.0.8 on eth0").await;
        watcher.misses("fd00::8", "no answer to NDP for fd00::8 on eth0").await;
        server.ip("address add 10.0.0.8/24 dev eth0");
        server.ip("address add fd00::8/64 dev eth0 nodad");
        watcher.reaches("10.0.0.8", "eth0", server.mac("eth0")).await;
        watcher.reaches("fd00::8", "eth0", server.mac("eth0")).await;
    });
}

#[test]
fn an_interface_that_goes_down_or_loses_its_carrier_is_told_and_followed_back() {
    let (director, server) = one_server();
    director.watch(async |mut watcher| {
        watcher.watch(["10.0.0.9"]);
        let mac = server.mac("eth0");
        watcher.reaches("10.0.0.9", "eth0", mac).await;
        director.ip("link set eth0 down");
        watcher.misses("10.0.0.9", "eth0 is down").await;
        assert_eq!(watcher.links["eth0"].state, LinkState::Down);
        director.ip("link set eth0 up");
        watcher.reaches("10.0.0.9", "eth0", mac).await;
        server.ip("link set eth0 down");
        watcher.misses("10.0.0.9", "eth0 has no carrier").await;
        server.ip("link set eth0 up");
        watcher.reaches("10.0.0.9", "eth0", mac).await;
        assert_eq!(watcher.links["eth0"].state, LinkState::Up);
    });
}

#[test]
fn an_interface_that_is_deleted_and_made_again_is_another_one() {
    let (director, server) = one_server();
    director.watch(async |mut watcher| {
        watcher.watch(["10.0.0.9"]);
        watcher.reaches("10.0.0.9", "eth0", server.mac("eth0")).await;
        let index = watcher.links["eth0"].index;
        director.ip("link delete eth0");
        watcher.misses("10.0.0.9", "no route to 10.0.0.9").await;
        watcher.until("eth0 gone", |watcher| !watcher.links.contains_key("eth0")).await;
        director.link("eth0", DIRECTOR, &server, SERVER);
        watcher.reaches("10.0.0.9", "eth0", server.mac("eth0")).await;
        assert_ne!(watcher.links["eth0"].index, index);
        director.ip("link set eth0 address 02:00:00:00:00:55");
        let mac = Some(parse_mac("02:00:00:00:00:55"));
        watcher.until("the new MAC address", |watcher| watcher.links["eth0"].mac == mac).await;
    });
}

#[test]
fn a_route_that_comes_changes_and_goes_is_followed() {
    let (director, server) = one_server();
    let other = Netns::new();
    director.link("eth1", &["10.2.0.1/24"], &other, &["10.2.0.9/24"]);
    director.watch(async |mut watcher| {
        watcher.watch(["10.1.0.9"]);
        watcher.misses("10.1.0.9", "no route to 10.1.0.9").await;
        director.ip("route add 10.1.0.0/24 via 10.0.0.9");
        watcher.reaches("10.1.0.9", "eth0", server.mac("eth0")).await;
        director.ip("route replace 10.1.0.0/24 via 10.2.0.9");
        watcher.reaches("10.1.0.9", "eth1", other.mac("eth1")).await;
        director.ip("route replace 10.1.0.0/24 via inet6 fd00::9 dev eth0");
        watcher.reaches("10.1.0.9", "eth0", server.mac("eth0")).await;
        director.ip("route add table 7 10.1.0.0/24 via 10.2.0.9");
        director.ip("rule add to 10.1.0.0/24 table 7");
        watcher.reaches("10.1.0.9", "eth1", other.mac("eth1")).await;
        director.ip("route add prohibit 10.1.0.9 table 7");
        watcher.misses("10.1.0.9", "a 'prohibit' route covers 10.1.0.9").await;
    });
}

#[test]
fn each_server_goes_out_by_its_own_interface() {
    let (director, server) = one_server();
    let other = Netns::new();
    director.link("eth1", &["10.2.0.1/24"], &other, &["10.2.0.9/24"]);
    director.watch(async |mut watcher| {
        watcher.watch(["10.0.0.9", "10.2.0.9"]);
        watcher.reaches("10.0.0.9", "eth0", server.mac("eth0")).await;
        watcher.reaches("10.2.0.9", "eth1", other.mac("eth1")).await;
    });
}

#[test]
fn the_directors_own_addresses_are_local_as_long_as_it_has_them() {
    let (director, server) = one_server();
    director.watch(async |mut watcher| {
        let own = ["10.0.0.1", "127.0.0.1", "fd00::1", "10.0.0.9"];
        watcher.watch(own);
        for address in &own[..3] {
            watcher.until("local", |watcher| watcher.paths.get(&ip(address)) == Some(&Path::Local)).await;
        }
        watcher.reaches("10.0.0.9", "eth0", server.mac("eth0")).await;
        director.ip("address add 10.0.0.9/32 dev lo");
        watcher.until("local", |watcher| watcher.paths[&ip("10.0.0.9")] == Path::Local).await;
        director.ip("address del 10.0.0.9/32 dev lo");
        watcher.reaches("10.0.0.9", "eth0", server.mac("eth0")).await;
    });
}

#[test]
fn interfaces_that_cannot_carry_direct_routing_say_why() {
    let (director, _server) = one_server();
    director.ip("link set eth0 arp off");
    director.ip("tuntap add tun0 mode tun");
    director.ip("address add 10.3.0.1/24 dev tun0");
    director.ip("link set tun0 up");
    director.watch(async |mut watcher| {
        watcher.watch(["10.3.0.9", "10.0.0.9"]);
        watcher.misses("10.3.0.9", "tun0 has no carrier").await;
        assert_eq!(watcher.links["tun0"].mac, None);
        let no_arp = "eth0 has ARP off, and no permanent neighbour entry for 10.0.0.9";
        watcher.misses("10.0.0.9", no_arp).await;
        director.ip("neigh replace 10.0.0.9 lladdr 02:00:00:00:00:77 dev eth0 nud permanent");
        watcher.reaches("10.0.0.9", "eth0", parse_mac("02:00:00:00:00:77")).await;
    });
}

#[test]
fn interfaces_are_listed_once_on_demand() {
    let (director, _server) = one_server();
    director.watch(async |mut watcher| {
        watcher.until("both interfaces", |watcher| watcher.links.len() == 2).await;
        let mut links = neighbours::links().await.expect("the kernel's interfaces");
        links.sort_by(|a, b| a.name.cmp(&b.name));
        assert!(links.iter().eq(watcher.links.values()), "{links:?}");
    });
}

#[test]
fn ten_thousand_servers_whose_notifications_were_lost_are_right_in_the_end() {
    let (director, _server) = one_server();
    director.ip("address add 10.5.0.1/16 dev eth0");
    let servers: Vec<String> = (0..10_000).map(|n| format!("10.5.{}.{}", 1 + n / 250, 1 + n % 250)).collect();
    director.watch(async |mut watcher| {
        set_macs(&director, &servers, &["02:00:00:00:00:01"]);
        watcher.watch(servers.iter().map(String::as_str));
        for server in &servers {
            watcher.reaches(server, "eth0", parse_mac("02:00:00:00:00:01")).await;
        }
        // The watcher's task shares this thread and reads nothing meanwhile: the kernel's queue to it, of 16 MiB at most,
        // overflows, and what it loses are the newest changes.
        let macs = [2, 3, 4, 5, 6].map(|last| format!("02:00:00:00:00:0{last}"));
        set_macs(&director, &servers, &macs);
        for server in &servers {
            watcher.reaches(server, "eth0", parse_mac("02:00:00:00:00:06")).await;
        }
    });
}

/// Gives all `servers` each of `macs` in turn.
fn set_macs(director: &Netns, servers: &[String], macs: &[impl AsRef<str>]) {
    let mut batch = String::new();
    for mac in macs {
        for server in servers {
            let mac = mac.as_ref();
            writeln!(batch, "neigh replace {server} lladdr {mac} dev eth0 nud permanent").expect("a string grows");
        }
    }
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), batch).expect("a file");
    director.ip(&format!("-batch {}", file.path().display()));
}
