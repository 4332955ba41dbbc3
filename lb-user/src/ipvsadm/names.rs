//! Names of hosts and ports, looked up only where a command needs them.

use std::net::{IpAddr, Ipv4Addr};

use super::address::inet_ntop;
use crate::model::Protocol;

/// A protocol that `ipvsadm` has an option for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transport {
    /// `-t`
    Tcp,
    /// `-u`
    Udp,
    /// `--sctp-service`
    Sctp,
}

impl Transport {
    /// The protocol with this number.
    pub(super) fn from_number(number: u8) -> Option<Self> {
        match number {
            6 => Some(Self::Tcp),
            17 => Some(Self::Udp),
            132 => Some(Self::Sctp),
            _ => None,
        }
    }

    /// Its name in /etc/services.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Sctp => "sctp",
        }
    }
}

impl From<Protocol> for Transport {
    fn from(protocol: Protocol) -> Self {
        match protocol {
            Protocol::Tcp => Self::Tcp,
            Protocol::Udp => Self::Udp,
        }
    }
}

/// Where names come from.
pub(crate) trait Names {
    /// The IPv4 address of a host (`gethostbyname`).
    fn address(&self, host: &str) -> Option<Ipv4Addr>;
    /// The name of an address (`gethostbyaddr`).
    fn host(&self, address: IpAddr) -> Option<String>;
    /// The port of a service (`getservbyname`).
    fn port(&self, service: &str, transport: Transport) -> Option<u16>;
    /// The name of a port (`getservbyport`).
    fn service(&self, port: u16, transport: Transport) -> Option<String>;
}

/// As many bytes as `addrport_to_anyname`'s buffer holds.
const LONGEST: usize = 59;

/// `host:port`, in names unless `numeric` (`ipvsadm.c: addrport_to_anyname`).
pub(super) fn printed(
    address: IpAddr,
    port: u16,
    transport: Option<Transport>,
    numeric: bool,
    names: &dyn Names,
) -> String {
    let (host, port) = if numeric {
        (inet_ntop(address), port.to_string())
    } else {
        (
            names.host(address).unwrap_or_else(|| inet_ntop(address)),
            transport.and_then(|transport| names.service(port, transport)).unwrap_or_else(|| port.to_string()),
        )
    };
    let whole = if address.is_ipv4() { format!("{host}:{port}") } else { format!("[{host}]:{port}") };
    cut(&whole, LONGEST)
}

/// The first `length` letters, as C cuts a name by writing a NUL into it.
pub(super) fn cut(text: &str, length: usize) -> String {
    text.chars().take(length).collect()
}
