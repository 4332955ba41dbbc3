//! `ipvsadm`, `ipvsadm-save` and `ipvsadm-restore`: the commands, messages, exit statuses and tables of Debian's
//! ipvsadm 1.31, in front of LVX.
//!
//! A command line goes through `popt` (words to options), `grammar` (options to what was typed), `command` (what was
//! typed to what it means) and `session` (requests, answers, texts).

mod address;
mod command;
mod connections;
mod daemon;
mod failure;
mod grammar;
mod help;
mod legality;
mod listing;
mod names;
mod number;
mod options;
mod order;
mod popt;
mod resolver;
mod restore;
mod save;
mod saved;
mod scripts;
mod service_words;
mod session;
#[cfg(test)]
pub(crate) mod tests;

use std::ffi::OsStr;
use std::io::BufRead;
use std::path::Path;

use crate::api::{Request, Response};
pub(crate) use names::{Names, Transport};
pub(crate) use resolver::Resolver;
pub(crate) use saved::{Unread, read_saved};
use session::Session;

/// What a run prints, and its exit status.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Output {
    /// Exit status: 0 done, 1 a list failed, 2 bad usage or no daemon, 255 refused.
    pub status: i32,
    /// Text for standard output.
    pub stdout: String,
    /// Text for standard error.
    pub stderr: String,
}

/// The daemon, as `ipvsadm` sees it.
pub trait Backend {
    /// Asks for a change or puts a question.
    ///
    /// # Errors
    /// The daemon cannot be reached. A change that it refuses is an answer, not an error.
    fn request(&mut self, request: Request) -> Result<Response, BackendError>;
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BackendError {
    /// The daemon cannot be reached; the text names the socket and the reason.
    #[error("{0}")]
    Unreachable(String),
}

/// Runs one command line. `program` is the name that it was called by, without which `ipvsadm-save` and
/// `ipvsadm-restore` could not be told from `ipvsadm`, and which help texts repeat; `args` are the words after it.
pub fn run<A: AsRef<OsStr>>(program: &str, args: &[A], stdin: &mut dyn BufRead, backend: &mut dyn Backend) -> Output {
    let words: Vec<String> = args.iter().map(|word| word.as_ref().to_string_lossy().into_owned()).collect();
    run_with_names(program, &words, stdin, backend, &Resolver::default())
}

fn run_with_names(
    program: &str,
    words: &[String],
    stdin: &mut dyn BufRead,
    backend: &mut dyn Backend,
    names: &dyn Names,
) -> Output {
    let called = Path::new(program).file_name().and_then(OsStr::to_str).unwrap_or(program);
    match called {
        "ipvsadm-save" => scripts::save(called, words, &mut Session::new("ipvsadm", backend, names)),
        "ipvsadm-restore" => scripts::restore(stdin, &mut Session::new("ipvsadm", backend, names)),
        _ => Session::new(program, backend, names).main(words, stdin),
    }
}
