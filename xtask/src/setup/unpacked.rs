//! Debian packages unpacked under the target directory, not installed: they would bring services along.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::packages;
use crate::command;

/// Downloads the package into this directory and unpacks it there.
pub(super) fn unpack(name: &str, directory: &Path) -> Result<()> {
    println!("setup: downloading {name} by apt");
    std::fs::create_dir_all(directory).with_context(|| directory.display().to_string())?;
    if download(name, directory).is_err() {
        packages::update()?;
        download(name, directory)?;
    }
    let is_package = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "deb");
    let files: Vec<PathBuf> = std::fs::read_dir(directory)?.flatten().map(|entry| entry.path()).collect();
    let package = files.into_iter().find(is_package).context("apt-get download left no package behind")?;
    command::output(Command::new("dpkg").arg("-x").arg(&package).arg(directory))?;
    std::fs::remove_file(package)?;
    Ok(())
}

fn download(name: &str, directory: &Path) -> Result<()> {
    command::output(Command::new("apt-get").args(["--quiet", "download", name]).current_dir(directory)).map(drop)
}
