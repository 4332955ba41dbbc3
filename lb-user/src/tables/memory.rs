//! The tables' twin in memory: what the packet path would be told, without a kernel.

use std::collections::HashMap;
use std::io;
use std::ops::Range;

use lb_common::flow::Flow;
use lb_common::handshake::Handshakes;
use lb_common::marks::MarkNode;
use lb_common::real_server::{Counts, RealServer};
use lb_common::schedule::locality::{Cell, EntryKey, words};
use lb_common::service::{Service, ServiceKey, Traffic};
use lb_common::settings::Settings;

use super::maps::{FlowTable, Maps};

/// Maps in memory, which count what is written.
#[derive(Debug, Default)]
pub struct MemoryMaps {
    /// Number of writes so far.
    pub writes: u64,
    /// Keys of services.
    pub keys: HashMap<ServiceKey, u32>,
    /// Services.
    pub services: HashMap<u32, Service>,
    /// Real servers.
    pub reals: HashMap<u32, RealServer>,
    /// Their connections.
    pub counts: HashMap<u32, Counts>,
    /// Words of the pools.
    pub pools: HashMap<u32, u64>,
    /// The cells of lblc's and lblcr's tables.
    pub cells: HashMap<u32, Cell>,
    /// Keys of entries.
    pub entries: HashMap<EntryKey, u32>,
    /// The settings.
    pub settings: Settings,
}

/// Number of cells.
const CELLS: u32 = 64;

/// A word of a cell that the control plane changes.
fn cell_word(cell: &mut Cell, word: usize, change: impl FnOnce(u64) -> u64) {
    match word {
        words::LIST => cell.list = change(cell.list),
        words::NEXT => {
            let value = change(u64::from(cell.table) | u64::from(cell.next) << u32::BITS);
            (cell.table, cell.next) = (value as u32, (value >> u32::BITS) as u32);
        }
        other => unreachable!("the control plane changes no word {other} of a cell"),
    }
}

impl Maps for MemoryMaps {
    fn hz(&self) -> u32 {
        250
    }

    fn set_key(&mut self, key: &ServiceKey, service: Option<u32>) -> io::Result<()> {
        self.writes += 1;
        match service {
            Some(index) => self.keys.insert(*key, index),
            None => self.keys.remove(key),
        };
        Ok(())
    }

    fn set_service(&mut self, index: u32, service: &Service) {
        self.writes += 1;
        self.services.insert(index, *service);
    }

    fn set_real(&mut self, index: u32, real: &RealServer) {
        self.writes += 1;
        self.reals.insert(index, *real);
    }

    fn set_summary(&mut self, index: u32, word: u64) {
        self.writes += 1;
        self.reals.entry(index).or_default().summary = word;
    }

    fn real(&self, index: u32) -> RealServer {
        self.reals.get(&index).copied().unwrap_or_default()
    }

    fn counts(&self, index: u32) -> Counts {
        self.counts.get(&index).copied().unwrap_or_default()
    }

    fn set_overloaded(&mut self, index: u32, overloaded: bool) {
        self.writes += 1;
        self.counts.entry(index).or_default().overloaded = overloaded.into();
    }

    fn set_counts(&mut self, index: u32, counts: &Counts) {
        self.writes += 1;
        self.counts.insert(index, *counts);
    }

    fn wait_for_packets(&self) {}

    fn set_pool(&mut self, first: u32, words: &[u64]) {
        self.writes += 1;
        self.pools.extend((first..).zip(words.iter().copied()));
    }

    fn pool_word(&self, at: u32) -> u64 {
        self.pools.get(&at).copied().unwrap_or_default()
    }

    fn add_to_pool_word(&mut self, at: u32, value: u64) {
        self.writes += 1;
        let word = self.pools.entry(at).or_default();
        *word = word.wrapping_add(value);
    }

    fn cells(&self) -> u32 {
        CELLS
    }

    fn cell(&self, index: u32) -> Cell {
        self.cells.get(&index).copied().unwrap_or_default()
    }

    fn set_cell(&mut self, index: u32, cell: &Cell) {
        self.writes += 1;
        self.cells.insert(index, *cell);
    }

    fn set_cell_word(&mut self, index: u32, word: usize, value: u64) {
        self.writes += 1;
        cell_word(self.cells.entry(index).or_default(), word, |_| value);
    }

    fn add_to_cell_word(&mut self, index: u32, word: usize, value: u64) {
        self.writes += 1;
        cell_word(self.cells.entry(index).or_default(), word, |old| old.wrapping_add(value));
    }

    fn swap_cell_word(&mut self, index: u32, word: usize, _old: u64, new: u64) -> bool {
        self.set_cell_word(index, word, new);
        true
    }

    fn forget_entry(&mut self, key: &EntryKey) -> bool {
        self.writes += 1;
        self.entries.remove(key);
        true
    }

    fn set_settings(&mut self, settings: &Settings) {
        self.writes += 1;
        self.settings = *settings;
    }

    fn set_marks(&mut self, _first: u32, _nodes: &[MarkNode]) {
        self.writes += 1;
    }

    fn service_traffic(&self, _index: u32) -> Traffic {
        Traffic::default()
    }

    fn real_traffic(&self, _index: u32) -> Traffic {
        Traffic::default()
    }

    fn handshakes(&self, _index: u32) -> Handshakes {
        Handshakes::default()
    }

    fn writes(&self) -> u64 {
        self.writes
    }

    fn buckets(&self, _table: FlowTable) -> u32 {
        0
    }

    fn flows_in(&self, _table: FlowTable, _buckets: Range<u32>, _visit: &mut dyn FnMut(u32, &Flow)) {}
}
