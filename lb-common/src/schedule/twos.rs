//! twos: two servers by lot, the more likely the heavier, and of those the one with the lower cost
//! (`ip_vs_twos.c`).

use super::least::Rule;
use super::pool::Header;
use super::{Candidate, HEAD, Kind, Members, Step};

/// Where a lot falls.
#[derive(Clone, Copy, Debug)]
struct Choice {
    /// Weight to go until the lot falls.
    left: u64,
    /// The real server that it fell on, [`HEAD`] before that.
    real: u32,
    /// Its weight.
    weight: u32,
    /// Its cost.
    overhead: u64,
}

impl Choice {
    /// The lot is a number from 0 to `total`, both included.
    #[inline(always)]
    const fn new(random: u32, total: u64, zero: u32) -> Self {
        let ways = total + 1;
        // random / 2^32 of it, without leaving 64 bits.
        let left = random as u64 * (ways >> 32) + ((random as u64 * (ways & 0xffff_ffff)) >> 32);
        Self { left, real: zero.wrapping_sub(1), weight: zero, overhead: zero as u64 }
    }

    #[inline(always)]
    const fn pass(&mut self, member: &Candidate, overhead: u64) {
        if self.real != HEAD {
            return;
        }
        self.left = self.left.saturating_sub(member.weight as u64);
        if self.left == 0 {
            self.real = member.real;
            self.weight = member.weight;
            self.overhead = overhead;
        }
    }
}

/// The scheduler at work, one member a step; first the weights are added up ([`Total`]).
#[derive(Clone, Copy, Debug)]
pub struct Twos {
    count: u32,
    seen: u32,
    classic: bool,
    first: Choice,
    second: Choice,
}

/// Adds up the weights of the members that may be picked, one member a step.
#[derive(Clone, Copy, Debug)]
pub struct Total {
    count: u32,
    seen: u32,
    /// The sum.
    pub weight: u64,
}

/// Whether a member may be picked.
#[inline(always)]
const fn may_be_picked(member: &Candidate) -> bool {
    member.weight != 0 && !member.overloaded
}

impl Total {
    /// Nothing added yet.
    #[inline(always)]
    pub const fn new(header: &Header) -> Self {
        Self { count: header.count, seen: header.zero, weight: header.zero as u64 }
    }

    /// Adds a member; `false` behind the last.
    #[inline(always)]
    pub fn step<M: Members>(&mut self, members: &M) -> bool {
        if self.seen >= self.count {
            return false;
        }
        let Some(member) = members.candidate(self.seen) else { return false };
        self.seen += 1;
        if may_be_picked(&member) {
            self.weight += member.weight as u64;
        }
        true
    }
}

impl Twos {
    /// Draws two lots; `classic` is [`crate::settings::flags::CLASSIC_OVERHEAD`].
    #[inline(always)]
    pub const fn new(header: &Header, total: u64, random: [u32; 2], classic: bool) -> Self {
        let [first, second] = random;
        Self {
            count: header.count,
            seen: header.zero,
            classic,
            first: Choice::new(first, total, header.zero),
            second: Choice::new(second, total, header.zero),
        }
    }

    /// Looks at a member.
    #[inline(always)]
    pub fn step<M: Members>(&mut self, members: &M) -> Step {
        if self.seen >= self.count {
            return Step::Nobody;
        }
        let Some(member) = members.candidate(self.seen) else { return Step::Nobody };
        self.seen += 1;
        if !may_be_picked(&member) {
            return Step::Continue;
        }
        let overhead = Rule::of(Kind::Lc, self.classic).cost(&member);
        self.first.pass(&member, overhead);
        self.second.pass(&member, overhead);
        if self.first.real == HEAD || self.second.real == HEAD {
            return Step::Continue;
        }
        let (first, second) = (&self.first, &self.second);
        let second_is_better = second.weight as u64 * first.overhead > first.weight as u64 * second.overhead;
        Step::Pick(if second_is_better { second.real } else { first.real })
    }
}

/// Picks with two random numbers.
#[cfg(not(target_arch = "bpf"))]
pub fn pick<M: Members>(header: &Header, members: &M, random: [u32; 2], classic: bool) -> Option<u32> {
    let mut total = Total::new(header);
    while total.step(members) {}
    let mut twos = Twos::new(header, total.weight, random, classic);
    loop {
        match twos.step(members) {
            Step::Continue => {}
            Step::Pick(real) => return Some(real),
            Step::Nobody => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct All<'a>(&'a [Candidate]);

    impl Members for All<'_> {
        fn candidate(&self, position: u32) -> Option<Candidate> {
            self.0.get(position as usize).copied()
        }
    }

    fn member(real: u32, weight: u32, active: u32) -> Candidate {
        Candidate { real, weight, active, inactive: 0, overloaded: false }
    }

    /// Picks with a pair of lots, each the `at`-th of `total + 1` equally likely.
    fn picked(members: &[Candidate], lots: [u64; 2]) -> Option<u32> {
        let header = Header { max_weight: 0, divisor: 1, count: members.len() as u32, zero: 0 };
        let ways: u64 =
            members.iter().filter(|member| may_be_picked(member)).map(|member| u64::from(member.weight)).sum::<u64>()
                + 1;
        // The smallest random number that gives the lot.
        pick(&header, &All(members), lots.map(|lot| ((lot << 32).div_ceil(ways)) as u32), false)
    }

    #[test]
    fn the_lots_fall_by_weight_and_the_cheaper_of_two_is_picked() {
        let members = [member(1, 3, 0), member(2, 1, 0), member(3, 2, 9)];
        // Lots 0..=3 fall on the first, 4 on the second, 5 and 6 on the third; the first choice wins a draw.
        for (lots, expected) in [
            ([0, 0], 1),
            ([3, 4], 1),
            ([4, 3], 2),
            ([4, 4], 2),
            ([5, 5], 3),
            ([6, 0], 1),
            ([0, 6], 1),
            ([6, 4], 2),
            ([6, 6], 3),
        ] {
            assert_eq!(picked(&members, lots), Some(expected), "{lots:?}");
        }
    }

    #[test]
    fn costs_are_divided_by_weights() {
        // 257 * 2 / 3 is less than 257 * 1 / 1.
        assert_eq!(picked(&[member(1, 1, 1), member(2, 3, 2)], [1, 2]), Some(2));
        assert_eq!(picked(&[member(1, 1, 1), member(2, 3, 4)], [2, 1]), Some(1));
    }

    #[test]
    fn quiesced_and_overloaded_members_get_nothing() {
        let mut members = [member(1, 0, 0), member(2, 5, 0), member(3, 1, 0)];
        members[1].overloaded = true;
        for lots in [[0, 0], [0, 1], [1, 0], [1, 1]] {
            assert_eq!(picked(&members, lots), Some(3));
        }
        members[2].weight = 0;
        assert_eq!(picked(&members, [0, 0]), None);
        assert_eq!(picked(&[], [0, 0]), None);
    }

    #[test]
    fn every_pair_of_lots_is_as_likely_as_the_kernels() {
        // With equal costs per weight the first lot decides: over all lots shares are (weight + 1) : weight : weight.
        let members = [member(1, 4, 0), member(2, 4, 0), member(3, 4, 0)];
        let mut shares = [0u32; 4];
        for first in 0..=12 {
            for second in 0..=12 {
                shares[picked(&members, [first, second]).expect("somebody") as usize] += 1;
            }
        }
        assert_eq!(shares, [0, 5 * 13, 4 * 13, 4 * 13]);
    }

    #[test]
    fn the_largest_weights_do_not_overflow() {
        let members = vec![member(7, u32::MAX >> 1, 0); 1024];
        let header = Header { max_weight: 0, divisor: 1, count: 1024, zero: 0 };
        assert_eq!(pick(&header, &All(&members), [u32::MAX; 2], true), Some(7));
        assert_eq!(pick(&header, &All(&members), [0; 2], true), Some(7));
    }
}
