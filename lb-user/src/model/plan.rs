//! The changes that lead from one model to another: only what must, and in an order that always works.

use std::collections::BTreeMap;

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
            Some(before) => change_service(before, service, &mut changes),
            None => add_service(service, &mut changes),
        }
    }
    changes
}

fn bare(service: &Service) -> Service {
    Service { servers: Vec::new(), ..service.clone() }
}

fn add_service(service: &Service, changes: &mut Vec<Request>) {
    changes.push(Request::AddService { service: bare(service) });
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
    if bare(before) != bare(after) {
        changes.push(Request::EditService { service: bare(after) });
    }
    let same = |a: &RealServer, b: &RealServer| (a.address, a.port) == (b.address, b.port);
    for server in &before.servers {
        match after.servers.iter().find(|other| same(server, other)) {
            None => changes.push(Request::DeleteServer { id: after.id, address: server.address, port: server.port }),
            Some(other) if other != server => {
                changes.push(Request::EditServer { id: after.id, server: other.clone() });
            }
            Some(_) => {}
        }
    }
    let new: Vec<_> =
        after.servers.iter().filter(|server| !before.servers.iter().any(|other| same(server, other))).collect();
    add_servers(after, new, changes);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{
        ForwardingMethod, Netmask, Persistence, Protocol, SchedulerFlags, SchedulerKind, ServiceId, Sysctls, Timeouts,
    };
    use proptest::prelude::*;
    use std::net::{IpAddr, Ipv4Addr};

    prop_compose! {
        fn servers()(numbers in proptest::collection::btree_map(1u8..6, (0u32..3, 0u32..3), 0..5)) -> Vec<RealServer> {
            numbers.into_iter().map(|(number, (weight, upper_threshold))| RealServer {
                address: IpAddr::V4(Ipv4Addr::new(172, 16, 100, number)),
                port: 80,
                weight,
                method: ForwardingMethod::Gate,
                upper_threshold,
                lower_threshold: 0,
            }).collect()
        }
    }

    prop_compose! {
        fn model()(services in proptest::collection::btree_map(1u8..4, (any::<bool>(), proptest::option::of(1u32..3), servers()), 0..4), tcp in 1u32..3, drop_entry in 0u32..3, sloppy_tcp in any::<bool>()) -> Model {
            let services = services.into_iter().map(|(vip, (wrr, timeout, servers))| Service {
                id: ServiceId::Address { protocol: Protocol::Tcp, vip: IpAddr::V4(Ipv4Addr::new(10, 0, 0, vip)), port: 80 },
                scheduler: if wrr { SchedulerKind::Wrr } else { SchedulerKind::Rr },
                persistence: timeout.map(|timeout| Persistence { timeout }),
                netmask: Netmask::V4(Ipv4Addr::BROADCAST),
                one_packet: false,
                scheduler_flags: SchedulerFlags::default(),
                servers,
            });
            Model::new(services, Timeouts { tcp, ..Timeouts::default() })
                .with_sysctls(Sysctls { drop_entry, sloppy_tcp, ..Sysctls::default() })
        }
    }

    fn sorted(model: &Model) -> Vec<Service> {
        model
            .services()
            .cloned()
            .map(|mut service| {
                service.servers.sort_by_key(|server| server.address);
                service
            })
            .collect()
    }

    proptest! {
        #[test]
        fn a_plan_leads_from_any_model_to_any_other(old in model(), new in model()) {
            let mut model = old.clone();
            for change in plan(&old, &new) {
                prop_assert_eq!(model.check(&change), Ok(()));
                model.commit(&change);
            }
            prop_assert_eq!(sorted(&model), sorted(&new));
            prop_assert_eq!(model.timeouts(), new.timeouts());
            prop_assert_eq!(model.sysctls(), new.sysctls());
        }

        #[test]
        fn the_same_model_needs_no_change(model in model()) {
            prop_assert!(plan(&model, &model).is_empty());
        }

        #[test]
        fn a_new_model_keeps_the_order_of_its_servers(new in model()) {
            let mut model = Model::default();
            for change in plan(&model.clone(), &new) {
                model.commit(&change);
            }
            prop_assert_eq!(model, new);
        }
    }
}
