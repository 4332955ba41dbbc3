//! The command line's end of the unix socket.

use std::io::{self, BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use super::{Request, Response};
use crate::ipvsadm::{Backend, BackendError};

/// A connection to the daemon, made with the first request.
#[derive(Debug)]
pub struct Client {
    path: PathBuf,
    stream: Option<BufReader<UnixStream>>,
}

impl Client {
    /// A client of the daemon behind this socket.
    pub fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), stream: None }
    }

    /// Asks, and waits for the answer.
    ///
    /// # Errors
    /// The daemon does not run, may not be asked by this user, or went away.
    pub fn ask(&mut self, request: &Request) -> io::Result<Response> {
        let stream = match self.stream.take() {
            Some(stream) => stream,
            None => BufReader::new(UnixStream::connect(&self.path)?),
        };
        let stream = self.stream.insert(stream);
        let mut line = serde_json::to_vec(request)?;
        line.push(b'\n');
        stream.get_mut().write_all(&line)?;
        let mut answer = String::new();
        if stream.read_line(&mut answer)? == 0 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "lvx went away"));
        }
        Ok(serde_json::from_str(&answer)?)
    }

    /// As [`Self::ask`]; the error is one sentence for people.
    ///
    /// # Errors
    /// As [`Self::ask`].
    pub fn ask_in_words(&mut self, request: &Request) -> Result<Response, String> {
        self.ask(request).map_err(|error| {
            let path = self.path.display();
            if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) {
                format!("no lvx listens on {path}; start it with `lvx run`")
            } else if error.kind() == io::ErrorKind::PermissionDenied {
                format!("Permission denied (you must be root) to use {path}")
            } else {
                format!("{path}: {error}")
            }
        })
    }
}

impl Backend for Client {
    fn request(&mut self, request: Request) -> Result<Response, BackendError> {
        self.ask_in_words(&request).map_err(BackendError::Unreachable)
    }
}
