//! The rules of `-S`: commands that make the table again. As in IPVS, thresholds are not among them.

use super::listing::{mask_unless_host, server_name};
use super::names::{Names, printed};
use super::order;
use crate::api::{Role, ServiceEntry};
use crate::model::{Family, ForwardingMethod, Protocol, ServiceId};

/// The rules for these services. Servers that a health check took out are saved, for they are configured.
pub(super) fn rules(entries: &[ServiceEntry], numeric: bool, names: &dyn Names) -> String {
    order::services(entries).into_iter().map(|entry| service_rules(entry, numeric, names)).collect()
}

fn service_rules(entry: &ServiceEntry, numeric: bool, names: &dyn Names) -> String {
    let service = &entry.service;
    let name = service_option(service.id, numeric, names);
    let mut out = format!("-A {name} -s {}", service.scheduler);
    if let Some(persistence) = service.persistence {
        out.push_str(&format!(" -p {}", persistence.timeout));
        out.extend(mask_unless_host(service.netmask).map(|mask| format!(" -M {mask}")));
    }
    if service.one_packet {
        out.push_str(" -o");
    }
    // Where the scheduler has no name for its flag, ipvsadm saves what -R does not take.
    if !service.scheduler_flags.is_empty() {
        out.push_str(&format!(" -b {}", service.scheduler_flags.names(service.scheduler)));
    }
    out.push('\n');
    // The sorry server comes and goes by itself.
    let servers = entry.servers.iter().filter(|server| server.role != Role::Sorry);
    for entry in order::servers(servers) {
        let method = match entry.server.method {
            ForwardingMethod::Gate => "-g",
        };
        let server = server_name(service.id, entry, numeric, names);
        out.push_str(&format!("-a {name} -r {server} {method} -w {}\n", entry.server.weight));
    }
    out
}

fn service_option(id: ServiceId, numeric: bool, names: &dyn Names) -> String {
    match id {
        // Signed, as ipvsadm prints them, though -R then refuses marks from 2147483648 on.
        ServiceId::Mark { mark, family: Family::Inet } => format!("-f {}", mark.cast_signed()),
        ServiceId::Mark { mark, family: Family::Inet6 } => format!("-f {} -6", mark.cast_signed()),
        ServiceId::Address { protocol, vip, port } => {
            let option = match protocol {
                Protocol::Tcp => "-t",
                Protocol::Udp => "-u",
            };
            format!("{option} {}", printed(vip, port, Some(protocol.into()), numeric, names))
        }
    }
}
