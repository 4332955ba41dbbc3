//! The one door to the packet path's tables, with a twin in memory for tests.

use std::io;
use std::ops::Range;

use lb_common::flow::Flow;
use lb_common::handshake::Handshakes;
use lb_common::marks::MarkNode;
use lb_common::real_server::{Counts, RealServer};
use lb_common::schedule::locality::{Cell, EntryKey};
use lb_common::service::{Service, ServiceKey, Traffic};
use lb_common::settings::Settings;

/// Which table of flows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlowTable {
    /// Connections.
    Connections,
    /// Persistence templates.
    Templates,
}

/// The tables, element by element.
pub trait Maps {
    /// Jiffies in a second of the packet path's clock.
    fn hz(&self) -> u32;
    /// Lets a key lead to a service, or nowhere.
    ///
    /// # Errors
    /// The kernel refused, for want of room.
    fn set_key(&mut self, key: &ServiceKey, service: Option<u32>) -> io::Result<()>;
    /// Writes a service.
    fn set_service(&mut self, index: u32, service: &Service);
    /// Writes a real server.
    fn set_real(&mut self, index: u32, real: &RealServer);
    /// Writes where the word of a real server's block is.
    fn set_summary(&mut self, index: u32, word: u64);
    /// Reads a real server.
    fn real(&self, index: u32) -> RealServer;
    /// A real server's connections.
    fn counts(&self, index: u32) -> Counts;
    /// Marks a real server as overloaded or not.
    fn set_overloaded(&mut self, index: u32, overloaded: bool);
    /// Writes a real server's connections: only while nothing refers to it.
    fn set_counts(&mut self, index: u32, counts: &Counts);
    /// Waits until no packet that is on its way now is so any more.
    fn wait_for_packets(&self);
    /// Writes words of the pools.
    fn set_pool(&mut self, first: u32, words: &[u64]);
    /// Reads a word of the pools.
    fn pool_word(&self, at: u32) -> u64;
    /// Adds to a word of the pools, wrapping.
    fn add_to_pool_word(&mut self, at: u32, value: u64);
    /// Number of cells of lblc's and lblcr's tables.
    fn cells(&self) -> u32;
    /// Reads a cell.
    fn cell(&self, index: u32) -> Cell;
    /// Writes a cell that no packet knows.
    fn set_cell(&mut self, index: u32, cell: &Cell);
    /// Writes a word of a cell: one of [`lb_common::schedule::locality::words`].
    fn set_cell_word(&mut self, index: u32, word: usize, value: u64);
    /// Adds to a word of a cell, wrapping.
    fn add_to_cell_word(&mut self, index: u32, word: usize, value: u64);
    /// Writes a word of a cell if it still is `old`; tells whether it was.
    fn swap_cell_word(&mut self, index: u32, word: usize, old: u64, new: u64) -> bool;
    /// Removes the key of an entry; tells whether it is gone.
    fn forget_entry(&mut self, key: &EntryKey) -> bool;
    /// Writes the settings.
    fn set_settings(&mut self, settings: &Settings);
    /// Writes mark nodes.
    fn set_marks(&mut self, first: u32, nodes: &[MarkNode]);
    /// What passed for a service, all CPUs together.
    fn service_traffic(&self, index: u32) -> Traffic;
    /// What passed for a real server, all CPUs together.
    fn real_traffic(&self, index: u32) -> Traffic;
    /// Handshakes with a real server, all CPUs together.
    fn handshakes(&self, index: u32) -> Handshakes;
    /// How often something was written so far.
    fn writes(&self) -> u64;
    /// Number of buckets of a table of flows.
    fn buckets(&self, table: FlowTable) -> u32;
    /// Shows every live flow in some buckets of a table.
    fn flows_in(&self, table: FlowTable, buckets: Range<u32>, visit: &mut dyn FnMut(u32, &Flow));
    /// Shows every live flow of a table.
    fn flows(&self, table: FlowTable, visit: &mut dyn FnMut(u32, &Flow)) {
        self.flows_in(table, 0..self.buckets(table), visit);
    }
}
