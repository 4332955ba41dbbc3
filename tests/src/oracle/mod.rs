//! The oracle: LVX' decisions against those of the real IPVS.
//!
//! A [`Case`] is a list of things to do to a director. Done to the real IPVS it becomes a [`Recording`], which has the
//! outcome of each. A recording is played to LVX, and every outcome compared; a [`Difference`] is where they part.
//!
//! [`Recording`]s lie in files, too: those of `tests/golden` were made once and for all.

mod case;
mod compare;
mod file;
mod kernel;
mod outcome;
mod player;
mod recording;
pub mod replay;

pub use case::{Action, Case, Line, Protocol, Sent, Sysctl};
pub use player::{Difference, play};
pub use recording::{Came, Ran, Recording, Step};
