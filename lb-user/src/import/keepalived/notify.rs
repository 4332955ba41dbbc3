//! Scripts of transitions: keepalived has one for each, LVX one command that is told by its environment what happened.

use toml::Value;

use super::script;
use super::tree::Directive;
use crate::import::draft::Entry;
use crate::import::note::Notes;

/// The scripts of a service and its servers.
#[derive(Debug, Default)]
pub(super) struct Scripts {
    events: Vec<&'static str>,
    /// Lines of a shell's `case`.
    cases: Vec<String>,
}

impl Scripts {
    /// A script of a service's quorum.
    pub(super) fn quorum(&mut self, directive: &Directive, notes: &mut Notes) {
        let state = if directive.keyword() == "quorum_up" { "up" } else { "down" };
        self.add(directive, "quorum", &format!("'quorum {state} '*"), notes);
    }

    /// A script of a server, as LVX writes it: `192.0.2.10:80`.
    pub(super) fn server(&mut self, directive: &Directive, server: &str, notes: &mut Notes) {
        let state = if directive.keyword() == "notify_up" { "up" } else { "down" };
        self.add(directive, "server", &format!("'server {state} {server}'"), notes);
    }

    fn add(&mut self, directive: &Directive, event: &'static str, pattern: &str, notes: &mut Notes) {
        let values = directive.values();
        let [script, user @ ..] = values.as_slice() else {
            return notes.error(&directive.place, format!("{}: without a script", directive.shown()));
        };
        if !user.is_empty() {
            let text = format!("{}: it runs as the user of lvx, not as {}", directive.shown(), user.join(" "));
            notes.warn(&directive.place, text);
        }
        let words: Vec<String> = script::command(&[script]).iter().map(|word| quoted(word)).collect();
        self.cases.push(format!("{pattern}) {} ;;", words.join(" ")));
        if !self.events.contains(&event) {
            self.events.push(event);
        }
    }

    /// `[service.notify]`, if there is a script.
    pub(super) fn write(&self) -> Vec<Entry> {
        if self.cases.is_empty() {
            return Vec::new();
        }
        let shell = format!("case \"$LVX_EVENT $LVX_STATE $LVX_SERVER\" in\n{}\nesac\n", self.cases.join("\n"));
        let on: Vec<Value> = self.events.iter().copied().map(Value::from).collect();
        vec![("command", vec![Value::from("/bin/sh"), "-c".into(), shell.into()].into()), ("on", on.into())]
    }
}

/// The word for a shell.
fn quoted(word: &str) -> String {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "/._-+=:,@%".contains(letter);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}
