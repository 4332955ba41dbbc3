//! Where things are: the workspace, its target directory, the programs of the machine.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Directories of system programs that an ordinary user's PATH may lack.
const SYSTEM: [&str; 5] = ["/usr/local/sbin", "/usr/sbin", "/sbin", "/usr/bin", "/bin"];

/// The workspace's top directory.
pub fn root() -> PathBuf {
    let xtask = Path::new(env!("CARGO_MANIFEST_DIR"));
    xtask.parent().unwrap_or(xtask).to_path_buf()
}

/// Where cargo puts what it builds.
pub fn target() -> PathBuf {
    root().join(env::var_os("CARGO_TARGET_DIR").map_or_else(|| PathBuf::from("target"), PathBuf::from))
}

/// The release binary `lvx`, built or not.
pub fn lvx() -> PathBuf {
    release("lvx")
}

/// A release binary of the workspace, built or not.
pub fn release(name: &str) -> PathBuf {
    target().join("release").join(name)
}

/// A cargo of the workspace, run in its top directory.
pub fn cargo() -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root()).env("PATH", path(&[]));
    command
}

/// The path of a program, if the machine has it.
pub fn program(name: &str) -> Option<PathBuf> {
    env::split_paths(&path(&[])).map(|directory| directory.join(name)).find(|candidate| candidate.is_file())
}

/// A PATH: `first`, the user's own, cargo's and the system's directories.
pub fn path(first: &[PathBuf]) -> OsString {
    let own = env::var_os("PATH").unwrap_or_default();
    let mut directories = first.to_vec();
    directories.extend(env::split_paths(&own));
    directories.extend(cargo_bin());
    directories.extend(SYSTEM.map(PathBuf::from));
    directories.dedup();
    // Only a directory with a colon in its name cannot be joined; such a one cannot come from a PATH.
    env::join_paths(directories).unwrap_or(own)
}

/// Where `cargo install` puts programs.
pub fn cargo_bin() -> Option<PathBuf> {
    let home = env::var_os("CARGO_HOME")
        .map(PathBuf::from)
        .or_else(|| env::var_os("HOME").map(|home| PathBuf::from(home).join(".cargo")))?;
    Some(home.join("bin"))
}
