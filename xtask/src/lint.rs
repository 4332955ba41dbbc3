//! `cargo xtask lint`: form, clippy and documentation; a warning is an error.

use std::time::Instant;

use anyhow::{Context, Result};

use crate::{command, setup, workspace};

/// What cargo is asked. The packet program is linted alone: its panic handler would meet std's where features unify.
const STAGES: [(&str, &[&str]); 5] = [
    ("form", &["fmt", "--all", "--check"]),
    ("clippy", &["clippy", "--quiet", "--workspace", "--exclude", "lb-ebpf", "--all-targets", "--", "-D", "warnings"]),
    ("clippy, packet program", &["clippy", "--quiet", "--package", "lb-ebpf", "--", "-D", "warnings"]),
    ("doc", &["doc", "--quiet", "--workspace", "--exclude", "lb-ebpf", "--no-deps"]),
    ("doc, packet program", &["doc", "--quiet", "--package", "lb-ebpf", "--no-deps"]),
];

/// Runs every stage.
///
/// # Errors
/// The first stage that finds something.
pub fn run(prepared: bool) -> Result<()> {
    if !prepared {
        setup::ensure(false)?;
    }
    for (name, arguments) in STAGES {
        let start = Instant::now();
        command::run(workspace::cargo().args(arguments).env("RUSTDOCFLAGS", "-D warnings")).context(name)?;
        println!("lint: {name}: clean ({:.1} s)", start.elapsed().as_secs_f64());
    }
    Ok(())
}
