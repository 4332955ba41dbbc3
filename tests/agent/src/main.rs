//! The guest's init: reads operations from its host, does them, and answers what became of each.

mod call;
mod clock;
mod director;
mod frames;
mod link;
mod program;
mod start;

use std::fs::File;
use std::io::{self, BufReader, Read, Write as _};
use std::process::ExitCode;

use lvx_agent::{Answer, Op, Outcome, WINDOW, read_request, write_answer};

use crate::director::Director;
use crate::start::Lines;

fn main() -> ExitCode {
    let ended = start::guest().and_then(serve);
    if let Err(error) = &ended {
        // The console: the host shows its end where a guest does not answer.
        eprintln!("agent: {error}");
    }
    start::power_off()
}

/// Works until the host hangs up.
fn serve(lines: Lines) -> io::Result<()> {
    let mut clock = lines.clock;
    let mut worker = Worker { director: Director::none(lines.xdp)? };
    let mut from = BufReader::with_capacity(WINDOW, Requests(lines.host.try_clone()?));
    let mut to = lines.host;
    // The host is silent until it is greeted: what it said before the line was set up would be lost.
    let mut outcome = Ok(start::greeting()?);
    loop {
        clock.stay()?;
        answer(&mut to, &Answer::Outcome(outcome))?;
        let Some(op) = read_request(&mut from)? else { return Ok(()) };
        clock.skip()?;
        outcome = worker.work(op).map_err(|error| error.to_string());
    }
}

/// What the host sends; it is told what of it was taken.
struct Requests(File);

impl Read for Requests {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let came = self.0.read(buffer)?;
        if came > 0 {
            answer(&mut self.0, &Answer::Taken(came as u32))?;
        }
        Ok(came)
    }
}

/// Sends an answer in one piece.
fn answer(to: &mut File, answer: &Answer) -> io::Result<()> {
    let mut bytes = Vec::new();
    write_answer(&mut bytes, answer)?;
    to.write_all(&bytes)
}

struct Worker {
    director: Director,
}

impl Worker {
    fn work(&mut self, op: Op) -> io::Result<Outcome> {
        match op {
            Op::Begin { ip, sysctls } => {
                self.director.replace()?;
                director::configure(&ip, &sysctls)?;
                Ok(Outcome::Done)
            }
            Op::Run { words, stdin } => {
                let (status, stdout, stderr) = program::run(&words, &stdin)?;
                Ok(Outcome::Ran { status, stdout, stderr })
            }
            Op::Send { frames } => {
                let wire = self.director.wire()?;
                director::settle()?;
                Ok(Outcome::Received { frames: wire.send(&frames)? })
            }
            Op::Sleep { time } => {
                std::thread::sleep(time);
                let unasked = match self.director.wire() {
                    Ok(wire) => wire.rest()?,
                    Err(_) => Vec::new(),
                };
                Ok(Outcome::Received { frames: vec![unasked] })
            }
        }
    }
}
