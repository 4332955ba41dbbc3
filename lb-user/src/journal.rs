//! What the operator changed by hand, kept across restarts: a file of the accepted requests, one JSON object a line.
//!
//! Its first line names the configuration file that they were made on top of, by its hash. At start, and when another
//! file is applied, both sides come together in [`crate::model::merge`], and the file is rewritten with what is left.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::api::Request;
use crate::model::{Model, plan};

/// Requests in a file beyond which it is looked whether fewer would do: scripts add and remove servers for years.
const LONG: usize = 4096;

/// The open file.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    file: File,
    /// See [`Head::base`].
    base: String,
    /// Requests in the file.
    length: usize,
    /// The length at which it is rewritten.
    long: usize,
    /// Something was written that a power cut could take away.
    is_at_risk: bool,
}

/// The first line.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Head {
    /// [`crate::generations::hash`] of the text that the requests are made on top of.
    base: String,
}

/// What a file says.
#[derive(Debug)]
pub struct Record {
    path: PathBuf,
    /// What the requests were made on top of ([`crate::generations::hash`]); none where an older LVX wrote it.
    pub base: Option<String>,
    /// The requests, with their line numbers.
    requests: Vec<(usize, Request)>,
}

/// What came out of reading a journal.
#[derive(Debug, Default)]
pub struct Replay {
    /// The state that the requests led to.
    pub model: Model,
    /// What could not be done again, one sentence each.
    pub warnings: Vec<String>,
}

impl Record {
    /// Reads the journal of a directory, which is made where it is missing.
    ///
    /// # Errors
    /// The directory or the file cannot be used; a line that is no request names its number.
    pub fn read(directory: &Path) -> io::Result<Self> {
        fs::create_dir_all(directory).map_err(|error| named(directory, &error))?;
        let path = directory.join("operator.jsonl");
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(named(&path, &error)),
        };
        let head: Option<Head> = text.lines().next().and_then(|line| serde_json::from_str(line).ok());
        let requests = requests(&text, usize::from(head.is_some()), &path)?;
        Ok(Self { path, base: head.map(|head| head.base), requests })
    }

    /// Makes the requests again on top of `base`.
    pub fn replay(&self, base: &Model) -> Replay {
        let mut replay = Replay { model: base.clone(), warnings: Vec::new() };
        for (number, request) in &self.requests {
            match replay.model.check(request) {
                Ok(()) => replay.model.commit(request),
                Err(refusal) => replay.warnings.push(format!(
                    "{} line {number}: a change made by hand does not fit the config file any more and is not made: {refusal}",
                    self.path.display()
                )),
            }
        }
        replay
    }

    /// Keeps a copy, since what is written next says less; gives a sentence about it.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn keep_before(&self) -> io::Result<String> {
        keep_before(&self.path)
    }
}

impl Journal {
    /// Replaces the journal of a directory: `changes` were made on top of the text with the hash `base`.
    ///
    /// # Errors
    /// It cannot be written, and is as before.
    pub fn write(directory: &Path, base: &str, changes: &[Request]) -> io::Result<Self> {
        let path = directory.join("operator.jsonl");
        let file = rewrite(&path, base, changes)?;
        let length = changes.len();
        Ok(Self { path, file, base: base.to_owned(), length, long: LONG.max(length * 2), is_at_risk: false })
    }

    /// From now on `changes` are what was made by hand, on top of the text with the hash `base`.
    ///
    /// # Errors
    /// It cannot be written, and is as before.
    pub fn rebase(&mut self, base: &str, changes: &[Request]) -> io::Result<()> {
        self.file = rewrite(&self.path, base, changes)?;
        self.length = changes.len();
        self.long = LONG.max(self.length * 2);
        self.is_at_risk = false;
        base.clone_into(&mut self.base);
        Ok(())
    }

    /// Keeps a copy, since what is written next says less; gives a sentence about it.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn keep_before(&self) -> io::Result<String> {
        keep_before(&self.path)
    }

    /// Writes an accepted request, before it is answered.
    ///
    /// # Errors
    /// The file cannot be written, and is as before; the request must then be refused.
    pub fn append(&mut self, request: &Request) -> io::Result<()> {
        let mut line = serde_json::to_vec(request)?;
        line.push(b'\n');
        let before = self.file.metadata()?.len();
        if let Err(error) = self.file.write_all(&line) {
            // On a full disk a part of the line may be there, to which the next one would be glued.
            self.file.set_len(before)?;
            return Err(named(&self.path, &error));
        }
        self.length += 1;
        self.is_at_risk = true;
        Ok(())
    }

    /// Makes what was written survive a power cut; a long file becomes as short as `model`, which is what its requests
    /// led to from `base`, allows.
    ///
    /// # Errors
    /// The disk refused.
    pub fn keep_safe(&mut self, base: &Model, model: &Model) -> io::Result<()> {
        if !self.is_at_risk {
            return Ok(());
        }
        if self.length < self.long {
            self.file.sync_data().map_err(|error| named(&self.path, &error))?;
            self.is_at_risk = false;
            return Ok(());
        }
        let hash = self.base.clone();
        self.rebase(&hash, &plan(base, model))
    }
}

/// The requests of a file's text behind `skip` lines, with their line numbers. A last line without its end was cut off
/// by a crash while it was written, and thus never answered: it does not count.
fn requests(text: &str, skip: usize, path: &Path) -> io::Result<Vec<(usize, Request)>> {
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    let parse = |(number, line): (usize, &str)| match serde_json::from_str(line) {
        Ok(request) => Ok((number + 1, request)),
        Err(error) => Err(io::Error::other(format!(
            "{} line {}: no request of LVX ({error}); mend the line, or move the file away to start without it",
            path.display(),
            number + 1
        ))),
    };
    whole.lines().enumerate().skip(skip).map(parse).collect()
}

fn keep_before(path: &Path) -> io::Result<String> {
    let kept = path.with_extension("jsonl.before");
    fs::copy(path, &kept).map_err(|error| named(&kept, &error))?;
    Ok(format!("the changes made by hand as they were are kept in {}", kept.display()))
}

/// Replaces the file as a whole: written beside it, then renamed. Gives it, to append to.
fn rewrite(path: &Path, base: &str, changes: &[Request]) -> io::Result<File> {
    replace(path, base, changes).map_err(|error| named(path, &error))
}

fn replace(path: &Path, base: &str, changes: &[Request]) -> io::Result<File> {
    let beside = path.with_extension("new");
    let mut text = serde_json::to_vec(&Head { base: base.to_owned() })?;
    text.push(b'\n');
    for change in changes {
        serde_json::to_writer(&mut text, change)?;
        text.push(b'\n');
    }
    let mut file = File::create(&beside)?;
    file.write_all(&text)?;
    file.sync_all()?;
    fs::rename(&beside, path)?;
    OpenOptions::new().append(true).open(path)
}

fn named(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests;
