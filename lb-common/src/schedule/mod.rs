//! How a new connection picks a real server, decision by decision as IPVS' schedulers do.
//!
//! A scheduler is a [`Scan`] over the members of a service, newest first: a machine that looks at one member a
//! step. The XDP program drives it by `bpf_loop`, the host by a plain loop; the decisions are the same code.
//! Those that do not look at one member after the other have machines of their own: [`hash`], [`twos`].

pub mod blocks;
pub mod hash;
mod least;
pub mod locality;
pub mod pool;
mod round;
#[cfg(test)]
mod tests;
pub mod twos;

use pool::{Cursor, Header};

/// Position before the first member: the list head of the kernel's circular list.
pub const HEAD: u32 = u32::MAX;

/// Schedulers, as [`crate::service::Service::scheduler`] numbers them.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Round robin (`ip_vs_rr.c`).
    Rr = 0,
    /// Weighted round robin (`ip_vs_wrr.c`).
    Wrr = 1,
    /// Least connections (`ip_vs_lc.c`).
    Lc = 2,
    /// Weighted least connections (`ip_vs_wlc.c`).
    Wlc = 3,
    /// Shortest expected delay (`ip_vs_sed.c`).
    Sed = 4,
    /// Never queue (`ip_vs_nq.c`).
    Nq = 5,
    /// Weighted failover (`ip_vs_fo.c`).
    Fo = 6,
    /// Weighted overflow (`ip_vs_ovf.c`).
    Ovf = 7,
    /// Source hashing (`ip_vs_sh.c`).
    Sh = 8,
    /// Destination hashing (`ip_vs_dh.c`).
    Dh = 9,
    /// Maglev hashing (`ip_vs_mh.c`).
    Mh = 10,
    /// The better of two by lot (`ip_vs_twos.c`).
    Twos = 11,
    /// Locality-based least connections (`ip_vs_lblc.c`).
    Lblc = 12,
    /// Locality-based least connections with replication (`ip_vs_lblcr.c`).
    Lblcr = 13,
}

impl Kind {
    /// The kind of a number from a map; an unknown one is round robin.
    #[inline(always)]
    pub const fn from_number(number: u32) -> Self {
        match number {
            1 => Self::Wrr,
            2 => Self::Lc,
            3 => Self::Wlc,
            4 => Self::Sed,
            5 => Self::Nq,
            6 => Self::Fo,
            7 => Self::Ovf,
            8 => Self::Sh,
            9 => Self::Dh,
            10 => Self::Mh,
            11 => Self::Twos,
            12 => Self::Lblc,
            13 => Self::Lblcr,
            _ => Self::Rr,
        }
    }
}

/// A member of a service as a scheduler sees it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Candidate {
    /// Index of the real server.
    pub real: u32,
    /// Weight.
    pub weight: u32,
    /// Active connections.
    pub active: u32,
    /// Inactive connections.
    pub inactive: u32,
    /// Whether it takes no new connections.
    pub overloaded: bool,
}

/// The members of a service, newest first.
pub trait Members {
    /// The member at `position`, or nothing where a map lookup failed.
    fn candidate(&self, position: u32) -> Option<Candidate>;
}

/// What a step found out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Not decided yet.
    Continue,
    /// This real server.
    Pick(u32),
    /// No real server may take the connection.
    Nobody,
}

/// A scheduler at work. Plain words, so that it can live on the stack of a BPF program.
#[derive(Clone, Copy, Debug)]
pub struct Scan {
    kind: Kind,
    /// Number of members.
    count: u32,
    /// Members looked at, for those schedulers that look at each once.
    seen: u32,
    /// The scheduler's memory: read at the start, to be stored at the end.
    cursor: Cursor,
    round: round::Round,
    least: least::Least,
}

/// How many steps a scan over `count` members can take, at most.
#[inline(always)]
pub const fn max_steps(count: u32) -> u32 {
    // wrr: the rest of the first pass, two full passes, one more to the place where it began, and their ends.
    count.saturating_mul(4).saturating_add(8)
}

impl Scan {
    /// Starts a scan of a pool; `classic` is [`crate::settings::flags::CLASSIC_OVERHEAD`].
    #[inline(always)]
    pub const fn new(kind: Kind, header: &Header, mut cursor: Cursor, classic: bool) -> Self {
        if cursor.weight == 0 {
            // Another scheduler's memory, in the moment when a service changes to wrr.
            cursor.weight = header.max_weight;
        }
        Self {
            kind,
            count: header.count,
            seen: header.zero,
            cursor,
            round: round::Round::new(header, cursor),
            least: least::Least::new(kind, header, classic),
        }
    }

    /// The scheduler's memory after the scan.
    #[inline(always)]
    pub const fn cursor(&self) -> Cursor {
        self.cursor
    }

    /// Looks at one member.
    #[inline(always)]
    pub fn step<M: Members>(&mut self, members: &M) -> Step {
        match self.kind {
            Kind::Rr => self.round_robin(members),
            Kind::Wrr => self.weighted_round_robin(members),
            Kind::Lc | Kind::Wlc | Kind::Sed | Kind::Nq | Kind::Fo | Kind::Ovf | Kind::Lblc | Kind::Lblcr => {
                self.best(members)
            }
            // They are no scans.
            Kind::Sh | Kind::Dh | Kind::Mh | Kind::Twos => Step::Nobody,
        }
    }

    /// Runs the scan to its end.
    #[cfg(not(target_arch = "bpf"))]
    pub fn run<M: Members>(&mut self, members: &M) -> Option<u32> {
        for _ in 0..max_steps(self.count) {
            match self.step(members) {
                Step::Continue => {}
                Step::Pick(real) => return Some(real),
                Step::Nobody => return None,
            }
        }
        None
    }
}
