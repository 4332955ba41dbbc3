//! A saved mangle table rule by rule, for `lvx import`, which must say what becomes of each line.

use super::rule;
use super::save::{ENTRY, chain_names, without_counters, words};
use crate::model::marks::MarkRule;

/// A rule with its line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SavedRule {
    /// Line, from 0.
    pub(crate) line: usize,
    /// The chain that it is in.
    pub(crate) chain: String,
    /// As it is written, without counters.
    pub(crate) text: String,
    /// What it says, if a mark rule can.
    pub(crate) rule: Option<MarkRule>,
}

impl SavedRule {
    /// The chain in which the walk of a packet begins.
    pub(crate) const ENTRY: &'static str = ENTRY;
}

/// The rules of what `iptables-save -t mangle` printed, in order.
pub(crate) fn saved_rules(text: &str) -> Vec<SavedRule> {
    let names = chain_names(text);
    let read = |(line, text): (usize, &str)| {
        let text = without_counters(text);
        let appended = text.strip_prefix("-A ")?;
        let (chain, rest) = appended.split_once(' ').unwrap_or((appended, ""));
        let rule = rule::parse(&words(rest), &names).expressed();
        Some(SavedRule { line, chain: chain.to_owned(), text: text.to_owned(), rule })
    };
    text.lines().enumerate().filter_map(read).collect()
}
