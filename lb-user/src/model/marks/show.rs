//! Mark rules as `lvx status` shows them: in iptables' own words.

use std::fmt;
use std::net::IpAddr;

use super::{Condition, InterfacePattern, MarkOperation, MarkRule, Network, PortRange, RuleSet, Target, Test};
use crate::model::Family;

impl RuleSet {
    /// The rules, one a line, as a command would give them to iptables: the entry chain first.
    pub fn lines(&self) -> Vec<String> {
        let program = match self.family {
            Family::Inet => "iptables",
            Family::Inet6 => "ip6tables",
        };
        let entry = self.chains.get_key_value(&self.entry);
        let others = self.chains.iter().filter(|(name, _)| **name != self.entry);
        let rules =
            entry.into_iter().chain(others).flat_map(|(name, rules)| rules.iter().map(move |rule| (name, rule)));
        rules.map(|(name, rule)| format!("{program} -A {name} {rule}")).collect()
    }
}

impl fmt::Display for MarkRule {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for test in &self.tests {
            write!(out, "{test} ")?;
        }
        write!(out, "{}", self.target)
    }
}

impl fmt::Display for Test {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let not = if self.negated { "! " } else { "" };
        match &self.condition {
            Condition::Family(Family::Inet) => write!(out, "{not}-4"),
            Condition::Family(Family::Inet6) => write!(out, "{not}-6"),
            Condition::Destination(network) => write!(out, "{not}-d {network}"),
            Condition::Source(network) => write!(out, "{not}-s {network}"),
            Condition::Protocol(number) => match super::text::protocol_name(*number) {
                Some(name) => write!(out, "{not}-p {name}"),
                None => write!(out, "{not}-p {number}"),
            },
            Condition::DestinationPorts(ranges) => match ranges.as_slice() {
                [range] => write!(out, "{not}--dport {range}"),
                ranges => write!(out, "-m multiport {not}--dports {}", list(ranges)),
            },
            Condition::SourcePorts(ranges) => match ranges.as_slice() {
                [range] => write!(out, "{not}--sport {range}"),
                ranges => write!(out, "-m multiport {not}--sports {}", list(ranges)),
            },
            Condition::Ports(ranges) => write!(out, "-m multiport {not}--ports {}", list(ranges)),
            Condition::Interface(InterfacePattern(name)) => write!(out, "{not}-i {name}"),
            Condition::Mark { value, mask: u32::MAX } => write!(out, "-m mark {not}--mark {value:#x}"),
            Condition::Mark { value, mask } => write!(out, "-m mark {not}--mark {value:#x}/{mask:#x}"),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mark(MarkOperation { and: 0, xor }) => write!(out, "-j MARK --set-mark {xor}"),
            Self::Mark(MarkOperation { and, xor }) => write!(out, "-j MARK --set-xmark {xor:#x}/{:#x}", !and),
            Self::Accept => out.write_str("-j ACCEPT"),
            Self::Return => out.write_str("-j RETURN"),
            Self::Jump(chain) => write!(out, "-j {chain}"),
            Self::Goto(chain) => write!(out, "-g {chain}"),
        }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (ones, prefix) = match self.mask {
            IpAddr::V4(mask) => (mask.to_bits().count_ones(), mask.to_bits().leading_ones()),
            IpAddr::V6(mask) => (mask.to_bits().count_ones(), mask.to_bits().leading_ones()),
        };
        if ones == prefix {
            write!(out, "{}/{prefix}", self.address)
        } else {
            write!(out, "{}/{}", self.address, self.mask)
        }
    }
}

impl fmt::Display for PortRange {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.first == self.last {
            write!(out, "{}", self.first)
        } else {
            write!(out, "{}:{}", self.first, self.last)
        }
    }
}

/// Ports and ranges, separated by commas.
pub(super) fn list(ranges: &[PortRange]) -> String {
    ranges.iter().map(PortRange::to_string).collect::<Vec<_>>().join(",")
}
