//! Slots of real servers.

use std::collections::{HashMap, HashSet, VecDeque};
use std::net::IpAddr;

use lb_common::handshake::Handshakes;
use lb_common::real_server::{self, Counts, RealServer, flags, mac_word};
use lb_common::schedule::blocks::Summary;
use lb_common::schedule::hash::table;
use lb_common::service::Traffic;

use super::RealId;
use super::maps::Maps;
use crate::model;

/// Address and port of a real server in its service.
pub type Address = (IpAddr, u16);

/// How a real server is reached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Path {
    /// Not known (yet).
    #[default]
    Unknown,
    /// It is the director itself.
    Local,
    /// Out of an interface, to a MAC address.
    Reachable {
        /// Egress interface.
        ifindex: u32,
        /// MAC address of the real server, or of the router to it.
        destination: [u8; 6],
        /// MAC address of the interface.
        source: [u8; 6],
        /// MTU of the interface.
        mtu: u32,
    },
}

/// A member of a service's pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Member {
    /// Which server.
    pub address: Address,
    /// Its slot.
    pub real: u32,
    /// Its weight.
    pub weight: u32,
    /// The last weight that was not 0; 0 if it was added with that.
    pub last_weight: u32,
}

impl Member {
    /// A server that joins a service. What its weight was when it was a member before is forgotten, even if it finds its
    /// connections again (`__ip_vs_update_dest`).
    pub(super) fn new(server: &model::RealServer, real: u32) -> Self {
        let address = (server.address, server.port);
        Self { address, real, weight: server.weight, last_weight: server.weight }
    }

    /// Changes its weight.
    pub(super) fn set_weight(&mut self, weight: u32) {
        self.weight = weight;
        if weight != 0 {
            self.last_weight = weight;
        }
    }

    /// What the table of a scheduler that hashes is made of.
    pub(super) fn hashed(&self) -> table::Member {
        let (address, port) = self.address;
        table::Member {
            address: address.into(),
            port: port.to_be(),
            weight: self.weight,
            last_weight: self.last_weight,
        }
    }
}

/// Free indices of a table.
#[derive(Debug)]
pub(super) struct Slots {
    next: u32,
    size: u32,
    /// The one that rested longest is taken first: a packet on its way may still know the last.
    free: VecDeque<u32>,
}

impl Slots {
    pub(super) fn new(size: u32) -> Self {
        Self { next: 0, size, free: VecDeque::new() }
    }

    pub(super) fn take(&mut self) -> Option<u32> {
        if self.next < self.size {
            self.next += 1;
            return Some(self.next - 1);
        }
        self.free.pop_front()
    }

    pub(super) fn give(&mut self, index: u32) {
        self.free.push_back(index);
    }

    pub(super) fn is_full(&self) -> bool {
        self.left() == 0
    }

    /// How many can be taken.
    pub(super) fn left(&self) -> u32 {
        (self.size - self.next).saturating_add(u32::try_from(self.free.len()).unwrap_or(u32::MAX))
    }
}

/// Ticks (seconds) that a removed server without connections is remembered: `IP_VS_DEST_TRASH_PERIOD`.
const TRASH_PERIOD: u32 = 120;

/// A removed server whose slot is kept, so that its connections find it again if it comes back.
#[derive(Debug)]
struct Removed {
    real: u32,
    idle: u32,
}

/// Every real server slot.
#[derive(Debug)]
pub(super) struct Reals {
    slots: Slots,
    removed: HashMap<RealId, Removed>,
    by_address: HashMap<IpAddr, Vec<u32>>,
    /// What had passed to a slot when its counters were set to zero.
    zero: Vec<(Traffic, Handshakes)>,
    paths: HashMap<IpAddr, Path>,
    late_threshold: bool,
}

impl Reals {
    pub(super) fn new(size: u32) -> Self {
        Self {
            slots: Slots::new(size),
            removed: HashMap::new(),
            by_address: HashMap::new(),
            zero: Vec::new(),
            paths: HashMap::new(),
            late_threshold: false,
        }
    }

    /// Whether a lowered upper threshold counts from the next new connection on only.
    pub(super) fn set_late_threshold(&mut self, late: bool) {
        self.late_threshold = late;
    }

    /// Whether a slot can be had for a server.
    pub(super) fn has_room(&self, id: &RealId) -> bool {
        self.removed.contains_key(id) || !self.slots.is_full()
    }

    /// Slots that can be had for servers that never were there.
    pub(super) fn left(&self) -> u32 {
        self.slots.left()
    }

    /// The slot of a server that joins a service: its old one, connections and all, if it was removed a while ago
    /// (`ip_vs_trash_get_dest`). Nothing refers to it yet.
    pub(super) fn join(
        &mut self,
        maps: &mut impl Maps,
        id: &RealId,
        service: u32,
        server: &model::RealServer,
    ) -> Option<u32> {
        let (index, before) = match self.removed.remove(id) {
            Some(removed) => (removed.real, maps.real(removed.real)),
            None => {
                let index = self.slots.take()?;
                let generation = maps.real(index).generation.wrapping_add(1);
                maps.set_counts(index, &Counts::default());
                self.zero(maps, index);
                self.by_address.entry(id.1).or_default().push(index);
                (index, RealServer { generation, ..RealServer::default() })
            }
        };
        let mut real = RealServer { service, flags: flags::AVAILABLE, ..before };
        configure(&mut real, server);
        self.judge_load(maps, index, &before, &real);
        address(&mut real, self.paths.get(&id.1).copied().unwrap_or_default());
        maps.set_real(index, &real);
        Some(index)
    }

    /// Lets a slot's counters start from here.
    pub(super) fn zero(&mut self, maps: &impl Maps, index: u32) {
        let place = index as usize;
        if self.zero.len() <= place {
            self.zero.resize(place + 1, Default::default());
        }
        self.zero[place] = (maps.real_traffic(index), maps.handshakes(index));
    }

    /// What passed to a slot since its counters started.
    pub(super) fn traffic(&self, maps: &impl Maps, index: u32) -> Traffic {
        maps.real_traffic(index).since(&self.zero.get(index as usize).copied().unwrap_or_default().0)
    }

    /// Handshakes of a slot since its counters started.
    pub(super) fn handshakes(&self, maps: &impl Maps, index: u32) -> Handshakes {
        maps.handshakes(index).since(&self.zero.get(index as usize).copied().unwrap_or_default().1)
    }

    /// Weight and thresholds of a member.
    pub(super) fn edit(&self, maps: &mut impl Maps, index: u32, server: &model::RealServer) {
        let before = maps.real(index);
        let mut real = before;
        configure(&mut real, server);
        maps.set_real(index, &real);
        self.judge_load(maps, index, &before, &real);
    }

    /// A member leaves its service; its slot stays for its connections.
    pub(super) fn leave(&mut self, maps: &mut impl Maps, id: RealId, index: u32, failed: bool) {
        let mut real = maps.real(index);
        real.summary = 0;
        real.flags &= !(flags::AVAILABLE | flags::FAILED | flags::RELEASED);
        if failed {
            real.flags |= flags::FAILED;
        }
        maps.set_real(index, &real);
        self.removed.insert(id, Removed { real: index, idle: 0 });
    }

    /// Whether a member's templates are void while its weight is 0.
    pub(super) fn set_released(&self, maps: &mut impl Maps, index: u32, released: bool) {
        let mut real = maps.real(index);
        let before = real.flags;
        real.flags = if released { before | flags::RELEASED } else { before & !flags::RELEASED };
        if real.flags != before {
            maps.set_real(index, &real);
        }
    }

    /// An address is reached in another way from now on.
    pub(super) fn set_path(&mut self, maps: &mut impl Maps, address_: IpAddr, path: Path) {
        self.paths.insert(address_, path);
        for index in self.by_address.get(&address_).into_iter().flatten() {
            let mut real = maps.real(*index);
            address(&mut real, path);
            maps.set_real(*index, &real);
        }
    }

    /// Whether a server is overloaded after its thresholds changed (`__ip_vs_update_dest`): raising or removing the upper
    /// one ends an overload, one that its connections have reached starts it (not in older kernels: `late_threshold`),
    /// and otherwise it is as it was.
    fn judge_load(&self, maps: &mut impl Maps, index: u32, before: &RealServer, after: &RealServer) {
        let counts = maps.counts(index);
        let raised = after.upper_threshold == 0 || after.upper_threshold > before.upper_threshold;
        let total = counts.active.wrapping_add(counts.inactive);
        let reached = !self.late_threshold && real_server::overloads(after, total);
        let overloaded = reached || counts.overloaded != 0 && !raised;
        if (counts.overloaded != 0) != overloaded {
            maps.set_overloaded(index, overloaded);
            if let Ok(word @ 1..) = u32::try_from(after.summary) {
                maps.add_to_pool_word(word, Summary::CHANGE);
            }
        }
    }

    /// Whether the next [`Self::collect`] may forget a server.
    pub(super) fn is_about_to_forget(&self) -> bool {
        self.removed.values().any(|removed| removed.idle >= TRASH_PERIOD)
    }

    /// Forgets removed servers that had no connections for long enough (`ip_vs_dest_trash_expire`), and whose slots are
    /// not among those `remembered` by a scheduler.
    pub(super) fn collect(&mut self, maps: &mut impl Maps, remembered: &HashSet<u32>) {
        let (slots, by_address) = (&mut self.slots, &mut self.by_address);
        self.removed.retain(|id, removed| {
            let counts = maps.counts(removed.real);
            let idle = counts.active + counts.inactive + counts.persistent == 0 && !remembered.contains(&removed.real);
            removed.idle = if idle { removed.idle + 1 } else { 0 };
            if removed.idle <= TRASH_PERIOD {
                return true;
            }
            if let Some(indices) = by_address.get_mut(&id.1) {
                indices.retain(|index| *index != removed.real);
                if indices.is_empty() {
                    by_address.remove(&id.1);
                }
            }
            slots.give(removed.real);
            false
        });
    }

    /// The slot that a removed server still has.
    pub(super) fn slot(&self, id: &RealId) -> Option<u32> {
        self.removed.get(id).map(|removed| removed.real)
    }

    /// Every removed server that still has a slot.
    pub(super) fn removed(&self) -> impl Iterator<Item = (&RealId, u32)> {
        self.removed.iter().map(|(id, removed)| (id, removed.real))
    }
}

fn configure(real: &mut RealServer, server: &model::RealServer) {
    real.weight = server.weight;
    real.upper_threshold = server.upper_threshold;
    real.lower_threshold = server.lower_threshold;
}

fn address(real: &mut RealServer, path: Path) {
    real.flags &= !(flags::REACHABLE | flags::LOCAL);
    match path {
        Path::Unknown => {}
        Path::Local => real.flags |= flags::LOCAL,
        Path::Reachable { ifindex, destination, source, mtu } => {
            real.flags |= flags::REACHABLE;
            real.ifindex = ifindex;
            real.destination_mac = mac_word(destination);
            real.source_mac = mac_word(source);
            real.mtu = mtu;
        }
    }
}
