//! A value of the file, with its key and its line.

use std::ops::RangeInclusive;
use std::time::Duration;

use serde::de::DeserializeOwned;
use toml::Spanned;
use toml::de::{DeValue, ValueDeserializer};

use super::document::Document;
use super::section::{Layer, Section};
use super::suggestion;

/// A value that is being read.
pub(super) struct Item<'d> {
    document: &'d Document<'d>,
    path: String,
    value: &'d Spanned<DeValue<'d>>,
    /// What the same key has in the tables that this one's inherits from, nearest first.
    beneath: Vec<Written<'d>>,
}

/// A value with the key that has it.
pub(super) struct Written<'d> {
    pub(super) path: String,
    pub(super) value: &'d Spanned<DeValue<'d>>,
}

impl<'d> Item<'d> {
    pub(super) fn new(document: &'d Document<'d>, written: Written<'d>, beneath: Vec<Written<'d>>) -> Self {
        Self { document, path: written.path, value: written.value, beneath }
    }

    pub(super) fn string(&self) -> Option<&'d str> {
        let DeValue::String(text) = self.value.get_ref() else {
            return self.refuse_type("a string");
        };
        Some(text)
    }

    /// A string that `parse` understands.
    pub(super) fn parsed<T>(&self, what: &str, advice: &str, parse: impl FnOnce(&str) -> Option<T>) -> Option<T> {
        let DeValue::String(text) = self.value.get_ref() else {
            self.refuse(&format!("{} is {}, not {what}", self.written(), self.kind()), advice);
            return None;
        };
        let parsed = parse(text);
        if parsed.is_none() {
            self.refuse(&format!("{} is not {what}", self.written()), advice);
        }
        parsed
    }

    /// One of a few words.
    pub(super) fn choice<T: Copy>(&self, choices: &[(&str, T)]) -> Option<T> {
        let text = self.string()?;
        let found = choices.iter().find(|(name, _)| *name == text);
        if found.is_none() {
            let names: Vec<_> = choices.iter().map(|(name, _)| *name).collect();
            let advice =
                suggestion::nearest(text, &names).map(|name| format!("did you mean \"{name}\"?")).unwrap_or_default();
            self.refuse(&format!("{} is not one of {}", self.written(), names.join(", ")), &advice);
        }
        found.map(|(_, value)| *value)
    }

    /// A duration such as `"1m 30s"`.
    pub(super) fn duration(&self, range: RangeInclusive<Duration>) -> Option<Duration> {
        let advice = "write \"500ms\", \"2s\" or \"1m\"";
        let duration = self.parsed("a duration", advice, |text| humantime::parse_duration(text).ok())?;
        if range.contains(&duration) {
            return Some(duration);
        }
        let (shortest, longest) =
            (humantime::format_duration(*range.start()), humantime::format_duration(*range.end()));
        self.refuse(&format!("{} is out of range: {shortest} to {longest}", self.written()), "");
        None
    }

    /// Whether it is this word.
    pub(super) fn is(&self, word: &str) -> bool {
        matches!(self.value.get_ref(), DeValue::String(text) if text == word)
    }

    pub(super) fn boolean(&self) -> Option<bool> {
        let DeValue::Boolean(value) = self.value.get_ref() else {
            return self.refuse_type("true or false");
        };
        Some(*value)
    }

    pub(super) fn is_boolean(&self) -> bool {
        matches!(self.value.get_ref(), DeValue::Boolean(_))
    }

    pub(super) fn number(&self, range: RangeInclusive<u32>) -> Option<u32> {
        let DeValue::Integer(integer) = self.value.get_ref() else {
            return self.refuse_type("a whole number");
        };
        let number = i128::from_str_radix(integer.as_str(), integer.radix()).ok();
        let number = number.and_then(|number| u32::try_from(number).ok()).filter(|number| range.contains(number));
        if number.is_none() {
            let (first, last) = range.into_inner();
            self.refuse(&format!("{} is out of range: {first}..={last}", self.written()), "");
        }
        number
    }

    /// A number that need not be whole.
    pub(super) fn fraction(&self, range: RangeInclusive<f64>) -> Option<f64> {
        let text = match self.value.get_ref() {
            DeValue::Float(fraction) => fraction.as_str(),
            DeValue::Integer(_) => self.written(),
            DeValue::String(_) | DeValue::Boolean(_) | DeValue::Datetime(_) | DeValue::Array(_) | DeValue::Table(_) => {
                return self.refuse_type("a number");
            }
        };
        let number = text.replace('_', "").parse().ok().filter(|number| range.contains(number));
        if number.is_none() {
            let (first, last) = range.into_inner();
            self.refuse(&format!("{} is out of range: {first}..={last}", self.written()), "");
        }
        number
    }

    /// A table, with what it inherits: those of the same key beneath it, down to the first value that is no table.
    pub(super) fn table<T>(&self, reader: impl FnOnce(&Section<'d>) -> T) -> Option<T> {
        self.table_over(&[], reader)
    }

    /// The same, beneath which are also `defaults`, nearest first.
    pub(super) fn table_over<T>(&self, defaults: &[Layer<'d>], reader: impl FnOnce(&Section<'d>) -> T) -> Option<T> {
        let own = self.layer()?;
        let beneath = self.beneath.iter().map_while(|written| layer(&written.path, written.value));
        let inherited = beneath.chain(defaults.iter().cloned()).collect();
        Some(Section::new(self.document, self.value.span(), own, inherited).read(reader))
    }

    /// This value as one table of a chain.
    pub(super) fn layer(&self) -> Option<Layer<'d>> {
        layer(&self.path, self.value).or_else(|| self.refuse_type("a table"))
    }

    /// The value of a key, if this is a table that has it.
    pub(super) fn at(&self, key: &str) -> Option<Item<'d>> {
        let DeValue::Table(table) = self.value.get_ref() else { return None };
        Some(self.inner(format!("{}.{key}", self.path), table.get(key)?))
    }

    /// The names and values of a table whose names are free; another value is refused.
    pub(super) fn entries(&self) -> Vec<(&'d str, Item<'d>)> {
        let DeValue::Table(table) = self.value.get_ref() else {
            self.refuse_type::<()>("a table");
            return Vec::new();
        };
        let named = table.iter().map(|(name, value)| (name.get_ref().as_ref(), value));
        named.map(|(name, value)| (name, self.inner(format!("{}.{name}", self.path), value))).collect()
    }

    pub(super) fn is_list(&self) -> bool {
        matches!(self.value.get_ref(), DeValue::Array(_))
    }

    pub(super) fn list(&self) -> Vec<Item<'d>> {
        let DeValue::Array(list) = self.value.get_ref() else {
            self.refuse_type::<()>("a list");
            return Vec::new();
        };
        list.iter().map(|value| self.inner(self.path.clone(), value)).collect()
    }

    /// Whatever serde makes of it.
    pub(super) fn deserialized<T: DeserializeOwned>(&self) -> Option<T> {
        T::deserialize(ValueDeserializer::from(self.value.clone()))
            .map_err(|error| {
                let span = error.span().unwrap_or_else(|| self.value.span());
                self.document.refuse(span, &self.path, error.message(), "");
            })
            .ok()
    }

    pub(super) fn refuse(&self, message: &str, advice: &str) {
        self.document.refuse(self.value.span(), &self.path, message, advice);
    }

    /// Something that works, but is probably not meant.
    pub(super) fn warn(&self, message: &str, advice: &str) {
        self.document.warn(self.value.span(), &self.path, message, advice);
    }

    /// The value as it is written, for messages.
    pub(super) fn written(&self) -> &'d str {
        self.document.text(self.value.span()).lines().next().unwrap_or_default()
    }

    fn inner(&self, path: String, value: &'d Spanned<DeValue<'d>>) -> Self {
        Self::new(self.document, Written { path, value }, Vec::new())
    }

    fn refuse_type<T>(&self, expected: &str) -> Option<T> {
        self.refuse(&format!("{} is {}, not {expected}", self.written(), self.kind()), "");
        None
    }

    fn kind(&self) -> &'static str {
        match self.value.get_ref() {
            DeValue::String(_) => "a string",
            DeValue::Integer(_) => "a whole number",
            DeValue::Float(_) => "a fraction",
            DeValue::Boolean(_) => "a boolean",
            DeValue::Datetime(_) => "a date",
            DeValue::Array(_) => "a list",
            DeValue::Table(_) => "a table",
        }
    }
}

fn layer<'d>(path: &str, value: &'d Spanned<DeValue<'d>>) -> Option<Layer<'d>> {
    let DeValue::Table(table) = value.get_ref() else { return None };
    Some(Layer { path: path.to_owned(), table })
}
