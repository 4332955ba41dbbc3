//! The lines of keepalived.conf: comments, conditions, definitions and includes, before anything is a directive.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::definitions;
use super::sequence;
use crate::import::note::{Notes, Place};

/// A line in which nothing is left to be replaced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) place: Place,
    pub(super) text: String,
}

/// Files within files, more than keepalived itself follows sensibly.
const DEEPEST: usize = 16;

/// Lines that `~SEQ` may make of one.
pub(super) const MOST_LINES: usize = 100_000;

/// The file's lines, with those that it includes.
pub(super) fn lines(name: &str, text: &str, directory: &Path, config_id: &str) -> (Vec<Line>, Notes) {
    let mut reader = Reader {
        config_id,
        definitions: BTreeMap::from([("_HASH".to_owned(), "#".to_owned()), ("_BANG".to_owned(), "!".to_owned())]),
        lines: Vec::new(),
        notes: Notes::default(),
        files: vec![directory.to_owned()],
    };
    reader.definitions.insert("_INSTANCE".to_owned(), config_id.to_owned());
    reader.read(&name.into(), text);
    (reader.lines, reader.notes)
}

struct Reader<'a> {
    config_id: &'a str,
    definitions: BTreeMap<String, String>,
    lines: Vec<Line>,
    notes: Notes,
    /// The directories of the files that are being read.
    files: Vec<PathBuf>,
}

impl Reader<'_> {
    fn read(&mut self, file: &Arc<str>, text: &str) {
        let directory = self.files.last().map(|path| path.display().to_string()).unwrap_or_default();
        self.definitions.insert("_PWD".to_owned(), directory.clone());
        let mut physical = text.lines().enumerate();
        while let Some((index, line)) = physical.next() {
            let place = Place::new(file, index + 1);
            let mut line = without_comment(line);
            while definitions::is_open(&line) {
                let Some((_, more)) = physical.next() else { break };
                line = format!("{}\n{}", line.trim_end().trim_end_matches('\\').trim_end(), without_comment(more));
            }
            self.line(&place, &line);
            // An include may have changed it.
            self.definitions.insert("_PWD".to_owned(), directory.clone());
        }
    }

    /// As keepalived: includes first, then conditions, definitions and what they replace.
    fn line(&mut self, place: &Place, line: &str) {
        let line = line.trim();
        if let Some(pattern) = included(line) {
            return self.include(place, pattern);
        }
        let Some(line) = self.chosen(place, line) else { return };
        if let Some((name, value)) = definitions::defined(line) {
            self.definitions.insert(name.to_owned(), value.to_owned());
            return;
        }
        if line.starts_with('~') {
            return match sequence::expanded(line, &self.definitions) {
                Ok(lines) => lines.iter().for_each(|line| self.replaced(place, line)),
                Err(why) => self.notes.error(place, format!("`{line}`: {why}")),
            };
        }
        self.replaced(place, line);
    }

    fn replaced(&mut self, place: &Place, line: &str) {
        let text = match definitions::replaced(line, &self.definitions) {
            Ok(text) => text,
            Err(why) => return self.notes.error(place, format!("`{line}`: {why}")),
        };
        if text == line && !line.contains('\n') {
            if !line.is_empty() {
                self.lines.push(Line { place: place.clone(), text });
            }
            return;
        }
        // What a definition holds may be lines, conditions and definitions again.
        text.lines().for_each(|line| self.line(place, line));
    }

    /// The line without its `@` condition, unless it is for another config-id.
    fn chosen<'l>(&mut self, place: &Place, line: &'l str) -> Option<&'l str> {
        let Some(condition) = line.strip_prefix('@') else { return Some(line) };
        let (name, rest) = condition.split_once(char::is_whitespace).unwrap_or((condition, ""));
        let chosen = match name.strip_prefix('^') {
            Some(other) => other != self.config_id,
            None => name == self.config_id,
        };
        if !chosen {
            let text =
                format!("`{line}`: left out, for the config-id is {}; --config-id names another", self.config_id);
            self.notes.warn(place, text);
        }
        chosen.then_some(rest.trim_start())
    }

    fn include(&mut self, place: &Place, pattern: &str) {
        if self.files.len() > DEEPEST {
            return self.notes.error(place, format!("include {pattern}: files include each other too deeply"));
        }
        let directory = self.files.last().cloned().unwrap_or_default();
        let whole = directory.join(pattern).display().to_string();
        let found = match glob::glob(&whole) {
            Ok(found) => found.filter_map(Result::ok).filter(|path| path.is_file()).collect::<Vec<_>>(),
            Err(error) => return self.notes.error(place, format!("include {pattern}: {error}")),
        };
        if found.is_empty() {
            self.notes.warn(place, format!("include {pattern}: there is no such file"));
        }
        for path in found {
            let name = path.display().to_string();
            match std::fs::read(&path) {
                Ok(bytes) => {
                    self.files.push(path.parent().map(Path::to_owned).unwrap_or_default());
                    self.read(&name.as_str().into(), &String::from_utf8_lossy(&bytes));
                    self.files.pop();
                }
                Err(error) => self.notes.error(place, format!("include {name}: {error}")),
            }
        }
    }
}

/// What `include`, or one of its stricter sisters, names.
fn included(line: &str) -> Option<&str> {
    let (word, rest) = line.split_once(char::is_whitespace)?;
    let is_include = matches!(word, "include" | "includer" | "includem" | "includew" | "includeb" | "includea");
    is_include.then(|| rest.trim().trim_matches('"'))
}

/// The line up to `#` or `!`, unless they are quoted.
fn without_comment(line: &str) -> String {
    let (mut kept, mut quote, mut escaped) = (String::new(), None, false);
    for letter in line.chars() {
        match (quote, letter) {
            (None, '#' | '!') => break,
            (None, '"' | '\'') => quote = Some(letter),
            (Some(open), _) if open == letter && !escaped => quote = None,
            (Some(_) | None, _) => {}
        }
        escaped = letter == '\\' && !escaped;
        kept.push(letter);
    }
    kept
}
