//! What a key takes, in the words of JSON schema.

use std::ops::RangeInclusive;
use std::time::Duration;

use serde_json::{Map, Value, json};

/// A table of the file and its keys.
pub(super) struct Table {
    pub(super) name: &'static str,
    about: &'static str,
    pub(super) keys: Vec<Key>,
    one_of: Vec<&'static str>,
}

/// A key: its name, what it takes, what it is about, what it is if it is left out.
#[derive(Clone)]
pub(super) struct Key {
    pub(super) name: &'static str,
    pub(super) shape: Value,
    about: String,
    pub(super) default: Option<Value>,
    pub(super) required: bool,
}

pub(super) fn table(name: &'static str, about: &'static str, keys: Vec<Key>) -> Table {
    Table { name, about, keys, one_of: Vec::new() }
}

pub(super) fn key(name: &'static str, shape: Value, about: &str) -> Key {
    Key { name, shape, about: about.to_owned(), default: None, required: false }
}

impl Table {
    /// Exactly one of these keys is there.
    pub(super) fn one_of(mut self, keys: &[&'static str]) -> Self {
        self.one_of = keys.to_vec();
        self
    }

    pub(super) fn json(&self) -> Value {
        let properties: Map<_, _> = self.keys.iter().map(|key| (key.name.to_owned(), key.json())).collect();
        let required: Vec<_> = self.keys.iter().filter(|key| key.required).map(|key| key.name).collect();
        let mut json = json!({
            "type": "object",
            "description": self.about,
            "properties": properties,
            "additionalProperties": false,
        });
        if !required.is_empty() {
            json["required"] = required.into();
        }
        if !self.one_of.is_empty() {
            json["oneOf"] = self.one_of.iter().map(|key| json!({ "required": [key] })).collect();
        }
        json
    }
}

impl Key {
    pub(super) fn default(mut self, default: impl Into<Value>) -> Self {
        self.default = Some(default.into());
        self
    }

    pub(super) fn required(mut self) -> Self {
        self.required = true;
        self
    }

    fn json(&self) -> Value {
        let mut json = self.shape.clone();
        let about = match json.get("description").and_then(Value::as_str) {
            Some(takes) => format!("{}: {takes}", self.about),
            None => self.about.clone(),
        };
        json["description"] = about.into();
        if let Some(default) = &self.default {
            json["default"] = default.clone();
        }
        json
    }
}

pub(super) fn number(range: RangeInclusive<u32>) -> Value {
    json!({ "type": "integer", "minimum": range.start(), "maximum": range.end() })
}

/// A number that need not be whole.
pub(super) fn fraction(range: RangeInclusive<f64>) -> Value {
    json!({ "type": "number", "minimum": range.start(), "maximum": range.end() })
}

pub(super) fn boolean() -> Value {
    json!({ "type": "boolean" })
}

/// A text; `takes` says of which form, where its key does not.
pub(super) fn text(takes: &str) -> Value {
    if takes.is_empty() { json!({ "type": "string" }) } else { json!({ "type": "string", "description": takes }) }
}

pub(super) fn choice<'n>(names: impl IntoIterator<Item = &'n str>) -> Value {
    json!({ "enum": names.into_iter().collect::<Vec<_>>() })
}

pub(super) fn duration(range: &RangeInclusive<Duration>) -> Value {
    let (shortest, longest) = (humantime::format_duration(*range.start()), humantime::format_duration(*range.end()));
    json!({
        "type": "string",
        "pattern": "^( *[0-9]+ *[A-Za-z]+)+ *$",
        "examples": ["500ms", "2s", "1m 30s"],
        "description": format!("{shortest} to {longest}"),
    })
}

pub(super) fn list(of: Value) -> Value {
    json!({ "type": "array", "items": of })
}

pub(super) fn either<const N: usize>(shapes: [Value; N]) -> Value {
    json!({ "anyOf": shapes.to_vec() })
}

/// Another table, by its name.
pub(super) fn of(name: &str) -> Value {
    json!({ "$ref": format!("#/$defs/{name}") })
}

/// A table with this key alone.
pub(super) fn only(key: &str, shape: Value) -> Value {
    json!({ "type": "object", "properties": { key: shape }, "required": [key], "additionalProperties": false })
}

/// `false`, or what the shape takes.
pub(super) fn false_or(shape: Value) -> Value {
    either([json!({ "const": false }), shape])
}

/// A table whose keys are free names.
pub(super) fn named(values: Value) -> Value {
    json!({ "type": "object", "additionalProperties": values })
}
