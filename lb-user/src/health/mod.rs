//! Health checks: whether a real server answers, and when that takes it out of service or puts it back.
//!
//! [`State`] decides and knows neither sockets nor clocks; `probe` asks one server once; [`Checker`] keeps one task a
//! target and tells the daemon of each transition; a probe's sockets come from `sockets`, which has two kinds: the
//! director's, and those that reach a real server by its MAC address ([`crate::leg`]). None of them touches the model: the daemon does, on a
//! [`HealthEvent`].

mod check;
mod checker;
mod http;
mod passive;
mod probe;
mod sockets;
mod state;

pub use check::{Check, CheckKind, HttpCheck, StatusSet, Target, Via};
pub use checker::{Checker, HealthEvent, Report};
pub use passive::{Passive, PassiveCheck};
pub use sockets::Sockets;
pub use state::{Outcome, State, Transition};
