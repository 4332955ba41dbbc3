//! `cargo xtask soak`: the lab under load for a long time. Not part of the tests.

mod load;
mod reload;

use std::time::Duration;

use anyhow::{Result, bail};
use clap::{Args, Subcommand};

use crate::{build, privilege, setup, workspace};

/// What is done for a long time.
#[derive(Debug, Subcommand)]
pub enum Action {
    /// Four services under load by wrk, while every second a file is applied that changes other services at random. Not
    /// one request to the four may fail.
    Reload(Reload),
}

/// How.
#[derive(Debug, Args)]
pub struct Reload {
    /// How long
    #[arg(long, default_value_t = 10.0)]
    minutes: f64,
    /// What the random changes start from, to see the same ones again
    #[arg(long)]
    seed: Option<u64>,
}

/// Prepares the machine and soaks.
///
/// # Errors
/// The machine cannot be prepared, or a request failed.
pub fn run(action: &Action, prepared: bool) -> Result<()> {
    privilege::require()?;
    if !prepared {
        build::run()?;
        setup::ensure_package("wrk", "wrk")?;
    }
    privilege::become_root()?;
    if workspace::program("wrk").is_none() {
        bail!("there is no wrk: apt-get install wrk");
    }
    let Action::Reload(Reload { minutes, seed }) = action;
    let duration = Duration::try_from_secs_f64(minutes * 60.0)?;
    reload::run(duration, seed.unwrap_or_else(|| u64::from(std::process::id())))
}
