//! The set-associative table that [`crate::connections`] and [`crate::templates`] are made of.
//! The layout and the arithmetic are in [`lb_common::table`].

use core::sync::atomic::{Ordering, compiler_fence};

use lb_common::flow::{Flow, FlowKey, Word};
use lb_common::reason::Reason;
use lb_common::table::{self, Tags, WAYS, WAYS_PER_WORD};

use crate::{atomic, stats};

/// The map's memory can be mapped by the control plane (`BPF_F_MMAPABLE`).
pub const MMAPABLE: u32 = 1024;

/// A table: where its maps are, and how it lets a flow go.
///
/// The functions behind `search`, `claim` and `expire` are global functions of the program, one set a table: the
/// verifier looks at each once, and what comes after them is followed once and not once for each way out of them.
pub trait Table {
    /// Tags of a bucket.
    fn tags(bucket: u32) -> Option<*mut Tags>;
    /// A slot.
    fn flow(slot: u32) -> Option<*mut Flow>;
    /// Number of buckets less one; buckets are a power of two.
    fn mask() -> u32;
    /// [`search`] for this table.
    fn search(key: &FlowKey, hash: u64) -> u32;
    /// [`claim_slot`] for this table.
    fn claim(hash: u64, now: u64) -> u32;
    /// Whether a flow in this state gives way to a new one where there is no room (a connection that the client has
    /// not confirmed), so that a flood of openings cannot push out what is established.
    fn gives_way(flow: &Flow, state: u8) -> bool;
    /// Removes a flow, or keeps it, as its expiry at `now` demands; tells whether it is gone.
    fn expire(slot: &Slot, word: Word, now: u64) -> bool;
    /// Removes a flow that has not expired if `early` says so; tells whether it is gone.
    fn end_early(slot: &Slot, word: Word, early: Early) -> bool;
}

/// What a sweep removes besides what expired.
#[derive(Clone, Copy)]
pub struct Early {
    /// Jiffies now.
    pub now: u64,
    /// Whether flows whose real server was removed go.
    pub homeless: u32,
    /// The lot, if `drop_entry` drew the bucket; else 0.
    pub lot: u32,
}

/// A slot of a table.
#[derive(Clone, Copy)]
pub struct Slot {
    /// Its number: bucket times 16 plus way.
    pub index: u32,
    /// Its memory.
    pub flow: *mut Flow,
}

impl Slot {
    /// The slot's word as it is now.
    #[inline(always)]
    pub fn word(&self) -> Word {
        // SAFETY: `flow` points to a live map value, whose memory is never given back while the program runs.
        let word = unsafe { &raw mut (*self.flow).word };
        // SAFETY: as above; volatile, because other CPUs write it.
        Word(unsafe { word.read_volatile() })
    }

    /// Replaces the word if it still is `old`.
    #[inline(always)]
    pub fn swap(&self, old: Word, new: Word) -> bool {
        // SAFETY: `flow` points to a live map value.
        let word = unsafe { &raw mut (*self.flow).word };
        // SAFETY: as above; the word is its first, aligned field.
        unsafe { atomic::compare_exchange(word, old.0, new.0) }
    }

    /// The other fields. They are written before the word makes the slot live, and stay until it is freed.
    #[inline(always)]
    pub fn flow(&self) -> &Flow {
        // SAFETY: `flow` points to a live map value; only `word`, `link` and `timeout` change while it is live, and
        // where that matters they are read through raw pointers.
        unsafe { &*self.flow }
    }

    /// Writes a claimed slot, all but its link; the word comes last and makes it live.
    ///
    /// A template's link is 0 in a free slot, and stays so: who counts up in the moment when it goes counts down again.
    #[inline(always)]
    pub fn publish(&self, flow: &Flow) {
        // SAFETY: the slot is claimed, so nobody else writes it, and nobody reads it while its word is 0.
        unsafe { (*self.flow).key = flow.key };
        // SAFETY: as above.
        unsafe { (*self.flow).real = flow.real };
        // SAFETY: as above.
        unsafe { (*self.flow).generation = flow.generation };
        // SAFETY: as above.
        unsafe { (*self.flow).timeout = flow.timeout };
        // SAFETY: as above.
        let word = unsafe { &raw mut (*self.flow).word };
        // The compiler keeps the other writes before this one, and so does x86.
        compiler_fence(Ordering::Release);
        // SAFETY: as above.
        unsafe { word.write_volatile(flow.word) };
    }
}

/// No slot.
pub const NO_SLOT: u32 = u32::MAX;

#[inline(always)]
fn slot<T: Table>(index: u32) -> Option<Slot> {
    if index == NO_SLOT {
        return None;
    }
    Some(Slot { index, flow: T::flow(index)? })
}

/// Finds the live slot of a key.
#[inline(always)]
pub fn find<T: Table>(key: &FlowKey, hash: u64) -> Option<Slot> {
    slot::<T>(T::search(key, hash))
}

/// The number of a key's live slot.
///
/// # Safety
/// `key` is null or points to a key.
#[inline(always)]
pub unsafe fn search<T: Table>(key: *const FlowKey, hash: u64) -> u32 {
    // SAFETY: the caller's promise; the verifier demands the check for null.
    let Some(key) = (unsafe { key.as_ref() }) else { return NO_SLOT };
    search_bucket::<T>(key, hash).unwrap_or(NO_SLOT)
}

#[inline(always)]
fn search_bucket<T: Table>(key: &FlowKey, hash: u64) -> Option<u32> {
    let place = table::place(hash);
    let bucket = place.bucket & T::mask();
    let tags = T::tags(bucket)?;
    // SAFETY: `tags` points to a live map value; a torn reading only misses a flow that is being made.
    let words = unsafe { (*tags).words };
    let base = bucket * WAYS;
    in_word::<T>(key, base, table::candidates(words[0], place.tag))
        .or_else(|| in_word::<T>(key, base + WAYS_PER_WORD, table::candidates(words[1], place.tag)))
}

#[inline(always)]
fn in_word<T: Table>(key: &FlowKey, base: u32, mut mask: u64) -> Option<u32> {
    for _ in 0..WAYS_PER_WORD {
        if mask == 0 {
            return None;
        }
        let index = base + table::first(mask);
        let slot = Slot { index, flow: T::flow(index)? };
        let word = slot.word();
        if word.is_live() && !word.is_invalidated() && same(&slot.flow().key, key) {
            return Some(index);
        }
        mask &= mask - 1;
    }
    None
}

/// Compares without a branch a word: cheaper, and one path for the verifier.
#[inline(always)]
fn same(a: &FlowKey, b: &FlowKey) -> bool {
    let addresses = |a: &[u32; 4], b: &[u32; 4]| (a[0] ^ b[0]) | (a[1] ^ b[1]) | (a[2] ^ b[2]) | (a[3] ^ b[3]);
    let different = addresses(&a.client.0, &b.client.0)
        | addresses(&a.virtual_address.0, &b.virtual_address.0)
        | (a.ports ^ b.ports)
        | (a.protocol ^ b.protocol);
    different == 0
}

/// Claims a free slot in the bucket of a hash: its tag is set, its word is 0. Where all are taken, expired flows
/// make room.
#[inline(always)]
pub fn claim<T: Table>(hash: u64, now: u64) -> Option<Slot> {
    slot::<T>(T::claim(hash, now))
}

/// The number of a claimed slot.
#[inline(always)]
pub fn claim_slot<T: Table>(hash: u64, now: u64) -> u32 {
    for _ in 0..2 {
        if let Some(index) = claim_free::<T>(hash) {
            return index;
        }
        make_room::<T>(hash, now);
    }
    NO_SLOT
}

/// Removes what expired in the bucket of a hash; if that is nothing, one flow that gives way. Which one is left to the
/// hash of the flow that comes.
#[inline(always)]
fn make_room<T: Table>(hash: u64, now: u64) {
    let base = (table::place(hash).bucket & T::mask()) * WAYS;
    let start = (hash >> 32) as u32;
    let mut victim = NO_SLOT;
    let mut expired = false;
    let mut left = u64::from(WAYS);
    while left != 0 {
        let index = base + (start.wrapping_sub(left as u32) % WAYS);
        // Opaque, so that the compiler counts here and not at the end of a pass, where the count may fall through to
        // the loop's first instruction; Linux 6.1 refuses that ("back-edge").
        left = core::hint::black_box(left - 1);
        let Some(flow) = T::flow(index) else { continue };
        let slot = Slot { index, flow };
        let word = slot.word();
        if !word.is_live() {
            continue;
        }
        if word.is_expired(now) {
            expired |= T::expire(&slot, word, now);
        } else if T::gives_way(slot.flow(), word.state()) {
            victim = index;
        }
    }
    if expired {
        return;
    }
    let Some(slot) = slot::<T>(victim) else { return };
    // It may have been confirmed on another CPU by now.
    let word = slot.word();
    if word.is_live() && T::gives_way(slot.flow(), word.state()) && T::expire(&slot, word, now) {
        stats::count(Reason::MadeRoom);
    }
}

#[inline(always)]
fn claim_free<T: Table>(hash: u64) -> Option<u32> {
    let place = table::place(hash);
    let bucket = place.bucket & T::mask();
    let tags = T::tags(bucket)?;
    for half in 0..2u32 {
        let word = tag_word(tags, half);
        // Another CPU may be faster; a few tries are enough, for each success of another fills a slot.
        for _ in 0..4 {
            // SAFETY: `word` points into a live map value; volatile, because other CPUs write it.
            let seen = unsafe { word.read_volatile() };
            let free = table::zero_bytes(seen);
            if free == 0 {
                break;
            }
            let way = table::first(free);
            let taken = seen | u64::from(place.tag) << (way * 8);
            // SAFETY: as above.
            if unsafe { atomic::compare_exchange(word, seen, taken) } {
                return Some(bucket * WAYS + half * WAYS_PER_WORD + way);
            }
        }
    }
    None
}

/// One of the two words of a bucket's tags.
#[inline(always)]
fn tag_word(tags: *mut Tags, half: u32) -> *mut u64 {
    // SAFETY: `tags` points to a live map value.
    let words = unsafe { &raw mut (*tags).words };
    if half == 0 { words.cast() } else { words.cast::<u64>().wrapping_add(1) }
}

/// Gives a slot back: its word is 0 already, now its tag.
#[inline(always)]
pub fn release<T: Table>(slot: &Slot) {
    let Some(tags) = T::tags(slot.index / WAYS) else { return };
    let way = slot.index % WAYS;
    let word = tag_word(tags, way / WAYS_PER_WORD);
    // SAFETY: `word` points into a live map value.
    unsafe { atomic::and(word, !(0xff << (way % WAYS_PER_WORD * 8))) };
}

/// Whether the bucket of a hash has no free slot.
#[inline(always)]
pub fn is_full<T: Table>(hash: u64) -> bool {
    let bucket = table::place(hash).bucket & T::mask();
    // SAFETY: `tags` points to a live map value.
    T::tags(bucket).is_some_and(|tags| table::is_full(unsafe { &*tags }))
}
