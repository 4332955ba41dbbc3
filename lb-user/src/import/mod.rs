//! `lvx import`: what other programs' files ask for, as LVX' configuration.
//!
//! Each kind of file has a reader, which makes a `draft::Draft`; `output` writes that. Nothing is left out in
//! silence: a reader ends each `match` over keywords with a warning that names the one it does not know.

mod detect;
mod draft;
mod ipvsadm;
mod keepalived;
mod ldirectord;
mod marks;
mod netfilter;
mod nft;
mod note;
mod output;
#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::path::PathBuf;

pub use detect::Kind;
pub use note::{Note, Place, Severity};

use crate::ipvsadm::{Names, Resolver};
use draft::Draft;

/// A file to import.
#[derive(Clone, Debug)]
pub struct Source {
    /// How messages call it.
    pub name: String,
    /// Its contents.
    pub text: String,
    /// What relative includes begin from.
    pub directory: PathBuf,
}

/// How to import.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// What the files are; none finds it out by their contents.
    pub kind: Option<Kind>,
    /// keepalived's `--config-id`, which `@` lines are for; none is the first part of the host's name.
    pub config_id: Option<String>,
}

/// What an import made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Imported {
    /// The configuration, in TOML.
    pub text: String,
    /// What has no equal, by file and line.
    pub warnings: Vec<Note>,
}

/// Why nothing was imported.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ImportError {
    /// The kind of a file cannot be told by its contents.
    #[error("{0}: cannot tell what it is; say --from ipvsadm-save, iptables-save, nft, keepalived or ldirectord")]
    UnknownKind(String),
    /// Files are malformed.
    #[error("{}", .0.iter().map(Note::to_string).collect::<Vec<_>>().join("\n"))]
    Malformed(Vec<Note>),
}

/// Makes one configuration of all the files together.
///
/// # Errors
/// The kind of a file cannot be told, or files are malformed.
pub fn import(sources: &[Source], options: &Options) -> Result<Imported, ImportError> {
    import_with(sources, options, &Resolver::default())
}

fn import_with(sources: &[Source], options: &Options, names: &dyn Names) -> Result<Imported, ImportError> {
    let mut draft = Draft::default();
    for source in sources {
        let kind = options.kind.or_else(|| Kind::of(&source.text));
        match kind.ok_or_else(|| ImportError::UnknownKind(source.name.clone()))? {
            Kind::IpvsadmSave => ipvsadm::read(source, names, &mut draft),
            Kind::IptablesSave => netfilter::read(source, &mut draft),
            Kind::Nft => nft::read(source, &mut draft),
            Kind::Keepalived => keepalived::read(source, options, &mut draft),
            Kind::Ldirectord => ldirectord::read(source, names, &mut draft),
        }
    }
    let errors = sorted(&draft, Severity::Error);
    if !errors.is_empty() {
        return Err(ImportError::Malformed(errors));
    }
    let names: Vec<_> = sources.iter().map(|source| source.name.clone()).collect();
    Ok(Imported { text: output::write(&draft, &names), warnings: sorted(&draft, Severity::Warning) })
}

/// The notes of this severity, each once, file by file in the order of lines.
fn sorted(draft: &Draft, severity: Severity) -> Vec<Note> {
    let mut seen = HashSet::new();
    let mut files = Vec::new();
    let mut notes: Vec<Note> = Vec::new();
    for note in draft.notes().filter(|note| note.severity == severity) {
        if seen.insert((note.place.clone(), note.text.clone())) {
            if !files.contains(&note.place.file) {
                files.push(note.place.file.clone());
            }
            notes.push(note.clone());
        }
    }
    notes.sort_by_key(|note| (files.iter().position(|file| *file == note.place.file), note.place.line));
    notes
}
