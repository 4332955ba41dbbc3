//! The compiled program gives every packet the mark that a plain walk through the rules gives it.

use std::net::IpAddr;

use lb_common::marks::{MAX_MARK_NODES, MarkPacket, evaluate};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::*;

const CHAINS: [&str; 5] = ["PREROUTING", "A", "B", "C", "D"];
const INTERFACES: [(&str, u32); 4] = [("eth0", 2), ("eth1", 3), ("lo", 1), ("bond0", 3)];

/// How the walk through a chain ended.
enum Walked {
    Through,
    Accepted,
}

fn walk(set: &RuleSet, chain: &str, packet: &MarkPacket, mark: &mut u32) -> Walked {
    for rule in &set.chains[chain] {
        if !rule.tests.iter().all(|test| holds(&test.condition, packet, *mark) != test.negated) {
            continue;
        }
        match &rule.target {
            Target::Mark(operation) => *mark = operation.apply(*mark),
            Target::Accept => return Walked::Accepted,
            Target::Return => return Walked::Through,
            Target::Jump(to) => match walk(set, to, packet, mark) {
                Walked::Through => {}
                Walked::Accepted => return Walked::Accepted,
            },
            Target::Goto(to) => return walk(set, to, packet, mark),
        }
    }
    Walked::Through
}

fn holds(condition: &Condition, packet: &MarkPacket, mark: u32) -> bool {
    let within = |ranges: &[PortRange], port: u16| ranges.iter().any(|range| range.first <= port && port <= range.last);
    match condition {
        Condition::Family(family) => Family::from(IpAddr::from(packet.destination)) == *family,
        Condition::Destination(network) => contains(network, packet.destination.into()),
        Condition::Source(network) => contains(network, packet.source.into()),
        Condition::Protocol(number) => *number == 0 || *number == packet.protocol,
        Condition::DestinationPorts(ranges) => within(ranges, packet.destination_port),
        Condition::SourcePorts(ranges) => within(ranges, packet.source_port),
        Condition::Ports(ranges) => within(ranges, packet.source_port) || within(ranges, packet.destination_port),
        Condition::Interface(pattern) => {
            INTERFACES.iter().any(|(name, index)| pattern.matches(name) && *index == packet.ifindex)
        }
        Condition::Mark { value, mask } => mark & mask == *value,
    }
}

fn contains(network: &Network, address: IpAddr) -> bool {
    match (network.address, network.mask, address) {
        (IpAddr::V4(network), IpAddr::V4(mask), IpAddr::V4(address)) => network & mask == address & mask,
        (IpAddr::V6(network), IpAddr::V6(mask), IpAddr::V6(address)) => network & mask == address & mask,
        _ => false,
    }
}

pub(crate) fn expected(sets: &[RuleSet], own: &[MarkRule], packet: &MarkPacket) -> u32 {
    let mut mark = 0;
    let own = RuleSet {
        family: Family::Inet,
        entry: "own".into(),
        chains: [("own".into(), own.to_vec())].into_iter().collect(),
    };
    walk(&own, "own", packet, &mut mark);
    for set in sets {
        if set.family == Family::from(IpAddr::from(packet.destination)) {
            walk(set, &set.entry, packet, &mut mark);
        }
    }
    mark
}

fn network() -> impl Strategy<Value = Network> {
    select(vec![
        "10.0.0.1",
        "10.0.0.0/8",
        "10.0.0.0/30",
        "0.0.0.0/0",
        "10.0.0.1/255.0.0.1",
        "::1",
        "::/64",
        "2001:db8::/32",
        "::/0",
        "::2/::f",
        "::ffff:0:0/96",
    ])
    .prop_map(|text| text.parse().expect("a network"))
}

fn ranges() -> impl Strategy<Value = Vec<PortRange>> {
    let range = (0_u16..6, 0_u16..6).prop_map(|(a, b)| PortRange { first: a.min(b), last: a.max(b) });
    vec(prop_oneof![range, Just(PortRange { first: 3, last: u16::MAX })], 1..4)
}

fn condition() -> impl Strategy<Value = Condition> {
    prop_oneof![
        select(vec![Family::Inet, Family::Inet6]).prop_map(Condition::Family),
        network().prop_map(Condition::Destination),
        network().prop_map(Condition::Source),
        select(vec![0_u8, 1, 6, 17]).prop_map(Condition::Protocol),
        ranges().prop_map(Condition::DestinationPorts),
        ranges().prop_map(Condition::SourcePorts),
        ranges().prop_map(Condition::Ports),
        select(vec!["eth0", "eth+", "+", "bond0", "wlan0"])
            .prop_map(|text| Condition::Interface(text.parse().expect("a pattern"))),
        (0_u32..4, 0_u32..4).prop_map(|(value, mask)| Condition::Mark { value, mask }),
    ]
}

fn tests() -> impl Strategy<Value = Vec<Test>> {
    vec((condition(), any::<bool>()).prop_map(|(condition, negated)| Test { condition, negated }), 0..4)
}

fn operation() -> impl Strategy<Value = Target> {
    prop_oneof![
        (0_u32..8).prop_map(|mark| MarkOperation::set_mark(mark, u32::MAX)),
        (any::<u32>(), any::<u32>()).prop_map(|(value, mask)| MarkOperation::set_xmark(value, mask)),
        (0_u32..8, 0_u32..8).prop_map(|(value, mask)| MarkOperation::set_mark(value, mask)),
    ]
    .prop_map(Target::Mark)
}

/// A target in the chain of this number; jumps lead to later chains only.
fn target(chain: usize) -> BoxedStrategy<Target> {
    let flow = prop_oneof![Just(Target::Accept), Just(Target::Return)];
    let later = CHAINS[chain + 1..].to_vec();
    if later.is_empty() {
        return prop_oneof![3 => operation(), 1 => flow].boxed();
    }
    let to = select(later).prop_map(str::to_owned);
    prop_oneof![3 => operation(), 1 => flow, 1 => to.clone().prop_map(Target::Jump), 1 => to.prop_map(Target::Goto)]
        .boxed()
}

fn rules(chain: usize) -> impl Strategy<Value = Vec<MarkRule>> {
    vec((tests(), target(chain)).prop_map(|(tests, target)| MarkRule { tests, target }), 0..4)
}

fn ruleset() -> impl Strategy<Value = RuleSet> {
    let chains = (rules(0), rules(1), rules(2), rules(3), rules(4));
    (select(vec![Family::Inet, Family::Inet6]), chains).prop_map(|(family, (a, b, c, d, e))| RuleSet {
        family,
        entry: CHAINS[0].to_owned(),
        chains: CHAINS.iter().map(|name| (*name).to_owned()).zip([a, b, c, d, e]).collect(),
    })
}

/// Chains of rules with few tests, none of them of marks, so that many can be written without chains.
pub(crate) fn plain_ruleset() -> impl Strategy<Value = RuleSet> {
    let condition = condition().prop_filter("of marks", |condition| !matches!(condition, Condition::Mark { .. }));
    let test =
        (condition, proptest::bool::weighted(0.2)).prop_map(|(condition, negated)| Test { condition, negated }).boxed();
    let targets = [target(0), target(1), target(4)].map(|target| (vec(test.clone(), 0..3), target).boxed());
    let [entry, inner, last] =
        targets.map(|rule| vec(rule.prop_map(|(tests, target)| MarkRule { tests, target }).boxed(), 0..3).boxed());
    (select(vec![Family::Inet, Family::Inet6]), entry, inner, vec(last, 3)).prop_map(|(family, entry, inner, rest)| {
        let rules = [entry, inner].into_iter().chain(rest);
        let chains = CHAINS.iter().map(|name| (*name).to_owned()).zip(rules).collect();
        RuleSet { family, entry: CHAINS[0].to_owned(), chains }
    })
}

fn own() -> impl Strategy<Value = Vec<MarkRule>> {
    vec((tests(), operation()).prop_map(|(tests, target)| MarkRule { tests, target }), 0..4)
}

pub(crate) fn packet() -> impl Strategy<Value = MarkPacket> {
    let v4 = (select(vec!["10.0.0.1", "10.0.0.2", "10.9.9.9", "192.0.2.1"]), select(vec!["10.0.0.1", "10.0.0.2"]));
    let v6 = (select(vec!["::1", "2001:db8::1", "fe80::1"]), select(vec!["::1", "2001:db8::1"]));
    (prop_oneof![v4, v6], select(vec![1_u8, 6, 17]), 0_u16..7, 0_u16..7, 1_u32..4).prop_map(
        |((source, destination), protocol, source_port, destination_port, ifindex)| MarkPacket {
            source: source.parse::<IpAddr>().expect("an address").into(),
            destination: destination.parse::<IpAddr>().expect("an address").into(),
            protocol,
            source_port,
            destination_port,
            ifindex,
        },
    )
}

fn interfaces() -> Vec<(String, u32)> {
    INTERFACES.iter().map(|&(name, index)| (name.to_owned(), index)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn the_program_does_what_the_rules_say(
        sets in vec(ruleset(), 0..3),
        own in own(),
        packets in vec(packet(), 1..20),
    ) {
        let program = compile(&sets, &own, &interfaces())?;
        prop_assert!(program.len() <= MAX_MARK_NODES as usize);
        for (index, node) in program.iter().enumerate() {
            prop_assert!(node.hit > index as u32 && node.miss > index as u32, "a jump back: {node:?}");
        }
        for packet in &packets {
            prop_assert_eq!(evaluate(&program, packet), expected(&sets, &own, packet), "{:?}", packet);
        }
    }
}
