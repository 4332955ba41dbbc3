//! ICMP errors about a connection. What is expected here is what the kernel's IPVS did with the same packets (6.1.176).

use std::time::Duration;

use lb_common::reason::Reason;
use lb_user::model::Sysctls;
use lb_user::neighbours::Path;
use lvx_tests::director::{TestDirector, mac_of, reachable};
use lvx_tests::frame::{ETHERNET, Fragment, Packet, Transport};

use super::expect::change;
use super::*;

const WEB6: &str = "TCP [2001:db8::1]:80";
const DNS6: &str = "UDP [2001:db8::1]:53";
const VIP_WEB6: &str = "[2001:db8::1]:80";
const VIP_DNS6: &str = "[2001:db8::1]:53";
const A6: &str = "2001:db8::10";
const CLIENT: &str = "10.0.0.1:1024";
const CLIENT6: &str = "[2001:db8:c::1]:1024";

/// Services for TCP and UDP, over IPv4 and IPv6, each with one server.
const FOUR: &str = "
    ipvsadm -A -t 172.16.100.1:80 -s rr
    ipvsadm -a -t 172.16.100.1:80 -r 172.16.100.10 -g
    ipvsadm -A -u 172.16.100.1:53 -s rr
    ipvsadm -a -u 172.16.100.1:53 -r 172.16.100.10 -g
    ipvsadm -A -t [2001:db8::1]:80 -s rr
    ipvsadm -a -t [2001:db8::1]:80 -r [2001:db8::10]:80 -g
    ipvsadm -A -u [2001:db8::1]:53 -s rr
    ipvsadm -a -u [2001:db8::1]:53 -r [2001:db8::10]:53 -g";

/// An error from a router on the way to the client, about what a real server sent.
fn error(kind: u8, code: u8, about: &Packet) -> Packet {
    quoting(kind, code, about.frame()[ETHERNET..].to_vec(), about.source.is_ipv4())
}

/// An error that quotes these bytes.
fn quoting(kind: u8, code: u8, quoted: Vec<u8>, v4: bool) -> Packet {
    let (router, vip) = if v4 { ("10.9.9.9:0", "172.16.100.1:0") } else { ("[2001:db8:9::9]:0", "[2001:db8::1]:0") };
    Packet {
        transport: Transport::Icmp(kind, code, [0, 0, 5, 120]),
        payload: quoted,
        ..Packet::icmp(router, vip, kind, code)
    }
}

/// What a server sent to a client.
fn answer(vip: &str, client: &str) -> Packet {
    if vip.ends_with(":53") { Packet::udp(vip, client) } else { Packet::tcp(vip, client, "A").with_payload(20) }
}

fn too_big(vip: &str, client: &str) -> Packet {
    let about = answer(vip, client);
    if about.source.is_ipv4() { error(3, 4, &about) } else { error(2, 0, &about) }
}

/// Each of the services has a connection of [`CLIENT`] or [`CLIENT6`], TCP's are established.
fn with_connections() -> TestDirector {
    let mut director = with(FOUR);
    for (client, web, dns) in [(CLIENT, VIP_WEB, VIP_DNS), (CLIENT6, VIP_WEB6, VIP_DNS6)] {
        director.receive(&Packet::tcp(client, web, "S").frame());
        director.receive(&Packet::tcp(client, web, "A").frame());
        director.receive(&Packet::udp(client, dns).frame());
    }
    director
}

fn scheduling(director: &mut TestDirector) {
    let sysctls = Sysctls { schedule_icmp: true, ..Sysctls::default() };
    director.director().tables().set_sysctls(&sysctls);
}

fn connections(director: &mut TestDirector) -> String {
    director.run("ipvsadm -Lnc").stdout
}

/// The connections without their expiry.
fn states(director: &mut TestDirector) -> String {
    let words = |line: &str| {
        line.split_whitespace().enumerate().filter(|(at, _)| *at != 1).map(|(_, word)| format!("{word} ")).collect()
    };
    connections(director).lines().skip(2).map(words).collect::<Vec<String>>().join("\n")
}

fn unknown() -> Expected {
    Expected::passed_for(Reason::IcmpError)
}

#[test]
fn an_error_about_a_connection_goes_to_its_server() {
    let mut director = with_connections();
    for (kind, code) in [(3, 0), (3, 1), (3, 3), (3, 4), (3, 13), (4, 0), (11, 0), (11, 1)] {
        let sentence = format!("type {kind}, code {code}");
        let about_tcp = error(kind, code, &answer(VIP_WEB, CLIENT));
        Expected::sent(WEB, A).check(&mut director, &sentence, &about_tcp.frame());
        let about_udp = error(kind, code, &answer(VIP_DNS, CLIENT));
        Expected::sent(DNS, A).check(&mut director, &sentence, &about_udp.frame());
    }
    // ICMPv6 has a bit for what is no error (RFC 4443, 2.1); IPVS looks at nothing else.
    for kind in [0, 1, 2, 3, 4, 5, 100, 127] {
        let sentence = format!("ICMPv6 type {kind}");
        let about_tcp = error(kind, 0, &answer(VIP_WEB6, CLIENT6));
        Expected::sent(WEB6, A6).check(&mut director, &sentence, &about_tcp.frame());
        let about_udp = error(kind, 0, &answer(VIP_DNS6, CLIENT6));
        Expected::sent(DNS6, A6).check(&mut director, &sentence, &about_udp.frame());
    }
}

#[test]
fn other_types_are_the_stacks() {
    let mut director = with_connections();
    // IPVS leaves the bad parameter alone.
    unknown().check(&mut director, "a bad parameter", &error(12, 0, &answer(VIP_WEB, CLIENT)).frame());
    for kind in [0, 5, 8, 13] {
        let packet = error(kind, 0, &answer(VIP_WEB, CLIENT));
        Expected::passed().check(&mut director, &format!("type {kind}"), &packet.frame());
    }
    for kind in [128, 129, 135, 255] {
        let packet = error(kind, 0, &answer(VIP_WEB6, CLIENT6));
        Expected::passed().check(&mut director, &format!("ICMPv6 type {kind}"), &packet.frame());
    }
}

#[test]
fn an_error_about_no_connection_is_the_stacks() {
    let mut director = with_connections();
    let gre = |vip, client| Packet { transport: Transport::Other(47), ..answer(vip, client) }.with_payload(40);
    for (sentence, packet) in [
        ("another port of the client", too_big(VIP_WEB, "10.0.0.1:1025")),
        ("another client", too_big(VIP_WEB, "10.0.0.2:1024")),
        ("another port of the VIP", too_big("172.16.100.1:443", CLIENT)),
        ("another VIP", too_big("172.16.100.2:80", CLIENT)),
        ("UDP where the connection is TCP", error(3, 4, &Packet::udp(VIP_WEB, CLIENT))),
        ("a packet of the client", error(3, 4, &Packet::tcp(CLIENT, VIP_WEB, "A"))),
        ("GRE", error(3, 4, &gre(VIP_WEB, CLIENT))),
        ("an ICMP packet", error(3, 4, &Packet::icmp("172.16.100.1:0", CLIENT, 0, 0))),
        ("IPv6: another port", too_big(VIP_WEB6, "[2001:db8:c::1]:1025")),
        ("IPv6: another client", too_big(VIP_WEB6, "[2001:db8:c::2]:1024")),
        ("IPv6: a packet of the client", error(2, 0, &Packet::tcp(CLIENT6, VIP_WEB6, "A"))),
        ("IPv6: GRE", error(2, 0, &gre(VIP_WEB6, CLIENT6))),
        ("IPv4-mapped addresses", too_big("[::ffff:172.16.100.1]:80", "[::ffff:10.0.0.1]:1024")),
    ] {
        unknown().check(&mut director, sentence, &packet.frame());
    }
    change(&mut director, "ipvsadm -D -t [2001:db8::1]:80\nipvsadm -D -u [2001:db8::1]:53");
    unknown().check(&mut director, "no service of the family", &too_big(VIP_WEB6, CLIENT6).frame());
}

/// Neither IPVS nor LVX asks whom the error is for: a router may send it to any address of the director.
#[test]
fn the_error_itself_may_be_for_another_address() {
    let mut director = with_connections();
    let elsewhere = |packet: Packet, to: &str| Packet { destination: to.parse().expect("an address"), ..packet };
    let packet = elsewhere(too_big(VIP_WEB, CLIENT), "172.16.100.2:0");
    Expected::sent(WEB, A).check(&mut director, "the director's own address", &packet.frame());
    let packet = elsewhere(too_big(VIP_WEB6, CLIENT6), "[2001:db8::2]:0");
    Expected::sent(WEB6, A6).check(&mut director, "its IPv6 address", &packet.frame());
}

/// The ports must be there; what comes after them does not matter.
#[test]
fn what_is_quoted_may_end_behind_the_ports() {
    let mut director = with_connections();
    for (vip, client, service, server, network) in [
        (VIP_WEB, CLIENT, WEB, A, 20),
        (VIP_DNS, CLIENT, DNS, A, 20),
        (VIP_WEB6, CLIENT6, WEB6, A6, 40),
        (VIP_DNS6, CLIENT6, DNS6, A6, 40),
    ] {
        let whole = answer(vip, client).frame()[ETHERNET..].to_vec();
        let v4 = network == 20;
        for end in 0..=whole.len() {
            let packet = quoting(if v4 { 3 } else { 2 }, 0, whole[..end].to_vec(), v4);
            let expected = if end < network + 4 { unknown() } else { Expected::sent(service, server) };
            let sentence = format!("{service}: {end} bytes");
            expected.check(&mut director, &sentence, &packet.frame());
            // Ethernet's padding is no part of the packet.
            let padded = Packet { padding: 46, ..packet };
            expected.check(&mut director, &format!("{sentence}, padded"), &padded.frame());
        }
    }
}

#[test]
fn every_piece_of_an_error_is_passed_untouched() {
    let mut director = with_connections();
    for packet in [too_big(VIP_WEB, CLIENT), too_big(VIP_WEB6, CLIENT6)] {
        let whole = packet.frame();
        for end in ETHERNET..whole.len() {
            let fate = director.receive(&whole[..end]);
            assert_eq!(fate, lvx_tests::fate::Fate::Passed(whole[..end].to_vec()), "{end} bytes of {packet:?}");
        }
    }
}

#[test]
fn the_quoted_packet_may_have_options() {
    let mut director = with_connections();
    for words in 1..=10 {
        let about = Packet { options: vec![1; words * 4], ..answer(VIP_WEB, CLIENT) };
        let sentence = format!("{} bytes of options", words * 4);
        Expected::sent(WEB, A).check(&mut director, &sentence, &error(3, 4, &about).frame());
        let cut = quoting(3, 4, about.frame()[ETHERNET..ETHERNET + 20 + words * 4 + 3].to_vec(), true);
        unknown().check(&mut director, &format!("{sentence}, and not all ports"), &cut.frame());
    }
    for length in 0..5 {
        let mut quoted = answer(VIP_WEB, CLIENT).frame()[ETHERNET..].to_vec();
        quoted[0] = 0x40 | length;
        let sentence = format!("a header of {length} words");
        unknown().check(&mut director, &sentence, &quoting(3, 4, quoted, true).frame());
    }
}

/// IPVS takes the first bytes of a later IPv4 fragment for ports; LVX does not look it up.
#[test]
fn the_quoted_packet_may_be_a_first_fragment() {
    let mut director = with_connections();
    let piece = |offset, more| {
        let about = Packet { fragment: Some(Fragment { offset, more }), ..answer(VIP_DNS, CLIENT) };
        error(3, 4, &about).frame()
    };
    let piece6 = |offset: u16, more| {
        let word = (offset << 3 | u16::from(more)).to_be_bytes();
        let about =
            Packet { extensions: vec![(44, vec![0, word[0], word[1], 0, 0, 0, 7])], ..answer(VIP_DNS6, CLIENT6) };
        error(2, 0, &about).frame()
    };
    Expected::sent(DNS, A).check(&mut director, "the first", &piece(0, true));
    unknown().check(&mut director, "the second", &piece(1, true));
    unknown().check(&mut director, "the last", &piece(0x1fff, false));
    Expected::sent(DNS6, A6).check(&mut director, "IPv6: the first", &piece6(0, true));
    Expected::sent(DNS6, A6).check(&mut director, "IPv6: an atomic one", &piece6(0, false));
    unknown().check(&mut director, "IPv6: the second", &piece6(1, true));
    unknown().check(&mut director, "IPv6: the last", &piece6(0x1fff, false));
}

/// Neither its state nor its timer: the kernel listed the connections with 14:56 and 4:56 after three seconds and ten errors.
#[test]
fn an_error_changes_nothing_of_the_connection() {
    let mut director = with_connections();
    let tcp = too_big(VIP_WEB, CLIENT).frame();
    let udp = too_big(VIP_DNS6, CLIENT6).frame();
    director.advance(Duration::from_secs(290));
    let before = states(&mut director);
    Expected::sent(WEB, A).check(&mut director, "about TCP", &tcp);
    Expected::sent(DNS6, A6).check(&mut director, "about UDP", &udp);
    assert_eq!(states(&mut director), before);
    director.advance(Duration::from_secs(11));
    unknown().check(&mut director, "UDP's 300 seconds are over", &udp);
    let fin = Packet::tcp(CLIENT, VIP_WEB, "FA").frame();
    let server = "TCP 172.16.100.1:80 > 172.16.100.10";
    let expected = Expected::sent(WEB, A).moving(server, "active", -1).moving(server, "inactive", 1);
    expected.check(&mut director, "a FIN", &fin);
    let before = states(&mut director);
    assert!(before.contains("FIN_WAIT"), "{before}");
    director.advance(Duration::from_secs(110));
    Expected::sent(WEB, A).check(&mut director, "after the FIN", &tcp);
    assert_eq!(states(&mut director), before);
    director.advance(Duration::from_secs(11));
    unknown().check(&mut director, "FIN_WAIT's 120 seconds are over", &tcp);
}

/// What makes IPVS drop a data packet does not matter to errors about it, and they are not counted
/// (`ip_vs_in_hook` looks at ICMP first; `ip_vs_in_stats`).
#[test]
fn a_removed_server_gets_the_errors_about_its_connections() {
    let mut director = with_connections();
    change(&mut director, "ipvsadm -d -t 172.16.100.1:80 -r 172.16.100.10");
    let ack = Packet::tcp(CLIENT, VIP_WEB, "A").frame();
    Expected::dropped_for(Reason::RealServerRemoved).check(&mut director, "a data packet", &ack);
    Expected::sent_uncounted(A).check(&mut director, "an error", &too_big(VIP_WEB, CLIENT).frame());
    let sysctls = Sysctls { expire_nodest_conn: true, ..Sysctls::default() };
    director.director().tables().set_sysctls(&sysctls);
    let sentence = "with expire_nodest_conn";
    Expected::sent_uncounted(A).check(&mut director, sentence, &too_big(VIP_WEB, CLIENT).frame());
}

/// RFC 1122, 3.2.2, and RFC 4443, 2.4 e: no error about an error.
#[test]
fn an_error_that_cannot_be_forwarded_is_not_answered() {
    let mut director = with_connections();
    for (vip, client, service, server) in [(VIP_WEB, CLIENT, WEB, A), (VIP_WEB6, CLIENT6, WEB6, A6)] {
        let packet = too_big(vip, client);
        let hops = |hops| packet.clone().with_hop_limit(hops).frame();
        Expected::sent(service, server).check(&mut director, "a hop limit of 2", &hops(2));
        let ended = Expected::dropped_for(Reason::TtlExceeded).carried(service, server);
        ended.check(&mut director, "a hop limit of 1", &hops(1));
        ended.check(&mut director, "a hop limit of 0", &hops(0));
        let mut path = reachable(mac_of(server.parse().expect("an address")), 1);
        if let Path::Reachable { mtu, .. } = &mut path {
            *mtu = 100;
        }
        director.set_path(server, path);
        let long = if vip == VIP_WEB {
            error(3, 4, &answer(vip, client).with_payload(200))
        } else {
            error(2, 0, &answer(vip, client).with_payload(200))
        };
        let expected = Expected::dropped_for(Reason::TooBig).carried(service, server);
        expected.check(&mut director, "longer than the MTU", &long.frame());
        director.set_path(server, Path::Unresolved { reason: "resolving".to_owned() });
        let expected = Expected::dropped_for(Reason::NoNeighbour).carried(service, server);
        expected.check(&mut director, "no neighbour", &packet.frame());
        director.set_path(server, Path::Local);
        let expected = Expected::passed_for(Reason::LocalServer).carried(service, server);
        expected.check(&mut director, "the server is the director", &packet.frame());
    }
}

/// The connection has seen no packet: it is in state NONE, counts as inactive, and lives for three seconds
/// (`ip_vs_conn_new`).
#[test]
fn with_schedule_icmp_an_error_opens_a_connection() {
    let mut director = with(FOUR);
    unknown().check(&mut director, "without", &too_big(VIP_WEB, CLIENT).frame());
    scheduling(&mut director);
    for (vip, client, service, server) in [
        (VIP_WEB, CLIENT, WEB, A),
        (VIP_DNS, CLIENT, DNS, A),
        (VIP_WEB6, CLIENT6, WEB6, A6),
        (VIP_DNS6, CLIENT6, DNS6, A6),
    ] {
        let packet = too_big(vip, client).frame();
        Expected::sent(service, server).opening_inactive().check(&mut director, "the first", &packet);
        Expected::sent(service, server).check(&mut director, "the second", &packet);
    }
    let listed = connections(&mut director);
    assert_eq!(listed.matches(" NONE ").count(), 2, "{listed}");
    assert_eq!(listed.matches(" 00:0").count(), 4, "{listed}");
    let active = "TCP 172.16.100.1:80 > 172.16.100.10";
    let ack = Packet::tcp(CLIENT, VIP_WEB, "A").frame();
    Expected::sent(WEB, A).moving(active, "active", 1).moving(active, "inactive", -1).check(
        &mut director,
        "an ACK",
        &ack,
    );
    Expected::sent(DNS, A).check(&mut director, "UDP", &Packet::udp(CLIENT, VIP_DNS).frame());
    director.advance(Duration::from_secs(4));
    let left = connections(&mut director);
    assert_eq!(left.lines().count(), 4, "{left}");
    assert!(left.contains("ESTABLISHED 10.0.0.1:1024") && left.contains("UDP         10.0.0.1:1024"), "{left}");
}

#[test]
fn with_schedule_icmp_what_opens_no_connection_is_the_stacks() {
    let mut director = with(FOUR);
    scheduling(&mut director);
    let later = Packet { fragment: Some(Fragment { offset: 1, more: true }), ..answer(VIP_WEB, CLIENT) };
    for (sentence, packet) in [
        ("another port of the VIP", too_big("172.16.100.1:81", CLIENT)),
        ("a packet of a client", error(3, 4, &Packet::tcp(CLIENT, VIP_WEB, "S"))),
        ("FTP's data port", too_big(VIP_WEB, "10.0.0.1:20")),
        ("a bad parameter", error(12, 0, &answer(VIP_WEB, CLIENT))),
        ("a later fragment", error(3, 4, &later)),
        (
            "a header without ports",
            quoting(3, 4, answer(VIP_WEB, CLIENT).frame()[ETHERNET..ETHERNET + 23].to_vec(), true),
        ),
    ] {
        unknown().check(&mut director, sentence, &packet.frame());
    }
    assert_eq!(connections(&mut director).lines().count(), 2);
}

#[test]
fn with_schedule_icmp_nobody_is_told_that_there_is_no_server() {
    let mut director = with(FOUR);
    scheduling(&mut director);
    change(
        &mut director,
        "ipvsadm -e -t 172.16.100.1:80 -r 172.16.100.10 -g -w 0\nipvsadm -d -t [2001:db8::1]:80 -r 2001:db8::10",
    );
    let dropped = Expected::dropped_for(Reason::NoRealServer);
    dropped.check(&mut director, "IPv4", &too_big(VIP_WEB, CLIENT).frame());
    dropped.check(&mut director, "IPv6", &too_big(VIP_WEB6, CLIENT6).frame());
    assert_eq!(connections(&mut director).lines().count(), 2);
}

#[test]
fn with_schedule_icmp_a_hop_limit_of_1_opens_the_connection_all_the_same() {
    let mut director = with(FOUR);
    scheduling(&mut director);
    let packet = too_big(VIP_WEB, CLIENT).with_hop_limit(1).frame();
    let expected = Expected::dropped_for(Reason::TtlExceeded).carried(WEB, A).opening_inactive();
    expected.check(&mut director, "hop limit 1", &packet);
}

#[test]
fn with_schedule_icmp_and_persistence_the_client_is_remembered() {
    let every = "TCP 172.16.100.1:0";
    let mut director = with(
        "ipvsadm -A -t 172.16.100.1:0 -s rr -p 60
         ipvsadm -a -t 172.16.100.1:0 -r 172.16.100.10 -g
         ipvsadm -a -t 172.16.100.1:0 -r 172.16.100.11 -g",
    );
    scheduling(&mut director);
    let first = Expected::sent(every, B).opening_inactive();
    first.clone().with_template().check(&mut director, "the first", &too_big(VIP_WEB, CLIENT).frame());
    first.check(&mut director, "another port", &too_big("172.16.100.1:443", "10.0.0.1:1025").frame());
    let listed = connections(&mut director);
    assert!(listed.contains("NONE        10.0.0.1:0 "), "{listed}");
}

#[test]
fn with_schedule_icmp_and_one_packet_scheduling_there_is_no_entry() {
    let mut director = with(
        "ipvsadm -A -u 172.16.100.1:53 -s rr -o
         ipvsadm -a -u 172.16.100.1:53 -r 172.16.100.10 -g
         ipvsadm -a -u 172.16.100.1:53 -r 172.16.100.11 -g",
    );
    scheduling(&mut director);
    for server in [B, A, B] {
        Expected::sent(DNS, server).opening_nothing().check(&mut director, server, &too_big(VIP_DNS, CLIENT).frame());
    }
}

/// Of what the error quotes dh hashes the destination too, and that is the client: a quirk, but the kernel's.
#[test]
fn with_schedule_icmp_dh_hashes_the_client() {
    let mut director = with(&WEB_OF_THREE.replace("-s rr", "-s dh"));
    scheduling(&mut director);
    for (host, server) in (1..).zip([C, A, B, A, C, B, C, A]) {
        let client = format!("10.0.0.{host}");
        let syn = Packet::tcp(&format!("{client}:1024"), VIP_WEB, "S");
        Expected::sent(WEB, A).opening().check(&mut director, "a SYN", &syn.frame());
        let packet = too_big(VIP_WEB, &format!("{client}:1030"));
        Expected::sent(WEB, server).opening_inactive().check(&mut director, &client, &packet.frame());
    }
}

/// lblc and lblcr do the same: each client gets an entry of its own, as if it were a destination.
#[test]
fn with_schedule_icmp_lblc_and_lblcr_remember_the_client() {
    for scheduler in ["-s lblc", "-s lblcr"] {
        let mut director = with(&WEB_OF_THREE.replace("-s rr", scheduler));
        scheduling(&mut director);
        for (host, of_syn, of_error) in [(1, C, B), (2, C, A), (3, B, A), (4, B, A)] {
            let client = |port| format!("10.0.0.{host}:{port}");
            let syn = Packet::tcp(&client(1024), VIP_WEB, "S").frame();
            Expected::sent(WEB, of_syn).opening().check(&mut director, &client(1024), &syn);
            for port in [1030, 1031] {
                let packet = too_big(VIP_WEB, &client(port)).frame();
                Expected::sent(WEB, of_error).opening_inactive().check(&mut director, &client(port), &packet);
            }
        }
    }
}

/// The mark is that of the error, which is an ICMP packet of a router.
#[test]
fn with_schedule_icmp_the_errors_own_mark_counts() {
    let services = "
        ipvsadm -A -f 8 -s rr
        ipvsadm -a -f 8 -r 172.16.100.12 -g
        ipvsadm -A -t 172.16.100.1:80 -s rr
        ipvsadm -a -t 172.16.100.1:80 -r 172.16.100.10 -g";
    let rule = "iptables -t mangle -A PREROUTING -d 172.16.100.1/32";
    let mut director = with(&format!("{rule} -p tcp --dport 80 -j MARK --set-mark 8{services}"));
    scheduling(&mut director);
    let by_address = Expected::sent(WEB, A).opening_inactive();
    by_address.check(&mut director, "a mark of TCP packets", &too_big(VIP_WEB, CLIENT).frame());
    change(&mut director, &format!("{rule} -s 10.9.9.9/32 -p icmp -j MARK --set-mark 8"));
    let by_mark = Expected::sent("FWM 8", C).opening_inactive();
    by_mark.check(&mut director, "a mark of ICMP packets", &too_big(VIP_WEB, "10.0.0.1:1025").frame());
}
