//! What `iptables-save -t mangle` prints, as a rule set and what is not in it.

use std::collections::{BTreeMap, BTreeSet};

use super::rule::{self, Rule, Verb};
use super::{Origin, Reading, Unsupported};
use crate::model::Family;
use crate::model::marks::{RuleSet, Target};

pub(super) const ENTRY: &str = "PREROUTING";

/// A chain's rules, each with its text.
type Chains<'a> = BTreeMap<&'a str, Vec<(&'a str, Rule)>>;

/// Reads the text; there is no rule set where no rule gives a mark.
pub(super) fn parse(origin: Origin, family: Family, text: &str) -> Reading {
    let not_followed = |what: &str, why: &str| Unsupported { origin, what: what.to_owned(), why: why.to_owned() };
    let (chains, mut unsupported) = (chains(text), Vec::new());
    for line in text.lines() {
        if line.starts_with("# Table `mangle'") && line.contains("incompatible") {
            unsupported.push(not_followed("table mangle", INCOMPATIBLE));
        }
        if line.starts_with(":PREROUTING DROP") {
            unsupported.push(not_followed("-P PREROUTING DROP", DROPPED));
        }
    }

    let followed = reachable(&chains, ENTRY);
    let marking = marking(&chains, &followed);
    let mut set = RuleSet { family, entry: ENTRY.to_owned(), chains: BTreeMap::new() };
    for &name in &followed {
        let rules = chains.get(name).map(Vec::as_slice).unwrap_or_default();
        let mut kept = Vec::new();
        for (index, (line, rule)) in rules.iter().enumerate() {
            let later = rules.get(index + 1..).unwrap_or_default();
            match (rule.expressed(), why_not(rule)) {
                (Some(expressed), _) => kept.push(expressed),
                (None, Some(why)) if rule.concerns_services() && matters(rule, name, later, &marking) => {
                    unsupported.push(not_followed(line, &format!("left out of the mark rules: {why}")));
                }
                (None, _) => {}
            }
        }
        set.chains.insert(name.to_owned(), kept);
    }
    for (line, rule) in reachable(&chains, "INPUT").iter().flat_map(|name| chains.get(name)).flatten() {
        if gives_mark(rule) && rule.concerns_services() {
            unsupported.push(not_followed(line, "left out of the mark rules: LVX follows PREROUTING, not INPUT"));
        }
    }
    Reading { ruleset: set.gives_marks().then_some(set), unsupported }
}

const INCOMPATIBLE: &str = "left out of the mark rules: nft has put something into it that iptables cannot print";
const DROPPED: &str = "LVX forwards packets before netfilter can drop them";

fn why_not(rule: &Rule) -> Option<&str> {
    match (&rule.verb, &rule.obstacle) {
        (Verb::Nothing, _) => None,
        (Verb::Drop, _) => Some(DROPPED),
        (Verb::Unknown(why), _) => Some(why),
        (Verb::Do(_), obstacle) => obstacle.as_deref(),
    }
}

/// All chains of the table with their rules.
fn chains(text: &str) -> Chains<'_> {
    let names = chain_names(text);
    let mut chains: Chains<'_> = names.iter().map(|name| (*name, Vec::new())).collect();
    for line in text.lines() {
        let Some(appended) = without_counters(line).strip_prefix("-A ") else { continue };
        let (chain, rest) = appended.split_once(' ').unwrap_or((appended, ""));
        chains.entry(chain).or_default().push((without_counters(line), rule::parse(&words(rest), &names)));
    }
    chains
}

/// The names of the table's chains.
pub(super) fn chain_names(text: &str) -> BTreeSet<&str> {
    text.lines().filter_map(|line| line.strip_prefix(':')?.split(' ').next()).collect()
}

/// With `-c` a rule begins with `[packets:bytes] `.
pub(super) fn without_counters(line: &str) -> &str {
    match line.strip_prefix('[').and_then(|line| line.split_once("] ")) {
        Some((_, rule)) => rule,
        None => line,
    }
}

/// Splits as xtables_save_string quotes: blanks separate, except within `"`, where `\` escapes one character.
pub(super) fn words(text: &str) -> Vec<String> {
    let (mut words, mut word) = (Vec::new(), None::<String>);
    let (mut quoted, mut characters) = (false, text.chars());
    while let Some(character) = characters.next() {
        match character {
            ' ' if !quoted => words.extend(word.take()),
            '"' => {
                quoted = !quoted;
                word.get_or_insert_default();
            }
            '\\' if quoted => word.get_or_insert_default().extend(characters.next()),
            other => word.get_or_insert_default().push(other),
        }
    }
    words.extend(word);
    words
}

fn reachable<'a>(chains: &Chains<'a>, entry: &str) -> BTreeSet<&'a str> {
    let mut reached = BTreeSet::new();
    let mut open: Vec<&'a str> = chains.get_key_value(entry).map(|(name, _)| *name).into_iter().collect();
    while let Some(name) = open.pop() {
        if reached.insert(name) {
            let targets = chains.get(name).into_iter().flatten().filter_map(|(_, rule)| target_chain(rule));
            open.extend(targets.filter_map(|target| chains.get_key_value(target).map(|(name, _)| *name)));
        }
    }
    reached
}

/// The chains from which a rule that gives a mark is reached.
fn marking<'a>(chains: &Chains<'a>, followed: &BTreeSet<&'a str>) -> BTreeSet<&'a str> {
    let gives = |name: &str| chains.get(name).into_iter().flatten().any(|(_, rule)| gives_mark(rule));
    followed.iter().copied().filter(|name| reachable(chains, name).into_iter().any(gives)).collect()
}

fn gives_mark(rule: &Rule) -> bool {
    matches!(rule.verb, Verb::Do(Target::Mark(_)) | Verb::Unknown(_))
}

fn target_chain(rule: &Rule) -> Option<&str> {
    match &rule.verb {
        Verb::Do(Target::Jump(chain) | Target::Goto(chain)) => Some(chain),
        Verb::Do(Target::Mark(_) | Target::Accept | Target::Return) | Verb::Drop | Verb::Unknown(_) | Verb::Nothing => {
            None
        }
    }
}

/// Whether leaving the rule out may give a packet another mark; a rule that drops packets always matters.
/// In the entry chain a rule that only leads the walk matters if marks are given in its target or after it; from
/// other chains the walk returns to places not looked at here, so there it matters if marks are given at all.
fn matters(rule: &Rule, chain: &str, later: &[(&str, Rule)], marking: &BTreeSet<&str>) -> bool {
    if gives_mark(rule) || rule.verb == Verb::Drop {
        return true;
    }
    let leads_to_mark = |rule: &Rule| target_chain(rule).is_some_and(|target| marking.contains(target));
    if chain == ENTRY {
        leads_to_mark(rule) || later.iter().any(|(_, later)| gives_mark(later) || leads_to_mark(later))
    } else {
        !marking.is_empty()
    }
}

#[cfg(test)]
mod tests;
