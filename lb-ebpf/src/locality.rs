//! lblc and lblcr: where the packets for a destination went before. What is in the cells, and whose they are, is told by
//! [`lb_common::schedule::locality`].

use core::ffi::c_void;

use aya_ebpf::helpers::generated::bpf_loop;
use aya_ebpf::macros::map;
use aya_ebpf::maps::{Array, HashMap};
use lb_common::address::Address;
use lb_common::schedule::locality::{self, Cell, EntryKey, GONE, List, MOST_CELLS, MOST_ENTRIES, Remembered, SetScan};
use lb_common::schedule::{Candidate, Kind, Members as _};
use lb_common::service::Service;
use lb_common::settings::flags;

use crate::flows::MMAPABLE;
use crate::schedule::{Pool, header};
use crate::{atomic, reals, settings};

#[map]
static CELLS: Array<Cell> = Array::with_max_entries(MOST_CELLS, MMAPABLE);

#[map]
static ENTRY_KEYS: HashMap<EntryKey, u32> = HashMap::with_max_entries(MOST_CELLS / 2, 0);

/// `BPF_NOEXIST`
const NEW: u64 = 1;

/// There is no server to use again.
const NOBODY: u32 = u32::MAX;

/// Steps more than a set's length that a walk through it may take: others may put servers in front of it meanwhile.
const SPARE_STEPS: u32 = 16;

/// The server that a destination's packets went to, if it is to be used again.
#[inline(always)]
pub fn recall(service: &Service, destination: &Address, now: u64) -> Option<u32> {
    let real = lvx_recall(destination, service.table, service.pool, service.scheduler, now);
    if real == NOBODY { None } else { Some(real) }
}

/// Remembers where a destination's packets go.
#[inline(always)]
pub fn remember(service: &Service, destination: &Address, real: u32, now: u64) {
    lvx_remember(destination, service.table, service.scheduler, real, now);
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn lvx_recall(destination: *const Address, table: u32, pool: u32, scheduler: u32, now: u64) -> u32 {
    // SAFETY: the only caller passes a reference; the verifier demands the check for null all the same.
    let Some(destination) = (unsafe { destination.as_ref() }) else { return NOBODY };
    let Some(entry) = entry(destination, table).and_then(|index| CELLS.get_ptr_mut(index)) else { return NOBODY };
    // SAFETY: `entry` points to a live map value; volatile, as all that CPUs share.
    let used_word = unsafe { &raw mut (*entry).used };
    // SAFETY: as above.
    unsafe { used_word.write_volatile(now) };
    let found = if is_set(scheduler) { least_of_set(entry, pool, now) } else { remembered(server(entry)) };
    match found {
        Some(found) if found.is_usable() && !(locality::is_busy(&found.server) && somebody_is_idle(pool)) => {
            found.server.real
        }
        Some(_) | None => NOBODY,
    }
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn lvx_remember(destination: *const Address, table: u32, scheduler: u32, real: u32, now: u64) -> u32 {
    // SAFETY: as in `lvx_recall`.
    let Some(destination) = (unsafe { destination.as_ref() }) else { return 0 };
    let Some(generation) = reals::get(real).map(|server| server.generation) else { return 0 };
    let word = locality::server_word(real, generation);
    match entry(destination, table) {
        None => add(destination, table, word, is_set(scheduler), now),
        Some(index) if is_set(scheduler) => {
            // Whoever is late looks again.
            if lvx_put(index, word, now) == 0 {
                lvx_put(index, word, now);
            }
        }
        Some(index) => {
            if let Some(entry) = CELLS.get_ptr_mut(index) {
                // SAFETY: `entry` points to a live map value.
                let server_word = unsafe { &raw mut (*entry).server };
                // SAFETY: as above.
                unsafe { server_word.write_volatile(word) };
            }
        }
    }
    0
}

#[inline(always)]
fn is_set(scheduler: u32) -> bool {
    matches!(Kind::from_number(scheduler), Kind::Lblcr)
}

/// The cell of a destination's entry.
#[inline(always)]
fn entry(destination: &Address, table: u32) -> Option<u32> {
    let index = ENTRY_KEYS.get_ptr(EntryKey { address: *destination, table })?;
    // SAFETY: the pointer is to a live map value: one aligned word.
    let index = unsafe { *index };
    // The kernel may have given the pair to another key in this moment.
    let cell = CELLS.get(index)?;
    if cell.table == table && cell.address == *destination { Some(index) } else { None }
}

#[inline(always)]
fn server(cell: *mut Cell) -> u64 {
    // SAFETY: `cell` points to a live map value.
    let server = unsafe { &raw const (*cell).server };
    // SAFETY: as above; volatile, because other CPUs write it.
    unsafe { server.read_volatile() }
}

#[inline(always)]
fn list_word(cell: *mut Cell) -> *mut u64 {
    // SAFETY: `cell` points to a live map value.
    unsafe { &raw mut (*cell).list }
}

#[inline(always)]
fn list(cell: *mut Cell) -> List {
    // SAFETY: the pointer is into a live map value.
    List::from_word(unsafe { list_word(cell).read_volatile() })
}

#[inline(always)]
fn next(cell: *mut Cell) -> u32 {
    // SAFETY: `cell` points to a live map value.
    let next = unsafe { &raw const (*cell).next };
    // SAFETY: as above; volatile, because other CPUs write it.
    unsafe { next.read_volatile() }
}

#[inline(always)]
fn changed(cell: *mut Cell) -> *mut u64 {
    // SAFETY: `cell` points to a live map value.
    unsafe { &raw mut (*cell).changed }
}

/// What a server's word says; nothing if the slot has another tenant.
#[inline(always)]
fn remembered(word: u64) -> Option<Remembered> {
    let (real, generation) = locality::split_server(word);
    let server = reals::get(real).filter(|server| server.generation == generation)?;
    let counts = reals::counts(real)?;
    let (active, inactive) = (counts.active as u32, counts.inactive as u32);
    let overloaded = counts.overloaded != 0;
    let candidate = Candidate { real, weight: server.weight, active, inactive, overloaded };
    Some(Remembered { server: candidate, available: reals::is_available(server) })
}

/// A walk through a set.
struct Walk {
    scan: SetScan,
    at: u32,
    before: u32,
}

/// The server of an entry's set to use. Takes one out of a set that has not changed for long.
#[inline(always)]
fn least_of_set(entry: *mut Cell, pool: u32, now: u64) -> Option<Remembered> {
    let settings = settings::get().ok()?;
    let zero = header(pool)?.zero;
    let set = list(entry);
    // SAFETY: the pointer is into a live map value; volatile, so that it is read before the set is.
    let changed_at = unsafe { changed(entry).read_volatile() };
    let mut walk =
        Walk { scan: SetScan::new(zero, settings.flags & flags::CLASSIC_OVERHEAD), at: set.first, before: zero };
    let steps = set.count.wrapping_add(SPARE_STEPS);
    // SAFETY: the callback has the signature that the helper demands, and `walk` outlives the call.
    unsafe { bpf_loop(steps, look as *mut c_void, (&raw mut walk).cast(), 0) };
    if set.count > 1
        && now > changed_at.wrapping_add(u64::from(settings.lblcr_expiration))
        && let Some((most, before)) = walk.scan.most()
    {
        take_out(entry, most, before, changed_at, now);
    }
    let real = walk.scan.least()?;
    let generation = reals::get(real)?.generation;
    remembered(locality::server_word(real, generation))
}

/// One server of a set; 1 ends the loop.
#[inline(never)]
extern "C" fn look(_index: u32, walk: *mut c_void) -> i64 {
    // SAFETY: `least_of_set` passes a pointer to its `Walk`.
    let walk = unsafe { &mut *walk.cast::<Walk>() };
    if walk.at == 0 {
        return 1;
    }
    let Some(cell) = CELLS.get_ptr_mut(walk.at) else { return 1 };
    if let Some(remembered) = remembered(server(cell)) {
        walk.scan.look(walk.at, walk.before, &remembered);
    }
    walk.before = walk.at;
    walk.at = next(cell);
    0
}

/// Takes the server of a cell out of a set (`ip_vs_dest_set_erase`). One CPU at a time, and only if the set is as it was
/// when the server was found.
#[inline(always)]
fn take_out(entry: *mut Cell, cell: u32, before: u32, changed_at: u64, now: u64) {
    // SAFETY: `entry` points to a live map value.
    let busy = unsafe { &raw mut (*entry).busy };
    // SAFETY: as above.
    if !unsafe { atomic::compare_exchange(busy, 0, 1) } {
        return;
    }
    // SAFETY: the pointer is into a live map value; volatile, because other CPUs write it.
    if unsafe { changed(entry).read_volatile() } == changed_at && unlink(entry, cell, before) {
        // SAFETY: as above.
        unsafe { changed(entry).write_volatile(now) };
    }
    // SAFETY: as above; it is this CPU's until now.
    unsafe { busy.write_volatile(0) };
}

#[inline(always)]
fn unlink(entry: *mut Cell, cell: u32, before: u32) -> bool {
    let Some(gone) = CELLS.get_ptr_mut(cell) else { return false };
    if before == 0 {
        let old = list(entry);
        let new = List { first: next(gone), count: old.count.wrapping_sub(1) };
        // SAFETY: the pointer is into a live map value.
        if old.first != cell || !unsafe { atomic::compare_exchange(list_word(entry), old.to_word(), new.to_word()) } {
            return false;
        }
    } else {
        let Some(before) = CELLS.get_ptr_mut(before) else { return false };
        // SAFETY: `before` points to a live map value; others only put cells in front of the first.
        let next_word = unsafe { &raw mut (*before).next };
        // SAFETY: as above.
        unsafe { next_word.write_volatile(next(gone)) };
        // SAFETY: the pointer is into a live map value.
        unsafe { atomic::add64(list_word(entry), List::ONE.wrapping_neg()) };
    }
    give_up(gone);
    true
}

/// Leaves a cell to the control plane.
#[inline(always)]
fn give_up(cell: *mut Cell) {
    // SAFETY: `cell` points to a live map value.
    let table_word = unsafe { &raw mut (*cell).table };
    // SAFETY: as above.
    unsafe { table_word.write_volatile(GONE) };
}

/// Whether a member of the service is idle.
struct Idle {
    pool: Pool,
    found: u32,
}

#[inline(always)]
fn somebody_is_idle(pool: u32) -> bool {
    let Some(header) = header(pool) else { return false };
    let mut idle = Idle { pool: Pool { first: pool, count: header.count }, found: header.zero };
    // SAFETY: the callback has the signature that the helper demands, and `idle` outlives the call.
    unsafe { bpf_loop(header.count, look_for_idle as *mut c_void, (&raw mut idle).cast(), 0) };
    idle.found != 0
}

/// One member; 1 ends the loop.
#[inline(never)]
extern "C" fn look_for_idle(index: u32, idle: *mut c_void) -> i64 {
    // SAFETY: `somebody_is_idle` passes a pointer to its `Idle`.
    let idle = unsafe { &mut *idle.cast::<Idle>() };
    let Some(candidate) = idle.pool.candidate(index) else { return 1 };
    if !locality::is_idle(&candidate) {
        return 0;
    }
    idle.found = 1;
    1
}

/// Makes an entry with its first server. Where another CPU was faster, its entry stays.
#[inline(always)]
fn add(destination: &Address, table: u32, word: u64, is_set: bool, now: u64) {
    let Some(counter) = CELLS.get_ptr_mut(table) else { return };
    if list(counter).count >= MOST_ENTRIES {
        return;
    }
    let index = lvx_take_cell();
    let Some(entry) = CELLS.get_ptr_mut(index) else { return };
    let mut set = List { first: 0, count: 0 };
    if is_set {
        set = List { first: lvx_take_cell(), count: 1 };
        let Some(member) = CELLS.get_ptr_mut(set.first) else { return give_up(entry) };
        fill(member, word, 0);
    }
    fill(entry, word, 0);
    // SAFETY: `entry` points to a live map value that is this CPU's alone.
    unsafe { (*entry).address = *destination };
    // SAFETY: as above.
    unsafe { (*entry).used = now };
    // SAFETY: as above.
    unsafe { (*entry).changed = now };
    // SAFETY: as above.
    unsafe { (*entry).list = set.to_word() };
    // SAFETY: as above.
    unsafe { (*entry).table = table };
    if ENTRY_KEYS.insert(EntryKey { address: *destination, table }, index, NEW).is_ok() {
        // SAFETY: the pointer is into a live map value.
        unsafe { atomic::add64(list_word(counter), List::ONE) };
        return;
    }
    give_up(entry);
    if let Some(member) = CELLS.get_ptr_mut(set.first)
        && is_set
    {
        give_up(member);
    }
}

/// Puts a server into a cell that is this CPU's alone.
#[inline(always)]
fn fill(cell: *mut Cell, word: u64, next: u32) {
    // SAFETY: `cell` points to a live map value.
    unsafe { (*cell).server = word };
    // SAFETY: as above.
    unsafe { (*cell).next = next };
}

/// A search for a server in a set.
struct Search {
    word: u64,
    at: u32,
    found: u32,
}

/// Puts a server in front of an entry's set unless it is in it (`ip_vs_dest_set_insert`); 0 if another CPU was faster.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn lvx_put(index: u32, word: u64, now: u64) -> u32 {
    let Some(entry) = CELLS.get_ptr_mut(index) else { return 1 };
    let set = list(entry);
    // 0, and an unknown number to the verifier.
    let Some(zero) = CELLS.get(0).map(|cell| cell.table) else { return 1 };
    let mut search = Search { word, at: set.first, found: zero };
    let steps = set.count.wrapping_add(SPARE_STEPS);
    // SAFETY: the callback has the signature that the helper demands, and `search` outlives the call.
    unsafe { bpf_loop(steps, compare as *mut c_void, (&raw mut search).cast(), 0) };
    if search.found != 0 {
        return 1;
    }
    let first = lvx_take_cell();
    let Some(member) = CELLS.get_ptr_mut(first) else { return 1 };
    fill(member, word, set.first);
    let new = List { first, count: set.count.wrapping_add(1) };
    // SAFETY: the pointer is into a live map value.
    if unsafe { atomic::compare_exchange(list_word(entry), set.to_word(), new.to_word()) } {
        // SAFETY: as above.
        unsafe { changed(entry).write_volatile(now) };
        return 1;
    }
    give_up(member);
    0
}

/// One server of a set; 1 ends the loop.
#[inline(never)]
extern "C" fn compare(_index: u32, search: *mut c_void) -> i64 {
    // SAFETY: `lvx_put` passes a pointer to its `Search`.
    let search = unsafe { &mut *search.cast::<Search>() };
    if search.at == 0 {
        return 1;
    }
    let Some(cell) = CELLS.get_ptr_mut(search.at) else { return 1 };
    if server(cell) == search.word {
        search.found = 1;
        return 1;
    }
    search.at = next(cell);
    0
}

/// No cell could be had: an index that no cell has.
const NO_CELL: u32 = u32::MAX;

/// Takes a free cell. Whoever is late tries again.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn lvx_take_cell() -> u32 {
    let mut taken = try_to_take_cell();
    if taken == 0 {
        taken = try_to_take_cell();
    }
    if taken == 0 {
        taken = try_to_take_cell();
    }
    if taken == 0 { NO_CELL } else { taken }
}

/// 0: another CPU was faster.
#[inline(always)]
fn try_to_take_cell() -> u32 {
    let Some(free) = CELLS.get_ptr_mut(0) else { return NO_CELL };
    let old = list(free);
    if old.first == 0 {
        return NO_CELL;
    }
    let Some(cell) = CELLS.get_ptr_mut(old.first) else { return NO_CELL };
    let new = List { first: next(cell), count: old.count.wrapping_add(1) };
    // SAFETY: the pointer is into a live map value.
    if unsafe { atomic::compare_exchange(list_word(free), old.to_word(), new.to_word()) } { old.first } else { 0 }
}
