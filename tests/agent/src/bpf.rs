//! An XDP program that passes everything, by bare system calls.
//!
//! A veth drops what XDP sends to it unless its other end runs an XDP program too (only that gives it NAPI).

use std::ffi::{c_int, c_long};
use std::io;
use std::os::fd::{AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd};

const BPF_PROG_LOAD: c_long = 5;
const BPF_LINK_CREATE: c_long = 28;
const BPF_PROG_TYPE_XDP: u32 = 6;
const BPF_XDP: u32 = 37;
/// `XDP_FLAGS_DRV_MODE`: in the driver, not in the stack.
const NATIVE: u32 = 1 << 2;

/// `r0 = XDP_PASS; exit`, as two `struct bpf_insn`.
const PASS: [u64; 2] = [0x0000_0002_0000_00b7, 0x0000_0000_0000_0095];

/// The start of `union bpf_attr` for `BPF_PROG_LOAD`.
#[repr(C)]
struct Load {
    prog_type: u32,
    insn_cnt: u32,
    insns: u64,
    license: u64,
    log_level: u32,
    log_size: u32,
    log_buf: u64,
    kern_version: u32,
    prog_flags: u32,
}

/// The start of `union bpf_attr` for `BPF_LINK_CREATE`.
#[repr(C)]
struct Link {
    prog_fd: c_int,
    target_ifindex: c_int,
    attach_type: u32,
    flags: u32,
}

/// Loads the program.
///
/// # Errors
/// The kernel refuses; it needs root.
pub fn pass_everything() -> io::Result<OwnedFd> {
    let license = c"GPL";
    let attributes = Load {
        prog_type: BPF_PROG_TYPE_XDP,
        insn_cnt: 2,
        insns: PASS.as_ptr() as u64,
        license: license.as_ptr() as u64,
        log_level: 0,
        log_size: 0,
        log_buf: 0,
        kern_version: 0,
        prog_flags: 0,
    };
    // SAFETY: the structure is the command's, and what it points to outlives the call.
    let descriptor = unsafe { call(BPF_PROG_LOAD, &attributes) }?;
    // SAFETY: the kernel just made this descriptor for us, and nobody else knows it.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
}

/// Attaches a program to an interface of the current network namespace, in native mode, for as long as what this returns
/// is kept.
///
/// # Errors
/// The kernel refuses.
pub fn attach(program: BorrowedFd, interface: c_int) -> io::Result<OwnedFd> {
    let attributes =
        Link { prog_fd: program.as_raw_fd(), target_ifindex: interface, attach_type: BPF_XDP, flags: NATIVE };
    // SAFETY: the structure is the command's, without a pointer.
    let descriptor = unsafe { call(BPF_LINK_CREATE, &attributes) }?;
    // SAFETY: the kernel just made this descriptor for us, and nobody else knows it.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
}

/// The system call `bpf`.
///
/// # Safety
/// `attributes` is a `repr(C)` prefix of `union bpf_attr` as `command` wants it; what it points to is there, and the kernel
/// may write to it what the command says.
///
/// # Errors
/// The kernel's.
pub unsafe fn call<T>(command: c_long, attributes: &T) -> io::Result<c_int> {
    // SAFETY: the caller vouches for the structure; its size is told.
    let result = unsafe { libc::syscall(libc::SYS_bpf, command, std::ptr::from_ref(attributes), size_of::<T>()) };
    match c_int::try_from(result) {
        Ok(descriptor) if descriptor >= 0 => Ok(descriptor),
        Ok(_) | Err(_) => Err(io::Error::last_os_error()),
    }
}
