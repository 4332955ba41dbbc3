//! The guest's time: it runs as the host's, and time that is only waited for can be skipped (`tests/clock`).

use std::fs::File;
use std::io::{self, Write as _};
use std::time::Duration;

/// The switch of the guest's clock. It is on while the guest boots.
pub struct Clock {
    /// The line to the clock, where there is one: a kernel with a clock of its own waits as long as it is told.
    pub switch: Option<File>,
}

impl Clock {
    /// Time runs as the host's, also where the guest only waits for it.
    pub fn run(&mut self) -> io::Result<()> {
        self.set(b"0")
    }

    /// Lets time pass.
    pub fn sleep(&mut self, time: Duration) -> io::Result<()> {
        self.set(b"1")?;
        std::thread::sleep(time);
        self.set(b"0")
    }

    fn set(&mut self, switch: &[u8]) -> io::Result<()> {
        self.switch.as_mut().map_or(Ok(()), |line| line.write_all(switch))
    }
}
