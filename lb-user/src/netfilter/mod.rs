//! Netfilter's mangle table, followed: what gives packets a firewall mark before IPVS would see them.
//!
//! XDP runs before netfilter, so LVX reads the rules of mangle's PREROUTING chain, of both families and of both
//! iptables variants (legacy and nft), and has them compiled by [`crate::model::marks`]. What cannot be followed
//! becomes an [`Unsupported`]; nothing is left out in silence.

mod follow;
mod foreign;
mod kernel;
mod nfnetlink;
mod rule;
mod save;
mod saved;

use std::fmt;

pub use follow::{System, follow};
pub use kernel::Kernel;
pub use nfnetlink::NftTables;
pub(crate) use saved::{SavedRule, saved_rules};

use crate::model::Family;
use crate::model::marks::RuleSet;

/// Where rules live.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Origin {
    /// `iptables-legacy`, `ip6tables-legacy`
    Legacy(Family),
    /// `iptables-nft`, `ip6tables-nft`
    Nft(Family),
    /// nftables tables that are not iptables'.
    Nftables,
}

impl fmt::Display for Origin {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Legacy(Family::Inet) => "iptables-legacy",
            Self::Legacy(Family::Inet6) => "ip6tables-legacy",
            Self::Nft(Family::Inet) => "iptables-nft",
            Self::Nft(Family::Inet6) => "ip6tables-nft",
            Self::Nftables => "nftables",
        })
    }
}

/// Something that concerns marks and that LVX does not follow, or not exactly.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Unsupported {
    /// Where it is.
    pub origin: Origin,
    /// The rule as `iptables-save` prints it, or the name of the table or chain.
    pub what: String,
    /// Why it is not followed, and what that means.
    pub why: String,
}

impl fmt::Display for Unsupported {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} `{}`: {}", self.origin, self.what, self.why)
    }
}

/// The mark rules of the current network namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// In the order of evaluation: legacy, then nft.
    pub rulesets: Vec<RuleSet>,
    /// What is not in them.
    pub unsupported: Vec<Unsupported>,
}

impl Snapshot {
    /// The rules in what `iptables-legacy-save -t mangle` printed, or `ip6tables-legacy-save`.
    pub fn of_saved(family: Family, text: &str) -> Self {
        let Reading { ruleset, unsupported } = save::parse(Origin::Legacy(family), family, text);
        Self { rulesets: ruleset.into_iter().collect(), unsupported }
    }
}

/// What was read from one origin.
#[derive(Default)]
struct Reading {
    /// None where no rule gives a mark.
    ruleset: Option<RuleSet>,
    unsupported: Vec<Unsupported>,
}
