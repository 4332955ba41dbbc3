//! Whether something was made already, and from what: a text beside it that says all that went in.

use std::fs;
use std::hash::{DefaultHasher, Hasher as _};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// Makes `what` in its directory unless it was made by the same recipe before; says whether it had to.
pub(super) fn follow(directory: &Path, recipe: &str, make: impl FnOnce() -> Result<()>) -> Result<bool> {
    let stamp = directory.join("recipe");
    if fs::read_to_string(&stamp).is_ok_and(|before| before == recipe) {
        return Ok(false);
    }
    if directory.exists() {
        fs::remove_dir_all(directory).with_context(|| directory.display().to_string())?;
    }
    fs::create_dir_all(directory).with_context(|| directory.display().to_string())?;
    make()?;
    fs::write(stamp, recipe)?;
    Ok(true)
}

/// A number that stands for all files below `directories`: their names and what is in them.
pub(super) fn sources(directories: &[PathBuf]) -> Result<String> {
    let mut hasher = DefaultHasher::new();
    let mut waiting = directories.to_vec();
    while let Some(path) = waiting.pop() {
        if path.is_dir() {
            let mut inside = fs::read_dir(&path)?.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
            inside.sort();
            waiting.extend(inside);
        } else {
            hasher.write(path.as_os_str().as_encoded_bytes());
            hasher.write(&fs::read(&path).with_context(|| path.display().to_string())?);
        }
    }
    Ok(format!("{:016x}", hasher.finish()))
}
