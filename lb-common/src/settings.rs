//! What the packet path is told: timeouts and IPVS' sysctls.

use crate::tcp::TIMEOUTS;

/// The settings, written by the control plane only, word by word. The first cache line is what every packet reads, the
/// second what new connections, templates and some schedulers read.
#[repr(C, align(64))]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// Timeouts in jiffies, by TCP state, then UDP's.
    pub timeouts: [u32; TIMEOUTS],
    /// Number of mark nodes in force; 0 is no mark rules.
    pub mark_nodes: u32,
    /// Index of the first mark node in force.
    pub first_mark_node: u32,
    /// Bits of [`flags`].
    pub flags: u32,
    /// `conn_reuse_mode` (bits 1 and 2).
    pub conn_reuse_mode: u32,
    /// One in so many packets that would open a connection is dropped (`drop_packet`); 0 drops none.
    pub drop_rate: u32,
    /// Jiffies that a template lives on when it expires while it still controls connections (`template_rearm`).
    pub template_rearm: u32,
    /// `lblc_expiration`, in jiffies.
    pub lblc_expiration: u32,
    /// `lblcr_expiration`, in jiffies.
    pub lblcr_expiration: u32,
    /// Unused, 0.
    pub reserved: [u32; 12],
}

/// Bits of [`Settings::flags`]: sysctls of IPVS by their names, and which kinds of services there are.
pub mod flags {
    /// A connection to a removed real server is forgotten at once instead of dropped silently.
    pub const EXPIRE_NODEST_CONN: u32 = 1;
    /// A template of a quiesced real server is not used any more.
    pub const EXPIRE_QUIESCENT_TEMPLATE: u32 = 2;
    /// Any TCP packet but a reset may open a connection.
    pub const SLOPPY_TCP: u32 = 4;
    /// There is an IPv4 service. Without one the kernel takes IPVS' hooks off, and packets of old connections reach the stack.
    pub const SERVES_V4: u32 = 8;
    /// There is an IPv6 service.
    pub const SERVES_V6: u32 = 16;
    /// There is a service for every port: only then is it looked for.
    pub const SERVES_EVERY_PORT: u32 = 32;
    /// There is a service on TCP's port 21: only then are data ports looked for.
    pub const SERVES_FTP: u32 = 64;
    /// lc, wlc, lblc and lblcr count connections as kernels before 6.1.183 did: 256 * active + inactive.
    pub const CLASSIC_OVERHEAD: u32 = 128;
    /// An ICMP error about a packet to a service may open a connection.
    pub const SCHEDULE_ICMP: u32 = 256;
    /// The state table against SYN floods is in force.
    pub const SECURE_TCP: u32 = 512;
}

const _: () = assert!(size_of::<Settings>() == 128);
const _: () = assert!(core::mem::offset_of!(Settings, drop_rate) == 64);
