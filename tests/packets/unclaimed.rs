//! What is none of LVX' business is passed untouched, and nothing is counted.

use lvx_tests::frame::{Mac, Packet, ROUTER, Transport};

use super::*;

#[test]
fn without_services_everything_is_passed() {
    let mut director = with("");
    for packet in [Packet::tcp("10.0.0.1:1024", VIP_WEB, "S"), Packet::udp("10.0.0.1:1024", VIP_DNS)] {
        Expected::passed().check(&mut director, "no service", &packet.frame());
    }
}

#[test]
fn packets_for_no_service() {
    let tcp = |vip| Packet::tcp("10.0.0.1:1024", vip, "S");
    let to = |mac: Mac| Packet { to: mac, ..tcp(VIP_WEB) };
    let other = |number| Packet { transport: Transport::Other(number), ..tcp(VIP_WEB) }.with_payload(64);
    let rows = [
        ("another port", tcp("172.16.100.1:81")),
        ("another address", tcp("172.16.100.9:80")),
        ("the real server itself", tcp("172.16.100.10:80")),
        ("UDP where the service is for TCP", Packet::udp("10.0.0.1:1024", VIP_WEB)),
        ("TCP over IPv6", Packet::tcp("[2001:db8::c]:1024", "[2001:db8::1]:80", "S")),
        ("a frame for another machine", to([2, 0, 0, 0, 0, 9])),
        ("a broadcast", to([0xff; 6])),
        ("a multicast", to([0x01, 0x00, 0x5e, 0, 0, 1])),
        ("a ping of the VIP", Packet::icmp("10.0.0.1:0", "172.16.100.1:0", 8, 0)),
        // Case 14.
        ("a ping of another address", Packet::icmp("10.0.0.1:0", "172.16.100.9:0", 8, 0)),
        ("the answer to a ping", Packet::icmp("10.0.0.1:0", "172.16.100.1:0", 0, 0)),
        ("a ping of IPv6", Packet::icmp("[2001:db8::c]:0", "[2001:db8::1]:0", 128, 0)),
        ("a neighbour solicitation", Packet::icmp("[2001:db8::c]:0", "[2001:db8::1]:0", 135, 0)),
        ("a neighbour advertisement", Packet::icmp("[2001:db8::c]:0", "[2001:db8::1]:0", 136, 0)),
        ("SCTP", other(132)),
        ("GRE", other(47)),
        ("ESP", other(50)),
        ("VRRP", other(112)),
        (
            "IPv6's no next header",
            Packet { transport: Transport::Other(59), ..Packet::tcp("[2001:db8::c]:1024", "[2001:db8::1]:80", "S") },
        ),
    ];
    let mut director = with(WEB_OF_THREE);
    for (sentence, packet) in rows {
        Expected::passed().check(&mut director, sentence, &packet.frame());
    }
}

#[test]
fn frames_that_carry_no_ip() {
    let mut director = with(WEB_OF_THREE);
    let header = |ethertype: [u8; 2]| [&lvx_tests::frame::DIRECTOR[..], &ROUTER, &ethertype].concat();
    for (sentence, ethertype) in [
        ("ARP", [0x08, 0x06]),
        ("LLDP", [0x88, 0xcc]),
        ("PPPoE", [0x88, 0x64]),
        ("MPLS", [0x88, 0x47]),
        ("an 802.3 length", [0x00, 0x26]),
    ] {
        let frame = [header(ethertype), vec![0; 46]].concat();
        Expected::passed().check(&mut director, sentence, &frame);
        Expected::passed().check(&mut director, sentence, &header(ethertype));
    }
}
