//! Addresses as the C library and `ipvsadm` read and print them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::names::{Names, Transport};
use super::number::{self, BLANKS};

/// What `host[:port]` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Endpoint {
    /// The host.
    pub(super) address: IpAddr,
    /// The port, if one was named.
    pub(super) port: Option<u16>,
}

/// Reads `host[:port]` (`ipvsadm.c: parse_service`); `None` is what it calls illegal.
pub(super) fn endpoint(text: &str, transport: Option<Transport>, names: &dyn Names) -> Option<Endpoint> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let (host, bracketed_port) = match text.strip_prefix('[') {
        Some(inside) => {
            let (host, after) = inside.split_once(']')?;
            (host, Some(after.strip_prefix(':')?))
        }
        None => (text, None),
    };
    let (address, port) = match host.parse::<Ipv6Addr>() {
        Ok(address) => (IpAddr::V6(address), bracketed_port),
        // ipvsadm looks for the port again here, so that `[10.0.0.1]:80` has none.
        Err(_) => {
            let (host, port) = host.rsplit_once(':').map_or((host, None), |(host, port)| (host, Some(port)));
            (IpAddr::V4(inet_aton(host).or_else(|| names.address(host))?), port)
        }
    };
    let port = match port {
        Some(word) => Some(port_number(word, transport, names)?),
        None => None,
    };
    Some(Endpoint { address, port })
}

fn port_number(word: &str, transport: Option<Transport>, names: &dyn Names) -> Option<u16> {
    match number::between(word, 0, u16::MAX.into()) {
        Some(number) => u16::try_from(number).ok(),
        None => names.port(word, transport?),
    }
}

/// `inet_aton`: one to four parts, each decimal, octal or hexadecimal, the last one as wide as what is left.
/// As in glibc, what follows a blank is ignored.
pub(super) fn inet_aton(text: &str) -> Option<Ipv4Addr> {
    let text = text.split(BLANKS).next()?;
    let parts = text.split('.').map(part).collect::<Option<Vec<u32>>>()?;
    let (last, leading) = parts.split_last()?;
    let room = match leading.len() {
        0 => u32::MAX,
        1 => 0x00ff_ffff,
        2 => 0xffff,
        3 => 0xff,
        _ => return None,
    };
    if *last > room || leading.iter().any(|part| *part > 0xff) {
        return None;
    }
    let high = leading.iter().zip([24, 16, 8]).map(|(part, shift)| part << shift).sum::<u32>();
    Some(Ipv4Addr::from(high | last))
}

fn part(text: &str) -> Option<u32> {
    let (digits, radix) = if let Some(digits) = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        (digits, 16)
    } else if text.len() > 1 && text.starts_with('0') {
        (text, 8)
    } else {
        (text, 10)
    };
    // from_str_radix would take a sign.
    if digits.chars().all(|digit| digit.is_digit(radix)) { u32::from_str_radix(digits, radix).ok() } else { None }
}

/// `inet_ntop`: unlike Rust's it writes IPv4-compatible addresses (`::10.0.0.1`) dotted.
pub(super) fn inet_ntop(address: IpAddr) -> String {
    if let IpAddr::V6(v6) = address {
        let [a, b, c, d, e, f, high, _] = v6.segments();
        if [a, b, c, d, e, f] == [0; 6] && high != 0 {
            let [.., w, x, y, z] = v6.octets();
            return format!("::{}", Ipv4Addr::new(w, x, y, z));
        }
    }
    address.to_string()
}

#[cfg(test)]
mod tests {
    use super::super::tests::NoNames;
    use super::*;

    #[test]
    fn inet_aton_takes_what_glibc_takes() {
        for (text, expected) in [
            ("10.1.2.3", Some("10.1.2.3")),
            ("10.1.1", Some("10.1.0.1")),
            ("10.65537", Some("10.1.0.1")),
            ("0x0a010102", Some("10.1.1.2")),
            ("012.0X1.0.2", Some("10.1.0.2")),
            ("80", Some("0.0.0.80")),
            ("1.2.3.4 tail", Some("1.2.3.4")),
            ("300.2.3.4", None),
            ("1.2.3.256", None),
            ("1.2.65536", None),
            ("1.2.3.4.5", None),
            ("1.2.3.", None),
            ("1..3", None),
            ("08.1.1.1", None),
            ("0x", None),
            ("+1.2.3.4", None),
            (" 1.2.3.4", None),
            ("4294967296", None),
            ("", None),
            ("vip", None),
        ] {
            assert_eq!(inet_aton(text).map(|address| address.to_string()).as_deref(), expected, "{text:?}");
        }
    }

    #[test]
    fn endpoints_are_split_as_parse_service_splits_them() {
        for (text, expected) in [
            ("10.0.0.1:80", Some(("10.0.0.1", Some(80)))),
            ("10.0.0.1:090", Some(("10.0.0.1", Some(90)))),
            ("10.0.0.1:http", Some(("10.0.0.1", Some(80)))),
            ("10.0.0.1", Some(("10.0.0.1", None))),
            ("[2001:db8::1]:443", Some(("2001:db8::1", Some(443)))),
            ("2001:db8::1", Some(("2001:db8::1", None))),
            ("[10.0.0.1]:80", Some(("10.0.0.1", None))),
            ("www.example.org:80", Some(("192.0.2.1", Some(80)))),
            ("80:80", Some(("0.0.0.80", Some(80)))),
            ("80", None),
            ("", None),
            (":80", None),
            ("10.0.0.1:", None),
            ("10.0.0.1:99999", None),
            ("10.0.0.1:-1", None),
            ("10.0.0.1:nosuchsvc", None),
            ("[::1:80", None),
            ("[::1]", None),
            ("[::1]:", None),
            ("nosuchhost.invalid:80", None),
        ] {
            let expected = expected.map(|(address, port)| (address.to_owned(), port));
            let got = endpoint(text, Some(Transport::Tcp), &NoNames).map(|it| (it.address.to_string(), it.port));
            assert_eq!(got, expected, "{text:?}");
        }
    }

    #[test]
    fn a_service_name_needs_a_protocol() {
        assert_eq!(endpoint("10.0.0.1:http", None, &NoNames), None);
    }

    #[test]
    fn addresses_are_printed_as_inet_ntop_prints_them() {
        for text in ["10.0.0.1", "2001:db8::1", "::", "::1", "::ffff:10.0.0.1", "::10.0.0.1", "1:0:0:2::3"] {
            assert_eq!(inet_ntop(text.parse().expect("an address")), text);
        }
    }
}
