//! `cargo xtask COMMAND`

use std::ffi::OsString;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};
use xtask::{build, demo, kernels, lab, lint, oracle, run, setup, soak, test};

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
    /// Build the release binary lvx.
    Build,
    /// Build lvx and run it as root.
    Run {
        /// What lvx is given.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
    /// Play an operator's LVS commands in a lab and check every answer.
    Demo(demo::Options),
    /// A lab of network namespaces to play with.
    Lab {
        #[command(subcommand)]
        action: lab::Action,
    },
    /// Run all tests; unit tests as the user, integration tests as root.
    Test {
        /// Only tests whose names contain this.
        filter: Option<String>,
    },
    /// Try lvx on kernels of Debian's: that they take the packet program, and that it balances.
    Kernels {
        /// Series of kernels.
        #[arg(default_values = kernels::SERIES)]
        series: Vec<String>,
    },
    /// Compare LVX' decisions with those of the real IPVS: recorded ones (replay), or a guest kernel's (live).
    #[command(disable_help_flag = true)]
    Oracle {
        /// What is compared; --help lists it.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
    /// The lab under load for a long time.
    Soak {
        #[command(subcommand)]
        action: soak::Action,
    },
    /// Check form, clippy and documentation.
    Lint,
}

fn main() -> ExitCode {
    match dispatch(Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn dispatch(Arguments { prepared, command }: Arguments) -> Result<()> {
    match command {
        Command::Setup => setup::ensure(true),
        Command::Build => build::run(),
        Command::Run { arguments } => run::run(&arguments, prepared),
        Command::Demo(options) => demo::run(options, prepared),
        Command::Lab { action } => lab::run(action, prepared),
        Command::Test { filter } => test::run(filter.as_deref(), prepared),
        Command::Kernels { series } => kernels::run(&series, prepared),
        Command::Oracle { arguments } => oracle::run(&arguments, prepared),
        Command::Soak { action } => soak::run(&action, prepared),
        Command::Lint => lint::run(prepared),
    }
}
