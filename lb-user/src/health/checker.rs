//! The runner: one task a target, and an event a transition.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc::Sender;
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, interval_at};

use super::check::{Check, Target};
use super::probe::{self, Answer};
use super::sockets::Sockets;
use super::state::{Outcome, State, Transition};
use crate::api::{CheckTimes, Health};

/// A real server's health has changed.
///
/// Events wait in the channel while the daemon is busy. One may therefore speak of a target that [`Checker::set`] has
/// meanwhile stopped, or stopped and started anew: [`Checker::report`] has the present truth.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HealthEvent {
    /// Whose.
    pub target: Target,
    /// Whether it is to be in service.
    pub healthy: bool,
    /// Why, in words: "connection refused", "no answer within 1s", "status 503, expected 200-299".
    pub detail: String,
    /// From the start of the first probe that spoke for the change to the change.
    pub after: Duration,
}

/// What the last probe of a target said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Whether the target is in service.
    pub healthy: bool,
    /// The last answer, in words.
    pub detail: String,
}

impl From<Report> for Health {
    fn from(Report { healthy, detail }: Report) -> Self {
        if healthy { Self::Up { detail } } else { Self::Down { reason: detail } }
    }
}

/// Runs the checks. Dropping it stops them.
#[derive(Debug)]
pub struct Checker {
    events: Sender<HealthEvent>,
    watches: HashMap<Target, Watch>,
}

impl Checker {
    /// Nothing is checked yet; transitions will go to `events`.
    pub fn new(events: Sender<HealthEvent>) -> Self {
        Self { events, watches: HashMap::new() }
    }

    /// Checks exactly these targets from now on: what is unchanged goes on undisturbed, what is gone stops, what is new
    /// starts. A target whose check has changed keeps its health. Call it within a tokio runtime.
    pub fn set(&mut self, targets: Vec<(Target, Check)>) {
        let mut before = std::mem::take(&mut self.watches);
        for (target, check) in targets {
            let watch = match before.remove(&target) {
                Some(watch) if watch.check == check => watch,
                Some(watch) => Watch::start(target, check, watch.report(), self.events.clone()),
                None => Watch::start(target, check, Report::unasked(), self.events.clone()),
            };
            self.watches.insert(target, watch);
        }
    }

    /// What the last probe of a target said, if it is checked.
    pub fn report(&self, target: &Target) -> Option<Report> {
        self.watches.get(target).map(Watch::report)
    }

    /// How long a target's probes took, if there was one.
    pub fn times(&self, target: &Target) -> Option<CheckTimes> {
        let times = *lock(&self.watches.get(target)?.times);
        (times.probes > 0).then_some(times)
    }
}

impl Report {
    fn unasked() -> Self {
        Self { healthy: true, detail: "not checked yet".to_owned() }
    }
}

/// A running check.
#[derive(Debug)]
struct Watch {
    check: Check,
    report: Arc<Mutex<Report>>,
    times: Arc<Mutex<CheckTimes>>,
    task: JoinHandle<()>,
}

impl Watch {
    fn start(target: Target, check: Check, report: Report, events: Sender<HealthEvent>) -> Self {
        let state = State::new(check.rise, check.fall).resume(report.healthy);
        let report = Arc::new(Mutex::new(report));
        let times = Arc::default();
        let told = (Arc::clone(&report), Arc::clone(&times));
        let task = tokio::spawn(watch(target, check.clone(), state, told, events));
        Self { check, report, times, task }
    }

    fn report(&self) -> Report {
        lock(&self.report).clone()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn watch(
    target: Target,
    check: Check,
    mut state: State,
    (report, times): (Arc<Mutex<Report>>, Arc<Mutex<CheckTimes>>),
    events: Sender<HealthEvent>,
) {
    let mut ticks = interval_at(Instant::now() + jitter(&target, check.interval), check.interval);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let sockets = Sockets::host();
    let mut first_against = Instant::now();
    loop {
        ticks.tick().await;
        if state.against() == 0 {
            first_against = Instant::now();
        }
        let asked = Instant::now();
        let answer = probe::ask(&check, &sockets).await;
        match answer {
            Answer::Good(_) => lock(&times).add(asked.elapsed(), false),
            Answer::Bad(_) => lock(&times).add(asked.elapsed(), true),
            Answer::Unknown(_) => {}
        }
        let (transition, detail) = match answer {
            Answer::Good(detail) => (state.observe(Outcome::Good), detail),
            Answer::Bad(detail) => (state.observe(Outcome::Bad), detail),
            Answer::Unknown(detail) => (None, detail),
        };
        let now = Report { healthy: state.is_up(), detail };
        let Some(transition) = transition else {
            *lock(&report) = now;
            continue;
        };
        let event = HealthEvent {
            target,
            healthy: transition == Transition::Up,
            detail: now.detail.clone(),
            after: first_against.elapsed(),
        };
        // Where this is stopped while it waits for room, its successor takes over the health that the daemon knows of.
        let Ok(room) = events.reserve().await else {
            return;
        };
        *lock(&report) = now;
        room.send(event);
    }
}

/// A target's place in the interval: spread over it, and the same at every start.
fn jitter(target: &Target, interval: Duration) -> Duration {
    let mut hasher = DefaultHasher::new();
    target.hash(&mut hasher);
    interval.mul_f64(hasher.finish() as f64 / u64::MAX as f64)
}

/// What is locked is replaced as a whole, so a panic elsewhere cannot have left half of it.
fn lock<T>(told: &Mutex<T>) -> MutexGuard<'_, T> {
    told.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
