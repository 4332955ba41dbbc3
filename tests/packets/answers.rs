//! What LVX answers in the place of a service, to the byte as the kernel's `icmp_send` and `icmp6_send` (6.1.176): of how
//! each answer looks [`icmp_error`](lvx_tests::frame::icmp_error) is the judge.

use lb_common::reason::Reason;
use lb_user::neighbours::Path;
use lvx_tests::director::{TestDirector, mac_of, reachable};
use lvx_tests::frame::Packet;

use super::*;

const VIP_WEB6: &str = "[2001:db8::1]:80";
const VIP_DNS6: &str = "[2001:db8::1]:53";
const CLIENT: &str = "10.0.0.1:1024";
const CLIENT6: &str = "[2001:db8:c::1]:1024";

/// Services without servers.
const EMPTY: &str = "
    ipvsadm -A -t 172.16.100.1:80 -s rr
    ipvsadm -A -u 172.16.100.1:53 -s rr
    ipvsadm -A -t [2001:db8::1]:80 -s rr
    ipvsadm -A -u [2001:db8::1]:53 -s rr";

fn unreachable(v4: bool) -> Expected {
    let (kind, code) = if v4 { (3, 3) } else { (1, 4) };
    Expected::answered(kind, code, Reason::NoRealServer)
}

/// A packet that opens a connection, IPv4 and IPv6, TCP and UDP.
fn opening() -> [Packet; 4] {
    [
        Packet::tcp(CLIENT, VIP_WEB, "S"),
        Packet::udp(CLIENT, VIP_DNS),
        Packet::tcp(CLIENT6, VIP_WEB6, "S"),
        Packet::udp(CLIENT6, VIP_DNS6),
    ]
}

/// All of the packet, until the error is 576 bytes long, or 1280 over IPv6.
#[test]
fn as_much_is_quoted_as_fits() {
    let mut director = with(EMPTY);
    for packet in opening() {
        let v4 = packet.source.is_ipv4();
        let headers = packet.clone().with_payload(0).frame().len() - 14;
        let most = if v4 { 576 - 28 } else { 1280 - 48 };
        let edge = most - headers;
        let lengths = (0..70).chain([100, 127, 128, 129, 500]).chain(edge - 3..edge + 6).chain([1300, 1400]);
        for bytes in lengths {
            let frame = packet.clone().with_payload(bytes).frame();
            unreachable(v4).check(&mut director, &format!("{bytes} bytes of payload"), &frame);
        }
        let padded = Packet { padding: 46, ..packet }.frame();
        unreachable(v4).check(&mut director, "Ethernet's padding is not quoted", &padded);
    }
}

#[test]
fn a_checksum_that_is_wrong_is_quoted_as_it_is() {
    let mut director = with(EMPTY);
    for packet in opening() {
        let mut frame = packet.frame();
        let last = frame.len() - 1;
        frame[last] ^= 0x55;
        unreachable(packet.source.is_ipv4()).check(&mut director, "a bit is wrong", &frame);
    }
}

#[test]
fn the_tos_of_the_packet_matters_over_ipv4() {
    let mut director = with(EMPTY);
    for packet in opening() {
        for tos in [0x03, 0x10, 0xb8, 0xff] {
            let frame = Packet { tos, ..packet.clone() }.frame();
            unreachable(packet.source.is_ipv4()).check(&mut director, &format!("TOS {tos:#x}"), &frame);
        }
    }
}

/// The packet is quoted as it would have left: with one hop less.
#[test]
fn what_is_too_big_is_quoted_too() {
    let mut director = with(
        "ipvsadm -A -t 172.16.100.1:80 -s rr
         ipvsadm -a -t 172.16.100.1:80 -r 172.16.100.10 -g
         ipvsadm -A -t [2001:db8::1]:80 -s rr
         ipvsadm -a -t [2001:db8::1]:80 -r [2001:db8::10]:80 -g",
    );
    for (client, vip, service, server, kind, code) in
        [(CLIENT, VIP_WEB, WEB, A, 3, 4), (CLIENT6, VIP_WEB6, "TCP [2001:db8::1]:80", "2001:db8::10", 2, 0)]
    {
        narrow(&mut director, server);
        let packet = Packet::tcp(client, vip, "S").with_payload(1400).frame();
        Expected::too_big(kind, code, 1280).carried(service, server).opening().check(&mut director, vip, &packet);
    }
}

fn narrow(director: &mut TestDirector, server: &str) {
    let mut path = reachable(mac_of(server.parse().expect("an address")), 1);
    if let Path::Reachable { mtu, .. } = &mut path {
        *mtu = 1280;
    }
    director.set_path(server, path);
}

/// RFC 1122, 3.2.2; RFC 4443, 2.4 e. The kernel answers class E too.
#[test]
fn whom_nobody_answers() {
    let mut director = with(EMPTY);
    let silent = Expected::dropped_for(Reason::NoRealServer);
    for source in ["0.0.0.0", "127.0.0.1", "224.0.0.1", "239.1.2.3", "255.255.255.255", "172.16.100.1"] {
        let packet = Packet::tcp(&format!("{source}:1024"), VIP_WEB, "S");
        silent.check(&mut director, source, &packet.frame());
    }
    unreachable(true).check(&mut director, "0.0.0.0/8", &Packet::tcp("0.1.2.3:1024", VIP_WEB, "S").frame());
    unreachable(true).check(&mut director, "class E", &Packet::tcp("240.0.0.1:1024", VIP_WEB, "S").frame());
    for source in ["::", "::1", "ff02::1", "2001:db8::1"] {
        let packet = Packet::udp(&format!("[{source}]:1024"), VIP_DNS6);
        silent.check(&mut director, source, &packet.frame());
    }
}

/// A VIP that is a group of hosts: nobody may answer in its name.
#[test]
fn in_whose_name_nobody_answers() {
    let mut director = with("ipvsadm -A -u 224.0.0.9:53 -s rr\nipvsadm -A -u [ff0e::9]:53 -s rr");
    let silent = Expected::dropped_for(Reason::NoRealServer);
    silent.check(&mut director, "IPv4", &Packet::udp(CLIENT, "224.0.0.9:53").frame());
    silent.check(&mut director, "IPv6", &Packet::udp(CLIENT6, "[ff0e::9]:53").frame());
}
