//! `lvx import`.

use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::Args;

use super::print;
use crate::import::{Kind, Options, Source, import};

/// What files of other programs ask for, as a configuration of LVX.
#[derive(Debug, Args)]
pub(super) struct Import {
    /// Files of one director, all of which make one configuration; - is standard input
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// What the files are, instead of telling it by their contents
    #[arg(long, value_name = "KIND")]
    from: Option<Kind>,
    /// The config-id that @ lines of keepalived.conf are for [default: the first part of this host's name]
    #[arg(long, value_name = "ID")]
    config_id: Option<String>,
    /// Make a warning an error: print nothing but the warnings
    #[arg(long)]
    strict: bool,
}

impl Import {
    /// Prints the configuration, and what has no equal on standard error.
    pub(super) fn run(self) -> Result<ExitCode> {
        let sources = self.files.iter().map(|file| read(file)).collect::<Result<Vec<_>>>()?;
        let imported = import(&sources, &Options { kind: self.from, config_id: self.config_id })?;
        for warning in &imported.warnings {
            eprintln!("{warning}");
        }
        if self.strict && !imported.warnings.is_empty() {
            return Ok(ExitCode::FAILURE);
        }
        print(&imported.text)?;
        Ok(ExitCode::SUCCESS)
    }
}

fn read(file: &Path) -> Result<Source> {
    let name = file.display().to_string();
    if file == Path::new("-") {
        let mut bytes = Vec::new();
        io::stdin().lock().read_to_end(&mut bytes).context("cannot read standard input")?;
        let text = String::from_utf8_lossy(&bytes).into_owned();
        return Ok(Source { name: "standard input".to_owned(), text, directory: PathBuf::from(".") });
    }
    let bytes = std::fs::read(file).with_context(|| format!("cannot read {name}"))?;
    let directory = file.parent().map(Path::to_owned).unwrap_or_default();
    Ok(Source { name, text: String::from_utf8_lossy(&bytes).into_owned(), directory })
}
