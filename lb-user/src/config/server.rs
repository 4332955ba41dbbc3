//! Real servers, by the rules of `ipvsadm -a`.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;

use crate::health::{Check, PassiveCheck, Target};
use crate::model::policy::ServerPolicy;
use crate::model::{Family, ForwardingMethod, RealServer, ServiceId};

use super::health::{self, Setting};
use super::identity;
use super::item::Item;
use super::policy;
use super::section::{Layer, Section};

/// The largest threshold of `ipvsadm`, a C `int`.
pub(super) const INT_MAX: u32 = i32::MAX.unsigned_abs();

/// What the servers of all services have in common: their number, the highest weight, and the list of their checks.
pub(super) struct Servers<'d> {
    size: u32,
    weight_limit: u32,
    inherited: Vec<Layer<'d>>,
    count: u32,
    checks: BTreeMap<Target, Check>,
    passive: BTreeMap<Target, PassiveCheck>,
    /// What servers of the service that was read last have instead of its rules.
    policies: BTreeMap<(IpAddr, u16), ServerPolicy>,
}

impl<'d> Servers<'d> {
    /// `inherited` is what each server inherits.
    pub(super) fn new(size: u32, weight_limit: u32, inherited: Vec<Layer<'d>>) -> Self {
        let (checks, passive, policies) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        Self { size, weight_limit, inherited, count: 0, checks, passive, policies }
    }

    pub(super) fn into_checks(self) -> (BTreeMap<Target, Check>, BTreeMap<Target, PassiveCheck>) {
        (self.checks, self.passive)
    }

    /// What servers of the service that was read last have instead of its rules.
    pub(super) fn take_policies(&mut self) -> BTreeMap<(IpAddr, u16), ServerPolicy> {
        std::mem::take(&mut self.policies)
    }

    /// The servers of a service, newest first.
    pub(super) fn read(&mut self, service: &Section<'d>, id: Option<ServiceId>, health: &Setting) -> Vec<RealServer> {
        let inherited = self.inherited.clone();
        let mut servers = Vec::new();
        let mut lines = HashMap::new();
        let mut unasked = false;
        for item in service.list("real_server") {
            item.table_over(&inherited, |section| {
                self.refuse_beyond(section);
                let own = section.has("health");
                let health = health::setting(section, health);
                let own_policy = policy::server(section);
                let server = server(section, id, self.weight_limit);
                let (Some(server), Some(id)) = (server, id) else {
                    return;
                };
                if let Some(first) = lines.insert((server.address, server.port), section.line()) {
                    section.refuse("the same real server a second time", &format!("it is in line {first} already"));
                }
                if own_policy != ServerPolicy::default() {
                    self.policies.insert((server.address, server.port), own_policy);
                }
                let target = Target { id, address: server.address, port: server.port };
                self.passive.extend(health.passive().map(|check| (target, check)));
                match health.check(&target) {
                    Ok(check) => self.checks.extend(check.map(|check| (target, check))),
                    Err(unaskable) if own => unaskable.refuse(section),
                    Err(unaskable) if !unasked => {
                        unasked = true;
                        unaskable.refuse(service);
                    }
                    Err(_told) => {}
                }
                servers.push(server);
            });
        }
        servers.reverse();
        servers
    }

    fn refuse_beyond(&mut self, section: &Section<'_>) {
        if self.count == self.size {
            let message = format!("one more than the {} of sizes.real_servers", self.size);
            section.refuse(&message, "raise sizes.real_servers");
        }
        self.count = self.count.saturating_add(1);
    }
}

fn server(section: &Section<'_>, id: Option<ServiceId>, weight_limit: u32) -> Option<RealServer> {
    let weight = section.number("weight", 0..=weight_limit).unwrap_or(1);
    let (upper_threshold, lower_threshold) = thresholds(section);
    let item = section.require("address", "add address = \"192.0.2.10\"")?;
    let (address, port) = identity::real_server(&item)?;
    let id = id?;
    refuse_other_family(&item, address, id.family());
    Some(RealServer {
        address,
        port: port_in(&item, port, id),
        weight,
        method: ForwardingMethod::Gate,
        upper_threshold,
        lower_threshold,
    })
}

fn thresholds(section: &Section<'_>) -> (u32, u32) {
    let upper = section.number("upper_threshold", 0..=INT_MAX);
    let Some(item) = section.get("lower_threshold") else {
        return (upper.unwrap_or(0), 0);
    };
    let (upper, lower) = (upper.unwrap_or(0), item.number(0..=INT_MAX).unwrap_or(0));
    if lower > upper {
        item.refuse(&format!("{lower} is above the upper_threshold, {upper}"), "lower it, or raise upper_threshold");
    }
    (upper, lower)
}

pub(super) fn refuse_other_family(item: &Item<'_>, address: IpAddr, family: Family) {
    if Family::from(address) != family {
        let (its, services) = match family {
            Family::Inet => ("IPv6", "IPv4"),
            Family::Inet6 => ("IPv4", "IPv6"),
        };
        item.refuse(
            &format!("{} is {its}, but its service is {services}", item.written()),
            "direct routing needs servers of the service's own family",
        );
    }
}

/// Under direct routing the server sees the client's destination port, so its own is that of the service. A mark has no
/// port to compare with; what is written is kept, as `ipvsadm` keeps it.
pub(super) fn port_in(item: &Item<'_>, port: Option<u16>, id: ServiceId) -> u16 {
    let ServiceId::Address { port: services, .. } = id else {
        return port.unwrap_or(0);
    };
    if let Some(port) = port.filter(|port| *port != services) {
        item.refuse(
            &format!("port {port} is not the service's, {services}, which direct routing keeps"),
            "write the address alone",
        );
    }
    services
}
