//! What the operator changed by hand, kept across restarts: a file of the accepted requests, one JSON object a line.
//!
//! At start the requests are made again on top of the config file's services, so that neither is lost: a request that
//! the file has made impossible is reported. The file is then rewritten with the changes that are left.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use crate::api::Request;
use crate::model::{Model, plan};

/// Requests in a file beyond which it is looked whether fewer would do: scripts add and remove servers for years.
const LONG: usize = 4096;

/// The open file.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    file: File,
    /// What the requests are made on top of.
    base: Model,
    /// Requests in the file.
    length: usize,
    /// The length at which it is rewritten.
    long: usize,
}

/// What came out of reading a journal.
#[derive(Debug, Default)]
pub struct Replay {
    /// The requests that led to the state, to be applied in this order.
    pub changes: Vec<Request>,
    /// What could not be done again, one sentence each.
    pub warnings: Vec<String>,
}

impl Journal {
    /// Opens, or makes, the journal in a directory; gives what it says on top of `base`, the config file's model.
    ///
    /// # Errors
    /// The directory or the file cannot be used; a line that is no request names its number.
    pub fn open(directory: &Path, base: &Model) -> io::Result<(Self, Replay)> {
        fs::create_dir_all(directory).map_err(|error| named(directory, &error))?;
        let path = directory.join("operator.jsonl");
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(named(&path, &error)),
        };
        let (mut model, mut replay) = (base.clone(), Replay::default());
        for (number, request) in requests(&text, &path)? {
            match model.check(&request) {
                Ok(()) => model.commit(&request),
                Err(refusal) => replay.warnings.push(format!(
                    "{} line {number}: a change made by hand does not fit the config file any more and is not made: {refusal}",
                    path.display()
                )),
            }
        }
        if !replay.warnings.is_empty() {
            let kept = path.with_extension("jsonl.before");
            fs::copy(&path, &kept).map_err(|error| named(&kept, &error))?;
            replay.warnings.push(format!("the changes made by hand as they were are kept in {}", kept.display()));
        }
        replay.changes = plan(base, &model);
        let file = rewrite(&path, &replay.changes).map_err(|error| named(&path, &error))?;
        let length = replay.changes.len();
        Ok((Self { path, file, base: base.clone(), length, long: LONG.max(length * 2) }, replay))
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
        Ok(())
    }

    /// Makes what was written survive a power cut; a long file becomes as short as `model`, which is what its requests
    /// led to, allows.
    ///
    /// # Errors
    /// The disk refused.
    pub fn keep_safe(&mut self, model: &Model) -> io::Result<()> {
        if self.length < self.long {
            return self.file.sync_data().map_err(|error| named(&self.path, &error));
        }
        let changes = plan(&self.base, model);
        self.file = rewrite(&self.path, &changes).map_err(|error| named(&self.path, &error))?;
        self.length = changes.len();
        self.long = LONG.max(self.length * 2);
        Ok(())
    }
}

/// The requests of a file's text, with their line numbers. A last line without its end was cut off by a crash while
/// it was written, and thus never answered: it does not count.
fn requests(text: &str, path: &Path) -> io::Result<Vec<(usize, Request)>> {
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    let parse = |(number, line): (usize, &str)| match serde_json::from_str(line) {
        Ok(request) => Ok((number + 1, request)),
        Err(error) => Err(io::Error::other(format!(
            "{} line {}: no request of LVX ({error}); mend the line, or move the file away to start without it",
            path.display(),
            number + 1
        ))),
    };
    whole.lines().enumerate().map(parse).collect()
}

/// Replaces the file as a whole: written beside it, then renamed. Gives it, to append to.
fn rewrite(path: &Path, changes: &[Request]) -> io::Result<File> {
    let beside = path.with_extension("new");
    let mut text = Vec::new();
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
mod tests {
    use super::*;
    use crate::api::Refusal;
    use crate::model::{Netmask, Protocol, SchedulerFlags, SchedulerKind, Service, ServiceId, Timeouts};

    fn service(port: u16) -> Service {
        let id = ServiceId::Address { protocol: Protocol::Tcp, vip: [10, 0, 0, 1].into(), port };
        Service {
            id,
            scheduler: SchedulerKind::Rr,
            persistence: None,
            netmask: Netmask::host(id.family()),
            one_packet: false,
            scheduler_flags: SchedulerFlags::default(),
            servers: Vec::new(),
        }
    }

    #[test]
    fn what_was_set_by_hand_is_there_again() {
        let directory = tempfile::tempdir().expect("a directory");
        let base = Model::default();
        let (mut journal, replay) = Journal::open(directory.path(), &base).expect("a new journal");
        assert!(replay.changes.is_empty() && replay.warnings.is_empty());
        let add = Request::AddService { service: service(80) };
        journal.append(&add).expect("written");
        journal.append(&Request::AddService { service: service(81) }).expect("written");
        journal.append(&Request::DeleteService { id: service(81).id }).expect("written");
        let (_, replay) = Journal::open(directory.path(), &base).expect("the same journal");
        assert_eq!(replay.changes, std::slice::from_ref(&add));
        let (_, replay) = Journal::open(directory.path(), &base).expect("rewritten, it says the same");
        assert_eq!(replay.changes, [add]);
    }

    #[test]
    fn a_file_that_grew_long_is_made_short_and_says_the_same() {
        let directory = tempfile::tempdir().expect("a directory");
        let mut model = Model::default();
        let (mut journal, _) = Journal::open(directory.path(), &model).expect("a new journal");
        let change = |journal: &mut Journal, model: &mut Model, request: &Request| {
            journal.append(request).expect("written");
            model.commit(request);
        };
        change(&mut journal, &mut model, &Request::AddService { service: service(80) });
        for _ in 0..LONG / 2 {
            change(&mut journal, &mut model, &Request::AddService { service: service(81) });
            change(&mut journal, &mut model, &Request::DeleteService { id: service(81).id });
        }
        journal.keep_safe(&model).expect("rewritten");
        change(&mut journal, &mut model, &Request::AddService { service: service(82) });
        let text = fs::read_to_string(directory.path().join("operator.jsonl")).expect("read");
        assert_eq!(text.lines().count(), 2, "{text}");
        let (_, replay) = Journal::open(directory.path(), &Model::default()).expect("the same journal");
        assert_eq!(replay.changes, [80, 82].map(|port| Request::AddService { service: service(port) }));
    }

    #[test]
    fn a_change_that_the_file_made_impossible_is_reported() {
        let directory = tempfile::tempdir().expect("a directory");
        let (mut journal, _) = Journal::open(directory.path(), &Model::default()).expect("a new journal");
        journal.append(&Request::AddService { service: service(80) }).expect("written");
        let base = Model::new([service(80)], Timeouts::default());
        let (_, replay) = Journal::open(directory.path(), &base).expect("the same journal");
        assert!(replay.changes.is_empty());
        assert!(replay.warnings[0].contains(&Refusal::ServiceExists.to_string()), "{:?}", replay.warnings);
    }

    #[test]
    fn a_line_cut_off_by_a_crash_does_not_count_and_a_wrong_one_is_named() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("operator.jsonl");
        fs::write(&path, "{\"op\":\"flush\"}\n{\"op\":\"fl").expect("written");
        Journal::open(directory.path(), &Model::default()).expect("the whole line counts");
        fs::write(&path, "{\"op\":\"flush\"}\nrubbish\n").expect("written");
        let error = Journal::open(directory.path(), &Model::default()).expect_err("a wrong line");
        assert!(error.to_string().contains("operator.jsonl line 2"), "{error}");
    }
}
