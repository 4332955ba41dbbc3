//! What others follow of the model: addresses to resolve, servers to check. Kept while it changes, since with a hundred
//! thousand servers going through all of them for each change takes longer than the change.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use crate::api::Request;
use crate::director::Director;
use crate::health::{Check, Target};
use crate::model::{RealServer, ServiceId};

/// What changed since it was last asked for.
#[derive(Debug, Default)]
pub(super) struct Followed {
    /// Addresses of servers, sorry servers included, and how many servers have each.
    addresses: BTreeMap<IpAddr, usize>,
    addresses_changed: bool,
    checks_changed: bool,
}

impl Followed {
    fn add(&mut self, address: IpAddr) {
        let count = self.addresses.entry(address).or_default();
        *count += 1;
        self.addresses_changed |= *count == 1;
    }

    fn remove(&mut self, address: IpAddr) {
        let Some(count) = self.addresses.get_mut(&address) else { return };
        *count -= 1;
        if *count == 0 {
            self.addresses.remove(&address);
            self.addresses_changed = true;
        }
    }

    /// Servers that stand in no service's list, the sorry servers: these before, those from now on.
    pub(super) fn replace(&mut self, before: &[IpAddr], after: &[IpAddr]) {
        after.iter().for_each(|address| self.add(*address));
        before.iter().for_each(|address| self.remove(*address));
    }

    /// The checks are others.
    pub(super) fn set_checks_changed(&mut self) {
        self.checks_changed = true;
    }
}

impl Director {
    /// The addresses of all servers, if they are others than when this was last asked.
    pub fn changed_addresses(&mut self) -> Option<BTreeSet<IpAddr>> {
        std::mem::take(&mut self.followed.addresses_changed).then(|| self.followed.addresses.keys().copied().collect())
    }

    /// The checks of the servers that there are, if they are others than when this was last asked.
    pub fn changed_checks(&mut self) -> Option<Vec<(Target, Check)>> {
        std::mem::take(&mut self.followed.checks_changed).then(|| self.checks())
    }

    /// The addresses of all servers.
    pub fn addresses(&self) -> BTreeSet<IpAddr> {
        self.followed.addresses.keys().copied().collect()
    }

    /// Whether this holds for the addresses of all servers.
    pub(super) fn all_addresses(&self, holds: impl FnMut(&IpAddr) -> bool) -> bool {
        self.followed.addresses.keys().all(holds)
    }

    /// A change is about to be made to the model.
    pub(super) fn follow(&mut self, change: &Request) {
        match change {
            Request::AddServer { id, server } => {
                self.followed.add(server.address);
                self.follow_check(id, server.address, server.port);
            }
            Request::DeleteServer { id, address, port } => {
                self.followed.remove(*address);
                self.follow_check(id, *address, *port);
            }
            Request::DeleteService { id } => {
                let servers = self.model.service(id).map(|service| service.servers.clone()).unwrap_or_default();
                self.follow_gone(*id, &servers);
            }
            Request::Flush => {
                let services: Vec<_> = self.model.services().cloned().collect();
                services.iter().for_each(|service| self.follow_gone(service.id, &service.servers));
            }
            Request::AddService { .. }
            | Request::EditService { .. }
            | Request::EditServer { .. }
            | Request::OrderServers { .. }
            | Request::Zero { .. }
            | Request::SetTimeouts { .. }
            | Request::SetSysctls { .. }
            | Request::List { .. }
            | Request::Connections
            | Request::ConnectionPart { .. }
            | Request::Timeouts
            | Request::Sysctls
            | Request::Status
            | Request::Plan { .. }
            | Request::Apply { .. }
            | Request::Reload
            | Request::Export
            | Request::Generations
            | Request::Rollback { .. }
            | Request::Drain { .. }
            | Request::Undrain { .. }
            | Request::Drains => {}
        }
    }

    fn follow_gone(&mut self, id: ServiceId, servers: &[RealServer]) {
        for server in servers {
            self.followed.remove(server.address);
            self.follow_check(&id, server.address, server.port);
        }
    }

    fn follow_check(&mut self, id: &ServiceId, address: IpAddr, port: u16) {
        self.followed.checks_changed |= self.policies.checks.contains_key(&Target { id: *id, address, port });
    }
}
