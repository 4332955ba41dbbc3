//! The command line.

mod apply;
mod check;
mod drain;
mod generate;
mod import;
mod paint;
mod report;
mod run;
mod status;
mod sysctl;

use std::ffi::OsString;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::{CommandFactory as _, Parser, Subcommand};

use crate::api::client::Client;
use crate::api::{Request, Response, Status};
use crate::metrics::Detail;
use crate::{api, config, ipvsadm, metrics};
use paint::Paint;

/// A layer-4 load balancer: LVS' services and commands, in XDP.
#[derive(Debug, Parser)]
#[command(name = "lvx", version, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Balance: load the packet program, attach it, and serve the other commands, until SIGTERM
    Run(run::Run),
    /// Manage services and real servers, with the commands of ipvsadm
    #[command(disable_help_flag = true)]
    Ipvsadm {
        /// What ipvsadm takes; `lvx ipvsadm -h` lists it
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
    /// Show what runs, what does not, and why
    Status {
        /// As JSON
        #[arg(long)]
        json: bool,
        /// The daemon's socket
        #[arg(long, env = "LVX_SOCKET", default_value_os_t = api::socket_path())]
        socket: PathBuf,
    },
    /// Show and change IPVS' sysctls, by their names, and LVX' own
    Sysctl(sysctl::Arguments),
    /// Take a real server out of service in good order: no new clients from now on, out when the time is over
    Drain(drain::Drain),
    /// Put a drained real server back into service
    Undrain(drain::Servers),
    /// Show what is drained, and what it has left
    Drains(drain::Drains),
    /// Check config files: all errors at once
    Check(check::Check),
    /// Print the JSON schema of the config file, by which editors complete it
    Schema,
    /// Show what applying a config file would change, and which clients would notice
    Plan(apply::WithFile),
    /// Apply a config file: all of it, or nothing
    Apply(apply::WithFile),
    /// Read the file of `lvx run --config` again, and apply it
    Reload(apply::Common),
    /// Print the running state as a config file
    Export(apply::Common),
    /// List the config files that were applied last
    Generations(apply::Common),
    /// Apply a config file again that was applied before
    Rollback(apply::Rollback),
    /// Print the config that does the same as files of ipvsadm, iptables, nft, keepalived or ldirectord
    Import(import::Import),
    /// Print what LVX counts, in Prometheus' text format
    Metrics {
        /// Leave out the real servers
        #[arg(long)]
        services_only: bool,
        /// The daemon's socket
        #[arg(long, env = "LVX_SOCKET", default_value_os_t = api::socket_path())]
        socket: PathBuf,
    },
    /// Print a script that completes lvx' words in a shell
    Completions(generate::Completions),
    /// Print the manual page, or write all of them into a directory
    Man(generate::Manual),
}

/// Runs the program: `lvx`, or `ipvsadm`, `ipvsadm-save`, `ipvsadm-restore` if it is called so.
pub fn main() -> ExitCode {
    let mut arguments = std::env::args_os();
    let program = arguments.next().unwrap_or_default();
    let name = Path::new(&program).file_name().and_then(|name| name.to_str()).unwrap_or("lvx").to_owned();
    if name.starts_with("ipvsadm") {
        return run_ipvsadm(&name, &arguments.collect::<Vec<_>>());
    }
    match run(Arguments::parse().command) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("lvx: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Result<ExitCode> {
    match command {
        Command::Run(run) => run.run()?,
        Command::Ipvsadm { arguments } => return Ok(run_ipvsadm("ipvsadm", &arguments)),
        Command::Status { json, socket } => show_status(json, &socket)?,
        Command::Sysctl(arguments) => print(&arguments.run()?)?,
        Command::Drain(drain) => drain.run()?,
        Command::Undrain(servers) => servers.undrain()?,
        Command::Drains(drains) => drains.run()?,
        Command::Check(check) => return check.run(),
        Command::Schema => print(&config::schema())?,
        Command::Plan(file) => print(&file.plan()?)?,
        Command::Apply(file) => print(&file.apply()?)?,
        Command::Reload(common) => print(&common.reload()?)?,
        Command::Export(common) => print(&common.export()?)?,
        Command::Generations(common) => print(&common.generations()?)?,
        Command::Rollback(rollback) => print(&rollback.run()?)?,
        Command::Import(import) => return import.run(),
        Command::Metrics { services_only, socket } => show_metrics(services_only, &socket)?,
        Command::Completions(completions) => print(&completions.text(Arguments::command()))?,
        Command::Man(manual) => print(&manual.run(Arguments::command())?)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn run_ipvsadm(name: &str, arguments: &[OsString]) -> ExitCode {
    let mut client = Client::new(&api::socket_path());
    let output = ipvsadm::run(name, arguments, &mut io::stdin().lock(), &mut client);
    // A reader that has seen enough closes the pipe; that is no failure of the command.
    drop(io::stdout().write_all(output.stdout.as_bytes()));
    drop(io::stderr().write_all(output.stderr.as_bytes()));
    ExitCode::from(u8::try_from(output.status & 0xff).unwrap_or(u8::MAX))
}

fn ask_for_status(socket: &Path) -> Result<Box<Status>> {
    let response = Client::new(socket).ask_in_words(&Request::Status).map_err(anyhow::Error::msg)?;
    let Response::Status { status } = response else { bail!("the daemon gave another answer: {response:?}") };
    Ok(status)
}

fn show_status(json: bool, socket: &Path) -> Result<()> {
    let status = ask_for_status(socket)?;
    if json {
        return print(&format!("{}\n", serde_json::to_string_pretty(&status)?));
    }
    print(&status::text(&status, Paint::of_stdout()))
}

fn show_metrics(services_only: bool, socket: &Path) -> Result<()> {
    let status = ask_for_status(socket)?;
    let detail = if services_only { Detail::Services } else { Detail::RealServers };
    print(&metrics::render_in(detail, &status, &status.services))
}

/// A reader that has seen enough closes the pipe; that is no failure.
fn print(text: &str) -> Result<()> {
    match io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
        Ok(()) | Err(_) => Ok(()),
    }
}
