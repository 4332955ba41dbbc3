//! The tables of lblc and lblcr: made with their service, emptied and given back with it, and collected in between as
//! IPVS' timers do (`ip_vs_lblc_check_expire`, `ip_vs_lblcr_check_expire`).

use std::collections::HashSet;

use lb_common::schedule::Kind;
use lb_common::schedule::locality::{self, BUCKETS, Cell, EntryKey, GONE, List, MAX_SIZE, words};
use lb_common::settings::Settings;

use super::Tables;
use super::maps::Maps;

/// Ticks (seconds) between two collections: `CHECK_EXPIRE_INTERVAL`.
const INTERVAL: u32 = 60;
/// Every so many collections a table is looked at whatever its size: `COUNT_FOR_FULL_EXPIRATION`.
const FULL: u32 = 30;
/// Seconds that an entry was not used for when it makes room: `ENTRY_TIMEOUT`.
const ENTRY_TIMEOUT: u32 = 6 * 60;

/// A table of lblc or lblcr.
#[derive(Debug)]
pub(super) struct Table {
    cell: u32,
    /// Ticks since it was collected.
    ticks: u32,
    /// Counts collections.
    counter: u32,
    /// The chain that was collected last.
    rover: u32,
}

/// An entry as a collection sees it.
#[derive(Clone, Copy, Debug)]
struct Entry {
    cell: u32,
    bucket: u32,
    /// Jiffies since it was used.
    idle: u64,
}

/// How long an entry may be idle, in jiffies.
#[derive(Clone, Copy, Debug)]
struct Limits {
    /// When the table is too large.
    crowded: u64,
    /// Otherwise.
    ever: u64,
}

impl Table {
    fn new(cell: u32) -> Self {
        Self { cell, ticks: 0, counter: 1, rover: 0 }
    }

    /// Its cell.
    pub(super) fn cell(&self) -> u32 {
        self.cell
    }

    /// One tick more; whether the table is to be collected.
    fn is_due(&mut self) -> bool {
        self.ticks = (self.ticks + 1) % INTERVAL;
        self.ticks == 0
    }

    /// Which entries a collection removes.
    fn collect(&mut self, entries: &[Entry], limits: Limits) -> Vec<u32> {
        let older = |limit: u64| entries.iter().filter(move |entry| entry.idle >= limit);
        if self.counter.is_multiple_of(FULL) {
            self.counter = 1;
            return older(limits.ever).map(|entry| entry.cell).collect();
        }
        let excess = entries.len().saturating_sub(MAX_SIZE as usize);
        if excess == 0 {
            self.counter += 1;
            return Vec::new();
        }
        let goal = (excess * 4 / 3).min(MAX_SIZE as usize / 2);
        let mut chains = vec![Vec::new(); BUCKETS as usize];
        older(limits.crowded).for_each(|entry| chains[entry.bucket as usize].push(entry.cell));
        let mut removed = Vec::new();
        for _ in 0..BUCKETS {
            self.rover = (self.rover + 1) % BUCKETS;
            removed.append(&mut chains[self.rover as usize]);
            if removed.len() >= goal {
                break;
            }
        }
        removed
    }
}

/// Makes all cells free.
pub(super) fn format(maps: &mut impl Maps) {
    let cells = maps.cells();
    for cell in 1..cells {
        let next = if cell + 1 < cells { cell + 1 } else { 0 };
        maps.set_cell_word(cell, words::NEXT, u64::from(next) << u32::BITS);
    }
    maps.set_cell_word(0, words::LIST, List { first: 1, count: 0 }.to_word());
}

/// Takes a free cell.
fn take(maps: &mut impl Maps) -> Option<u32> {
    loop {
        let old = List::from_word(maps.cell(0).list);
        if old.first == 0 {
            return None;
        }
        let new = List { first: maps.cell(old.first).next, count: old.count.wrapping_add(1) };
        if maps.swap_cell_word(0, words::LIST, old.to_word(), new.to_word()) {
            return Some(old.first);
        }
    }
}

/// Gives a cell back that no packet knows.
fn give(maps: &mut impl Maps, cell: u32) {
    loop {
        let old = List::from_word(maps.cell(0).list);
        maps.set_cell(cell, &Cell { next: old.first, ..Cell::default() });
        let new = List { first: cell, count: old.count.wrapping_add(1) };
        if maps.swap_cell_word(0, words::LIST, old.to_word(), new.to_word()) {
            return;
        }
    }
}

/// Whether a cell is an entry.
fn is_entry(cell: &Cell) -> bool {
    cell.table != 0 && cell.table != GONE
}

/// The cells of an entry's set.
fn set(maps: &impl Maps, entry: &Cell) -> Vec<u32> {
    let next = |at: &u32| Some(maps.cell(*at).next);
    std::iter::successors(Some(List::from_word(entry.list).first), next).take_while(|at| *at != 0).collect()
}

/// Forgets entries. Their cells, and those in `gone`, are free when no packet knows them any more.
fn remove(maps: &mut impl Maps, entries: &[u32], gone: &[u32]) {
    let mut removed = Vec::new();
    for index in entries {
        let cell = maps.cell(*index);
        // What the kernel refuses to remove is tried again the next time.
        if maps.forget_entry(&EntryKey { address: cell.address, table: cell.table }) {
            maps.add_to_cell_word(cell.table, words::LIST, List::ONE.wrapping_neg());
            removed.push(*index);
        }
    }
    if removed.is_empty() && gone.is_empty() {
        return;
    }
    maps.wait_for_packets();
    for index in removed {
        for member in set(maps, &maps.cell(index)) {
            give(maps, member);
        }
        give(maps, index);
    }
    for index in gone {
        give(maps, *index);
    }
}

impl<M: Maps> Tables<M> {
    /// A table for a service, if its scheduler has one; `Err` where there is no room for it.
    pub(super) fn open_table(&mut self, kind: Kind) -> Result<Option<Table>, ()> {
        if !locality::has_table(kind) {
            return Ok(None);
        }
        take(&mut self.maps).map(|cell| Some(Table::new(cell))).ok_or(())
    }

    /// Empties a table that no service leads to any more, and gives it back.
    pub(super) fn close_table(&mut self, table: Option<Table>) {
        let Some(table) = table else { return };
        // A packet on its way may still make an entry.
        self.maps.wait_for_packets();
        let entries: Vec<u32> = self.cells().filter(|(_, cell)| cell.table == table.cell).map(|(at, _)| at).collect();
        remove(&mut self.maps, &entries, &[]);
        give(&mut self.maps, table.cell);
    }

    /// A second has passed: collects the tables that are due. `now` is the packet path's time, in jiffies.
    pub fn collect_tables(&mut self, now: u64) {
        let mut due: Vec<(&mut Table, Kind)> = Vec::new();
        for entry in self.services.values_mut() {
            let kind = entry.kind();
            if let Some(table) = entry.table_mut()
                && table.is_due()
            {
                due.push((table, kind));
            }
        }
        if due.is_empty() {
            return;
        }
        let cells: Vec<(u32, Cell)> = (1..self.maps.cells()).map(|at| (at, self.maps.cell(at))).collect();
        let mut removed = Vec::new();
        for (table, kind) in due {
            let of_table = cells.iter().filter(|(_, cell)| cell.table == table.cell);
            let entry = |(at, cell): &(u32, Cell)| Entry {
                cell: *at,
                bucket: locality::bucket(&cell.address),
                idle: now.saturating_sub(cell.used),
            };
            let entries: Vec<Entry> = of_table.map(entry).collect();
            removed.extend(table.collect(&entries, limits(&self.settings, kind, self.maps.hz())));
        }
        let gone: Vec<u32> = cells.iter().filter(|(_, cell)| cell.table == GONE).map(|(at, _)| *at).collect();
        remove(&mut self.maps, &removed, &gone);
    }

    /// The slots of the real servers that are remembered somewhere.
    pub(super) fn remembered(&self) -> HashSet<u32> {
        if !self.has_tables() {
            return HashSet::new();
        }
        let mut slots = HashSet::new();
        for (_, entry) in self.cells().filter(|(_, cell)| is_entry(cell)) {
            slots.insert(locality::split_server(entry.server).0);
            slots.extend(
                set(&self.maps, &entry).into_iter().map(|at| locality::split_server(self.maps.cell(at).server).0),
            );
        }
        slots
    }

    /// Whether there is a table.
    pub fn has_tables(&self) -> bool {
        self.services.values().any(|entry| entry.table().is_some())
    }

    fn cells(&self) -> impl Iterator<Item = (u32, Cell)> {
        (1..self.maps.cells()).map(|at| (at, self.maps.cell(at)))
    }
}

fn limits(settings: &Settings, kind: Kind, hz: u32) -> Limits {
    let ever = if kind == Kind::Lblcr { settings.lblcr_expiration } else { settings.lblc_expiration };
    Limits { crowded: u64::from(ENTRY_TIMEOUT) * u64::from(hz), ever: ever.into() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tables::memory::MemoryMaps;

    const LIMITS: Limits = Limits { crowded: 360, ever: 86_400 };

    /// So many entries, each chain's one after the other.
    fn entries(count: u32, idle: impl Fn(u32) -> u64) -> Vec<Entry> {
        (0..count).map(|cell| Entry { cell, bucket: cell % BUCKETS, idle: idle(cell) }).collect()
    }

    #[test]
    fn a_table_is_collected_each_minute() {
        let mut table = Table::new(1);
        let due: Vec<usize> = (1..=180).filter(|_| table.is_due()).collect();
        assert_eq!(due, [60, 120, 180]);
    }

    #[test]
    fn a_small_table_is_collected_each_half_hour_by_the_expiration() {
        let mut table = Table::new(1);
        let old = entries(3, |cell| 86_399 + u64::from(cell));
        for _ in 1..30 {
            assert_eq!(table.collect(&old, LIMITS), [0u32; 0]);
        }
        assert_eq!(table.collect(&old, LIMITS), [1, 2]);
        assert_eq!(table.collect(&old, LIMITS), [0u32; 0]);
    }

    /// `goal` is four thirds of what is too much, and a chain is collected as a whole.
    #[test]
    fn a_crowded_table_loses_idle_entries_chain_by_chain() {
        let mut table = Table::new(1);
        let crowd = entries(MAX_SIZE + 30, |cell| if cell % 2 == 0 { 360 } else { 359 });
        let removed = table.collect(&crowd, LIMITS);
        // Chains of odd numbers have no idle entries; each of the others has 16, some 17: three of them have 40.
        let chains: HashSet<u32> = removed.iter().map(|cell| cell % BUCKETS).collect();
        assert_eq!((removed.len(), chains), (17 * 3, HashSet::from([2, 4, 6])));
        let next: HashSet<u32> = table.collect(&crowd, LIMITS).iter().map(|cell| cell % BUCKETS).collect();
        assert_eq!(next, HashSet::from([8, 10, 12]), "it goes on where it was");
        let busy = entries(MAX_SIZE + 30, |_| 10);
        assert_eq!(table.collect(&busy, LIMITS), [0u32; 0]);
    }

    #[test]
    fn at_most_half_of_a_table_goes_at_once() {
        let mut table = Table::new(1);
        let idle = entries(MAX_SIZE * 3 / 2, |_| 1000);
        assert_eq!(table.collect(&idle, LIMITS).len(), MAX_SIZE as usize / 2 / 24 * 24 + 24);
    }

    #[test]
    fn every_cell_comes_back() {
        let mut maps = MemoryMaps::default();
        format(&mut maps);
        let taken: Vec<u32> = std::iter::from_fn(|| take(&mut maps)).collect();
        assert_eq!(taken, (1..maps.cells()).collect::<Vec<_>>());
        // A table in 1, an entry in 2 with a set of 3 and 4, and 5 was taken in vain.
        let entry = Cell { table: 1, list: List { first: 3, count: 2 }.to_word(), ..Cell::default() };
        maps.set_cell(1, &Cell { list: List { first: 0, count: 1 }.to_word(), ..Cell::default() });
        maps.set_cell(2, &entry);
        maps.set_cell(3, &Cell { next: 4, ..Cell::default() });
        maps.set_cell(4, &Cell::default());
        maps.set_cell(5, &Cell { table: GONE, ..Cell::default() });
        remove(&mut maps, &[2], &[5]);
        assert_eq!(List::from_word(maps.cell(1).list).count, 0);
        let again: HashSet<u32> = std::iter::from_fn(|| take(&mut maps)).collect();
        assert_eq!(again, HashSet::from([2, 3, 4, 5]));
    }
}
