//! A network namespace without a name: it is there for as long as somebody has it open.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd};
use std::thread;

/// The namespace of the calling thread; `/proc/self` would be that of the process' first thread.
const OWN: &str = "/proc/thread-self/ns/net";

/// A network namespace beside the one that it was made from.
#[derive(Debug)]
pub(super) struct Namespace {
    inside: File,
    outside: File,
}

impl Namespace {
    /// Makes an empty one.
    pub(super) fn new() -> io::Result<Self> {
        let outside = File::open(OWN)?;
        let made = thread::Builder::new().name("namespace".to_owned()).spawn(|| {
            // SAFETY: the call takes no pointers; it concerns this thread only, which ends here.
            if unsafe { libc::unshare(libc::CLONE_NEWNET) } != 0 {
                return Err(io::Error::last_os_error());
            }
            File::open(OWN)
        })?;
        let inside = made.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
        Ok(Self { inside, outside })
    }

    /// Calls `work` inside; from a thread that is in the namespace that this one was made from, and not across an
    /// `await`.
    pub(super) fn enter<T>(&self, work: impl FnOnce() -> T) -> io::Result<T> {
        let _way_back = WayBack::through(self)?;
        Ok(work())
    }
}

impl AsFd for Namespace {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.inside.as_fd()
    }
}

/// Leads out of a namespace, even if what is done inside panics.
struct WayBack<'a>(&'a File);

impl<'a> WayBack<'a> {
    fn through(namespace: &'a Namespace) -> io::Result<Self> {
        set(&namespace.inside)?;
        Ok(Self(&namespace.outside))
    }
}

impl Drop for WayBack<'_> {
    fn drop(&mut self) {
        if let Err(error) = set(self.0) {
            // Everything that this thread did from now on would be done in the wrong network.
            tracing::error!(%error, "cannot return to the director's network namespace");
            std::process::abort();
        }
    }
}

fn set(namespace: &File) -> io::Result<()> {
    // SAFETY: the call takes no pointers; the descriptor is open.
    match unsafe { libc::setns(namespace.as_raw_fd(), libc::CLONE_NEWNET) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}
