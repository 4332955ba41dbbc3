//! The decision: from route, interface and MAC address to the way that packets take.

use std::fmt;
use std::net::IpAddr;

use super::link::{Link, LinkState};
use super::resolution::{Known, Resolution, Trust};
use super::route::{Hop, Route};
use crate::api::NeighbourState;

/// The way to a watched address is another now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NeighbourEvent {
    /// The watched address.
    pub address: IpAddr,
    /// The way to it.
    pub path: Path,
}

/// The way to an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Path {
    /// A frame with these addresses, sent on this interface, gets there.
    Reachable {
        /// Index of the egress interface.
        ifindex: u32,
        /// Its name.
        interface: String,
        /// MAC address of the next hop: the real server or a gateway.
        destination_mac: [u8; 6],
        /// MAC address of the egress interface.
        source_mac: [u8; 6],
        /// Largest IP packet in bytes that the egress interface sends.
        mtu: u32,
        /// The director's own address that the kernel would send from, where it has one.
        source: Option<IpAddr>,
    },
    /// The address is the director's own.
    Local,
    /// Nothing gets there now.
    Unresolved {
        /// Why, in an operator's words.
        reason: String,
    },
}

impl From<&Path> for NeighbourState {
    fn from(path: &Path) -> Self {
        match path {
            Path::Reachable { interface, destination_mac: [a, b, c, d, e, f], .. } => Self::Reachable {
                interface: interface.clone(),
                mac: format!("{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{f:02x}"),
            },
            Path::Local => Self::Local,
            Path::Unresolved { reason } => Self::Unresolved { reason: reason.clone() },
        }
    }
}

impl fmt::Display for Path {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match NeighbourState::from(self) {
            NeighbourState::Reachable { interface, mac } => write!(out, "{mac} on {interface}"),
            NeighbourState::Local => out.write_str("this machine"),
            NeighbourState::Unresolved { reason } => write!(out, "unreachable ({reason})"),
        }
    }
}

/// The way to an address whose route is `route`. `link` is the route's egress interface, or without a route the one that the
/// last route had: the kernel removes the routes of an interface that goes down, and that is the reason worth telling.
pub(super) fn decide(route: &Route, link: Option<&Link>, resolution: Resolution) -> Path {
    let found = match (route, link) {
        (Route::Local, _) => return Path::Local,
        (Route::None(_), Some(link)) if link.state != LinkState::Up => Err(not_up(link)),
        (Route::None(reason), _) => Err(reason.clone()),
        (Route::Via(hop, _), None) => Err(format!("interface {} is not there", hop.ifindex)),
        (Route::Via(hop, source), Some(link)) => frame(hop, link, resolution, *source),
    };
    found.unwrap_or_else(|reason| Path::Unresolved { reason })
}

fn frame(hop: &Hop, link: &Link, resolution: Resolution, source: Option<IpAddr>) -> Result<Path, String> {
    let name = &link.name;
    if link.state != LinkState::Up {
        return Err(not_up(link));
    }
    let Some(source_mac) = link.mac else {
        return Err(format!("{name} has no MAC address; direct routing needs Ethernet"));
    };
    Ok(Path::Reachable {
        ifindex: link.index,
        interface: name.clone(),
        destination_mac: destination_mac(hop, link, resolution)?,
        source_mac,
        mtu: link.mtu,
        source,
    })
}

fn destination_mac(hop: &Hop, link: &Link, resolution: Resolution) -> Result<[u8; 6], String> {
    let Link { name, .. } = link;
    if !link.resolves && !set_by_operator(link, resolution) {
        return Err(format!("{name} has ARP off, and no permanent neighbour entry for {}", hop.address));
    }
    let (protocol, family) = if hop.address.is_ipv4() { ("ARP", "ipv4") } else { ("NDP", "ipv6") };
    match resolution {
        Resolution::Known(known) => Ok(known.mac),
        Resolution::Resolving => Err("resolving".into()),
        Resolution::Failed => Err(format!("no answer to {protocol} for {} on {name}", hop.address)),
        Resolution::Full => {
            Err(format!("the kernel's neighbour table is full; raise net.{family}.neigh.default.gc_thresh3"))
        }
    }
}

/// On an interface that does not resolve, the kernel makes entries of its own that carry the interface's address.
fn set_by_operator(link: &Link, resolution: Resolution) -> bool {
    matches!(resolution, Resolution::Known(Known { mac, trust: Trust::Permanent }) if link.mac != Some(mac))
}

fn not_up(link: &Link) -> String {
    match link.state {
        LinkState::NoCarrier => format!("{} has no carrier", link.name),
        LinkState::Down | LinkState::Up => format!("{} is down", link.name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SERVER_MAC: [u8; 6] = [2, 0, 0, 0, 0, 9];
    const OWN_MAC: [u8; 6] = [2, 0, 0, 0, 0, 1];

    fn eth0() -> Link {
        Link { index: 3, name: "eth0".into(), mac: Some(OWN_MAC), mtu: 1500, state: LinkState::Up, resolves: true }
    }

    fn via(next_hop: &str) -> Route {
        Route::Via(Hop { ifindex: 3, address: next_hop.parse().expect("an address") }, None)
    }

    fn known(mac: [u8; 6], trust: Trust) -> Resolution {
        Resolution::Known(Known { mac, trust })
    }

    fn reachable() -> Path {
        Path::Reachable {
            ifindex: 3,
            interface: "eth0".into(),
            destination_mac: SERVER_MAC,
            source_mac: OWN_MAC,
            mtu: 1500,
            source: None,
        }
    }

    fn reason(route: &Route, link: Option<&Link>, resolution: Resolution) -> String {
        match decide(route, link, resolution) {
            Path::Unresolved { reason } => reason,
            path @ (Path::Local | Path::Reachable { .. }) => panic!("{path:?}"),
        }
    }

    #[test]
    fn a_known_mac_on_an_interface_that_is_up_is_a_way_however_old_it_is() {
        for trust in [Trust::Permanent, Trust::Confirmed, Trust::Old] {
            assert_eq!(decide(&via("10.0.0.9"), Some(&eth0()), known(SERVER_MAC, trust)), reachable());
        }
    }

    #[test]
    fn the_directors_own_address_is_local_whatever_else() {
        assert_eq!(decide(&Route::Local, None, Resolution::Resolving), Path::Local);
    }

    #[test]
    fn without_a_mac_the_reason_is_told() {
        for (next_hop, resolution, expected) in [
            ("10.0.0.9", Resolution::Resolving, "resolving"),
            ("10.0.0.9", Resolution::Failed, "no answer to ARP for 10.0.0.9 on eth0"),
            ("fd00::9", Resolution::Failed, "no answer to NDP for fd00::9 on eth0"),
            (
                "10.0.0.9",
                Resolution::Full,
                "the kernel's neighbour table is full; raise net.ipv4.neigh.default.gc_thresh3",
            ),
        ] {
            assert_eq!(reason(&via(next_hop), Some(&eth0()), resolution), expected);
        }
    }

    #[test]
    fn an_interface_that_cannot_send_is_the_reason_even_if_its_route_went_with_it() {
        let no_route = Route::None("no route to 10.0.0.9".into());
        for (state, expected) in [(LinkState::Down, "eth0 is down"), (LinkState::NoCarrier, "eth0 has no carrier")] {
            let link = Link { state, ..eth0() };
            assert_eq!(reason(&via("10.0.0.9"), Some(&link), known(SERVER_MAC, Trust::Confirmed)), expected);
            assert_eq!(reason(&no_route, Some(&link), Resolution::Resolving), expected);
        }
        for link in [None, Some(&eth0())] {
            assert_eq!(reason(&no_route, link, Resolution::Resolving), "no route to 10.0.0.9");
        }
        assert_eq!(reason(&via("10.0.0.9"), None, Resolution::Resolving), "interface 3 is not there");
    }

    #[test]
    fn a_tunnel_has_no_mac_to_send_from() {
        let tunnel = Link { name: "tun0".into(), mac: None, resolves: false, ..eth0() };
        let expected = "tun0 has no MAC address; direct routing needs Ethernet";
        assert_eq!(reason(&via("10.0.0.9"), Some(&tunnel), Resolution::Resolving), expected);
    }

    #[test]
    fn without_arp_only_the_operators_entry_counts() {
        let mute = Link { resolves: false, ..eth0() };
        assert_eq!(decide(&via("10.0.0.9"), Some(&mute), known(SERVER_MAC, Trust::Permanent)), reachable());
        for resolution in
            [Resolution::Resolving, Resolution::Failed, known(SERVER_MAC, Trust::Old), known(OWN_MAC, Trust::Permanent)]
        {
            let expected = "eth0 has ARP off, and no permanent neighbour entry for 10.0.0.9";
            assert_eq!(reason(&via("10.0.0.9"), Some(&mute), resolution), expected);
        }
    }

    #[test]
    fn status_shows_the_mac_in_colons() {
        let expected = NeighbourState::Reachable { interface: "eth0".into(), mac: "02:00:00:00:00:09".into() };
        assert_eq!(NeighbourState::from(&reachable()), expected);
    }
}
