//! What health checks say of real servers.

use std::collections::{BTreeMap, HashSet};
use std::net::SocketAddr;
use std::time::Instant;

use crate::api;
use crate::director::Director;
use crate::director::notify::Notice;
use crate::director::policies::Verdict;
use crate::health::{Check, Report, Target};
use crate::model::ServiceId;
use crate::model::policy::Subject;
use crate::tables::RealId;

impl Director {
    /// A health check changed its mind about a server.
    pub fn set_health(&mut self, target: &Target, healthy: bool, detail: String) {
        self.set_health_many([(*target, healthy, detail)]);
    }

    /// Health checks changed their minds about many servers: whether each is healthy now, and why. Each service is
    /// changed once, however many of its servers are among them.
    pub fn set_health_many(&mut self, verdicts: impl IntoIterator<Item = (Target, bool, String)>) {
        let mut touched: BTreeMap<ServiceId, String> = BTreeMap::new();
        for (target, healthy, detail) in verdicts {
            if let Some(cause) = self.note_health(&target, healthy, detail) {
                touched.insert(target.id, cause);
            }
        }
        for (id, cause) in touched {
            self.carry(&id, &cause);
        }
    }

    /// Takes a verdict down; gives the cause in words, if it is another one than before.
    fn note_health(&mut self, target: &Target, healthy: bool, detail: String) -> Option<String> {
        let id = (target.id, target.address, target.port);
        let server = self.model.server(&target.id, target.address, target.port)?;
        let before = self.policies.is_healthy(&id);
        if healthy && !before {
            self.policies.start_ramp(&target.id, server, Instant::now());
        }
        if healthy == before {
            self.policies.set_verdict(id, Verdict { healthy, detail });
            return None;
        }
        self.policies.set_verdict(id, Verdict { healthy, detail: detail.clone() });
        let server = SocketAddr::new(target.address, target.port);
        let cause = format!("{server} is {}: {detail}", if healthy { "up" } else { "down" });
        self.policies.tell(Notice::new(Subject::Server, &target.id, Some(server), healthy, detail));
        Some(cause)
    }

    /// Takes over what the last probes said: the reason may be another one by now.
    pub fn set_reports(&mut self, report: impl Fn(&Target) -> Option<Report>) {
        let reports = self.policies.checks.keys().filter_map(|target| Some((*target, report(target)?)));
        let verdicts: Vec<_> = reports.map(|(target, report)| (target, report.healthy, report.detail)).collect();
        self.set_health_many(verdicts);
    }

    /// The checks of the servers that there are.
    pub fn checks(&self) -> Vec<(Target, Check)> {
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

    /// For lists and the status.
    pub(super) fn health(&self, id: &RealId) -> api::Health {
        match self.policies.verdict(id) {
            Some(Verdict { healthy: true, detail }) => api::Health::Up { detail: detail.clone() },
            Some(Verdict { healthy: false, detail }) => api::Health::Down { reason: detail.clone() },
            None if self.policies.is_healthy(id) => api::Health::Unchecked,
            None => api::Health::Down { reason: "not checked yet".to_owned() },
        }
    }
}
