//! Firewall marks: the program that gives a packet its mark.
//!
//! IPVS sees the mark that netfilter's mangle table left on a packet. XDP runs before netfilter, so LVX compiles those
//! rules into [`MarkNode`]s and evaluates them itself, for packets that have no connection. A node is a conjunction of
//! tests; it says where to go on after a hit and after a miss, and a jump only goes forward, so evaluation ends. The
//! width of a port range or of a prefix costs nothing.
//!
//! The caller's loop is at most [`MAX_MARK_NODES`] times `(mark, next) = step(nodes[next], packet, mark)`, from mark 0
//! and node 0, until `next` is no node.

use crate::address::Address;

/// The longest program.
pub const MAX_MARK_NODES: u32 = 4096;

/// The `hit` or `miss` of a node after which evaluation ends.
pub const END: u32 = u32::MAX;

/// [`MarkNode::negated`]: the protocol must differ.
pub const NOT_PROTOCOL: u16 = 1;
/// [`MarkNode::negated`]: the destination port must be outside.
pub const NOT_DESTINATION_PORT: u16 = 1 << 1;
/// [`MarkNode::negated`]: the source port must be outside.
pub const NOT_SOURCE_PORT: u16 = 1 << 2;
/// [`MarkNode::negated`]: the destination must be outside.
pub const NOT_DESTINATION: u16 = 1 << 3;
/// [`MarkNode::negated`]: the source must be outside.
pub const NOT_SOURCE: u16 = 1 << 4;
/// [`MarkNode::negated`]: the interface must differ.
pub const NOT_INTERFACE: u16 = 1 << 5;
/// [`MarkNode::negated`]: the mark must differ.
pub const NOT_MARK: u16 = 1 << 6;

/// One step of the program: tests that must all hold, and what follows.
/// Its fields are ordered so that what most packets fail by lies in the first cache line.
#[repr(C, align(8))]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct MarkNode {
    /// IP protocol number.
    pub protocol: u8,
    /// 255 if the protocol counts, 0 if any will do.
    pub protocol_mask: u8,
    /// Which tests are negated: the sum of `NOT_...`.
    pub negated: u16,
    /// Lowest destination port, host order.
    pub destination_port_first: u16,
    /// Highest destination port, host order.
    pub destination_port_last: u16,
    /// Lowest source port, host order.
    pub source_port_first: u16,
    /// Highest source port, host order.
    pub source_port_last: u16,
    /// Index of the ingress interface; 0 is any.
    pub ifindex: u32,
    /// The destination's network; bits outside the mask are 0. This is also the test of the family: IPv4 is `::ffff:0:0/96`.
    pub destination: Address,
    /// Which bits of the destination count.
    pub destination_mask: Address,
    /// The source's network; bits outside the mask are 0.
    pub source: Address,
    /// Which bits of the source count.
    pub source_mask: Address,
    /// What the mark so far must be, under `mark_mask`.
    pub mark_value: u32,
    /// Which bits of the mark so far count.
    pub mark_mask: u32,
    /// On a hit the mark becomes `(mark & and) ^ xor`.
    pub and: u32,
    /// See `and`.
    pub xor: u32,
    /// The node after a hit: a later one, or [`END`].
    pub hit: u32,
    /// The node after a miss: a later one, or [`END`].
    pub miss: u32,
}

const _: () = assert!(size_of::<MarkNode>() == 104 && align_of::<MarkNode>() == 8);

impl MarkNode {
    /// The node that every packet hits and that changes nothing.
    pub const ALWAYS: Self = Self {
        protocol: 0,
        protocol_mask: 0,
        negated: 0,
        destination_port_first: 0,
        destination_port_last: u16::MAX,
        source_port_first: 0,
        source_port_last: u16::MAX,
        ifindex: 0,
        destination: Address([0; 4]),
        destination_mask: Address([0; 4]),
        source: Address([0; 4]),
        source_mask: Address([0; 4]),
        mark_value: 0,
        mark_mask: 0,
        and: u32::MAX,
        xor: 0,
        hit: END,
        miss: END,
    };
}

/// What mark rules look at in a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MarkPacket {
    /// Source address.
    pub source: Address,
    /// Destination address.
    pub destination: Address,
    /// IP protocol number.
    pub protocol: u8,
    /// Source port in host order, 0 where the protocol has none.
    pub source_port: u16,
    /// Destination port in host order, 0 where the protocol has none.
    pub destination_port: u16,
    /// Index of the interface that the packet came in by.
    pub ifindex: u32,
}

/// Evaluates one node for a packet that has `mark` so far: the mark after it, and the next node's index.
#[inline(always)]
pub fn step(node: &MarkNode, packet: &MarkPacket, mark: u32) -> (u32, u32) {
    let negated = node.negated;
    // What tells rules apart most often comes first, and costs least.
    let hit = failed_transport(node, packet) == negated & (NOT_PROTOCOL | NOT_DESTINATION_PORT)
        && bit(NOT_DESTINATION, differs(&packet.destination, &node.destination, &node.destination_mask))
            == negated & NOT_DESTINATION
        && failed_rest(node, packet, mark) == negated & (NOT_SOURCE_PORT | NOT_SOURCE | NOT_INTERFACE | NOT_MARK);
    if hit { ((mark & node.and) ^ node.xor, node.hit) } else { (mark, node.miss) }
}

/// Runs the whole program, as the packet path's loop does: the packet's mark.
#[cfg(not(target_arch = "bpf"))]
pub fn evaluate(nodes: &[MarkNode], packet: &MarkPacket) -> u32 {
    let (mut mark, mut next) = (0, 0);
    while let Some(node) = nodes.get(next as usize) {
        (mark, next) = step(node, packet, mark);
    }
    mark
}

/// Which of the tests of protocol and destination port fail, negation aside.
#[inline(always)]
fn failed_transport(node: &MarkNode, packet: &MarkPacket) -> u16 {
    let port = outside(packet.destination_port, node.destination_port_first, node.destination_port_last);
    bit(NOT_PROTOCOL, (packet.protocol ^ node.protocol) & node.protocol_mask != 0) | bit(NOT_DESTINATION_PORT, port)
}

/// Which of the tests of source port, source, interface and mark fail, negation aside.
#[inline(always)]
fn failed_rest(node: &MarkNode, packet: &MarkPacket, mark: u32) -> u16 {
    bit(NOT_SOURCE_PORT, outside(packet.source_port, node.source_port_first, node.source_port_last))
        | bit(NOT_SOURCE, differs(&packet.source, &node.source, &node.source_mask))
        | bit(NOT_INTERFACE, node.ifindex != 0 && node.ifindex != packet.ifindex)
        | bit(NOT_MARK, mark & node.mark_mask != node.mark_value)
}

#[inline(always)]
fn bit(test: u16, failed: bool) -> u16 {
    if failed { test } else { 0 }
}

/// One comparison: a port below the range wraps to a number above its width.
#[inline(always)]
fn outside(port: u16, first: u16, last: u16) -> bool {
    port.wrapping_sub(first) > last.wrapping_sub(first)
}

#[inline(always)]
fn differs(address: &Address, network: &Address, mask: &Address) -> bool {
    let Address([a, b, c, d]) = *address;
    let Address([na, nb, nc, nd]) = *network;
    let Address([ma, mb, mc, md]) = *mask;
    // The words that tell IPv4 addresses apart come first.
    ((d ^ nd) & md) | ((c ^ nc) & mc) | ((b ^ nb) & mb) | ((a ^ na) & ma) != 0
}

#[cfg(test)]
mod tests {
    use super::*;

    const PACKET: MarkPacket = MarkPacket {
        source: Address([1, 2, 3, 4]),
        destination: Address::from_v4(0x0164_10ac),
        protocol: 6,
        source_port: 40_000,
        destination_port: 80,
        ifindex: 2,
    };

    fn hits(node: MarkNode, mark: u32) -> bool {
        step(&MarkNode { hit: 1, miss: 2, ..node }, &PACKET, mark).1 == 1
    }

    #[test]
    fn each_test_and_its_negation() {
        let all = Address([u32::MAX; 4]);
        let any = MarkNode::ALWAYS;
        let rows = [
            (
                NOT_PROTOCOL,
                MarkNode { protocol: 6, protocol_mask: 255, ..any },
                MarkNode { protocol: 17, protocol_mask: 255, ..any },
            ),
            (
                NOT_DESTINATION_PORT,
                MarkNode { destination_port_first: 80, destination_port_last: 80, ..any },
                MarkNode { destination_port_first: 81, destination_port_last: 88, ..any },
            ),
            (
                NOT_SOURCE_PORT,
                MarkNode { source_port_first: 1, source_port_last: 40_000, ..any },
                MarkNode { source_port_first: 1, source_port_last: 39_999, ..any },
            ),
            (
                NOT_DESTINATION,
                MarkNode { destination: PACKET.destination, destination_mask: all, ..any },
                MarkNode { destination: PACKET.source, destination_mask: all, ..any },
            ),
            (
                NOT_SOURCE,
                MarkNode { source: PACKET.source, source_mask: all, ..any },
                MarkNode { source: PACKET.destination, source_mask: all, ..any },
            ),
            (NOT_INTERFACE, MarkNode { ifindex: 2, ..any }, MarkNode { ifindex: 3, ..any }),
            (
                NOT_MARK,
                MarkNode { mark_value: 8, mark_mask: 0xff, ..any },
                MarkNode { mark_value: 9, mark_mask: 0xff, ..any },
            ),
        ];
        for (negated, holds, fails) in rows {
            assert!(hits(holds, 0x108), "{holds:?}");
            assert!(!hits(fails, 0x108), "{fails:?}");
            assert!(!hits(MarkNode { negated, ..holds }, 0x108), "{holds:?}");
            assert!(hits(MarkNode { negated, ..fails }, 0x108), "{fails:?}");
            assert!(!hits(MarkNode { negated, ..any }, 0x108), "not any is none");
        }
    }

    #[test]
    fn a_hit_changes_the_mark_and_a_miss_does_not() {
        let node = MarkNode { and: !0xff, xor: 0x8, hit: 7, miss: 9, ..MarkNode::ALWAYS };
        assert_eq!(step(&node, &PACKET, 0x1234), (0x1208, 7));
        assert_eq!(step(&MarkNode { ifindex: 1, ..node }, &PACKET, 0x1234), (0x1234, 9));
    }

    #[test]
    fn evaluation_starts_at_mark_0_and_ends_after_the_program() {
        assert_eq!(evaluate(&[], &PACKET), 0);
        let first = MarkNode { xor: 1, hit: 2, ..MarkNode::ALWAYS };
        let skipped = MarkNode { xor: 2, ..MarkNode::ALWAYS };
        let last = MarkNode { xor: 4, hit: END, ..MarkNode::ALWAYS };
        assert_eq!(evaluate(&[first, skipped, last], &PACKET), 5);
    }
}
