//! The kernel's tick.

use std::io;

use anyhow::{Result, bail};

/// Jiffies in a second: the resolution of the coarse clock is one tick.
///
/// # Errors
/// The clock cannot be read, or gives a resolution that no kernel has.
pub fn hz() -> Result<u32> {
    let mut resolution = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `resolution` is a valid timespec to write to.
    let code = unsafe { libc::clock_getres(libc::CLOCK_MONOTONIC_COARSE, &raw mut resolution) };
    if code != 0 {
        return Err(io::Error::last_os_error().into());
    }
    match (resolution.tv_sec, u32::try_from(resolution.tv_nsec)) {
        (0, Ok(nanoseconds @ 500_000..=20_000_000)) => Ok((1_000_000_000 + nanoseconds / 2) / nanoseconds),
        (seconds, _) => bail!("the kernel's tick is {seconds} s {} ns", resolution.tv_nsec),
    }
}
