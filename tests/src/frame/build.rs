//! Puts frames together.

use std::net::{IpAddr, SocketAddr};

use super::checksum::{internet, pseudo_header};
use super::{DIRECTOR, Mac, ROUTER};

/// What is in an IP packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Transport {
    /// TCP with these flags (byte 13 of the header).
    Tcp(u8),
    /// UDP.
    Udp,
    /// ICMP, or ICMPv6 over IPv6: type, code, and the four bytes that follow the checksum.
    Icmp(u8, u8, [u8; 4]),
    /// Another protocol, which has only a payload.
    Other(u8),
}

/// Where a piece belongs in a packet that was cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fragment {
    /// Offset in units of eight bytes.
    pub offset: u16,
    /// Whether others follow.
    pub more: bool,
}

/// A packet to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    /// MAC address that the frame is for.
    pub to: Mac,
    /// MAC address that it comes from.
    pub from: Mac,
    /// VLAN tags, outermost first: EtherType of the tag, and its two bytes.
    pub tags: Vec<(u16, u16)>,
    /// The client; ICMP takes no port.
    pub source: SocketAddr,
    /// The virtual service; ICMP takes no port.
    pub destination: SocketAddr,
    /// TTL or hop limit.
    pub hop_limit: u8,
    /// TOS or traffic class.
    pub tos: u8,
    /// IPv4 options, a multiple of four bytes.
    pub options: Vec<u8>,
    /// IPv6 extension headers: number of each, and its bytes but the first, which tells what follows.
    pub extensions: Vec<(u8, Vec<u8>)>,
    /// IPv4: which piece of a packet this is.
    pub fragment: Option<Fragment>,
    /// What the packet carries.
    pub transport: Transport,
    /// What follows the transport header.
    pub payload: Vec<u8>,
    /// Added to the length that the IP header tells.
    pub length_lie: i32,
    /// Bytes behind the packet.
    pub padding: usize,
}

/// TCP flags from their letters, as in the recordings: S, A, F, R, P, U, and - for none.
///
/// # Panics
/// There is another letter.
pub fn flags(letters: &str) -> u8 {
    let bit = |letter| match letter {
        'F' => 0x01,
        'S' => 0x02,
        'R' => 0x04,
        'P' => 0x08,
        'A' => 0x10,
        'U' => 0x20,
        '-' => 0,
        other => panic!("{other} is no TCP flag"),
    };
    letters.chars().fold(0, |bits, letter| bits | bit(letter))
}

fn parse(text: &str) -> SocketAddr {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

impl Packet {
    fn new(source: &str, destination: &str, transport: Transport) -> Self {
        Self {
            to: DIRECTOR,
            from: ROUTER,
            tags: Vec::new(),
            source: parse(source),
            destination: parse(destination),
            hop_limit: 64,
            tos: 0,
            options: Vec::new(),
            extensions: Vec::new(),
            fragment: None,
            transport,
            payload: Vec::new(),
            length_lie: 0,
            padding: 0,
        }
    }

    /// A TCP packet with these flags ([`flags`]).
    pub fn tcp(source: &str, destination: &str, letters: &str) -> Self {
        Self::new(source, destination, Transport::Tcp(flags(letters)))
    }

    /// A UDP packet with a payload of 12 bytes.
    pub fn udp(source: &str, destination: &str) -> Self {
        Self::new(source, destination, Transport::Udp).with_payload(12)
    }

    /// An ICMP or ICMPv6 packet; the ports do not count.
    pub fn icmp(source: &str, destination: &str, kind: u8, code: u8) -> Self {
        Self::new(source, destination, Transport::Icmp(kind, code, [0, 7, 0, 1]))
    }

    /// The same with another TTL or hop limit.
    #[must_use]
    pub fn with_hop_limit(mut self, hop_limit: u8) -> Self {
        self.hop_limit = hop_limit;
        self
    }

    /// The same with a payload of so many bytes.
    #[must_use]
    pub fn with_payload(mut self, bytes: usize) -> Self {
        self.payload = (1..=bytes).map(|byte| byte as u8).collect();
        self
    }

    /// The frame, with every checksum right for the packet as it says it is.
    pub fn frame(&self) -> Vec<u8> {
        let transport = self.transport();
        let mut frame = [self.to, self.from].concat();
        for (ethertype, tag) in &self.tags {
            frame.extend(ethertype.to_be_bytes());
            frame.extend(tag.to_be_bytes());
        }
        frame.extend(if self.source.is_ipv4() { [0x08, 0x00] } else { [0x86, 0xdd] });
        frame.extend(if self.source.is_ipv4() { self.ipv4(transport.len()) } else { self.ipv6(transport.len()) });
        frame.extend(transport);
        frame.extend(std::iter::repeat_n(0, self.padding));
        frame
    }

    fn protocol(&self) -> u8 {
        match self.transport {
            Transport::Tcp(_) => 6,
            Transport::Udp => 17,
            Transport::Icmp(..) => {
                if self.source.is_ipv4() {
                    1
                } else {
                    58
                }
            }
            Transport::Other(number) => number,
        }
    }

    fn ipv4(&self, carried: usize) -> Vec<u8> {
        let words = 5 + self.options.len() / 4;
        let length = (words * 4 + carried) as i32 + self.length_lie;
        // Whole packets must not be fragmented, as TCP's are not.
        let piece = self.fragment.map_or(0x4000, |piece| piece.offset | if piece.more { 0x2000 } else { 0 });
        let mut header = vec![0x40 | words as u8, self.tos];
        header.extend((length as u16).to_be_bytes());
        header.extend([0x12, 0x34]);
        header.extend(piece.to_be_bytes());
        header.extend([self.hop_limit, self.protocol(), 0, 0]);
        for address in [self.source.ip(), self.destination.ip()] {
            let IpAddr::V4(address) = address else { panic!("{address} in an IPv4 packet") };
            header.extend(address.octets());
        }
        header.extend(&self.options);
        let sum = internet(&[&header]);
        header[10..12].copy_from_slice(&sum.to_be_bytes());
        header
    }

    fn ipv6(&self, carried: usize) -> Vec<u8> {
        let behind: usize = self.extensions.iter().map(|(_, bytes)| bytes.len() + 1).sum();
        let length = (behind + carried) as i32 + self.length_lie;
        let numbers: Vec<u8> = self.extensions.iter().map(|(number, _)| *number).chain([self.protocol()]).collect();
        let mut header = vec![0x60 | self.tos >> 4, self.tos << 4, 0, 0];
        header.extend((length as u16).to_be_bytes());
        header.extend([numbers[0], self.hop_limit]);
        for address in [self.source.ip(), self.destination.ip()] {
            let IpAddr::V6(address) = address else { panic!("{address} in an IPv6 packet") };
            header.extend(address.octets());
        }
        for ((_, bytes), next) in self.extensions.iter().zip(&numbers[1..]) {
            header.push(*next);
            header.extend(bytes);
        }
        header
    }

    fn transport(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let ports = [self.source.port().to_be_bytes(), self.destination.port().to_be_bytes()].concat();
        let check = match self.transport {
            Transport::Tcp(flags) => {
                bytes.extend(ports);
                bytes.extend([0, 0, 0x10, 0, 0, 0, 0x20, 0, 0x50, flags, 0xff, 0xff, 0, 0, 0, 0]);
                16
            }
            Transport::Udp => {
                bytes.extend(ports);
                bytes.extend(((8 + self.payload.len()) as u16).to_be_bytes());
                bytes.extend([0, 0]);
                6
            }
            Transport::Icmp(kind, code, rest) => {
                bytes.extend([kind, code, 0, 0]);
                bytes.extend(rest);
                2
            }
            Transport::Other(_) => return self.payload.clone(),
        };
        bytes.extend(&self.payload);
        let pseudo = pseudo_header(self.source.ip(), self.destination.ip(), self.protocol(), bytes.len());
        let sum = if self.protocol() == 1 { internet(&[&bytes]) } else { internet(&[&pseudo, &bytes]) };
        bytes[check..check + 2].copy_from_slice(&sum.to_be_bytes());
        bytes
    }
}
