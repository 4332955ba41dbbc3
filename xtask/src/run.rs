//! `cargo xtask run -- ARGUMENTS`: builds `lvx` and becomes it, as root.

use std::ffi::OsString;
use std::os::unix::process::CommandExt as _;

use anyhow::{Context, Result};

use crate::{build, privilege, workspace};

/// Builds and runs.
///
/// # Errors
/// Neither root nor sudo, the build's, or that `lvx` does not start; otherwise it does not return.
pub fn run(arguments: &[OsString], prepared: bool) -> Result<()> {
    privilege::require()?;
    if !prepared {
        build::run()?;
    }
    let lvx = workspace::lvx();
    let error = privilege::command(&lvx)?.args(arguments).exec();
    Err(error).with_context(|| format!("{} does not run", lvx.display()))
}
