//! The guest's time: it passes when the guest waits for it, and hardly when it works (`tests/clock`).

use std::fs::File;
use std::io::{self, Write as _};

/// The switch of the guest's clock. It is on while the guest boots.
pub struct Clock {
    /// The line to the clock, where there is one: a kernel with a clock of its own waits as long as it is told.
    pub switch: Option<File>,
}

impl Clock {
    /// What is waited for from now on is time: it is skipped.
    pub fn skip(&mut self) -> io::Result<()> {
        self.set(b"1")
    }

    /// What is waited for from now on is the host.
    pub fn stay(&mut self) -> io::Result<()> {
        self.set(b"0")
    }

    fn set(&mut self, switch: &[u8]) -> io::Result<()> {
        self.switch.as_mut().map_or(Ok(()), |line| line.write_all(switch))
    }
}
