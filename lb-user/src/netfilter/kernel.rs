//! The running system: its proc files, its netlink, its programs.

use std::process::Stdio;
use std::time::Duration;
use std::{env, fs, io};

use tokio::process::Command;

use super::follow::System;
use super::nfnetlink::{self, NftTables};
use crate::model::Family;

/// A program that takes longer has hung.
const PATIENCE: Duration = Duration::from_secs(10);

/// The system in the network namespace of the calling thread.
#[derive(Clone, Copy, Debug, Default)]
pub struct Kernel;

impl System for Kernel {
    fn legacy_tables(&self, family: Family) -> io::Result<String> {
        // /proc/net would be the namespace of the process' first thread.
        let names = fs::read_to_string(match family {
            Family::Inet => "/proc/thread-self/net/ip_tables_names",
            Family::Inet6 => "/proc/thread-self/net/ip6_tables_names",
        });
        match names {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
            read => read,
        }
    }

    fn nft_tables(&self) -> io::Result<NftTables> {
        nfnetlink::tables()
    }

    async fn run(&self, program: &str, arguments: &[&str]) -> io::Result<String> {
        // A service's PATH often lacks what is for root only.
        let path = format!("{}:/usr/local/sbin:/usr/sbin:/sbin", env::var("PATH").unwrap_or_default());
        let mut command = Command::new(program);
        command.args(arguments).env("PATH", path).env("LC_ALL", "C").stdin(Stdio::null()).kill_on_drop(true);
        let output = match tokio::time::timeout(PATIENCE, command.output()).await {
            Ok(output) => output?,
            Err(elapsed) => return Err(io::Error::new(io::ErrorKind::TimedOut, elapsed)),
        };
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            return Err(io::Error::other(format!("{}: {}", output.status, said.trim())));
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }
}
