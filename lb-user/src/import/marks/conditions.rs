//! What the tests of several rules mean together.

use std::mem::discriminant;
use std::net::IpAddr;

use crate::model::marks::{Condition, Network, PortRange, Test};

/// Two lists of tests, all of which must hold.
pub(super) enum Joined {
    /// They are these, at most one for each key of a rule.
    Tests(Vec<Test>),
    /// No packet passes them.
    Never,
    /// One rule cannot say it.
    Unsayable(&'static str),
}

/// The tests of a jump and those of a rule behind it.
pub(super) fn join(outer: &[Test], inner: &[Test]) -> Joined {
    let mut tests: Vec<Test> = Vec::new();
    for test in outer.iter().chain(inner) {
        if matches!(test.condition, Condition::Mark { .. }) {
            return Joined::Unsayable("a rule cannot look at the mark that a packet has so far");
        }
        if test.condition == Condition::Protocol(0) && !test.negated || tests.contains(test) {
            continue;
        }
        let same = |known: &&mut Test| discriminant(&known.condition) == discriminant(&test.condition);
        match tests.iter_mut().find(same) {
            None => tests.push(test.clone()),
            Some(known) if !known.negated && !test.negated => match both(&known.condition, &test.condition) {
                Some(Some(condition)) => known.condition = condition,
                Some(None) => return Joined::Never,
                None => return Joined::Unsayable(TWICE),
            },
            Some(_negated) => return Joined::Unsayable(TWICE),
        }
    }
    Joined::Tests(tests)
}

const TWICE: &str = "one rule cannot ask twice for the same thing, as this one and the jump to it do";

/// What two conditions of a kind leave: a condition, or nothing; none is what cannot be said.
fn both(one: &Condition, other: &Condition) -> Option<Option<Condition>> {
    match (one, other) {
        (Condition::Destination(a), Condition::Destination(b)) => Some(narrower(*a, *b).map(Condition::Destination)),
        (Condition::Source(a), Condition::Source(b)) => Some(narrower(*a, *b).map(Condition::Source)),
        (Condition::DestinationPorts(a), Condition::DestinationPorts(b)) => {
            Some(common(a, b).map(Condition::DestinationPorts))
        }
        (Condition::SourcePorts(a), Condition::SourcePorts(b)) => Some(common(a, b).map(Condition::SourcePorts)),
        // Two that differ, for equal ones were met before.
        (Condition::Protocol(_), Condition::Protocol(_)) | (Condition::Family(_), Condition::Family(_)) => Some(None),
        _different => None,
    }
}

fn bits(network: &Network) -> (u128, u128) {
    let wide = |address: IpAddr| match address {
        IpAddr::V4(v4) => u128::from(v4.to_bits()),
        IpAddr::V6(v6) => v6.to_bits(),
    };
    (wide(network.address), wide(network.mask))
}

/// The smaller of two networks, if it lies in the other; prefixes that do not are apart.
fn narrower(one: Network, other: Network) -> Option<Network> {
    let ((a, a_mask), (b, b_mask)) = (bits(&one), bits(&other));
    if one.family() != other.family() || (a ^ b) & a_mask & b_mask != 0 {
        return None;
    }
    Some(if a_mask & b_mask == a_mask { other } else { one })
}

fn common(one: &[PortRange], other: &[PortRange]) -> Option<Vec<PortRange>> {
    let pairs = one.iter().flat_map(|a| other.iter().map(move |b| (a.first.max(b.first), a.last.min(b.last))));
    let ranges: Vec<_> = pairs.filter(|(first, last)| first <= last).collect();
    let ranges: Vec<_> = ranges.into_iter().map(|(first, last)| PortRange { first, last }).collect();
    (!ranges.is_empty()).then_some(ranges)
}

/// Whether surely no packet passes both.
pub(super) fn disjoint(one: &[Test], other: &[Test]) -> bool {
    one.iter().any(|test| {
        other.iter().any(|theirs| {
            let (a, b) = (&test.condition, &theirs.condition);
            let named = |condition: &Condition| {
                let Condition::Interface(pattern) = condition else { return None };
                Some(pattern.as_str().to_owned()).filter(|name| !name.ends_with('+'))
            };
            match (test.negated, theirs.negated) {
                (false, false) => {
                    discriminant(a) == discriminant(b) && a != b && both(a, b) == Some(None)
                        || named(a).zip(named(b)).is_some_and(|(a, b)| a != b)
                }
                (true, false) | (false, true) => a == b,
                (true, true) => false,
            }
        })
    })
}

/// Whether every packet that passes the first surely passes the second.
pub(super) fn implies(one: &[Test], other: &[Test]) -> bool {
    other.iter().all(|theirs| {
        one.iter().any(|test| {
            test == theirs
                || !test.negated
                    && !theirs.negated
                    && both(&test.condition, &theirs.condition) == Some(Some(test.condition.clone()))
        })
    })
}
