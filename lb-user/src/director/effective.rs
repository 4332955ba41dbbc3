//! Which servers a service has in the tables, and with which weights: a function of what the operator asked for, of
//! health, drains, and of whether the quorum was there before. No I/O, no clock.

use crate::model::policy::{AllDown, OnFailure, Policy};
use crate::model::{RealServer, SchedulerKind};

/// A real server of the model, and what is known of it.
#[derive(Clone, Debug)]
pub(super) struct Candidate<'a> {
    pub(super) server: &'a RealServer,
    /// Its weight, which a script may have changed.
    pub(super) weight: u32,
    /// What its check says; without one it is healthy.
    pub(super) healthy: bool,
    pub(super) drain: Drain,
    /// How far it is through its slow start, in steps of 1/1000; 1000 is through.
    pub(super) ramp: u32,
}

/// Whether a server is being drained.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Drain {
    No,
    /// It keeps what it has.
    Going,
    /// Its time is over.
    Over,
}

/// What a server of the model does for its service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// As its weight says.
    Serves,
    /// With a part of its weight.
    Ramps,
    /// It failed, but so did all others.
    ServesThoughFailed,
    /// It failed and keeps its connections.
    Inhibited,
    /// It failed and is out.
    Removed,
    /// The quorum is lost and the sorry server serves.
    Suspended,
    /// It keeps its connections until its time is over.
    Draining,
    /// Its time is over.
    Drained,
}

/// What a service is to have in the tables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Effective {
    /// Whether the quorum is there; none where there is no server of any kind.
    pub(super) quorum: Option<bool>,
    /// Sum of the weights of healthy servers.
    pub(super) weight: u64,
    /// What each candidate does, in their order.
    pub(super) roles: Vec<Role>,
    /// Those in the tables, with their weights there; newest first, the sorry server before all.
    pub(super) members: Vec<RealServer>,
    /// Whether the first of them is the sorry server.
    with_sorry: bool,
    /// Whether a server of the model may take a new connection.
    pub(super) serves: bool,
}

impl Effective {
    /// The sorry server, while it serves.
    pub(super) fn sorry(&self) -> Option<&RealServer> {
        self.members.first().filter(|_| self.with_sorry)
    }
}

/// Decides. `quorum` is what this gave the last time, none if it never did.
pub(super) fn effective(
    policy: &Policy,
    scheduler: SchedulerKind,
    candidates: &[Candidate<'_>],
    quorum: Option<bool>,
) -> Effective {
    let weight = candidates.iter().filter(|candidate| counts(candidate)).map(|one| u64::from(one.weight)).sum();
    let is_used = !candidates.is_empty() || policy.sorry_server.is_some();
    let quorum = is_used.then(|| has_quorum(policy, weight, quorum.unwrap_or(false)));
    let sorry = policy.sorry_server.as_ref().filter(|_| quorum == Some(false));
    let all_failed = weight == 0 && policy.all_down == AllDown::All;
    let role = |candidate: &Candidate<'_>| role(policy, scheduler, candidate, sorry.is_some(), all_failed);
    let roles: Vec<_> = candidates.iter().map(role).collect();
    let of_the_model = candidates.iter().zip(&roles).filter_map(|(candidate, role)| {
        let weight = weight_of(*role, candidate, scheduler)?;
        Some(RealServer { weight, ..candidate.server.clone() })
    });
    let replaced =
        |server: &RealServer| sorry.is_some_and(|sorry| (sorry.address, sorry.port) == (server.address, server.port));
    let members: Vec<_> = sorry.cloned().into_iter().chain(of_the_model.filter(|server| !replaced(server))).collect();
    let takes_new = |role: &Role| matches!(role, Role::Serves | Role::Ramps | Role::ServesThoughFailed);
    let serves = candidates.iter().zip(&roles).any(|(candidate, role)| candidate.weight > 0 && takes_new(role));
    Effective { quorum, weight, roles, members, with_sorry: sorry.is_some(), serves }
}

/// Whether a server's weight counts for the quorum.
fn counts(candidate: &Candidate<'_>) -> bool {
    candidate.healthy && candidate.drain == Drain::No
}

/// keepalived's `update_quorum_state`.
fn has_quorum(policy: &Policy, weight: u64, had: bool) -> bool {
    let (quorum, hysteresis) = (u64::from(policy.quorum), u64::from(policy.hysteresis));
    if had { weight > 0 && weight >= quorum.saturating_sub(hysteresis) } else { weight >= quorum + hysteresis }
}

fn role(policy: &Policy, scheduler: SchedulerKind, one: &Candidate<'_>, sorry: bool, all_failed: bool) -> Role {
    match (one.drain, one.healthy) {
        (Drain::Over, _) => Role::Drained,
        // Quiesced by hand, a server is not there for new connections anyway, and keeps those that it has.
        (Drain::No, true) if sorry && one.weight > 0 => Role::Suspended,
        (Drain::No, true) if one.ramp < 1000 && ramp_steps(scheduler) > 0 => Role::Ramps,
        (Drain::No, true) => Role::Serves,
        (Drain::No, false) if all_failed => Role::ServesThoughFailed,
        (Drain::Going, true) => Role::Draining,
        (Drain::No | Drain::Going, false) => match policy.on_failure(one.server) {
            OnFailure::Remove => Role::Removed,
            OnFailure::Inhibit => Role::Inhibited,
        },
    }
}

/// A server's weight in the tables, none where it is in none.
fn weight_of(role: Role, candidate: &Candidate<'_>, scheduler: SchedulerKind) -> Option<u32> {
    let weight = candidate.weight;
    match role {
        Role::Serves | Role::ServesThoughFailed => Some(weight),
        Role::Ramps => Some(ramped(weight, candidate.ramp, ramp_steps(scheduler))),
        Role::Inhibited | Role::Draining => Some(0),
        Role::Removed | Role::Suspended | Role::Drained => None,
    }
}

/// How many steps a slow start has; 0 where weights do not matter beyond being 0 or not.
///
/// A change of weight makes the table of a scheduler that hashes anew, which sends some clients elsewhere, and lets wrr
/// begin anew.
pub(super) fn ramp_steps(scheduler: SchedulerKind) -> u32 {
    match scheduler {
        SchedulerKind::Wrr | SchedulerKind::Sh | SchedulerKind::Mh => 5,
        SchedulerKind::Wlc
        | SchedulerKind::Sed
        | SchedulerKind::Nq
        | SchedulerKind::Fo
        | SchedulerKind::Ovf
        | SchedulerKind::Lblc
        | SchedulerKind::Lblcr
        | SchedulerKind::Twos => 1000,
        SchedulerKind::Rr | SchedulerKind::Lc | SchedulerKind::Dh => 0,
    }
}

/// The weight after a part of the slow start, in so many steps: at least 1, if it has any.
fn ramped(weight: u32, ramp: u32, steps: u32) -> u32 {
    let step = u64::from(ramp) * u64::from(steps) / 1000;
    let part = u64::from(weight) * step / u64::from(steps.max(1));
    u32::try_from(part).unwrap_or(weight).clamp(weight.min(1), weight)
}

#[cfg(test)]
mod tests;
