//! Health checks: whether a real server answers, and when that takes it out of service or puts it back.
//!
//! [`State`] decides and knows neither sockets nor clocks; `probe` asks one server once, by a file a kind of check;
//! [`Checker`] keeps one task a target and tells the daemon of each transition; a probe's sockets come from `sockets`, which
//! has two kinds: the director's, and those that reach a real server by its MAC address ([`crate::leg`]). None of them
//! touches the model: the daemon does, on a [`HealthEvent`].

mod check;
mod checker;
mod connection;
mod digest;
mod dns;
mod expect;
mod http;
mod icmp;
mod passive;
pub mod pattern;
mod probe;
mod script;
mod smtp;
mod sockets;
mod state;
mod status;
mod tls;
mod udp;
mod waiting;

#[cfg(test)]
mod lab;

pub use check::{Check, CheckKind, Target, Via};
pub use checker::{Checker, HealthEvent, Report};
pub use digest::Digest;
pub use dns::{DnsCheck, RECORDS};
pub use expect::{ExpectCheck, Step};
pub use http::{HttpCheck, HttpVersion};
pub use passive::{Passive, PassiveCheck};
pub use script::{ScriptCheck, User};
pub use smtp::SmtpCheck;
pub use sockets::Sockets;
pub use state::{Outcome, State, Transition};
pub use status::StatusSet;
pub use tls::{Tls, TlsError, TlsSettings};
pub use udp::UdpCheck;
pub use waiting::Waiting;
