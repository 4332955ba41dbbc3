//! A client's connection: HTTP/1.1, within limits.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};

use super::access::Access;
use super::activity::Watched;
use super::places::Place;
use super::{Director, answer};

/// Bytes of a request's line and headers, or of a piece of its body.
const BUFFER: usize = 16 * 1024;

/// Headers of a request.
const HEADERS: usize = 64;

/// Answers a client until it goes, or has to.
pub(super) async fn serve<S>(stream: S, access: Access, director: Arc<Director>, place: Place)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (stream, activity) = Watched::new(stream);
    let service = service_fn(|request| {
        let (busy, access, director) = (place.busy(), access.clone(), Arc::clone(&director));
        async move { Ok::<_, Infallible>(answer::answer(request, &access, &director, busy).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(director.limits.header)
        .max_buf_size(BUFFER)
        .max_headers(HEADERS)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    tokio::select! {
        ended = &mut connection => {
            if let Err(error) = ended {
                tracing::debug!("a client went away: {error}");
            }
        }
        () = place.wanted() => tracing::debug!("an idle client made room for another"),
        () = activity.ceased(director.limits.silence) => tracing::debug!("a client did not take its answer"),
    }
}
