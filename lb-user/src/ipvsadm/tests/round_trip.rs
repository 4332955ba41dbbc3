//! What is saved restores to the same table.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use proptest::collection::vec;
use proptest::prelude::*;

use super::super::Backend;
use super::fake::Fake;
use super::{done, run_with_input};
use crate::api::{Request, Response};
use crate::model::{
    Family, ForwardingMethod, Netmask, Persistence, Protocol, RealServer, SchedulerFlags, SchedulerKind, Service,
    ServiceId,
};

fn address(family: Family) -> BoxedStrategy<IpAddr> {
    match family {
        Family::Inet => any::<u32>().prop_map(|bits| Ipv4Addr::from(bits).into()).boxed(),
        Family::Inet6 => prop_oneof![
            any::<u128>().prop_map(|bits| Ipv6Addr::from(bits).into()),
            // Short and embedded forms have spellings of their own.
            any::<u32>().prop_map(|bits| Ipv6Addr::from(u128::from(bits)).into()),
            any::<u32>().prop_map(|bits| Ipv4Addr::from(bits).to_ipv6_mapped().into()),
        ]
        .boxed(),
    }
}

fn family() -> impl Strategy<Value = Family> {
    prop_oneof![Just(Family::Inet), Just(Family::Inet6)]
}

fn id() -> impl Strategy<Value = ServiceId> {
    let protocol = prop_oneof![Just(Protocol::Tcp), Just(Protocol::Udp)];
    prop_oneof![
        (protocol, family().prop_flat_map(address), any::<u16>())
            .prop_map(|(protocol, vip, port)| ServiceId::Address { protocol, vip, port }),
        // From 2147483648 on the real ipvsadm saves what it cannot restore.
        (1..=i32::MAX.unsigned_abs(), family()).prop_map(|(mark, family)| ServiceId::Mark { mark, family }),
    ]
}

fn netmask(family: Family) -> BoxedStrategy<Netmask> {
    match family {
        Family::Inet => any::<u32>().prop_map(|bits| Netmask::V4(bits.into())).boxed(),
        Family::Inet6 => (1..=128_u8).prop_map(Netmask::V6).boxed(),
    }
}

/// A real server; thresholds are not saved, and so it has none.
fn server(id: ServiceId) -> impl Strategy<Value = RealServer> {
    let port = match id {
        ServiceId::Address { port, .. } => Just(port).boxed(),
        ServiceId::Mark { .. } => any::<u16>().boxed(),
    };
    (address(id.family()), port, 0..=i32::MAX.unsigned_abs()).prop_map(|(address, port, weight)| RealServer {
        address,
        port,
        weight,
        method: ForwardingMethod::Gate,
        upper_threshold: 0,
        lower_threshold: 0,
    })
}

/// A service as `ipvsadm` can make it.
fn service() -> impl Strategy<Value = Service> {
    id().prop_flat_map(|id| {
        let scheduler = (proptest::sample::select(SchedulerKind::ALL.to_vec()), vec(0usize..3, 0..3));
        let timeout = proptest::option::of(1..=Persistence::MAX_TIMEOUT);
        (scheduler, timeout, netmask(id.family()), any::<bool>(), vec(server(id), 0..6)).prop_map(
            move |((scheduler, flags), timeout, netmask, one_packet, servers)| {
                let flags = flags
                    .into_iter()
                    .filter_map(|bit| SchedulerFlags::named(scheduler, scheduler.flag_names().get(bit)?));
                let is_for_udp = !matches!(id, ServiceId::Address { protocol: Protocol::Tcp, .. });
                let every_port = matches!(id, ServiceId::Address { port: 0, .. });
                let timeout = timeout.or(every_port.then_some(Persistence::DEFAULT_TIMEOUT));
                Service {
                    id,
                    scheduler,
                    scheduler_flags: flags.fold(SchedulerFlags::default(), SchedulerFlags::and),
                    persistence: timeout.map(|timeout| Persistence { timeout }),
                    // Without persistence the mask is not saved.
                    netmask: if timeout.is_some() { netmask } else { Netmask::host(id.family()) },
                    one_packet: one_packet && is_for_udp,
                    servers,
                }
            },
        )
    })
}

/// A table with these services; what IPVS refuses, such as a server that is there already, is left out.
fn table(services: Vec<Service>) -> Fake {
    let mut fake = Fake::default();
    for mut service in services {
        let (id, servers) = (service.id, std::mem::take(&mut service.servers));
        if fake.request(Request::AddService { service }) == Ok(Response::Done) {
            for server in servers {
                let answer = fake.request(Request::AddServer { id, server });
                assert!(answer.is_ok(), "the fake is always there");
            }
        }
    }
    fake
}

/// A service whose addresses a configuration takes as well.
pub(crate) fn unicast_service() -> impl Strategy<Value = Service> {
    fn unicast(address: IpAddr) -> IpAddr {
        match address {
            IpAddr::V4(v4) => Ipv4Addr::from_bits(v4.to_bits() % 0x6000_0000 + 0x0100_0000).into(),
            IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() >> 16 | 0x2001 << 112).into(),
        }
    }
    service().prop_map(|mut service| {
        if let ServiceId::Address { vip, .. } = &mut service.id {
            *vip = unicast(*vip);
        }
        service.servers.iter_mut().for_each(|server| server.address = unicast(server.address));
        service
    })
}

/// What `ipvsadm -Sn` prints of a table with these services, and what the table then holds.
pub(crate) fn saved(services: Vec<Service>) -> (String, Vec<Service>) {
    let mut fake = table(services);
    let saved = done(&mut fake, "-Sn");
    let held = contents(&fake).into_iter().map(|(service, servers)| Service { servers, ..service });
    (saved, held.collect())
}

/// What the table holds, in an order of its own.
fn contents(fake: &Fake) -> Vec<(Service, Vec<RealServer>)> {
    let mut contents: Vec<_> = fake
        .services
        .iter()
        .map(|entry| {
            let mut servers: Vec<_> = entry.servers.iter().map(|entry| entry.server.clone()).collect();
            servers.sort_by_key(|server| (server.address, server.port));
            (entry.service.clone(), servers)
        })
        .collect();
    contents.sort_by_key(|(service, _)| service.id);
    contents
}

proptest! {
    #[test]
    fn saved_rules_restore_the_table(services in vec(service(), 0..8)) {
        let mut fake = table(services);
        let saved = done(&mut fake, "-Sn");
        let mut copy = Fake::default();
        let output = run_with_input(&mut copy, "ipvsadm-restore", &saved);
        prop_assert_eq!((output.status, output.stderr.as_str()), (0, ""));
        prop_assert_eq!(contents(&copy), contents(&fake));
        let _listed = done(&mut copy, "-Ln");
    }

    #[test]
    fn no_command_line_makes_it_panic(words in vec("[-a-zA-Z0-9:=.,\\[\\]]{0,12}|--[a-z-]{3,12}", 0..6)) {
        let mut fake = Fake::default();
        let output = run_with_input(&mut fake, &format!("ipvsadm {}", words.join(" ")), "");
        prop_assert!([0, 1, 2, 255].contains(&output.status));
    }
}
