//! What identifies a service or a real server in the file: addresses, ports, marks.

use std::net::{IpAddr, SocketAddr};

use crate::model::{Family, Protocol, ServiceId};

use super::item::Item;
use super::section::Section;

/// Exactly one of `tcp`, `udp` and `mark`.
pub(super) fn service(section: &Section<'_>) -> Option<ServiceId> {
    let tcp = section.get("tcp").map(|item| (Some(Protocol::Tcp), item));
    let udp = section.get("udp").map(|item| (Some(Protocol::Udp), item));
    let mark = section.get("mark").map(|item| (None, item));
    let ipv6 = section.get("ipv6");
    let mut given = [tcp, udp, mark].into_iter().flatten();
    let Some((protocol, item)) = given.next() else {
        section.refuse(
            "names no virtual service",
            "add one of tcp = \"address:port\", udp = \"address:port\", mark = number",
        );
        return None;
    };
    for (_, other) in given {
        other.refuse("a service is only one of tcp, udp and mark", "give each its own [[service]]");
    }
    let Some(protocol) = protocol else {
        let ipv6 = ipv6.and_then(|item| item.boolean()).unwrap_or(false);
        let family = if ipv6 { Family::Inet6 } else { Family::Inet };
        return Some(ServiceId::Mark { mark: item.number(1..=u32::MAX)?, family });
    };
    if let Some(ipv6) = ipv6 {
        ipv6.refuse("only a mark has it: an address says its family itself", "remove it");
    }
    let virtual_address = socket(&item)?;
    let (vip, port) = (virtual_address.ip(), virtual_address.port());
    refuse_not_unicast(&item, vip);
    Some(ServiceId::Address { protocol, vip, port })
}

fn socket(item: &Item<'_>) -> Option<SocketAddr> {
    let advice = "write \"192.0.2.1:80\" or \"[2001:db8::1]:80\"; port 0 is every port";
    item.parsed("address:port", advice, |text| text.parse().ok().filter(without_scope))
}

/// An address, and the port where there is one.
pub(super) fn real_server(item: &Item<'_>) -> Option<(IpAddr, Option<u16>)> {
    let advice = "write \"192.0.2.10\" or \"2001:db8::10\"; names are not looked up";
    let (address, port) = item.parsed("an address", advice, |text| match text.parse::<SocketAddr>() {
        Ok(socket) => without_scope(&socket).then(|| (socket.ip(), Some(socket.port()))),
        Err(_not_a_socket) => Some((text.parse().ok()?, None)),
    })?;
    refuse_not_unicast(item, address);
    if matches!(address, IpAddr::V6(v6) if v6.is_unicast_link_local()) {
        item.refuse(&format!("{} is link-local, which no real server can be", item.written()), "use a routed address");
    }
    Some((address, port))
}

fn without_scope(socket: &SocketAddr) -> bool {
    match socket {
        SocketAddr::V4(_) => true,
        SocketAddr::V6(v6) => v6.scope_id() == 0,
    }
}

/// What `ip_vs_new_dest` refuses without asking the routing table.
pub(super) fn refuse_not_unicast(item: &Item<'_>, address: IpAddr) {
    let what = match address {
        IpAddr::V4(v4) if v4.octets()[0] == 0 => "in 0.0.0.0/8, which no host has",
        IpAddr::V4(v4) if v4.is_broadcast() => "the broadcast address",
        IpAddr::V6(v6) if v6.is_unspecified() => "the unspecified address",
        IpAddr::V6(v6) if v6.to_ipv4_mapped().is_some() => "an IPv4-mapped address",
        IpAddr::V4(_) | IpAddr::V6(_) if address.is_multicast() => "multicast",
        IpAddr::V4(_) | IpAddr::V6(_) => return,
    };
    item.refuse(&format!("{} is {what}", item.written()), "use a unicast address");
}
