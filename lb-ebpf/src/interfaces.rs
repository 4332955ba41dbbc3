//! The interfaces that LVX balances on.

use aya_ebpf::macros::map;
use aya_ebpf::maps::Array;

use crate::flows::MMAPABLE;

#[map]
static INTERFACES: Array<u64> = Array::with_max_entries(1024, MMAPABLE);

/// The MAC address of an interface as [`lb_common::real_server::mac_word`], if LVX balances there.
#[inline(always)]
pub fn mac(ifindex: u32) -> Option<u64> {
    INTERFACES.get(ifindex).copied().filter(|mac| *mac != 0)
}
