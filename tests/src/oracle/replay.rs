//! `oracle replay DIR`: every recording of a directory, a line each.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

use super::player::{self, Difference};
use super::recording::Recording;

/// Recordings that show how late the kernel's timers are, by their names, and where the timer wheel stood when they
/// began, in milliseconds, which the recorder did not write down.
const LATE: [(&str, u64); 2] = [("time_persist_3600", 0), ("time_template_rearm", 320)];

/// Plays a recording, with timers as late as they were.
pub fn play(recording: &Recording) -> Vec<Difference> {
    let late = LATE.iter().find(|(name, _)| *name == recording.name).map(|(_, phase)| *phase);
    player::play(recording, late)
}

/// How many recordings were equal, differed, or could not be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Total {
    /// Without a difference.
    pub equal: usize,
    /// With one, or no recordings.
    pub failed: usize,
}

/// Plays every file of a directory whose name ends in `.json`, by name, and says of each how it was.
///
/// # Errors
/// The directory cannot be read, or has no such file. A file that is no recording is no error but a line.
pub fn directory(directory: &Path, say: &mut dyn FnMut(&str)) -> Result<Total> {
    let mut total = Total::default();
    for path in files(directory)? {
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        let result = match Recording::read(&path) {
            Ok(recording) => first(&play(&recording)),
            Err(error) => Err(format!("error: {error:#}")),
        };
        match result {
            Ok(()) => {
                total.equal += 1;
                say(&format!("{name}: equal"));
            }
            Err(what) => {
                total.failed += 1;
                say(&format!("{name}: {}", what.trim_end().replace('\n', " | ")));
            }
        }
    }
    Ok(total)
}

/// The first of some differences, and how many there are.
fn first(differences: &[Difference]) -> Result<(), String> {
    match differences {
        [] => Ok(()),
        [first] => Err(format!("differs: {first}")),
        [first, ..] => Err(format!("{} differences, the first: {first}", differences.len())),
    }
}

fn files(directory: &Path) -> Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(directory).with_context(|| directory.display().to_string())?;
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.with_context(|| directory.display().to_string())?.path();
        if path.extension().is_some_and(|extension| extension == "json") {
            files.push(path);
        }
    }
    if files.is_empty() {
        bail!("{}: no recordings in it (files that end in .json)", directory.display());
    }
    files.sort();
    Ok(files)
}
