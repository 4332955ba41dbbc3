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
use super::{Candidate, Kind, Members, Step};
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

/// Whether a server that has as many connections as it may have is passed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Load {
    /// It is.
    Heeded,
    /// It is not: for packets of a connection that is nowhere kept, which must not change its server.
    Ignored,
}

/// A hash scheduler at work: looks into one bucket, or at one member, a step.
#[derive(Clone, Copy, Debug)]
pub struct Probe {
    kind: Kind,
    key: u32,
    fallback: bool,
    load: Load,
    /// Number of members.
    count: u32,
    /// 0, then [`MEMBERS`], then [`FALLBACK`]. It starts from [`Header::zero`], as `tries` and `first` do.
    phase: u32,
    /// Members looked at, or buckets looked into, in this phase.
    tries: u32,
    /// The bucket of the key itself.
    first: u32,
    /// 0 ([`Header::zero`]).
    zero: u32,
}

/// Behind the bucket of the key: the members, whether there is one to be found at all. The kernel looks into as many
/// buckets as there are to see that there is none, which is 4,093 hashes of mh for each packet.
const MEMBERS: u32 = 1;
/// Behind that: the buckets of the fallback.
const FALLBACK: u32 = 2;

/// How many steps a probe among `count` members can take, at most.
#[inline(always)]
pub const fn max_steps(kind: Kind, count: u32) -> u32 {
    buckets(kind).saturating_add(count).saturating_add(2)
}

impl Probe {
    /// Starts with a key ([`key`]); a `fallback` looks further where a member cannot be picked.
    #[inline(always)]
    pub const fn new(kind: Kind, key: u32, fallback: bool, load: Load, header: &Header) -> Self {
        let zero = header.zero;
        Self { kind, key, fallback, load, count: header.count, phase: zero, tries: zero, first: zero, zero }
    }

    /// Looks into one bucket, or at one member (`ip_vs_sh_get_fallback`, `ip_vs_mh_get_fallback`).
    #[inline(always)]
    pub fn step<B: Buckets>(&mut self, members: &B) -> Step {
        if self.phase == MEMBERS {
            return self.look_for_any(members);
        }
        let size = if matches!(self.kind, Kind::Mh) { SLOTS } else { BUCKETS };
        let offset = if self.phase == FALLBACK { (self.tries + self.first) % size } else { 0 };
        let bucket = bucket(self.kind, self.key, offset);
        let Some(position) = members.position(bucket) else { return Step::Nobody };
        let Some(candidate) = members.candidate(position) else { return Step::Nobody };
        if self.takes(&candidate) {
            return Step::Pick(candidate.real);
        }
        if self.phase == FALLBACK {
            self.tries += 1;
            return if self.tries < size { Step::Continue } else { Step::Nobody };
        }
        self.first = bucket;
        self.phase = MEMBERS;
        if self.fallback { Step::Continue } else { Step::Nobody }
    }

    /// Whether a member can be picked (`is_unavailable`).
    #[inline(always)]
    const fn takes(&self, candidate: &Candidate) -> bool {
        candidate.weight != 0 && !(candidate.overloaded && matches!(self.load, Load::Heeded))
    }

    #[inline(always)]
    fn look_for_any<B: Buckets>(&mut self, members: &B) -> Step {
        if self.tries >= self.count {
            return Step::Nobody;
        }
        let Some(candidate) = members.candidate(self.tries) else { return Step::Nobody };
        self.tries += 1;
        if self.takes(&candidate) {
            self.tries = self.zero;
            self.phase = FALLBACK;
        }
        Step::Continue
    }

    /// Runs the probe to its end.
    #[cfg(not(target_arch = "bpf"))]
    pub fn run<B: Buckets>(&mut self, members: &B) -> Option<u32> {
        for _ in 0..max_steps(self.kind, self.count) {
            match self.step(members) {
                Step::Continue => {}
                Step::Pick(real) => return Some(real),
                Step::Nobody => return None,
            }
        }
        None
    }
}
