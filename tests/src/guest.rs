//! The real IPVS, with the real `ipvsadm`, in a guest kernel: Debian's user-mode Linux, a process of this machine.
//!
//! A guest boots in about a second and then does thousands of cases, one after another ([`Op`], [`Outcome`]). Several
//! can run at once. It needs root, ends with the [`Guest`], and when this process dies.
//!
//! Its clock is ours (`tests/clock`). It goes on as the guest waits: [`Op::Sleep`] lets an hour pass in a fraction of a
//! second, with every timer in its place. Otherwise it nearly stands, however long a command or this process takes. So:
//!
//! * Timeouts need no patience, and no slack for a busy machine.
//! * `ipvsadm --stats` shows what the kernel's estimator last added up, every 2 s. Exact counters cost a
//!   `Sleep` of 4 s at the end of a case, which is no wait (connections age by 4 s, of course).
//! * The kernel ticks 100 times a second, and its timer wheel is coarse: what is due after a minute happens up to 5.2 s
//!   late, after a quarter of an hour 41 s, after an hour 328 s; never early.
//!
//! `ipvsadm -Lnc` walks a table that all namespaces share, and misses entries when others expire meanwhile. Here there is
//! only one namespace that has any, because [`Op::Begin`] waits until the one before is gone.

pub use xtask::guest::{Guest, Op, Outcome};
