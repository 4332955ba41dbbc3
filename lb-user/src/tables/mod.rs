//! From services and real servers to the packet path's tables: which index, which words, in which order.
//!
//! Whoever calls has checked the change against the [`crate::model::Model`]; what can still fail here is room, and that is
//! found out before anything is written.

mod arena;
pub mod kernel;
mod locality;
pub mod maps;
mod members;
pub mod memory;
mod room;
mod servers;
mod services;
pub mod shared;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;

use lb_common::marks::MarkNode;
use lb_common::settings::{Settings, flags};
use lb_common::tcp::{DEFAULT_TIMEOUTS, State, TIMEOUTS, UDP};

use crate::api::Refusal;
use crate::dataplane::Sizes;
use crate::model::{Family, Protocol, ServiceId, Sysctls, Timeouts};
use arena::Arena;
use maps::Maps;
pub use members::Step;
pub use room::Room;
use servers::Slots;
pub use servers::{Address, Member, Path};
use services::Entry;
pub use services::Passed;
pub(crate) use services::kind;

/// Most mark nodes that one set of rules may have; the map holds two sets.
pub const MAX_MARK_NODES: u32 = lb_common::marks::MAX_MARK_NODES;

/// The packet path's tables and what is where in them.
#[derive(Debug)]
pub struct Tables<M> {
    maps: M,
    services: HashMap<ServiceId, Entry>,
    free_services: Slots,
    pools: Arena,
    /// Words that the tables of sh, dh and mh may take in the pools, all together.
    hash_words: u32,
    reals: servers::Reals,
    settings: Settings,
    /// The settings as the packet path knows them.
    told: Option<Settings>,
    sysctls: Sysctls,
    /// For how many more connections the table was made.
    room: u64,
    /// A server was removed whose connections are to be forgotten.
    flush_due: bool,
    /// How many services there are of each kind of [`SERVED`].
    served: [u32; SERVED.len()],
    /// The mark rules in force.
    marks: Vec<MarkNode>,
}

impl<M: Maps> Tables<M> {
    /// Empty tables over empty maps.
    pub fn new(maps: M, sizes: Sizes) -> Self {
        let mut tables = Self {
            maps,
            services: HashMap::new(),
            free_services: Slots::new(sizes.services),
            pools: Arena::new(sizes.pool_words()),
            hash_words: sizes.hash_words(),
            reals: servers::Reals::new(sizes.real_slots()),
            settings: Settings::default(),
            told: None,
            sysctls: Sysctls::default(),
            room: sizes.connections.into(),
            flush_due: false,
            served: [0; SERVED.len()],
            marks: Vec::new(),
        };
        locality::format(&mut tables.maps);
        tables.set_timeouts(&Timeouts::default());
        tables.set_sysctls(&Sysctls::default());
        tables
    }

    /// The maps.
    pub fn maps(&self) -> &M {
        &self.maps
    }

    /// The maps, to change what is not the tables' business.
    pub fn maps_mut(&mut self) -> &mut M {
        &mut self.maps
    }

    /// Timeouts of connections; they take effect with a connection's next packet.
    pub fn set_timeouts(&mut self, timeouts: &Timeouts) {
        let mut seconds: [u32; TIMEOUTS] = DEFAULT_TIMEOUTS;
        seconds[State::Established as usize] = timeouts.tcp;
        seconds[State::FinWait as usize] = timeouts.tcpfin;
        seconds[UDP] = timeouts.udp;
        self.settings.timeouts = seconds.map(|seconds| self.jiffies(seconds));
        self.tell();
    }

    /// IPVS' sysctls.
    pub fn set_sysctls(&mut self, sysctls: &Sysctls) {
        self.sysctls = *sysctls;
        self.reals.set_late_threshold(sysctls.late_threshold);
        self.tell_sysctls();
    }

    /// The connection table was made for so many more connections, which the automatic modes look at.
    pub fn set_room(&mut self, room: u64) {
        self.room = room;
        self.tell_sysctls();
    }

    /// The sysctls as the kernel would show them: automatic modes as they are now.
    pub fn sysctls(&self) -> Sysctls {
        self.sysctls.shown(self.room)
    }

    /// Whether idle and half-open connections are to be dropped now.
    pub fn drops_entries(&self) -> bool {
        self.sysctls.acts(self.sysctls.drop_entry, self.room)
    }

    /// Whether connections of removed servers are to be forgotten (`ip_vs_expire_nodest_conn_flush`).
    pub fn flush_is_due(&self) -> bool {
        self.flush_due
    }

    /// They were.
    pub fn flushed(&mut self) {
        self.flush_due = false;
    }

    /// Writes the settings, if they are others than the packet path knows.
    fn tell(&mut self) {
        if self.told != Some(self.settings) {
            self.maps.set_settings(&self.settings);
            self.told = Some(self.settings);
        }
    }

    fn tell_sysctls(&mut self) {
        let sysctls = self.sysctls;
        let bit = |set: bool, bit: u32| if set { bit } else { 0 };
        let before = self.settings.flags & flags::CLASSIC_OVERHEAD;
        let serves = SERVED.into_iter().fold(0, |all, bit| all | self.settings.flags & bit);
        self.settings.flags = serves
            | bit(sysctls.expire_nodest_conn, flags::EXPIRE_NODEST_CONN)
            | bit(sysctls.expire_quiescent_template, flags::EXPIRE_QUIESCENT_TEMPLATE)
            | bit(sysctls.sloppy_tcp, flags::SLOPPY_TCP)
            | bit(sysctls.classic_overhead, flags::CLASSIC_OVERHEAD)
            | bit(sysctls.schedule_icmp, flags::SCHEDULE_ICMP)
            | bit(sysctls.acts(sysctls.secure_tcp, self.room), flags::SECURE_TCP);
        self.settings.conn_reuse_mode = sysctls.conn_reuse_mode;
        self.settings.drop_rate = sysctls.drop_rate(self.room);
        self.settings.template_rearm = self.jiffies(sysctls.template_rearm);
        self.settings.lblc_expiration = self.jiffies(sysctls.lblc_expiration);
        self.settings.lblcr_expiration = self.jiffies(sysctls.lblcr_expiration);
        self.tell();
        if before != self.settings.flags & flags::CLASSIC_OVERHEAD {
            self.forget_blocks();
        }
    }

    /// Tells the packet path which kinds of services there are, now that there is one more, or one less.
    fn count_served(&mut self, id: &ServiceId, more: bool) {
        for (bit, count) in SERVED.into_iter().zip(&mut self.served) {
            if served(id) & bit != 0 {
                *count = if more { *count + 1 } else { *count - 1 };
            }
            self.settings.flags &= !bit;
            if *count > 0 {
                self.settings.flags |= bit;
            }
        }
        self.tell();
    }

    /// Replaces the mark rules: written beside those in force, then switched to.
    ///
    /// # Errors
    /// There are too many.
    pub fn set_marks(&mut self, nodes: &[MarkNode]) -> Result<(), Refusal> {
        let count = u32::try_from(nodes.len()).unwrap_or(u32::MAX);
        if count > MAX_MARK_NODES {
            return Err(Refusal::Full(format!("the mark rules need {count} nodes of {MAX_MARK_NODES}")));
        }
        if nodes == self.marks {
            return Ok(());
        }
        let first = if self.settings.first_mark_node == 0 { MAX_MARK_NODES } else { 0 };
        // A packet on its way may still walk through the rules before the last ones.
        self.maps.wait_for_packets();
        self.maps.set_marks(first, nodes);
        self.settings.first_mark_node = first;
        self.settings.mark_nodes = count;
        self.tell();
        self.marks = nodes.to_vec();
        Ok(())
    }

    /// Time passes: call about once a second.
    pub fn tick(&mut self) {
        let remembered = if self.reals.is_about_to_forget() { self.remembered() } else { HashSet::new() };
        self.reals.collect(&mut self.maps, &remembered);
    }

    fn jiffies(&self, seconds: u32) -> u32 {
        seconds.saturating_mul(self.maps.hz())
    }
}

/// The kinds of services that the packet path is told of.
const SERVED: [u32; 4] = [flags::SERVES_V4, flags::SERVES_V6, flags::SERVES_EVERY_PORT, flags::SERVES_FTP];

/// The kinds that a service is of.
fn served(id: &ServiceId) -> u32 {
    let family = match id.family() {
        Family::Inet => flags::SERVES_V4,
        Family::Inet6 => flags::SERVES_V6,
    };
    family
        | match id {
            ServiceId::Address { port: 0, .. } => flags::SERVES_EVERY_PORT,
            ServiceId::Address { protocol: Protocol::Tcp, port: 21, .. } => flags::SERVES_FTP,
            ServiceId::Address { .. } | ServiceId::Mark { .. } => 0,
        }
}

/// The key of a real server: the service, its address, its port.
pub type RealId = (ServiceId, IpAddr, u16);
