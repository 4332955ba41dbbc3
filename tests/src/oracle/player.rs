//! Plays a recording to LVX.

use std::fmt;

use lb_user::model::{Family, Sysctls};

use super::case::{Action, Line, Sent, Sysctl};
use super::recording::{Came, Ran, Recording, Step};
use super::{compare, kernel, outcome};
use crate::director::TestDirector;

/// Where LVX did not do what the real IPVS did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Number of the step, from 0.
    pub step: usize,
    /// What was done.
    pub action: Action,
    /// What each of them did.
    pub what: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "step {}, {}: {}", self.step, self.action, self.what)
    }
}

/// Plays all of a recording to LVX; gives what differed. `late` is for recordings that show how late the kernel's timers
/// are: where their wheel stood at the beginning, in milliseconds. Templates then expire as late.
pub fn play(recording: &Recording, late: Option<u64>) -> Vec<Difference> {
    let mut player = Player::new(&recording.kernel);
    if let Some(phase) = late {
        player.director.expire_templates_late(phase);
    }
    let play = |(number, step): (usize, &Step)| {
        let what = player.step(step).err()?;
        Some(Difference { step: number, action: step.action(), what })
    };
    recording.steps.iter().enumerate().filter_map(play).collect()
}

/// A director that a recording is played to.
struct Player {
    director: TestDirector,
    sysctls: Sysctls,
}

impl Player {
    /// A director without services, that decides as IPVS of this kernel does where kernels differ. Its connection table
    /// has IPVS' default size, which `ipvsadm -Ln` shows.
    fn new(kernel: &str) -> Self {
        let sysctls = kernel::sysctls(kernel);
        let mut director = TestDirector::default();
        director.director().tables().set_sysctls(&sysctls);
        Self { director, sysctls }
    }

    fn step(&mut self, step: &Step) -> Result<(), String> {
        match step {
            Step::Command(line, ran) => self.command(line, ran),
            Step::Sysctl(sysctl) => self.write(sysctl),
            Step::Send(sent, came) => self.packet(sent, came),
            Step::Wait(time) => {
                self.director.advance(*time);
                Ok(())
            }
        }
    }

    fn command(&mut self, line: &Line, ran: &Ran) -> Result<(), String> {
        if let Some((family, rule)) = mangle(&line.words) {
            return if ran.status == 0 { self.director.netfilter(family, rule) } else { Err(ran.text()) };
        }
        let played = self.director.run_with_input(&line.words, &line.input);
        let played = Ran { status: played.status, output: played.stdout, error: Some(played.stderr) };
        compare::commands(&line.words, ran, &played)
    }

    fn write(&mut self, sysctl: &Sysctl) -> Result<(), String> {
        let Sysctl { name, value } = sysctl;
        let value: u32 = value.parse().map_err(|error| format!("{value}: {error}"))?;
        match name.as_str() {
            "conn_reuse_mode" => self.sysctls.conn_reuse_mode = value,
            "expire_nodest_conn" => self.sysctls.expire_nodest_conn = value != 0,
            "expire_quiescent_template" => self.sysctls.expire_quiescent_template = value != 0,
            "sloppy_tcp" => self.sysctls.sloppy_tcp = value != 0,
            other => return Err(format!("LVX has no {other}")),
        }
        self.director.director().tables().set_sysctls(&self.sysctls);
        Ok(())
    }

    fn packet(&mut self, sent: &Sent, recorded: &Came) -> Result<(), String> {
        let frame = sent.frame();
        let fate = self.director.receive(&frame);
        let played = outcome::of_fate(sent, &frame, fate);
        if outcome::same(recorded, &played) { Ok(()) } else { Err(format!("IPVS: {recorded}; LVX: {played}")) }
    }
}

/// What `iptables` or `ip6tables` does to the mangle table, if a line is one.
fn mangle(line: &str) -> Option<(Family, &str)> {
    let program = |name| line.strip_prefix(name)?.strip_prefix(" -t mangle ");
    program("iptables")
        .map(|rule| (Family::Inet, rule))
        .or_else(|| program("ip6tables").map(|rule| (Family::Inet6, rule)))
}
