//! Rates as IPVS' estimator computes them (`ip_vs_est.c`): every two seconds a quarter of the way to the rate since
//! the last time.

use std::collections::HashMap;

use lb_common::service::Traffic;

use crate::api::Rates;
use crate::model::{Model, ServiceId};
use crate::tables::maps::Maps;
use crate::tables::{Address, RealId, Tables};

/// The moving averages of a service or a server, in IPVS' fixed point.
#[derive(Clone, Copy, Debug, Default)]
struct Estimator {
    last: Traffic,
    connections: i64,
    packets: i64,
    bytes: i64,
}

impl Estimator {
    /// What passed before is no rate.
    fn starting(now: Traffic) -> Self {
        Self { last: now, ..Self::default() }
    }

    fn step(&mut self, now: Traffic) {
        let delta = now.since(&self.last);
        self.last = now;
        // Two seconds apart: connections and packets a second times 2^10, bytes times 2^5.
        self.connections += (((delta.connections << 9) as i64) - self.connections) >> 2;
        self.packets += (((delta.packets << 9) as i64) - self.packets) >> 2;
        self.bytes += (((delta.bytes << 4) as i64) - self.bytes) >> 2;
    }

    fn rates(&self) -> Rates {
        Rates {
            connections: ((self.connections + 0x1ff) >> 10).unsigned_abs(),
            packets: ((self.packets + 0x1ff) >> 10).unsigned_abs(),
            bytes: ((self.bytes + 0xf) >> 5).unsigned_abs(),
        }
    }
}

/// The estimators of all services and servers.
#[derive(Debug, Default)]
pub(super) struct Estimators {
    services: HashMap<ServiceId, Estimator>,
    servers: HashMap<RealId, Estimator>,
}

impl Estimators {
    /// Two seconds have passed.
    pub(super) fn step<M: Maps>(&mut self, model: &Model, tables: &Tables<M>) {
        let (mut services, mut servers) = (HashMap::new(), HashMap::new());
        for service in model.services() {
            if let Some((_, traffic)) = tables.service(&service.id) {
                let mut estimator =
                    self.services.get(&service.id).copied().unwrap_or_else(|| Estimator::starting(traffic));
                estimator.step(traffic);
                services.insert(service.id, estimator);
            }
            let is_listed = |first: &Address| service.servers.iter().any(|one| (one.address, one.port) == *first);
            // The sorry server comes first while it serves.
            let sorry = tables.members(&service.id).map(|(first, _)| first).take(1).filter(|first| !is_listed(first));
            for server in service.servers.iter().map(|server| (server.address, server.port)).chain(sorry) {
                let id = (service.id, server.0, server.1);
                if let Some((_, _, traffic)) = tables.server(&service.id, &server) {
                    let mut estimator = self.servers.get(&id).copied().unwrap_or_else(|| Estimator::starting(traffic));
                    estimator.step(traffic);
                    servers.insert(id, estimator);
                }
            }
        }
        (self.services, self.servers) = (services, servers);
    }

    /// The rates of a service and its servers start from zero, as after `-Z`.
    pub(super) fn clear(&mut self, id: &ServiceId) {
        self.services.remove(id);
        self.servers.retain(|(service, ..), _| service != id);
    }

    /// A service's rates.
    pub(super) fn service(&self, id: &ServiceId) -> Rates {
        self.services.get(id).map(Estimator::rates).unwrap_or_default()
    }

    /// A server's rates.
    pub(super) fn server(&self, id: &RealId) -> Rates {
        self.servers.get(id).map(Estimator::rates).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_steady_rate_is_reached_in_quarters() {
        let mut estimator = Estimator::default();
        let mut shown = Vec::new();
        for step in 1..=40u64 {
            estimator.step(Traffic {
                connections: 200 * step,
                packets: 2000 * step,
                bytes: 80_000 * step,
                reserved: 0,
            });
            shown.push(estimator.rates());
        }
        assert_eq!(shown[0], Rates { connections: 25, packets: 250, bytes: 10_000 });
        assert_eq!(shown[39], Rates { connections: 100, packets: 1000, bytes: 40_000 });
    }
}
