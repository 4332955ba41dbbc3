//! The HTTP probe: one request over a connection of its own.

use std::error::Error;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;

use http_body_util::Empty;
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::header::{CONNECTION, HOST, HeaderValue, USER_AGENT};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::check::HttpCheck;
use super::probe::{self, Answer};

const AGENT: HeaderValue = HeaderValue::from_static(concat!("lvx/", env!("CARGO_PKG_VERSION")));

/// Sends the request and judges the status; the body is not read, and the connection is closed.
pub(super) async fn ask(stream: TcpStream, endpoint: SocketAddr, check: &HttpCheck) -> Answer {
    match status(stream, endpoint, check).await {
        Ok(status) if check.status.contains(status) => Answer::Good(format!("status {}", status.as_u16())),
        Ok(status) => Answer::Bad(format!("status {}, expected {}", status.as_u16(), check.status)),
        Err(error) => failure(&error),
    }
}

async fn status(stream: TcpStream, endpoint: SocketAddr, check: &HttpCheck) -> hyper::Result<StatusCode> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let mut connection = pin!(connection);
    let mut response = pin!(sender.send_request(request(endpoint, check)));
    let response = tokio::select! {
        biased;
        response = &mut response => response,
        // The connection may end before its answer has been handed over.
        _ = &mut connection => response.await,
    };
    Ok(response?.status())
}

fn request(endpoint: SocketAddr, check: &HttpCheck) -> Request<Empty<Bytes>> {
    let mut request = Request::new(Empty::new());
    *request.method_mut() = check.method.clone();
    *request.uri_mut() = check.path.clone();
    let headers = request.headers_mut();
    if let Some(host) = check.host.clone().or_else(|| host(endpoint)) {
        headers.insert(HOST, host);
    }
    headers.insert(USER_AGENT, AGENT);
    headers.insert(CONNECTION, HeaderValue::from_static("close"));
    request
}

/// The endpoint as a Host header: without the port where that is HTTP's own (RFC 9110, 7.2).
fn host(endpoint: SocketAddr) -> Option<HeaderValue> {
    let text = match endpoint {
        SocketAddr::V4(v4) if v4.port() == 80 => v4.ip().to_string(),
        SocketAddr::V6(v6) if v6.port() == 80 => format!("[{}]", v6.ip()),
        SocketAddr::V4(_) | SocketAddr::V6(_) => endpoint.to_string(),
    };
    HeaderValue::from_str(&text).ok()
}

fn failure(error: &hyper::Error) -> Answer {
    if let Some(cause) = error.source().and_then(|cause| cause.downcast_ref::<io::Error>()) {
        return probe::failure(cause);
    }
    let words = if error.is_incomplete_message() || error.is_canceled() || error.is_closed() {
        "connection closed without an answer".to_owned()
    } else if error.is_parse() {
        format!("not an HTTP answer: {error}")
    } else {
        error.to_string()
    };
    Answer::Bad(words)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;
    use tokio::task::JoinHandle;

    use super::super::check::{Check, CheckKind, Via};
    use super::super::sockets::Sockets;
    use super::*;

    /// A server of one connection: it reads a request's head, answers with `reply`, and gives the head.
    async fn server(reply: &'static str) -> (SocketAddr, JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a listener");
        let address = listener.local_addr().expect("an address");
        let served = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.expect("a connection");
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(stream.read_u8().await.expect("a request"));
            }
            stream.write_all(reply.as_bytes()).await.expect("an answer");
            String::from_utf8(head).expect("text")
        });
        (address, served)
    }

    fn check(endpoint: SocketAddr, request: HttpCheck) -> Check {
        let second = Duration::from_secs(1);
        let kind = CheckKind::Http(request);
        Check { kind, endpoint, via: Via::Address, interval: second, timeout: second, rise: 1, fall: 1 }
    }

    #[tokio::test]
    async fn the_answer_is_judged_by_its_status() {
        let rows = [
            ("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok", Answer::Good("status 200".to_owned())),
            (
                "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n",
                Answer::Bad("status 503, expected 200-299".to_owned()),
            ),
            // The body never comes whole; the status is enough.
            ("HTTP/1.0 204 No Content\r\ncontent-length: 9\r\n\r\n", Answer::Good("status 204".to_owned())),
            ("", Answer::Bad("connection closed without an answer".to_owned())),
        ];
        for (reply, expected) in rows {
            let (address, served) = server(reply).await;
            assert_eq!(probe::ask(&check(address, HttpCheck::default()), &Sockets::host()).await, expected);
            served.await.expect("served");
        }
    }

    #[tokio::test]
    async fn what_is_not_http_is_named_so() {
        let (address, _served) = server("220 mail.example ESMTP\r\n\r\n").await;
        let Answer::Bad(words) = probe::ask(&check(address, HttpCheck::default()), &Sockets::host()).await else {
            panic!("a mail server's greeting was taken for an HTTP answer");
        };
        assert!(words.starts_with("not an HTTP answer"), "{words}");
    }

    #[tokio::test]
    async fn the_request_is_the_configured_one() {
        let (address, served) = server("HTTP/1.1 301 Moved\r\ncontent-length: 0\r\n\r\n").await;
        let request = HttpCheck {
            method: hyper::Method::HEAD,
            path: "/health?deep=1".parse().expect("a path"),
            host: Some(HeaderValue::from_static("shop.example")),
            status: "200,301".parse().expect("a set"),
        };
        assert_eq!(probe::ask(&check(address, request), &Sockets::host()).await, Answer::Good("status 301".to_owned()));
        let head = served.await.expect("served").to_lowercase();
        assert!(head.starts_with("head /health?deep=1 http/1.1\r\n"), "{head}");
        assert!(head.contains("\r\nhost: shop.example\r\n"), "{head}");
        assert!(head.contains("\r\nconnection: close\r\n"), "{head}");
    }

    #[tokio::test]
    async fn a_server_that_accepts_and_says_nothing_is_timed_out() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a listener");
        let mut check = check(listener.local_addr().expect("an address"), HttpCheck::default());
        check.timeout = Duration::from_millis(100);
        assert_eq!(probe::ask(&check, &Sockets::host()).await, Answer::Bad("no answer within 100ms".to_owned()));
    }

    #[test]
    fn the_host_header_names_a_port_only_where_it_is_unusual() {
        for (endpoint, expected) in [
            ("192.0.2.1:80", "192.0.2.1"),
            ("192.0.2.1:8080", "192.0.2.1:8080"),
            ("[2001:db8::1]:80", "[2001:db8::1]"),
            ("[2001:db8::1]:8080", "[2001:db8::1]:8080"),
        ] {
            let header = host(endpoint.parse().expect("an endpoint"));
            assert_eq!(header, Some(HeaderValue::from_static(expected)));
        }
    }
}
