//! What `iptables-save` and `ip6tables-save` print: the rules of mangle that give marks become LVX' own.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Source;
use super::draft::Draft;
use super::marks::{Flattened, Step, Walk, flatten};
use super::note::{Notes, Place};
use crate::model::Family;
use crate::netfilter::{SavedRule, Snapshot, saved_rules};

pub(super) fn read(source: &Source, draft: &mut Draft) {
    let file: Arc<str> = source.name.as_str().into();
    let lines: Vec<&str> = source.text.lines().collect();
    let mut begin = 0;
    for end in 0..lines.len() {
        if lines.get(end).is_some_and(|line| line.trim() == "COMMIT") {
            table(&file, lines.get(..end).unwrap_or_default(), begin, draft);
            begin = end + 1;
        }
    }
    for (index, line) in lines.iter().enumerate().skip(begin) {
        if !line.trim().is_empty() && !line.starts_with('#') {
            let why = "a table does not end with COMMIT: the file is cut off";
            draft.notes.error(&Place::new(&file, index + 1), why);
            return;
        }
    }
}

/// One table, from line `begin` to the end of `lines`.
fn table(file: &Arc<str>, lines: &[&str], begin: usize, draft: &mut Draft) {
    let here = || lines.iter().enumerate().skip(begin);
    let Some((name_line, name)) = here().find_map(|(index, line)| Some((index, line.strip_prefix('*')?))) else {
        draft.notes.error(&Place::new(file, lines.len() + 1), "COMMIT without a table before it");
        return;
    };
    for (index, line) in here() {
        if !line.is_empty() && !line.starts_with(['#', '*', ':', '-', '[']) {
            draft.notes.error(&Place::new(file, index + 1), format!("`{line}` is no line of iptables-save"));
        }
    }
    if name.trim() == "mangle" {
        let text: Vec<&str> = lines.iter().enumerate().map(|(i, line)| if i < begin { "" } else { line }).collect();
        mangle(file, &text.join("\n"), draft);
        return;
    }
    let count = here().filter(|(_, line)| line.contains("-A ")).count();
    for (index, _) in here().filter(|(_, line)| line.starts_with(':') && line.contains(" DROP ")) {
        draft.notes.warn(&Place::new(file, index + 1), format!("policy DROP of table {name}: {NOT_SEEN}"));
    }
    if count != 0 {
        let text = format!("table {name} (to line {}), {count} rules: {NOT_SEEN}", lines.len() + 1);
        draft.notes.warn(&Place::new(file, name_line + 1), text);
    }
}

const NOT_SEEN: &str = "not imported; packets of services are forwarded before netfilter sees them";

fn mangle(file: &Arc<str>, text: &str, draft: &mut Draft) {
    let snapshot = Snapshot::of_saved(family(text), text);
    let rules = saved_rules(text);
    let chains = snapshot.rulesets.first().map(|set| &set.chains);
    let mut walk = Walk { family: Some(family(text)), entry: SavedRule::ENTRY.to_owned(), chains: BTreeMap::new() };
    let mut notes = Notes::default();
    for saved in rules {
        let place = Place::new(file, saved.line + 1);
        let unsupported = snapshot.unsupported.iter().find(|unsupported| unsupported.what == saved.text);
        let followed = chains.is_some_and(|chains| chains.contains_key(&saved.chain));
        match (unsupported, saved.rule) {
            (Some(unsupported), _) => notes.warn(&place, format!("`{}`: {}", saved.text, unsupported.why)),
            (None, Some(rule)) if followed => {
                walk.chains.entry(saved.chain).or_default().push(Step { place, text: saved.text, rule });
            }
            (None, _) => {
                notes.warn(&place, format!("`{}`: gives no mark to packets of services; {NOT_SEEN}", saved.text))
            }
        }
    }
    for unsupported in snapshot.unsupported.iter().filter(|unsupported| !unsupported.what.starts_with("-A ")) {
        let line = text.lines().position(|line| line.starts_with(":PREROUTING") || line.contains("incompatible"));
        notes.warn(&Place::new(file, line.unwrap_or(0) + 1), format!("{}: {}", unsupported.what, unsupported.why));
    }
    draft.notes.extend(notes);
    adopt(&walk, draft);
}

/// Takes the rules over, or leaves them where they are: half of them would give other marks.
pub(super) fn adopt(walk: &Walk, draft: &mut Draft) {
    match flatten(walk) {
        Ok(Flattened { rules, .. }) if rules.is_empty() => {
            for step in walk.chains.values().flatten() {
                draft.notes.warn(&step.place, format!("`{}`: gives no mark; {NOT_SEEN}", step.text));
            }
        }
        Ok(Flattened { rules, notes }) => {
            draft.rules.extend(rules);
            draft.notes.extend(notes);
            draft.follow_netfilter.get_or_insert(false);
        }
        Err(unsayable) => {
            let places = walk.chains.values().flatten().map(|step| &step.place);
            for place in places {
                let why =
                    if *place == unsayable.place { unsayable.why } else { "it works together with one that is not" };
                let text =
                    format!("not imported as a [[marks.rule]]: {why}; leave the rules in netfilter, which LVX follows");
                draft.notes.warn(place, text);
            }
            draft.follow_netfilter = Some(true);
        }
    }
}

/// By the comment that the program writes first, else by the addresses.
fn family(text: &str) -> Family {
    if text.lines().any(|line| line.starts_with("# Generated by ip6tables-save")) {
        return Family::Inet6;
    }
    let addresses = |line: &&str| {
        let words: Vec<&str> = line.split(' ').collect();
        words.windows(2).any(|pair| matches!(pair, ["-s" | "-d", address] if address.contains(':')))
    };
    if text.lines().any(|line| addresses(&line)) { Family::Inet6 } else { Family::Inet }
}
