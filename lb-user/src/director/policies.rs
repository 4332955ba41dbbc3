//! What is known of servers and services beside the model, and how it gets into the tables.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::{Duration, Instant};

use crate::api::{Refusal, Request};
use crate::director::Director;
use crate::director::drain::Drains;
use crate::director::effective::{Candidate, Effective, effective};
use crate::director::notify::{Notice, Notifier};
use crate::health::{Check, Report, Target};
use crate::model::policy::{Policy, Subject};
use crate::model::{RealServer, Service, ServiceId};
use crate::tables::{Address, RealId, Step};

/// A slow start.
#[derive(Clone, Copy, Debug)]
struct Ramp {
    since: Instant,
    length: Duration,
}

/// What a service was the last time.
#[derive(Clone, Copy, Debug)]
struct Before {
    quorum: Option<bool>,
    serves: bool,
}

/// Rules, verdicts, drains and slow starts.
#[derive(Debug, Default)]
pub(super) struct Policies {
    rules: BTreeMap<ServiceId, Policy>,
    none: Policy,
    pub(super) checks: BTreeMap<Target, Check>,
    /// What the check of each server said last.
    verdicts: HashMap<RealId, Report>,
    ramps: HashMap<RealId, Ramp>,
    pub(super) drains: Drains,
    before: HashMap<ServiceId, Before>,
    /// Services whose tables could not be made as they are to be, and why.
    stuck: BTreeMap<ServiceId, Refusal>,
    pub(super) notifier: Notifier,
    /// Set while services are made that are not there yet: nobody is told of how they become what they are.
    pub(super) quiet: bool,
}

impl Policies {
    pub(super) fn new(rules: BTreeMap<ServiceId, Policy>, checks: BTreeMap<Target, Check>) -> Self {
        Self { rules, checks, ..Self::default() }
    }

    /// The rules of a service.
    pub(super) fn of(&self, id: &ServiceId) -> &Policy {
        self.rules.get(id).unwrap_or(&self.none)
    }

    /// Every sorry server.
    pub(super) fn sorry_servers(&self) -> impl Iterator<Item = &RealServer> {
        self.rules.values().filter_map(|policy| policy.sorry_server.as_ref())
    }

    /// Whether a checked server begins out of service.
    pub(super) fn starts_down(&self, target: &Target) -> bool {
        self.of(&target.id).alpha && self.checks.contains_key(target)
    }

    /// What the check of a server said last, if it has one.
    pub(super) fn verdict(&self, id: &RealId) -> Option<&Report> {
        self.verdicts.get(id)
    }

    pub(super) fn set_verdict(&mut self, id: RealId, verdict: Report) {
        self.verdicts.insert(id, verdict);
    }

    /// Whether a server is to be taken for a healthy one.
    pub(super) fn is_healthy(&self, id: &RealId) -> bool {
        match self.verdicts.get(id) {
            Some(verdict) => verdict.healthy,
            None => !self.starts_down(&Target { id: id.0, address: id.1, port: id.2 }),
        }
    }

    /// A server's weight: the operator's, or that of the script that checks it, unless it is quiesced.
    fn weight(&self, id: &RealId, server: &RealServer) -> u32 {
        let said = self.verdicts.get(id).and_then(|report| report.weight);
        said.filter(|_| server.weight != 0).map_or(server.weight, u32::from)
    }

    /// A server may take connections again: slowly, if it is to.
    pub(super) fn start_ramp(&mut self, id: &ServiceId, server: &RealServer, now: Instant) {
        let length = self.of(id).slow_start(server);
        if !length.is_zero() {
            self.ramps.insert((*id, server.address, server.port), Ramp { since: now, length });
        }
    }

    /// How far a server is through its slow start, in steps of 1/1000.
    pub(super) fn ramp(&self, id: &RealId, now: Instant) -> u32 {
        let Some(ramp) = self.ramps.get(id) else { return 1000 };
        let part = now.saturating_duration_since(ramp.since).as_millis() * 1000 / ramp.length.as_millis().max(1);
        u32::try_from(part).unwrap_or(u32::MAX).min(1000)
    }

    /// What a service is to have in the tables.
    pub(super) fn judge(&self, service: &Service, now: Instant) -> Effective {
        let candidate = |server| {
            let id = real_id(&service.id, server);
            let healthy = self.is_healthy(&id);
            Candidate {
                server,
                weight: self.weight(&id, server),
                healthy,
                drain: self.drains.of(&id),
                ramp: self.ramp(&id, now),
            }
        };
        let candidates: Vec<_> = service.servers.iter().map(candidate).collect();
        let quorum = self.before.get(&service.id).and_then(|before| before.quorum);
        effective(self.of(&service.id), service.scheduler, &candidates, quorum)
    }

    /// A server is no more.
    pub(super) fn forget(&mut self, id: &RealId) {
        self.verdicts.remove(id);
        self.ramps.remove(id);
    }

    /// A service and its servers are no more.
    pub(super) fn forget_service(&mut self, service: &Service) {
        service.servers.iter().for_each(|server| self.forget(&real_id(&service.id, server)));
        self.before.remove(&service.id);
        self.stuck.remove(&service.id);
    }

    /// What the operator should know.
    pub(super) fn warnings(&self) -> impl Iterator<Item = String> {
        self.stuck.iter().map(|(id, refusal)| {
            format!("{id}: health, a drain or a slow start has no effect yet, and is tried again: {refusal}")
        })
    }

    /// What a service has become; tells of it.
    fn became(&mut self, service: &Service, effective: &Effective, cause: &str) {
        let Effective { quorum, serves, weight, .. } = *effective;
        let before = self.before.insert(service.id, Before { quorum, serves });
        // Nobody is told of how it began.
        let Some(before) = before.filter(|before| before.quorum.is_some() && !self.quiet) else { return };
        if before.serves != serves {
            self.tell(Notice::new(Subject::Service, &service.id, None, serves, cause.to_owned()));
        }
        let Some(quorum) = quorum.filter(|quorum| before.quorum != Some(*quorum)) else { return };
        let Policy { quorum: needed, hysteresis, .. } = self.of(&service.id);
        let sum =
            format!("the weights of healthy servers add up to {weight}, quorum {needed}, hysteresis {hysteresis}");
        self.tell(Notice::new(Subject::Quorum, &service.id, None, quorum, format!("{sum}: {cause}")));
    }

    /// Logs a transition, and tells whoever wants to know.
    pub(super) fn tell(&mut self, notice: Notice) {
        notice.log();
        let own = self.of(&notice.service).notify.clone();
        self.notifier.send(notice, own.as_ref());
    }
}

/// A server's key.
pub(super) fn real_id(id: &ServiceId, server: &RealServer) -> RealId {
    (*id, server.address, server.port)
}

impl Director {
    /// What becomes of servers that fail is this from now on, for all services; only what differs is touched.
    pub fn set_policies(&mut self, rules: BTreeMap<ServiceId, Policy>) {
        let before = std::mem::replace(&mut self.policies.rules, rules);
        let sorry = |rules: &BTreeMap<ServiceId, Policy>| -> Vec<_> {
            rules.values().filter_map(|policy| policy.sorry_server.as_ref()).map(|server| server.address).collect()
        };
        let (old, new) = (sorry(&before), sorry(&self.policies.rules));
        self.followed.replace(&old, &new);
        let ids: BTreeSet<_> = before.keys().chain(self.policies.rules.keys()).copied().collect();
        let rules = &self.policies.rules;
        let changed: Vec<_> = ids.into_iter().filter(|id| before.get(id) != rules.get(id)).collect();
        for id in changed {
            self.carry(&id, "the config file changed");
        }
    }

    /// The checks are these from now on. What a check said that is gone counts no more.
    pub fn set_checks(&mut self, checks: BTreeMap<Target, Check>) {
        let before = std::mem::replace(&mut self.policies.checks, checks);
        self.followed.set_checks_changed();
        let gone: Vec<_> = before.keys().filter(|target| !self.policies.checks.contains_key(target)).collect();
        let touched: BTreeSet<_> = gone.iter().map(|target| target.id).collect();
        for target in gone {
            self.policies.verdicts.remove(&(target.id, target.address, target.port));
        }
        for id in touched {
            self.carry(&id, "a health check was removed");
        }
    }

    /// Makes the tables say of a service what they are to say, for whatever reason that has changed. Where there is no
    /// room for it, the operator is told, and it is tried again.
    pub(super) fn carry(&mut self, id: &ServiceId, cause: &str) {
        let Some(service) = self.model.service(id).cloned() else { return };
        match self.carry_change(&service, None, cause) {
            Ok(()) => {
                self.policies.stuck.remove(id);
            }
            Err(refusal) => {
                self.policies.stuck.insert(*id, refusal);
            }
        }
    }

    /// The same for a service as it is after a change by hand.
    pub(super) fn carry_change(
        &mut self,
        service: &Service,
        by_hand: Option<&Request>,
        cause: &str,
    ) -> Result<(), Refusal> {
        let effective = self.policies.judge(service, Instant::now());
        let held: Vec<_> = self.tables.members(&service.id).collect();
        let steps = steps(&held, &effective.members, by_hand);
        // If connections of removed servers are to be forgotten, that comes first: who joins may be one of them.
        if self.tables.flush_is_due() && steps.iter().any(|step| matches!(step, Step::Join(_))) {
            self.sweep().map_err(|error| Refusal::Other(format!("{error:#}")))?;
        }
        if !steps.is_empty() {
            self.tables.change_servers(&service.id, &steps)?;
        }
        for server in self.policies.drains.released(service) {
            self.tables.set_released(&service.id, &server, true);
        }
        self.policies.became(service, &effective, cause);
        Ok(())
    }

    /// A second has passed: slow starts go on, drains end, and what had no room is tried again.
    pub(super) fn advance(&mut self) {
        let now = Instant::now();
        let ramping = self.policies.ramps.keys().map(|(id, ..)| *id);
        let touched: BTreeSet<_> = ramping.chain(self.policies.stuck.keys().copied()).collect();
        self.policies.ramps.retain(|_, ramp| now.saturating_duration_since(ramp.since) < ramp.length);
        for id in touched {
            self.carry(&id, "a second has passed");
        }
        self.end_drains();
    }
}

/// What leads from the members that the tables hold to others. What the operator edited is edited even if nothing
/// changes, as IPVS does: schedulers start anew.
fn steps(held: &[(Address, u32)], wanted: &[RealServer], by_hand: Option<&Request>) -> Vec<Step> {
    let mut steps = Vec::new();
    let find = |address: Address| wanted.iter().find(|server| (server.address, server.port) == address);
    let is = |server: Address, which: fn(&Request) -> Option<Address>| by_hand.and_then(which) == Some(server);
    for (server, _) in held.iter().filter(|(address, _)| find(*address).is_none()) {
        steps.push(Step::Leave { server: *server, failed: !is(*server, deleted) });
    }
    for (address, weight) in held {
        if let Some(server) = find(*address)
            && (server.weight != *weight || is(*address, edited))
        {
            steps.push(Step::Edit(server.clone()));
        }
    }
    let is_held = |server: &&RealServer| held.iter().any(|(address, _)| *address == (server.address, server.port));
    // Oldest first: each comes to the front.
    steps.extend(wanted.iter().rev().filter(|server| !is_held(server)).cloned().map(Step::Join));
    steps
}

fn deleted(request: &Request) -> Option<Address> {
    if let Request::DeleteServer { address, port, .. } = request { Some((*address, *port)) } else { None }
}

fn edited(request: &Request) -> Option<Address> {
    if let Request::EditServer { server, .. } = request { Some((server.address, server.port)) } else { None }
}
