//! The director's network namespace.

use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};
use std::time::Duration;

use lvx_agent::bpf;

use crate::call;
use crate::frames::Wire;
use crate::link::{self, Control};
use crate::program;
use crate::start::sysctl;

/// How long something in the kernel may take that needs only a moment.
const MOMENT: Duration = Duration::from_millis(10);
/// After so many moments it will not come any more.
const MOMENTS: u32 = 3000;

/// Sysctls of every director, before its interface is up. Answers come at once or not at all, and none is left out.
const SYSCTLS: [(&str, &str); 11] = [
    ("net/ipv4/ip_forward", "1"),
    ("net/ipv4/icmp_msgs_per_sec", "1000000"),
    ("net/ipv4/icmp_msgs_burst", "1000000"),
    ("net/ipv4/icmp_ratelimit", "0"),
    ("net/ipv6/icmp/ratelimit", "0"),
    ("net/ipv6/conf/all/forwarding", "1"),
    ("net/ipv6/conf/all/accept_dad", "0"),
    ("net/ipv6/conf/default/accept_dad", "0"),
    ("net/ipv6/conf/default/dad_transmits", "0"),
    ("net/ipv6/conf/default/router_solicitations", "0"),
    ("net/ipv6/conf/default/accept_ra", "0"),
];

/// The director's namespace, in which this process is, and what the agent needs around it.
pub struct Director {
    /// The namespace that the guest started with: the far end of the director's link is there.
    home: OwnedFd,
    /// Interfaces of `home`.
    control: Control,
    wire: Option<Wire>,
    /// For the far end, where the director is to run XDP programs.
    pass: Option<OwnedFd>,
}

impl Director {
    /// No director yet; this process is in the guest's first namespace.
    /// Where it is to run XDP programs that send, `xdp` says so.
    pub fn none(xdp: bool) -> io::Result<Self> {
        let pass = if xdp { Some(bpf::pass_everything()?) } else { None };
        Ok(Self { home: namespace()?, control: Control::new()?, wire: None, pass })
    }

    /// The director's link.
    pub fn wire(&mut self) -> io::Result<&mut Wire> {
        self.wire.as_mut().ok_or_else(|| io::Error::other("there is no director yet"))
    }

    /// Removes the director and all that the kernel knew of it, and makes a new one.
    pub fn replace(&mut self) -> io::Result<()> {
        self.wire = None;
        enter(&self.home)?;
        // The kernel removes a namespace that nobody is in, in its own time: its interfaces after all else.
        until("the director before is not gone", || Ok(self.control.index(link::FAR)?.is_none()))?;
        let outside = Wire::outside()?;
        // SAFETY: the call takes no pointers.
        call::checked(unsafe { libc::unshare(libc::CLONE_NEWNET) }, "unshare")?;
        for (path, value) in SYSCTLS {
            sysctl(path, value)?;
        }
        link::create(self.home.as_fd())?;
        let own = Control::new()?;
        own.complete_checksums(link::NEAR)?;
        let far = self.control.index(link::FAR)?.ok_or_else(|| io::Error::other("the link has no far end"))?;
        let near = own.index(link::NEAR)?.ok_or_else(|| io::Error::other("the link has no near end"))?;
        self.control.set_flags(link::FAR, libc::IFF_UP | libc::IFF_NOARP)?;
        own.set_flags("lo", libc::IFF_UP)?;
        own.set_flags(link::NEAR, libc::IFF_UP)?;
        let mut wire = Wire::new(outside, far, near)?;
        if let Some(pass) = &self.pass {
            let here = namespace()?;
            enter(&self.home)?;
            wire.hold(bpf::attach(pass.as_fd(), far)?);
            enter(&here)?;
        }
        self.wire = Some(wire);
        Ok(())
    }
}

/// The current network namespace.
fn namespace() -> io::Result<OwnedFd> {
    File::open("/proc/self/ns/net").map(OwnedFd::from)
}

fn enter(namespace: &OwnedFd) -> io::Result<()> {
    // SAFETY: the call takes no pointers.
    call::checked(unsafe { libc::setns(namespace.as_raw_fd(), libc::CLONE_NEWNET) }, "setns").map(drop)
}

/// Gives the director its addresses, routes, neighbours and sysctls.
pub fn configure(ip: &str, sysctls: &[(String, String)]) -> io::Result<()> {
    if !ip.is_empty() {
        program::must(&["ip", "-batch", "-"], ip)?;
    }
    sysctls.iter().try_for_each(|(path, value)| sysctl(path, value))
}

/// Waits until no IPv6 address is tentative: the kernel makes them valid in its own time, even without a check for
/// duplicates.
pub fn settle() -> io::Result<()> {
    until("an IPv6 address stays tentative", || {
        let addresses = fs::read_to_string("/proc/self/net/if_inet6")?;
        Ok(!addresses.lines().any(is_tentative))
    })
}

/// Whether a line of `if_inet6` (address, interface, prefix length, scope, flags, name) has `IFA_F_TENTATIVE`.
fn is_tentative(line: &str) -> bool {
    let flags = line.split_whitespace().nth(4).and_then(|flags| u32::from_str_radix(flags, 16).ok());
    flags.is_some_and(|flags| flags & libc::IFA_F_TENTATIVE != 0)
}

/// Waits for the kernel.
fn until(otherwise: &str, mut done: impl FnMut() -> io::Result<bool>) -> io::Result<()> {
    for _ in 0..MOMENTS {
        if done()? {
            return Ok(());
        }
        std::thread::sleep(MOMENT);
    }
    Err(io::Error::other(otherwise))
}

#[cfg(test)]
mod tests {
    use super::is_tentative;

    #[test]
    fn sees_tentative_addresses() {
        assert!(is_tentative("fe80000000000000000000fffe000101 02 40 20 c0     eth0"));
        assert!(!is_tentative("fe80000000000000000000fffe000101 02 40 20 80     eth0"));
    }
}
