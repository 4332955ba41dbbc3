//! Root: whether we are it, and how to become it.

use std::ffi::OsStr;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

/// Whether this process is root.
pub fn is_root() -> bool {
    // SAFETY: geteuid has no arguments, touches no memory of ours and cannot fail.
    unsafe { libc::geteuid() == 0 }
}

/// Fails at once, with advice, where root cannot be had.
///
/// # Errors
/// Neither root nor a sudo that works without a question.
pub fn require() -> Result<()> {
    if is_root() {
        return Ok(());
    }
    let sudo = Command::new("sudo").args(["-n", "true"]).stdout(Stdio::null()).stderr(Stdio::null()).status();
    match sudo {
        Ok(status) if status.success() => Ok(()),
        Ok(_) => bail!("this needs root, and sudo asks for a password: run `sudo -v` first, or run it as root"),
        Err(_) => bail!("this needs root, and there is no sudo: run it as root"),
    }
}

/// A command that runs as root.
///
/// # Errors
/// As [`require`].
pub fn command(program: impl AsRef<OsStr>) -> Result<Command> {
    require()?;
    if is_root() {
        return Ok(Command::new(program));
    }
    let mut command = Command::new("sudo");
    command.args(["-n", "-E", "--"]).arg(program);
    Ok(command)
}

/// Goes on as root: returns where this process is root, else replaces it by itself under sudo.
///
/// The new process is told that the machine and the build are prepared, so that root builds nothing in a
/// user's target directory.
///
/// # Errors
/// As [`require`].
pub fn become_root() -> Result<()> {
    if is_root() {
        return Ok(());
    }
    let this = std::env::current_exe().context("where is this program?")?;
    let error = command(this)?.arg("--prepared").args(std::env::args_os().skip(1)).exec();
    Err(error).context("sudo does not run")
}
