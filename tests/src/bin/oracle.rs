//! `cargo xtask oracle`: LVX' decisions against those of the real IPVS.

use std::hash::{BuildHasher as _, RandomState};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};
use lvx_tests::guest::Guest;
use lvx_tests::oracle::live::{self, Kind, Plan};
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
    /// Play random cases to the real IPVS, in a guest kernel, and to LVX, until one is not decided alike. That one is
    /// made small and shown.
    Live {
        /// Seed of the first case; each further case has the next one. Another one each time if not given.
        #[arg(long)]
        seed: Option<u64>,
        /// How many cases.
        #[arg(long, default_value_t = 500)]
        cases: u64,
        /// Packets of each case.
        #[arg(long, default_value_t = 110)]
        packets: usize,
        /// Cases with time between the packets.
        #[arg(long, conflicts_with = "packets")]
        timed: bool,
        /// Guest kernels that work side by side.
        #[arg(long, default_value_t = 2)]
        guests: usize,
        /// Go on behind a case that differs, to find them all.
        #[arg(long)]
        keep_going: bool,
        /// Write what was found to this directory, as recordings.
        #[arg(long, value_name = "DIRECTORY")]
        save: Option<PathBuf>,
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
        Command::Live { seed, cases, packets, timed, guests, keep_going, save } => {
            let seed = seed.unwrap_or_else(|| RandomState::new().hash_one("oracle") >> 16);
            println!("seed {seed}");
            let guests: Vec<Guest> = (0..guests.max(1)).map(|_| Guest::boot()).collect::<Result<_>>()?;
            let kind = if timed { Kind::Timed } else { Kind::Busy { packets } };
            let plan = Plan { seed, cases, kind, keep_going };
            let (total, found) = live::run(plan, guests, &|line| println!("{line}"))?;
            for found in &found {
                if let Some(directory) = &save {
                    println!("# saved: {}", found.recording.save(directory)?.display());
                }
            }
            println!("{total}: {}", if found.is_empty() { "equal" } else { "not equal" });
            Ok(found.is_empty())
        }
    }
}
