//! The programs that lab, demo and tests call.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::Step;
use crate::{command, privilege, workspace};

/// Programs and their packages in Debian and Ubuntu.
const PROGRAMS: [(&str, &str); 7] = [
    ("ip", "iproute2"),
    ("iptables", "iptables"),
    ("ip6tables", "iptables"),
    ("nft", "nftables"),
    ("nginx", "nginx-light"),
    ("curl", "curl"),
    ("ethtool", "ethtool"),
];

/// Installs packages without starting their services.
const INSTALL: &str = include_str!("install.sh");

/// Makes sure that every program is there.
pub(super) fn ensure() -> Result<Step> {
    let missing: Vec<_> = PROGRAMS.into_iter().filter(|(program, _)| workspace::program(program).is_none()).collect();
    let names = PROGRAMS.map(|(program, _)| program).join(", ");
    if missing.is_empty() {
        return Ok(Step::Ready(format!("programs: {names}")));
    }
    let (programs, mut packages): (Vec<_>, Vec<_>) = missing.into_iter().unzip();
    packages.dedup();
    if workspace::program("apt-get").is_none() {
        bail!(
            "missing: {}; install them with your system's package manager (Debian's packages: {})",
            programs.join(", "),
            packages.join(", ")
        );
    }
    install(&packages)?;
    Ok(Step::Done(format!("programs: {}", programs.join(", "))))
}

/// Installs packages by apt.
pub(super) fn install(packages: &[&str]) -> Result<()> {
    println!("setup: installing {} by apt", packages.join(" "));
    let mut shell = privilege::command("sh")?;
    shell.args(["-c", INSTALL, "install"]).args(packages);
    let installed = command::output(&mut shell);
    installed.with_context(|| format!("apt cannot install {}", packages.join(" ")))?;
    Ok(())
}

/// Fetches apt's lists of packages anew.
pub(super) fn update() -> Result<()> {
    command::output(privilege::command("apt-get")?.args(["--quiet", "update"])).map(drop)
}

/// Downloads a package into this directory and unpacks it there, without installing it.
pub(super) fn unpack(package: &str, directory: &Path) -> Result<()> {
    println!("setup: downloading {package} by apt");
    std::fs::create_dir_all(directory).with_context(|| directory.display().to_string())?;
    if download(package, directory).is_err() {
        update()?;
        download(package, directory)?;
    }
    let is_package = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "deb");
    let files: Vec<PathBuf> = std::fs::read_dir(directory)?.flatten().map(|entry| entry.path()).collect();
    let file = files.into_iter().find(is_package).context("apt-get download left no package behind")?;
    command::output(Command::new("dpkg").arg("-x").arg(&file).arg(directory))?;
    std::fs::remove_file(file)?;
    Ok(())
}

fn download(package: &str, directory: &Path) -> Result<()> {
    command::output(Command::new("apt-get").args(["--quiet", "download", package]).current_dir(directory)).map(drop)
}

/// Whether apt knows a package that it could install.
pub(super) fn available(package: &str) -> bool {
    let mut apt = Command::new("apt-cache");
    let shown = command::output(apt.args(["policy", package]));
    shown.is_ok_and(|output| {
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        text.contains("Candidate:") && !text.contains("Candidate: (none)")
    })
}
