//! `lvx schema`: the configuration file as a JSON schema (draft 2020-12), so that editors complete it.
//!
//! `keys` has a line for each key. The tests hold it against what the parser asks for and against docs/config.md, so that
//! no key, range, choice or default of one of the three can be missing from the others.

mod keys;
mod shape;

use serde_json::{Map, Value, json};

/// The schema, as JSON text.
pub fn schema() -> String {
    format!("{:#}\n", document())
}

pub(super) fn document() -> Value {
    let mut tables = keys::tables();
    let root = tables.remove(0);
    let definitions: Map<_, _> = tables.iter().map(|table| (table.name.to_owned(), table.json())).collect();
    let mut document = root.json();
    document["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
    document["title"] = json!("The configuration file of LVX");
    document["$defs"] = definitions.into();
    document
}

#[cfg(test)]
mod tests;
