//! Lines as keys of the whole file and keys of virtual services.

use std::sync::Arc;

use crate::import::Source;
use crate::import::note::{Notes, Place};

/// `name = value`
#[derive(Clone, Debug)]
pub(super) struct Key {
    pub(super) place: Place,
    pub(super) name: String,
    /// As it is written, quotes and all.
    pub(super) value: String,
}

impl Key {
    /// The value without the quotes around it.
    pub(super) fn unquoted(&self) -> &str {
        let text = self.value.as_str();
        text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text)
    }

    /// As it is written.
    pub(super) fn shown(&self) -> String {
        format!("{}={}", self.name, self.value)
    }

    /// The first number in the value, which is what ldirectord looks for.
    pub(super) fn number(&self, notes: &mut Notes) -> Option<u32> {
        let digits = self.value.split(|letter: char| !letter.is_ascii_digit()).find(|part| !part.is_empty());
        let number = digits.and_then(|digits| digits.parse().ok());
        if number.is_none() {
            notes.error(&self.place, format!("{}: not a number", self.shown()));
        }
        number
    }

    /// yes or no
    pub(super) fn flag(&self, notes: &mut Notes) -> Option<bool> {
        match self.value.as_str() {
            "yes" => Some(true),
            "no" => Some(false),
            _other => {
                notes.error(&self.place, format!("{}: neither yes nor no", self.shown()));
                None
            }
        }
    }
}

/// A virtual service and the keys below it.
#[derive(Debug)]
pub(super) struct Section {
    pub(super) head: Key,
    pub(super) keys: Vec<Key>,
}

#[derive(Debug, Default)]
pub(super) struct Sections {
    pub(super) global: Vec<Key>,
    pub(super) services: Vec<Section>,
}

/// The file in sections. ldirectord ends one at an empty line; what is indented behind it is malformed to it.
pub(super) fn sections(source: &Source, notes: &mut Notes) -> Sections {
    let file: Arc<str> = source.name.as_str().into();
    let mut sections = Sections::default();
    let mut within = false;
    for (index, line) in source.text.lines().enumerate() {
        let place = Place::new(&file, index + 1);
        let trimmed = line.trim_start();
        if trimmed.starts_with('#') {
            continue;
        }
        if trimmed.is_empty() {
            within = false;
            continue;
        }
        let indented = line.replace('\t', "    ").starts_with("    ");
        let text = if indented { trimmed.split('#').next().unwrap_or_default() } else { line };
        let Some(key) = key(&place, text) else {
            notes.error(&place, format!("`{}` is not name = value", line.trim()));
            continue;
        };
        match (indented, sections.services.last_mut()) {
            (true, Some(section)) if within => section.keys.push(key),
            (true, _) => {
                notes.error(&place, format!("{}: indented, but not right below a virtual", key.shown()));
            }
            (false, _) if matches!(key.name.as_str(), "virtual" | "virtual6") => {
                within = true;
                sections.services.push(Section { head: key, keys: Vec::new() });
            }
            (false, _) => {
                within = false;
                sections.global.push(key);
            }
        }
    }
    sections
}

fn key(place: &Place, text: &str) -> Option<Key> {
    let (name, value) = match text.split_once('=') {
        Some((name, value)) => (name, value),
        // Old files have it alone.
        None if text.trim() == "supervised" => (text, "yes"),
        None => return None,
    };
    let key = |text: &str| text.trim().to_owned();
    Some(Key { place: place.clone(), name: key(name), value: key(value) }).filter(|key| !key.name.contains(' '))
}
