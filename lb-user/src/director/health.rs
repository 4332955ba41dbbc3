//! What health checks say of real servers.

use std::collections::{BTreeMap, HashSet};
use std::net::SocketAddr;
use std::time::Instant;

use crate::api;
use crate::api::event::Event;
use crate::director::Director;
use crate::director::notify::Notice;
use crate::health::{Check, Report, Target, Via};
use crate::model::ServiceId;
use crate::model::policy::Subject;
use crate::tables::RealId;

impl Director {
    /// A health check said something new of a server.
    pub fn set_health(&mut self, target: &Target, healthy: bool, detail: String) {
        self.set_health_many([(*target, Report { healthy, detail, weight: None })]);
    }

    /// Health checks changed their minds about many servers: what is true of each now. Each service is
    /// changed once, however many of its servers are among them.
    pub fn set_health_many(&mut self, verdicts: impl IntoIterator<Item = (Target, Report)>) {
        let mut touched: BTreeMap<ServiceId, String> = BTreeMap::new();
        for (target, report) in verdicts {
            if let Some(cause) = self.note_health(&target, report) {
                touched.insert(target.id, cause);
            }
        }
        for (id, cause) in touched {
            self.carry(&id, &cause);
        }
    }

    /// VIPs cannot be asked for: real servers are asked at their own addresses, and the operator is told.
    pub fn ask_addresses(&mut self, why: &str) {
        self.warn(format!(
            "health checks cannot ask for VIPs, so they ask real servers at their own addresses, and do not notice a missing VIP: {why}"
        ));
        let checks = &mut self.policies.checks;
        checks.iter_mut().for_each(|(target, check)| *check = check.clone().at_address(target));
    }

    /// Takes a verdict down; gives the cause in words, if something else follows from it than before.
    fn note_health(&mut self, target: &Target, report: Report) -> Option<String> {
        let id = (target.id, target.address, target.port);
        let server = self.model.server(&target.id, target.address, target.port)?;
        let before = self.policies.is_healthy(&id);
        let weight = self.policies.verdict(&id).and_then(|report| report.weight);
        if report.healthy && !before {
            self.policies.start_ramp(&target.id, server, Instant::now());
        }
        let told = self.policies.verdict(&id).map(|verdict| verdict.healthy);
        self.policies.set_verdict(id, report.clone());
        if told != Some(report.healthy) {
            let Target { id: service, address, port } = *target;
            self.events.tell(|| Event::Health { id: service, address, port, health: self.health(&id) });
        }
        let Report { healthy, detail, weight: said } = report;
        let server = SocketAddr::new(target.address, target.port);
        if healthy == before {
            return (said != weight).then(|| format!("the check of {server} gives it another weight: {detail}"));
        }
        let cause = format!("{server} is {}: {detail}", if healthy { "up" } else { "down" });
        self.policies.tell(Notice::new(Subject::Server, &target.id, Some(server), healthy, detail));
        Some(cause)
    }

    /// The checks of the servers that there are.
    pub(super) fn checks(&self) -> Vec<(Target, Check)> {
        let exists = |target: &Target| self.model.server(&target.id, target.address, target.port).is_some();
        self.policies
            .checks
            .iter()
            .filter(|(target, _)| exists(target))
            .map(|(target, check)| (*target, check.clone()))
            .collect()
    }

    /// The servers that are out of service, when their checks begin, until they answer.
    pub fn start_down(&self) -> HashSet<Target> {
        self.policies.checks.keys().filter(|target| self.policies.starts_down(target)).copied().collect()
    }

    /// Whose address the check of a server asks for.
    pub(super) fn asked(&self, id: &RealId) -> Option<Via> {
        let &(id, address, port) = id;
        self.policies.checks.get(&Target { id, address, port }).map(|check| check.via)
    }

    /// For lists and the status.
    pub(super) fn health(&self, id: &RealId) -> api::Health {
        match self.policies.verdict(id) {
            Some(Report { healthy: true, detail, .. }) => api::Health::Up { detail: detail.clone() },
            Some(Report { healthy: false, detail, .. }) => api::Health::Down { reason: detail.clone() },
            None if self.policies.is_healthy(id) => api::Health::Unchecked,
            None => api::Health::Down { reason: "not checked yet".to_owned() },
        }
    }
}
