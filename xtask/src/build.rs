//! `cargo xtask build`: the release binary `lvx`, with the packet program in it.

use anyhow::Result;

use crate::{command, setup, workspace};

/// Makes the machine ready and builds.
///
/// # Errors
/// What setup or the compiler says.
pub fn run() -> Result<()> {
    setup::ensure(false)?;
    command::run(workspace::cargo().args(["build", "--release", "--package", "lb-user"]))
}
