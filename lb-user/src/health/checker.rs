//! The runner: one task a target, and an event a transition.

use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc::Sender;
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep};

use super::check::{Check, Target, Via};
use super::probe::{self, Answer};
use super::sockets::Sockets;
use super::state::{Outcome, State};
use crate::api::{CheckTimes, Health};
use crate::leg::Door;

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
    /// The weight that a script asked for.
    pub weight: Option<u8>,
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
    /// The weight that a script asked for.
    pub weight: Option<u8>,
}

impl From<Report> for Health {
    fn from(Report { healthy, detail, weight: _ }: Report) -> Self {
        if healthy { Self::Up { detail } } else { Self::Down { reason: detail } }
    }
}

/// Runs the checks. Dropping it stops them.
#[derive(Debug)]
pub struct Checker {
    events: Sender<HealthEvent>,
    door: Option<Arc<Door>>,
    watches: HashMap<Target, Watch>,
    start_down: HashSet<Target>,
    news: News,
}

/// The targets with something new to say.
type News = Arc<Mutex<Vec<Target>>>;

impl Checker {
    /// Nothing is checked yet; transitions will go to `events`.
    pub fn new(events: Sender<HealthEvent>) -> Self {
        Self { events, door: None, watches: HashMap::new(), start_down: HashSet::new(), news: News::default() }
    }

    /// Targets that are out of service, when their checks start, until they answer.
    pub fn set_start_down(&mut self, targets: HashSet<Target>) {
        self.start_down = targets;
    }

    /// VIPs can be asked for from now on; until then such a check asks for the real server's own address.
    pub fn set_door(&mut self, door: Arc<Door>) {
        self.door = Some(door);
    }

    /// Checks exactly these targets from now on: what is unchanged goes on undisturbed, what is gone stops, what is new
    /// starts. A target whose check has changed keeps its health. Call it within a tokio runtime.
    pub fn set(&mut self, targets: Vec<(Target, Check)>) {
        let mut before = std::mem::take(&mut self.watches);
        for (target, check) in targets {
            let check = if self.door.is_none() { check.at_address(&target) } else { check };
            let watch = match before.remove(&target) {
                Some(watch) if watch.check == check => watch,
                Some(watch) => self.start(target, check, watch.report()),
                None => {
                    let report = Report { healthy: !self.start_down.contains(&target), ..Report::unasked() };
                    self.start(target, check, report)
                }
            };
            self.watches.insert(target, watch);
        }
    }

    fn start(&self, target: Target, check: Check, report: Report) -> Watch {
        let sockets = match (&self.door, check.via) {
            (Some(door), Via::Vip) => Sockets::through(Arc::clone(door), target.address),
            (None, Via::Vip) | (_, Via::Address) => Sockets::host(),
        };
        let state = State::new(check.rise, check.fall).resume(report.healthy);
        let report = Arc::new(Mutex::new(report));
        lock(&self.news).push(target);
        let times = Arc::default();
        let teller = Teller {
            target,
            report: Arc::clone(&report),
            times: Arc::clone(&times),
            news: Arc::clone(&self.news),
            events: self.events.clone(),
        };
        let task = tokio::spawn(watch(check.clone(), sockets, state, teller));
        Watch { check, report, times, task }
    }

    /// What the last probe of a target said, if it is checked.
    pub fn report(&self, target: &Target) -> Option<Report> {
        self.watches.get(target).map(Watch::report)
    }

    /// The targets that are new, and those whose last probe said something else than the one before, since the last call.
    /// A transition is an event, and not among these.
    pub fn take_news(&self) -> Vec<(Target, Report)> {
        let targets = std::mem::take(&mut *lock(&self.news));
        targets.into_iter().filter_map(|target| Some((target, self.report(&target)?))).collect()
    }

    /// How long a target's probes took, if there was one.
    pub fn times(&self, target: &Target) -> Option<CheckTimes> {
        let times = *lock(&self.watches.get(target)?.times);
        (times.probes > 0).then_some(times)
    }
}

impl Report {
    fn unasked() -> Self {
        Self { healthy: true, detail: "not checked yet".to_owned(), weight: None }
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
    fn report(&self) -> Report {
        lock(&self.report).clone()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Where a running check tells what it found.
struct Teller {
    target: Target,
    report: Arc<Mutex<Report>>,
    times: Arc<Mutex<CheckTimes>>,
    news: News,
    events: Sender<HealthEvent>,
}

impl Teller {
    /// There is no transition.
    fn tell(&self, now: Report) {
        let mut report = lock(&self.report);
        if *report != now {
            *report = now;
            lock(&self.news).push(self.target);
        }
    }

    /// There is one; says whether anybody listens.
    async fn transition(&self, now: Report, after: Duration) -> bool {
        // Where the check is stopped while it waits for room, its successor takes over the health that the daemon knows
        // of.
        let Ok(room) = self.events.reserve().await else { return false };
        *lock(&self.report) = now.clone();
        let Report { healthy, detail, weight } = now;
        room.send(HealthEvent { target: self.target, healthy, detail, weight, after });
        true
    }
}

async fn watch(check: Check, sockets: Sockets, mut state: State, teller: Teller) {
    let mut ticks = interval_at(Instant::now() + place(&teller.target, check.warmup), check.interval);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut first_against = Instant::now();
    loop {
        ticks.tick().await;
        if !check.jitter.is_zero() {
            sleep(check.jitter.mul_f64(fastrand::f64())).await;
        }
        if state.against() == 0 {
            first_against = Instant::now();
        }
        let asked = Instant::now();
        let answer = probe::outcome(&check, &sockets, state.is_up()).await;
        match answer {
            Answer::Good(_) | Answer::Weighted(..) => lock(&teller.times).add(asked.elapsed(), false),
            Answer::Bad(_) => lock(&teller.times).add(asked.elapsed(), true),
            Answer::Unknown(_) => {}
        }
        let (transition, detail, weight) = match answer {
            Answer::Good(detail) => (state.observe(Outcome::Good), detail, None),
            Answer::Weighted(detail, weight) => (state.observe(Outcome::Good), detail, Some(weight)),
            Answer::Bad(detail) => (state.observe(Outcome::Bad), with_hint(&check, &sockets, detail), None),
            Answer::Unknown(detail) => (None, detail, None),
        };
        let now = Report { healthy: state.is_up(), detail, weight };
        match transition {
            None => teller.tell(now),
            Some(_) if teller.transition(now, first_against.elapsed()).await => {}
            Some(_) => return,
        }
    }
}

/// A real server without the VIP is silent about it, or says that what it would forward goes no further.
fn with_hint(check: &Check, sockets: &Sockets, detail: String) -> String {
    if check.via == Via::Vip && sockets.found_nobody() {
        return format!("{detail}; is {} on its lo?", check.endpoint.ip());
    }
    detail
}

/// A target's place in the time of the first probes: spread over it, and the same at every start.
fn place(target: &Target, warmup: Duration) -> Duration {
    let mut hasher = DefaultHasher::new();
    target.hash(&mut hasher);
    warmup.mul_f64(hasher.finish() as f64 / u64::MAX as f64)
}

/// A report is replaced as a whole, and the list of news grows by whole targets, so a panic elsewhere cannot have left
/// half of one.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
