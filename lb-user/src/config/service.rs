//! Virtual services, by the rules of `ipvsadm -A`.

use std::collections::HashMap;

use crate::model::policy::Policy;
use crate::model::{
    Family, Netmask, Persistence, Protocol, RealServer, SchedulerFlags, SchedulerKind, Service, ServiceId,
};

use super::Config;
use super::health::{self, Setting};
use super::identity;
use super::inheritance::Inheritance;
use super::item::Item;
use super::policy;
use super::section::Section;
use super::server::Servers;

pub(super) fn read<'d>(root: &Section<'d>, defaults: &Setting, inheritance: &Inheritance<'d>, config: &mut Config) {
    let mut lines = HashMap::new();
    let mut servers = Servers::new(config.sizes.real_servers, config.ipvs.weight_limit, inheritance.of_real_server());
    for (index, item) in root.list("service").iter().enumerate() {
        let service = item.table_over(&inheritance.of_service(item), |section| {
            section.knows("template");
            refuse_beyond(section, index, config.sizes.services);
            let id = identity::service(section);
            if let Some(first) = id.and_then(|id| lines.insert(id, section.line())) {
                section.refuse("the same service a second time", &format!("it is in line {first} already"));
            }
            service(section, id, defaults, &mut servers, config)
        });
        config.services.extend(service.flatten());
    }
    (config.health, config.passive) = servers.into_checks();
}

fn refuse_beyond(section: &Section<'_>, index: usize, size: u32) {
    if u32::try_from(index) == Ok(size) {
        section.refuse(&format!("one more than the {size} of sizes.services"), "raise sizes.services");
    }
}

fn service<'d>(
    section: &Section<'d>,
    id: Option<ServiceId>,
    defaults: &Setting,
    servers: &mut Servers<'d>,
    config: &mut Config,
) -> Option<Service> {
    let schedulers = SchedulerKind::ALL.map(|kind| (kind.name(), kind));
    let scheduler = section.get("scheduler").and_then(|item| item.choice(&schedulers));
    let scheduler_flags = scheduler_flags(section, scheduler.unwrap_or(SchedulerKind::Wlc));
    let persistence = persistence(section, id);
    let netmask = section.get("netmask").and_then(|item| netmask(&item, id?.family()));
    let one_packet = section.get("one_packet").and_then(|item| one_packet(&item, id));
    let health = health::setting(section, defaults);
    let policy = policy::service(section, id, &config.notify);
    let (servers, own_policies) = (servers.read(section, id, &health), servers.take_policies());
    let policy = Policy { servers: own_policies, ..policy };
    refuse_busy_sorry_server(section, &policy, &servers);
    let id = id?;
    if policy != Policy::default() {
        config.policies.insert(id, policy);
    }
    Some(Service {
        id,
        scheduler: scheduler.unwrap_or(SchedulerKind::Wlc),
        scheduler_flags,
        persistence,
        netmask: netmask.unwrap_or(Netmask::host(id.family())),
        one_packet: one_packet.unwrap_or(false),
        servers,
    })
}

fn refuse_busy_sorry_server(section: &Section<'_>, policy: &Policy, servers: &[RealServer]) {
    if let Some(sorry) = &policy.sorry_server
        && servers.iter().any(|server| (server.address, server.port) == (sorry.address, sorry.port))
    {
        section.refuse_key("sorry_server.address", "is a real server of this service too", "name another one");
    }
}

fn scheduler_flags(section: &Section<'_>, scheduler: SchedulerKind) -> SchedulerFlags {
    let flag = |name| SchedulerFlags::named(scheduler, name).map(|flag| (name, flag));
    let choices: Vec<_> = scheduler.flag_names().iter().filter_map(|name| flag(*name)).collect();
    let flags = section.list("scheduler_flags").into_iter().filter_map(|item| item.choice(&choices));
    flags.fold(SchedulerFlags::default(), SchedulerFlags::and)
}

fn persistence(section: &Section<'_>, id: Option<ServiceId>) -> Option<Persistence> {
    let timeout = match section.get("persistent") {
        Some(item) if item.is_boolean() => item.boolean()?.then_some(Persistence::DEFAULT_TIMEOUT),
        Some(item) => Some(item.number(1..=Persistence::MAX_TIMEOUT)?),
        None => None,
    };
    if timeout.is_none() && matches!(id, Some(ServiceId::Address { port: 0, .. })) {
        section.refuse("port 0 is every port, which needs persistence", "add persistent = 360, or name a port");
    }
    timeout.map(|timeout| Persistence { timeout })
}

fn netmask(item: &Item<'_>, family: Family) -> Option<Netmask> {
    match family {
        Family::Inet => {
            item.parsed("an IPv4 netmask", "write \"255.255.255.0\"", |text| text.parse().ok()).map(Netmask::V4)
        }
        Family::Inet6 => item.number(1..=128).and_then(|bits| u8::try_from(bits).ok()).map(Netmask::V6),
    }
}

fn one_packet(item: &Item<'_>, id: Option<ServiceId>) -> Option<bool> {
    let one_packet = item.boolean()?;
    if one_packet && matches!(id, Some(ServiceId::Address { protocol: Protocol::Tcp, .. })) {
        item.refuse("a TCP service cannot be scheduled packet by packet", "remove it; it is for udp and mark");
    }
    Some(one_packet)
}
