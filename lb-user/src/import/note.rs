//! What an import has to say: where something stands, and what is the matter with it.

use std::fmt;
use std::sync::Arc;

/// Where something stands in an imported file.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Place {
    /// The file, as it was named.
    pub file: Arc<str>,
    /// Line, from 1.
    pub line: usize,
}

impl Place {
    pub(super) fn new(file: &Arc<str>, line: usize) -> Self {
        Self { file: Arc::clone(file), line }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}:{}", self.file, self.line)
    }
}

/// How much a note matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// Nothing differs; it is only said in a comment.
    Remark,
    /// Something has no equal, or not the same one: a comment, and a line on standard error.
    Warning,
    /// The file is malformed: nothing is imported.
    Error,
}

/// Something to say about a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// Where.
    pub place: Place,
    /// How much it matters.
    pub severity: Severity,
    /// What it is, and what LVX does instead.
    pub text: String,
}

impl fmt::Display for Note {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = match self.severity {
            Severity::Remark => "",
            Severity::Warning => "warning: ",
            Severity::Error => "error: ",
        };
        write!(out, "{}: {severity}{}", self.place, self.text)
    }
}

/// Notes in the order in which they were made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Notes(Vec<Note>);

impl Notes {
    pub(super) fn remark(&mut self, place: &Place, text: impl Into<String>) {
        self.add(place, Severity::Remark, text.into());
    }

    pub(super) fn warn(&mut self, place: &Place, text: impl Into<String>) {
        self.add(place, Severity::Warning, text.into());
    }

    pub(super) fn error(&mut self, place: &Place, text: impl Into<String>) {
        self.add(place, Severity::Error, text.into());
    }

    /// Takes over notes; what was said already is not said again.
    pub(super) fn extend(&mut self, others: Self) {
        for note in others.0 {
            if !self.0.contains(&note) {
                self.0.push(note);
            }
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Note> {
        self.0.iter()
    }

    fn add(&mut self, place: &Place, severity: Severity, text: String) {
        self.0.push(Note { place: place.clone(), severity, text });
    }
}
