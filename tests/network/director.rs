//! A lab whose director runs `lvx`.

use std::cell::Cell;
use std::fs::{self, File};
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use lb_user::api::{NeighbourState, ServerEntry, Status};
use xtask::lab::{Arms, Client, Lab, NginxSpec};
use xtask::wait;

use super::setup::Setup;

/// Small tables: the program starts and sweeps faster.
const SIZES: &str = "\n[sizes]\nconnections = 16384\ntemplates = 4096\nservices = 64\nreal_servers = 256\n";

/// Time to load the packet program on a busy machine.
const START: Duration = Duration::from_secs(60);

/// Time to resolve real servers, or to find out that there are none.
const NEIGHBOURS: Duration = Duration::from_secs(5);

/// What a command line did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ran {
    /// Exit status.
    pub status: i32,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

/// A lab whose director runs `lvx`. Dropping it ends everything.
#[derive(Debug)]
pub struct Director {
    /// The lab.
    pub lab: Lab,
    /// Its shape.
    pub arms: Arms,
    arguments: Vec<&'static str>,
    process: Cell<Option<u32>>,
}

impl Director {
    /// In a lab where it does not run yet; `arguments` are words after `lvx run`.
    pub(super) fn new(lab: Lab, arms: Arms, arguments: Vec<&'static str>) -> Self {
        Self { lab, arms, arguments, process: Cell::new(None) }
    }

    /// One LAN, an empty config.
    pub fn one_arm() -> Result<Self> {
        Setup::new(Arms::One).up()
    }

    /// Writes the config file; `lvx` reads it when it starts the next time.
    pub fn configure(&self, text: &str) -> Result<()> {
        Ok(fs::write(self.config(), format!("{text}{SIZES}"))?)
    }

    /// The config file.
    pub fn config(&self) -> PathBuf {
        self.lab.directory().join("lvx.toml")
    }

    /// Where `lvx` keeps what was set by hand.
    pub fn state(&self) -> PathBuf {
        self.lab.directory().join("state")
    }

    /// Starts `lvx run` and waits until it answers.
    pub fn start(&self) -> Result<()> {
        self.start_after(":")
    }

    /// The same after a shell's commands, such as limits for it.
    pub fn start_after(&self, commands: &str) -> Result<()> {
        let process = self.spawn(commands)?;
        wait::until("lvx answers", START, || {
            ensure!(self.lab.is_running(process)?, "lvx ended:\n{}", self.log());
            Ok(self.sh("lvx status")?.status == 0)
        })?;
        Ok(())
    }

    fn spawn(&self, commands: &str) -> Result<u32> {
        let log = File::options().create(true).append(true).open(self.lab.directory().join("lvx.log"))?;
        let mut lvx = self.lab.command("d", "sh")?;
        lvx.args(["-c", &format!("{commands}; exec lvx run \"$@\""), "sh"]).args(&self.arguments);
        lvx.arg("--config").arg(self.config()).arg("--state-dir").arg(self.state());
        let process = self.lab.spawn(lvx.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log))?;
        self.process.set(Some(process));
        Ok(process)
    }

    /// Ends `lvx` by a signal; gives its exit status, or none where the signal itself ended it.
    pub fn end(&self, signal: i32) -> Result<Option<i32>> {
        let process = self.process.take().context("lvx does not run")?;
        Ok(self.lab.end(process, signal)?.code())
    }

    /// Sends `lvx` a signal that is not to end it.
    pub fn signal(&self, signal: i32) -> Result<()> {
        let process = self.process.get().context("lvx does not run")?;
        self.does(&[&format!("kill -{signal} {process}")]).map(drop)
    }

    /// What `lvx` logged.
    pub fn log(&self) -> String {
        fs::read_to_string(self.lab.directory().join("lvx.log")).unwrap_or_default()
    }

    /// Runs a command line on the director.
    pub fn sh(&self, line: &str) -> Result<Ran> {
        self.sh_on("d", line)
    }

    /// Runs a command line on a host.
    pub fn sh_on(&self, host: &str, line: &str) -> Result<Ran> {
        let output = self.lab.command(host, "sh")?.args(["-c", line]).stdin(Stdio::null()).output()?;
        Ok(Ran {
            status: output.status.code().with_context(|| format!("{line}: {}", output.status))?,
            stdout: String::from_utf8(output.stdout)?,
            stderr: String::from_utf8(output.stderr)?,
        })
    }

    /// Runs command lines on the director, all of which must work; gives what they print. Returns when `lvx` knows the
    /// way to the real servers that they add.
    pub fn does(&self, lines: &[&str]) -> Result<String> {
        let mut printed = String::new();
        for line in lines {
            let ran = self.sh(line)?;
            if ran.status != 0 {
                bail!("{line}: {ran:?}");
            }
            printed.push_str(&ran.stdout);
        }
        if lines.iter().any(|line| line.starts_with("ipvsadm -a")) {
            self.until("the real servers' MAC addresses are known", NEIGHBOURS, |status| {
                let servers = status.services.iter().flat_map(|service| &service.servers);
                let resolving = NeighbourState::Unresolved { reason: "resolving".to_owned() };
                Ok(servers.map(|entry| &entry.neighbour).all(|neighbour| *neighbour != resolving))
            })?;
        }
        Ok(printed)
    }

    /// What `lvx status --json` says.
    pub fn status(&self) -> Result<Status> {
        serde_json::from_str(&self.does(&["lvx status --json"])?).context("lvx status --json")
    }

    /// Waits until the status is as it must be; says how long that took.
    pub fn until(
        &self,
        what: &str,
        limit: Duration,
        mut holds: impl FnMut(&Status) -> Result<bool>,
    ) -> Result<Duration> {
        wait::until(what, limit, || holds(&self.status()?)).with_context(|| {
            self.sh("lvx status").map_or_else(|error| format!("{error:#}"), |ran| ran.stdout + &ran.stderr)
        })
    }

    /// What the status says of a real server, in the first service that has it.
    pub fn server(&self, address: &str) -> Result<ServerEntry> {
        find_server(&self.status()?, address)
    }

    /// How often packets were not forwarded for a reason.
    pub fn reason(&self, name: &str) -> Result<u64> {
        let status = self.status()?;
        let found = status.reasons.iter().find(|reason| reason.reason == name);
        Ok(found.with_context(|| format!("no reason {name}"))?.packets)
    }

    /// Starts web servers that answer with their host's name; gives their process ids.
    pub fn nginx<const N: usize>(&self, hosts: [&str; N], ports: &[u16]) -> Result<[u32; N]> {
        let mut processes = [0; N];
        for (host, process) in hosts.iter().zip(&mut processes) {
            *process = self.lab.nginx(host, &NginxSpec::new(ports))?;
        }
        Ok(processes)
    }

    /// Thirty clients of an address family.
    pub fn clients(&self, v6: bool) -> Vec<Client> {
        self.arms.clients(v6)
    }
}

impl Drop for Director {
    fn drop(&mut self) {
        // Shown where the test fails.
        eprintln!("lvx said:\n{}", self.log());
        match self.sh("lvx status") {
            Ok(ran) => eprintln!("lvx status:\n{}{}", ran.stdout, ran.stderr),
            Err(error) => eprintln!("lvx status: {error:#}"),
        }
    }
}

/// What a status says of a real server, in the first service that has it.
pub fn find_server(status: &Status, address: &str) -> Result<ServerEntry> {
    let address: std::net::IpAddr = address.parse()?;
    let mut servers = status.services.iter().flat_map(|service| &service.servers);
    servers.find(|entry| entry.server.address == address).cloned().with_context(|| format!("no server {address}"))
}
