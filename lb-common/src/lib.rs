//! The contract between LVX' XDP program and its control plane: the layout of every map, and every
//! decision that can be pure. The same code runs in the kernel and in unit tests without root.
//!
//! Addresses and ports that come from the wire stay in network byte order ([`address::Address`]);
//! everything else is in host order. Times are jiffies of the running kernel unless a name says otherwise.
#![cfg_attr(not(test), no_std)]

pub mod address;
pub mod checksum;
pub mod flow;
pub mod handshake;
pub mod icmp;
pub mod leg;
pub mod marks;
pub mod real_server;
pub mod reason;
pub mod schedule;
pub mod service;
pub mod settings;
pub mod sweep;
pub mod table;
pub mod tcp;

/// Shape of the maps: another number wherever a layout in this crate changes.
pub const LAYOUT: u32 = 5;

/// Names of the maps, as the object file and the loader know them (the kernel keeps 15 bytes).
pub mod maps {
    /// Array of [`crate::settings::Settings`], one element.
    pub const SETTINGS: &str = "SETTINGS";
    /// Array by interface index of the interface's MAC address ([`crate::real_server::mac_word`]), 0 where LVX does not balance.
    pub const INTERFACES: &str = "INTERFACES";
    /// Hash from [`crate::service::ServiceKey`] to the index of a service.
    pub const SERVICE_KEYS: &str = "SERVICE_KEYS";
    /// Array of [`crate::service::Service`].
    pub const SERVICES: &str = "SERVICES";
    /// Array of `u64` words: the pools ([`crate::schedule::pool`]).
    pub const POOLS: &str = "POOLS";
    /// Array of [`crate::schedule::locality::Cell`].
    pub const CELLS: &str = "CELLS";
    /// Hash from [`crate::schedule::locality::EntryKey`] to the cell of an entry.
    pub const ENTRY_KEYS: &str = "ENTRY_KEYS";
    /// Array of [`crate::real_server::RealServer`].
    pub const REALS: &str = "REALS";
    /// Array of [`crate::real_server::Counts`].
    pub const REAL_COUNTS: &str = "REAL_COUNTS";
    /// Array of [`crate::table::Tags`] for connections.
    pub const CONN_TAGS: &str = "CONN_TAGS";
    /// Array of [`crate::flow::Flow`]: connections.
    pub const CONNS: &str = "CONNS";
    /// Array of [`crate::table::Tags`] for templates.
    pub const TEMPLATE_TAGS: &str = "TEMPLATE_TAGS";
    /// Array of [`crate::flow::Flow`]: persistence templates.
    pub const TEMPLATES: &str = "TEMPLATES";
    /// Array of [`crate::marks::MarkNode`].
    pub const MARKS: &str = "MARKS";
    /// Array of [`crate::service::Traffic`]: a part for each CPU, in it by service index.
    pub const SERVICE_STATS: &str = "SERVICE_STATS";
    /// Array of [`crate::service::Traffic`]: a part for each CPU, in it by real server index.
    pub const REAL_STATS: &str = "REAL_STATS";
    /// Array of [`crate::handshake::Handshakes`]: a part for each CPU, in it by real server index.
    pub const HANDSHAKES: &str = "HANDSHAKES";
    /// Per-CPU array of packets by [`crate::reason::Reason`].
    pub const REASONS: &str = "REASONS";
    /// Device map by interface index: where redirected packets leave.
    pub const DEVICES: &str = "DEVICES";
}
