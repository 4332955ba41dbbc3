//! Interfaces.

use rtnetlink::packet_route::AddressFamily;
use rtnetlink::packet_route::link::{LinkAttribute, LinkFlags, LinkLayerType, LinkMessage};

/// An interface of the director.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// Its index; one that is deleted and made again by the same name has another.
    pub index: u32,
    /// Its name.
    pub name: String,
    /// Its MAC address; `None` where it is no Ethernet (a tunnel, the loopback).
    pub mac: Option<[u8; 6]>,
    /// Largest IP packet in bytes.
    pub mtu: u32,
    /// Whether it can send.
    pub state: LinkState,
    /// Whether the kernel resolves neighbours on it (`ip link set arp on|off`).
    pub resolves: bool,
}

/// Whether an interface can send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkState {
    /// It can.
    Up,
    /// It is up, and its cable, its peer or its lower interface is not.
    NoCarrier,
    /// It is switched off.
    Down,
}

/// A change of an interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LinkEvent {
    /// It appeared, or something of it changed.
    Changed(Link),
    /// It is gone, or is known by another name now; this is what it was.
    Removed(Link),
}

impl Link {
    /// What the kernel says of an interface. `None` for what is not about the interface itself: when a bridge releases a port,
    /// it tells so by a deletion of the port in the bridge's own address family.
    pub(super) fn from_message(message: &LinkMessage) -> Option<Self> {
        let header = &message.header;
        if header.interface_family != AddressFamily::Unspec {
            return None;
        }
        let mut link = Self {
            index: header.index,
            name: String::new(),
            mac: None,
            mtu: 0,
            state: LinkState::from_flags(header.flags),
            resolves: !header.flags.contains(LinkFlags::Noarp),
        };
        for attribute in &message.attributes {
            if let LinkAttribute::IfName(name) = attribute {
                link.name.clone_from(name);
            } else if let LinkAttribute::Mtu(mtu) = attribute {
                link.mtu = *mtu;
            } else if let LinkAttribute::Address(mac) = attribute
                && header.link_layer_type == LinkLayerType::Ether
            {
                link.mac = mac.as_slice().try_into().ok();
            }
        }
        Some(link)
    }
}

impl LinkState {
    /// `IFF_RUNNING` is the operational state of RFC 2863, bonds and dormant interfaces included.
    fn from_flags(flags: LinkFlags) -> Self {
        if !flags.contains(LinkFlags::Up) {
            Self::Down
        } else if flags.contains(LinkFlags::Running) {
            Self::Up
        } else {
            Self::NoCarrier
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(flags: LinkFlags, layer: LinkLayerType, address: &[u8]) -> LinkMessage {
        let mut message = LinkMessage::default();
        message.header.index = 3;
        message.header.flags = flags;
        message.header.link_layer_type = layer;
        message.attributes = vec![
            LinkAttribute::IfName("eth0".into()),
            LinkAttribute::Mtu(1500),
            LinkAttribute::Address(address.to_vec()),
        ];
        message
    }

    #[test]
    fn an_interface_with_a_carrier_is_up() {
        let up = message(LinkFlags::Up | LinkFlags::Running, LinkLayerType::Ether, &[2, 0, 0, 0, 0, 1]);
        let expected = Link {
            index: 3,
            name: "eth0".into(),
            mac: Some([2, 0, 0, 0, 0, 1]),
            mtu: 1500,
            state: LinkState::Up,
            resolves: true,
        };
        assert_eq!(Link::from_message(&up), Some(expected));
    }

    #[test]
    fn without_a_carrier_or_switched_off_it_is_not() {
        for (flags, state) in [(LinkFlags::Up, LinkState::NoCarrier), (LinkFlags::empty(), LinkState::Down)] {
            let link = Link::from_message(&message(flags, LinkLayerType::Ether, &[0; 6]));
            assert_eq!(link.map(|link| link.state), Some(state));
        }
    }

    #[test]
    fn only_ethernet_has_a_mac() {
        for (layer, address) in [(LinkLayerType::None, &[][..]), (LinkLayerType::Loopback, &[0; 6])] {
            let link = Link::from_message(&message(LinkFlags::Up | LinkFlags::Noarp, layer, address));
            let link = link.expect("an interface");
            assert_eq!((link.mac, link.resolves), (None, false));
        }
    }

    #[test]
    fn what_a_bridge_says_of_its_port_is_not_about_the_interface() {
        let mut port = message(LinkFlags::Up, LinkLayerType::Ether, &[0; 6]);
        port.header.interface_family = AddressFamily::Bridge;
        assert_eq!(Link::from_message(&port), None);
    }
}
