//! A network namespace for a thread: interfaces of its own, which go when the thread ends.

use std::io;
use std::process::Command;

/// Runs `work` on a thread in a network namespace of its own, which has two Ethernet interfaces: `first` and `second`
/// are their indices.
///
/// # Errors
/// The kernel refuses the namespace or the interfaces; they need root.
///
/// # Panics
/// `work` does.
pub fn with_two_interfaces<T: Send>(work: impl FnOnce(u32, u32) -> T + Send) -> io::Result<T> {
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            // SAFETY: the call takes no pointers; it concerns this thread only.
            if unsafe { libc::unshare(libc::CLONE_NEWNET) } != 0 {
                return Err(io::Error::last_os_error());
            }
            let status = Command::new("ip")
                .args(["link", "add", "first", "index", "11", "type", "veth"])
                .args(["peer", "name", "second", "index", "12"])
                .status()?;
            if !status.success() {
                return Err(io::Error::other(format!("`ip link add` ended with {status}")));
            }
            Ok(work(11, 12))
        });
        thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}
