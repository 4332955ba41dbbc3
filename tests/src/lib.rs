//! What the integration tests share: a director in this process, frames to give it, and time that passes at will.
//!
//! The director is the daemon's own, with the XDP program in the kernel; only network, sockets and clock are left out.
//! Loading the program needs root, and without it these tests fail and say so.

pub mod director;
pub mod fate;
pub mod frame;
pub mod guest;
pub mod namespace;
pub mod oracle;
mod time;
