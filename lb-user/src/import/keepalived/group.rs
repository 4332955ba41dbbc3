//! virtual_server_group: the virtual addresses that one virtual_server stands for.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::tree::Directive;
use crate::import::note::{Notes, Place};
use crate::model::Family;

/// What of a service is said by its virtual_server or its group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// An address and a port; none is every port.
    Address(IpAddr, Option<u16>),
    /// A mark; the family where it is said.
    Mark(u32, Option<Family>),
}

/// A group.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) place: Place,
    /// As it is written.
    pub(super) shown: String,
    pub(super) targets: Vec<Target>,
    /// Whether a virtual_server has asked for it.
    pub(super) used: bool,
}

/// The longest range that is written out.
const MOST: u128 = 65_536;

/// Reads a group.
pub(super) fn read(directive: &Directive, notes: &mut Notes) -> Group {
    if directive.value(0).is_empty() {
        notes.error(&directive.place, "virtual_server_group without a name");
    }
    let mut group =
        Group { place: directive.place.clone(), shown: directive.shown(), targets: Vec::new(), used: false };
    for line in directive.inner() {
        let words: Vec<&str> = line.words.iter().map(String::as_str).collect();
        match targets(&words) {
            Ok(targets) => group.targets.extend(targets),
            Err(why) => notes.error(&line.place, format!("{}: {why}", line.shown())),
        }
    }
    group
}

/// What `fwmark N`, or an address or a range and perhaps a port, stands for.
pub(super) fn targets(words: &[&str]) -> Result<Vec<Target>, String> {
    match words {
        ["fwmark", mark, rest @ ..] => {
            let number = mark.parse().ok().filter(|mark| *mark != 0);
            let mark = number.ok_or_else(|| format!("`{mark}` is not a firewall mark"))?;
            let family = match rest {
                [] => None,
                ["inet"] => Some(Family::Inet),
                ["inet6"] => Some(Family::Inet6),
                _other => return Err(format!("`{}` is not a family", rest.join(" "))),
            };
            Ok(vec![Target::Mark(mark, family)])
        }
        [addresses, rest @ ..] => {
            let port = match rest {
                [] => None,
                [port] => Some(port.parse().map_err(|_error| format!("`{port}` is not a port"))?),
                _other => return Err(format!("`{}` is not a port", rest.join(" "))),
            };
            let addresses = range(addresses).ok_or_else(|| format!("`{addresses}` is not an address or a range"))?;
            Ok(addresses.into_iter().map(|address| Target::Address(address, port)).collect())
        }
        [] => Err("an address is missing".to_owned()),
    }
}

/// `a.b.c.d`, `a.b.c.d-n`, `a.b.c.d-e.f.g.h`, `a.b.c.d/nn`, and the same of IPv6, where `n` is hexadecimal.
fn range(text: &str) -> Option<Vec<IpAddr>> {
    let (first, last) = if let Some((first, last)) = text.split_once('-') {
        let first: IpAddr = first.parse().ok()?;
        let last = match (first, last.parse::<IpAddr>()) {
            (_, Ok(last)) => last,
            (IpAddr::V4(v4), Err(_short)) => {
                let [a, b, c, _] = v4.octets();
                IpAddr::from([a, b, c, last.parse().ok()?])
            }
            (IpAddr::V6(v6), Err(_short)) => {
                let group = u128::from(u16::from_str_radix(last, 16).ok()?);
                Ipv6Addr::from_bits(v6.to_bits() & !0xffff | group).into()
            }
        };
        (first, last)
    } else if let Some((address, length)) = text.split_once('/') {
        let address: IpAddr = address.parse().ok()?;
        let width = if address.is_ipv4() { 32 } else { 128 };
        let host = width - length.parse::<u32>().ok().filter(|length| *length <= width)?;
        let mask = 1_u128.checked_shl(host).map_or(u128::MAX, |size| size - 1);
        (address_of(address, bits(address) & !mask), address_of(address, bits(address) | mask))
    } else {
        let address: IpAddr = text.parse().ok()?;
        return Some(vec![address]);
    };
    let (low, high) = (bits(first), bits(last));
    let fits = first.is_ipv4() == last.is_ipv4() && low <= high && high - low < MOST;
    fits.then(|| (low..=high).map(|bits| address_of(first, bits)).collect())
}

fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => u128::from(v4.to_bits()),
        IpAddr::V6(v6) => v6.to_bits(),
    }
}

/// The address with these bits, of the family of another.
fn address_of(other: IpAddr, bits: u128) -> IpAddr {
    match other {
        IpAddr::V4(_) => Ipv4Addr::from_bits((bits & u128::from(u32::MAX)) as u32).into(),
        IpAddr::V6(_) => Ipv6Addr::from_bits(bits).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_of_addresses() {
        for (text, first, count, last) in [
            ("10.0.0.1", "10.0.0.1", 1, "10.0.0.1"),
            ("192.168.200.3-10", "192.168.200.3", 8, "192.168.200.10"),
            ("192.168.200.250-192.168.201.10", "192.168.200.250", 17, "192.168.201.10"),
            ("192.168.202.8/29", "192.168.202.8", 8, "192.168.202.15"),
            ("ae00::2-9", "ae00::2", 8, "ae00::9"),
            ("ae00::2-a", "ae00::2", 9, "ae00::a"),
            ("ae00::10/126", "ae00::10", 4, "ae00::13"),
        ] {
            let range = range(text).expect(text);
            let ends = (range.first().map(ToString::to_string), range.len(), range.last().map(ToString::to_string));
            assert_eq!(ends, (Some(first.to_owned()), count, Some(last.to_owned())), "{text}");
        }
        for text in ["", "x", "10.0.0.9-1", "10.0.0.1/33", "10.0.0.0/8", "10.0.0.1-ae00::1", "::/0"] {
            assert_eq!(range(text), None, "{text}");
        }
    }
}
