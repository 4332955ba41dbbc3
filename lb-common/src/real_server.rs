//! What the packet path knows of a real server.

/// A real server: one cache line, written by the control plane only, word by word.
#[repr(C, align(64))]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RealServer {
    /// Its MAC address: [`mac_word`].
    pub destination_mac: u64,
    /// MAC address of the egress interface: [`mac_word`].
    pub source_mac: u64,
    /// Bits of [`flags`].
    pub flags: u32,
    /// Egress interface.
    pub ifindex: u32,
    /// Weight; 0 is quiesced.
    pub weight: u32,
    /// Counts the real servers that had this slot.
    pub generation: u32,
    /// Index of the service.
    pub service: u32,
    /// MTU of the egress interface.
    pub mtu: u32,
    /// At this many connections it is overloaded; 0 is no limit.
    pub upper_threshold: u32,
    /// Below this many it is not any more; 0 is three quarters of the upper threshold.
    pub lower_threshold: u32,
    /// Index of the word of its block in the pools ([`crate::schedule::blocks`]); 0 is none.
    pub summary: u64,
    /// Unused, 0.
    pub reserved: [u32; 2],
}

/// Bits of [`RealServer::flags`].
pub mod flags {
    /// It is a member of its service (`IP_VS_DEST_F_AVAILABLE`).
    pub const AVAILABLE: u32 = 1;
    /// The MAC addresses and the interface are known.
    pub const REACHABLE: u32 = 2;
    /// It is the director itself.
    pub const LOCAL: u32 = 4;
    /// A health check took it out: it is not available, and UDP flows leave it at once.
    pub const FAILED: u32 = 8;
    /// It is drained of its clients: while its weight is 0, its templates bind no new connection.
    pub const RELEASED: u32 = 16;
}

/// A real server's connections, counted by all CPUs: one cache line of its own.
#[repr(C, align(64))]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Active connections.
    pub active: u64,
    /// Inactive connections.
    pub inactive: u64,
    /// Persistence templates.
    pub persistent: u64,
    /// 1 while it takes no new connections (`IP_VS_DEST_F_OVERLOAD`).
    pub overloaded: u64,
    /// Unused, 0.
    pub reserved: [u64; 4],
}

const _: () = assert!(size_of::<RealServer>() == 64);
const _: () = assert!(size_of::<Counts>() == 64);

/// A MAC address in the low six bytes of a word as it lies in memory; the other two are 0.
pub const fn mac_word(mac: [u8; 6]) -> u64 {
    let [a, b, c, d, e, f] = mac;
    u64::from_ne_bytes([a, b, c, d, e, f, 0, 0])
}

/// Whether a real server with `total` connections is overloaded after a new one came (`ip_vs_bind_dest`).
#[inline(always)]
pub const fn overloads(server: &RealServer, total: u64) -> bool {
    server.upper_threshold != 0 && total >= server.upper_threshold as u64
}

/// Whether it is relieved after one went (`ip_vs_unbind_dest`).
#[inline(always)]
pub const fn relieves(server: &RealServer, total: u64) -> bool {
    if server.upper_threshold == 0 {
        true
    } else if server.lower_threshold != 0 {
        total < server.lower_threshold as u64
    } else {
        total * 4 < server.upper_threshold as u64 * 3
    }
}
