//! Firewall marks: whether netfilter's rules are followed, and the file's own rules.

use super::Config;
use super::item::Item;
use super::section::Section;
use crate::model::marks::{MarkRule, MarkRuleConfig};

pub(super) fn read(root: &Section<'_>, config: &mut Config) {
    root.table("marks", |section| {
        config.follow_netfilter = section.boolean("follow_netfilter").unwrap_or(config.follow_netfilter);
        config.mark_rules = section.list("rule").iter().filter_map(rule).collect();
    });
}

fn rule(item: &Item<'_>) -> Option<MarkRule> {
    let written: MarkRuleConfig = item.deserialized()?;
    match MarkRule::try_from(&written) {
        Ok(rule) => Some(rule),
        Err(error) => {
            let advice = "docs/config.md, [[marks.rule]], shows the forms";
            match item.at(error.key()) {
                Some(key) => key.refuse(&error.to_string(), advice),
                None => item.refuse(&error.to_string(), advice),
            }
            None
        }
    }
}
