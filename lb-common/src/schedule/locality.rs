//! lblc and lblcr: where the packets for a destination went before (`ip_vs_lblc.c`, `ip_vs_lblcr.c`).
//!
//! Every service with one of them has a table of entries, one for each destination address: with lblc of one server,
//! with lblcr of a set of servers. All of it is made of cells of one array. The packet path takes cells from the list of
//! free ones and fills them; only the control plane gives them back, when no packet can know them any more. So a set is a
//! list that packets put servers in front of by compare-and-swap.

use crate::address::Address;

use super::least::{Best, Rule};
use super::{Candidate, HEAD, Kind, hash};

/// Most cells: there is one for each table, entry, and server in a set.
pub const MOST_CELLS: u32 = 131_072;

/// Most entries of a table, beyond which new destinations get none (`max_size * 3 / 2`).
pub const MOST_ENTRIES: u32 = MAX_SIZE * 3 / 2;

/// Number of entries beyond which idle ones are removed (`max_size`).
pub const MAX_SIZE: u32 = BUCKETS * 16;

/// Number of chains of the kernel's table, which are collected one after the other (`IP_VS_LBLC_TAB_SIZE`).
pub const BUCKETS: u32 = 1024;

/// Which chain an address is in (`ip_vs_lblc_hashkey`, `hash_32`).
pub const fn bucket(address: &Address) -> u32 {
    hash::key(address, 0).wrapping_mul(0x61c8_8647) >> (u32::BITS - BUCKETS.ilog2())
}

/// Whether a scheduler has a table.
#[inline(always)]
pub const fn has_table(kind: Kind) -> bool {
    matches!(kind, Kind::Lblc | Kind::Lblcr)
}

/// What an entry is found by.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct EntryKey {
    /// The destination.
    pub address: Address,
    /// Cell of the table.
    pub table: u32,
}

/// A cell: one cache line. Cell 0 is the list of free ones.
#[repr(C, align(64))]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cell {
    /// Entry: the destination.
    pub address: Address,
    /// Entry: the cell of its table; 0 in all others, and [`GONE`].
    pub table: u32,
    /// The next free cell, or the next server of a set; 0 is none.
    pub next: u32,
    /// Entry: when it was used last, in jiffies (`lastuse`).
    pub used: u64,
    /// Entry of lblcr: when its set changed last, in jiffies (`lastmod`).
    pub changed: u64,
    /// Entry of lblc, and server of a set: [`server_word`].
    pub server: u64,
    /// [`List`]: free cells, or an entry's set; in a table's cell only its count is used, for the entries.
    pub list: u64,
    /// Entry of lblcr: not 0 while a server is taken out of its set.
    pub busy: u64,
}

/// [`Cell::table`] of a cell that the packet path took and does not use.
pub const GONE: u32 = u32::MAX;

/// Which words of a [`Cell`] are what.
pub mod words {
    use super::Cell;
    use core::mem::offset_of;

    /// [`Cell::list`].
    pub const LIST: usize = offset_of!(Cell, list) / size_of::<u64>();
    /// [`Cell::next`], in its upper half.
    pub const NEXT: usize = offset_of!(Cell, table) / size_of::<u64>();
}

const _: () = assert!(size_of::<Cell>() == 64 && core::mem::offset_of!(Cell, next) % 8 == 4);
const _: () = assert!(size_of::<EntryKey>() == 20);

/// The head of a list of cells: one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct List {
    /// The first cell, 0 for none.
    pub first: u32,
    /// Its length. Of the list of free cells instead how often it has changed, which tells it from one that began
    /// with the same cell.
    pub count: u32,
}

impl List {
    /// What one more in the count adds to the word.
    pub const ONE: u64 = 1 << 32;

    /// From its word.
    #[inline(always)]
    pub const fn from_word(word: u64) -> Self {
        Self { first: word as u32, count: (word >> 32) as u32 }
    }

    /// As its word.
    #[inline(always)]
    pub const fn to_word(self) -> u64 {
        self.first as u64 | (self.count as u64) << 32
    }
}

/// A server by the index and the generation of its slot.
#[inline(always)]
pub const fn server_word(real: u32, generation: u32) -> u64 {
    real as u64 | (generation as u64) << 32
}

/// Index and generation of a server's word.
#[inline(always)]
pub const fn split_server(word: u64) -> (u32, u32) {
    (word as u32, (word >> 32) as u32)
}

/// A server as it is remembered: it may have left its service meanwhile.
#[derive(Clone, Copy, Debug)]
pub struct Remembered {
    /// The server.
    pub server: Candidate,
    /// Whether it is a member of its service.
    pub available: bool,
}

impl Remembered {
    /// Whether it may be used, unless it is busy while another is idle. lblc does not ask whether it is overloaded.
    #[inline(always)]
    pub const fn is_usable(&self) -> bool {
        self.available && self.server.weight != 0
    }
}

/// Whether a server has more active connections than its weight (`is_overloaded`, first half).
#[inline(always)]
pub const fn is_busy(server: &Candidate) -> bool {
    server.active > server.weight
}

/// Whether a server has less than half as many active connections as its weight (`is_overloaded`, second half).
#[inline(always)]
pub const fn is_idle(server: &Candidate) -> bool {
    server.active as u64 * 2 < server.weight as u64
}

/// A look at all servers of a set, first to last (`ip_vs_dest_set_min`, `ip_vs_dest_set_max`).
#[derive(Clone, Copy, Debug)]
pub struct SetScan {
    /// The least loaded that may be used.
    least: Best,
    /// The most loaded; its position is its cell.
    most: Best,
    /// The cell before that, 0 where it is the first.
    before_most: u32,
    /// Not 0: the cost of older kernels.
    classic: u32,
}

impl SetScan {
    /// Nobody has been looked at. `zero` is 0, and unknown to the verifier ([`super::pool::Header::zero`]).
    #[inline(always)]
    pub const fn new(zero: u32, classic: u32) -> Self {
        let nobody = Best::nobody(zero);
        Self { least: nobody, most: nobody, before_most: zero, classic }
    }

    /// Looks at the server of a cell; `before` is the cell before it.
    #[inline(always)]
    pub fn look(&mut self, cell: u32, before: u32, remembered: &Remembered) {
        if remembered.server.weight == 0 {
            return;
        }
        let rule = Rule::of(Kind::Wlc, self.classic != 0);
        let member = Best::member(&rule, &remembered.server, cell);
        if remembered.available && !remembered.server.overloaded && self.least.gives_way_to(&member) {
            self.least = member;
        }
        if self.most.real == HEAD || member.costs_more_than(&self.most) {
            self.most = member;
            self.before_most = before;
        }
    }

    /// The real server to use.
    #[inline(always)]
    pub const fn least(&self) -> Option<u32> {
        if self.least.real == HEAD { None } else { Some(self.least.real) }
    }

    /// The cell of the server to take out, and the one before it (0 is none).
    #[inline(always)]
    pub const fn most(&self) -> Option<(u32, u32)> {
        if self.most.real == HEAD { None } else { Some((self.most.position, self.before_most)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn remembered(real: u32, weight: u32, active: u32) -> Remembered {
        Remembered { server: Candidate { real, weight, active, ..Candidate::default() }, available: true }
    }

    /// Cells count from 10.
    fn scan(set: &[Remembered]) -> SetScan {
        let mut scan = SetScan::new(0, 0);
        for (cell, server) in (10..).zip(set) {
            scan.look(cell, if cell == 10 { 0 } else { cell - 1 }, server);
        }
        scan
    }

    #[test]
    fn of_equals_the_first_is_both_the_least_and_the_most_loaded() {
        let scan = scan(&[remembered(7, 1, 3), remembered(8, 2, 6)]);
        assert_eq!((scan.least(), scan.most()), (Some(7), Some((10, 0))));
    }

    #[test]
    fn a_removed_or_overloaded_server_can_be_the_most_loaded_but_not_the_least() {
        let removed = Remembered { available: false, ..remembered(7, 1, 0) };
        let mut full = remembered(8, 1, 9);
        full.server.overloaded = true;
        let scan = scan(&[removed, remembered(9, 1, 4), full, remembered(6, 0, 50)]);
        assert_eq!((scan.least(), scan.most()), (Some(9), Some((12, 11))));
        assert_eq!((scan_of_none().least(), scan_of_none().most()), (None, None));
    }

    fn scan_of_none() -> SetScan {
        scan(&[remembered(1, 0, 0)])
    }

    #[test]
    fn busy_and_idle_are_about_active_connections_and_the_weight() {
        let server = |weight, active| remembered(0, weight, active).server;
        assert_eq!([0, 1, 2].map(|active| is_busy(&server(1, active))), [false, false, true]);
        assert_eq!([0, 1, 2].map(|active| is_idle(&server(3, active))), [true, true, false]);
        assert!(!is_idle(&server(0, 0)));
    }

    #[test]
    fn buckets_are_those_of_hash_32() {
        assert_eq!(bucket(&Address::from_v4(0xac10_6401_u32.to_be())), 826);
        let v6 = Address([1u32.to_be(), 2u32.to_be(), 4u32.to_be(), 8u32.to_be()]);
        assert_eq!(bucket(&v6), 746);
    }
}
