//! Frames to and from the director.

use std::io;
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};
use std::time::Duration;

use crate::call;
use crate::link::{FAR_MAC, NEAR_MAC};

/// The local experimental EtherType of IEEE 802, which no protocol of the kernel listens to.
const MARKER: u16 = 0x88b5;

/// The multicast address of MLD reports (RFC 3810): the kernel sends them when it pleases after an IPv6 address is added.
const MLD_REPORTS: [u8; 6] = [0x33, 0x33, 0, 0, 0, 0x16];

/// The longest frame: an MTU of 65,535 bytes and the header.
const LONGEST: usize = 65_549;

/// From one tick of the kernel to the next.
const TICK: Duration = Duration::from_millis(10);

/// How many milliseconds a marker may be under way.
const PATIENCE: i32 = 10_000;

/// The director's link, seen from both ends.
///
/// What comes of a frame, and that nothing does, is known without waiting. After each frame a marker follows, which the
/// agent itself takes at the director's end and sends back. Frames on their way in and out of the director wait in one
/// queue, of one CPU, first in, first out; so when the marker is at the near end, all before it was handled, and when it
/// is back at the far end, all that was sent meanwhile is there.
pub struct Wire {
    far: OwnedFd,
    near: OwnedFd,
    sent: u64,
    buffer: Vec<u8>,
    held: Option<OwnedFd>,
}

impl Wire {
    /// A socket for the far end, whose namespace must be the current one.
    pub fn outside() -> io::Result<OwnedFd> {
        let socket = call::socket(libc::AF_PACKET, libc::SOCK_RAW, 0)?;
        call::set_option(socket.as_fd(), libc::SOL_PACKET, libc::PACKET_IGNORE_OUTGOING, 1)?;
        call::set_option(socket.as_fd(), libc::SOL_SOCKET, libc::SO_RCVBUFFORCE, 1 << 24)?;
        Ok(socket)
    }

    /// The link whose far end has the number `far` in the namespace of `outside`, and whose near end has the number `near`
    /// in the current one. Both are up.
    pub fn new(outside: OwnedFd, far: i32, near: i32) -> io::Result<Self> {
        call::bind(outside.as_fd(), &address(far, libc::ETH_P_ALL as u16))?;
        let inside = call::socket(libc::AF_PACKET, libc::SOCK_RAW, 0)?;
        call::bind(inside.as_fd(), &address(near, MARKER))?;
        Ok(Self { far: outside, near: inside, sent: 0, buffer: vec![0; LONGEST], held: None })
    }

    /// Keeps what is to go with the link.
    pub fn hold(&mut self, held: OwnedFd) {
        self.held = Some(held);
    }

    /// Sends frames: what came out for each.
    pub fn send(&mut self, frames: &[Vec<u8>]) -> io::Result<Vec<Vec<Vec<u8>>>> {
        let unasked = self.rest()?;
        if let Some(first) = unasked.first() {
            return Err(io::Error::other(format!(
                "{} frames came out of the director before any was sent to it; the first: {first:02x?}",
                unasked.len()
            )));
        }
        let mut came = Vec::with_capacity(frames.len());
        for frame in frames {
            send(&self.far, frame)?;
            came.push(self.rest()?);
            // Some of it is left to the kernel's next tick, as the end of a connection that a new one replaces
            // (`ip_vs_conn_expire_now`).
            std::thread::sleep(TICK);
        }
        Ok(came)
    }

    /// All that came out of the director and was not taken yet, complete.
    pub fn rest(&mut self) -> io::Result<Vec<Vec<u8>>> {
        self.sent += 1;
        send(&self.far, &marker(NEAR_MAC, FAR_MAC, self.sent))?;
        while marked(self.receive_near()?) != Some(self.sent) {}
        send(&self.near, &marker(FAR_MAC, NEAR_MAC, self.sent))?;
        let mut came = Vec::new();
        loop {
            let frame = receive(&self.far, &mut self.buffer)?;
            match marked(frame) {
                Some(number) if number == self.sent => return Ok(came),
                Some(_) => {}
                None if frame.starts_with(&MLD_REPORTS) => {}
                None => came.push(frame.to_vec()),
            }
        }
    }

    fn receive_near(&mut self) -> io::Result<&[u8]> {
        receive(&self.near, &mut self.buffer)
    }
}

/// A marker: EtherType and number.
fn marker(to: [u8; 6], from: [u8; 6], number: u64) -> [u8; 60] {
    let mut frame = [0; 60];
    frame[..6].copy_from_slice(&to);
    frame[6..12].copy_from_slice(&from);
    frame[12..14].copy_from_slice(&MARKER.to_be_bytes());
    frame[14..22].copy_from_slice(&number.to_be_bytes());
    frame
}

/// The number of a marker.
fn marked(frame: &[u8]) -> Option<u64> {
    let (kind, number) = (frame.get(12..14)?, frame.get(14..22)?);
    (kind == MARKER.to_be_bytes()).then(|| number.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte)))
}

fn send(socket: &OwnedFd, frame: &[u8]) -> io::Result<()> {
    // SAFETY: the pointer and the length are the frame's.
    let sent = unsafe { libc::send(socket.as_raw_fd(), frame.as_ptr().cast(), frame.len(), 0) };
    if sent < 0 { Err(call::failed(&format!("a frame of {} bytes", frame.len()))) } else { Ok(()) }
}

fn receive<'a>(socket: &OwnedFd, buffer: &'a mut [u8]) -> io::Result<&'a [u8]> {
    loop {
        // SAFETY: the pointer and the length are the buffer's.
        let came =
            unsafe { libc::recv(socket.as_raw_fd(), buffer.as_mut_ptr().cast(), buffer.len(), libc::MSG_DONTWAIT) };
        if came >= 0 {
            return Ok(&buffer[..came.cast_unsigned()]);
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::WouldBlock {
            return Err(io::Error::new(error.kind(), format!("eth0: {error}")));
        }
        if !call::readable(socket.as_fd(), PATIENCE)? {
            return Err(io::Error::other("eth0 is dead: a marker that was sent there did not come back"));
        }
    }
}

fn address(interface: i32, protocol: u16) -> libc::sockaddr_ll {
    // SAFETY: all zeroes are such an address.
    let mut address: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
    address.sll_family = libc::AF_PACKET as u16;
    address.sll_ifindex = interface;
    address.sll_protocol = protocol.to_be();
    address
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markers_are_told_from_frames() {
        assert_eq!(marked(&marker(NEAR_MAC, FAR_MAC, 7)), Some(7));
        assert_eq!(marked(&marker(NEAR_MAC, FAR_MAC, u64::MAX)), Some(u64::MAX));
        let mut frame = marker(NEAR_MAC, FAR_MAC, 7);
        frame[12..14].copy_from_slice(&0x0800_u16.to_be_bytes());
        assert_eq!(marked(&frame), None);
        assert_eq!(marked(&frame[..13]), None);
    }
}
