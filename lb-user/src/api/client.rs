//! The command line's end of the unix socket.

use std::error::Error as _;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{CONTENT_TYPE, HOST, HeaderValue};
use hyper::{Request as HttpRequest, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;
use tokio::runtime::{Builder, Runtime};

use super::call::{self, Outgoing};
use super::{Request, Response, reply};
use crate::ipvsadm::{Backend, BackendError};

/// A connection to the daemon, made with the first request and kept for the others.
pub struct Client {
    path: PathBuf,
    open: Option<Open>,
}

struct Open {
    runtime: Runtime,
    sender: SendRequest<Full<Bytes>>,
}

impl fmt::Debug for Client {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Client").field("path", &self.path).finish_non_exhaustive()
    }
}

impl Client {
    /// A client of the daemon behind this socket.
    pub fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), open: None }
    }

    /// Asks, and waits for the answer.
    ///
    /// # Errors
    /// The daemon does not run, may not be asked by this user, or went away.
    ///
    /// # Panics
    /// In a task of tokio: it waits.
    pub fn ask(&mut self, request: &Request) -> io::Result<Response> {
        let outgoing = call::encode(request)?;
        let (status, body) = self.send(&outgoing)?;
        if status == StatusCode::FORBIDDEN {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        Ok(reply::decode(outgoing.route, status, &body)?)
    }

    /// The daemon closes a connection that is idle for long; a request that finds it closed goes by a new one.
    fn send(&mut self, outgoing: &Outgoing) -> io::Result<(StatusCode, Bytes)> {
        if let Some(mut open) = self.open.take() {
            match open.send(outgoing) {
                Ok(answer) => {
                    self.open = Some(open);
                    return Ok(answer);
                }
                Err(Failure::Closed) => {}
                Err(Failure::Other(error)) => return Err(error),
            }
        }
        let mut open = Open::new(&self.path)?;
        let answer = open.send(outgoing).map_err(|failure| match failure {
            Failure::Closed => io::Error::new(io::ErrorKind::UnexpectedEof, "lvx went away"),
            Failure::Other(error) => error,
        })?;
        self.open = Some(open);
        Ok(answer)
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

/// Why there is no answer.
enum Failure {
    /// The connection was closed before a byte of it.
    Closed,
    Other(io::Error),
}

impl From<hyper::Error> for Failure {
    fn from(error: hyper::Error) -> Self {
        let cause = error.source().and_then(|cause| cause.downcast_ref()).map(io::Error::kind);
        let broken = matches!(cause, Some(io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset));
        if broken || error.is_canceled() || error.is_closed() || error.is_incomplete_message() {
            return Self::Closed;
        }
        Self::Other(io::Error::other(error))
    }
}

impl Open {
    fn new(path: &Path) -> io::Result<Self> {
        let stream = std::os::unix::net::UnixStream::connect(path)?;
        stream.set_nonblocking(true)?;
        let runtime = Builder::new_current_thread().enable_io().build()?;
        let sender = runtime.block_on(async {
            let stream = TokioIo::new(UnixStream::from_std(stream)?);
            let (sender, connection) = http1::handshake(stream).await.map_err(io::Error::other)?;
            // Its errors are those of the requests.
            tokio::spawn(async { drop(connection.await) });
            io::Result::Ok(sender)
        })?;
        Ok(Self { runtime, sender })
    }

    fn send(&mut self, outgoing: &Outgoing) -> Result<(StatusCode, Bytes), Failure> {
        let request = request(outgoing).map_err(Failure::Other)?;
        let sender = &mut self.sender;
        self.runtime.block_on(async {
            sender.ready().await?;
            let response = sender.send_request(request).await?;
            let status = response.status();
            // A part of an answer is none, and nothing says what was done: it is not asked again.
            let body = response.into_body().collect().await.map_err(|error| Failure::Other(io::Error::other(error)))?;
            Ok((status, body.to_bytes()))
        })
    }
}

fn request(outgoing: &Outgoing) -> io::Result<HttpRequest<Full<Bytes>>> {
    let mut request = HttpRequest::new(Full::from(outgoing.body.clone().unwrap_or_default()));
    *request.method_mut() = outgoing.route.method();
    *request.uri_mut() = Uri::try_from(outgoing.path()).map_err(io::Error::other)?;
    // The socket has no name, and a request without one is none (RFC 9112, 3.2).
    request.headers_mut().insert(HOST, HeaderValue::from_static("lvx"));
    if outgoing.body.is_some() {
        request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    Ok(request)
}
