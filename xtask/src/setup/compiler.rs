//! A Rust compiler with the standard library's source.

use anyhow::{Result, anyhow};

use super::packages;
use crate::toolchain::{self, Toolchain};
use crate::{command, workspace};

/// Debian's newest compiler, packaged for its browsers, with its source.
const PACKAGES: [&str; 3] = ["rustc-web", "cargo-web", "rust-web-src"];

/// Makes sure of a compiler, and says which one it is.
pub(super) fn ensure() -> Result<Toolchain> {
    if let Ok(toolchain) = toolchain::find() {
        return Ok(toolchain);
    }
    if let Some(rustup) = workspace::program("rustup") {
        println!("setup: rustup component add rust-src");
        let mut add = std::process::Command::new(rustup);
        add.args(["component", "add", "rust-src"]).env("RUSTUP_MAX_RETRIES", "0").env("RUST_BACKTRACE", "0");
        if let Err(error) = command::output(&mut add) {
            let said = error.to_string();
            let reason = said.lines().find(|line| line.starts_with("error:")).unwrap_or(&said);
            println!("setup: rustup could not: {reason}");
        }
    }
    if toolchain::find().is_err() && PACKAGES.into_iter().all(packages::available) {
        packages::install(&PACKAGES)?;
    }
    toolchain::find().map_err(|error| anyhow!(error))
}
