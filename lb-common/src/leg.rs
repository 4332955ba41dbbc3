//! How a health check asks a real server for the VIP: maps and marks of the programs around the leg, which is a veth
//! pair into a network namespace where the VIP is not local.

use crate::address::Address;

/// Names of the maps, as the object file and the loader know them.
pub mod maps {
    /// Hash from a real server's number to [`super::Way`].
    pub const WAYS: &str = "WAYS";
    /// Hash from [`super::Reply`] to the index of the leg's end in the director's namespace.
    pub const REPLIES: &str = "REPLIES";
}

/// Where a frame on the leg carries the number of the real server that it is for: the last four bytes of the
/// destination MAC address, in host order. The mark of the socket would not survive the way between the namespaces.
pub const NUMBER: usize = 2;

/// The way to a real server, as the balancer's packets take it.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Way {
    /// Destination and source MAC address, as they lie in the frame.
    pub macs: [u32; 3],
    /// Egress interface.
    pub ifindex: u32,
}

const _: () = assert!(size_of::<Way>() == 16);

/// What marks an answer to a check.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Reply {
    /// The VIP, which only a real server sends from.
    pub source: Address,
    /// The director's own address that was asked from.
    pub destination: Address,
}

const _: () = assert!(size_of::<Reply>() == 32);

/// Both addresses of a frame.
pub const fn macs(destination: [u8; 6], source: [u8; 6]) -> [u32; 3] {
    let [a, b, c, d, e, f] = destination;
    let [g, h, i, j, k, l] = source;
    [u32::from_ne_bytes([a, b, c, d]), u32::from_ne_bytes([e, f, g, h]), u32::from_ne_bytes([i, j, k, l])]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_lie_in_the_frame_as_the_addresses_do() {
        let words = macs([1, 2, 3, 4, 5, 6], [7, 8, 9, 10, 11, 12]);
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_ne_bytes()).collect();
        assert_eq!(bytes, (1..=12).collect::<Vec<u8>>());
    }
}
