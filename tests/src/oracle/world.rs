//! The network of cases: virtual addresses, real servers, clients.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Virtual addresses of the director, of IPv4.
pub const VIPS: [Ipv4Addr; 2] = [Ipv4Addr::new(172, 16, 100, 1), Ipv4Addr::new(172, 16, 100, 3)];
/// Those of IPv6.
pub const VIPS6: [Ipv6Addr; 2] = [near(1), near(3)];
/// How many real servers there are of each family.
pub const SERVERS: u8 = 20;

/// Clients of IPv4; some share a network with others.
const CLIENTS: [Ipv4Addr; 6] = [
    Ipv4Addr::new(10, 9, 1, 11),
    Ipv4Addr::new(10, 9, 1, 12),
    Ipv4Addr::new(10, 9, 2, 11),
    Ipv4Addr::new(10, 30, 239, 38),
    Ipv4Addr::new(10, 30, 3, 3),
    Ipv4Addr::new(192, 0, 2, 200),
];

/// An address of the director's IPv6 network.
const fn near(last: u16) -> Ipv6Addr {
    Ipv6Addr::new(0x2001, 0xdb8, 0x100, 0, 0, 0, 0, last)
}

/// A virtual address, by its number.
pub fn vip(ipv4: bool, number: usize) -> IpAddr {
    if ipv4 { VIPS[number].into() } else { VIPS6[number].into() }
}

/// A real server, by its number.
pub fn server(ipv4: bool, number: u8) -> IpAddr {
    if ipv4 { Ipv4Addr::new(172, 16, 100, 10 + number).into() } else { near(0x10 + u16::from(number)).into() }
}

/// The router by which clients are reached.
pub fn router(ipv4: bool) -> IpAddr {
    if ipv4 { Ipv4Addr::new(172, 16, 100, 254).into() } else { near(0xfe).into() }
}

/// A client, by a number of any size.
pub fn client(ipv4: bool, number: usize) -> IpAddr {
    let number = number % CLIENTS.len();
    if ipv4 {
        return CLIENTS[number].into();
    }
    let (network, host) = (0xc0 + number as u16 / 2, 1 + number as u16 % 2);
    Ipv6Addr::new(0x2001, 0xdb8, network, 0, 0, 0, 0, host).into()
}
