//! Addresses, ranges and ports as ldirectord writes them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::ipvsadm::{Names, Transport};
use crate::model::{Family, Protocol};

/// The longest range that is written out.
const MOST: u32 = 65_536;

/// `host`, `host:port`, `[v6]:port`: the host, and the port as it is written. ldirectord's own example has two colons.
pub(super) fn split(text: &str) -> (&str, Option<&str>) {
    let (host, port) = match text.strip_prefix('[').and_then(|text| text.split_once(']')) {
        Some((host, rest)) => (host, rest.strip_prefix(':')),
        None => text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port))),
    };
    (host, port.map(|port| port.trim_start_matches(':')).filter(|port| !port.is_empty()))
}

/// The address of a host.
///
/// # Errors
/// What is wrong with it.
pub(super) fn address(host: &str, family: Family, names: &dyn Names) -> Result<IpAddr, String> {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    match family {
        Family::Inet => {
            let found = host.parse::<Ipv4Addr>().ok().or_else(|| names.address(host));
            found.map(IpAddr::V4).ok_or_else(|| format!("`{host}` is no IPv4 address and no name that is known here"))
        }
        Family::Inet6 => {
            host.parse::<Ipv6Addr>().map(IpAddr::V6).map_err(|_error| format!("`{host}` is not an IPv6 address"))
        }
    }
}

/// `first->last`, or one.
///
/// # Errors
/// What is wrong with it.
pub(super) fn addresses(hosts: &str, family: Family, names: &dyn Names) -> Result<Vec<IpAddr>, String> {
    let Some((first, last)) = hosts.split_once("->") else { return Ok(vec![address(hosts, family, names)?]) };
    match (address(first, family, names)?, address(last, family, names)?) {
        (IpAddr::V4(first), IpAddr::V4(last)) => {
            let (first, last) = (first.to_bits(), last.to_bits());
            if first > last || last - first >= MOST {
                return Err(format!("`{hosts}` is not a range"));
            }
            Ok((first..=last).map(|bits| Ipv4Addr::from_bits(bits).into()).collect())
        }
        (_, _) => Err("ldirectord has no ranges of IPv6".to_owned()),
    }
}

/// A port by number or name.
///
/// # Errors
/// It is neither.
pub(super) fn port(text: &str, protocol: Option<Protocol>, names: &dyn Names) -> Result<u16, String> {
    let transport = if protocol == Some(Protocol::Udp) { Transport::Udp } else { Transport::Tcp };
    let found = text.parse().ok().or_else(|| names.port(text, transport));
    found.ok_or_else(|| format!("`{text}` is no port and no service that is known here"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_and_ports() {
        for (text, expected) in [
            ("192.168.6.2:80", ("192.168.6.2", Some("80"))),
            ("192.168.6.2", ("192.168.6.2", None)),
            ("192.168.6.2::5060", ("192.168.6.2", Some("5060"))),
            ("[2001:db8::5]:119", ("2001:db8::5", Some("119"))),
            ("[2001:db8::5]", ("2001:db8::5", None)),
            ("sql01->sql03:3306", ("sql01->sql03", Some("3306"))),
        ] {
            assert_eq!(split(text), expected, "{text}");
        }
    }
}
