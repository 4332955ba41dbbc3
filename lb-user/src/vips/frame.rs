//! The frames that tell the neighbours of an address.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use lb_common::checksum;

const ETHERNET_ARP: [u8; 2] = [0x08, 0x06];
const ETHERNET_IPV6: [u8; 2] = [0x86, 0xdd];
const ICMPV6: u8 = 58;
/// Type of a neighbour advertisement.
const ADVERTISEMENT: u8 = 136;
/// The option "target link-layer address", and its length in units of eight bytes.
const TARGET_MAC: [u8; 2] = [2, 1];
/// Flags of an advertisement: the sender is a router; what is known already is to be replaced.
const ROUTER: u8 = 0x80;
const OVERRIDE: u8 = 0x20;
/// Every host of the link, `ff02::1`, and its MAC address.
const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
const ALL_NODES_MAC: [u8; 6] = [0x33, 0x33, 0, 0, 0, 1];

/// What says that `address` is at `mac`. `router` is whether the director forwards IPv6.
pub(super) fn announcement(address: IpAddr, mac: [u8; 6], router: bool) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => gratuitous_arp(address, mac),
        IpAddr::V6(address) => unsolicited_advertisement(address, mac, router),
    }
}

/// An ARP request for one's own address: the announcement of RFC 5227, section 2.3, and what the kernel sends itself
/// (`inetdev_send_gratuitous_arp`).
fn gratuitous_arp(address: Ipv4Addr, mac: [u8; 6]) -> Vec<u8> {
    let ethernet_ipv4_request = [0, 1, 8, 0, 6, 4, 0, 1];
    let address = address.octets();
    [&[0xff; 6][..], &mac, &ETHERNET_ARP, &ethernet_ipv4_request, &mac, &address, &[0; 6], &address].concat()
}

/// RFC 4861, section 7.2.6; as the kernel's `ndisc_send_unsol_na`.
fn unsolicited_advertisement(address: Ipv6Addr, mac: [u8; 6], router: bool) -> Vec<u8> {
    let flags = if router { ROUTER | OVERRIDE } else { OVERRIDE };
    let (source, destination) = (address.octets(), ALL_NODES.octets());
    let mut message = [&[ADVERTISEMENT, 0, 0, 0, flags, 0, 0, 0][..], &source, &TARGET_MAC, &mac].concat();
    let length = u16::try_from(message.len()).unwrap_or(u16::MAX).to_be_bytes();
    let pseudo_header = [&source[..], &destination, &[0, 0], &length, &[0, 0, 0, ICMPV6]].concat();
    let sum = words(&pseudo_header).chain(words(&message)).map(u64::from).sum();
    let checksum = checksum::fold(sum).to_be_bytes();
    if let Some(place) = message.get_mut(2..4) {
        place.copy_from_slice(&checksum);
    }
    let ethernet = [&ALL_NODES_MAC[..], &mac, &ETHERNET_IPV6].concat();
    let hop_limit = 255;
    let ipv6 = [&[0x60, 0, 0, 0][..], &length, &[ICMPV6, hop_limit], &source, &destination].concat();
    [ethernet, ipv6, message].concat()
}

fn words(bytes: &[u8]) -> impl Iterator<Item = u16> {
    bytes.as_chunks().0.iter().map(|word| u16::from_be_bytes(*word))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAC: [u8; 6] = [2, 0, 0, 0, 0, 0x0d];

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    fn ipv4_is_announced_by_an_arp_request_for_itself() {
        let frame = announcement(IpAddr::from([172, 16, 100, 1]), MAC, true);
        assert_eq!(
            hex(&frame),
            "ffffffffffff02000000000d0806\
             000108000604000102000000000dac106401000000000000ac106401"
        );
    }

    #[test]
    fn ipv6_is_announced_by_an_advertisement_that_overrides() {
        let address: Ipv6Addr = "2001:db8::1".parse().expect("an address");
        let frame = announcement(address.into(), MAC, false);
        assert_eq!(
            hex(&frame[..14 + 40]),
            "33330000000102000000000d86dd\
             6000000000203aff20010db8000000000000000000000001ff020000000000000000000000000001"
        );
        assert_eq!(hex(&frame[54..56]), "8800");
        assert_eq!(hex(&frame[58..]), "2000000020010db8000000000000000000000001020102000000000d");
        assert_eq!(announcement(address.into(), MAC, true)[58], 0xa0, "the router flag");
    }

    #[test]
    fn the_checksum_of_an_advertisement_is_right() {
        let address: Ipv6Addr = "2001:db8::ffff:1".parse().expect("an address");
        let frame = announcement(address.into(), MAC, true);
        // Over pseudo header and message, its own field included, the sum is all ones.
        let covered = [&frame[22..54], &[0, 0, 0, 32, 0, 0, 0, ICMPV6], &frame[54..]].concat();
        assert_eq!(checksum::fold(words(&covered).map(u64::from).sum()), 0);
    }
}
