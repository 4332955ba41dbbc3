//! `lvx check`

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use serde::Serialize;

use crate::config::{self, Problem};

use super::print;

#[derive(Debug, Args)]
#[command(
    after_help = "Exit status: 0 all files are good (warnings or not), 1 one has a mistake or cannot be read, 2 usage"
)]
pub(super) struct Check {
    /// The files; `-` is the standard input
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// As JSON, a list with an object for each file
    #[arg(long)]
    json: bool,
}

/// What is to be said of a file.
#[derive(Debug, Serialize)]
struct Report {
    file: String,
    good: bool,
    /// Why it cannot be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    unreadable: Option<String>,
    problems: Vec<Problem>,
    warnings: Vec<Problem>,
}

impl Check {
    pub(super) fn run(self) -> Result<ExitCode> {
        let reports: Vec<_> = self.files.iter().map(|file| report(file)).collect();
        if self.json {
            print(&format!("{}\n", serde_json::to_string_pretty(&reports)?))?;
        } else {
            for report in &reports {
                report.show()?;
            }
        }
        Ok(if reports.iter().all(|report| report.good) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

fn report(path: &Path) -> Report {
    let (file, text) = if path.as_os_str() == "-" {
        ("stdin".to_owned(), io::read_to_string(io::stdin()))
    } else {
        (path.display().to_string(), std::fs::read_to_string(path))
    };
    let (mut unreadable, mut problems, mut warnings) = (None, Vec::new(), Vec::new());
    match text.map(|text| config::parse(&file, &text)) {
        Ok(Ok(config)) => warnings = config.warnings,
        Ok(Err(refused)) => problems = refused,
        Err(error) => unreadable = Some(error.to_string()),
    }
    Report { good: unreadable.is_none() && problems.is_empty(), file, unreadable, problems, warnings }
}

impl Report {
    /// What is wrong goes to the standard error.
    fn show(&self) -> Result<()> {
        let Self { file, problems, .. } = self;
        if let Some(why) = &self.unreadable {
            eprintln!("lvx: cannot read the configuration {file}: {why}");
        }
        for problem in problems {
            eprintln!("{problem}");
        }
        for warning in &self.warnings {
            eprintln!("warning: {warning}");
        }
        match problems.len() {
            0 if self.good => print(&format!("{file}: good\n")),
            0 => Ok(()),
            1 => {
                eprintln!("{file}: 1 mistake");
                Ok(())
            }
            many => {
                eprintln!("{file}: {many} mistakes");
                Ok(())
            }
        }
    }
}
