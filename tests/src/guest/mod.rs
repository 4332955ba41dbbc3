//! The real IPVS, with the real `ipvsadm`, in a guest kernel: Debian's user-mode Linux, a process of this machine.
//!
//! A guest boots in about a second and then does thousands of cases, one after another ([`Op`], [`Outcome`]). Several
//! can run at once. It needs root, ends with the [`Guest`], and when this process dies.
//!
//! Its clock is ours: [`Op::Sleep`] lets an hour pass in a fraction of a second, with every timer in its place. So:
//!
//! * Timeouts need no patience.
//! * `ipvsadm --stats` shows what the kernel's estimator last added up, every 2 s. Exact counters cost a
//!   `Sleep` of 4 s at the end of a case, which is no wait (connections age by 4 s, of course).
//! * The kernel ticks 100 times a second, and its timers are coarse: one of a minute may fire 0.64 s late.
//!
//! `ipvsadm -Lnc` walks a table that all namespaces share, and misses entries when others expire meanwhile. Here there is
//! only one namespace that has any, because [`Op::Begin`] waits until the one before is gone.

use anyhow::{Result, bail};

pub use lvx_agent::{Op, Outcome};

/// A running guest.
pub struct Guest {}

impl Guest {
    /// Boots a guest; makes it from Debian's packages first, if that was not done yet.
    ///
    /// # Errors
    /// A download failed, this is not root, or the guest does not come up; the error has the end of its console.
    pub fn boot() -> Result<Self> {
        bail!("the guest is not there yet")
    }

    /// The release of the guest's kernel, as `uname -r` says it.
    pub fn kernel(&self) -> &str {
        ""
    }

    /// Does all of `ops` and returns as many outcomes, in the same order.
    ///
    /// # Errors
    /// The guest died, or could not do what it was asked: a line of `ip` or a sysctl was refused. A program that fails is
    /// no error. After an error the guest may be used on, from a [`Op::Begin`].
    pub fn run(&mut self, _ops: &[Op]) -> Result<Vec<Outcome>> {
        bail!("the guest is not there yet")
    }
}
