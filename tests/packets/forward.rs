//! What is forwarded, and how.

use lb_common::reason::Reason;
use lb_user::dataplane::Sizes;
use lb_user::neighbours::Path;
use lvx_tests::director::{TestDirector, mac_of, reachable};
use lvx_tests::frame::Packet;
use lvx_tests::namespace::with_two_interfaces;

use super::*;

fn tcp(flags: &str) -> Packet {
    Packet::tcp("10.0.0.1:1024", VIP_WEB, flags)
}

#[test]
fn a_tcp_connection_stays_with_the_server_of_its_syn() {
    let active = "TCP 172.16.100.1:80 > 172.16.100.12";
    story(
        &mut with(WEB_OF_THREE),
        [
            Row("a SYN opens a connection", tcp("S"), Expected::sent(WEB, C).opening()),
            Row("it comes again", tcp("S"), Expected::sent(WEB, C)),
            Row("an ACK follows", tcp("A"), Expected::sent(WEB, C)),
            Row("data follow", tcp("PA").with_payload(20), Expected::sent(WEB, C)),
            Row("as much as fits", tcp("PA").with_payload(1460), Expected::sent(WEB, C)),
            Row(
                "a FIN makes it inactive",
                tcp("FA"),
                Expected::sent(WEB, C).moving(active, "active", -1).moving(active, "inactive", 1),
            ),
            Row("the last ACK", tcp("A"), Expected::sent(WEB, C)),
        ],
    );
}

#[test]
fn a_udp_flow_is_one_connection_for_all_its_packets() {
    let udp = Packet::udp("10.0.0.1:1024", VIP_DNS);
    story(
        &mut with(DNS_OF_THREE),
        [
            Row("the first packet opens", udp.clone(), Expected::sent(DNS, C).opening_inactive()),
            Row("the second one finds it", udp.clone(), Expected::sent(DNS, C)),
            Row("an empty one too", udp.with_payload(0), Expected::sent(DNS, C)),
            Row(
                "another port is another connection",
                Packet::udp("10.0.0.1:1025", VIP_DNS),
                Expected::sent(DNS, B).opening_inactive(),
            ),
        ],
    );
}

/// Case 4.
#[test]
fn a_tcp_and_a_udp_flow_of_the_same_addresses_and_ports_are_two() {
    let mut director = with(
        "ipvsadm -A -t 172.16.100.1:53 -s rr
         ipvsadm -a -t 172.16.100.1:53 -r 172.16.100.10 -g
         ipvsadm -A -u 172.16.100.1:53 -s rr
         ipvsadm -a -u 172.16.100.1:53 -r 172.16.100.11 -g",
    );
    let (tcp, udp) = ("TCP 172.16.100.1:53", "UDP 172.16.100.1:53");
    let client = "10.0.0.1:1024";
    story(
        &mut director,
        [
            Row("TCP", Packet::tcp(client, VIP_DNS, "S"), Expected::sent(tcp, A).opening()),
            Row("UDP", Packet::udp(client, VIP_DNS), Expected::sent(udp, B).opening_inactive()),
            Row("TCP again", Packet::tcp(client, VIP_DNS, "A"), Expected::sent(tcp, A)),
            Row("UDP again", Packet::udp(client, VIP_DNS), Expected::sent(udp, B)),
        ],
    );
}

#[test]
fn every_vip_and_port_is_a_service_of_its_own() {
    let mut director = with(
        "ipvsadm -A -t 172.16.100.1:80 -s rr
         ipvsadm -a -t 172.16.100.1:80 -r 172.16.100.10 -g
         ipvsadm -A -t 172.16.100.2:80 -s rr
         ipvsadm -a -t 172.16.100.2:80 -r 172.16.100.11 -g
         ipvsadm -A -t 172.16.100.1:443 -s rr
         ipvsadm -a -t 172.16.100.1:443 -r 172.16.100.12 -g",
    );
    let to = |vip| Packet::tcp("10.0.0.1:1024", vip, "S");
    story(
        &mut director,
        [
            Row("one", to("172.16.100.1:80"), Expected::sent(WEB, A).opening()),
            Row("another VIP", to("172.16.100.2:80"), Expected::sent("TCP 172.16.100.2:80", B).opening()),
            Row("another port", to("172.16.100.1:443"), Expected::sent("TCP 172.16.100.1:443", C).opening()),
            Row("no service", to("172.16.100.2:443"), Expected::passed()),
        ],
    );
}

#[test]
fn ttl_and_tos() {
    let row = |about, number: u16, packet: Packet, expected| {
        let mut packet = packet;
        packet.source.set_port(2000 + number);
        Row(about, packet, expected)
    };
    let tos = |tos| Packet { tos, ..tcp("S") };
    let exceeded = |server| Expected::answered(11, 0, Reason::TtlExceeded).carried(WEB, server).opening();
    story(
        &mut with(WEB_OF_THREE),
        [
            row("TTL 2 becomes 1", 0, tcp("S").with_hop_limit(2), Expected::sent(WEB, C).opening()),
            row("TTL 255 becomes 254", 1, tcp("S").with_hop_limit(255), Expected::sent(WEB, B).opening()),
            row(
                "TTL 1 ends here, and the connection is there all the same",
                2,
                tcp("S").with_hop_limit(1),
                exceeded(A),
            ),
            row("TTL 0 ends here", 3, tcp("S").with_hop_limit(0), exceeded(C)),
            row("a TOS stays", 4, tos(0xb8), Expected::sent(WEB, B).opening()),
            row("ECN's bits stay", 5, tos(0x03), Expected::sent(WEB, A).opening()),
        ],
    );
}

#[test]
fn ipv6_is_forwarded_like_ipv4() {
    let mut director = with(
        "ipvsadm -A -t [2001:db8::1]:80 -s rr
         ipvsadm -a -t [2001:db8::1]:80 -r [2001:db8::10]:80 -g
         ipvsadm -a -t [2001:db8::1]:80 -r [2001:db8::11]:80 -g
         ipvsadm -A -u [2001:db8::1]:53 -s rr
         ipvsadm -a -u [2001:db8::1]:53 -r [2001:db8::10]:53 -g",
    );
    let (web, dns) = ("TCP [2001:db8::1]:80", "UDP [2001:db8::1]:53");
    let tcp = |port: u16, flags| Packet::tcp(&format!("[2001:db8:c::1]:{port}"), "[2001:db8::1]:80", flags);
    let udp = || Packet::udp("[2001:db8:c::1]:1024", "[2001:db8::1]:53");
    let (first, second) = ("2001:db8::11", "2001:db8::10");
    let exceeded = Expected::answered(3, 0, Reason::TtlExceeded);
    story(
        &mut director,
        [
            Row("a SYN opens", tcp(1024, "S"), Expected::sent(web, first).opening()),
            Row("an ACK follows", tcp(1024, "A"), Expected::sent(web, first)),
            Row("data follow", tcp(1024, "PA").with_payload(33), Expected::sent(web, first)),
            Row("hop limit 2", tcp(1025, "S").with_hop_limit(2), Expected::sent(web, second).opening()),
            Row("hop limit 1", tcp(1026, "S").with_hop_limit(1), exceeded.carried(web, first).opening()),
            Row("a traffic class stays", Packet { tos: 0xb8, ..tcp(1025, "A") }, Expected::sent(web, second)),
            Row("UDP opens", udp(), Expected::sent(dns, second).opening_inactive()),
            Row("UDP follows", udp(), Expected::sent(dns, second)),
            Row("another client's packet", tcp(1099, "A"), Expected::passed_for(Reason::NoConnection)),
        ],
    );
}

/// Case 20.
#[test]
fn two_arms_are_two_interfaces() {
    let (front, back) = ([2, 0, 0, 0, 0, 0xf1], [2, 0, 0, 0, 0, 0xb1]);
    with_two_interfaces(|first, second| {
        let mut director = TestDirector::new(Sizes { connections: 64, templates: 64, services: 4, real_servers: 4 });
        director.must(["ipvsadm -A -t 172.16.100.1:80 -s rr", "ipvsadm -a -t 172.16.100.1:80 -r 172.16.100.10 -g"]);
        let maps = director.director().tables().maps_mut();
        maps.set_interface(first, Some(front)).expect("the index is in the map");
        maps.set_interface(second, Some(back)).expect("the index is in the map");
        let Path::Reachable { interface, destination_mac, mtu, .. } =
            reachable(mac_of(A.parse().expect("an address")), second)
        else {
            panic!("not reachable");
        };
        let source = None;
        director.set_path(
            A,
            Path::Reachable { ifindex: second, interface, destination_mac, source_mac: back, mtu, source },
        );
        let to = |mac, flags| Packet { to: mac, ..tcp(flags) }.frame();
        let expected = Expected::redirected(WEB, A, back);
        expected.clone().opening().check_by(&mut director, first, "in by one, out by the other", &to(front, "S"));
        expected.check_by(&mut director, first, "the next packet too", &to(front, "A"));
        Expected::passed().check_by(&mut director, first, "the other interface's MAC address", &to(back, "A"));
        let maps = director.director().tables().maps_mut();
        maps.set_interface(first, None).expect("the index is in the map");
        Expected::passed().check_by(&mut director, first, "LVX balances there no more", &to(front, "A"));
    })
    .expect("a network namespace, which needs root");
}

/// IPVS sends (3,4) with the MTU for packets that must not be fragmented (`ensure_mtu_is_adequate`).
#[test]
fn a_packet_that_is_longer_than_the_mtu_is_answered() {
    let mut director = with(
        "ipvsadm -A -t 172.16.100.1:80 -s rr
         ipvsadm -a -t 172.16.100.1:80 -r 172.16.100.10 -g",
    );
    let mut path = reachable(mac_of(A.parse().expect("an address")), 1);
    if let Path::Reachable { mtu, .. } = &mut path {
        *mtu = 600;
    }
    director.set_path(A, path);
    story(
        &mut director,
        [
            Row("the SYN is short", tcp("S"), Expected::sent(WEB, A).opening()),
            Row("600 bytes fit", tcp("A").with_payload(560), Expected::sent(WEB, A)),
            Row("601 do not", tcp("A").with_payload(561), Expected::too_big(3, 4, 600).carried(WEB, A)),
        ],
    );
}
