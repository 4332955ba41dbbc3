//! The lab: clients, a director and real servers as network namespaces of one machine.
//!
//! The namespaces of lab NAME are called `lvx-NAME-HOST`; cables exist only inside them, so that the machine's own
//! network stays untouched and labs of different names run side by side.

mod build;
mod cli;
mod netns;
mod nginx;
mod processes;
mod replug;
mod topology;
mod visit;
mod xdp_pass;

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Mutex;

use anyhow::{Context, Result, bail};

pub use cli::{Action, run};
pub use netns::Netns;
pub use nginx::NginxSpec;
pub use topology::{Arms, CLIENT_LAN, CLIENTS, Client, Host, Interface, Lan, REAL_SERVERS, SERVER_LAN, VIPS};
pub use visit::Answer;

use crate::{command, privilege, workspace};

/// What lab to make.
#[derive(Clone, Debug)]
pub struct Options {
    /// Its name: lower-case letters, digits and `-`.
    pub name: String,
    /// Its shape.
    pub arms: Arms,
}

/// A lab that is up. Dropping it takes it down.
#[derive(Debug)]
pub struct Lab {
    name: String,
    keep: bool,
    children: Mutex<Vec<std::process::Child>>,
}

impl Lab {
    /// Makes a lab, after removing what an aborted one of the same name left behind.
    ///
    /// # Errors
    /// We are not root, a program is missing (`cargo xtask setup`), or the kernel refuses.
    pub fn up(options: &Options) -> Result<Self> {
        check_name(&options.name)?;
        if !privilege::is_root() {
            bail!("a lab needs root");
        }
        down(&options.name)?;
        let lab = Self::named(&options.name);
        build::build(&lab, options.arms).with_context(|| format!("lab {}", options.name))?;
        Ok(lab)
    }

    /// A lab that an earlier process made and left up; dropping it leaves it up.
    ///
    /// # Errors
    /// There is none of this name.
    pub fn attach(name: &str) -> Result<Self> {
        check_name(name)?;
        if namespaces(name)?.is_empty() {
            bail!("there is no lab {name} up: cargo xtask lab up");
        }
        let mut lab = Self::named(name);
        lab.keep = true;
        Ok(lab)
    }

    /// Leaves the lab, and what runs in it, up when this process ends.
    pub fn keep(mut self) {
        self.keep = true;
    }

    /// Names of its hosts, the switch included.
    ///
    /// # Errors
    /// The namespaces cannot be listed.
    pub fn hosts(&self) -> Result<Vec<String>> {
        let prefix = prefix(&self.name);
        let hosts = namespaces(&self.name)?.into_iter();
        Ok(hosts.filter_map(|netns| netns.name.strip_prefix(&prefix).map(str::to_owned)).collect())
    }

    /// The network namespace of a host.
    pub fn netns(&self, host: &str) -> Netns {
        Netns { name: format!("{}{host}", prefix(&self.name)) }
    }

    /// A directory for files of this lab, removed with it.
    pub fn directory(&self) -> PathBuf {
        directory(&self.name)
    }

    /// Where the director's daemon listens; every command of the lab has it in `LVX_SOCKET`.
    pub fn socket(&self) -> PathBuf {
        self.directory().join("lvx.sock")
    }

    /// A command inside a host. It finds `lvx` under its own and under ipvsadm's names.
    ///
    /// # Errors
    /// There is no such host.
    pub fn command(&self, host: &str, program: impl AsRef<OsStr>) -> Result<Command> {
        let Ok(mut command) = self.netns(host).command(program) else {
            bail!("lab {} has no host {host}, but {}", self.name, self.hosts()?.join(", "));
        };
        command.env("PATH", workspace::path(&[build::links(&self.directory())]));
        command.env("LVX_SOCKET", self.socket());
        Ok(command)
    }

    /// Runs a command inside a host and keeps what it prints.
    ///
    /// # Errors
    /// It does not start, or ends with a failure; the error shows its standard error.
    pub fn run(&self, host: &str, words: &[&str]) -> Result<Output> {
        let Some((program, arguments)) = words.split_first() else { bail!("an empty command for host {host}") };
        command::output(self.command(host, program)?.args(arguments)).with_context(|| format!("on host {host}"))
    }

    /// Calls `work` on a thread of its own inside a host, for sockets and /proc/sys/net.
    ///
    /// # Errors
    /// There is no such host, or `work` fails.
    pub fn enter<T: Send>(&self, host: &str, work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
        self.netns(host).enter(work)
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        if self.keep {
            return;
        }
        self.stop_all();
        if let Err(error) = down(&self.name) {
            eprintln!("lab {} does not come down: {error:#}", self.name);
        }
    }
}

/// Takes a lab down, whoever made it: its processes, its namespaces, its files. Nothing to do is no error.
///
/// # Errors
/// We are not root, or the kernel refuses.
pub fn down(name: &str) -> Result<()> {
    check_name(name)?;
    let all = namespaces(name)?;
    processes::end(&all)?;
    if !all.is_empty() {
        netns::delete(&all)?;
    }
    let directory = directory(name);
    if directory.exists() {
        std::fs::remove_dir_all(&directory).with_context(|| directory.display().to_string())?;
    }
    Ok(())
}

impl Lab {
    fn named(name: &str) -> Self {
        Self { name: name.to_owned(), keep: false, children: Mutex::default() }
    }
}

/// Its namespaces. The name of a host has no `-`, so that lab `a` does not take lab `a-b` for its own.
fn namespaces(name: &str) -> Result<Vec<Netns>> {
    let prefix = prefix(name);
    let mut all = Netns::with_prefix(&prefix)?;
    all.retain(|netns| netns.name.strip_prefix(&prefix).is_some_and(|host| !host.contains('-')));
    Ok(all)
}

fn prefix(name: &str) -> String {
    format!("lvx-{name}-")
}

fn directory(name: &str) -> PathBuf {
    Path::new("/run").join(format!("lvx-lab-{name}"))
}

fn check_name(name: &str) -> Result<()> {
    let allowed = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '-';
    if name.is_empty() || name.len() > 40 || !name.chars().all(allowed) {
        bail!("{name:?} is no name for a lab: up to 40 lower-case letters, digits and -");
    }
    Ok(())
}
