//! The Internet checksum (RFC 1071), whole and incrementally (RFC 1624).

/// The IPv4 header checksum after the TTL went down by one; `checksum` as it lies in the packet.
///
/// TTL is the high byte of its 16-bit word, so the word falls by 0x0100 and the checksum grows by it
/// (RFC 1141, as the kernel's `ip_decrease_ttl`).
#[inline(always)]
pub const fn after_ttl_decrement(checksum: u16) -> u16 {
    let sum = u16::from_be(checksum) as u32 + 0x0100;
    // A sum of 0xffff stands for zero and would never come out of a full computation of a header.
    ((sum + (sum >= 0xffff) as u32) as u16).to_be()
}

/// Folds a sum of 16-bit words into a checksum, complemented. Byte order is that of the words.
#[inline(always)]
pub const fn fold(sum: u64) -> u16 {
    let sum = (sum & 0xffff_ffff) + (sum >> 32);
    let sum = (sum & 0xffff) + (sum >> 16);
    let sum = (sum & 0xffff) + (sum >> 16);
    let sum = (sum & 0xffff) + (sum >> 16);
    !(sum as u16)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn full(words: &[u16]) -> u16 {
        fold(words.iter().map(|word| u64::from(*word)).sum())
    }

    proptest! {
        #[test]
        fn the_incremental_checksum_is_that_of_the_new_header(mut words: [u16; 9], ttl in 2u8..=255, protocol: u8) {
            words[4] = u16::from_be_bytes([ttl, protocol]);
            // Real headers are never all zeros or ones: version and length are there.
            words[0] = 0x4500;
            let before = full(&words).to_be();
            words[4] = u16::from_be_bytes([ttl - 1, protocol]);
            prop_assert_eq!(after_ttl_decrement(before), full(&words).to_be());
        }
    }
}
