//! Ctrl-C: the lab comes down before this process ends.

use std::io::Read as _;
use std::os::fd::{AsRawFd as _, IntoRawFd as _};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicI32, Ordering};

use anyhow::{Context, Result};

/// The end of the socket pair that the handler writes to.
static BELL: AtomicI32 = AtomicI32::new(-1);

/// Exit status of a program that a signal ended, as shells give it for SIGINT.
const INTERRUPTED: i32 = 130;

/// From here on SIGINT and SIGTERM call `clean_up` and end the process.
///
/// # Errors
/// No socket pair can be made.
pub(super) fn handle(clean_up: impl FnOnce() -> Result<()> + Send + 'static) -> Result<()> {
    let (mut listener, bell) = UnixStream::pair().context("a pair of sockets")?;
    BELL.store(bell.as_raw_fd(), Ordering::Relaxed);
    // The handler may ring until the process ends.
    let _open = bell.into_raw_fd();
    for signal in [libc::SIGINT, libc::SIGTERM] {
        let handler = ring as extern "C" fn(i32) as libc::sighandler_t;
        // SAFETY: the handler only loads an atomic and calls write, which are allowed in a signal handler.
        unsafe { libc::signal(signal, handler) };
    }
    std::thread::spawn(move || {
        if listener.read_exact(&mut [0]).is_err() {
            return;
        }
        println!("\ninterrupted: the lab comes down");
        if let Err(error) = clean_up() {
            eprintln!("error: {error:#}");
        }
        std::process::exit(INTERRUPTED);
    });
    Ok(())
}

extern "C" fn ring(_signal: i32) {
    let byte = 1u8;
    // SAFETY: the descriptor is open for as long as the process lives, and `byte` is one readable byte.
    unsafe { libc::write(BELL.load(Ordering::Relaxed), (&raw const byte).cast(), 1) };
}
