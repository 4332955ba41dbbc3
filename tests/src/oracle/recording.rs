//! A recording: a case, and what the real IPVS did.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use super::case::{Action, Case, Line, Sent, Sysctl};

/// What was done to the real IPVS, and what it did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recording {
    /// The case's name.
    pub name: String,
    /// The case, in a sentence.
    pub about: String,
    /// The kernel, as `uname -rv` tells it.
    pub kernel: String,
    /// The kernel's timers, where it is known how late they are.
    pub wheel: Option<Wheel>,
    /// How long it took from one wait to the next, at most, by which expiries may differ.
    pub took: Duration,
    /// What was done, in order, and the outcomes.
    pub steps: Vec<Step>,
}

/// A kernel's timer wheel, which rounds expiries up (`kernel/time/timer.c: calc_wheel_index`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wheel {
    /// Ticks a second.
    pub hz: u32,
    /// Where it stood when the recording began, in milliseconds.
    pub phase: u64,
}

/// One thing that was done, and its outcome.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// A command.
    Command(Line, Ran),
    /// A sysctl was written.
    Sysctl(Sysctl),
    /// A packet.
    Send(Sent, Came),
    /// Time passed.
    Wait(Duration),
}

/// How a command ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ran {
    /// Its exit status.
    pub status: i32,
    /// What it printed: its standard output, or all of it where the two are not told apart.
    pub output: String,
    /// What it printed to its standard error, where that is told apart.
    pub error: Option<String>,
}

/// What came out for a packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Came {
    /// Nothing.
    Nothing,
    /// The client's packet, to a real server: with new MAC addresses and a hop less, and else to the byte as it was.
    Forwarded {
        /// Its address.
        server: IpAddr,
        /// TTL or hop limit.
        ttl: u8,
        /// TOS or traffic class.
        tos: u8,
    },
    /// An answer to the client, by IPVS or by the director's stack: `tcp` and the flags in hexadecimal, or `icmp`, type
    /// and code, as `icmp3/3`.
    Answered(String),
    /// What fits none of these: a description with the bytes of the frames.
    Odd(String),
}

impl Recording {
    /// What was done.
    pub fn case(&self) -> Case {
        let actions = self.steps.iter().map(Step::action).collect();
        Case { name: self.name.clone(), about: self.about.clone(), actions }
    }
}

impl Step {
    /// What was done.
    pub fn action(&self) -> Action {
        match self {
            Self::Command(line, _) => Action::Command(line.clone()),
            Self::Sysctl(sysctl) => Action::Sysctl(sysctl.clone()),
            Self::Send(sent, _) => Action::Send(sent.clone()),
            Self::Wait(time) => Action::Wait(*time),
        }
    }
}

impl fmt::Display for Came {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing => out.write_str("nothing"),
            Self::Forwarded { server, ttl, tos } => write!(out, "to {server}, ttl {ttl}, tos {tos}"),
            Self::Answered(answer) => write!(out, "{answer} to the client"),
            Self::Odd(what) => out.write_str(what),
        }
    }
}
