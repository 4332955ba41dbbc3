//! What a program costs, in which order it evaluates, and what there is no program for.

use std::collections::BTreeMap;
use std::net::IpAddr;

use lb_common::marks::{MarkPacket, evaluate};

use super::*;
use crate::model::Family;
use crate::model::marks::{Condition, MarkRuleConfig, Test};

/// Rules as the config file has them.
fn own(text: &str) -> Vec<MarkRule> {
    let rules: BTreeMap<String, Vec<MarkRuleConfig>> = toml::from_str(text).expect("rules");
    rules.values().flatten().map(|rule| rule.try_into().expect("a rule")).collect()
}

fn rule(target: Target) -> MarkRule {
    MarkRule { tests: Vec::new(), target }
}

fn set(chains: &[(&str, Vec<MarkRule>)]) -> RuleSet {
    let chains = chains.iter().map(|(name, rules)| ((*name).to_owned(), rules.clone())).collect();
    RuleSet { family: Family::Inet, entry: "PREROUTING".to_owned(), chains }
}

fn jump(chain: &str) -> MarkRule {
    rule(Target::Jump(chain.to_owned()))
}

fn mark(mark: u32) -> MarkRule {
    rule(Target::Mark(MarkOperation::set_mark(mark, u32::MAX)))
}

fn to(destination: &str, port: u16) -> MarkPacket {
    let address = |text: &str| text.parse::<IpAddr>().expect("an address").into();
    let source = if destination.contains(':') { "2001:db8::9" } else { "198.51.100.9" };
    MarkPacket {
        source: address(source),
        destination: address(destination),
        protocol: 6,
        source_port: 40_000,
        destination_port: port,
        ifindex: 2,
    }
}

#[test]
fn a_range_costs_one_node_however_wide_it_is() {
    for ports in ["80", "\"10000:20000\"", "\"0:65534\"", "\"! 10000:20000\""] {
        let rules = own(&format!("[[rule]]\nmark = 8\ndestination = \"172.16.100.1\"\ndestination_port = {ports}"));
        assert_eq!(compile(&[], &rules, &[]).expect("a program").len(), 1, "{ports}");
    }
    let list = own("[[rule]]\nmark = 8\ndestination = \"172.16.100.1\"\ndestination_port = [80, 443, \"8000:8100\"]");
    assert_eq!(compile(&[], &list, &[]).expect("a program").len(), 4, "the rest of the rule, and each element");
}

#[test]
fn the_last_rule_of_overlapping_ones_wins() {
    let host = "[[rule]]\nmark = 8\ndestination = \"172.16.100.1\"\ndestination_port = 80\n";
    let net = "[[rule]]\nmark = 9\ndestination = \"172.16.100.0/24\"\ndestination_port = \"1:1023\"\n";
    for (text, on_both) in [(format!("{host}{net}"), 9), (format!("{net}{host}"), 8)] {
        let program = compile(&[], &own(&text), &[]).expect("a program");
        assert_eq!(evaluate(&program, &to("172.16.100.1", 80)), on_both);
        assert_eq!(evaluate(&program, &to("172.16.100.1", 443)), 9);
        assert_eq!(evaluate(&program, &to("172.16.100.2", 80)), 9);
        assert_eq!(evaluate(&program, &to("172.16.101.1", 80)), 0);
    }
}

#[test]
fn netfilter_sees_and_changes_the_mark_that_lvx_gave() {
    let seen = Test { condition: Condition::Mark { value: 8, mask: u32::MAX }, negated: false };
    let changes = MarkRule { tests: vec![seen], ..mark(11) };
    let netfilter = set(&[("PREROUTING", vec![changes])]);
    let own = own("[[rule]]\nmark = 8\ndestination_port = 80");
    let program = compile(&[netfilter], &own, &[]).expect("a program");
    assert_eq!(evaluate(&program, &to("172.16.100.1", 80)), 11);
    assert_eq!(evaluate(&program, &to("172.16.100.1", 81)), 0);
    assert_eq!(evaluate(&program, &to("2001:db8::1", 80)), 8, "the rule set is for IPv4");
}

#[test]
fn accept_ends_only_its_own_rule_set() {
    let first = set(&[("PREROUTING", vec![mark(1), rule(Target::Accept), mark(2)])]);
    let second = set(&[("PREROUTING", vec![rule(Target::Mark(MarkOperation::set_xmark(0x10, 0x10)))])]);
    let program = compile(&[first, second], &[], &[]).expect("a program");
    assert_eq!(evaluate(&program, &to("172.16.100.1", 80)), 0x11);
}

#[test]
fn all_packets_of_a_client_get_one_mark_for_all_its_services() {
    let rules = own("[[rule]]\nmark = 8\nprotocol = \"tcp\"\ndestination_port = [80, 443]\n\
                     [[rule]]\nmark = 8\nprotocol = \"udp\"\ndestination_port = 443");
    let program = compile(&[], &rules, &[]).expect("a program");
    for (protocol, port, expected) in [(6, 80, 8), (6, 443, 8), (17, 443, 8), (17, 80, 0), (6, 22, 0)] {
        let packet = MarkPacket { protocol, ..to("172.16.100.1", port) };
        assert_eq!(evaluate(&program, &packet), expected, "{protocol} {port}");
    }
}

#[test]
fn interfaces_are_those_that_are_there() {
    let rules = |interface: &str| own(&format!("[[rule]]\nmark = 8\ninterface = \"{interface}\""));
    let names = |list: &[(&str, u32)]| list.iter().map(|&(name, index)| (name.to_owned(), index)).collect::<Vec<_>>();
    let rows = [
        ("eth0", vec![("eth0", 2), ("eth1", 3)], 8),
        ("eth1", vec![("eth0", 2), ("eth1", 3)], 0),
        ("! eth1", vec![("eth0", 2), ("eth1", 3)], 8),
        ("eth+", vec![("eth0", 2), ("eth1", 3)], 8),
        ("! eth+", vec![("eth0", 2), ("eth1", 3)], 0),
        ("bond0", vec![("bond0", 1), ("bond0", 2)], 8),
        ("! bond0", vec![("bond0", 1), ("bond0", 2)], 0),
        ("eth0", vec![], 0),
        ("! eth0", vec![], 8),
    ];
    for (pattern, list, expected) in rows {
        let program = compile(&[], &rules(pattern), &names(&list)).expect("a program");
        assert_eq!(evaluate(&program, &to("172.16.100.1", 80)), expected, "{pattern} {list:?}");
    }
}

#[test]
fn rules_without_effect_are_no_program() {
    let quiet = set(&[("PREROUTING", vec![jump("A"), rule(Target::Accept)]), ("A", vec![rule(Target::Return)])]);
    assert_eq!(compile(&[quiet], &[], &[]), Ok(Vec::new()));
    assert_eq!(compile(&[], &[], &[]), Ok(Vec::new()));
}

#[test]
fn a_chain_that_leads_into_itself_is_refused() {
    let looping = set(&[("PREROUTING", vec![jump("A")]), ("A", vec![jump("B")]), ("B", vec![jump("A")])]);
    assert_eq!(compile(&[looping], &[], &[]), Err(CompileError::Loop { chain: "A".to_owned() }));
}

#[test]
fn a_chain_that_is_not_there_is_refused() {
    let missing = CompileError::UnknownChain { chain: "A".to_owned() };
    assert_eq!(compile(&[set(&[("PREROUTING", vec![jump("A")])])], &[], &[]), Err(missing.clone()));
    assert_eq!(compile(&[], &[jump("A")], &[]), Err(missing));
}

#[test]
fn too_many_nodes_and_too_deep_jumps_are_refused() {
    let full: Vec<_> = (1..=MAX_MARK_NODES).map(|_| rule(Target::Mark(MarkOperation::set_xmark(1, 0)))).collect();
    assert_eq!(compile(&[], &full, &[]).map(|program| program.len()), Ok(MAX_MARK_NODES as usize));
    let more: Vec<_> = full.iter().chain(&full[..1]).cloned().collect();
    assert_eq!(compile(&[], &more, &[]), Err(CompileError::TooLong));

    let name = |level: usize| if level == 0 { "PREROUTING".to_owned() } else { format!("C{level}") };
    let nested = |levels: usize, jumps: usize| {
        let chain = |level| {
            let inside = if level + 1 < levels { vec![jump(&name(level + 1)); jumps] } else { vec![mark(1)] };
            (name(level), inside)
        };
        RuleSet { family: Family::Inet, entry: name(0), chains: (0..levels).map(chain).collect() }
    };
    assert!(compile(&[nested(DEEPEST, 1)], &[], &[]).is_ok());
    let deepest = CompileError::TooDeep { chain: name(DEEPEST) };
    assert_eq!(compile(&[nested(DEEPEST + 1, 1)], &[], &[]), Err(deepest));
    assert_eq!(compile(&[nested(40, 2)], &[], &[]), Err(CompileError::TooLong), "2^40 copies are not tried");
}
