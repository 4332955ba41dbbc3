//! rr and wrr.

use super::pool::{Cursor, Header};
use super::{HEAD, Members, Scan, Step};

/// Where a weighted round robin is (`ip_vs_wrr_schedule`). What a step changes starts from [`Header::zero`].
#[derive(Clone, Copy, Debug)]
pub(super) struct Round {
    /// The member looked at, [`HEAD`] before the first.
    at: u32,
    /// `last`: where the scan began.
    began: u32,
    /// `stop`: the scan ends here, or [`HEAD`].
    stop: u32,
    max_weight: u32,
    divisor: u32,
    /// 0 ([`Header::zero`]).
    zero: u32,
    /// The largest weight of a member that could have been picked in this pass.
    reachable: u32,
    /// 0 or 1.
    last_pass: u32,
    /// 0 or 1.
    restarted: u32,
}

impl Round {
    #[inline(always)]
    pub(super) const fn new(header: &Header, cursor: Cursor) -> Self {
        Self {
            at: cursor.position,
            began: cursor.position,
            stop: header.zero.wrapping_sub(1),
            max_weight: header.max_weight,
            divisor: if header.divisor == 0 { 1 } else { header.divisor },
            zero: header.zero,
            reachable: header.zero.wrapping_sub(1),
            last_pass: header.zero,
            restarted: header.zero,
        }
    }
}

impl Scan {
    /// The members after the last pick, then those up to it.
    #[inline(always)]
    pub(super) fn round_robin<M: Members>(&mut self, members: &M) -> Step {
        if self.seen >= self.count {
            return Step::Nobody;
        }
        self.seen += 1;
        let next = self.round.at.wrapping_add(1);
        self.round.at = if next >= self.count { self.round.zero } else { next };
        let Some(candidate) = members.candidate(self.round.at) else { return Step::Nobody };
        if candidate.weight == 0 || candidate.overloaded {
            return Step::Continue;
        }
        self.cursor.position = self.round.at;
        Step::Pick(candidate.real)
    }

    /// One member, or the end of a pass.
    #[inline(always)]
    pub(super) fn weighted_round_robin<M: Members>(&mut self, members: &M) -> Step {
        if self.round.max_weight == 0 {
            return Step::Nobody;
        }
        let next = self.round.at.wrapping_add(1);
        if next >= self.count {
            return self.end_of_pass();
        }
        self.round.at = next;
        let Some(candidate) = members.candidate(next) else { return Step::Nobody };
        if !candidate.overloaded {
            if candidate.weight >= self.cursor.weight {
                self.cursor.position = next;
                return Step::Pick(candidate.real);
            }
            if candidate.weight > self.round.reachable {
                self.round.reachable = candidate.weight;
            }
        }
        if next == self.round.stop {
            self.cursor.position = next;
            return Step::Nobody;
        }
        Step::Continue
    }

    /// The next pass has a smaller weight, or starts over.
    #[inline(always)]
    fn end_of_pass(&mut self) -> Step {
        self.round.at = self.round.zero.wrapping_sub(1);
        let divisor = self.round.divisor;
        let weight = self.cursor.weight;
        if weight <= divisor {
            self.cursor.weight = self.round.max_weight;
            if self.round.last_pass != 0 || self.round.began == HEAD {
                self.cursor.position = HEAD;
                return Step::Nobody;
            }
            self.round.restarted = 1;
        } else {
            self.cursor.weight = self.next_weight(weight);
        }
        self.round.reachable = 0;
        self.round.last_pass = u32::from(self.cursor.weight <= divisor);
        if self.round.last_pass != 0 && self.round.restarted != 0 && self.round.began != HEAD {
            self.round.stop = self.round.began;
        }
        Step::Continue
    }

    /// The weight of the next pass that can end in a pick: where a full pass found nobody, those in between would
    /// find nobody either, and the kernel's loop over them is skipped.
    #[inline(always)]
    fn next_weight(&self, weight: u32) -> u32 {
        // It is 1 at least, which the compiler cannot know: a division by zero would be a reachable panic.
        let divisor = if self.round.divisor == 0 { 1 } else { self.round.divisor };
        let next = weight - divisor;
        if self.round.reachable >= next {
            return next;
        }
        let lowest = (next - 1) % divisor + 1;
        let target = if self.round.reachable > lowest { self.round.reachable } else { lowest };
        // The largest weight of the sequence that is not above the target.
        next - (next - target).div_ceil(divisor) * divisor
    }
}
