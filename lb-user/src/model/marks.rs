//! Mark rules: what gives packets their firewall mark, from LVX' config and from netfilter's mangle table.
//!
//! A mark does not end the walk through the rules: the last rule that matches wins, unless ACCEPT, RETURN or a goto
//! ended the walk before it. [`compile`] says in which order the sources come.

mod compile;
mod config;
mod nodes;
mod show;
mod simplify;
mod text;

#[cfg(test)]
pub(crate) mod equivalence;

use std::collections::BTreeMap;
use std::net::IpAddr;

pub use compile::{CompileError, compile};
pub use config::{MarkConfig, MarkRuleConfig, MarkRuleError, PortConfig, PortsConfig};
pub use text::{Malformed, parse_mark, parse_ports, parse_protocol};

use crate::model::Family;

/// A set of addresses: those that agree with `address` in the bits of `mask`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Network {
    /// An address of the network.
    pub address: IpAddr,
    /// The bits that count, of the same family; iptables knows masks that are no prefix.
    pub mask: IpAddr,
}

impl Network {
    /// The family of its addresses.
    pub fn family(&self) -> Family {
        self.address.into()
    }
}

/// Ports from `first` to `last`, both included, in host order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PortRange {
    /// The lowest port.
    pub first: u16,
    /// The highest port, not below `first`.
    pub last: u16,
}

/// The name of an interface, or with a trailing `+` all names that begin so (`eth+`).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct InterfacePattern(String);

impl InterfacePattern {
    /// As it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the interface of this name is meant.
    pub fn matches(&self, name: &str) -> bool {
        match self.0.strip_suffix('+') {
            Some(start) => name.starts_with(start),
            None => name == self.0,
        }
    }
}

/// One property of a packet.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Condition {
    /// Address family.
    Family(Family),
    /// Destination address; a packet of the other family is outside.
    Destination(Network),
    /// Source address; a packet of the other family is outside.
    Source(Network),
    /// IP protocol number; 0 is any.
    Protocol(u8),
    /// The destination port is in one of the ranges. A packet without ports counts as port 0.
    DestinationPorts(Vec<PortRange>),
    /// The source port is in one of the ranges.
    SourcePorts(Vec<PortRange>),
    /// The source or the destination port is in one of the ranges (multiport's `--ports`).
    Ports(Vec<PortRange>),
    /// The interface that the packet came in by.
    Interface(InterfacePattern),
    /// The mark that the packet has so far: `mark & mask == value`.
    Mark {
        /// What the bits must be.
        value: u32,
        /// Which bits count.
        mask: u32,
    },
}

/// A condition or its opposite.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Test {
    /// What is looked at.
    pub condition: Condition,
    /// Whether it must not hold.
    pub negated: bool,
}

/// What becomes of the mark: `(mark & and) ^ xor`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct MarkOperation {
    /// The bits that are kept.
    pub and: u32,
    /// The bits that are then turned over.
    pub xor: u32,
}

impl MarkOperation {
    /// `--set-xmark value/mask`: the bits of `mask` are cleared, then those of `value` turned over.
    pub fn set_xmark(value: u32, mask: u32) -> Self {
        Self { and: !mask, xor: value }
    }

    /// `--set-mark value/mask`: the bits of `mask` are cleared, then those of `value` set.
    pub fn set_mark(value: u32, mask: u32) -> Self {
        Self::set_xmark(value, value | mask)
    }

    /// The mark after the operation.
    pub fn apply(self, mark: u32) -> u32 {
        (mark & self.and) ^ self.xor
    }
}

/// What happens to a packet for which all tests of a rule hold.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Target {
    /// Its mark changes, and the walk goes on with the next rule.
    Mark(MarkOperation),
    /// The walk through this rule set ends.
    Accept,
    /// The walk goes on after the jump that led into this chain; in the entry chain it ends.
    Return,
    /// The walk goes on in another chain, and after that with the next rule.
    Jump(String),
    /// The walk goes on in another chain, and after that where this chain would have returned to.
    Goto(String),
}

/// A rule: if all tests hold, the target.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct MarkRule {
    /// What must hold; no test is every packet.
    pub tests: Vec<Test>,
    /// What happens then.
    pub target: Target,
}

/// The rules of one netfilter hook, as far as they concern marks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleSet {
    /// The packets that it sees.
    pub family: Family,
    /// The chain where the walk begins (`PREROUTING`).
    pub entry: String,
    /// All chains that can be reached, by name.
    pub chains: BTreeMap<String, Vec<MarkRule>>,
}

impl RuleSet {
    /// Whether some rule changes a mark.
    pub fn gives_marks(&self) -> bool {
        self.chains.values().flatten().any(|rule| matches!(rule.target, Target::Mark(_)))
    }
}
