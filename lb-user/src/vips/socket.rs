//! Frames, out of an interface.

use std::io;

use socket2::{Domain, SockAddr, SockAddrStorage, Socket, Type};

/// A socket that sends frames and receives none.
#[derive(Debug)]
pub(super) struct FrameSocket(Socket);

impl FrameSocket {
    /// In the network namespace of the calling thread.
    ///
    /// # Errors
    /// It is not allowed (`CAP_NET_RAW`).
    pub(super) fn open() -> io::Result<Self> {
        Ok(Self(Socket::new(Domain::PACKET, Type::RAW, None)?))
    }

    /// Sends a frame with its Ethernet header.
    ///
    /// # Errors
    /// The interface is gone or down.
    pub(super) fn send(&self, frame: &[u8], ifindex: u32) -> io::Result<()> {
        self.0.send_to(frame, &address(ifindex)?).map(drop)
    }
}

fn address(ifindex: u32) -> io::Result<SockAddr> {
    let mut storage = SockAddrStorage::zeroed();
    // SAFETY: `sockaddr_ll` is one of the platform's socket addresses, for which all zeros is a value.
    let link = unsafe { storage.view_as::<libc::sockaddr_ll>() };
    link.sll_family = libc::AF_PACKET.try_into().map_err(io::Error::other)?;
    link.sll_ifindex = ifindex.try_into().map_err(io::Error::other)?;
    let length = size_of::<libc::sockaddr_ll>().try_into().map_err(io::Error::other)?;
    // SAFETY: the storage was filled as a `sockaddr_ll`, whose family and length these are.
    Ok(unsafe { SockAddr::new(storage, length) })
}
