//! Ethernet frames: put together from what matters to a test, and taken apart again.

mod build;
mod checksum;
mod read;

pub use build::{Fragment, Packet, Transport, flags};
pub use checksum::verify;
pub use read::{IcmpError, forwarded, icmp_error, ip_length, is_ipv4, mac_addresses};

/// A MAC address.
pub type Mac = [u8; 6];

/// The director's interface.
pub const DIRECTOR: Mac = [2, 0, 0, 0, 0, 1];
/// The router that clients' packets come from.
pub const ROUTER: Mac = [2, 0, 0, 0, 0, 0xfe];

/// Length of an Ethernet header.
pub const ETHERNET: usize = 14;
