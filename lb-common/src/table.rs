//! The set-associative table that holds connections, and another one that holds templates.
//!
//! A bucket is 16 slots. Each slot has a one-byte tag in the bucket's [`Tags`]; a lookup compares all 16 tags
//! with a few word operations and touches only slots whose tag fits: one or two cache lines for a hit, one for a
//! miss. A slot is claimed by compare-and-swap on its tag word, so that CPUs never write the same slot.
//! Being an array, the table is walked in pieces, without a system call an entry.

use crate::flow::FlowKey;

/// Slots in a bucket.
pub const WAYS: u32 = 16;
/// Slots whose tags share a word.
pub const WAYS_PER_WORD: u32 = 8;

/// The tags of a bucket, a byte a slot; 0 is a free slot.
#[repr(C, align(16))]
#[derive(Clone, Copy, Debug, Default)]
pub struct Tags {
    /// Tags of slots 0..8 and 8..16, the lowest slot in the lowest byte.
    pub words: [u64; 2],
}

const LOW: u64 = 0x0101_0101_0101_0101;
const HIGH: u64 = 0x8080_8080_8080_8080;

/// Buckets of a table made for `entries`: at most half of its slots are taken then, so that buckets hardly
/// ever run over. A power of two.
pub const fn buckets(entries: u32) -> u32 {
    let slots = entries.saturating_mul(2);
    let slots = if slots < WAYS { WAYS } else { slots };
    (slots / WAYS).next_power_of_two()
}

/// Where a flow lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The bucket, before it is masked to the number of buckets.
    pub bucket: u32,
    /// The tag, 1..=255.
    pub tag: u8,
}

#[inline(always)]
const fn mix(hash: u64, word: u64) -> u64 {
    let product = (hash ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    product ^ (product >> 32)
}

/// Hash of a flow, keyed by `seed` so that a client cannot choose its bucket.
#[inline(always)]
pub const fn hash(key: &FlowKey, seed: u64) -> u64 {
    let client = &key.client.0;
    let virtual_address = &key.virtual_address.0;
    let mut hash = mix(seed, client[3] as u64 | (virtual_address[3] as u64) << 32);
    if !key.client.is_v4() {
        hash = mix(hash, client[0] as u64 | (client[1] as u64) << 32);
        hash = mix(hash, client[2] as u64 | (virtual_address[2] as u64) << 32);
        hash = mix(hash, virtual_address[0] as u64 | (virtual_address[1] as u64) << 32);
    }
    hash = mix(hash, key.ports as u64 | (key.protocol as u64) << 32);
    mix(hash, seed)
}

/// Where the flow with this hash lives.
#[inline(always)]
pub const fn place(hash: u64) -> Place {
    let tag = (hash >> 56) as u8;
    Place { bucket: hash as u32, tag: if tag == 0 { 1 } else { tag } }
}

/// The slots of a word whose tag may be `tag`: the high bit of each byte. A slot after a true one may be
/// reported wrongly, so the key decides.
#[inline(always)]
pub const fn candidates(word: u64, tag: u8) -> u64 {
    zero_bytes(word ^ (LOW.wrapping_mul(tag as u64)))
}

/// The high bit of each zero byte; the lowest one is exact.
#[inline(always)]
pub const fn zero_bytes(word: u64) -> u64 {
    word.wrapping_sub(LOW) & !word & HIGH
}

/// Whether no slot of the bucket is free.
#[inline(always)]
pub const fn is_full(tags: &Tags) -> bool {
    zero_bytes(tags.words[0]) == 0 && zero_bytes(tags.words[1]) == 0
}

/// The lowest slot of a mask of [`candidates`] or [`zero_bytes`]; the mask is not 0.
#[inline(always)]
pub const fn first(mask: u64) -> u32 {
    // The isolated lowest bit is one of eight; a multiplication and a shift tell which. BPF before v4
    // has no instruction that counts trailing zeros.
    let bit = (mask & mask.wrapping_neg()) >> 7;
    ((bit.wrapping_mul(0x0001_0203_0405_0607) >> 56) & 7) as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::address::Address;
    use core::net::IpAddr;
    use proptest::prelude::*;

    #[test]
    fn first_names_the_lowest_slot() {
        for slot in 0..8u32 {
            let mask = (0x80u64 << (slot * 8)) | (if slot < 7 { HIGH << ((slot + 1) * 8) } else { 0 });
            assert_eq!(first(mask), slot);
        }
    }

    #[test]
    fn tables_are_twice_their_entries() {
        assert_eq!(buckets(1_048_576), 131_072);
        assert_eq!(buckets(1), 1);
        assert_eq!(buckets(1000), 128);
    }

    proptest! {
        #[test]
        fn every_slot_with_the_tag_is_a_candidate(word: u64, tag in 1u8..=255) {
            let mask = candidates(word, tag);
            for (slot, byte) in word.to_le_bytes().into_iter().enumerate() {
                if byte == tag {
                    prop_assert!(mask & (0x80 << (slot * 8)) != 0);
                }
            }
            if mask != 0 {
                prop_assert_eq!(word.to_le_bytes()[first(mask) as usize], tag);
            }
        }
    }

    #[test]
    fn buckets_fill_evenly() {
        let vip: IpAddr = "172.16.100.1".parse().expect("an address");
        let buckets = buckets(65_536);
        let mut fill = vec![0u32; buckets as usize];
        for flow in 0..65_536u32 {
            let client = Address::from_v4((0x0a00_0000 + flow / 16).to_be());
            let ports = crate::flow::join_ports((1024 + (flow % 16) as u16).to_be(), 80u16.to_be());
            let key = FlowKey { client, virtual_address: vip.into(), ports, protocol: 6 };
            fill[(place(hash(&key, 0x1234_5678_9abc_def0)).bucket & (buckets - 1)) as usize] += 1;
        }
        let spilled: u32 = fill.iter().map(|count| count.saturating_sub(WAYS)).sum();
        assert!(spilled < 200, "{spilled} of 65536 flows found no slot");
    }
}
