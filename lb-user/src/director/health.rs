//! What health checks say of real servers, and what becomes of those that fail.

use crate::api;
use crate::director::Director;
use crate::health::{Check, Target, Via};
use crate::tables::RealId;

impl Director {
    /// Health checks said something new of these servers: whether each is healthy, and why. What could not be acted on
    /// before is tried again.
    pub fn set_health_many(&mut self, verdicts: impl IntoIterator<Item = (Target, bool, String)>) {
        let before = std::mem::take(&mut self.unheeded);
        for (target, healthy, detail) in before.into_iter().chain(verdicts) {
            self.set_health(&target, healthy, detail);
        }
    }

    /// A health check said something new of a server.
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
            self.unheeded.push((*target, healthy, detail));
            return self.warn(format!("{server}: the health check's verdict has no effect: {refusal}"));
        }
        if healthy {
            self.down.remove(&id);
            self.up.insert(id, detail);
        } else {
            self.up.remove(&id);
            self.down.insert(id, detail);
        }
    }

    /// VIPs cannot be asked for: real servers are asked at their own addresses, and the operator is told.
    pub fn ask_addresses(&mut self, why: &str) {
        self.warn(format!(
            "health checks cannot ask for VIPs, so they ask real servers at their own addresses, and do not notice a missing VIP: {why}"
        ));
        for (target, check) in &mut self.checks {
            *check = check.clone().at_address(target);
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

    /// Whose address the check of a server asks for.
    pub(super) fn asked(&self, id: &RealId) -> Option<Via> {
        let &(id, address, port) = id;
        self.checks.get(&Target { id, address, port }).map(|check| check.via)
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
