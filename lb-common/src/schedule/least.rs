//! The schedulers that keep the best of all members: lc, wlc, sed, nq, fo, ovf; lblc and lblcr where they go by no memory.

use super::pool::Header;
use super::{Candidate, HEAD, Kind, Members, Scan, Step};

/// How a scheduler tells members apart. Numbers and masks instead of cases: the packet path asks for each member.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rule {
    /// What an active connection costs.
    active: u32,
    /// What an inactive one costs.
    inactive: u32,
    /// What is added to it.
    plus: u32,
    /// Everything if the weight divides the cost, else 0.
    weighted: u32,
    /// Everything if a member with more active connections than its weight is refused, else 0.
    limited: u32,
    /// 0 if the first idle member wins at once.
    patient: u32,
}

impl Rule {
    /// `classic` is [`crate::settings::flags::CLASSIC_OVERHEAD`].
    #[inline(always)]
    pub(super) const fn of(kind: Kind, classic: bool) -> Self {
        // `ip_vs_dest_conn_overhead`: since 6.1.183 active connections are in the second term too.
        let active = if classic { 256 } else { 257 };
        let wlc = Self { active, inactive: 1, plus: 0, weighted: u32::MAX, limited: 0, patient: 1 };
        let sed = Self { active: 1, inactive: 0, plus: 1, ..wlc };
        // The largest weight wins.
        let fo = Self { active: 0, inactive: 0, plus: 1, ..wlc };
        match kind {
            Kind::Lc => Self { weighted: 0, ..wlc },
            Kind::Wlc | Kind::Lblc | Kind::Lblcr => wlc,
            Kind::Sed => sed,
            Kind::Nq => Self { patient: 0, ..sed },
            Kind::Ovf => Self { limited: u32::MAX, ..fo },
            Kind::Fo | Kind::Rr | Kind::Wrr | Kind::Sh | Kind::Dh | Kind::Mh | Kind::Twos => fo,
        }
    }

    /// Whether a member may be picked at all.
    #[inline(always)]
    pub(super) const fn allows(&self, member: &Candidate) -> bool {
        member.weight != 0 && !member.overloaded && member.active & self.limited <= member.weight
    }

    /// Whether a member that may be picked is picked whatever comes behind it.
    #[inline(always)]
    pub(super) const fn wins_at_once(&self, member: &Candidate) -> bool {
        member.active | self.patient == 0
    }

    #[inline(always)]
    pub(super) const fn cost(&self, member: &Candidate) -> u64 {
        member.active as u64 * self.active as u64 + member.inactive as u64 * self.inactive as u64 + self.plus as u64
    }

    #[inline(always)]
    const fn divisor(&self, member: &Candidate) -> u64 {
        (member.weight & self.weighted | !self.weighted & 1) as u64
    }
}

/// The best member so far, and what it costs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Best {
    /// Its real server, [`HEAD`] for none.
    pub(super) real: u32,
    /// Its position.
    pub(super) position: u32,
    cost: u64,
    divisor: u64,
}

impl Best {
    /// Nobody so far. It starts from [`Header::zero`].
    #[inline(always)]
    pub(super) const fn nobody(zero: u32) -> Self {
        Self { real: zero.wrapping_sub(1), position: zero, cost: zero as u64, divisor: zero as u64 }
    }

    /// A member that may be picked.
    #[inline(always)]
    pub(super) const fn member(rule: &Rule, member: &Candidate, position: u32) -> Self {
        Self { real: member.real, position, cost: rule.cost(member), divisor: rule.divisor(member) }
    }

    /// Whether a later one is better. Costs are fractions, compared by cross-multiplication as in the kernel; the first
    /// of equals wins.
    #[inline(always)]
    pub(super) const fn gives_way_to(&self, later: &Self) -> bool {
        self.real == HEAD || self.cost * later.divisor > later.cost * self.divisor
    }

    /// Whether it costs more, as [`Self::gives_way_to`] compares.
    #[inline(always)]
    pub(super) const fn costs_more_than(&self, other: &Self) -> bool {
        other.cost * self.divisor < self.cost * other.divisor
    }
}

/// The best so far.
#[derive(Clone, Copy, Debug)]
pub(super) struct Least {
    rule: Rule,
    best: Best,
}

impl Least {
    #[inline(always)]
    pub(super) const fn new(kind: Kind, header: &Header, classic: bool) -> Self {
        Self { rule: Rule::of(kind, classic), best: Best::nobody(header.zero) }
    }
}

impl Scan {
    /// One member.
    #[inline(always)]
    pub(super) fn best<M: Members>(&mut self, members: &M) -> Step {
        if self.seen >= self.count {
            return if self.least.best.real == HEAD { Step::Nobody } else { Step::Pick(self.least.best.real) };
        }
        let position = self.seen;
        self.seen += 1;
        let Some(candidate) = members.candidate(position) else { return Step::Nobody };
        if !self.least.rule.allows(&candidate) {
            return Step::Continue;
        }
        if self.least.rule.wins_at_once(&candidate) {
            return Step::Pick(candidate.real);
        }
        let member = Best::member(&self.least.rule, &candidate, position);
        if self.least.best.gives_way_to(&member) {
            self.least.best = member;
        }
        Step::Continue
    }
}
