//! The kernel's answer to `ip route get`.

use std::io;
use std::net::IpAddr;

use rtnetlink::packet_route::route::{RouteAddress, RouteAttribute, RouteMessage, RouteType, RouteVia};

/// Whom a frame is addressed to: a neighbour on an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Hop {
    /// The egress interface.
    pub(super) ifindex: u32,
    /// The real server itself, or the gateway to it, which may be of the other address family.
    pub(super) address: IpAddr,
}

/// The way to an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Route {
    /// It is the director's own.
    Local,
    /// Through this neighbour, and with this address of the director's where it speaks first.
    Via(Hop, Option<IpAddr>),
    /// There is none, and why.
    None(String),
}

impl Route {
    /// The neighbour that it leads to.
    pub(super) fn hop(&self) -> Option<Hop> {
        match self {
            Self::Via(hop, _) => Some(*hop),
            Self::Local | Self::None(_) => None,
        }
    }

    /// From the route that the kernel chose for `address`.
    pub(super) fn from_message(address: IpAddr, message: &RouteMessage) -> Self {
        let kind = message.header.kind;
        if kind == RouteType::Local {
            return Self::Local;
        }
        if kind != RouteType::Unicast {
            return Self::None(format!("the route to {address} is no unicast route"));
        }
        let mut next_hop = address;
        let (mut egress, mut source) = (None, None);
        for attribute in &message.attributes {
            if let RouteAttribute::Oif(ifindex) = attribute {
                egress = Some(*ifindex);
            } else if let RouteAttribute::Gateway(RouteAddress::Inet(gateway)) = attribute {
                next_hop = IpAddr::V4(*gateway);
            } else if let RouteAttribute::Gateway(RouteAddress::Inet6(gateway))
            | RouteAttribute::Via(RouteVia::Inet6(gateway)) = attribute
            {
                next_hop = IpAddr::V6(*gateway);
            } else if let RouteAttribute::PrefSource(RouteAddress::Inet(own)) = attribute {
                source = Some(IpAddr::V4(*own));
            } else if let RouteAttribute::PrefSource(RouteAddress::Inet6(own)) = attribute {
                source = Some(IpAddr::V6(*own));
            }
        }
        match egress {
            Some(ifindex) => Self::Via(Hop { ifindex, address: next_hop }, source),
            None => Self::None(format!("the route to {address} names no interface")),
        }
    }

    /// From the error that the kernel gave instead of a route; a route of type `blackhole` is EINVAL, `prohibit` EACCES, and
    /// `unreachable` EHOSTUNREACH (`fib_props` of the kernel's fib_semantics.c, `ip6_rt_type_to_error` of its ipv6/route.c).
    pub(super) fn from_error(address: IpAddr, error: &io::Error) -> Self {
        Self::None(match error.raw_os_error() {
            Some(libc::ENETUNREACH) => format!("no route to {address}"),
            Some(libc::EHOSTUNREACH) => format!("an 'unreachable' route covers {address}"),
            Some(libc::EACCES) => format!("a 'prohibit' route covers {address}"),
            Some(libc::EINVAL) => format!("a 'blackhole' route covers {address}"),
            _ => format!("no route to {address}: {error}"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SERVER: &str = "10.1.0.9";

    fn route(kind: RouteType, attributes: Vec<RouteAttribute>) -> Route {
        let mut message = RouteMessage::default();
        message.header.kind = kind;
        message.attributes = attributes;
        Route::from_message(address(SERVER), &message)
    }

    fn address(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    fn via(next_hop: &str) -> Route {
        Route::Via(Hop { ifindex: 7, address: address(next_hop) }, None)
    }

    #[test]
    fn on_link_the_next_hop_is_the_server() {
        assert_eq!(route(RouteType::Unicast, vec![RouteAttribute::Oif(7)]), via(SERVER));
    }

    #[test]
    fn the_kernel_names_the_address_that_it_would_speak_from() {
        let own = RouteAttribute::PrefSource(RouteAddress::from(address("10.1.0.1")));
        let Route::Via(_, source) = route(RouteType::Unicast, vec![RouteAttribute::Oif(7), own]) else {
            panic!("a route");
        };
        assert_eq!(source, Some(address("10.1.0.1")));
    }

    #[test]
    fn behind_a_gateway_it_is_the_gateway_of_either_family() {
        let old = RouteAttribute::Gateway(RouteAddress::from(address("10.0.0.1")));
        assert_eq!(route(RouteType::Unicast, vec![old, RouteAttribute::Oif(7)]), via("10.0.0.1"));
        let new = RouteAttribute::Via(RouteVia::from(address("fe80::1")));
        assert_eq!(route(RouteType::Unicast, vec![RouteAttribute::Oif(7), new]), via("fe80::1"));
    }

    #[test]
    fn the_directors_own_address_is_local() {
        assert_eq!(route(RouteType::Local, vec![RouteAttribute::Oif(1)]), Route::Local);
    }

    #[test]
    fn a_broadcast_address_has_no_way() {
        let expected = Route::None("the route to 10.1.0.9 is no unicast route".into());
        assert_eq!(route(RouteType::Broadcast, vec![RouteAttribute::Oif(7)]), expected);
    }

    #[test]
    fn errors_are_told_in_words() {
        for (errno, reason) in [
            (libc::ENETUNREACH, "no route to 10.1.0.9"),
            (libc::EHOSTUNREACH, "an 'unreachable' route covers 10.1.0.9"),
            (libc::EACCES, "a 'prohibit' route covers 10.1.0.9"),
            (libc::EINVAL, "a 'blackhole' route covers 10.1.0.9"),
        ] {
            let route = Route::from_error(address(SERVER), &io::Error::from_raw_os_error(errno));
            assert_eq!(route, Route::None(reason.into()));
        }
    }
}
