//! Addresses as the maps and the packet path hold them.

#[cfg(not(target_arch = "bpf"))]
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// An IPv4 or IPv6 address: four words in network byte order, as they lie in a packet.
/// IPv4 is held as IPv4-mapped IPv6 (RFC 4291, 2.5.5.2), so that one table serves both families;
/// the packet path refuses IPv6 packets that carry such an address.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Address(pub [u32; 4]);

/// The third word of every IPv4-mapped address, in network byte order.
pub const V4_MAPPED: u32 = 0x0000_ffff_u32.to_be();

impl Address {
    /// From an IPv4 address word in network byte order.
    #[inline(always)]
    pub const fn from_v4(word: u32) -> Self {
        Self([0, 0, V4_MAPPED, word])
    }

    /// Whether this is an IPv4 address.
    #[inline(always)]
    pub const fn is_v4(&self) -> bool {
        let Self([a, b, c, _]) = *self;
        a == 0 && b == 0 && c == V4_MAPPED
    }

    /// The address with the bits that `mask` lacks cleared.
    #[inline(always)]
    pub const fn masked(&self, mask: &Self) -> Self {
        let Self([a, b, c, d]) = *self;
        let Self([ma, mb, mc, md]) = *mask;
        Self([a & ma, b & mb, c & mc, d & md])
    }
}

#[cfg(not(target_arch = "bpf"))]
impl From<IpAddr> for Address {
    fn from(address: IpAddr) -> Self {
        let bytes = match address {
            IpAddr::V4(v4) => v4.to_ipv6_mapped().octets(),
            IpAddr::V6(v6) => v6.octets(),
        };
        let (words, _) = bytes.as_chunks::<4>();
        let mut address = Self::default();
        for (to, from) in address.0.iter_mut().zip(words) {
            *to = u32::from_ne_bytes(*from);
        }
        address
    }
}

#[cfg(not(target_arch = "bpf"))]
impl From<Address> for IpAddr {
    fn from(address: Address) -> Self {
        if address.is_v4() {
            return Self::V4(Ipv4Addr::from(u32::from_be(address.0[3])));
        }
        let [a, b, c, d] = address.0.map(|word| u128::from(u32::from_be(word)));
        Self::V6(Ipv6Addr::from(a << 96 | b << 64 | c << 32 | d))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_survive_the_way_to_words_and_back() {
        for text in ["172.16.100.1", "0.0.0.8", "255.255.255.255", "2001:db8::1", "::", "fe80::1"] {
            let address: IpAddr = text.parse().expect("an address");
            assert_eq!(IpAddr::from(Address::from(address)), address);
            assert_eq!(Address::from(address).is_v4(), address.is_ipv4());
        }
    }
}
