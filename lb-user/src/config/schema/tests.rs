//! The schema, the parser and docs/config.md say the same.

use std::collections::BTreeSet;

use crate::config::{Problem, parse};
use crate::model::marks::MarkRuleConfig;

use super::shape::{Key, Table};
use super::*;

const REFERENCE: &str = include_str!("../../../../docs/config.md");

/// Where a table is in the file and in the reference.
struct Place {
    table: &'static str,
    /// Text that leads into the table and is valid by itself. Where the parser asks for keys only after another one, a text
    /// for each such case.
    within: &'static [&'static str],
    /// Beginning of its headings in the reference; none where its rows are called "key of `table`".
    headings: &'static [&'static str],
}

const SERVER: &str = "[[service]]\nmark = 8\n[[service.real_server]]\naddress = '192.0.2.1'\n";

const PLACES: &[Place] = &[
    Place { table: "file", within: &[""], headings: &["## Top level"] },
    Place { table: "vip", within: &["[[vip]]\naddress = '::1'\n"], headings: &["## `[[vip]]`"] },
    Place { table: "sizes", within: &["[sizes]\n"], headings: &["## `[sizes]`"] },
    Place { table: "generations", within: &["[generations]\n"], headings: &["## `[generations]`"] },
    Place { table: "timeouts", within: &["[timeouts]\n"], headings: &["## `[timeouts]`"] },
    Place { table: "ipvs", within: &["[ipvs]\n"], headings: &["## `[ipvs]`"] },
    Place { table: "marks", within: &["[marks]\n"], headings: &["## `[marks]`"] },
    Place { table: "rule", within: &[], headings: &["## `[[marks.rule]]`"] },
    Place { table: "api", within: &["[api]\n"], headings: &["## `[api]`"] },
    Place { table: "metrics", within: &["[metrics]\n"], headings: &[] },
    Place { table: "log", within: &["[log]\n"], headings: &[] },
    Place { table: "passive", within: &["[defaults.health.passive]\n"], headings: &[] },
    Place { table: "notify", within: &["[notify]\n"], headings: &["## `[notify]`"] },
    Place { table: "defaults", within: &["[defaults]\n"], headings: &["## Defaults and templates"] },
    Place {
        table: "service",
        within: &["[[service]]\nmark = 8\n"],
        headings: &["## `[[service]]`", "## When checks fail"],
    },
    Place { table: "real_server", within: &[SERVER], headings: &["## `[[service.real_server]]`"] },
    Place {
        table: "health",
        within: &[
            "[defaults.health]\ntype = 'https'\n",
            "[defaults.health]\ntype = 'udp'\n",
            "[defaults.health]\ntype = 'dns'\n",
        ],
        headings: &["## Health checks"],
    },
    Place {
        table: "step",
        within: &["[[defaults.health]]\ntype = 'expect'\n[[defaults.health.steps]]\nsend = 'x'\n"],
        headings: &[],
    },
];

/// Tables that are others without some keys.
const DERIVED: [&str; 2] = ["template", "defaults_real_server"];

fn problems(text: &str) -> Vec<Problem> {
    parse("lvx.toml", text).err().unwrap_or_default()
}

fn names(table: &Table) -> BTreeSet<String> {
    table.keys.iter().map(|key| key.name.to_owned()).collect()
}

/// Each table with its place.
fn placed() -> Vec<(Table, &'static Place)> {
    let tables = keys::tables().into_iter().filter(|table| !DERIVED.contains(&table.name));
    let place = |name: &str| PLACES.iter().find(|place| place.table == name);
    tables.map(|table| place(table.name).map(|place| (table, place)).expect("a row in PLACES")).collect()
}

/// The keys that the parser asks for in a table, by its advice about one that it does not know.
fn asked(place: &Place) -> BTreeSet<String> {
    let mut asked = BTreeSet::new();
    for within in place.within {
        let problems = problems(&format!("{within}x = 1\n"));
        let unknown = problems.iter().find(|problem| problem.message == "unknown key").expect("an unknown key");
        let known = unknown.advice.strip_prefix("known here: ").expect("the known keys");
        asked.extend(known.split(", ").map(str::to_owned));
    }
    if place.table == "rule" {
        asked.extend(MarkRuleConfig::KEYS.map(str::to_owned));
    }
    asked
}

#[test]
fn every_key_of_the_parser_is_in_the_schema_and_no_other() {
    for (table, place) in placed() {
        assert_eq!(names(&table), asked(place), "schema (left) and parser (right), table {}", table.name);
    }
}

/// A line of a table of the reference: the keys of its first cell, and the cell "default", which is empty where the line
/// only says where its keys are explained.
fn rows(Place { table, headings, .. }: &Place) -> Vec<(String, String)> {
    let own = [format!("key of `{table}`"), format!("key of `[{table}]`")];
    let mut rows = Vec::new();
    let (mut inside, mut columns) = (false, Vec::new());
    for line in REFERENCE.lines() {
        if line.starts_with("## ") {
            inside = headings.iter().any(|heading| line.starts_with(heading));
        }
        let cells: Vec<_> = line.split('|').map(str::trim).collect();
        if cells.len() < 3 {
            columns.clear();
        } else if columns.is_empty() {
            columns = cells.iter().map(|cell| (*cell).to_owned()).collect();
        } else if (inside && columns[1] == "key" || own.contains(&columns[1])) && !cells[1].starts_with('-') {
            let default = columns.iter().position(|column| column == "default").map_or("", |column| cells[column]);
            let keys = cells[1].split(", ").map(|key| key.trim_matches('`').to_owned());
            rows.extend(keys.map(|key| (key, default.to_owned())));
        }
    }
    rows
}

#[test]
fn every_key_of_the_schema_is_in_the_reference_with_its_default() {
    for (table, place) in placed() {
        let rows = rows(place);
        let documented: BTreeSet<_> = rows.iter().map(|(key, _)| key.clone()).collect();
        assert_eq!(names(&table), documented, "schema (left) and docs/config.md (right), table {}", table.name);
        for (name, default) in rows.iter().filter(|(_, default)| !default.is_empty()) {
            let key = table.keys.iter().find(|key| key.name == name).expect("a key");
            let says = default.trim_matches('`');
            match &key.default {
                Some(default) => assert_eq!(says, default.to_string(), "default of {}.{name}", table.name),
                None => assert_eq!(says == "required", key.required, "default of {}.{name}: {says}", table.name),
            }
        }
    }
}

/// A value that a key cannot have, and how the parser must refuse it.
fn impossible(key: &Key) -> Option<(String, String)> {
    let shape = &key.shape;
    if let (Some(least), Some(most)) = (shape["minimum"].as_u64(), shape["maximum"].as_u64()) {
        return Some(((most + 1).to_string(), format!("is out of range: {least}..={most}")));
    }
    let names: Vec<_> = shape["enum"].as_array()?.iter().filter_map(Value::as_str).collect();
    Some(("'no such word'".to_owned(), format!("is not one of {}", names.join(", "))))
}

#[test]
fn ranges_and_choices_are_those_of_the_parser() {
    let mut compared = 0;
    for (table, place) in placed() {
        for key in &table.keys {
            let Some((value, refusal)) = impossible(key) else { continue };
            let refused = place.within.iter().any(|within| {
                // What the text has already is replaced.
                let begins = format!("{} = ", key.name);
                let within: String =
                    within.lines().filter(|line| !line.starts_with(&begins)).map(|line| format!("{line}\n")).collect();
                let problems = problems(&format!("{within}{} = {value}\n", key.name));
                problems.iter().any(|problem| problem.message.contains(&refusal))
            });
            assert!(refused || place.within.is_empty(), "{}.{} = {value}: {refusal}", table.name, key.name);
            compared += 1;
        }
    }
    assert!(compared > 25, "{compared}");
}

/// The examples of the reference, the complete one first.
fn examples() -> Vec<&'static str> {
    REFERENCE.split("```toml\n").skip(1).filter_map(|rest| rest.split("```").next()).collect()
}

fn is_valid(schema: &jsonschema::Validator, text: &str) -> Result<(), String> {
    let file: Value = toml::from_str(text).expect("TOML");
    let errors: Vec<_> = schema.iter_errors(&file).map(|error| format!("{}: {error}", error.instance_path())).collect();
    if errors.is_empty() { Ok(()) } else { Err(errors.join("\n")) }
}

#[test]
fn the_schema_takes_what_the_parser_takes() {
    let document: Value = serde_json::from_str(&schema()).expect("JSON");
    jsonschema::meta::validate(&document).expect("a schema of its draft");
    let schema = jsonschema::draft202012::new(&document).expect("a schema");
    assert!(examples().len() > 1);
    for text in examples() {
        assert_eq!(problems(text), [], "{text}");
        assert_eq!(is_valid(&schema, text), Ok(()), "{text}");
    }
    for text in [
        "x = 1",
        "xdp_mode = 'fast'",
        "[sizes]\nconnections = 0",
        "[[service]]\nscheduler = 'rr'",
        "[[service]]\ntcp = '192.0.2.1:80'\nudp = '192.0.2.1:80'",
        "[[service]]\nmark = 1\n[[service.real_server]]\nweight = 1",
        "[template.web]\nmark = 1",
        "[defaults.real_server]\naddress = '192.0.2.1'",
        "[defaults.health]\ninterval = 5",
        "[[vip]]\nkeep = true",
    ] {
        assert!(is_valid(&schema, text).is_err(), "{text}");
        assert_ne!(problems(text), [], "{text}");
    }
}
