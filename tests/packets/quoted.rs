//! What ICMP errors about a connection quote, and how; what is expected is what the kernel's IPVS did (6.1.176).

use lb_common::reason::Reason;
use lvx_tests::director::{TestDirector, mac_of};
use lvx_tests::fate::Fate;
use lvx_tests::frame::{DIRECTOR, ETHERNET, Packet, forwarded};

use super::*;

const VIP_DNS6: &str = "[2001:db8::1]:53";
const DNS6: &str = "UDP [2001:db8::1]:53";
const A6: &str = "2001:db8::10";
const CLIENT: &str = "10.0.0.1:1024";
const CLIENT6: &str = "[2001:db8:c::1]:1024";

/// Services for UDP over IPv4 and IPv6, each with a connection of [`CLIENT`] or [`CLIENT6`].
fn with_connections() -> TestDirector {
    let mut director = with(
        "ipvsadm -A -u 172.16.100.1:53 -s rr
         ipvsadm -a -u 172.16.100.1:53 -r 172.16.100.10 -g
         ipvsadm -A -u [2001:db8::1]:53 -s rr
         ipvsadm -a -u [2001:db8::1]:53 -r [2001:db8::10]:53 -g",
    );
    for (client, vip) in [(CLIENT, VIP_DNS), (CLIENT6, VIP_DNS6)] {
        director.receive(&Packet::udp(client, vip).frame());
    }
    director
}

/// An error of a router about these bytes: fragmentation needed, or packet too big.
fn error(v4: bool, quoted: Vec<u8>) -> Packet {
    let error = if v4 {
        Packet::icmp("10.9.9.9:0", "172.16.100.1:0", 3, 4)
    } else {
        Packet::icmp("[2001:db8:9::9]:0", "[2001:db8::1]:0", 2, 0)
    };
    Packet { payload: quoted, ..error }
}

fn quoted(about: &Packet) -> Vec<u8> {
    about.frame()[ETHERNET..].to_vec()
}

fn unknown() -> Expected {
    Expected::passed_for(Reason::IcmpError)
}

/// A header of options or the like, so many bytes long.
fn header(number: u8, length: usize) -> (u8, Vec<u8>) {
    let told = if number == 51 { length / 4 - 2 } else { length / 8 - 1 };
    let mut bytes = vec![0; length - 1];
    bytes[0] = told as u8;
    (number, bytes)
}

fn fragment(offset: u16, more: bool) -> (u8, Vec<u8>) {
    let [high, low] = (offset << 3 | u16::from(more)).to_be_bytes();
    (44, vec![0, high, low, 0, 0, 0, 7])
}

#[test]
fn ipv6_extension_headers_are_followed_to_the_ports() {
    let mut director = with_connections();
    let about = |extensions: &[(u8, Vec<u8>)]| {
        let about = Packet { extensions: extensions.to_vec(), ..Packet::udp(VIP_DNS6, CLIENT6) };
        quoted(&about)
    };
    let all = [header(0, 8), header(60, 16), header(43, 24), fragment(0, true), header(51, 24), header(60, 8)];
    for (sentence, extensions) in [
        ("hop-by-hop options", &all[..1]),
        ("long destination options", &[header(60, 2048 - 1024)]),
        ("routing", &[header(43, 24)]),
        ("authentication", &[header(51, 12)]),
        ("authentication with a longer check", &[header(51, 24)]),
        ("a first fragment", &[fragment(0, true)]),
        ("an atomic one", &[fragment(0, false)]),
        ("as many as there are", &all),
    ] {
        let whole = about(extensions);
        Expected::sent(DNS6, A6).check(&mut director, sentence, &error(false, whole.clone()).frame());
        // The UDP header and twelve bytes of payload are the end of it.
        let ports = whole.len() - 20 + 4;
        Expected::sent(DNS6, A6).check(&mut director, sentence, &error(false, whole[..ports].to_vec()).frame());
        for end in (0..ports).step_by(3).chain([ports - 1]) {
            let cut = error(false, whole[..end].to_vec());
            unknown().check(&mut director, &format!("{sentence}: {end} bytes"), &cut.frame());
            let padded = Packet { padding: 60, ..cut };
            unknown().check(&mut director, &format!("{sentence}: {end} bytes, padded"), &padded.frame());
        }
    }
    let unreal: Vec<_> = std::iter::repeat_n(header(60, 8), 7).collect();
    for (sentence, extensions) in [
        ("more than there are, which the kernel follows", &unreal[..]),
        ("a later fragment", &[fragment(1, true)]),
        ("a later fragment behind options", &[header(60, 8), fragment(0x20, true)]),
        ("the last fragment", &[fragment(0x1fff, false)]),
        ("mobility", &[header(135, 8)]),
        ("no next header", &[header(59, 8)]),
        ("ESP", &[header(50, 8)]),
    ] {
        unknown().check(&mut director, sentence, &error(false, about(extensions)).frame());
    }
}

/// IPVS does not look at a quoted IPv4 header's version; an IPv6 header without its own it does not take.
#[test]
fn versions_that_are_wrong() {
    let mut director = with_connections();
    let (mut v4, mut v6) = (quoted(&Packet::udp(VIP_DNS, CLIENT)), quoted(&Packet::udp(VIP_DNS6, CLIENT6)));
    v4[0] = 0x65;
    v6[0] = 0x40;
    Expected::sent(DNS, A).check(&mut director, "IPv4", &error(true, v4).frame());
    unknown().check(&mut director, "IPv6", &error(false, v6).frame());
}

/// `ip_vs_in_icmp` verifies the error's checksum and drops it if it is wrong, LVX leaves that to the stack;
/// `ip_vs_in_icmp_v6` does not verify it.
#[test]
fn checksums_of_errors() {
    let mut director = with_connections();
    for length in (0..70).chain([475, 476, 477, 478, 1000, 1200, 1201, 1202, 1222, 1223, 1224]) {
        for (v4, vip, client, service, server) in
            [(true, VIP_DNS, CLIENT, DNS, A), (false, VIP_DNS6, CLIENT6, DNS6, A6)]
        {
            let mut frame = error(v4, quoted(&Packet::udp(vip, client).with_payload(length))).frame();
            let sentence = format!("{service}, {length} bytes");
            Expected::sent(service, server).check(&mut director, &sentence, &frame);
            // A word of the ICMP header, and the last byte.
            for at in [ETHERNET + if v4 { 24 } else { 44 }, frame.len() - 1] {
                frame[at] ^= 0x10;
                let forwarded = Fate::Sent(forwarded(&frame, mac_of(server.parse().expect("an address")), DIRECTOR));
                let expected = if v4 { Fate::Passed(frame.clone()) } else { forwarded };
                assert_eq!(director.receive(&frame), expected, "{sentence}, byte {at} is wrong");
                frame[at] ^= 0x10;
            }
        }
    }
}
