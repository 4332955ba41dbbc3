//! The director's link: a pair of virtual Ethernet interfaces between two network namespaces.

use std::ffi::c_int;
use std::io;
use std::os::fd::{AsFd as _, AsRawFd as _, BorrowedFd, OwnedFd};

use crate::call;

/// The director's end.
pub const NEAR: &str = "eth0";
/// The agent's end.
pub const FAR: &str = "far";

/// The director's MAC address.
pub const NEAR_MAC: [u8; 6] = [2, 0, 0, 0, 1, 1];
/// The MAC address of the agent's end. Frames to any other come out there as well.
pub const FAR_MAC: [u8; 6] = [2, 0, 0, 0, 1, 0xfe];

// Attributes of <linux/if_link.h>, <linux/veth.h> and <linux/netlink.h>.
const IFLA_ADDRESS: u16 = 1;
const IFLA_IFNAME: u16 = 3;
const IFLA_LINKINFO: u16 = 18;
const IFLA_NET_NS_FD: u16 = 28;
const IFLA_INFO_KIND: u16 = 1;
const IFLA_INFO_DATA: u16 = 2;
const VETH_INFO_PEER: u16 = 1;

/// Length of `struct nlmsghdr`.
const HEADER: usize = 16;

/// Makes the pair: `NEAR` in the current namespace, `FAR` in the other.
pub fn create(other: BorrowedFd) -> io::Result<()> {
    let mut message = vec![0; HEADER];
    message.extend([0; size_of::<IfInfo>()]);
    attribute(&mut message, IFLA_IFNAME, |value| value.extend(NEAR.bytes().chain([0])));
    attribute(&mut message, IFLA_ADDRESS, |value| value.extend(NEAR_MAC));
    attribute(&mut message, IFLA_LINKINFO, |info| {
        attribute(info, IFLA_INFO_KIND, |value| value.extend(b"veth"));
        attribute(info, IFLA_INFO_DATA, |data| {
            attribute(data, VETH_INFO_PEER, |peer| {
                peer.extend([0; size_of::<IfInfo>()]);
                attribute(peer, IFLA_IFNAME, |value| value.extend(FAR.bytes().chain([0])));
                attribute(peer, IFLA_ADDRESS, |value| value.extend(FAR_MAC));
                attribute(peer, IFLA_NET_NS_FD, |value| value.extend(other.as_raw_fd().to_ne_bytes()));
            });
        });
    });
    request(message, libc::RTM_NEWLINK, libc::NLM_F_CREATE | libc::NLM_F_EXCL)
}

/// `struct ifinfomsg`, of which only the size matters: all zeroes here.
type IfInfo = [u8; 16];

/// Appends an attribute; `fill` appends its value.
fn attribute(to: &mut Vec<u8>, kind: u16, fill: impl FnOnce(&mut Vec<u8>)) {
    let start = to.len();
    to.extend([0; 4]);
    fill(to);
    let length = (to.len() - start) as u16;
    to[start..start + 2].copy_from_slice(&length.to_ne_bytes());
    to[start + 2..start + 4].copy_from_slice(&kind.to_ne_bytes());
    to.resize(to.len().next_multiple_of(4), 0);
}

/// Sends one request to the kernel and waits for its answer.
fn request(mut message: Vec<u8>, kind: u16, flags: c_int) -> io::Result<()> {
    let flags = (libc::NLM_F_REQUEST | libc::NLM_F_ACK | flags) as u16;
    let length = message.len() as u32;
    message[..4].copy_from_slice(&length.to_ne_bytes());
    message[4..6].copy_from_slice(&kind.to_ne_bytes());
    message[6..8].copy_from_slice(&flags.to_ne_bytes());
    let socket = call::socket(libc::AF_NETLINK, libc::SOCK_RAW, libc::NETLINK_ROUTE)?;
    // SAFETY: the pointer and the length are the message's.
    let sent = unsafe { libc::send(socket.as_raw_fd(), message.as_ptr().cast(), message.len(), 0) };
    if sent < 0 {
        return Err(call::failed("netlink"));
    }
    let mut answer = [0_u8; 4096];
    // SAFETY: the pointer and the length are the buffer's.
    let came = unsafe { libc::recv(socket.as_raw_fd(), answer.as_mut_ptr().cast(), answer.len(), 0) };
    if came < (HEADER + 4) as isize {
        return Err(call::failed("netlink"));
    }
    let error = [answer[HEADER], answer[HEADER + 1], answer[HEADER + 2], answer[HEADER + 3]];
    match i32::from_ne_bytes(error) {
        0 => Ok(()),
        error => Err(io::Error::from_raw_os_error(-error)),
    }
}

/// Asks and changes interfaces of the network namespace in which it was made.
pub struct Control(OwnedFd);

impl Control {
    /// For the current namespace.
    pub fn new() -> io::Result<Self> {
        call::socket(libc::AF_INET, libc::SOCK_DGRAM, 0).map(Self)
    }

    /// The number of an interface, if there is one of this name.
    pub fn index(&self, name: &str) -> io::Result<Option<c_int>> {
        let mut request = named(name);
        match self.ask(libc::SIOCGIFINDEX, &mut request) {
            // SAFETY: the kernel has filled in this member.
            Ok(()) => Ok(Some(unsafe { request.ifr_ifru.ifru_ifindex })),
            Err(error) if error.raw_os_error() == Some(libc::ENODEV) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Sets flags of an interface, and leaves the others.
    pub fn set_flags(&self, name: &str, flags: c_int) -> io::Result<()> {
        let mut request = named(name);
        self.ask(libc::SIOCGIFFLAGS, &mut request)?;
        // SAFETY: the kernel has filled in this member.
        let now = unsafe { request.ifr_ifru.ifru_flags };
        request.ifr_ifru.ifru_flags = now | flags as libc::c_short;
        self.ask(libc::SIOCSIFFLAGS, &mut request)
    }

    /// Has an interface send every checksum complete, as it would be on a wire.
    pub fn complete_checksums(&self, name: &str) -> io::Result<()> {
        /// `ETHTOOL_STXCSUM` of <linux/ethtool.h>.
        const SET_TX_CHECKSUM: u32 = 0x17;
        let mut off = [SET_TX_CHECKSUM, 0];
        let mut request = named(name);
        request.ifr_ifru.ifru_data = off.as_mut_ptr().cast();
        self.ask(libc::SIOCETHTOOL, &mut request)
    }

    fn ask(&self, what: libc::c_ulong, request: &mut libc::ifreq) -> io::Result<()> {
        // SAFETY: each of these calls takes a pointer to such a request; what that points to outlives the call.
        let done = unsafe { libc::ioctl(self.0.as_fd().as_raw_fd(), what as _, &raw mut *request) };
        if done == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
    }
}

/// A request about an interface.
fn named(name: &str) -> libc::ifreq {
    // SAFETY: all zeroes are such a structure.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(name.bytes()) {
        *to = from as libc::c_char;
    }
    request
}
