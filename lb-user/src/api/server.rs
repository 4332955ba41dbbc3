//! The daemon's end of the unix socket.

use std::io;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{mpsc, oneshot};

use super::{Refusal, Request, Response};

/// A request and the way back for its answer.
pub type Call = (Request, oneshot::Sender<Response>);

/// The longest request, which has a config file in it: 10,000 services of ten servers each are about 10 MB.
const LONGEST_REQUEST: u64 = 64 << 20;

/// Most clients at a time; further ones wait.
const CLIENTS: usize = 64;

/// A socket that is removed when it goes.
#[derive(Debug)]
pub struct Server {
    path: PathBuf,
    listener: UnixListener,
}

impl Server {
    /// Listens. A socket that a dead daemon left is replaced; that of a living one is not.
    ///
    /// # Errors
    /// Another daemon listens there, or the directory cannot be used.
    pub fn bind(path: &Path) -> io::Result<Self> {
        if let Some(directory) = path.parent() {
            std::fs::create_dir_all(directory)?;
        }
        match std::os::unix::net::UnixStream::connect(path) {
            Ok(_) => {
                let why = format!("another lvx listens on {}", path.display());
                return Err(io::Error::new(io::ErrorKind::AddrInUse, why));
            }
            // The kernel says the same of a socket without a listener and of a file that is none.
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                if !std::fs::symlink_metadata(path)?.file_type().is_socket() {
                    return Err(io::Error::new(io::ErrorKind::AlreadyExists, "the file is there and is no socket"));
                }
                std::fs::remove_file(path)?;
            }
            Err(_) => {}
        }
        let listener = UnixListener::bind(path)?;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
        Ok(Self { path: path.to_owned(), listener })
    }

    /// Takes clients and hands their requests on, until the receiver is gone.
    pub async fn serve(&self, calls: mpsc::Sender<Call>) {
        let places = std::sync::Arc::new(tokio::sync::Semaphore::new(CLIENTS));
        while let Ok(place) = std::sync::Arc::clone(&places).acquire_owned().await {
            match self.listener.accept().await {
                Ok((stream, _)) => {
                    let calls = calls.clone();
                    tokio::spawn(async move {
                        if let Err(error) = client(stream, &calls).await {
                            tracing::debug!("a client went away: {error}");
                        }
                        drop(place);
                    });
                }
                Err(error) => {
                    tracing::warn!("cannot take a client: {error}");
                    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
                }
            }
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_file(&self.path) {
            tracing::warn!("cannot remove {}: {error}", self.path.display());
        }
    }
}

async fn client(stream: UnixStream, calls: &mpsc::Sender<Call>) -> io::Result<()> {
    let (reader, mut writer) = stream.into_split();
    let mut reader = BufReader::new(reader);
    loop {
        let mut line = Vec::new();
        let read = (&mut reader).take(LONGEST_REQUEST).read_until(b'\n', &mut line).await?;
        if read == 0 {
            return Ok(());
        }
        let response = if line.last() == Some(&b'\n') {
            answer(&line, calls).await
        } else {
            refuse(format!("a request ends with a line feed, and is shorter than {LONGEST_REQUEST} bytes"))
        };
        let mut line = serde_json::to_vec(&response)?;
        line.push(b'\n');
        writer.write_all(&line).await?;
        if read as u64 == LONGEST_REQUEST {
            return Ok(());
        }
    }
}

async fn answer(line: &[u8], calls: &mpsc::Sender<Call>) -> Response {
    let request = match serde_json::from_slice(line) {
        Ok(request) => request,
        Err(error) => return refuse(format!("no request of LVX: {error}")),
    };
    let (back, answer) = oneshot::channel();
    if calls.send((request, back)).await.is_err() {
        return refuse("lvx is stopping".to_owned());
    }
    answer.await.unwrap_or_else(|_| refuse("lvx is stopping".to_owned()))
}

fn refuse(why: String) -> Response {
    Response::Refused { refusal: Refusal::Other(why) }
}
