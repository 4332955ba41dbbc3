//! One request and its answer, by HTTP/1 or HTTP/2.

use std::error::Error;
use std::future::Future;
use std::io;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};

use http_body_util::{BodyExt as _, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::{http1, http2};
use hyper::header::{CONNECTION, HOST, HeaderValue, LOCATION, USER_AGENT};
use hyper::{Request, Response, Version};
use hyper_util::rt::TokioIo;
use tokio::task::JoinSet;

use super::place::Place;
use super::{BODY_LIMIT, HttpCheck, HttpVersion, Reply};
use crate::health::connection::Connection;
use crate::health::probe::{Call, Failure};

const AGENT: HeaderValue = HeaderValue::from_static(concat!("lvx/", env!("CARGO_PKG_VERSION")));

/// Asks once. The body is read only where the check looks at it and the status is good.
pub(super) async fn exchange(check: &HttpCheck, place: &Place, call: Call<'_>) -> Result<Reply, Failure> {
    let stream = Connection::open(call, place.endpoint, place.tls.as_deref(), place.name()).await?;
    let request = request(check, place)?;
    match check.version {
        HttpVersion::One | HttpVersion::OneOne => one(stream, request, check).await,
        HttpVersion::Two => two(stream, request, check).await,
    }
}

fn request(check: &HttpCheck, place: &Place) -> Result<Request<Empty<Bytes>>, Failure> {
    let mut request = Request::new(Empty::new());
    *request.method_mut() = check.method.clone();
    let version_2 = check.version == HttpVersion::Two;
    let headers = request.headers_mut();
    if !version_2 {
        // The Host comes first (RFC 9110, 7.2); with HTTP/2 it is part of the URI.
        let host = HeaderValue::from_str(&place.host);
        headers.insert(HOST, host.map_err(|error| Failure::bad(format!("cannot ask {}: {error}", place.host)))?);
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
    }
    headers.insert(USER_AGENT, AGENT);
    headers.extend(check.headers.clone());
    *request.uri_mut() = if version_2 { place.uri()? } else { place.path.clone().into() };
    if check.version == HttpVersion::One {
        *request.version_mut() = Version::HTTP_10;
    }
    Ok(request)
}

async fn one(stream: Connection, request: Request<Empty<Bytes>>, check: &HttpCheck) -> Result<Reply, Failure> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(failure)?;
    let asked = async { reply(sender.send_request(request).await.map_err(failure)?, check).await };
    driven(connection, asked).await
}

async fn two(stream: Connection, request: Request<Empty<Bytes>>, check: &HttpCheck) -> Result<Reply, Failure> {
    let tasks = Tasks::default();
    let handshake = http2::Builder::new(tasks.clone()).handshake(TokioIo::new(stream));
    let _ended = EndsWithProbe(&tasks);
    let (mut sender, connection) = handshake.await.map_err(failure)?;
    let asked = async { reply(sender.send_request(request).await.map_err(failure)?, check).await };
    driven(connection, asked).await
}

/// Moves the connection while the answer is awaited.
async fn driven<T>(connection: impl Future, asked: impl Future<Output = T>) -> T {
    let (mut connection, mut asked) = (pin!(connection), pin!(asked));
    tokio::select! {
        biased;
        answer = &mut asked => answer,
        // The connection may end before its answer has been handed over.
        _ = &mut connection => asked.await,
    }
}

async fn reply(response: Response<Incoming>, check: &HttpCheck) -> Result<Reply, Failure> {
    let status = response.status();
    let location = response.headers().get(LOCATION).cloned();
    let mut reply = Reply { status, location, body: Vec::new(), cut: false };
    if !check.wants_body() || !check.status.contains(status) {
        return Ok(reply);
    }
    let mut body = response.into_body();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(failure)?;
        let data = frame.data_ref().map_or(&[][..], Bytes::as_ref);
        let room = BODY_LIMIT - reply.body.len();
        reply.body.extend_from_slice(data.get(..room).unwrap_or(data));
        if data.len() > room {
            reply.cut = true;
            break;
        }
    }
    Ok(reply)
}

/// What HTTP/2 runs beside its connection.
#[derive(Clone, Debug, Default)]
struct Tasks(Arc<Mutex<JoinSet<()>>>);

impl<F: Future<Output: Send> + Send + 'static> hyper::rt::Executor<F> for Tasks {
    fn execute(&self, task: F) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).spawn(async { drop(task.await) });
    }
}

/// Ends the tasks, which keep each other alive, whatever becomes of the probe.
struct EndsWithProbe<'t>(&'t Tasks);

impl Drop for EndsWithProbe<'_> {
    fn drop(&mut self) {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner).abort_all();
    }
}

fn failure(error: hyper::Error) -> Failure {
    if let Some(cause) = error.source().and_then(|cause| cause.downcast_ref::<io::Error>()) {
        return Failure::of(cause);
    }
    Failure::bad(if error.is_incomplete_message() || error.is_canceled() || error.is_closed() {
        "connection closed without an answer".to_owned()
    } else if error.is_parse() {
        format!("not an HTTP answer: {error}")
    } else {
        match error.source() {
            Some(cause) => format!("{error}: {cause}"),
            None => error.to_string(),
        }
    })
}
