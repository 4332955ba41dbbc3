//! What `nft list ruleset` prints: the rules that give marks before IPVS would see the packet.

mod lexer;
mod rule;

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Source;
use super::draft::Draft;
use super::marks::{Step, Walk};
use super::netfilter::adopt;
use super::note::Place;
use crate::model::Family;
use crate::model::marks::Target;
use lexer::{Item, Statement};

pub(super) fn read(source: &Source, draft: &mut Draft) {
    let file: Arc<str> = source.name.as_str().into();
    let items = match lexer::items(&source.text) {
        Ok(items) => items,
        Err((line, why)) => return draft.notes.error(&Place::new(&file, line), why),
    };
    for item in items {
        let place = Place::new(&file, item.line());
        match item {
            Item::Block { head, body, last, .. } => match head.iter().map(String::as_str).collect::<Vec<_>>()[..] {
                ["table", name] => Table::new(&file, "ip", name).read(&place, last, body, draft),
                ["table", family, name] => Table::new(&file, family, name).read(&place, last, body, draft),
                _ => draft.notes.warn(&place, format!("`{}` (to line {last}): not imported", head.join(" "))),
            },
            Item::Statement(statement) => {
                draft.notes.warn(&place, format!("`{}`: only tables are imported", statement.text()));
            }
        }
    }
}

/// A table that is being read.
struct Table<'a> {
    file: &'a Arc<str>,
    family: &'a str,
    name: &'a str,
    /// Chains where packets on their way to IPVS begin, by priority.
    entries: Vec<(i64, String)>,
    chains: BTreeMap<String, Vec<Step>>,
    /// Lines that were understood but would not matter, had no chain led to them.
    unread: Vec<(String, Place, String)>,
}

impl<'a> Table<'a> {
    fn new(file: &'a Arc<str>, family: &'a str, name: &'a str) -> Self {
        Self { file, family, name, entries: Vec::new(), chains: BTreeMap::new(), unread: Vec::new() }
    }

    fn read(mut self, place: &Place, last: usize, body: Vec<Item>, draft: &mut Draft) {
        let families = match self.family {
            "ip" => Some(Some(Family::Inet)),
            "ip6" => Some(Some(Family::Inet6)),
            "inet" => Some(None),
            _bridge_arp_netdev => None,
        };
        let Some(family) = families else {
            let text = format!("table {} {} (to line {last}): not imported; LVX has IP only", self.family, self.name);
            return draft.notes.warn(place, text);
        };
        for item in body {
            let place = Place::new(self.file, item.line());
            match item {
                Item::Block { head, body, last, .. } => match head.split_first() {
                    Some((word, name)) if word == "chain" => self.chain(&name.join(" "), body, draft),
                    _ => {
                        let text = format!(
                            "`{}` (to line {last}): not imported; rules that use it are not either",
                            head.join(" ")
                        );
                        draft.notes.warn(&place, text);
                    }
                },
                Item::Statement(statement) => {
                    draft.notes.warn(&place, format!("`{}`: has no equal", statement.text()));
                }
            }
        }
        self.finish(family, draft);
    }

    fn chain(&mut self, name: &str, body: Vec<Item>, draft: &mut Draft) {
        self.chains.entry(name.to_owned()).or_default();
        for item in body {
            let place = Place::new(self.file, item.line());
            match item {
                Item::Statement(statement) if statement.first() == "type" => self.hook(name, &statement, &place, draft),
                Item::Statement(statement) if statement.first() == "policy" => {
                    if statement.text() == "policy drop" {
                        draft.notes.warn(&place, format!("policy drop of chain {name}: {UNSEEN}"));
                    }
                }
                Item::Statement(statement) => self.rule(name, &statement, place),
                Item::Block { head, last, .. } => {
                    draft.notes.warn(&place, format!("`{}` (to line {last}): not imported", head.join(" ")));
                }
            }
        }
    }

    /// `type filter hook prerouting priority mangle`
    fn hook(&mut self, chain: &str, statement: &Statement, place: &Place, draft: &mut Draft) {
        let words = statement.words();
        let after = |word: &str| {
            let position = words.iter().position(|known| *known == word)?;
            words.get(position + 1..)
        };
        if after("hook").and_then(<[&str]>::first) != Some(&"prerouting") || words.get(1) == Some(&"nat") {
            return;
        }
        let priority = after("priority").map(|words| words.join("")).unwrap_or_default();
        match rule::priority(&priority) {
            Some(priority) => self.entries.push((priority, chain.to_owned())),
            None => draft.notes.warn(place, format!("`{}`: the priority cannot be read: 0", statement.text())),
        }
    }

    fn rule(&mut self, chain: &str, statement: &Statement, place: Place) {
        let text = statement.text();
        match rule::read(statement) {
            Ok(rules) => {
                let steps = rules.into_iter().map(|rule| Step { place: place.clone(), text: text.clone(), rule });
                self.chains.entry(chain.to_owned()).or_default().extend(steps);
            }
            Err(why) => self.unread.push((chain.to_owned(), place, format!("`{text}`: {why}"))),
        }
    }

    fn finish(mut self, family: Option<Family>, draft: &mut Draft) {
        self.entries.sort_by_key(|(priority, _)| *priority);
        let entries = std::mem::take(&mut self.entries);
        let mut reached: Vec<String> = entries.iter().map(|(_, name)| name.clone()).collect();
        let mut next = 0;
        while let Some(name) = reached.get(next).cloned() {
            next += 1;
            for step in self.chains.get(&name).into_iter().flatten() {
                if let Target::Jump(chain) | Target::Goto(chain) = &step.rule.target
                    && !reached.contains(chain)
                {
                    reached.push(chain.clone());
                }
            }
        }
        for (chain, place, text) in &self.unread {
            let why = if reached.contains(chain) { "" } else { "; it is not on the way to IPVS" };
            draft.notes.warn(place, format!("{text}{why}"));
        }
        let mut chains = std::mem::take(&mut self.chains);
        for (name, steps) in chains.extract_if(.., |name, _| !reached.contains(name)) {
            for step in &steps {
                draft
                    .notes
                    .warn(&step.place, format!("`{}`: chain {name} is not on the way to IPVS; {UNSEEN}", step.text));
            }
        }
        for (_, entry) in entries {
            adopt(&Walk { family, entry, chains: chains.clone() }, draft);
        }
    }
}

const UNSEEN: &str = "packets of services are forwarded before netfilter sees them";
