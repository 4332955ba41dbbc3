//! Where the sockets of probes come from.

use std::io::{self, ErrorKind, Read as _};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use socket2::{Domain, Protocol, SockRef, Socket, Type};
use tokio::io::Interest;
use tokio::net::{TcpSocket, TcpStream, UdpSocket};

use crate::leg::Door;

/// The largest datagram, in bytes.
const LARGEST_DATAGRAM: usize = 65_535;

/// A source of sockets. All that a probe sends goes through one that was made here.
#[derive(Clone, Debug, Default)]
pub struct Sockets {
    leg: Option<(Arc<Door>, IpAddr)>,
    /// Whether the last TCP connection was asked for, and neither accepted nor refused.
    unheard: Arc<AtomicBool>,
}

impl Sockets {
    /// Sockets of the director's own network namespace: packets go where its routes say.
    pub fn host() -> Self {
        Self::default()
    }

    /// Sockets whose packets go to a real server, whatever address they carry.
    pub fn through(door: Arc<Door>, server: IpAddr) -> Self {
        Self { leg: Some((door, server)), ..Self::default() }
    }

    /// A socket that does not block.
    ///
    /// # Errors
    /// The kernel's; with a leg also [`crate::leg::NoSocket`].
    pub fn socket(&self, to: SocketAddr, kind: Type, protocol: Protocol) -> io::Result<Socket> {
        match &self.leg {
            Some((door, server)) => door.socket(*server, to, kind, protocol),
            None => Socket::new(Domain::for_address(to), kind.nonblocking(), Some(protocol)),
        }
    }

    /// A TCP connection.
    ///
    /// # Errors
    /// What `connect` says.
    pub async fn tcp(&self, to: SocketAddr) -> io::Result<TcpStream> {
        self.unheard.store(false, Ordering::Relaxed);
        let socket = self.socket(to, Type::STREAM, Protocol::TCP)?;
        self.unheard.store(true, Ordering::Relaxed);
        let connected = TcpSocket::from_std_stream(socket.into()).connect(to).await;
        let spoke = match &connected {
            Ok(_) => true,
            Err(error) => [ErrorKind::ConnectionRefused, ErrorKind::ConnectionReset].contains(&error.kind()),
        };
        self.unheard.store(!spoke, Ordering::Relaxed);
        connected
    }

    /// Whether the last [`Self::tcp`] found nobody who has the address: it was neither accepted nor refused. It may have
    /// been given up on meanwhile.
    pub fn found_nobody(&self) -> bool {
        self.unheard.load(Ordering::Relaxed)
    }

    /// A UDP socket that talks to `to` alone, and hears of ICMP errors.
    ///
    /// # Errors
    /// What `connect` says.
    pub fn udp(&self, to: SocketAddr) -> io::Result<UdpSocket> {
        self.datagrams(to, Type::DGRAM, Protocol::UDP)
    }

    /// The same for any protocol whose packets are sent and received one by one.
    ///
    /// # Errors
    /// What `connect` says; raw sockets need a privilege.
    pub fn datagrams(&self, to: SocketAddr, kind: Type, protocol: Protocol) -> io::Result<UdpSocket> {
        let socket = self.socket(to, kind, protocol)?;
        socket.connect(&to.into())?;
        // A connected socket sends and receives in the same way whatever its protocol is.
        UdpSocket::from_std(socket.into())
    }
}

/// The next datagram, or the ICMP error that came instead.
///
/// An error alone does not make a socket readable, so it is waited for by name. Room for the largest datagram is taken
/// when there is one: many sockets may wait for one that never comes.
///
/// # Errors
/// The kernel's; what an ICMP error says.
pub async fn datagram(socket: &UdpSocket) -> io::Result<Vec<u8>> {
    let receive = || {
        let mut bytes = vec![0; LARGEST_DATAGRAM];
        let length = (&*SockRef::from(socket)).read(&mut bytes)?;
        bytes.truncate(length);
        Ok(bytes)
    };
    socket.async_io(Interest::READABLE | Interest::ERROR, receive).await
}

/// Ends a connection by a reset: no packet is waited for, and neither end remembers it (no TIME_WAIT).
///
/// # Errors
/// The kernel's; it has none for an open connection.
pub fn reset(stream: TcpStream) -> io::Result<()> {
    SockRef::from(&stream).set_linger(Some(Duration::ZERO))
}
