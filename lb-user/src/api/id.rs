//! Services and real servers in paths: `tcp/172.16.100.1:80`, `udp/[2001:db8::1]:53`, `mark/10`, `mark6/10`;
//! `172.16.100.10:80`. In a URL the brackets of IPv6 addresses are written `%5B` and `%5D`, or as they are.

use std::net::{IpAddr, SocketAddr};

use crate::model::{Family, Protocol, ServiceId};

/// The two segments of a service.
pub fn service_segments(id: &ServiceId) -> [String; 2] {
    let (kind, name) = match *id {
        ServiceId::Address { protocol: Protocol::Tcp, vip, port } => ("tcp", SocketAddr::new(vip, port).to_string()),
        ServiceId::Address { protocol: Protocol::Udp, vip, port } => ("udp", SocketAddr::new(vip, port).to_string()),
        ServiceId::Mark { mark, family: Family::Inet } => ("mark", mark.to_string()),
        ServiceId::Mark { mark, family: Family::Inet6 } => ("mark6", mark.to_string()),
    };
    [kind.to_owned(), name]
}

/// The service of two segments.
///
/// # Errors
/// They name none: a sentence that says what would.
pub fn service(kind: &str, name: &str) -> Result<ServiceId, String> {
    let address = |protocol| {
        let (vip, port) = socket(name)?;
        Ok(ServiceId::Address { protocol, vip, port })
    };
    let mark = |family| match name.parse() {
        Ok(mark) => Ok(ServiceId::Mark { mark, family }),
        Err(error) => Err(format!("`{name}` is no firewall mark ({error}); write mark/10, or mark6/10 for IPv6")),
    };
    match kind {
        "tcp" => address(Protocol::Tcp),
        "udp" => address(Protocol::Udp),
        "mark" => mark(Family::Inet),
        "mark6" => mark(Family::Inet6),
        _ => Err(format!("`{kind}` is no kind of service; it is one of tcp, udp, mark, mark6")),
    }
}

/// The segment of a real server.
pub fn server_segment(address: IpAddr, port: u16) -> String {
    SocketAddr::new(address, port).to_string()
}

/// The real server of a segment.
///
/// # Errors
/// It names none: a sentence that says what would.
pub fn server(text: &str) -> Result<(IpAddr, u16), String> {
    socket(text)
}

fn socket(text: &str) -> Result<(IpAddr, u16), String> {
    let advice = "write 172.16.100.1:80 or %5B2001:db8::1%5D:80; port 0 is every port";
    let socket: SocketAddr =
        text.parse().map_err(|error| format!("`{text}` is no address:port ({error}); {advice}"))?;
    match socket {
        SocketAddr::V6(v6) if v6.scope_id() != 0 => Err(format!("`{text}` has a zone, which no service has; {advice}")),
        SocketAddr::V4(_) | SocketAddr::V6(_) => Ok((socket.ip(), socket.port())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_and_ids_are_the_same_thing() {
        for (kind, name) in [
            ("tcp", "172.16.100.1:80"),
            ("tcp", "172.16.100.1:0"),
            ("udp", "[2001:db8::1]:53"),
            ("mark", "10"),
            ("mark6", "4294967295"),
        ] {
            let id = service(kind, name).expect("a service");
            assert_eq!(service_segments(&id), [kind, name]);
        }
        assert_eq!(
            server("[2001:db8::10]:80").map(|(address, port)| server_segment(address, port)).as_deref(),
            Ok("[2001:db8::10]:80")
        );
    }

    #[test]
    fn what_names_nothing_says_what_would() {
        for (kind, name, advice) in [
            ("sctp", "1.2.3.4:80", "one of tcp, udp, mark, mark6"),
            ("tcp", "1.2.3.4", "write 172.16.100.1:80"),
            ("tcp", "2001:db8::1:80", "%5B2001:db8::1%5D:80"),
            ("udp", "[fe80::1%3]:53", "has a zone"),
            ("mark", "ten", "write mark/10"),
            ("mark", "-1", "write mark/10"),
        ] {
            let why = service(kind, name).expect_err("no service");
            assert!(why.contains(advice), "{why}");
        }
    }
}
