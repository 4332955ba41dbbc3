//! Removes what expired, and what is to end early, in pieces that the control plane asks for.

use core::ffi::c_void;

use aya_ebpf::helpers::generated::bpf_loop;
use aya_ebpf::programs::XdpContext;
use lb_common::sweep::{self, Sweep};
use lb_common::table::{WAYS, WAYS_PER_WORD};

use crate::connections::Connections;
use crate::flows::{Early, Slot, Table};
use crate::templates::Templates;
use crate::{clock, parse};

struct Piece {
    bucket: u32,
    expired: u32,
    live: u32,
    now: u64,
    homeless: u32,
    lot: u32,
}

/// Sweeps the piece of a table that the packet names, and writes the outcome into it.
#[inline(always)]
pub fn piece(ctx: &XdpContext) -> Option<()> {
    let order = parse::at::<Sweep>(ctx, 0)?;
    // SAFETY: `at` checked that the packet holds an order.
    let mut order_copy = unsafe { order.read_unaligned() };
    let Sweep { first: bucket, homeless, lot, .. } = order_copy;
    let mut piece = Piece { bucket, expired: 0, live: 0, now: clock::now(), homeless, lot };
    let callback =
        if order_copy.table == sweep::CONNECTIONS { bucket_of::<Connections> } else { bucket_of::<Templates> };
    run(order_copy.buckets, callback, &mut piece);
    order_copy.expired = piece.expired;
    order_copy.live = piece.live;
    order_copy.now = piece.now;
    order_copy.done = 1;
    let order = parse::at::<Sweep>(ctx, 0)?;
    // SAFETY: as above.
    unsafe { order.write_unaligned(order_copy) };
    Some(())
}

type Callback = extern "C" fn(u32, *mut c_void) -> i64;

#[inline(always)]
fn run(buckets: u32, callback: Callback, piece: &mut Piece) {
    // SAFETY: the callback has the signature that the helper demands, and `piece` outlives the call.
    unsafe { bpf_loop(buckets, callback as *mut c_void, (&raw mut *piece).cast(), 0) };
}

/// One bucket; 1 ends the loop.
#[inline(never)]
extern "C" fn bucket_of<T: Table>(index: u32, piece: *mut c_void) -> i64 {
    // SAFETY: `run` passes a pointer to a `Piece`.
    let piece = unsafe { &mut *piece.cast::<Piece>() };
    let bucket = piece.bucket.wrapping_add(index);
    let Some(tags) = T::tags(bucket) else { return 1 };
    // SAFETY: `tags` points to a live map value.
    let words = unsafe { (*tags).words };
    let lot = if sweep::is_drawn(bucket, piece.lot) { piece.lot } else { 0 };
    let early = Early { now: piece.now, homeless: piece.homeless, lot };
    for half in 0..2u32 {
        let word = if half == 0 { words[0] } else { words[1] };
        if word != 0 {
            slots::<T>(bucket * WAYS + half * WAYS_PER_WORD, early, piece);
        }
    }
    0
}

#[inline(always)]
fn slots<T: Table>(base: u32, early: Early, piece: &mut Piece) {
    for way in 0..WAYS_PER_WORD {
        let Some(flow) = T::flow(base + way) else { continue };
        let slot = Slot { index: base + way, flow };
        let word = slot.word();
        if !word.is_live() {
            continue;
        }
        let gone = if word.is_expired(piece.now) {
            T::expire(&slot, word, piece.now)
        } else {
            (early.homeless | early.lot) != 0 && T::end_early(&slot, word, early)
        };
        if gone {
            piece.expired += 1;
        } else {
            piece.live += 1;
        }
    }
}
