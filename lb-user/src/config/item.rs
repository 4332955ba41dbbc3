//! A value of the file, with its key and its line.

use std::ops::RangeInclusive;

use serde::de::DeserializeOwned;
use toml::Spanned;
use toml::de::{DeValue, ValueDeserializer};

use super::document::Document;
use super::section::Section;
use super::suggestion;

/// A value that is being read.
pub(super) struct Item<'d> {
    document: &'d Document<'d>,
    path: String,
    value: &'d Spanned<DeValue<'d>>,
}

impl<'d> Item<'d> {
    pub(super) fn new(document: &'d Document<'d>, path: String, value: &'d Spanned<DeValue<'d>>) -> Self {
        Self { document, path, value }
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

    pub(super) fn table<T>(&self, reader: impl FnOnce(&Section<'d>) -> T) -> Option<T> {
        let DeValue::Table(table) = self.value.get_ref() else {
            return self.refuse_type("a table");
        };
        Some(Section::new(self.document, self.path.clone(), self.value.span(), table).read(reader))
    }

    /// The value of a key, if this is a table that has it.
    pub(super) fn at(&self, key: &str) -> Option<Item<'d>> {
        let DeValue::Table(table) = self.value.get_ref() else { return None };
        Some(Self::new(self.document, format!("{}.{key}", self.path), table.get(key)?))
    }

    pub(super) fn list(&self) -> Vec<Item<'d>> {
        let DeValue::Array(list) = self.value.get_ref() else {
            self.refuse_type::<()>("a list");
            return Vec::new();
        };
        list.iter().map(|value| Self::new(self.document, self.path.clone(), value)).collect()
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

    /// The value as it is written, for messages.
    pub(super) fn written(&self) -> &'d str {
        self.document.text(self.value.span()).lines().next().unwrap_or_default()
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
