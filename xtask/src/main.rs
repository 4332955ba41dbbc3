//! `cargo xtask COMMAND`

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};
use xtask::{lab, setup};

/// LVX' build, lab, demo and test commands.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    /// Take setup and build for done.
    #[arg(long, global = true)]
    prepared: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Make this machine ready: programs, compiler, linker, bpffs.
    Setup,
    /// A lab of network namespaces to play with.
    Lab {
        #[command(subcommand)]
        action: lab::Action,
    },
}

fn main() -> ExitCode {
    match run(Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(Arguments { prepared, command }: Arguments) -> Result<()> {
    match command {
        Command::Setup => setup::ensure(true),
        Command::Lab { action } => lab::run(action, prepared),
    }
}
