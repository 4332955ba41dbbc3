//! Imports as a whole: text in, text and warnings out, and what the configuration makes of the text.

mod ipvsadm;
mod keepalived;
mod ldirectord;
mod marks;
mod together;

use super::{ImportError, Imported, Kind, Options, Source, import_with};
use crate::config::{self, Config, Problem};
use crate::ipvsadm::tests::NoNames;

fn source(name: &str, text: &str) -> Source {
    Source { name: name.to_owned(), text: text.to_owned(), directory: std::env::temp_dir() }
}

fn import_as(kind: Kind, text: &str) -> Result<Imported, ImportError> {
    let options = Options { kind: Some(kind), config_id: Some("here".to_owned()) };
    import_with(&[source("f", text)], &options, &NoNames)
}

/// Imports what must be importable, into what must be a good configuration.
fn imported(kind: Kind, text: &str) -> Imported {
    let imported = import_as(kind, text).unwrap_or_else(|error| panic!("{text}\n{error}"));
    let problems = problems(&imported.text);
    assert!(problems.is_empty(), "{text}\n{}\n{problems:#?}", imported.text);
    imported
}

fn problems(text: &str) -> Vec<Problem> {
    config::parse("imported", text).err().unwrap_or_default()
}

/// The configuration that was imported, of keys that are all known.
fn parsed(imported: &Imported) -> Config {
    config::parse("imported", &imported.text).unwrap_or_else(|problems| panic!("{}\n{problems:#?}", imported.text))
}

/// The text must have these lines, and the warnings these words, one each; a row may have none.
fn assert_says(what: &str, imported: &Imported, lines: &[&str], warnings: &[&str]) {
    for line in lines {
        assert!(imported.text.lines().any(|had| had == *line), "{what}: no `{line}` in\n{}", imported.text);
    }
    let had: Vec<String> = imported.warnings.iter().map(ToString::to_string).collect();
    for words in warnings {
        assert!(had.iter().any(|had| had.contains(words)), "{what}: no warning `{words}` in\n{had:#?}");
        assert!(imported.text.contains(words), "{what}: no comment `{words}` in\n{}", imported.text);
    }
    assert_eq!(had.len(), warnings.len(), "{what}: {had:#?}");
}
