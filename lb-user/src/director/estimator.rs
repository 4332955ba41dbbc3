//! Rates as IPVS' estimator computes them (`ip_vs_est.c`): every two seconds a quarter of the way to the rate since
//! the last time.

use std::collections::HashMap;

use lb_common::service::Traffic;

use crate::api::Rates;
use crate::model::{Model, RealServer, Service, ServiceId};
use crate::tables::maps::Maps;
use crate::tables::{Address, Passed, RealId, Tables};

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

/// The estimators of a service and its servers.
#[derive(Debug)]
struct Group {
    own: Estimator,
    /// In the order of the service's servers.
    servers: Vec<(Address, Estimator)>,
}

impl Group {
    /// The estimator of a server, which mostly stands where it stood.
    fn server(&self, place: usize, server: &Address) -> Option<Estimator> {
        let there = self.servers.get(place).filter(|(address, _)| address == server);
        let found = there.or_else(|| self.servers.iter().find(|(address, _)| address == server));
        found.map(|(_, estimator)| *estimator)
    }

    fn step<M: Maps>(&mut self, service: &Service, sorry: Option<Address>, mut passed: Passed<'_, M>) {
        self.own.step(passed.traffic());
        let servers = service.servers.iter().map(RealServer::key).chain(sorry);
        let servers = servers.enumerate().filter_map(|(place, server)| {
            let traffic = passed.to(&server)?;
            let mut estimator = self.server(place, &server).unwrap_or_else(|| Estimator::starting(traffic));
            estimator.step(traffic);
            Some((server, estimator))
        });
        self.servers = servers.collect();
    }
}

/// The estimators of all services and servers.
#[derive(Debug, Default)]
pub(super) struct Estimators {
    services: HashMap<ServiceId, Group>,
}

impl Estimators {
    /// Two seconds have passed.
    pub(super) fn step<M: Maps>(&mut self, model: &Model, tables: &Tables<M>) {
        let mut count = 0;
        for service in model.services() {
            let Some(passed) = tables.passed(&service.id) else { continue };
            let is_listed = |first: &Address| service.servers.iter().any(|server| server.key() == *first);
            // The sorry server comes first while it serves.
            let sorry = tables.members(&service.id).map(|(first, _)| first).take(1).find(|first| !is_listed(first));
            let new = || Group { own: Estimator::starting(passed.traffic()), servers: Vec::new() };
            self.services.entry(service.id).or_insert_with(new).step(service, sorry, passed);
            count += 1;
        }
        if self.services.len() > count {
            self.services.retain(|id, _| model.service(id).is_some());
        }
    }

    /// The rates of a service and its servers start from zero, as after `-Z`.
    pub(super) fn clear(&mut self, id: &ServiceId) {
        self.services.remove(id);
    }

    /// A service's rates.
    pub(super) fn service(&self, id: &ServiceId) -> Rates {
        self.services.get(id).map(|group| group.own.rates()).unwrap_or_default()
    }

    /// A server's rates.
    pub(super) fn server(&self, (id, address, port): &RealId) -> Rates {
        let group = self.services.get(id);
        group
            .and_then(|group| group.server(0, &(*address, *port)))
            .map(|estimator| estimator.rates())
            .unwrap_or_default()
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
