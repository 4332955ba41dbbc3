//! What the control plane asks of the sweep program, in the packet that it runs on, and what comes back in it.

/// A piece of a table to sweep, and the outcome.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sweep {
    /// [`CONNECTIONS`] or [`TEMPLATES`].
    pub table: u32,
    /// First bucket.
    pub first: u32,
    /// Number of buckets.
    pub buckets: u32,
    /// Out: flows that expired.
    pub expired: u32,
    /// Out: flows that are live.
    pub live: u32,
    /// Out: 1, so that an answer is told from a question.
    pub done: u32,
    /// Out: the kernel's jiffies.
    pub now: u64,
}

/// [`Sweep::table`]: the connections.
pub const CONNECTIONS: u32 = 0;
/// [`Sweep::table`]: the templates.
pub const TEMPLATES: u32 = 1;

const _: () = assert!(size_of::<Sweep>() == 32);
