//! What a test wants to know of a frame.

use super::checksum::internet;
use super::{ETHERNET, Mac};

/// Destination and source address of a frame.
pub fn mac_addresses(frame: &[u8]) -> (Mac, Mac) {
    let mac = |at: usize| Mac::try_from(&frame[at..at + 6]).expect("six bytes");
    (mac(0), mac(6))
}

/// Whether an untagged frame carries IPv4.
pub fn is_ipv4(frame: &[u8]) -> bool {
    frame[12..14] == [0x08, 0x00]
}

/// Length of the IP packet in an untagged frame, as its header gives it.
pub fn ip_length(frame: &[u8]) -> u64 {
    let word = |at: usize| u64::from(u16::from_be_bytes([frame[ETHERNET + at], frame[ETHERNET + at + 1]]));
    if is_ipv4(frame) { word(2) } else { 40 + word(4) }
}

/// The frame as direct routing sends it on: new MAC addresses, one hop less, and for IPv4 the header's checksum anew.
pub fn forwarded(frame: &[u8], destination: Mac, source: Mac) -> Vec<u8> {
    let mut expected = frame.to_vec();
    expected[..6].copy_from_slice(&destination);
    expected[6..12].copy_from_slice(&source);
    if is_ipv4(frame) {
        expected[ETHERNET + 8] -= 1;
        expected[ETHERNET + 10..ETHERNET + 12].fill(0);
        let sum = internet(&[&expected[ETHERNET..ETHERNET + 20]]);
        expected[ETHERNET + 10..ETHERNET + 12].copy_from_slice(&sum.to_be_bytes());
    } else {
        expected[ETHERNET + 7] -= 1;
    }
    expected
}

/// What an ICMP or ICMPv6 error says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IcmpError {
    /// Type.
    pub kind: u8,
    /// Code.
    pub code: u8,
    /// The MTU, or 0 where the error is about something else.
    pub mtu: u32,
}

/// What the ICMP error says that is the answer to a packet: sent back by the way that the packet came, in the name of
/// the address that the packet was for, and quoting as much of the packet as the kernel does: what fits into 576 bytes over
/// IPv4, and into 1280 over IPv6. What is too big for the MTU is quoted with one hop less.
///
/// # Errors
/// What is wrong with the answer.
pub fn icmp_error(packet: &[u8], answer: &[u8]) -> Result<IcmpError, String> {
    let demand = |holds: bool, what: &str| if holds { Ok(()) } else { Err(format!("{what}: {answer:02x?}")) };
    let (network, source, destination, protocol, hop_limit, most) =
        if is_ipv4(packet) { (20, 12..16, 16..20, 9, 8, 576) } else { (40, 8..24, 24..40, 6, 7, 1280) };
    let quoted = (ip_length(packet) as usize).min(most - network - 8);
    demand(answer.len() == ETHERNET + network + 8 + quoted, "the length is wrong")?;
    demand(answer[..14] == [&packet[6..12], &packet[..6], &packet[12..14]].concat(), "the Ethernet header is wrong")?;
    let (asked, outer) = (&packet[ETHERNET..], &answer[ETHERNET..]);
    demand(outer[source.clone()] == asked[destination.clone()], "the source is not the VIP")?;
    demand(outer[destination] == asked[source], "the destination is not the client")?;
    demand(outer[hop_limit] == 64, "the TTL is not 64")?;
    demand(ip_length(answer) as usize == outer.len(), "the IP length is not the frame's")?;
    if is_ipv4(packet) {
        // Internetwork control, and the packet's own bits for the kind of service (`icmp.c: icmp_send`, `RT_TOS`).
        demand(outer[0] == 0x45 && outer[1] == 0xc0 | asked[1] & 0x1e, "version, length or TOS is wrong")?;
    }
    demand(outer[protocol] == if is_ipv4(packet) { 1 } else { 58 }, "the protocol is not ICMP")?;
    super::verify(answer)?;
    let word = <[u8; 4]>::try_from(&outer[network + 4..network + 8]).map_err(|error| error.to_string())?;
    let error = IcmpError { kind: outer[network], code: outer[network + 1], mtu: u32::from_be_bytes(word) };
    let asked = if error.mtu == 0 { packet.to_vec() } else { forwarded(packet, [0; 6], [0; 6]) };
    demand(asked[ETHERNET..].starts_with(&outer[network + 8..]), "what is quoted is not the packet")?;
    Ok(error)
}
