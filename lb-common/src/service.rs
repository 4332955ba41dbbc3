//! What the packet path knows of a virtual service.

use crate::address::Address;
use crate::flow::mark_address;

/// What a service is found by.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ServiceKey {
    /// The VIP, or the firewall mark as an address of the packet's family.
    pub address: Address,
    /// Port in network byte order, 0 for every port and for marks.
    pub port: u16,
    /// Protocol number, 0 for marks.
    pub protocol: u16,
}

impl ServiceKey {
    /// Key of (protocol, VIP, port).
    #[inline(always)]
    pub const fn address(address: Address, port: u16, protocol: u16) -> Self {
        Self { address, port, protocol }
    }

    /// Key of a firewall mark for packets of the family of `client`.
    #[inline(always)]
    pub const fn mark(client: &Address, mark: u32) -> Self {
        Self { address: mark_address(client, mark), port: 0, protocol: 0 }
    }
}

/// A virtual service, written by the control plane only, word by word.
#[repr(C, align(64))]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Service {
    /// Bits of [`flags`].
    pub flags: u32,
    /// Index of the first word of its pool ([`crate::schedule::pool`]).
    pub pool: u32,
    /// How it picks: a number of [`crate::schedule::Kind`].
    pub scheduler: u32,
    /// How long a template lives, in jiffies.
    pub template_timeout: u32,
    /// What of the client's address persistence looks at.
    pub netmask: Address,
    /// Its firewall mark, 0 for none.
    pub mark: u32,
    /// Its port in network byte order, 0 for every port and for marks.
    pub port: u32,
    /// The cell of its table ([`crate::schedule::locality`]), 0 for none.
    pub table: u32,
    /// Unused, 0.
    pub reserved: [u32; 5],
}

/// Bits of [`Service::flags`].
pub mod flags {
    /// `-p`
    pub const PERSISTENT: u32 = 1;
    /// `-o`
    pub const ONE_PACKET: u32 = 2;
    /// The first of the scheduler's own flags (`IP_VS_SVC_F_SCHED1`): sh-fallback, mh-fallback.
    pub const SCHEDULER_1: u32 = 8;
    /// The second: sh-port, mh-port.
    pub const SCHEDULER_2: u32 = 16;
    /// The third, which no scheduler looks at.
    pub const SCHEDULER_3: u32 = 32;
}

/// What passed: per CPU, of a service or of a real server.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Connections scheduled.
    pub connections: u64,
    /// Packets.
    pub packets: u64,
    /// Bytes, IP total length.
    pub bytes: u64,
    /// Unused, 0: half a cache line.
    pub reserved: u64,
}

impl Traffic {
    /// What passed since `before`.
    pub const fn since(&self, before: &Self) -> Self {
        Self {
            connections: self.connections.wrapping_sub(before.connections),
            packets: self.packets.wrapping_sub(before.packets),
            bytes: self.bytes.wrapping_sub(before.bytes),
            reserved: 0,
        }
    }
}

const _: () = assert!(size_of::<Service>() == 64);
const _: () = assert!(size_of::<ServiceKey>() == 20);
const _: () = assert!(size_of::<Traffic>() == 32);
