//! From the kernel's start to the first operation, and the end.

use std::fs::{self, File};
use std::io;
use std::os::fd::AsRawFd as _;
use std::process::ExitCode;

use lvx_agent::Outcome;

use crate::call;
use crate::clock::Clock;

/// What is mounted: type, where.
const MOUNTS: [(&str, &str); 5] =
    [("proc", "/proc"), ("sysfs", "/sys"), ("devtmpfs", "/dev"), ("tmpfs", "/run"), ("bpf", "/sys/fs/bpf")];

/// The kernel modules of the image in an order in which they can be loaded, a path a line.
const MODULES: &str = "/lib/modules/order";

/// The lines between guest and host, and what the kernel's command line says besides.
pub struct Lines {
    /// Operations and outcomes.
    pub host: File,
    /// The clock's switch.
    pub clock: Clock,
    /// Whether directors run XDP programs here.
    pub xdp: bool,
}

/// Makes the guest ready: file systems, modules, sysctls of the whole kernel.
pub fn guest() -> io::Result<Lines> {
    for (kind, path) in MOUNTS {
        mount(kind, path)?;
    }
    load_modules()?;
    for (path, value) in [
        // This namespace only holds the far end of the director's link.
        ("net/ipv6/conf/all/disable_ipv6", "1"),
        ("net/ipv6/conf/default/disable_ipv6", "1"),
    ] {
        sysctl(path, value)?;
    }
    let command_line = fs::read_to_string("/proc/cmdline")?;
    let option = |name: &str| {
        let value = command_line.split_whitespace().find_map(|word| word.strip_prefix(name)?.strip_prefix('='));
        value.map(str::to_owned)
    };
    let host = option("agent_line").ok_or_else(|| io::Error::other("no agent_line on the kernel's command line"))?;
    let switch = option("agent_clock").map(|path| line(&path)).transpose()?;
    Ok(Lines { host: line(&host)?, clock: Clock { switch }, xdp: option("agent_xdp").is_some() })
}

/// What the agent says first: the release of the kernel, as if the host had asked for it.
pub fn greeting() -> io::Result<Outcome> {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease")?;
    Ok(Outcome::Ran { status: 0, stdout: release.trim_end().to_owned(), stderr: String::new() })
}

/// Sets a sysctl of the current network namespace or of the kernel.
pub fn sysctl(path: &str, value: &str) -> io::Result<()> {
    let file = format!("/proc/sys/{path}");
    fs::write(&file, value).map_err(|error| io::Error::new(error.kind(), format!("{file}: {error}")))
}

/// Ends the guest.
pub fn power_off() -> ExitCode {
    // SAFETY: the call takes no pointers.
    unsafe { libc::reboot(libc::RB_POWER_OFF) };
    ExitCode::FAILURE
}

fn mount(kind: &str, path: &str) -> io::Result<()> {
    let text = |text: &str| std::ffi::CString::new(text).map_err(io::Error::other);
    let (kind, target) = (text(kind)?, text(path)?);
    // SAFETY: strings that outlive the call; these file systems take no data.
    let mounted = unsafe { libc::mount(kind.as_ptr(), target.as_ptr(), kind.as_ptr(), 0, std::ptr::null()) };
    call::checked(mounted, &format!("mount {path}")).map(drop)
}

fn load_modules() -> io::Result<()> {
    for path in fs::read_to_string(MODULES)?.lines() {
        let file = File::open(path)?;
        // SAFETY: an open file, a C string, no flags.
        let loaded = unsafe { libc::syscall(libc::SYS_finit_module, file.as_raw_fd(), c"".as_ptr(), 0) };
        if loaded != 0 {
            return Err(call::failed(path));
        }
    }
    Ok(())
}

/// Opens a serial line, on which bytes are nothing but bytes.
fn line(path: &str) -> io::Result<File> {
    let file = File::options().read(true).write(true).open(path)?;
    // SAFETY: all zeroes are such a structure.
    let mut settings: libc::termios = unsafe { std::mem::zeroed() };
    // SAFETY: an open file and a pointer to a local.
    call::checked(unsafe { libc::tcgetattr(file.as_raw_fd(), &raw mut settings) }, path)?;
    // SAFETY: a pointer to a local.
    unsafe { libc::cfmakeraw(&raw mut settings) };
    // SAFETY: as above.
    call::checked(unsafe { libc::tcsetattr(file.as_raw_fd(), libc::TCSANOW, &raw const settings) }, path)?;
    Ok(file)
}
