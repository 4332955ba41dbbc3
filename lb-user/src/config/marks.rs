//! Firewall marks: whether netfilter's rules are followed, and the file's own rules.

use super::Config;
use super::section::Section;

/// A mark rule as it is written.
pub type MarkRule = toml::Table;

pub(super) fn read(root: &Section<'_>, config: &mut Config) {
    root.table("marks", |section| {
        config.follow_netfilter = section.boolean("follow_netfilter").unwrap_or(config.follow_netfilter);
        config.mark_rules = section.list("rule").iter().filter_map(|item| item.deserialized::<MarkRule>()).collect();
    });
}
