//! System calls that std does not have, with their failures as errors that name the call.

use std::ffi::c_int;
use std::io;
use std::os::fd::{AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd};

/// Minus one is a failure.
pub fn checked(result: c_int, call: &str) -> io::Result<c_int> {
    if result == -1 { Err(failed(call)) } else { Ok(result) }
}

/// The last error, with the name of the call.
pub fn failed(call: &str) -> io::Error {
    let error = io::Error::last_os_error();
    io::Error::new(error.kind(), format!("{call}: {error}"))
}

/// A new socket of the current network namespace.
pub fn socket(family: c_int, kind: c_int, protocol: c_int) -> io::Result<OwnedFd> {
    // SAFETY: the call takes no pointers.
    let socket = checked(unsafe { libc::socket(family, kind | libc::SOCK_CLOEXEC, protocol) }, "socket")?;
    // SAFETY: a new descriptor that nobody else has.
    Ok(unsafe { OwnedFd::from_raw_fd(socket) })
}

/// Sets an option of a socket that is a number.
pub fn set_option(socket: BorrowedFd, level: c_int, name: c_int, value: c_int) -> io::Result<()> {
    let size = size_of::<c_int>() as libc::socklen_t;
    // SAFETY: the pointer is to a number of that size.
    let set = unsafe { libc::setsockopt(socket.as_raw_fd(), level, name, (&raw const value).cast(), size) };
    checked(set, "setsockopt").map(drop)
}

/// Binds a socket.
pub fn bind<T>(socket: BorrowedFd, address: &T) -> io::Result<()> {
    let size = size_of::<T>() as libc::socklen_t;
    // SAFETY: the pointer is to an address of that size.
    let bound = unsafe { libc::bind(socket.as_raw_fd(), (&raw const *address).cast(), size) };
    checked(bound, "bind").map(drop)
}

/// Waits until there is something to read, for `limit` milliseconds at most: whether there is.
pub fn readable(file: BorrowedFd, limit: c_int) -> io::Result<bool> {
    let mut wait = libc::pollfd { fd: file.as_raw_fd(), events: libc::POLLIN, revents: 0 };
    // SAFETY: the pointer is to one entry.
    checked(unsafe { libc::poll(&raw mut wait, 1, limit) }, "poll").map(|ready| ready > 0)
}
