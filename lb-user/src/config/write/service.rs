//! `[[service]]` and `[[service.real_server]]`.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use serde::Serialize;

use super::health::{once_where_all_agree, value};
use super::policy::{PolicyKeys, ServerPolicyKeys};
use crate::health::{Check, PassiveCheck, Target};
use crate::model::policy::{Notify, Policy};
use crate::model::{Family, Netmask, Protocol, RealServer, SchedulerFlags, SchedulerKind, Service, ServiceId};

/// How servers are checked.
pub(super) struct Checks<'c> {
    pub(super) active: &'c BTreeMap<Target, Check>,
    pub(super) passive: &'c BTreeMap<Target, PassiveCheck>,
}

/// A service, key by key.
#[derive(Serialize)]
pub(super) struct ServiceTable {
    #[serde(skip_serializing_if = "Option::is_none")]
    tcp: Option<SocketAddr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    udp: Option<SocketAddr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mark: Option<u32>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    ipv6: bool,
    scheduler: SchedulerKind,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    scheduler_flags: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    persistent: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    netmask: Option<Netmask>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    one_packet: bool,
    #[serde(flatten)]
    policy: PolicyKeys,
    #[serde(skip_serializing_if = "Option::is_none")]
    health: Option<toml::Value>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    real_server: Vec<ServerTable>,
}

/// A server, key by key.
#[derive(Serialize)]
struct ServerTable {
    address: String,
    weight: u32,
    #[serde(skip_serializing_if = "is_zero")]
    upper_threshold: u32,
    #[serde(skip_serializing_if = "is_zero")]
    lower_threshold: u32,
    #[serde(flatten)]
    policy: ServerPolicyKeys,
    #[serde(skip_serializing_if = "Option::is_none")]
    health: Option<toml::Value>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

impl ServiceTable {
    pub(super) fn of(service: &Service, checks: &Checks<'_>, policy: &Policy, for_all: &Notify) -> Self {
        let Service { id, scheduler, scheduler_flags, persistence, netmask, one_packet, servers } = service;
        let (tcp, udp, mark) = match *id {
            ServiceId::Address { protocol: Protocol::Tcp, vip, port } => (Some(SocketAddr::new(vip, port)), None, None),
            ServiceId::Address { protocol: Protocol::Udp, vip, port } => (None, Some(SocketAddr::new(vip, port)), None),
            ServiceId::Mark { mark, .. } => (None, None, Some(mark)),
        };
        let check = |server: &RealServer| {
            let target = Target { id: *id, address: server.address, port: server.port };
            checks.active.get(&target).map(|check| value(check, &target, checks.passive.get(&target)))
        };
        let (health, mut own) = once_where_all_agree(servers.iter().map(check).collect());
        // The file's order is that of `ipvsadm -a`: the newest is last.
        own.reverse();
        let real_server = servers.iter().rev().zip(own).map(|(server, health)| {
            let own = policy.servers.get(&(server.address, server.port)).copied().unwrap_or_default();
            ServerTable::of(*id, server, ServerPolicyKeys::of(own), health)
        });
        Self {
            tcp,
            udp,
            mark,
            ipv6: mark.is_some() && id.family() == Family::Inet6,
            scheduler: *scheduler,
            scheduler_flags: flags(*scheduler, *scheduler_flags),
            persistent: persistence.map(|persistence| persistence.timeout),
            netmask: (*netmask != Netmask::host(id.family())).then_some(*netmask),
            one_packet: *one_packet,
            policy: PolicyKeys::of(*id, policy, for_all),
            health,
            real_server: real_server.collect(),
        }
    }
}

/// The names of flags; one that the scheduler has no name for does nothing with it, and is left out as by `ipvsadm -S`.
fn flags(scheduler: SchedulerKind, flags: SchedulerFlags) -> Vec<String> {
    flags.names(scheduler).split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

impl ServerTable {
    fn of(id: ServiceId, server: &RealServer, policy: ServerPolicyKeys, health: Option<toml::Value>) -> Self {
        let RealServer { address, port, weight, method: _, upper_threshold, lower_threshold } = *server;
        let address = server_address(id, address, port);
        Self { address, weight, upper_threshold, lower_threshold, policy, health }
    }
}

/// The address of a server of a service, with its port where that is not the service's.
pub(super) fn server_address(id: ServiceId, address: IpAddr, port: u16) -> String {
    let is_marked = matches!(id, ServiceId::Mark { .. }) && port != 0;
    if is_marked { SocketAddr::new(address, port).to_string() } else { address.to_string() }
}
