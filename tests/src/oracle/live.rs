//! Random cases, to the real IPVS and to LVX at once.

use std::fmt;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use anyhow::{Context as _, Result};

use super::case::Case;
use super::difference::{Difference, differences};
use super::recording::{Recording, Step};
use super::shrink::shrink;
use super::{ipvs, lvx, random};
use crate::guest::Guest;

/// Somebody who does what a case says, and tells what came of it: the real IPVS.
pub trait Recorder {
    /// Does it, and records it.
    ///
    /// # Errors
    /// What kept it from doing so; that a command fails, or a packet is lost, is an outcome.
    fn record(&mut self, case: &Case) -> Result<Recording>;
}

impl Recorder for Guest {
    fn record(&mut self, case: &Case) -> Result<Recording> {
        ipvs::record(self, case)
    }
}

/// What is to be compared.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Seed of the first case; each further case has the next one.
    pub seed: u64,
    /// How many cases.
    pub cases: u64,
    /// What they are like.
    pub kind: Kind,
    /// Whether to go on behind a case that differs.
    pub keep_going: bool,
}

/// What cases are like.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// So many packets, services and changes of every kind, and hardly any time.
    Busy {
        /// Packets of each case.
        packets: usize,
    },
    /// Time between a few packets, so that connections and templates end.
    Timed,
}

/// How much was compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Total {
    /// Cases.
    pub cases: u64,
    /// Packets, each of which was a decision.
    pub packets: u64,
    /// Packets that went to a real server.
    pub forwarded: u64,
    /// Commands whose status and text were compared, without those that list.
    pub commands: u64,
    /// Listings.
    pub listings: u64,
}

/// A case that IPVS and LVX do not do alike, made small.
#[derive(Clone, Debug)]
pub struct Found {
    /// The seed that it came from.
    pub seed: u64,
    /// What the real IPVS does with it.
    pub recording: Recording,
    /// Where LVX differs.
    pub differences: Vec<Difference>,
}

/// Plays cases to recorders, which work side by side, and to LVX, until one differs.
///
/// # Errors
/// A recorder's, or LVX'; the error names the seed.
pub fn run<R: Recorder + Send>(
    plan: Plan,
    recorders: Vec<R>,
    say: &(dyn Fn(&str) + Sync),
) -> Result<(Total, Vec<Found>)> {
    let shared = Shared { plan, next: AtomicU64::new(0), stop: AtomicBool::new(false), done: Mutex::default(), say };
    std::thread::scope(|scope| {
        let threads: Vec<_> = recorders.into_iter().map(|recorder| scope.spawn(|| shared.work(recorder))).collect();
        let results: Vec<Result<()>> = threads
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect();
        results.into_iter().collect::<Result<()>>()
    })?;
    Ok(shared.done.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner))
}

struct Shared<'a> {
    plan: Plan,
    next: AtomicU64,
    stop: AtomicBool,
    done: Mutex<(Total, Vec<Found>)>,
    say: &'a (dyn Fn(&str) + Sync),
}

impl Shared<'_> {
    fn work<R: Recorder>(&self, mut recorder: R) -> Result<()> {
        loop {
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            if number >= self.plan.cases || self.stop.load(Ordering::Relaxed) {
                return Ok(());
            }
            let seed = self.plan.seed.wrapping_add(number);
            let result = self.one(&mut recorder, seed).with_context(|| format!("the case of seed {seed}"));
            if result.is_err() {
                self.stop.store(true, Ordering::Relaxed);
            }
            result?;
        }
    }

    fn one(&self, recorder: &mut dyn Recorder, seed: u64) -> Result<()> {
        let case = match self.plan.kind {
            Kind::Busy { packets } => random::case(seed, packets),
            Kind::Timed => random::timed::case(seed),
        };
        let (recording, differences) = both(recorder, &case)?;
        let found = match differences.first() {
            Some(first) => {
                (self.say)(&format!("seed {seed}: {first}\nmaking it smaller ..."));
                self.stop.fetch_or(!self.plan.keep_going, Ordering::Relaxed);
                let found = smallest(recorder, seed, &case, first.step)?;
                (self.say)(&found.to_string());
                Some(found)
            }
            None => None,
        };
        let mut done = self.done.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        done.0.add(&recording);
        done.1.extend(found);
        if done.0.cases.is_multiple_of(50) {
            (self.say)(&format!("{}", done.0));
        }
        Ok(())
    }
}

/// What the real IPVS does with a case, and where LVX differs.
fn both(recorder: &mut dyn Recorder, case: &Case) -> Result<(Recording, Vec<Difference>)> {
    let recording = recorder.record(case).context("the guest")?;
    let played = lvx::record(case, &recording.kernel, recording.wheel)?;
    let differences = differences(&recording, &played);
    Ok((recording, differences))
}

fn smallest(recorder: &mut dyn Recorder, seed: u64, case: &Case, step: usize) -> Result<Found> {
    // What came later cannot be why.
    let case = Case { actions: case.actions[..=step].to_vec(), ..case.clone() };
    let mut smallest = None;
    shrink(&case, &mut |case| {
        let (recording, differences) = both(recorder, case)?;
        let differs = !differences.is_empty();
        if differs {
            smallest = Some(Found { seed, recording, differences });
        }
        Ok(differs)
    })?;
    smallest.with_context(|| format!("seed {seed} made a difference at step {step}, and then no more"))
}

impl Total {
    fn add(&mut self, recording: &Recording) {
        self.cases += 1;
        for step in &recording.steps {
            match step {
                Step::Send(_, came) => {
                    self.packets += 1;
                    self.forwarded += u64::from(matches!(came, super::Came::Forwarded { .. }));
                }
                Step::Command(line, _) if line.words.contains(" -L") || line.words.contains(" -S") => {
                    self.listings += 1
                }
                Step::Command(..) => self.commands += 1,
                Step::Sysctl(_) | Step::Wait(_) => {}
            }
        }
    }
}

impl fmt::Display for Total {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { cases, packets, forwarded, commands, listings } = self;
        write!(
            out,
            "{cases} cases, {packets} packets ({forwarded} to real servers), {commands} commands, {listings} listings"
        )
    }
}

/// A script of the case, in which what differs stands behind its line.
impl fmt::Display for Found {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(out, "# seed {}, kernel {}", self.seed, self.recording.kernel)?;
        for (number, step) in self.recording.steps.iter().enumerate() {
            write!(out, "{}", step.action())?;
            match self.differences.iter().find(|difference| difference.step == number) {
                Some(difference) => {
                    writeln!(out)?;
                    for line in difference.what.lines() {
                        writeln!(out, "    # {line}")?;
                    }
                }
                None => match step {
                    Step::Send(_, came) => writeln!(out, "    # {came}")?,
                    Step::Command(..) | Step::Sysctl(_) | Step::Wait(_) => writeln!(out)?,
                },
            }
        }
        Ok(())
    }
}
