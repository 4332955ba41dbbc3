//! Where the sockets of probes come from.

use std::io::{self, Read as _};
use std::net::SocketAddr;

use socket2::{Domain, Protocol, SockRef, Socket, Type};
use tokio::io::Interest;
use tokio::net::{TcpSocket, TcpStream, UdpSocket};

/// The largest datagram, in bytes.
const LARGEST_DATAGRAM: usize = 65_535;

/// A source of sockets. All that a probe sends goes through one that was made here.
#[derive(Clone, Debug, Default)]
pub struct Sockets(());

impl Sockets {
    /// Sockets of the director's own network namespace: packets go where its routes say.
    pub fn host() -> Self {
        Self(())
    }

    /// A socket that does not block.
    ///
    /// # Errors
    /// The kernel's.
    pub fn socket(&self, to: SocketAddr, kind: Type, protocol: Protocol) -> io::Result<Socket> {
        let socket = Socket::new(Domain::for_address(to), kind, Some(protocol))?;
        socket.set_nonblocking(true)?;
        Ok(socket)
    }

    /// A TCP connection.
    ///
    /// # Errors
    /// What `connect` says.
    pub async fn tcp(&self, to: SocketAddr) -> io::Result<TcpStream> {
        let socket = self.socket(to, Type::STREAM, Protocol::TCP)?;
        TcpSocket::from_std_stream(socket.into()).connect(to).await
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
