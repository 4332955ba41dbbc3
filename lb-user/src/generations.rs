//! The configuration files that were applied last, kept in the state directory: to go back to one, and to know after a
//! restart what the changes by hand were made on top of.
//!
//! Each is one file, `generations/NUMBER.toml`: a comment with what is known of it, then the text as it was applied.

use std::fs::{self, File};
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use utoipa::ToSchema;

/// What the first line of a kept file begins with; JSON follows.
const MARK: &str = "# lvx generation ";

/// How a generation came to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum How {
    /// It is the file that `lvx run` started with.
    Start,
    /// `lvx apply`
    Apply,
    /// `lvx reload`, or SIGHUP.
    Reload,
    /// `lvx rollback`
    Rollback,
}

/// What is known of an applied file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Generation {
    /// Counted up from 1.
    pub number: u64,
    /// When it was applied, in seconds since 1970, UTC.
    pub time: u64,
    /// The file's name, as it was given.
    pub name: String,
    /// How it came to be.
    pub how: How,
    /// The earlier generation whose text it is, where it was rolled back to.
    pub of: Option<u64>,
    /// SHA-256 of the text, hexadecimal.
    pub hash: String,
    /// SHA-256 of the file of `lvx run --config` at that time; none where there was none.
    pub file: Option<String>,
}

/// A file that is applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied<'a> {
    /// What it is called.
    pub name: &'a str,
    /// Its text.
    pub text: &'a str,
    /// How it comes to be applied.
    pub how: How,
    /// See [`Generation::of`].
    pub of: Option<u64>,
    /// See [`Generation::file`].
    pub file: Option<String>,
}

/// The generations that are kept.
#[derive(Debug)]
pub struct Generations {
    directory: PathBuf,
    /// The oldest first.
    all: Vec<Generation>,
    /// The highest number in use, also of files that cannot be read.
    highest: u64,
}

/// The hash by which texts are told apart: SHA-256, hexadecimal.
pub fn hash(text: &str) -> String {
    Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Generations {
    /// Opens, or makes, the directory of generations in the state directory. A file that is not one of them is left
    /// alone.
    ///
    /// # Errors
    /// The directory cannot be used.
    pub fn open(state: &Path) -> io::Result<Self> {
        let directory = state.join("generations");
        fs::create_dir_all(state).map_err(|error| named(state, &error))?;
        fs::create_dir_all(&directory).map_err(|error| named(&directory, &error))?;
        let (mut all, mut highest) = (Vec::new(), 0);
        for entry in fs::read_dir(&directory).map_err(|error| named(&directory, &error))? {
            let path = entry?.path();
            let number = path.file_stem().and_then(|stem| stem.to_str()).and_then(|stem| stem.parse().ok());
            let (Some(number), Some("toml")) = (number, path.extension().and_then(|end| end.to_str())) else {
                continue;
            };
            highest = highest.max(number);
            match header(&path) {
                Ok(generation) if generation.number == number => all.push(generation),
                Ok(_) => tracing::warn!("{} is of another generation and is left alone", path.display()),
                Err(error) => tracing::warn!("{}: {error}; it is left alone", path.display()),
            }
        }
        all.sort_by_key(|generation| generation.number);
        Ok(Self { directory, all, highest })
    }

    /// Those that are kept, the oldest first.
    pub fn all(&self) -> &[Generation] {
        &self.all
    }

    /// The one that was applied last.
    pub fn last(&self) -> Option<&Generation> {
        self.all.last()
    }

    /// The newest with this text.
    pub fn with_hash(&self, hash: &str) -> Option<&Generation> {
        self.all.iter().rev().find(|generation| generation.hash == hash)
    }

    /// The one that `lvx rollback` goes to: that of the number, or the newest with another text that is older than the
    /// last one, or than what that one went back to. So one rollback after the other goes further back.
    pub fn earlier(&self, to: Option<u64>) -> Option<&Generation> {
        let last = self.last()?;
        if let Some(number) = to {
            return self.all.iter().find(|generation| generation.number == number);
        }
        let from = last.of.unwrap_or(last.number);
        self.all.iter().rev().find(|generation| generation.number < from && generation.hash != last.hash)
    }

    /// The text of one, as it was applied.
    ///
    /// # Errors
    /// It cannot be read, or is not what was applied.
    pub fn text(&self, generation: &Generation) -> io::Result<String> {
        let path = self.path(generation.number);
        let all = fs::read_to_string(&path).map_err(|error| named(&path, &error))?;
        let text = all.split_once('\n').map_or("", |(_, text)| text);
        if hash(text) != generation.hash {
            let why = format!("{} was changed after it was applied; apply it by its name", path.display());
            return Err(io::Error::other(why));
        }
        Ok(text.to_owned())
    }

    /// Keeps a file that is applied.
    ///
    /// # Errors
    /// It cannot be written; nothing is kept then.
    pub fn add(&mut self, applied: &Applied<'_>) -> io::Result<Generation> {
        let time = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let Applied { name, text, how, of, file } = applied.clone();
        let number = self.highest + 1;
        let generation = Generation { number, time, name: name.to_owned(), how, of, hash: hash(text), file };
        self.write(&generation, text)?;
        self.highest = number;
        self.all.push(generation.clone());
        Ok(generation)
    }

    /// The last one was not applied after all.
    ///
    /// # Errors
    /// Its file cannot be removed.
    pub fn take_back(&mut self) -> io::Result<()> {
        let Some(last) = self.all.pop() else { return Ok(()) };
        self.highest -= 1;
        let path = self.path(last.number);
        fs::remove_file(&path).map_err(|error| named(&path, &error))
    }

    /// The file of `lvx run --config` has this hash, and the text of the last generation holds nevertheless, or is it.
    ///
    /// # Errors
    /// The generation's file cannot be written anew.
    pub fn note_file(&mut self, file: Option<&str>) -> io::Result<()> {
        let Some(last) = self.all.last().filter(|last| last.file.as_deref() != file) else { return Ok(()) };
        let noted = Generation { file: file.map(str::to_owned), ..last.clone() };
        let text = self.text(last)?;
        self.write(&noted, &text)?;
        self.all.pop();
        self.all.push(noted);
        Ok(())
    }

    /// Removes the oldest until so many are left; the last one always is.
    ///
    /// # Errors
    /// A file cannot be removed.
    pub fn keep(&mut self, most: u32) -> io::Result<()> {
        let most = usize::try_from(most).unwrap_or(usize::MAX).max(1);
        while self.all.len() > most {
            let oldest = self.all.remove(0);
            let path = self.path(oldest.number);
            fs::remove_file(&path).map_err(|error| named(&path, &error))?;
        }
        Ok(())
    }

    fn path(&self, number: u64) -> PathBuf {
        self.directory.join(format!("{number}.toml"))
    }

    /// Written beside, then renamed: it is there in whole or not at all.
    fn write(&self, generation: &Generation, text: &str) -> io::Result<()> {
        let path = self.path(generation.number);
        let beside = path.with_extension("new");
        let write = || {
            let mut file = File::create(&beside)?;
            writeln!(file, "{MARK}{}", serde_json::to_string(generation)?)?;
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
            fs::rename(&beside, &path)?;
            File::open(&self.directory)?.sync_all()
        };
        write().map_err(|error| named(&path, &error))
    }
}

fn header(path: &Path) -> io::Result<Generation> {
    let mut line = String::new();
    BufReader::new(File::open(path)?).read_line(&mut line)?;
    let Some(json) = line.strip_prefix(MARK) else { return Err(io::Error::other("no generation of LVX")) };
    Ok(serde_json::from_str(json)?)
}

fn named(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests;
