//! An XDP program that passes everything, for the switch's end of a director's cable.
//!
//! A veth drops what XDP sends to it unless its other end runs an XDP program too (only that gives it NAPI).

use std::ffi::{CString, c_long};
use std::io;
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd};
use std::path::Path;

use anyhow::{Context, Result};

use super::netns::Netns;

const BPF_PROG_LOAD: c_long = 5;
const BPF_OBJ_PIN: c_long = 6;
const BPF_PROG_TYPE_XDP: u32 = 6;

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

/// The start of `union bpf_attr` for `BPF_OBJ_PIN`.
#[repr(C)]
struct Pin {
    pathname: u64,
    bpf_fd: u32,
    file_flags: u32,
}

/// Attaches the program, in native mode, to interfaces of a namespace, where it stays as long as they live.
///
/// # Errors
/// bpffs is not mounted, the kernel refuses, or an interface is missing.
pub(super) fn attach(netns: &Netns, interfaces: &[String]) -> Result<()> {
    let pin = format!("/sys/fs/bpf/{}-pass", netns.name);
    let program = load().context("loading an XDP program")?;
    obj_pin(&program, &pin).with_context(|| format!("pinning {pin}: is /sys/fs/bpf mounted? (cargo xtask setup)"))?;
    let lines: Vec<_> =
        interfaces.iter().map(|interface| format!("link set dev {interface} xdpdrv pinned {pin}")).collect();
    let attached = netns.ip(&lines);
    std::fs::remove_file(Path::new(&pin))?;
    attached
}

fn load() -> io::Result<OwnedFd> {
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
    let descriptor = bpf(BPF_PROG_LOAD, &attributes)?;
    // SAFETY: the kernel just made this descriptor for us, and nobody else knows it.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
}

fn obj_pin(program: &OwnedFd, path: &str) -> io::Result<()> {
    let path = CString::new(path)?;
    let bpf_fd = program.as_raw_fd().cast_unsigned();
    bpf(BPF_OBJ_PIN, &Pin { pathname: path.as_ptr() as u64, bpf_fd, file_flags: 0 }).map(drop)
}

fn bpf<T>(command: c_long, attributes: &T) -> io::Result<i32> {
    // SAFETY: `attributes` is a `repr(C)` prefix of `union bpf_attr`, given with its size, and what it points to
    // outlives the call; the kernel writes to none of it.
    let result = unsafe { libc::syscall(libc::SYS_bpf, command, std::ptr::from_ref(attributes), size_of::<T>()) };
    match i32::try_from(result) {
        Ok(descriptor) if descriptor >= 0 => Ok(descriptor),
        Ok(_) | Err(_) => Err(io::Error::last_os_error()),
    }
}
