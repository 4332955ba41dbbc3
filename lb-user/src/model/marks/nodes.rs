//! From the tests of one rule to nodes.

use lb_common::address::Address;
use lb_common::marks::{
    MarkNode, NOT_DESTINATION, NOT_DESTINATION_PORT, NOT_INTERFACE, NOT_MARK, NOT_PROTOCOL, NOT_SOURCE, NOT_SOURCE_PORT,
};

use super::{Condition, InterfacePattern, MarkOperation, Network, PortRange, Test};
use crate::model::Family;

/// A part of a rule's tests; all parts must hold.
pub(super) enum Clause {
    /// One node says it.
    One(MarkNode),
    /// One of the nodes must be hit.
    Any(Vec<MarkNode>),
}

impl MarkOperation {
    /// Leaves the mark as it is.
    pub(super) const NONE: Self = Self { and: u32::MAX, xor: 0 };
}

/// The node, with what it does to the mark when hit.
pub(super) fn with(node: MarkNode, operation: MarkOperation) -> MarkNode {
    MarkNode { and: operation.and, xor: operation.xor, ..node }
}

/// The node that packets of the family hit.
pub(super) fn family(family: Family) -> MarkNode {
    Atom::family().node(family == Family::Inet6)
}

/// The tests as clauses, those first that single nodes can say together; none if no packet can pass them.
pub(super) fn clauses(tests: &[Test], indexes: &dyn Fn(&InterfacePattern) -> Vec<u32>) -> Option<Vec<Clause>> {
    let (mut singles, mut lists) = (Singles::default(), Vec::new());
    for Test { condition, negated } in tests {
        let atoms = atoms(condition, indexes);
        let negated = negated ^ (*condition == Condition::Family(Family::Inet6));
        match (atoms.as_slice(), negated) {
            ([], false) => return None,
            ([atom], true) if holds_mapped_addresses(condition) => {
                lists.push(Clause::Any(vec![Atom::family().node(false), atom.node(true)]));
            }
            ([atom], false) => {
                if holds_mapped_addresses(condition) {
                    singles.add(&Atom::family(), true);
                }
                singles.add(atom, false);
            }
            (atoms, false) => lists.push(Clause::Any(atoms.iter().map(|atom| atom.node(false)).collect())),
            (atoms, true) => atoms.iter().for_each(|atom| singles.add(atom, true)),
        }
    }
    Some(singles.0.into_iter().map(|(_, node)| Clause::One(node)).chain(lists).collect())
}

/// Whether the condition is an IPv6 network, such as `::/0`, that has IPv4-mapped addresses in it. IPv4 packets are
/// outside all the same.
fn holds_mapped_addresses(condition: &Condition) -> bool {
    let (Condition::Destination(network) | Condition::Source(network)) = condition else { return false };
    let (Address([a, b, c, _]), mask) = words(network);
    let Address([mapped_a, mapped_b, mapped_c, _]) = Address::from_v4(0).masked(&mask);
    network.family() == Family::Inet6 && [a, b, c] == [mapped_a, mapped_b, mapped_c]
}

/// Nodes that must all be hit, each with the kinds of tests that it already has.
#[derive(Default)]
struct Singles(Vec<(u16, MarkNode)>);

impl Singles {
    fn add(&mut self, atom: &Atom, negated: bool) {
        match self.0.iter_mut().find(|(kinds, _)| kinds & atom.kind() == 0) {
            Some((kinds, node)) => {
                *kinds |= atom.kind();
                atom.put(node, negated);
            }
            None => self.0.push((atom.kind(), atom.node(negated))),
        }
    }
}

/// What a single node can test.
enum Atom {
    Destination(Address, Address),
    Source(Address, Address),
    Protocol(u8),
    DestinationPort(PortRange),
    SourcePort(PortRange),
    Interface(u32),
    Mark { value: u32, mask: u32 },
}

/// The alternatives of which one must hold.
fn atoms(condition: &Condition, indexes: &dyn Fn(&InterfacePattern) -> Vec<u32>) -> Vec<Atom> {
    match condition {
        Condition::Family(_) => vec![Atom::family()],
        Condition::Destination(network) => {
            let (network, mask) = words(network);
            vec![Atom::Destination(network, mask)]
        }
        Condition::Source(network) => {
            let (network, mask) = words(network);
            vec![Atom::Source(network, mask)]
        }
        Condition::Protocol(number) => vec![Atom::Protocol(*number)],
        Condition::DestinationPorts(ranges) => ranges.iter().copied().map(Atom::DestinationPort).collect(),
        Condition::SourcePorts(ranges) => ranges.iter().copied().map(Atom::SourcePort).collect(),
        Condition::Ports(ranges) => {
            ranges.iter().flat_map(|range| [Atom::SourcePort(*range), Atom::DestinationPort(*range)]).collect()
        }
        Condition::Interface(pattern) => indexes(pattern).into_iter().map(Atom::Interface).collect(),
        Condition::Mark { value, mask } => vec![Atom::Mark { value: *value, mask: *mask }],
    }
}

impl Atom {
    /// IPv4, `::ffff:0:0/96`.
    fn family() -> Self {
        let mask = Address([u32::MAX, u32::MAX, u32::MAX, 0]);
        Self::Destination(Address::from_v4(0), mask)
    }

    /// The `NOT_...` bit of this kind of test.
    fn kind(&self) -> u16 {
        match self {
            Self::Destination(..) => NOT_DESTINATION,
            Self::Source(..) => NOT_SOURCE,
            Self::Protocol(_) => NOT_PROTOCOL,
            Self::DestinationPort(_) => NOT_DESTINATION_PORT,
            Self::SourcePort(_) => NOT_SOURCE_PORT,
            Self::Interface(_) => NOT_INTERFACE,
            Self::Mark { .. } => NOT_MARK,
        }
    }

    fn node(&self, negated: bool) -> MarkNode {
        let mut node = MarkNode::ALWAYS;
        self.put(&mut node, negated);
        node
    }

    fn put(&self, node: &mut MarkNode, negated: bool) {
        match *self {
            Self::Destination(network, mask) => (node.destination, node.destination_mask) = (network, mask),
            Self::Source(network, mask) => (node.source, node.source_mask) = (network, mask),
            Self::Protocol(number) => {
                node.protocol = number;
                node.protocol_mask = if number == 0 { 0 } else { u8::MAX };
            }
            Self::DestinationPort(PortRange { first, last }) => {
                (node.destination_port_first, node.destination_port_last) = (first, last);
            }
            Self::SourcePort(PortRange { first, last }) => {
                (node.source_port_first, node.source_port_last) = (first, last);
            }
            Self::Interface(index) => node.ifindex = index,
            Self::Mark { value, mask } => (node.mark_value, node.mark_mask) = (value, mask),
        }
        if negated {
            node.negated |= self.kind();
        }
    }
}

/// The network's words and its mask's. An IPv4 network is one of IPv4-mapped addresses.
fn words(network: &Network) -> (Address, Address) {
    let mut mask = Address::from(network.mask);
    if network.family() == Family::Inet {
        let Address([_, _, _, v4]) = mask;
        mask = Address([u32::MAX, u32::MAX, u32::MAX, v4]);
    }
    (Address::from(network.address).masked(&mask), mask)
}
