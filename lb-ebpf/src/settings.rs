//! What the packet path is told.

use aya_ebpf::macros::map;
use aya_ebpf::maps::Array;
use lb_common::reason::Reason;
use lb_common::settings::Settings;

use crate::flows::MMAPABLE;

#[map]
static SETTINGS: Array<Settings> = Array::with_max_entries(1, MMAPABLE);

/// The settings in force.
#[inline(always)]
pub fn get() -> Result<&'static Settings, Reason> {
    SETTINGS.get(0).ok_or(Reason::Internal)
}
