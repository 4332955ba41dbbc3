//! The changes that lead from one model to another: only what must, and in an order that always works.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;

use super::{Model, RealServer, Service, sysctls};
use crate::api::Request;

/// What to do so that `old` becomes `new`. Equal models need nothing.
pub fn plan(old: &Model, new: &Model) -> Vec<Request> {
    let mut changes = Vec::new();
    if old.timeouts() != new.timeouts() {
        changes.push(Request::SetTimeouts { timeouts: new.timeouts() });
    }
    let differ = sysctls::ALL.iter().filter(|sysctl| sysctl.get(old.sysctls()) != sysctl.get(new.sysctls()));
    let values: BTreeMap<_, _> = differ.map(|sysctl| (sysctl.name.to_owned(), sysctl.get(new.sysctls()))).collect();
    if !values.is_empty() {
        changes.push(Request::SetSysctls { values });
    }
    for service in old.services().filter(|service| new.service(&service.id).is_none()) {
        changes.push(Request::DeleteService { id: service.id });
    }
    for service in new.services() {
        match old.service(&service.id) {
            Some(before) if before == service => {}
            Some(before) => change_service(before, service, &mut changes),
            None => add_service(service, &mut changes),
        }
    }
    changes
}

fn add_service(service: &Service, changes: &mut Vec<Request>) {
    changes.push(Request::AddService { service: service.bare() });
    add_servers(service, &service.servers, changes);
}

/// Servers are added oldest first: each comes to the front.
fn add_servers<'a>(
    service: &Service,
    servers: impl IntoIterator<Item = &'a RealServer, IntoIter: DoubleEndedIterator>,
    changes: &mut Vec<Request>,
) {
    for server in servers.into_iter().rev() {
        changes.push(Request::AddServer { id: service.id, server: server.clone() });
    }
}

fn change_service(before: &Service, after: &Service, changes: &mut Vec<Request>) {
    if before.bare() != after.bare() {
        changes.push(Request::EditService { service: after.bare() });
    }
    let (old, new) = (before.by_address(), after.by_address());
    for server in &before.servers {
        match new.get(&server.key()) {
            None => changes.push(Request::DeleteServer { id: after.id, address: server.address, port: server.port }),
            Some(other) if *other != server => {
                changes.push(Request::EditServer { id: after.id, server: (*other).clone() });
            }
            Some(_) => {}
        }
    }
    let added: Vec<_> = after.servers.iter().filter(|server| !old.contains_key(&server.key())).collect();
    add_servers(after, added.iter().copied(), changes);
    let kept = before.servers.iter().filter(|server| new.contains_key(&server.key()));
    let wanted = after.servers.iter().map(RealServer::key);
    if !added.into_iter().chain(kept).map(RealServer::key).eq(wanted.clone()) {
        changes.push(Request::OrderServers { id: after.id, servers: wanted.collect() });
    }
}

impl Service {
    /// The service without its servers.
    pub fn bare(&self) -> Self {
        let Self { id, scheduler, scheduler_flags, persistence, netmask, one_packet, servers: _ } = *self;
        Self { id, scheduler, scheduler_flags, persistence, netmask, one_packet, servers: Vec::new() }
    }

    /// Its servers by address and port.
    pub(super) fn by_address(&self) -> HashMap<(IpAddr, u16), &RealServer> {
        self.servers.iter().map(|server| (server.key(), server)).collect()
    }
}

impl RealServer {
    /// What tells it from the others of its service.
    pub fn key(&self) -> (IpAddr, u16) {
        (self.address, self.port)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::arbitrary::model;

    proptest! {
        #[test]
        fn a_plan_leads_from_any_model_to_any_other(old in model(), new in model()) {
            let mut model = old.clone();
            for change in plan(&old, &new) {
                prop_assert_eq!(model.check(&change), Ok(()));
                model.commit(&change);
            }
            prop_assert_eq!(model, new);
        }

        #[test]
        fn the_same_model_needs_no_change(model in model()) {
            prop_assert!(plan(&model, &model).is_empty());
        }
    }
}
