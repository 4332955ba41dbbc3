//! A pool: the members of a service in one run of 64-bit words, published as a whole.
//!
//! Word 0 is the scheduler's memory ([`Cursor`]), words 1 and 2 the [`Header`], then a word a member, newest first, and
//! behind them, in a large pool, a word a block of members ([`blocks`]), and the table of a scheduler that hashes.
//! The control plane writes a changed pool elsewhere and then points the service to it, so that a packet sees the
//! old members or the new ones, never a mixture.

use super::{HEAD, Kind, blocks};

/// Words before the first member.
pub const HEADER_WORDS: u32 = 3;

/// Words of a pool with `count` members, before the table of a hash scheduler ([`super::hash::table`]).
#[inline(always)]
pub const fn words(count: u32) -> u32 {
    HEADER_WORDS + count + blocks::blocks(count)
}

/// Where in a pool with `count` members the word of a block is.
#[inline(always)]
pub const fn summary_word(count: u32, block: u32) -> u32 {
    HEADER_WORDS.wrapping_add(count).wrapping_add(block)
}

/// A scheduler's memory: one word, changed by compare-and-swap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// rr: the member picked last; wrr: `cl`, the member picked last. [`HEAD`] for none.
    pub position: u32,
    /// wrr: `cw`, the weight of the pass.
    pub weight: u32,
}

impl Cursor {
    /// From its word.
    #[inline(always)]
    pub const fn from_word(word: u64) -> Self {
        Self { position: word as u32, weight: (word >> 32) as u32 }
    }

    /// As its word.
    #[inline(always)]
    pub const fn to_word(self) -> u64 {
        self.position as u64 | (self.weight as u64) << 32
    }
}

/// What does not change while a pool is in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// wrr: `mw`, the largest weight less `di - 1`.
    pub max_weight: u32,
    /// wrr: `di`, the greatest common divisor of the weights.
    pub divisor: u32,
    /// Number of members.
    pub count: u32,
    /// Always 0, read from the map. Whatever a step of a scan changes starts from it, and so is an unknown number to
    /// the kernel's verifier. With a constant, newer kernels would follow a loop over it step by step; and Linux 6.1
    /// looks at the first step only, so it would take out of the program what only later steps reach.
    pub zero: u32,
}

impl Header {
    /// From words 1 and 2.
    #[inline(always)]
    pub const fn from_words(weights: u64, count: u64) -> Self {
        Self {
            max_weight: weights as u32,
            divisor: (weights >> 32) as u32,
            count: count as u32,
            zero: (count >> 32) as u32,
        }
    }

    /// As words 1 and 2.
    pub const fn to_words(self) -> [u64; 2] {
        [self.max_weight as u64 | (self.divisor as u64) << 32, self.count as u64 | (self.zero as u64) << 32]
    }

    /// The header for members of these weights (`ip_vs_wrr_gcd_weight`, `ip_vs_wrr_max_weight`).
    pub fn of(weights: impl Iterator<Item = u32> + Clone) -> Self {
        let divisor = weights.clone().filter(|weight| *weight > 0).fold(0, gcd).max(1);
        let max = weights.clone().max().unwrap_or(0);
        Self {
            max_weight: max.saturating_sub(divisor - 1),
            divisor,
            count: u32::try_from(weights.count()).unwrap_or(u32::MAX),
            zero: 0,
        }
    }
}

/// A member's word.
#[inline(always)]
pub const fn member(real: u32, weight: u32) -> u64 {
    real as u64 | (weight as u64) << 32
}

/// Real server index and weight of a member's word.
#[inline(always)]
pub const fn split_member(word: u64) -> (u32, u32) {
    (word as u32, (word >> 32) as u32)
}

pub(super) const fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// What happened to a service, as far as its scheduler's memory is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// The service is new, or has another scheduler (`init_service`).
    Init,
    /// A member was added, as the first.
    Added,
    /// The member at this position was removed.
    Removed(u32),
    /// A member's weight or thresholds changed.
    Edited,
}

/// The scheduler's memory after a change; `header` is that of the changed members.
pub fn cursor_after(kind: Kind, cursor: Cursor, header: &Header, change: Change) -> Cursor {
    match kind {
        Kind::Wrr => wrr_cursor_after(cursor, header, change),
        Kind::Rr => Cursor { position: rr_position_after(cursor.position, change), weight: 0 },
        Kind::Lc
        | Kind::Wlc
        | Kind::Sed
        | Kind::Nq
        | Kind::Fo
        | Kind::Ovf
        | Kind::Sh
        | Kind::Dh
        | Kind::Mh
        | Kind::Twos
        | Kind::Lblc
        | Kind::Lblcr => Cursor { position: HEAD, weight: 0 },
    }
}

/// `ip_vs_rr_init_svc`, `ip_vs_rr_del_dest`; the kernel's pointer stays on its member when the list changes.
const fn rr_position_after(position: u32, change: Change) -> u32 {
    match change {
        Change::Init => HEAD,
        Change::Edited => position,
        Change::Added => {
            if position == HEAD {
                HEAD
            } else {
                position + 1
            }
        }
        // The predecessor of the first member is the head.
        Change::Removed(removed) => {
            if position == HEAD || removed > position {
                position
            } else {
                position.wrapping_sub(1)
            }
        }
    }
}

/// `ip_vs_wrr_init_svc`, `ip_vs_wrr_dest_changed`.
const fn wrr_cursor_after(cursor: Cursor, header: &Header, change: Change) -> Cursor {
    let weight = match change {
        Change::Init => header.max_weight,
        Change::Added | Change::Removed(_) | Change::Edited => {
            if cursor.weight > header.max_weight || cursor.weight == 0 {
                header.max_weight
            } else if header.divisor > 1 {
                (cursor.weight / header.divisor) * header.divisor + 1
            } else {
                cursor.weight
            }
        }
    };
    Cursor { position: HEAD, weight }
}
