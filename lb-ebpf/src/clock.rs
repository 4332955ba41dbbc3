//! Time in jiffies: one to three nanoseconds a reading, where `bpf_ktime_get_ns` takes forty.

use aya_ebpf::Global;
use aya_ebpf::helpers::generated::bpf_jiffies64;

/// Jiffies in a second; the loader sets it.
#[unsafe(no_mangle)]
static HZ: Global<u32> = Global::new(250);

/// Jiffies now.
#[inline(always)]
pub fn now() -> u64 {
    // SAFETY: the helper has no preconditions.
    unsafe { bpf_jiffies64() }
}

/// Jiffies in `seconds`.
#[inline(always)]
pub fn seconds(seconds: u32) -> u32 {
    seconds.wrapping_mul(HZ.load())
}

/// How stale a flow's expiry may get before a packet renews it: an eighth of a second.
#[inline(always)]
pub fn refresh_step() -> u64 {
    u64::from(HZ.load()) / 8
}
