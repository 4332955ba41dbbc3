//! `oracle replay DIR`: every recording of a directory, a line each.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

use super::difference::{Difference, differences};
use super::lvx;
use super::recording::{Recording, Wheel};

/// Recordings that show how late the kernel's timers are, by their names, and where the timer wheel stood when they
/// began, which the recorder did not write down.
const LATE: [(&str, Wheel); 2] =
    [("time_persist_3600", Wheel { hz: 250, phase: 0 }), ("time_template_rearm", Wheel { hz: 250, phase: 320 })];

/// Plays a recording to LVX, and gives what differs.
///
/// # Errors
/// LVX cannot do what the recording says, a sysctl that it does not have.
pub fn play(recording: &Recording) -> Result<Vec<Difference>> {
    let late = LATE.iter().find(|(name, _)| *name == recording.name).map(|(_, wheel)| *wheel);
    let played = lvx::record(&recording.case(), &recording.kernel, recording.wheel.or(late))?;
    Ok(differences(recording, &played))
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
        let differences = Recording::read(&path).and_then(|recording| play(&recording));
        let result = match differences {
            Ok(differences) => first(&differences),
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
