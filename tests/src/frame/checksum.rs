//! Checksums, always computed from scratch: what LVX updates in place is judged by this.

use std::net::IpAddr;

use super::ETHERNET;

/// The Internet checksum (RFC 1071) of some pieces, each of an even length but the last.
pub(super) fn internet(pieces: &[&[u8]]) -> u16 {
    let mut sum = 0u32;
    for piece in pieces {
        for pair in piece.chunks(2) {
            sum += u32::from(pair[0]) << 8 | u32::from(pair.get(1).copied().unwrap_or(0));
        }
    }
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

/// The pseudo header of TCP, UDP and ICMPv6 (RFC 9293, 3.1; RFC 8200, 8.1).
pub(super) fn pseudo_header(source: IpAddr, destination: IpAddr, protocol: u8, length: usize) -> Vec<u8> {
    let mut header = Vec::new();
    for address in [source, destination] {
        match address {
            IpAddr::V4(address) => header.extend(address.octets()),
            IpAddr::V6(address) => header.extend(address.octets()),
        }
    }
    header.extend((length as u32).to_be_bytes());
    header.extend([0, 0, 0, protocol]);
    header
}

/// Checks every checksum of an untagged frame whose packet is whole, without options or extension headers.
///
/// # Errors
/// Which checksum is wrong.
pub fn verify(frame: &[u8]) -> Result<(), String> {
    let packet = &frame[ETHERNET..];
    let (header, source, destination, protocol, length) = match packet[0] >> 4 {
        4 => {
            if internet(&[&packet[..20]]) != 0 {
                return Err("the IPv4 header's checksum is wrong".to_owned());
            }
            let length = usize::from(u16::from_be_bytes([packet[2], packet[3]]));
            let word = |at: usize| IpAddr::from(<[u8; 4]>::try_from(&packet[at..at + 4]).expect("four bytes"));
            (20, word(12), word(16), packet[9], length)
        }
        _ => {
            let length = 40 + usize::from(u16::from_be_bytes([packet[4], packet[5]]));
            let word = |at: usize| IpAddr::from(<[u8; 16]>::try_from(&packet[at..at + 16]).expect("sixteen bytes"));
            (40, word(8), word(24), packet[6], length)
        }
    };
    let transport = &packet[header..length];
    let sum = match protocol {
        1 => internet(&[transport]),
        17 if source.is_ipv4() && transport[6..8] == [0, 0] => 0,
        6 | 17 | 58 => internet(&[&pseudo_header(source, destination, protocol, transport.len()), transport]),
        _ => 0,
    };
    if sum == 0 { Ok(()) } else { Err(format!("the checksum of protocol {protocol} is wrong")) }
}
