//! The oracle: LVX' decisions against those of the real IPVS.
//!
//! A [`Case`] is a list of things to do to a director. Done to the real IPVS it becomes a [`Recording`], which has the
//! outcome of each. A recording is played to LVX, and every outcome compared; a [`Difference`] is where they part.
//!
//! [`Recording`]s lie in files, too: those of `tests/golden` were made once and for all.

mod case;
mod compare;
mod difference;
mod file;
mod ipvs;
mod kernel;
pub mod live;
pub mod lvx;
mod outcome;
mod random;
mod recording;
pub mod replay;
mod shrink;
mod world;

pub use case::{Action, Case, Line, Protocol, Sent, Sysctl};
pub use difference::{Difference, differences};
pub use recording::{Came, Ran, Recording, Step, Wheel};
