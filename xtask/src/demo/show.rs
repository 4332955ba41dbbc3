//! What the audience sees: headings, the operator's commands, checks.

use std::collections::HashMap;
use std::fmt::Display;
use std::io::{IsTerminal as _, stdout};
use std::time::Duration;

use anyhow::{Context, Result};

use super::daemon;
use crate::lab::{Arms, Lab, NginxSpec};
use crate::{command, wait};

/// LVX promises to follow netfilter within this time.
pub(super) const MARKS: Duration = Duration::from_secs(2);

/// Lines of the daemon's log that a failure shows.
const LOG_LINES: usize = 15;

/// A lab that is being shown.
pub(super) struct Show<'lab> {
    /// The lab.
    pub(super) lab: &'lab Lab,
    /// Its shape.
    pub(super) arms: Arms,
    servers: HashMap<String, u32>,
    passed: u32,
    failed: u32,
}

impl<'lab> Show<'lab> {
    pub(super) fn new(lab: &'lab Lab, arms: Arms) -> Self {
        let text = match arms {
            Arms::One => "ONE ARM: clients, director and real servers in one LAN",
            Arms::Two => "TWO ARMS: clients - director - real servers, replies through a router of their own",
        };
        println!("\n━━ {text} ━━");
        Self { lab, arms, servers: HashMap::new(), passed: 0, failed: 0 }
    }

    /// Starts a part.
    pub(super) fn heading(&self, text: &str) {
        println!("\n{}", paint("1", text));
    }

    /// Types commands on the director, word for word.
    pub(super) fn operator(&self, lines: &[&str]) -> Result<()> {
        for line in lines {
            println!("  d# {line}");
            self.director(line)?;
        }
        Ok(())
    }

    /// Types a command on the director and shows what it prints.
    pub(super) fn operator_sees(&self, line: &str) -> Result<()> {
        println!("  d# {line}");
        for line in self.director(line)?.lines() {
            println!("     {}", line.trim_end());
        }
        Ok(())
    }

    /// The director without services and mark rules.
    pub(super) fn fresh(&self) -> Result<()> {
        for line in ["ipvsadm -C", "iptables -t mangle -F PREROUTING", "ip6tables -t mangle -F PREROUTING"] {
            self.director(line)?;
        }
        wait::until("lvx forgets the mark rules", MARKS, || Ok(daemon::mark_rules(self.lab)? == 0)).map(drop)
    }

    /// What a command line on the director prints.
    pub(super) fn director(&self, line: &str) -> Result<String> {
        let mut shell = self.lab.command("d", "sh")?;
        let output = command::output(shell.args(["-c", line]))?;
        String::from_utf8(output.stdout).with_context(|| line.to_owned())
    }

    /// Starts a web server on a real server.
    pub(super) fn start_server(&mut self, host: &str, spec: &NginxSpec) -> Result<()> {
        let process = self.lab.nginx(host, spec)?;
        self.servers.insert(host.to_owned(), process);
        Ok(())
    }

    /// Ends the web server of a real server.
    pub(super) fn stop_server(&mut self, host: &str) -> Result<()> {
        match self.servers.remove(host) {
            Some(process) => self.lab.stop(process),
            None => Ok(()),
        }
    }

    /// Says whether something is as it must be, and counts it.
    pub(super) fn check(&mut self, holds: bool, what: impl Display) {
        if holds {
            self.passed += 1;
            println!("  {} {what}", paint("32", "✓"));
        } else {
            self.failed += 1;
            println!("  {} {what}", paint("31", "✗"));
        }
    }

    /// How many checks passed and failed.
    pub(super) fn counts(&self) -> (u32, u32) {
        (self.passed, self.failed)
    }

    /// Shows the end of the daemon's log.
    pub(super) fn log(&self) {
        let text = std::fs::read_to_string(daemon::log(self.lab)).unwrap_or_default();
        let lines: Vec<_> = text.lines().collect();
        for line in lines.iter().skip(lines.len().saturating_sub(LOG_LINES)) {
            println!("  lvx: {line}");
        }
    }
}

/// Text in a colour, on a terminal.
fn paint(code: &str, text: &str) -> String {
    if stdout().is_terminal() { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
}
