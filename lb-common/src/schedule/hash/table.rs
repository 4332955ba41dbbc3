//! Which member is in which bucket. Only the control plane makes tables.

extern crate alloc;

use alloc::vec;
use alloc::vec::Vec;

use super::sip::{self, FIRST, SECOND};
use super::{EMPTY, PER_WORD, SLOTS, buckets, key};
use crate::address::Address;
use crate::schedule::Kind;
use crate::schedule::pool::gcd;

/// A member as a table looks at it.
#[derive(Clone, Copy, Debug)]
pub struct Member {
    /// Address of the real server.
    pub address: Address,
    /// Its port, in network byte order.
    pub port: u16,
    /// Its weight.
    pub weight: u32,
    /// The last weight it had that was not 0; 0 if it never had one.
    pub last_weight: u32,
}

/// Most members that a table can tell apart.
pub const MAX_MEMBERS: usize = EMPTY as usize;

/// The words of a service's table, [`PER_WORD`] positions in each; none if the scheduler has no table. Members are
/// newest first, and at most [`MAX_MEMBERS`].
pub fn words(kind: Kind, members: &[Member]) -> Vec<u64> {
    let positions = match kind {
        Kind::Sh => in_turn(kind, members.iter().map(|member| member.weight.max(1))),
        Kind::Dh => in_turn(kind, members.iter().map(|_| 1)),
        Kind::Mh => maglev(members),
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
        | Kind::Lblcr => Vec::new(),
    };
    let word = |positions: &[u16]| positions.iter().rev().fold(0, |word, position| word << 16 | u64::from(*position));
    positions.chunks(PER_WORD as usize).map(word).collect()
}

/// Members in turn, each in `share` buckets, until all are filled (`ip_vs_sh_reassign`, `ip_vs_dh_reassign`).
fn in_turn(kind: Kind, shares: impl Iterator<Item = u32> + Clone) -> Vec<u16> {
    let round = (0u16..).zip(shares).flat_map(|(position, share)| core::iter::repeat_n(position, share as usize));
    let mut positions: Vec<u16> = round.cycle().take(buckets(kind) as usize).collect();
    positions.resize(buckets(kind) as usize, EMPTY);
    positions
}

/// A member's turn in each round of [`maglev`].
struct Permutation {
    /// Slots that it takes in a round.
    turns: u32,
    /// The slot that it wants next.
    at: u32,
    /// How far the one after that is.
    skip: u32,
}

impl Permutation {
    fn of(member: &Member, divisor: u32, shift: u32) -> Self {
        let key = key(&member.address, member.port);
        let share = (member.last_weight / divisor) >> shift;
        Self {
            turns: if share == 0 { member.last_weight.min(1) } else { share },
            at: sip::hash(key, FIRST) % SLOTS,
            skip: sip::hash(key, SECOND) % (SLOTS - 1) + 1,
        }
    }

    /// The next slot of the permutation that nobody has.
    fn take(&mut self, slots: &[u16]) -> usize {
        while slots[self.at as usize] != EMPTY {
            self.at = (self.at + self.skip) % SLOTS;
        }
        self.at as usize
    }
}

/// Maglev hashing (`ip_vs_mh_permutate`, `ip_vs_mh_populate`): each member prefers the slots in an order of its own, so
/// that few change hands when another comes or goes.
fn maglev(members: &[Member]) -> Vec<u16> {
    let mut slots = vec![EMPTY; SLOTS as usize];
    let divisor = members.iter().map(|member| member.last_weight).fold(0, gcd);
    let Some(largest) = members.iter().filter_map(|member| member.last_weight.checked_div(divisor)).max() else {
        return slots;
    };
    // At most 6 bits of weight: half of the 12 of the table's size (`ip_vs_mh_shift_weight`).
    let shift = (u32::BITS - largest.leading_zeros()).saturating_sub(6);
    let mut permutations: Vec<Permutation> =
        members.iter().map(|member| Permutation::of(member, divisor, shift)).collect();
    let mut free = slots.len();
    for position in (0..members.len()).cycle() {
        let permutation = &mut permutations[position];
        for _ in 0..permutation.turns {
            if free == 0 {
                return slots;
            }
            let slot = permutation.take(&slots);
            slots[slot] = u16::try_from(position).unwrap_or(EMPTY - 1);
            free -= 1;
        }
    }
    slots
}
