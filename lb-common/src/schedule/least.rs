//! The schedulers that look at every member and keep the best: lc, wlc, sed, nq, fo, ovf.

use super::pool::Header;
use super::{Candidate, HEAD, Kind, Members, Scan, Step};

/// The best member so far, [`HEAD`] before the first. It starts from [`Header::zero`].
#[derive(Clone, Copy, Debug)]
pub(super) struct Least {
    real: u32,
    cost: u64,
    weight: u64,
}

impl Least {
    #[inline(always)]
    pub(super) const fn new(header: &Header) -> Self {
        let zero = header.zero as u64;
        Self { real: header.zero.wrapping_sub(1), cost: zero, weight: zero }
    }
}

/// What a member costs, and the weight that divides it; `None` where it cannot be picked.
/// Costs are fractions, compared by cross-multiplication as in the kernel; the smaller wins, the first of equals.
#[inline(always)]
const fn cost(kind: Kind, candidate: &Candidate) -> Option<(u64, u64)> {
    if candidate.weight == 0 || candidate.overloaded {
        return None;
    }
    let active = candidate.active as u64;
    let weight = candidate.weight as u64;
    let overhead = candidate.overhead(false);
    Some(match kind {
        Kind::Lc => (overhead, 1),
        Kind::Wlc => (overhead, weight),
        Kind::Sed | Kind::Nq => (active + 1, weight),
        Kind::Ovf if active > weight => return None,
        // The largest weight wins.
        Kind::Fo | Kind::Ovf | Kind::Rr | Kind::Wrr | Kind::Sh | Kind::Dh | Kind::Mh | Kind::Twos => (1, weight),
    })
}

impl Scan {
    #[inline(always)]
    pub(super) fn best<M: Members>(&mut self, members: &M) -> Step {
        if self.seen >= self.count {
            return if self.least.real == HEAD { Step::Nobody } else { Step::Pick(self.least.real) };
        }
        let position = self.seen;
        self.seen += 1;
        let Some(candidate) = members.candidate(position) else { return Step::Nobody };
        let Some((cost, weight)) = cost(self.kind, &candidate) else { return Step::Continue };
        if matches!(self.kind, Kind::Nq) && candidate.active == 0 {
            return Step::Pick(candidate.real);
        }
        if self.least.real == HEAD || self.least.cost * weight > cost * self.least.weight {
            self.least.real = candidate.real;
            self.least.cost = cost;
            self.least.weight = weight;
        }
        Step::Continue
    }
}
