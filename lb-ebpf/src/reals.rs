//! Real servers: where they are, and how many connections they have.

use aya_ebpf::macros::map;
use aya_ebpf::maps::Array;
use lb_common::flow::Flow;
use lb_common::real_server::{self, Counts, RealServer, flags};

use crate::flows::MMAPABLE;
use crate::{atomic, schedule};

#[map]
static REALS: Array<RealServer> = Array::with_max_entries(65536, MMAPABLE);

#[map]
static REAL_COUNTS: Array<Counts> = Array::with_max_entries(65536, MMAPABLE);

/// A real server by its index.
#[inline(always)]
pub fn get(index: u32) -> Option<&'static RealServer> {
    REALS.get(index)
}

/// The real server of a flow, unless its slot has another tenant by now.
#[inline(always)]
pub fn of(flow: &Flow) -> Option<&'static RealServer> {
    get(flow.real).filter(|server| server.generation == flow.generation)
}

/// Its connections.
#[inline(always)]
pub fn counts(index: u32) -> Option<&'static Counts> {
    REAL_COUNTS.get(index)
}

/// Whether it is a member of its service.
#[inline(always)]
pub fn is_available(server: &RealServer) -> bool {
    server.flags & flags::AVAILABLE != 0
}

/// Counts a new connection (`ip_vs_bind_dest`).
#[inline(always)]
pub fn bind(index: u32, server: &RealServer, active: bool) {
    let Some(counts) = REAL_COUNTS.get_ptr_mut(index) else { return };
    add(counts, active, 1);
    if server.upper_threshold != 0 && real_server::overloads(server, total(counts)) {
        set_overloaded(counts, 1);
    }
    changed(server);
}

/// Counts one connection less (`ip_vs_unbind_dest`).
#[inline(always)]
pub fn unbind(index: u32, server: &RealServer, active: bool) {
    let Some(counts) = REAL_COUNTS.get_ptr_mut(index) else { return };
    add(counts, active, 1u64.wrapping_neg());
    // SAFETY: `counts` points to a live map value.
    if unsafe { (*counts).overloaded } != 0 && real_server::relieves(server, total(counts)) {
        set_overloaded(counts, 0);
    }
    changed(server);
}

/// Counts a connection that became active, or inactive.
#[inline(always)]
pub fn move_to(index: u32, server: &RealServer, active: bool) {
    let Some(counts) = REAL_COUNTS.get_ptr_mut(index) else { return };
    add(counts, active, 1);
    add(counts, !active, 1u64.wrapping_neg());
    changed(server);
}

/// Counts templates: 1 more, or (wrapping) 1 less.
#[inline(always)]
pub fn add_persistent(index: u32, change: u64) {
    let Some(counts) = REAL_COUNTS.get_ptr_mut(index) else { return };
    // SAFETY: `counts` points to a live map value.
    let word = unsafe { &raw mut (*counts).persistent };
    // SAFETY: as above.
    unsafe { atomic::add64(word, change) };
}

#[inline(always)]
fn add(counts: *mut Counts, active: bool, change: u64) {
    // SAFETY: `counts` points to a live map value.
    let word = if active { unsafe { &raw mut (*counts).active } } else { unsafe { &raw mut (*counts).inactive } };
    // SAFETY: as above.
    unsafe { atomic::add64(word, change) };
}

/// Tells the scheduler; after the change, never before ([`lb_common::schedule::blocks`]).
#[inline(always)]
fn changed(server: &RealServer) {
    // SAFETY: a valid reference; volatile, so that it is read after the counts have changed: the server may get another
    // block in this moment.
    schedule::changed(unsafe { (&raw const server.summary).read_volatile() });
}

#[inline(always)]
fn total(counts: *mut Counts) -> u64 {
    // SAFETY: `counts` points to a live map value; a reading that another CPU overtakes is as good as one before it.
    let counts = unsafe { &*counts };
    counts.active.wrapping_add(counts.inactive)
}

#[inline(always)]
fn set_overloaded(counts: *mut Counts, value: u64) {
    // SAFETY: `counts` points to a live map value.
    let word = unsafe { &raw mut (*counts).overloaded };
    // SAFETY: as above; other CPUs write it too, and any of the values is right.
    unsafe { word.write_volatile(value) };
}
