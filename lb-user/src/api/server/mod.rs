//! The daemon's end: HTTP/1.1 on the unix socket, and with TLS on TCP if that is configured.
//!
//! It has a thread of its own, so that neither TLS nor a megabyte of JSON holds up the director; only requests and their
//! answers cross, by a channel.

mod access;
mod activity;
mod answer;
mod connection;
mod places;
mod socket;
mod stream;
mod tls;

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context as _, Result};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};

use super::event::Events;
use super::settings::Settings;
use super::{Request, Response};
use access::Access;
use places::Places;
use socket::Socket;
use tls::Tls;

/// A request and the way back for its answer.
pub type Call = (Request, oneshot::Sender<Response>);

/// What a client may take.
#[derive(Clone, Copy, Debug)]
struct Limits {
    /// Most clients at a time of one listener: a further one takes the place of one that is idle, or waits.
    clients: usize,
    /// For TLS' handshake, and for the line and headers of a request, from the end of the answer before: so long a client
    /// may be idle.
    header: Duration,
    /// For the body of a request.
    body: Duration,
    /// A connection by which nothing goes for so long while there is something to send has lost its client.
    silence: Duration,
    /// So often it is looked whether certificates or tokens were replaced: they are renewed while LVX runs.
    look: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        let [header, body, silence, look] = [30, 10, 60, 10].map(Duration::from_secs);
        Self { clients: 128, header, body, silence, look }
    }
}

/// How long nobody is taken after something went wrong, such as that there is no file descriptor left.
const PAUSE: Duration = Duration::from_millis(100);

/// The sockets that the API is offered on, open.
#[derive(Debug)]
pub struct Server {
    socket: Socket,
    tls: Option<(std::net::TcpListener, Arc<Tls>)>,
    limits: Limits,
}

/// What every client is answered from.
#[derive(Debug)]
struct Director {
    calls: mpsc::Sender<Call>,
    events: Events,
    limits: Limits,
}

impl Server {
    /// Listens. A socket that a dead daemon left is replaced; that of a living one is not.
    ///
    /// # Errors
    /// Another daemon listens there, the directory cannot be used, or what TLS needs cannot.
    pub fn bind(path: &Path, settings: &Settings) -> Result<Self> {
        Self::with_limits(path, settings, Limits::default())
    }

    fn with_limits(path: &Path, settings: &Settings, limits: Limits) -> Result<Self> {
        let tls = settings.tcp.as_ref().map(|tcp| {
            let tls = Tls::new(tcp, limits)?;
            let listener = std::net::TcpListener::bind(tcp.listen)
                .with_context(|| format!("cannot listen on {} (api.listen)", tcp.listen))?;
            listener.set_nonblocking(true)?;
            anyhow::Ok((listener, Arc::new(tls)))
        });
        let tls = tls.transpose()?;
        Ok(Self { socket: Socket::bind(path, settings)?, tls, limits })
    }

    /// Takes clients from now on, in a thread of its own.
    ///
    /// # Errors
    /// There is no thread for it.
    pub fn serve(self, calls: mpsc::Sender<Call>, events: Events) -> io::Result<Serving> {
        if let Some((listener, _)) = &self.tls {
            tracing::info!(listen = %listener.local_addr()?, "the API is offered over TCP");
        }
        let (stop, stopped) = oneshot::channel();
        let (ends, ended) = oneshot::channel();
        let run = move || {
            let director = Arc::new(Director { calls, events, limits: self.limits });
            let why = self.run(director, stopped).err().map_or_else(|| "stopped".to_owned(), |why| format!("{why:#}"));
            // Nobody may want to know.
            drop(ends.send(why));
        };
        let thread = std::thread::Builder::new().name("api".to_owned()).spawn(run)?;
        Ok(Serving { stop: Some(stop), ended, thread: Some(thread) })
    }

    /// Until it is stopped.
    fn run(self, director: Arc<Director>, stopped: oneshot::Receiver<()>) -> Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let unix = self.socket.listener()?;
            let local = take_local(&unix, &self.socket, &director);
            let remote = async {
                match &self.tls {
                    Some((listener, tls)) => {
                        take_remote(TcpListener::from_std(listener.try_clone()?)?, tls, &director).await
                    }
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = local => Ok(()),
                outcome = remote => outcome,
                // Whoever would stop it is gone, too.
                _ = stopped => Ok(()),
            }
        })
    }
}

/// Takes those who come by the unix socket.
async fn take_local(listener: &tokio::net::UnixListener, socket: &Socket, director: &Arc<Director>) {
    let places = Places::new(director.limits.clients);
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let place = places.take().await;
                let access = Access::Known(socket.role(&stream));
                tokio::spawn(connection::serve(stream, access, Arc::clone(director), place));
            }
            Err(error) => pause(&error).await,
        }
    }
}

/// Takes those who come by TCP.
async fn take_remote(listener: TcpListener, tls: &Arc<Tls>, director: &Arc<Director>) -> Result<()> {
    let places = Places::new(director.limits.clients);
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                let place = places.take().await;
                let (tls, director) = (Arc::clone(tls), Arc::clone(director));
                tokio::spawn(async move {
                    match tls.accept(stream).await {
                        Ok((stream, access)) => connection::serve(stream, access, director, place).await,
                        Err(error) => tracing::debug!(%peer, "no TLS: {error}"),
                    }
                });
            }
            Err(error) => pause(&error).await,
        }
    }
}

async fn pause(error: &io::Error) {
    tracing::warn!("cannot take a client: {error}");
    tokio::time::sleep(PAUSE).await;
}

/// The API while it is served; dropping this ends it.
#[derive(Debug)]
pub struct Serving {
    stop: Option<oneshot::Sender<()>>,
    ended: oneshot::Receiver<String>,
    thread: Option<JoinHandle<()>>,
}

impl Serving {
    /// Waits for its end, which nobody has asked for; gives the reason.
    pub async fn ended(&mut self) -> String {
        (&mut self.ended).await.unwrap_or_else(|_| "its thread panicked".to_owned())
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.stop.take();
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the thread of the API panicked");
        }
    }
}

#[cfg(test)]
#[path = "../tests/server/mod.rs"]
mod tests;
