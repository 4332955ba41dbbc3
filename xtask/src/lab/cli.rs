//! `cargo xtask lab`: a lab to play with, which stays up between commands.

use std::os::unix::process::CommandExt as _;

use anyhow::{Context, Result};
use clap::Subcommand;

use super::{Arms, Lab, NginxSpec, Options, REAL_SERVERS, down};
use crate::{privilege, setup, workspace};

/// Ports on which the real servers answer with their names.
const PORTS: [u16; 7] = [80, 443, 25, 21, 10000, 15000, 20000];

/// What to do with a lab.
#[derive(Clone, Debug, Subcommand)]
pub enum Action {
    /// Make a lab: clients c1 c2 c3, director d, real servers r1 r2 r3 r4 with nginx.
    Up {
        /// Clients in a LAN of their own, in front of the director.
        #[arg(long)]
        two_arm: bool,
        /// Its name.
        #[arg(long, default_value = "lab")]
        name: String,
    },
    /// Take it down.
    Down {
        /// Its name.
        #[arg(long, default_value = "lab")]
        name: String,
    },
    /// Run a command on one of its hosts.
    Exec {
        /// Its name.
        #[arg(long, default_value = "lab")]
        name: String,
        /// The host.
        host: String,
        /// The command.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true)]
        command: Vec<String>,
    },
}

/// Runs `cargo xtask lab ...`.
///
/// # Errors
/// What the lab says.
pub fn run(action: Action, prepared: bool) -> Result<()> {
    privilege::require()?;
    match action {
        Action::Up { two_arm, name } => {
            if !prepared {
                setup::ensure(false)?;
            }
            privilege::become_root()?;
            up(&name, if two_arm { Arms::Two } else { Arms::One })
        }
        Action::Down { name } => {
            privilege::become_root()?;
            down(&name)
        }
        Action::Exec { name, host, command } => {
            privilege::become_root()?;
            let Some((program, arguments)) = command.split_first() else {
                return Ok(());
            };
            let error = Lab::attach(&name)?.command(&host, program)?.args(arguments).exec();
            Err(error).with_context(|| format!("{program} does not run"))
        }
    }
}

fn up(name: &str, arms: Arms) -> Result<()> {
    let lab = Lab::up(&Options { name: name.to_owned(), arms })?;
    for (host, _) in REAL_SERVERS {
        lab.nginx(host, &NginxSpec::new(&PORTS))?;
    }
    println!("lab {name} is up: {}", lab.hosts()?.join(" "));
    if !workspace::lvx().exists() {
        println!("lvx is not built yet: cargo xtask build");
    }
    println!("next: cargo xtask lab exec --name {name} d lvx run --interface eth0");
    lab.keep();
    Ok(())
}
