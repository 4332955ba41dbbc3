//! `cargo xtask oracle`: LVX' decisions against those of the real IPVS.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};
use lvx_tests::oracle::replay;

/// LVX' decisions against those of the real IPVS.
#[derive(Parser)]
#[command(name = "cargo xtask oracle", bin_name = "cargo xtask oracle")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Play the recordings of a directory to LVX: a line for each, and a total. Fails unless all are equal.
    Replay {
        /// A directory of recordings, such as tests/golden.
        directory: PathBuf,
    },
}

fn main() -> ExitCode {
    match run(Arguments::parse().command) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Whether all is equal.
fn run(command: Command) -> Result<bool> {
    match command {
        Command::Replay { directory } => {
            let total = replay::directory(&directory, &mut |line| println!("{line}"))?;
            println!("{} equal, {} not", total.equal, total.failed);
            Ok(total.failed == 0)
        }
    }
}
