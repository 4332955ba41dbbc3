//! Unusual forms, each with its decided way: those that LVX does not forward go to the stack, untouched and counted.

use lb_common::reason::Reason;
use lvx_tests::fate::Fate;
use lvx_tests::frame::{ETHERNET, Fragment, Packet, Transport};

use super::*;

fn syn() -> Packet {
    Packet::tcp("10.0.0.1:1024", VIP_WEB, "S")
}

fn syn6() -> Packet {
    Packet::tcp("[2001:db8:c::1]:1024", "[2001:db8::1]:80", "S")
}

const BOTH: &str = "
    ipvsadm -A -t 172.16.100.1:80 -s rr
    ipvsadm -a -t 172.16.100.1:80 -r 172.16.100.10 -g
    ipvsadm -A -u 172.16.100.1:53 -s rr
    ipvsadm -a -u 172.16.100.1:53 -r 172.16.100.10 -g
    ipvsadm -A -t [2001:db8::1]:80 -s rr
    ipvsadm -a -t [2001:db8::1]:80 -r [2001:db8::10]:80 -g";

fn passed(reason: Reason, rows: impl IntoIterator<Item = (&'static str, Packet)>) {
    let mut director = with(BOTH);
    for (sentence, packet) in rows {
        Expected::passed_for(reason).check(&mut director, sentence, &packet.frame());
    }
}

/// Case 12.
#[test]
fn tagged_frames() {
    let tagged = |tags: &[(u16, u16)]| Packet { tags: tags.to_vec(), ..syn() };
    passed(
        Reason::Vlan,
        [
            ("802.1Q", tagged(&[(0x8100, 100)])),
            ("a priority tag", tagged(&[(0x8100, 0xe000)])),
            ("802.1ad", tagged(&[(0x88a8, 100)])),
            ("QinQ", tagged(&[(0x88a8, 100), (0x8100, 200)])),
            ("QinQ of old", tagged(&[(0x9100, 100), (0x8100, 200)])),
        ],
    );
}

#[test]
fn ip_options() {
    let options = |bytes: &[u8]| Packet { options: bytes.to_vec(), ..syn() };
    passed(
        Reason::IpOptions,
        [
            ("a router alert", options(&[0x94, 4, 0, 0])),
            ("as many as there can be", options(&[1; 40])),
            ("with UDP", Packet { options: vec![1; 4], ..Packet::udp("10.0.0.1:1024", VIP_DNS) }),
        ],
    );
}

#[test]
fn fragments() {
    let piece =
        |offset, more| Packet { fragment: Some(Fragment { offset, more }), ..Packet::udp("10.0.0.1:1024", VIP_DNS) };
    let piece6 = |offset: u16, more| {
        let word = (offset << 3 | u16::from(more)).to_be_bytes();
        Packet { extensions: vec![(44, vec![0, word[0], word[1], 0, 0, 0, 7])], ..syn6() }
    };
    passed(
        Reason::Fragment,
        [
            ("the first", piece(0, true)),
            ("one in the middle", piece(1, true)),
            ("the last", piece(185, false)),
            ("the largest offset", piece(0x1fff, false)),
            ("IPv6: the first", piece6(0, true)),
            ("IPv6: a later one", piece6(185, false)),
            ("IPv6: an atomic one", piece6(0, false)),
        ],
    );
}

#[test]
fn ipv6_extension_headers() {
    let behind = |number| Packet { extensions: vec![(number, vec![0; 7])], ..syn6() };
    passed(
        Reason::ExtensionHeader,
        [
            ("hop-by-hop options", behind(0)),
            ("routing", behind(43)),
            ("authentication", behind(51)),
            ("destination options", behind(60)),
            ("mobility", behind(135)),
            ("HIP", behind(139)),
            ("shim6", behind(140)),
            ("two of them", Packet { extensions: vec![(0, vec![0; 7]), (60, vec![0; 15])], ..syn6() }),
        ],
    );
}

/// Case 13: whatever they quote, the stack gets them.
#[test]
fn icmp_errors() {
    let error = |kind, code, quoted| Packet::icmp("10.9.9.9:0", "172.16.100.1:0", kind, code).with_payload(quoted);
    let error6 = |kind| Packet::icmp("[2001:db8::9]:0", "[2001:db8::1]:0", kind, 0).with_payload(48);
    passed(
        Reason::IcmpError,
        [
            ("port unreachable", error(3, 3, 28)),
            ("fragmentation needed", error(3, 4, 28)),
            ("source quench", error(4, 0, 28)),
            ("time exceeded", error(11, 0, 28)),
            ("a bad parameter", error(12, 0, 28)),
            ("one that quotes nothing", error(3, 4, 0)),
            ("one that quotes half a header", error(3, 4, 10)),
            ("IPv6: unreachable", error6(1)),
            ("IPv6: too big", error6(2)),
            ("IPv6: time exceeded", error6(3)),
            ("IPv6: a bad parameter", error6(4)),
        ],
    );
}

#[test]
fn headers_that_contradict_themselves() {
    let mut director = with(BOTH);
    let mut check = |sentence, packet: &Packet, at: usize, byte: u8| {
        let mut frame = packet.frame();
        frame[ETHERNET + at] = byte;
        Expected::passed_for(Reason::Malformed).check(&mut director, sentence, &frame);
    };
    check("version 5", &syn(), 0, 0x55);
    check("version 6 in an IPv4 frame", &syn(), 0, 0x65);
    check("a header of 16 bytes", &syn(), 0, 0x44);
    check("version 4 in an IPv6 frame", &syn6(), 0, 0x40);
    let mapped = Packet::tcp("[::ffff:10.0.0.1]:1024", "[2001:db8::1]:80", "S");
    Expected::passed_for(Reason::Malformed).check(&mut director, "an IPv4-mapped client", &mapped.frame());
    let mapped = Packet::tcp("[2001:db8:c::1]:1024", "[::ffff:172.16.100.1]:80", "S");
    Expected::passed_for(Reason::Malformed).check(&mut director, "an IPv4-mapped VIP", &mapped.frame());
}

/// Case 12.
#[test]
fn lengths_that_are_not_the_frames() {
    let mut director = with(BOTH);
    let lying = |packet: Packet, length_lie| Packet { length_lie, ..packet };
    for (sentence, packet) in [
        ("the packet is longer than the frame", lying(syn(), 1)),
        ("the longest that can be told", lying(syn(), 65_535 - 40)),
        ("the packet ends in the TCP header", lying(syn(), -1)),
        ("the packet ends in the IP header", lying(syn(), -21)),
        ("no length at all", lying(syn(), -40)),
        ("UDP that ends in its header", lying(Packet::udp("10.0.0.1:1024", VIP_DNS).with_payload(0), -1)),
        ("IPv6: longer than the frame", lying(syn6(), 1)),
        ("IPv6: ends in the TCP header", lying(syn6(), -1)),
        ("IPv6: a jumbogram's length", lying(syn6(), -20)),
    ] {
        Expected::passed_for(Reason::Truncated).check(&mut director, sentence, &packet.frame());
    }
    let padded = Packet { padding: 6, ..syn() };
    Expected::sent(WEB, A).opening().check(&mut director, "Ethernet's padding goes along", &padded.frame());
    let padded = Packet { padding: 40, ..Packet::udp("10.0.0.1:1024", VIP_DNS) };
    Expected::sent(DNS, A).opening_inactive().check(&mut director, "more than there must be", &padded.frame());
}

#[test]
fn every_piece_of_a_frame_is_passed_untouched() {
    let mut director = with(BOTH);
    let icmp = Packet { transport: Transport::Icmp(3, 3, [0; 4]), ..syn() };
    for packet in [syn(), syn6(), Packet::udp("10.0.0.1:1024", VIP_DNS), icmp] {
        let whole = packet.frame();
        for end in ETHERNET..whole.len() {
            let piece = &whole[..end];
            let fate = director.receive(piece);
            assert_eq!(fate, Fate::Passed(piece.to_vec()), "{end} bytes of {packet:?}");
        }
    }
    let connections = director.run("ipvsadm -Lnc").stdout;
    assert_eq!(connections.lines().count(), 2, "{connections}");
}
