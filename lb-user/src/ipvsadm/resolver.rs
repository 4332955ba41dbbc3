//! The machine's own names: its resolver and /etc/services.

use std::cell::OnceCell;
use std::ffi::CStr;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, ToSocketAddrs};
use std::ptr;

use super::names::{Names, Transport};

/// Names as this machine knows them.
#[derive(Default)]
pub(crate) struct Resolver {
    /// /etc/services, read when the first port is looked up.
    services: OnceCell<Vec<PortName>>,
}

impl Names for Resolver {
    fn address(&self, host: &str) -> Option<Ipv4Addr> {
        if host.is_empty() {
            return None;
        }
        (host, 0).to_socket_addrs().ok()?.find_map(|found| match found {
            SocketAddr::V4(found) => Some(*found.ip()),
            SocketAddr::V6(_) => None,
        })
    }

    fn host(&self, address: IpAddr) -> Option<String> {
        match address {
            IpAddr::V4(address) => name_of(&libc::sockaddr_in {
                sin_family: libc::AF_INET as libc::sa_family_t,
                sin_port: 0,
                sin_addr: libc::in_addr { s_addr: u32::from(address).to_be() },
                sin_zero: [0; 8],
            }),
            IpAddr::V6(address) => name_of(&libc::sockaddr_in6 {
                sin6_family: libc::AF_INET6 as libc::sa_family_t,
                sin6_port: 0,
                sin6_flowinfo: 0,
                sin6_addr: libc::in6_addr { s6_addr: address.octets() },
                sin6_scope_id: 0,
            }),
        }
    }

    fn port(&self, service: &str, transport: Transport) -> Option<u16> {
        let known = self.services().iter().filter(|entry| entry.transport == transport.name());
        known.into_iter().find(|entry| entry.names.iter().any(|name| name == service)).map(|entry| entry.port)
    }

    fn service(&self, port: u16, transport: Transport) -> Option<String> {
        let known = self.services().iter().filter(|entry| entry.transport == transport.name());
        known.into_iter().find(|entry| entry.port == port)?.names.first().cloned()
    }
}

impl Resolver {
    fn services(&self) -> &[PortName] {
        self.services.get_or_init(|| {
            let text = fs::read_to_string("/etc/services").unwrap_or_default();
            text.lines().filter_map(PortName::parse).collect()
        })
    }
}

/// A line of /etc/services.
#[derive(Debug, PartialEq, Eq)]
struct PortName {
    /// Its name, then its aliases.
    names: Vec<String>,
    port: u16,
    transport: String,
}

impl PortName {
    fn parse(line: &str) -> Option<Self> {
        let mut words = line.split('#').next()?.split_whitespace();
        let name = words.next()?;
        let (port, transport) = words.next()?.split_once('/')?;
        let names = std::iter::once(name).chain(words).map(str::to_owned).collect();
        Some(Self { names, port: port.parse().ok()?, transport: transport.to_owned() })
    }
}

/// A socket address that [`name_of`] may hand to the C library.
trait SocketAddress {}
impl SocketAddress for libc::sockaddr_in {}
impl SocketAddress for libc::sockaddr_in6 {}

/// The name of the address in `socket`.
fn name_of<S: SocketAddress>(socket: &S) -> Option<String> {
    let mut name = [0 as libc::c_char; libc::NI_MAXHOST as usize];
    // SAFETY: `socket` is a sockaddr_in or sockaddr_in6 (SocketAddress has no other implementation) of the length
    // that is passed, alive for the call; `name` is writable for the length passed with it, and getnameinfo ends
    // what it writes there with a NUL; no service buffer is passed, which a null pointer and length 0 allow.
    let result = unsafe {
        libc::getnameinfo(
            ptr::from_ref(socket).cast(),
            size_of::<S>() as libc::socklen_t,
            name.as_mut_ptr(),
            name.len() as libc::socklen_t,
            ptr::null_mut(),
            0,
            libc::NI_NAMEREQD,
        )
    };
    if result != 0 {
        return None;
    }
    let bytes = name.map(|letter| letter as u8);
    Some(CStr::from_bytes_until_nul(&bytes).ok()?.to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_etc_services() {
        let parsed = PortName::parse("http\t\t80/tcp\t\twww www-http # WorldWideWeb HTTP");
        let names = ["http", "www", "www-http"].map(str::to_owned).to_vec();
        assert_eq!(parsed, Some(PortName { names, port: 80, transport: "tcp".to_owned() }));
        assert_eq!(PortName::parse("# nothing"), None);
        assert_eq!(PortName::parse(""), None);
        assert_eq!(PortName::parse("broken 80"), None);
    }

    #[test]
    fn ports_are_found_by_protocol_name_and_alias() {
        let services = ["domain 53/tcp", "domain 53/udp", "http 80/tcp www"];
        let resolver = Resolver::default();
        let entries = services.iter().filter_map(|line| PortName::parse(line)).collect();
        assert_eq!(resolver.services.set(entries), Ok(()));
        assert_eq!(resolver.port("www", Transport::Tcp), Some(80));
        assert_eq!(resolver.port("http", Transport::Udp), None);
        assert_eq!(resolver.service(53, Transport::Udp).as_deref(), Some("domain"));
        assert_eq!(resolver.service(53, Transport::Sctp), None);
    }

    #[test]
    fn the_loopback_addresses_have_names_or_none() {
        for address in ["127.0.0.1", "::1"] {
            let name = Resolver::default().host(address.parse().expect("an address"));
            assert!(name.is_none_or(|name| !name.is_empty()), "{address}");
        }
    }

    #[test]
    fn no_name_has_no_address() {
        assert_eq!(Resolver::default().address(""), None);
    }
}
