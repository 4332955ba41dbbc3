//! What health checks say of real servers, and what becomes of those that fail.

use crate::api;
use crate::api::event::Event;
use crate::director::Director;
use crate::health::{Check, Report, Target};
use crate::tables::RealId;

impl Director {
    /// A health check changed its mind about a server.
    pub fn set_health(&mut self, target: &Target, healthy: bool, detail: String) {
        let id = (target.id, target.address, target.port);
        let Some(server) = self.model.server(&target.id, target.address, target.port).cloned() else { return };
        let changed = match (healthy, self.down.contains_key(&id)) {
            (true, true) => self.join(&target.id, &server),
            (false, false) => self.tables.remove_server(&target.id, &(target.address, target.port), true),
            (true, false) | (false, true) => Ok(()),
        };
        if let Err(refusal) = changed {
            let server = format!("{} {}", target.id, target.address);
            return self.warn(format!("{server}: the health check's verdict has no effect: {refusal}"));
        }
        let before = (self.up.contains_key(&id), self.down.contains_key(&id));
        if healthy {
            self.down.remove(&id);
            self.up.insert(id, detail);
        } else {
            self.up.remove(&id);
            self.down.insert(id, detail);
        }
        if before != (healthy, !healthy) {
            let Target { id: service, address, port } = *target;
            self.events.tell(|| Event::Health { id: service, address, port, health: self.health(&id) });
        }
    }

    /// Takes over what the last probes said: the reason may be another one by now, and a verdict that could not be
    /// acted on before may be acted on now.
    pub fn set_reports(&mut self, report: impl Fn(&Target) -> Option<Report>) {
        let targets: Vec<_> = self.checks.keys().copied().collect();
        for target in targets {
            if let Some(Report { healthy, detail }) = report(&target) {
                self.set_health(&target, healthy, detail);
            }
        }
    }

    /// The checks of the servers that there are.
    pub fn checks(&self) -> Vec<(Target, Check)> {
        let exists = |target: &Target| self.model.server(&target.id, target.address, target.port).is_some();
        self.checks
            .iter()
            .filter(|(target, _)| exists(target))
            .map(|(target, check)| (*target, check.clone()))
            .collect()
    }

    /// For lists and the status.
    pub(super) fn health(&self, id: &RealId) -> api::Health {
        match (self.down.get(id), self.up.get(id)) {
            (Some(reason), _) => api::Health::Down { reason: reason.clone() },
            (None, Some(detail)) => api::Health::Up { detail: detail.clone() },
            (None, None) => api::Health::Unchecked,
        }
    }
}
