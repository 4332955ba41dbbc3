//! The ICMP and ICMPv6 errors that answer a packet (RFC 792, RFC 1191, RFC 4443), as the kernel's `icmp_send` makes
//! them: type and code, and as much of the packet as tells its sender which one it was.

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

/// Bytes of the packet behind its IP header that go into the error: what RFC 792 demands, ports and sequence number.
pub const QUOTED: usize = 8;

/// Whether an ICMP message of this type is an error that the real server of a connection is told (`ip_vs_in_icmp`):
/// destination unreachable, source quench, time exceeded. All of ICMPv6's errors are.
#[inline(always)]
pub const fn is_about_flow_v4(kind: u8) -> bool {
    matches!(kind, 3 | 4 | 11)
}

/// Whether the sender may be answered at all (RFC 1122, 3.2.2; RFC 4443, 2.4): it is one host. `source` is the
/// packet's, IPv4 as IPv4-mapped.
#[inline(always)]
pub const fn may_answer(source: &crate::address::Address) -> bool {
    let first = if source.is_v4() { source.0[3] } else { source.0[0] };
    let [first, ..] = first.to_ne_bytes();
    if source.is_v4() {
        // "This network", loopback, multicast, class E and broadcast.
        first != 0 && first != 127 && first < 224
    } else {
        let [a, b, c, d] = source.0;
        first != 0xff && (a | b | c | d) != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::net::IpAddr;

    #[test]
    fn only_single_hosts_are_answered() {
        for (address, expected) in [
            ("10.0.0.1", true),
            ("0.0.0.0", false),
            ("127.0.0.1", false),
            ("224.0.0.1", false),
            ("255.255.255.255", false),
            ("2001:db8::1", true),
            ("::", false),
            ("ff02::1", false),
        ] {
            let address: IpAddr = address.parse().expect("an address");
            assert_eq!(may_answer(&address.into()), expected, "{address}");
        }
    }
}
