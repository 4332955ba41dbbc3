//! The best of many members, without a look at each: lc, wlc, sed, nq, fo, ovf over a large pool.
//!
//! A pool of more than [`UNDIVIDED`] members is divided into blocks of [`BLOCK`], and remembers the best member of each
//! in a word ([`Summary`]) behind the members. Whoever changes what a scheduler looks at (a server's connections, its
//! overload) adds [`Summary::CHANGE`] to the word of its block *afterwards*. Whoever has looked at a whole block puts its
//! best member there by compare-and-swap with the word that it read *before*, so that a change in the meantime wins, and
//! the block is looked at again.

mod summary;
#[cfg(test)]
mod tests;

use super::least::{Best, Rule};
use super::pool::Header;
use super::{HEAD, Kind, Members, Step};
pub use summary::{Known, Summary};

/// Members of a block; the last one of a pool may have fewer.
pub const BLOCK: u32 = 32;

/// A pool of up to so many members has no blocks.
pub const UNDIVIDED: u32 = 64;

/// How many blocks a pool with `count` members has.
#[inline(always)]
pub const fn blocks(count: u32) -> u32 {
    if count > UNDIVIDED { count.div_ceil(BLOCK) } else { 0 }
}

/// Whether a scheduler can use the blocks of a pool.
#[inline(always)]
pub const fn help(kind: Kind) -> bool {
    match kind {
        Kind::Lc | Kind::Wlc | Kind::Sed | Kind::Nq | Kind::Fo | Kind::Ovf | Kind::Lblc | Kind::Lblcr => true,
        Kind::Rr | Kind::Wrr | Kind::Sh | Kind::Dh | Kind::Mh | Kind::Twos => false,
    }
}

/// Members in blocks.
pub trait Blocks: Members {
    /// The word of a block, read before any of its members is.
    fn summary(&self, block: u32) -> Summary;

    /// Keeps a block's word, unless it is not `before` any more.
    fn summarise(&self, block: u32, before: Summary, after: Summary);
}

/// A scheduler at work: a step looks at the best member of a block that has not changed, or else at one of its members.
/// What a step changes starts from [`Header::zero`].
#[derive(Clone, Copy, Debug)]
pub struct BlockScan {
    rule: Rule,
    /// Number of members.
    count: u32,
    /// The next member's position.
    at: u32,
    /// The best of all.
    best: Best,
    /// The best of the block that is looked at.
    of_block: Best,
    /// The block's word before it was looked at.
    summary: Summary,
    /// 0 ([`Header::zero`]).
    zero: u32,
}

/// How many steps a scan over `count` members can take, at most.
#[inline(always)]
pub const fn max_steps(count: u32) -> u32 {
    count.saturating_add(1)
}

impl BlockScan {
    /// Starts a scan of a pool; `classic` is [`crate::settings::flags::CLASSIC_OVERHEAD`].
    #[inline(always)]
    pub const fn new(kind: Kind, header: &Header, classic: bool) -> Self {
        let nobody = Best::nobody(header.zero);
        Self {
            rule: Rule::of(kind, classic),
            count: header.count,
            at: header.zero,
            best: nobody,
            of_block: nobody,
            summary: Summary(header.zero as u64),
            zero: header.zero,
        }
    }

    /// Looks at a block, or at one member.
    #[inline(always)]
    pub fn step<M: Blocks>(&mut self, members: &M) -> Step {
        if self.at >= self.count {
            return if self.best.real == HEAD { Step::Nobody } else { Step::Pick(self.best.real) };
        }
        if self.at.is_multiple_of(BLOCK) {
            self.summary = members.summary(self.at / BLOCK);
            self.of_block = Best::nobody(self.zero);
            match self.summary.known() {
                Known::Nothing => {}
                Known::Nobody => {
                    self.at += BLOCK;
                    return Step::Continue;
                }
                Known::Best(place) => return self.best_of_block(members, place),
            }
        }
        self.member(members)
    }

    /// The best member of a block that has not changed.
    #[inline(always)]
    fn best_of_block<M: Blocks>(&mut self, members: &M, place: u32) -> Step {
        let position = self.at + place;
        self.at += BLOCK;
        let Some(candidate) = members.candidate(position) else { return Step::Nobody };
        if self.rule.wins_at_once(&candidate) {
            return Step::Pick(candidate.real);
        }
        self.keep(Best::member(&self.rule, &candidate, position));
        Step::Continue
    }

    /// A member of a block that has changed.
    #[inline(always)]
    fn member<M: Blocks>(&mut self, members: &M) -> Step {
        let position = self.at;
        self.at += 1;
        let Some(candidate) = members.candidate(position) else { return Step::Nobody };
        let mut step = Step::Continue;
        if self.rule.allows(&candidate) {
            let member = Best::member(&self.rule, &candidate, position);
            if self.rule.wins_at_once(&candidate) {
                self.of_block = member;
                step = Step::Pick(candidate.real);
            } else if self.of_block.gives_way_to(&member) {
                self.of_block = member;
            }
        }
        if step != Step::Continue || self.at.is_multiple_of(BLOCK) || self.at >= self.count {
            self.end_of_block(members, position / BLOCK);
        }
        step
    }

    #[inline(always)]
    fn end_of_block<M: Blocks>(&mut self, members: &M, block: u32) {
        let best = self.of_block;
        if best.real == HEAD {
            members.summarise(block, self.summary, self.summary.with_nobody());
        } else {
            members.summarise(block, self.summary, self.summary.with_best(best.position % BLOCK));
            self.keep(best);
        }
    }

    #[inline(always)]
    fn keep(&mut self, member: Best) {
        if self.best.gives_way_to(&member) {
            self.best = member;
        }
    }
}
