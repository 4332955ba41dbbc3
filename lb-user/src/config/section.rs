//! A table of the file, read so that a key that nobody knows cannot go unnoticed.

use std::cell::RefCell;
use std::ops::{Range, RangeInclusive};

use toml::de::DeTable;

use super::document::Document;
use super::item::Item;
use super::suggestion;

/// A table that is being read. Whatever key nobody has asked for is unknown.
pub(super) struct Section<'d> {
    document: &'d Document<'d>,
    path: String,
    span: Range<usize>,
    table: &'d DeTable<'d>,
    asked: RefCell<Vec<&'static str>>,
}

impl<'d> Section<'d> {
    pub(super) fn root(document: &'d Document<'d>, table: &'d DeTable<'d>) -> Self {
        Self::new(document, String::new(), 0..0, table)
    }

    pub(super) fn new(document: &'d Document<'d>, path: String, span: Range<usize>, table: &'d DeTable<'d>) -> Self {
        Self { document, path, span, table, asked: RefCell::default() }
    }

    /// Lets `reader` ask for what it knows, then refuses the keys that it did not ask for.
    pub(super) fn read<T>(self, reader: impl FnOnce(&Self) -> T) -> T {
        let read = reader(&self);
        let asked = self.asked.borrow();
        for key in self.table.keys().filter(|key| !asked.contains(&key.get_ref().as_ref())) {
            let advice = match suggestion::nearest(key.get_ref(), &asked) {
                Some(known) => format!("did you mean `{known}`?"),
                None => format!("known here: {}", asked.join(", ")),
            };
            self.document.refuse(key.span(), &self.path_of(key.get_ref()), "unknown key", &advice);
        }
        read
    }

    pub(super) fn get(&self, key: &'static str) -> Option<Item<'d>> {
        self.asked.borrow_mut().push(key);
        let value = self.table.get(key)?;
        Some(Item::new(self.document, self.path_of(key), value))
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.table.contains_key(key)
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

    pub(super) fn table<T>(&self, key: &'static str, reader: impl FnOnce(&Section<'d>) -> T) -> Option<T> {
        self.get(key)?.table(reader)
    }

    pub(super) fn list(&self, key: &'static str) -> Vec<Item<'d>> {
        self.get(key).map(|item| item.list()).unwrap_or_default()
    }

    /// A problem of the table as a whole.
    pub(super) fn refuse(&self, message: &str, advice: &str) {
        self.document.refuse(self.span.clone(), &self.path, message, advice);
    }

    /// A problem of a key that need not be there.
    pub(super) fn refuse_key(&self, key: &str, message: &str, advice: &str) {
        self.document.refuse(self.span.clone(), &self.path_of(key), message, advice);
    }

    /// The table's line, from 1.
    pub(super) fn line(&self) -> usize {
        self.document.line(self.span.start)
    }

    fn path_of(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }
}
