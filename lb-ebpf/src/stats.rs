//! What passed, and why what did not pass did not: counters of this CPU only, so that no cache line is shared.

use aya_ebpf::Global;
use aya_ebpf::helpers::generated::bpf_get_smp_processor_id;
use aya_ebpf::macros::map;
use aya_ebpf::maps::{Array, PerCpuArray};
use lb_common::handshake::{Handshakes, Step};
use lb_common::reason::Reason;
use lb_common::service::Traffic;

use crate::flows::MMAPABLE;

#[map]
static REASONS: PerCpuArray<u64> = PerCpuArray::with_max_entries(64, 0);

/// Arrays of as many parts as there are CPUs, which the control plane reads without a system call.
#[map]
static SERVICE_STATS: Array<Traffic> = Array::with_max_entries(1, MMAPABLE);

#[map]
static REAL_STATS: Array<Traffic> = Array::with_max_entries(1, MMAPABLE);

#[map]
static HANDSHAKES: Array<Handshakes> = Array::with_max_entries(1, MMAPABLE);

/// Sizes of the parts; the loader sets them.
#[unsafe(no_mangle)]
static SERVICES_MAX: Global<u32> = Global::new(1);

#[unsafe(no_mangle)]
static REALS_MAX: Global<u32> = Global::new(1);

/// Counts a packet that was not forwarded as asked.
#[inline(always)]
pub fn count(reason: Reason) {
    if let Some(counter) = REASONS.get_ptr_mut(reason as u32) {
        // SAFETY: the value is this CPU's own, and XDP on a CPU is not interrupted by XDP.
        let counter = unsafe { &mut *counter };
        *counter = counter.wrapping_add(1);
    }
}

/// Counts a new connection, for the service that scheduled it and for its real server (`ip_vs_conn_stats`). That one may
/// be another service's, where two share a template: FTP and every port.
#[inline(always)]
pub fn opened(service: u32, real: u32) {
    for traffic in parts(service, real) {
        let Some(traffic) = traffic else { continue };
        // SAFETY: this part of the array is this CPU's own, and XDP on a CPU is not interrupted by XDP.
        let traffic = unsafe { &mut *traffic };
        traffic.connections = traffic.connections.wrapping_add(1);
    }
}

/// Counts a packet of `bytes`, for a real server and its service (`ip_vs_in_stats`).
#[inline(always)]
pub fn traffic(service: u32, real: u32, bytes: u32) {
    for traffic in parts(service, real) {
        let Some(traffic) = traffic else { continue };
        // SAFETY: this part of the array is this CPU's own, and XDP on a CPU is not interrupted by XDP.
        let traffic = unsafe { &mut *traffic };
        traffic.packets = traffic.packets.wrapping_add(1);
        traffic.bytes = traffic.bytes.wrapping_add(u64::from(bytes));
    }
}

/// Counts how far a connection with a real server got.
#[inline(always)]
pub fn handshake(real: u32, step: Step) {
    lvx_count_handshake(real, step as u32);
}

/// A global function, so that its stack is not its callers', who have none to spare on Linux 6.1.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn lvx_count_handshake(real: u32, step: u32) -> u32 {
    // SAFETY: the helper has no preconditions.
    let cpu = unsafe { bpf_get_smp_processor_id() };
    let index = cpu.wrapping_mul(REALS_MAX.load()).wrapping_add(real);
    let (Some(handshakes), Some(step)) = (HANDSHAKES.get_ptr_mut(index), Step::from_number(step)) else { return 0 };
    // SAFETY: this part of the array is this CPU's own, and XDP on a CPU is not interrupted by XDP.
    let handshakes = unsafe { &mut *handshakes };
    let counter = match step {
        Step::Begun => &mut handshakes.begun,
        Step::Confirmed => &mut handshakes.confirmed,
        Step::Retransmitted => &mut handshakes.retransmitted,
    };
    *counter = counter.wrapping_add(1);
    1
}

/// What this CPU counts for a service and for a real server.
#[inline(always)]
fn parts(service: u32, real: u32) -> [Option<*mut Traffic>; 2] {
    // SAFETY: the helper has no preconditions.
    let cpu = unsafe { bpf_get_smp_processor_id() };
    let service = cpu.wrapping_mul(SERVICES_MAX.load()).wrapping_add(service);
    let real = cpu.wrapping_mul(REALS_MAX.load()).wrapping_add(real);
    [SERVICE_STATS.get_ptr_mut(service), REAL_STATS.get_ptr_mut(real)]
}
