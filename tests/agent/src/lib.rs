//! What a guest is asked to do and what it answers, and how both look on the line between host and guest.

pub mod bpf;
mod wire;

use std::time::Duration;

pub use wire::{Answer, WINDOW, read_answer, read_request, write_answer, write_request};

/// What the guest is asked to do; operations are done in order, each after the one before has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Op {
    /// A fresh director: a network namespace with `lo` and `eth0` (MAC address 02:00:00:00:01:01), both up, and nothing
    /// of the director before it, whose connections, services and counters are gone from the kernel.
    ///
    /// It forwards (`ip_forward`, IPv6's `forwarding`), limits no ICMP errors, makes no duplicate address detection and
    /// solicits no routers.
    Begin {
        /// Lines for `ip -batch`, run in the namespace: addresses, routes, permanent neighbours.
        ip: String,
        /// Sysctls, set after that: path below `/proc/sys` with slashes, value.
        sysctls: Vec<(String, String)>,
    },
    /// Runs a program of the guest in the director's namespace and waits for its end. No shell comes between: to have
    /// one, say `sh -c`.
    Run {
        /// The program, by its name, and its arguments.
        words: Vec<String>,
        /// What it reads from its standard input.
        stdin: String,
    },
    /// Sends Ethernet frames to the director's `eth0`, one after another.
    Send {
        /// From the destination's MAC address on, without a frame check sequence.
        frames: Vec<Vec<u8>>,
    },
    /// Lets the kernel's time pass; timers that fall due fire in their order. It takes no time for whoever waits.
    Sleep {
        /// How long, at least: the kernel's timers are as coarse as they are.
        time: Duration,
    },
}

/// What became of an operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Of [`Op::Begin`].
    Done,
    /// Of [`Op::Run`].
    Ran {
        /// The exit status, as a shell would tell it: 127 if there is no such program, 128 and the signal if it was killed.
        status: i32,
        /// All that it wrote to its standard output.
        stdout: String,
        /// All that it wrote to its standard error.
        stderr: String,
    },
    /// Of [`Op::Send`], and of [`Op::Sleep`], for which `frames` has one entry: what came out unasked.
    Received {
        /// For each frame sent, what came out of `eth0` before the next one was sent.
        frames: Vec<Vec<Vec<u8>>>,
    },
}
