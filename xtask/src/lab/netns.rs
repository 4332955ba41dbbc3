//! Network namespaces: making, entering, emptying and deleting them.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, anyhow, bail};

/// Where iproute2 keeps named namespaces.
const DIRECTORY: &str = "/run/netns";

/// A named network namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Netns {
    /// Its name, as `ip netns` shows it.
    pub name: String,
}

impl Netns {
    /// All of a name that starts so.
    ///
    /// # Errors
    /// The directory is there and cannot be read.
    pub fn with_prefix(prefix: &str) -> Result<Vec<Self>> {
        let entries = match fs::read_dir(DIRECTORY) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error).context(DIRECTORY),
        };
        let mut found = Vec::new();
        for entry in entries {
            let name = entry?.file_name().to_string_lossy().into_owned();
            if name.starts_with(prefix) {
                found.push(Self { name });
            }
        }
        found.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(found)
    }

    /// Its file.
    pub fn path(&self) -> PathBuf {
        Path::new(DIRECTORY).join(&self.name)
    }

    /// A command that will run inside, with the caller's mounts (`ip netns exec` would hide /sys/fs/bpf).
    ///
    /// # Errors
    /// There is no such namespace.
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Result<Command> {
        let file = self.open()?;
        let mut command = Command::new(program);
        let enter = move || set_network(&file);
        // SAFETY: between fork and exec the closure makes one system call and allocates nothing.
        unsafe { command.pre_exec(enter) };
        Ok(command)
    }

    /// Calls `work` on a thread of its own inside.
    ///
    /// # Errors
    /// There is no such namespace, or `work` fails.
    pub fn enter<T: Send>(&self, work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
        let file = self.open()?;
        let inside = move || {
            set_network(&file)?;
            work()
        };
        std::thread::scope(|scope| scope.spawn(inside).join())
            .map_err(|_panic| anyhow!("a thread in namespace {} panicked", self.name))?
    }

    /// Runs lines of `ip` inside, all in one process.
    ///
    /// # Errors
    /// The first line that fails, in ip's words.
    pub fn ip(&self, lines: &[String]) -> Result<()> {
        batch(self.command("ip")?, lines).with_context(|| format!("namespace {}", self.name))
    }

    /// Processes inside, but not this one.
    ///
    /// # Errors
    /// /proc or the namespace cannot be read.
    pub fn processes(&self) -> Result<Vec<i32>> {
        let inode = self.open()?.metadata()?.ino();
        let own = std::process::id().cast_signed();
        let processes = fs::read_dir("/proc")?.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
        Ok(processes
            .filter(|&process: &i32| process != own)
            // A process may end while we look; then it is not inside.
            .filter(|process| fs::metadata(format!("/proc/{process}/ns/net")).is_ok_and(|ns| ns.ino() == inode))
            .collect())
    }

    fn open(&self) -> Result<File> {
        File::open(self.path()).with_context(|| format!("there is no network namespace {}", self.name))
    }
}

/// Makes namespaces.
///
/// # Errors
/// One of them exists, or we are not root.
pub(super) fn add(all: &[Netns]) -> Result<()> {
    // The first `ip netns add` after boot remounts /run/netns, which goes wrong if two do it at once.
    let lock = File::open("/run")?;
    lock.lock()?;
    change(all, "add")
}

/// Deletes namespaces.
///
/// # Errors
/// One of them does not exist, or we are not root.
pub(super) fn delete(all: &[Netns]) -> Result<()> {
    change(all, "del")
}

fn change(all: &[Netns], verb: &str) -> Result<()> {
    let lines: Vec<_> = all.iter().map(|netns| format!("netns {verb} {}", netns.name)).collect();
    batch(Command::new("ip"), &lines)
}

fn batch(mut ip: Command, lines: &[String]) -> Result<()> {
    let mut child = ip
        .args(["-batch", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .context("ip does not run")?;
    if let Some(mut input) = child.stdin.take() {
        input.write_all(lines.join("\n").as_bytes()).context("ip ended early")?;
    }
    let output = child.wait_with_output()?;
    if !output.status.success() {
        bail!("ip -batch: {}\nin:\n{}", String::from_utf8_lossy(&output.stderr).trim_end(), lines.join("\n"));
    }
    Ok(())
}

fn set_network(file: &File) -> io::Result<()> {
    // SAFETY: setns takes a descriptor, which `file` keeps open during the call, and a number.
    let entered = unsafe { libc::setns(file.as_raw_fd(), libc::CLONE_NEWNET) };
    if entered == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
