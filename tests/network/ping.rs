//! ICMP echo, from a host of the lab.

use std::io::ErrorKind;
use std::net::{IpAddr, UdpSocket};
use std::os::fd::{FromRawFd as _, OwnedFd};
use std::time::Duration;

use anyhow::Result;
use xtask::lab::Lab;

const PATIENCE: Duration = Duration::from_secs(1);

/// Whether an address answers a ping from a host.
pub fn answers(lab: &Lab, host: &str, address: &str) -> Result<bool> {
    let to: IpAddr = address.parse()?;
    lab.enter(host, || {
        std::fs::write("/proc/sys/net/ipv4/ping_group_range", "0 0")?;
        let socket = socket(to)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        socket.connect((to, 0))?;
        // An echo request; the kernel fills in identifier and checksum.
        let kind = if to.is_ipv4() { 8 } else { 128 };
        socket.send(&[kind, 0, 0, 0, 0, 0, 0, 1])?;
        match socket.recv(&mut [0; 64]) {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(false),
            Err(error) => Err(error.into()),
        }
    })
}

/// A ping socket: the kernel hands it the answers to its own requests only.
fn socket(to: IpAddr) -> Result<UdpSocket> {
    let (family, protocol) =
        if to.is_ipv4() { (libc::AF_INET, libc::IPPROTO_ICMP) } else { (libc::AF_INET6, libc::IPPROTO_ICMPV6) };
    // SAFETY: socket takes three numbers and touches no memory of ours.
    let descriptor = unsafe { libc::socket(family, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, protocol) };
    if descriptor < 0 {
        return Err(std::io::Error::last_os_error().into());
    }
    // SAFETY: the kernel just made this descriptor for us, and nobody else knows it.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor) }.into())
}
