//! The words that iptables' rules and LVX' config share: networks, ports, protocols, interfaces, marks.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use super::{InterfacePattern, Network, PortRange};

/// A word that is not what it must be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not {expected}")]
pub struct Malformed {
    /// The word.
    pub text: String,
    /// What was expected.
    pub expected: &'static str,
}

impl Malformed {
    pub(super) fn new(text: &str, expected: &'static str) -> Self {
        Self { text: text.to_owned(), expected }
    }
}

/// IFNAMSIZ without the final zero.
const LONGEST_INTERFACE_NAME: usize = 15;

/// Protocols by the names that `iptables-save` prints, which are those of /etc/protocols.
const PROTOCOLS: [(&str, u8); 21] = [
    ("all", 0),
    ("icmp", 1),
    ("igmp", 2),
    ("ipencap", 4),
    ("tcp", 6),
    ("udp", 17),
    ("dccp", 33),
    ("ipv6", 41),
    ("gre", 47),
    ("esp", 50),
    ("ah", 51),
    ("ipv6-icmp", 58),
    ("icmpv6", 58),
    ("ospf", 89),
    ("ipip", 94),
    ("pim", 103),
    ("vrrp", 112),
    ("l2tp", 115),
    ("sctp", 132),
    ("mobility-header", 135),
    ("udplite", 136),
];

/// A protocol's number from its name or number; `all` is 0.
pub fn parse_protocol(text: &str) -> Result<u8, Malformed> {
    let named = PROTOCOLS.iter().find(|(name, _)| name.eq_ignore_ascii_case(text)).map(|&(_, number)| number);
    named.or_else(|| text.parse().ok()).ok_or_else(|| Malformed::new(text, "a protocol, such as tcp, udp or 132"))
}

pub(super) fn protocol_name(number: u8) -> Option<&'static str> {
    PROTOCOLS.iter().find(|&&(_, known)| known == number).map(|&(name, _)| name)
}

/// Ports and ranges of ports, separated by commas: `80,443,10000:20000`.
pub fn parse_ports(text: &str) -> Result<Vec<PortRange>, Malformed> {
    text.split(',').map(|part| part.trim().parse()).collect()
}

/// A mark and its mask, each decimal or `0x` hexadecimal: `8`, `0x8/0xff`. Without a mask all bits count.
pub fn parse_mark(text: &str) -> Result<(u32, u32), Malformed> {
    let (value, mask) = text.split_once('/').unwrap_or((text, "0xffffffff"));
    match (parse_word(value), parse_word(mask)) {
        (Some(value), Some(mask)) => Ok((value, mask)),
        (None, _) | (_, None) => Err(Malformed::new(text, "a mark, such as 8 or 0x8/0xff")),
    }
}

fn parse_word(text: &str) -> Option<u32> {
    match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(digits) => u32::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}

impl FromStr for PortRange {
    type Err = Malformed;

    /// `80`, `10000:20000`, and as iptables has it `:1023` and `1024:`.
    fn from_str(text: &str) -> Result<Self, Malformed> {
        let malformed = || Malformed::new(text, "a port or a range of ports, such as 80 or 10000:20000");
        let port = |text: &str, open: u16| if text.is_empty() { Some(open) } else { text.parse().ok() };
        let (first, last) = match text.split_once(':') {
            Some((first, last)) => (port(first, 0), port(last, u16::MAX)),
            None => (text.parse().ok(), text.parse().ok()),
        };
        match (first, last) {
            (Some(first), Some(last)) if first <= last => Ok(Self { first, last }),
            (Some(_) | None, Some(_) | None) => Err(malformed()),
        }
    }
}

impl FromStr for Network {
    type Err = Malformed;

    /// An address, or an address and the length of a prefix or a mask.
    fn from_str(text: &str) -> Result<Self, Malformed> {
        let malformed = || Malformed::new(text, "an address or a prefix, such as 192.0.2.0/24 or 2001:db8::/32");
        let (address, mask) = match text.split_once('/') {
            Some((address, mask)) => (address, Some(mask)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().ok().ok_or_else(malformed)?;
        let mask = match (mask, address) {
            (None, IpAddr::V4(_)) => Some(Ipv4Addr::BROADCAST.into()),
            (None, IpAddr::V6(_)) => Some(Ipv6Addr::from_bits(u128::MAX).into()),
            (Some(mask), IpAddr::V4(_)) => v4_mask(mask).map(IpAddr::V4),
            (Some(mask), IpAddr::V6(_)) => v6_mask(mask).map(IpAddr::V6),
        };
        Ok(Self { address, mask: mask.ok_or_else(malformed)? })
    }
}

fn v4_mask(text: &str) -> Option<Ipv4Addr> {
    match text.parse::<u32>() {
        Ok(length @ 0..=32) => Some(Ipv4Addr::from_bits(u32::MAX.checked_shl(32 - length).unwrap_or(0))),
        Ok(_) => None,
        Err(_) => text.parse().ok(),
    }
}

fn v6_mask(text: &str) -> Option<Ipv6Addr> {
    match text.parse::<u32>() {
        Ok(length @ 0..=128) => Some(Ipv6Addr::from_bits(u128::MAX.checked_shl(128 - length).unwrap_or(0))),
        Ok(_) => None,
        Err(_) => text.parse().ok(),
    }
}

impl FromStr for InterfacePattern {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let odd = |c: char| c == '/' || c == '!' || c.is_whitespace();
        if text.is_empty() || text.len() > LONGEST_INTERFACE_NAME || text.contains(odd) {
            return Err(Malformed::new(text, "the name of an interface, such as eth0 or eth+"));
        }
        Ok(Self(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_in_all_forms_that_iptables_prints() {
        let rows = [
            ("172.16.100.1", "172.16.100.1/32"),
            ("10.0.0.0/8", "10.0.0.0/8"),
            ("0.0.0.0/0", "0.0.0.0/0"),
            ("10.0.0.0/255.255.0.0", "10.0.0.0/16"),
            ("10.0.0.1/255.0.0.255", "10.0.0.1/255.0.0.255"),
            ("2001:db8::1", "2001:db8::1/128"),
            ("::/0", "::/0"),
            ("::5/::ff", "::5/::ff"),
        ];
        for (text, shown) in rows {
            assert_eq!(text.parse::<Network>().map(|network| network.to_string()), Ok(shown.to_owned()));
        }
        for text in ["", "10.0.0.0/33", "::/129", "10.0.0.0/::1", "::/255.0.0.0", "host", "10.0.0.0/", "10.0.0.0/-1"] {
            assert!(text.parse::<Network>().is_err(), "{text}");
        }
    }

    #[test]
    fn ports_and_ranges() {
        let range = |first, last| PortRange { first, last };
        assert_eq!(parse_ports("80,443, 8000:8100"), Ok(vec![range(80, 80), range(443, 443), range(8000, 8100)]));
        assert_eq!(parse_ports(":1023"), Ok(vec![range(0, 1023)]));
        assert_eq!(parse_ports("1024:"), Ok(vec![range(1024, u16::MAX)]));
        for text in ["", "80,", "65536", "20:10", "http", "-1", "1:2:3"] {
            assert!(parse_ports(text).is_err(), "{text}");
        }
    }

    #[test]
    fn marks_and_masks() {
        assert_eq!(parse_mark("8"), Ok((8, u32::MAX)));
        assert_eq!(parse_mark("0x8/0xff"), Ok((8, 0xff)));
        assert_eq!(parse_mark("4294967295/7"), Ok((u32::MAX, 7)));
        for text in ["", "x", "8/", "/8", "4294967296", "-1", "0x"] {
            assert!(parse_mark(text).is_err(), "{text}");
        }
    }

    #[test]
    fn protocols_by_name_and_number() {
        for (text, number) in [("tcp", 6), ("UDP", 17), ("all", 0), ("icmpv6", 58), ("ipv6-icmp", 58), ("253", 253)] {
            assert_eq!(parse_protocol(text), Ok(number));
        }
        assert!(parse_protocol("tpc").is_err());
    }

    #[test]
    fn interfaces_and_their_wildcard() {
        let pattern = |text: &str| text.parse::<InterfacePattern>().expect("a pattern");
        assert!(pattern("eth0").matches("eth0") && !pattern("eth0").matches("eth01"));
        assert!(pattern("eth+").matches("eth0") && pattern("eth+").matches("eth") && !pattern("eth+").matches("veth0"));
        assert!(pattern("+").matches("lo"));
        for text in ["", "a name", "sixteen-letters-x", "! eth0"] {
            assert!(text.parse::<InterfacePattern>().is_err(), "{text}");
        }
    }
}
