//! An XDP program that passes everything, for the switch's end of a director's cable.
//!
//! A veth drops what XDP sends to it unless its other end runs an XDP program too (only that gives it NAPI).

use std::ffi::{CString, c_long};
use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::path::Path;

use anyhow::{Context, Result};
use lvx_agent::bpf;

use super::netns::Netns;

const BPF_OBJ_PIN: c_long = 6;

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
    let program = bpf::pass_everything().context("loading an XDP program")?;
    obj_pin(&program, &pin).with_context(|| format!("pinning {pin}: is /sys/fs/bpf mounted? (cargo xtask setup)"))?;
    let lines: Vec<_> =
        interfaces.iter().map(|interface| format!("link set dev {interface} xdpdrv pinned {pin}")).collect();
    let attached = netns.ip(&lines);
    std::fs::remove_file(Path::new(&pin))?;
    attached
}

fn obj_pin(program: &OwnedFd, path: &str) -> io::Result<()> {
    let path = CString::new(path)?;
    let bpf_fd = program.as_raw_fd().cast_unsigned();
    let attributes = Pin { pathname: path.as_ptr() as u64, bpf_fd, file_flags: 0 };
    // SAFETY: the structure is the command's, and the path outlives the call.
    unsafe { bpf::call(BPF_OBJ_PIN, &attributes) }.map(drop)
}
