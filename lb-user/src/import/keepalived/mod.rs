//! keepalived.conf: its virtual servers, and by name everything else.

mod checker;
mod definitions;
mod global;
mod group;
mod http;
mod notify;
mod real_server;
mod script;
mod sequence;
mod source;
mod timing;
mod tree;
mod values;
mod virtual_server;

use std::collections::BTreeMap;

use super::draft::Draft;
use super::{Options, Source};
use crate::model::ServiceId;
use group::Group;
use timing::Timing;
use tree::Directive;

pub(super) use global::is_top_level;

/// Reads the file and those that it includes.
pub(super) fn read(source: &Source, options: &Options, draft: &mut Draft) {
    let config_id = options.config_id.clone().unwrap_or_else(host_name);
    let (lines, notes) = source::lines(&source.name, &source.text, &source.directory, &config_id);
    draft.notes.extend(notes);
    let directives = tree::directives(&lines, &mut draft.notes);
    let mut groups: BTreeMap<String, Group> = BTreeMap::new();
    for directive in directives.iter().filter(|directive| directive.keyword() == "virtual_server_group") {
        let group = group::read(directive, &mut draft.notes);
        if groups.insert(directive.value(0).to_owned(), group).is_some() {
            draft.notes.error(&directive.place, format!("{}: there is one of this name already", directive.shown()));
        }
    }
    let script_user = script_user(&directives);
    for directive in &directives {
        match directive.keyword() {
            "virtual_server_group" => {}
            "virtual_server" => virtual_server::read(directive, &mut groups, script_user, draft),
            _other => global::read(directive, draft),
        }
    }
    for group in groups.values().filter(|group| !group.used) {
        draft.notes.warn(&group.place, format!("{}: no virtual_server uses it; left out", group.shown));
    }
}

/// What is known of a real server or a checker by what is around it.
#[derive(Clone, Copy)]
struct Around<'a> {
    id: ServiceId,
    timing: Timing,
    virtual_host: Option<&'a str>,
    weight: u32,
    script_user: Option<&'a str>,
    alpha: bool,
}

/// The user of scripts that name none themselves.
fn script_user(directives: &[Directive]) -> Option<&str> {
    let globals = directives.iter().filter(|directive| directive.keyword() == "global_defs");
    let user = globals.flat_map(Directive::inner).find(|inner| inner.keyword() == "script_user");
    user.map(|inner| inner.value(0))
}

/// The first part of this host's name, which keepalived takes for the config-id.
fn host_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    name.trim().split('.').next().unwrap_or_default().to_owned()
}
