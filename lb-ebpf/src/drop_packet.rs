//! The sysctl `drop_packet`: of packets that would open a connection one in so many is dropped (`ip_vs_todrop`).

use aya_ebpf::macros::map;
use aya_ebpf::maps::Array;
use lb_common::settings::Settings;

/// How many packets pass until the next is dropped, and that one.
#[map]
static DROP_COUNTER: Array<u64> = Array::with_max_entries(1, 0);

/// Whether this packet is dropped. CPUs that ask at the same time may count as one, as in the kernel.
#[inline(always)]
pub fn drops(settings: &Settings) -> bool {
    if settings.drop_rate == 0 {
        return false;
    }
    let Some(counter) = DROP_COUNTER.get_ptr_mut(0) else { return false };
    // SAFETY: `counter` points to a live map value; volatile, because other CPUs write it.
    let left = unsafe { counter.read_volatile() };
    let drops = left <= 1;
    let left = if drops { u64::from(settings.drop_rate) } else { left - 1 };
    // SAFETY: as above.
    unsafe { counter.write_volatile(left) };
    drops
}
