//! `cargo xtask oracle ARGUMENTS`: builds the oracle of the integration tests and becomes it, as root.

use std::ffi::OsString;
use std::os::unix::process::CommandExt as _;

use anyhow::{Context, Result};

use crate::{command, privilege, setup, workspace};

/// Builds and runs.
///
/// # Errors
/// Neither root nor sudo, the build's, or that the oracle does not start; otherwise it does not return.
pub fn run(arguments: &[OsString], prepared: bool) -> Result<()> {
    privilege::require()?;
    if !prepared {
        setup::ensure(false)?;
        let build = ["build", "--quiet", "--release", "--package", "lvx-tests", "--bin", "oracle"];
        command::run(workspace::cargo().args(build))?;
    }
    let oracle = workspace::release("oracle");
    let error = privilege::command(&oracle)?.args(arguments).exec();
    Err(error).with_context(|| format!("{} does not run", oracle.display()))
}
