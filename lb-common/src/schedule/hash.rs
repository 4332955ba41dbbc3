//! sh, dh and mh: an address leads to a bucket, and the bucket to a member.
//!
//! The table of buckets is made by the control plane ([`table`]) and lies in the pool behind the members. A packet
//! looks into one bucket; with a fallback, into others until a member can be picked.

mod sip;
#[cfg(not(target_arch = "bpf"))]
pub mod table;
#[cfg(test)]
mod tests;

use super::pool::Header;
use super::{Kind, Members, Step};
use crate::address::Address;

/// Buckets of sh and dh (`IP_VS_SH_TAB_SIZE`, `IP_VS_DH_TAB_SIZE`).
pub const BUCKETS: u32 = 256;
/// Slots of mh: a prime (`IP_VS_MH_TAB_SIZE` with `CONFIG_IP_VS_MH_TAB_INDEX` 12).
pub const SLOTS: u32 = 4093;
/// A bucket without a member.
pub const EMPTY: u16 = u16::MAX;
/// Positions in a word of the table.
pub const PER_WORD: u32 = 4;

/// Buckets in the table of a scheduler, 0 if it has none.
#[inline(always)]
pub const fn buckets(kind: Kind) -> u32 {
    match kind {
        Kind::Sh | Kind::Dh => BUCKETS,
        Kind::Mh => SLOTS,
        Kind::Rr
        | Kind::Wrr
        | Kind::Lc
        | Kind::Wlc
        | Kind::Sed
        | Kind::Nq
        | Kind::Fo
        | Kind::Ovf
        | Kind::Twos
        | Kind::Lblc
        | Kind::Lblcr => 0,
    }
}

/// Words of a scheduler's table.
#[inline(always)]
pub const fn words(kind: Kind) -> u32 {
    buckets(kind).div_ceil(PER_WORD)
}

/// What is hashed: the address folded into 32 bits, and the port (network byte order, 0 for none) added to it
/// (`ip_vs_sh_hashkey`, `ip_vs_mh_hashkey`).
#[inline(always)]
pub const fn key(address: &Address, port: u16) -> u32 {
    let [a, b, c, d] = address.0;
    let fold = if address.is_v4() { d } else { a ^ b ^ c ^ d };
    u32::from_be(fold).wrapping_add(u16::from_be(port) as u32)
}

/// The bucket of a key; `offset` is what a fallback adds.
#[inline(always)]
const fn bucket(kind: Kind, key: u32, offset: u32) -> u32 {
    if matches!(kind, Kind::Mh) {
        return sip::hash(key.wrapping_add(offset), sip::FIRST) % SLOTS;
    }
    // hash_32 of the kernel: GOLDEN_RATIO_32.
    (key.wrapping_mul(0x61C8_8647) >> 24).wrapping_add(offset) % BUCKETS
}

/// The members of a service with a table.
pub trait Buckets: Members {
    /// The position in a bucket; none where it is [`EMPTY`].
    fn position(&self, bucket: u32) -> Option<u32>;
}

/// A hash scheduler at work: looks into one bucket a step.
#[derive(Clone, Copy, Debug)]
pub struct Probe {
    kind: Kind,
    key: u32,
    fallback: bool,
    /// Buckets looked into. It starts from [`Header::zero`], as `first` does.
    tries: u32,
    /// The bucket of the key itself.
    first: u32,
}

/// How many steps a probe can take, at most: the bucket itself, then as many as there are.
#[inline(always)]
pub const fn max_steps(kind: Kind) -> u32 {
    buckets(kind) + 1
}

impl Probe {
    /// Starts with a key ([`key`]); a `fallback` looks further where a member cannot be picked.
    #[inline(always)]
    pub const fn new(kind: Kind, key: u32, fallback: bool, header: &Header) -> Self {
        Self { kind, key, fallback, tries: header.zero, first: header.zero }
    }

    /// Looks into one bucket (`ip_vs_sh_get_fallback`, `ip_vs_mh_get_fallback`).
    #[inline(always)]
    pub fn step<B: Buckets>(&mut self, members: &B) -> Step {
        let size = if matches!(self.kind, Kind::Mh) { SLOTS } else { BUCKETS };
        let offset = if self.tries == 0 { 0 } else { (self.tries - 1 + self.first) % size };
        let bucket = bucket(self.kind, self.key, offset);
        if self.tries == 0 {
            self.first = bucket;
        }
        self.tries += 1;
        let Some(position) = members.position(bucket) else { return Step::Nobody };
        let Some(candidate) = members.candidate(position) else { return Step::Nobody };
        if candidate.weight != 0 && !candidate.overloaded {
            return Step::Pick(candidate.real);
        }
        if self.fallback { Step::Continue } else { Step::Nobody }
    }

    /// Runs the probe to its end.
    #[cfg(not(target_arch = "bpf"))]
    pub fn run<B: Buckets>(&mut self, members: &B) -> Option<u32> {
        for _ in 0..max_steps(self.kind) {
            match self.step(members) {
                Step::Continue => {}
                Step::Pick(real) => return Some(real),
                Step::Nobody => return None,
            }
        }
        None
    }
}
