//! Models for property tests: small enough that two of them often have things in common.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use proptest::prelude::*;

use super::{
    Family, ForwardingMethod, Model, Netmask, Persistence, Protocol, RealServer, SchedulerFlags, SchedulerKind,
    Service, ServiceId, Sysctls, Timeouts,
};

/// Identities, among them both families, both protocols, every port, and marks.
const IDS: [ServiceId; 6] = [
    ServiceId::Address { protocol: Protocol::Tcp, vip: IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1)), port: 80 },
    ServiceId::Address { protocol: Protocol::Udp, vip: IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1)), port: 53 },
    ServiceId::Address { protocol: Protocol::Tcp, vip: IpAddr::V4(Ipv4Addr::new(10, 0, 0, 2)), port: 0 },
    ServiceId::Address {
        protocol: Protocol::Tcp,
        vip: IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1)),
        port: 80,
    },
    ServiceId::Mark { mark: 8, family: Family::Inet },
    ServiceId::Mark { mark: 8, family: Family::Inet6 },
];

fn address(family: Family, number: u8) -> IpAddr {
    match family {
        Family::Inet => Ipv4Addr::new(172, 16, 100, number).into(),
        Family::Inet6 => Ipv6Addr::new(0x2001, 0xdb8, 0x100, 0, 0, 0, 0, number.into()).into(),
    }
}

prop_compose! {
    fn servers(id: ServiceId)(
        numbers in proptest::collection::btree_map(1u8..6, (0u32..3, 0u32..3), 0..5).prop_map(Vec::from_iter).prop_shuffle(),
    ) -> Vec<RealServer> {
        let server = |(number, (weight, upper_threshold)): (u8, (u32, u32))| RealServer {
            address: address(id.family(), number),
            port: id.port(),
            weight,
            method: ForwardingMethod::Gate,
            upper_threshold,
            lower_threshold: upper_threshold / 2,
        };
        numbers.into_iter().map(server).collect()
    }
}

prop_compose! {
    fn service(id: ServiceId)(
        scheduler in prop::sample::select(vec![SchedulerKind::Rr, SchedulerKind::Wlc, SchedulerKind::Sh]),
        flag in any::<bool>(),
        timeout in proptest::option::of(1u32..3),
        host in any::<bool>(),
        one_packet in any::<bool>(),
        servers in servers(id),
    ) -> Service {
        let every_port = matches!(id, ServiceId::Address { port: 0, .. });
        let timeout = timeout.or(every_port.then_some(Persistence::DEFAULT_TIMEOUT));
        let wide = match id.family() {
            Family::Inet => Netmask::V4(Ipv4Addr::new(255, 255, 255, 0)),
            Family::Inet6 => Netmask::V6(64),
        };
        let first = SchedulerFlags::named(scheduler, "flag-1").unwrap_or_default();
        Service {
            id,
            scheduler,
            scheduler_flags: if flag { first } else { SchedulerFlags::default() },
            persistence: timeout.map(|timeout| Persistence { timeout }),
            netmask: if host { Netmask::host(id.family()) } else { wide },
            one_packet: one_packet && !matches!(id, ServiceId::Address { protocol: Protocol::Tcp, .. }),
            servers,
        }
    }
}

prop_compose! {
    /// Any model.
    pub(crate) fn model()(
        services in prop::sample::subsequence(IDS.to_vec(), 0..=IDS.len())
            .prop_flat_map(|ids| ids.into_iter().map(service).collect::<Vec<_>>()),
        tcp in 1u32..3,
        drop_entry in 0u32..3,
        sloppy_tcp in any::<bool>(),
    ) -> Model {
        Model::new(services, Timeouts { tcp, ..Timeouts::default() })
            .with_sysctls(Sysctls { drop_entry, sloppy_tcp, ..Sysctls::default() })
    }
}
