//! The ICMP and ICMPv6 errors that answer a packet (RFC 792, RFC 1191, RFC 4443), as the kernel's `icmp_send` makes
//! them: type and code, and as much of the packet as tells its sender which one it was.

use crate::address::Address;
use crate::reason::Answer;

/// Type, code, and the word behind the checksum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Error {
    /// Type.
    pub kind: u8,
    /// Code.
    pub code: u8,
    /// The MTU, where that is what the error is about; in host order.
    pub mtu: u32,
}

/// The ICMP error for IPv4; `mtu` matters only to [`Answer::TooBig`].
#[inline(always)]
pub const fn v4(answer: Answer, mtu: u32) -> Error {
    match answer {
        Answer::PortUnreachable => Error { kind: 3, code: 3, mtu: 0 },
        Answer::TimeExceeded => Error { kind: 11, code: 0, mtu: 0 },
        // RFC 1191: the MTU is in the low 16 bits.
        Answer::TooBig => Error { kind: 3, code: 4, mtu: mtu & 0xffff },
    }
}

/// The ICMPv6 error.
#[inline(always)]
pub const fn v6(answer: Answer, mtu: u32) -> Error {
    match answer {
        Answer::PortUnreachable => Error { kind: 1, code: 4, mtu: 0 },
        Answer::TimeExceeded => Error { kind: 3, code: 0, mtu: 0 },
        Answer::TooBig => Error { kind: 2, code: 0, mtu },
    }
}

/// Length of the longest error over IPv4, its IP header included; what fits of the packet is quoted (RFC 1812, 4.3.2.3).
pub const MOST_V4: usize = 576;

/// The same over IPv6: its least MTU (RFC 4443, 2.4 c).
pub const MOST_V6: usize = 1280;

/// The TOS of an error over IPv4 about a packet with `tos`: routers shall not drop it first (precedence "internetwork
/// control"), and the bits that once were the type of service stay (`icmp_send`; RFC 1812, 4.3.2.5).
#[inline(always)]
pub const fn tos(tos: u8) -> u8 {
    0xc0 | tos & 0x1e
}

/// Whether an ICMP message of this type is an error that the real server of a connection is told (`ip_vs_in_icmp`):
/// destination unreachable, source quench, time exceeded. All of ICMPv6's errors are.
#[inline(always)]
pub const fn is_about_flow_v4(kind: u8) -> bool {
    matches!(kind, 3 | 4 | 11)
}

/// Whether the sender may be answered at all (RFC 1122, 3.2.2; RFC 4443, 2.4 e): both ends are single hosts, and not the
/// same. `source` and `destination` are the packet's, IPv4 as IPv4-mapped.
#[inline(always)]
pub const fn may_answer(source: &Address, destination: &Address) -> bool {
    let [a, b, c, d] = source.0;
    let [e, f, g, h] = destination.0;
    let same = a == e && b == f && c == g && d == h;
    !same && is_host(source) && is_host(destination)
}

#[inline(always)]
const fn is_host(address: &Address) -> bool {
    let [a, b, c, d] = address.0;
    if address.is_v4() {
        let [first, ..] = d.to_ne_bytes();
        // Unspecified, loopback, multicast, broadcast. The kernel answers the rest of 0.0.0.0/8 (since 5.3), and class E.
        d != 0 && first != 127 && (first & 0xf0) != 224 && d != u32::MAX
    } else {
        let [first, ..] = a.to_ne_bytes();
        // Multicast, and the unspecified and the loopback address.
        first != 0xff && (a | b | c | d & !1u32.to_be()) != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::net::IpAddr;

    fn address(text: &str) -> Address {
        text.parse::<IpAddr>().expect("an address").into()
    }

    #[test]
    fn only_single_hosts_are_answered_and_only_in_the_name_of_one() {
        for (text, expected) in [
            ("10.0.0.1", true),
            ("240.0.0.1", true),
            ("223.255.255.255", true),
            ("0.0.0.0", false),
            ("0.0.0.1", true),
            ("127.0.0.1", false),
            ("224.0.0.1", false),
            ("239.255.255.255", false),
            ("255.255.255.255", false),
            ("2001:db8::1", true),
            ("fe80::1", true),
            ("::2", true),
            ("::", false),
            ("::1", false),
            ("ff02::1", false),
        ] {
            let other = if text.contains(':') { "2001:db8::9" } else { "10.9.9.9" };
            assert_eq!(may_answer(&address(text), &address(other)), expected, "from {text}");
            assert_eq!(may_answer(&address(other), &address(text)), expected, "to {text}");
            assert!(!may_answer(&address(text), &address(text)), "from {text} to itself");
        }
    }

    #[test]
    fn the_tos_is_what_the_kernel_sends() {
        for (tos_of_packet, expected) in [(0, 0xc0), (0xb8, 0xd8), (0x03, 0xc2), (0xff, 0xde)] {
            assert_eq!(tos(tos_of_packet), expected);
        }
    }
}
