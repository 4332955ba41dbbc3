//! The tables in the kernel.

use std::io;
use std::ops::Range;
use std::time::Duration;

use anyhow::Result;
use aya::Ebpf;
use aya::maps::{HashMap, Map, MapData, MapError};
use lb_common::flow::{Flow, Word};
use lb_common::handshake::Handshakes;
use lb_common::maps as names;
use lb_common::marks::MarkNode;
use lb_common::real_server::{Counts, RealServer, mac_word};
use lb_common::schedule::locality::{Cell, EntryKey, words};
use lb_common::service::{Service, ServiceKey, Traffic};
use lb_common::settings::Settings;
use lb_common::table::{self, Tags, WAYS, WAYS_PER_WORD};

use super::maps::{FlowTable, Maps};
use super::shared::{Plain, Shared};
use crate::dataplane::{Sizes, take};

/// Which word of [`Counts`] is `overloaded`.
const OVERLOADED: usize = std::mem::offset_of!(Counts, overloaded) / size_of::<u64>();

/// Which word of [`RealServer`] is `summary`.
const SUMMARY: usize = std::mem::offset_of!(RealServer, summary) / size_of::<u64>();

/// Longer than a packet takes, where the kernel cannot be asked.
const PACKET_TIME: Duration = Duration::from_millis(100);

/// A service key as aya takes it.
#[repr(transparent)]
#[derive(Clone, Copy)]
struct Key(ServiceKey);

// SAFETY: five words without padding (asserted in lb-common).
unsafe impl aya::Pod for Key {}

/// The key of an entry as aya takes it.
#[repr(transparent)]
#[derive(Clone, Copy)]
struct Entry(EntryKey);

// SAFETY: five words without padding (asserted in lb-common).
unsafe impl aya::Pod for Entry {}

/// The maps of the loaded program.
pub struct KernelMaps {
    /// How often something was written.
    writes: u64,
    hz: u32,
    cpus: u32,
    sizes: Sizes,
    keys: HashMap<MapData, Key, u32>,
    settings: Shared<Settings>,
    interfaces: Shared<u64>,
    services: Shared<Service>,
    service_stats: Shared<Traffic>,
    pools: Shared<u64>,
    reals: Shared<RealServer>,
    counts: Shared<Counts>,
    real_stats: Shared<Traffic>,
    handshakes: Shared<Handshakes>,
    marks: Shared<MarkNode>,
    cells: Shared<Cell>,
    entries: HashMap<MapData, Entry, u32>,
    connections: Flows,
    templates: Flows,
}

struct Flows {
    tags: Shared<Tags>,
    flows: Shared<Flow>,
}

impl KernelMaps {
    /// Takes the maps out of a loaded object.
    ///
    /// # Errors
    /// A map is missing, or cannot be mapped into memory.
    pub(crate) fn open(ebpf: &mut Ebpf, sizes: Sizes, cpus: u32, hz: u32) -> Result<Self> {
        let connections = table::buckets(sizes.connections);
        let templates = table::buckets(sizes.templates);
        Ok(Self {
            writes: 0,
            hz,
            cpus,
            sizes,
            keys: HashMap::try_from(take(ebpf, names::SERVICE_KEYS)?)?,
            settings: shared(ebpf, names::SETTINGS)?,
            interfaces: shared(ebpf, names::INTERFACES)?,
            services: shared(ebpf, names::SERVICES)?,
            service_stats: shared(ebpf, names::SERVICE_STATS)?,
            pools: shared(ebpf, names::POOLS)?,
            reals: shared(ebpf, names::REALS)?,
            counts: shared(ebpf, names::REAL_COUNTS)?,
            real_stats: shared(ebpf, names::REAL_STATS)?,
            handshakes: shared(ebpf, names::HANDSHAKES)?,
            marks: shared(ebpf, names::MARKS)?,
            cells: shared(ebpf, names::CELLS)?,
            entries: HashMap::try_from(take(ebpf, names::ENTRY_KEYS)?)?,
            connections: Flows::open(ebpf, names::CONN_TAGS, names::CONNS, connections)?,
            templates: Flows::open(ebpf, names::TEMPLATE_TAGS, names::TEMPLATES, templates)?,
        })
    }

    /// Balances packets to this MAC address on an interface; `None` ends it.
    ///
    /// # Errors
    /// The interface's index is beyond the map.
    pub fn set_interface(&mut self, ifindex: u32, mac: Option<[u8; 6]>) -> io::Result<()> {
        if ifindex >= self.interfaces.len() {
            let most = self.interfaces.len() - 1;
            return Err(io::Error::other(format!("interface index {ifindex} is above {most}")));
        }
        self.writes += 1;
        self.interfaces.write(ifindex, &mac.map_or(0, mac_word));
        Ok(())
    }

    /// Rewrites a flow as `change` says: for tests that let time pass.
    pub fn change_flows(&mut self, table: FlowTable, change: &mut dyn FnMut(&mut Flow)) {
        let flows = self.table(table);
        for index in 0..flows.flows.len() {
            let mut flow = flows.flows.read(index);
            if Word(flow.word).is_live() {
                change(&mut flow);
                flows.flows.write(index, &flow);
            }
        }
    }

    /// Makes what lblc and lblcr remember older by so many jiffies: for tests that let time pass.
    pub fn age_entries(&mut self, jiffies: u64) {
        for index in 0..self.cells.len() {
            if self.cells.word(index, words::NEXT) as u32 != 0 {
                let mut cell = self.cells.read(index);
                (cell.used, cell.changed) = (cell.used.saturating_sub(jiffies), cell.changed.saturating_sub(jiffies));
                self.cells.write(index, &cell);
            }
        }
    }

    fn table(&self, table: FlowTable) -> &Flows {
        match table {
            FlowTable::Connections => &self.connections,
            FlowTable::Templates => &self.templates,
        }
    }

    fn sum(stats: &Shared<Traffic>, cpus: u32, part: u32, index: u32) -> Traffic {
        let mut sum = Traffic::default();
        for cpu in 0..cpus {
            let traffic = stats.read(cpu * part + index);
            sum.connections += traffic.connections;
            sum.packets += traffic.packets;
            sum.bytes += traffic.bytes;
        }
        sum
    }
}

impl Flows {
    fn open(ebpf: &mut Ebpf, tags: &str, flows: &str, buckets: u32) -> Result<Self> {
        let opened = Self { tags: shared(ebpf, tags)?, flows: shared(ebpf, flows)? };
        debug_assert_eq!((opened.tags.len(), opened.flows.len()), (buckets, buckets * WAYS));
        Ok(opened)
    }
}

fn shared<T: Plain>(ebpf: &mut Ebpf, name: &str) -> Result<Shared<T>> {
    let map = take(ebpf, name)?;
    let Map::Array(data) = &map else { anyhow::bail!("the map `{name}` is no array") };
    let info = data.info()?;
    anyhow::ensure!(info.value_size() as usize == size_of::<T>(), "the map `{name}` holds other values");
    Ok(Shared::map(data.fd(), info.max_entries())?)
}

impl Maps for KernelMaps {
    fn hz(&self) -> u32 {
        self.hz
    }

    fn set_key(&mut self, key: &ServiceKey, service: Option<u32>) -> io::Result<()> {
        self.writes += 1;
        let key = Key(*key);
        match service {
            Some(index) => self.keys.insert(key, index, 0).map_err(io::Error::other),
            None => self.keys.remove(&key).map_err(io::Error::other),
        }
    }

    fn set_service(&mut self, index: u32, service: &Service) {
        self.writes += 1;
        self.services.write(index, service);
    }

    fn set_real(&mut self, index: u32, real: &RealServer) {
        self.writes += 1;
        self.reals.write(index, real);
    }

    fn set_summary(&mut self, index: u32, word: u64) {
        self.writes += 1;
        self.reals.set_word(index, SUMMARY, word);
    }

    fn real(&self, index: u32) -> RealServer {
        self.reals.read(index)
    }

    fn counts(&self, index: u32) -> Counts {
        self.counts.read(index)
    }

    fn set_overloaded(&mut self, index: u32, overloaded: bool) {
        self.writes += 1;
        self.counts.set_word(index, OVERLOADED, overloaded.into());
    }

    fn set_counts(&mut self, index: u32, counts: &Counts) {
        self.writes += 1;
        self.counts.write(index, counts);
    }

    fn wait_for_packets(&self) {
        // XDP runs under RCU, and this is the kernel's `synchronize_rcu`.
        // SAFETY: the system call takes no pointers.
        let code = unsafe { libc::syscall(libc::SYS_membarrier, libc::MEMBARRIER_CMD_GLOBAL, 0, 0) };
        if code != 0 {
            // Refused with nohz_full CPUs. No packet's way through the program takes a thousandth of this.
            std::thread::sleep(PACKET_TIME);
        }
    }

    fn set_pool(&mut self, first: u32, words: &[u64]) {
        self.writes += 1;
        for (at, word) in (first..).zip(words) {
            self.pools.write(at, word);
        }
    }

    fn pool_word(&self, at: u32) -> u64 {
        self.pools.word(at, 0)
    }

    fn add_to_pool_word(&mut self, at: u32, value: u64) {
        self.writes += 1;
        self.pools.add_to_word(at, 0, value);
    }

    fn cells(&self) -> u32 {
        self.cells.len()
    }

    fn cell(&self, index: u32) -> Cell {
        self.cells.read(index)
    }

    fn set_cell(&mut self, index: u32, cell: &Cell) {
        self.writes += 1;
        self.cells.write(index, cell);
    }

    fn set_cell_word(&mut self, index: u32, word: usize, value: u64) {
        self.writes += 1;
        self.cells.set_word(index, word, value);
    }

    fn add_to_cell_word(&mut self, index: u32, word: usize, value: u64) {
        self.writes += 1;
        self.cells.add_to_word(index, word, value);
    }

    fn swap_cell_word(&mut self, index: u32, word: usize, old: u64, new: u64) -> bool {
        self.writes += 1;
        self.cells.swap_word(index, word, old, new)
    }

    fn forget_entry(&mut self, key: &EntryKey) -> bool {
        self.writes += 1;
        matches!(self.entries.remove(&Entry(*key)), Ok(()) | Err(MapError::KeyNotFound))
    }

    fn set_settings(&mut self, settings: &Settings) {
        self.writes += 1;
        self.settings.write(0, settings);
    }

    fn set_marks(&mut self, first: u32, nodes: &[MarkNode]) {
        self.writes += 1;
        for (at, node) in (first..).zip(nodes) {
            self.marks.write(at, node);
        }
    }

    fn service_traffic(&self, index: u32) -> Traffic {
        Self::sum(&self.service_stats, self.cpus, self.sizes.services, index)
    }

    fn real_traffic(&self, index: u32) -> Traffic {
        Self::sum(&self.real_stats, self.cpus, self.sizes.real_slots(), index)
    }

    fn handshakes(&self, index: u32) -> Handshakes {
        let of = |cpu| self.handshakes.read(cpu * self.sizes.real_slots() + index);
        (0..self.cpus).map(of).fold(Handshakes::default(), |sum, handshakes| sum.and(&handshakes))
    }

    fn writes(&self) -> u64 {
        self.writes
    }

    fn buckets(&self, table: FlowTable) -> u32 {
        self.table(table).tags.len()
    }

    fn flows_in(&self, table: FlowTable, buckets: Range<u32>, visit: &mut dyn FnMut(u32, &Flow)) {
        let table = self.table(table);
        for bucket in buckets {
            let tags = table.tags.read(bucket);
            for (half, word) in (0..).zip(tags.words) {
                for way in 0..WAYS_PER_WORD {
                    if word >> (way * 8) & 0xff == 0 {
                        continue;
                    }
                    let index = bucket * WAYS + half * WAYS_PER_WORD + way;
                    let flow = table.flows.read(index);
                    if Word(flow.word).is_live() {
                        visit(index, &flow);
                    }
                }
            }
        }
    }
}
