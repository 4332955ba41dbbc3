//! A POST of JSON to a web service.

use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::header::{CONTENT_TYPE, HOST, USER_AGENT};
use hyper::{Request, Uri};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// How long connecting may take.
const CONNECT: Duration = Duration::from_secs(5);

/// Posts to an `http` URL.
///
/// # Errors
/// The service cannot be reached, or its status is not 2xx.
pub(super) async fn post(url: &str, json: Vec<u8>) -> Result<()> {
    let url: Uri = url.parse()?;
    let host = url.host().context("no host in the URL")?.trim_matches(['[', ']']);
    let stream = timeout(CONNECT, TcpStream::connect((host, url.port_u16().unwrap_or(80)))).await??;
    exchange(stream, &url, json).await
}

async fn exchange<S: AsyncRead + AsyncWrite + Send + Unpin + 'static>(
    stream: S,
    url: &Uri,
    json: Vec<u8>,
) -> Result<()> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let authority = url.authority().context("no host in the URL")?;
    let path = url.path_and_query().map_or("/", |path| path.as_str());
    let request = Request::post(path)
        .header(HOST, authority.as_str())
        .header(CONTENT_TYPE, "application/json")
        .header(USER_AGENT, concat!("lvx/", env!("CARGO_PKG_VERSION")))
        .body(Full::new(Bytes::from(json)))?;
    let response = tokio::select! {
        response = sender.send_request(request) => response?,
        ended = connection => {
            ended?;
            bail!("the connection was closed without an answer");
        }
    };
    ensure!(response.status().is_success(), "status {}", response.status());
    Ok(())
}
