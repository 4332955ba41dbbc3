//! A table of the file, read so that a key that nobody knows cannot go unnoticed.

use std::cell::RefCell;
use std::ops::{Range, RangeInclusive};
use std::time::Duration;

use toml::de::DeTable;

use super::document::Document;
use super::item::{Item, Written};
use super::suggestion;

/// A table that is being read. Whatever key nobody has asked for is unknown.
///
/// It may inherit from other tables, templates and defaults: a key that it does not say itself is looked up there, nearest
/// first, and is refused where it stands.
pub(super) struct Section<'d> {
    document: &'d Document<'d>,
    span: Range<usize>,
    own: Layer<'d>,
    inherited: Vec<Layer<'d>>,
    asked: RefCell<Vec<&'static str>>,
}

/// A table with the path by which problems call it.
#[derive(Clone)]
pub(super) struct Layer<'d> {
    pub(super) path: String,
    pub(super) table: &'d DeTable<'d>,
}

impl<'d> Section<'d> {
    pub(super) fn root(document: &'d Document<'d>, table: &'d DeTable<'d>) -> Self {
        Self::new(document, 0..0, Layer { path: String::new(), table }, Vec::new())
    }

    pub(super) fn new(
        document: &'d Document<'d>,
        span: Range<usize>,
        own: Layer<'d>,
        inherited: Vec<Layer<'d>>,
    ) -> Self {
        Self { document, span, own, inherited, asked: RefCell::default() }
    }

    /// Lets `reader` ask for what it knows, then refuses the keys that it did not ask for.
    pub(super) fn read<T>(self, reader: impl FnOnce(&Self) -> T) -> T {
        let read = reader(&self);
        let asked = self.asked.borrow();
        for layer in self.layers() {
            for key in layer.table.keys().filter(|key| !asked.contains(&key.get_ref().as_ref())) {
                let advice = match suggestion::nearest(key.get_ref(), &asked) {
                    Some(known) => format!("did you mean `{known}`?"),
                    None => format!("known here: {}", asked.join(", ")),
                };
                self.document.refuse(key.span(), &layer.path_of(key.get_ref()), "unknown key", &advice);
            }
        }
        read
    }

    /// Says that a key which is read elsewhere belongs here.
    pub(super) fn knows(&self, key: &'static str) {
        self.asked.borrow_mut().push(key);
    }

    /// The key's value here, or else in the nearest table that has it.
    pub(super) fn get(&self, key: &'static str) -> Option<Item<'d>> {
        self.knows(key);
        let mut found = self.layers().filter_map(|layer| layer.get(key));
        let nearest = found.next()?;
        Some(Item::new(self.document, nearest, found.collect()))
    }

    /// Each of the key's values by itself, for a key whose tables are more than the sum of their keys: the farthest first,
    /// the own one last.
    pub(super) fn each(&self, key: &'static str) -> Vec<Item<'d>> {
        self.knows(key);
        let found: Vec<_> = self.layers().filter_map(|layer| layer.get(key)).collect();
        found.into_iter().rev().map(|written| Item::new(self.document, written, Vec::new())).collect()
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.layers().any(|layer| layer.table.contains_key(key))
    }

    /// As [`Self::get`], but its absence is a problem.
    pub(super) fn require(&self, key: &'static str, advice: &str) -> Option<Item<'d>> {
        let item = self.get(key);
        if item.is_none() {
            self.refuse_key(key, "is missing", advice);
        }
        item
    }

    pub(super) fn boolean(&self, key: &'static str) -> Option<bool> {
        self.get(key)?.boolean()
    }

    pub(super) fn number(&self, key: &'static str, range: RangeInclusive<u32>) -> Option<u32> {
        self.get(key)?.number(range)
    }

    pub(super) fn duration(&self, key: &'static str, range: RangeInclusive<Duration>) -> Option<Duration> {
        self.get(key)?.duration(range)
    }

    pub(super) fn table<T>(&self, key: &'static str, reader: impl FnOnce(&Section<'d>) -> T) -> Option<T> {
        self.get(key)?.table(reader)
    }

    pub(super) fn list(&self, key: &'static str) -> Vec<Item<'d>> {
        self.get(key).map(|item| item.list()).unwrap_or_default()
    }

    /// A problem of the table as a whole.
    pub(super) fn refuse(&self, message: &str, advice: &str) {
        self.document.refuse(self.span.clone(), &self.own.path, message, advice);
    }

    /// A problem of a key that need not be there.
    pub(super) fn refuse_key(&self, key: &str, message: &str, advice: &str) {
        self.document.refuse(self.span.clone(), &self.own.path_of(key), message, advice);
    }

    /// The table's line, from 1.
    pub(super) fn line(&self) -> usize {
        self.document.line(self.span.start)
    }

    fn layers(&self) -> impl Iterator<Item = &Layer<'d>> {
        std::iter::once(&self.own).chain(&self.inherited)
    }
}

impl<'d> Layer<'d> {
    fn get(&self, key: &str) -> Option<Written<'d>> {
        Some(Written { path: self.path_of(key), value: self.table.get(key)? })
    }

    fn path_of(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }
}
