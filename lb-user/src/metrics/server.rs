//! `[metrics] listen`: the metrics for whoever asks by plain HTTP. Read only, and nothing else.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{ALLOW, CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::time::{sleep, timeout};

use super::Detail;
use crate::api;
use crate::api::server::Call;

/// Most clients at a time; further ones wait.
const CLIENTS: usize = 8;
/// For the whole of a client's visit, which is one request.
const VISIT: Duration = Duration::from_secs(30);
/// For the head of its request.
const HEAD: Duration = Duration::from_secs(5);
/// The longest head of a request; hyper takes no less.
const HEAD_BYTES: usize = 8 * 1024;
/// After a client could not be taken.
const RETRY: Duration = Duration::from_millis(100);

/// A listener of metrics.
#[derive(Debug)]
pub struct Server(TcpListener);

impl Server {
    /// Listens. Call it within a tokio runtime.
    ///
    /// # Errors
    /// The address is in use, or is none of this machine's.
    pub async fn bind(address: SocketAddr) -> Result<Self> {
        let listener = TcpListener::bind(address).await;
        let advice = "metrics.listen needs an address of this machine and a port that is free";
        Ok(Self(listener.with_context(|| format!("cannot listen for metrics on {address}; {advice}"))?))
    }

    /// Answers until the receiver of `calls` is gone.
    pub async fn serve(self, calls: mpsc::Sender<Call>) {
        let places = Arc::new(Semaphore::new(CLIENTS));
        let mut failing = false;
        while let Ok(place) = Arc::clone(&places).acquire_owned().await {
            let accepted = tokio::select! {
                () = calls.closed() => return,
                accepted = self.0.accept() => accepted,
            };
            match accepted {
                Ok((stream, _)) => {
                    failing = false;
                    let calls = calls.clone();
                    tokio::spawn(async move {
                        visit(stream, calls).await;
                        drop(place);
                    });
                }
                Err(error) => {
                    if !failing {
                        tracing::warn!("cannot take a client of the metrics: {error}");
                    }
                    failing = true;
                    sleep(RETRY).await;
                }
            }
        }
    }
}

async fn visit(stream: TcpStream, calls: mpsc::Sender<Call>) {
    let answer = service_fn(move |request| {
        let calls = calls.clone();
        async move { Ok::<_, Infallible>(answer(&request, &calls).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .max_buf_size(HEAD_BYTES)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), answer);
    match timeout(VISIT, connection).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!("a client of the metrics went away: {error}"),
        Err(_) => tracing::debug!("a client of the metrics took too long"),
    }
}

async fn answer(request: &Request<Incoming>, calls: &mpsc::Sender<Call>) -> Response<Full<Bytes>> {
    if request.uri().path() != "/metrics" {
        return plain(StatusCode::NOT_FOUND, "there is only /metrics here\n");
    }
    if request.method() != Method::GET {
        let mut response = plain(StatusCode::METHOD_NOT_ALLOWED, "metrics are only read\n");
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET"));
        return response;
    }
    match page(Detail::of_query(request.uri().query()), calls).await {
        Some(page) => {
            let mut response = Response::new(Full::from(page));
            response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(super::CONTENT_TYPE));
            response
        }
        None => plain(StatusCode::SERVICE_UNAVAILABLE, "lvx is stopping\n"),
    }
}

/// The page; `None` if nobody answers any more.
async fn page(detail: Detail, calls: &mpsc::Sender<Call>) -> Option<String> {
    let (back, answer) = oneshot::channel();
    calls.send((api::Request::Status, back)).await.ok()?;
    let api::Response::Status { status } = answer.await.ok()? else { return None };
    // A hundred thousand servers take a while to write; packets do not wait for it, but everything else here would.
    tokio::task::spawn_blocking(move || super::render_in(detail, &status, &status.services)).await.ok()
}

fn plain(status: StatusCode, text: &'static str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(text));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}

#[cfg(test)]
mod tests;
