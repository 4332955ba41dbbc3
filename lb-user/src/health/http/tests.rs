use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::super::lab::{self, Answer, IPV4, IPV6, bad, good, identity, serve, serve_tls, silent};
use super::*;
use crate::health::{CheckKind, TlsSettings};

/// A server of one connection: it reads a request's head, answers with `reply`, and gives the head.
async fn server(host: &str, reply: &'static str) -> (SocketAddr, JoinHandle<String>) {
    let (listener, address) = lab::listen(host).await;
    let served = tokio::spawn(async move { one(&listener, reply).await });
    (address, served)
}

async fn one(listener: &TcpListener, reply: &str) -> String {
    let (mut stream, _) = listener.accept().await.expect("a connection");
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.expect("a request"));
    }
    stream.write_all(reply.as_bytes()).await.expect("an answer");
    String::from_utf8(head).expect("text").to_lowercase()
}

async fn ask(check: HttpCheck, address: SocketAddr) -> Answer {
    lab::ask(CheckKind::Http(Arc::new(check)), address).await
}

fn any() -> HttpCheck {
    HttpCheck::default()
}

#[tokio::test]
async fn the_answer_is_judged_by_its_status() {
    let rows = [
        ("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok", good("status 200")),
        ("HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n", bad("status 503, expected 200-299")),
        ("HTTP/1.1 301 Moved\r\nlocation: /other\r\ncontent-length: 0\r\n\r\n", bad("status 301, expected 200-299")),
        // The body never comes whole; the status is enough.
        ("HTTP/1.0 204 No Content\r\ncontent-length: 9\r\n\r\n", good("status 204")),
        ("", bad("connection closed without an answer")),
    ];
    for host in [IPV4, IPV6] {
        for (reply, expected) in rows.clone() {
            let (address, served) = server(host, reply).await;
            assert_eq!(ask(any(), address).await, expected);
            served.await.expect("served");
        }
    }
}

#[tokio::test]
async fn the_body_must_have_what_is_expected_and_nothing_else() {
    let body = |text| HttpCheck { body: Pattern::text(text).ok(), ..any() };
    let absent = |text| HttpCheck { body_absent: Pattern::text(text).ok(), ..any() };
    let digest = |text| HttpCheck { digest: Digest::parse(text), ..any() };
    for (check, expected) in [
        (body("^hel+o$"), good("status 200")),
        (body("hullo"), bad("status 200, but the body lacks `hullo`")),
        (absent("error"), good("status 200")),
        (absent("(?i)HELLO"), bad("status 200, but the body has `(?i)HELLO`")),
        (digest("5d41402abc4b2a76b9719d911017c592"), good("status 200")),
        (digest("sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"), good("status 200")),
        (
            digest("md5:00000000000000000000000000000000"),
            bad(
                "status 200, but the body is md5:5d41402abc4b2a76b9719d911017c592, expected md5:00000000000000000000000000000000",
            ),
        ),
    ] {
        let chunked = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n";
        let (address, _served) = server(IPV4, chunked).await;
        assert_eq!(ask(check.clone(), address).await, expected);
        let (address, _served) = server(IPV6, "HTTP/1.0 200 OK\r\n\r\nhello").await;
        assert_eq!(ask(check, address).await, expected);
    }
    let (address, _served) = server(IPV4, "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhello").await;
    assert_eq!(ask(body("hello"), address).await, bad("connection closed without an answer"), "the rest is missing");
}

#[tokio::test]
async fn of_an_endless_body_only_the_beginning_is_looked_at() {
    let (address, _) = serve(IPV4, |mut stream| async move {
        let mut sent = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\nhello").await;
        while sent.is_ok() {
            sent = stream.write_all(&[b'.'; 65536]).await;
        }
    })
    .await;
    let check = HttpCheck { body: Pattern::text("hello").ok(), ..any() };
    assert_eq!(ask(check, address).await, good("status 200"));
    let check = HttpCheck { digest: Digest::parse("5d41402abc4b2a76b9719d911017c592"), ..any() };
    assert_eq!(ask(check, address).await, bad("status 200, but the body is longer than 1048576 bytes"));
}

#[tokio::test]
async fn what_is_not_http_is_named_so() {
    let (address, _served) = server(IPV4, "220 mail.example ESMTP\r\n\r\n").await;
    let Answer::Bad(words) = ask(any(), address).await else {
        panic!("a mail server's greeting was taken for an HTTP answer");
    };
    assert!(words.starts_with("not an HTTP answer"), "{words}");
}

#[tokio::test]
async fn the_request_is_the_configured_one() {
    let (address, served) = server(IPV4, "HTTP/1.1 301 Moved\r\ncontent-length: 0\r\n\r\n").await;
    let mut headers = HeaderMap::new();
    headers.insert("x-probe", HeaderValue::from_static("yes"));
    headers.insert("user-agent", HeaderValue::from_static("me"));
    let check = HttpCheck {
        method: Method::HEAD,
        path: Uri::from_static("/health?deep=1"),
        host: Some(HeaderValue::from_static("shop.example")),
        status: "200,301".parse().expect("a set"),
        headers,
        ..any()
    };
    assert_eq!(ask(check, address).await, good("status 301"));
    let head = served.await.expect("served");
    assert!(head.starts_with("head /health?deep=1 http/1.1\r\n"), "{head}");
    for header in ["host: shop.example", "connection: close", "x-probe: yes", "user-agent: me"] {
        assert!(head.contains(&format!("\r\n{header}\r\n")), "{head}");
    }
    let (address, served) = server(IPV6, "HTTP/1.0 200 OK\r\n\r\n").await;
    assert_eq!(ask(HttpCheck { version: HttpVersion::One, ..any() }, address).await, good("status 200"));
    let head = served.await.expect("served");
    assert!(head.starts_with("get / http/1.0\r\n"), "{head}");
    assert!(head.contains(&format!("\r\nhost: {address}\r\n")), "{head}");
}

#[tokio::test]
async fn a_server_that_accepts_and_says_nothing_is_timed_out() {
    for version in [HttpVersion::OneOne, HttpVersion::Two] {
        let (_listener, address) = silent(IPV4).await;
        let check = CheckKind::Http(Arc::new(HttpCheck { version, ..any() }));
        let answer = lab::ask_for(check, address, Duration::from_millis(100)).await;
        assert_eq!(answer, bad("no answer within 100ms"));
    }
}

#[tokio::test]
async fn redirects_are_followed_on_the_same_server_as_often_as_allowed() {
    for (redirects, expected) in
        [(2, good("status 200")), (1, bad("status 302, expected 200-299")), (0, bad("status 301, expected 200-299"))]
    {
        let (listener, address) = lab::listen(IPV4).await;
        let served = tokio::spawn(async move {
            let mut heads = Vec::new();
            for reply in [
                "HTTP/1.1 301 Moved\r\nlocation: http://shop.example/one\r\ncontent-length: 0\r\n\r\n",
                "HTTP/1.1 302 Found\r\nlocation: two\r\ncontent-length: 0\r\n\r\n",
                "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
            ] {
                heads.push(one(&listener, reply).await);
            }
            heads
        });
        let host = Some(HeaderValue::from_static("shop.example"));
        assert_eq!(ask(HttpCheck { host, redirects, ..any() }, address).await, expected);
        if redirects == 2 {
            let heads = served.await.expect("served");
            assert!(heads[1].starts_with("get /one http/1.1\r\nhost: shop.example\r\n"), "{}", heads[1]);
            assert!(heads[2].starts_with("get /two http/1.1\r\nhost: shop.example\r\n"), "{}", heads[2]);
        }
    }
}

#[tokio::test]
async fn https_asks_for_the_host_and_verifies_if_it_is_told_to() {
    let shop = identity("shop.example", 30, &[]);
    let address = serve_tls(IPV6, &shop, |mut stream| async move {
        let name = stream.get_ref().1.server_name().unwrap_or("no name").to_owned();
        let reply = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{name}", name.len());
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            // A handshake that the client gave up after all has no request.
            let Ok(byte) = stream.read_u8().await else { return };
            head.push(byte);
        }
        stream.write_all(reply.as_bytes()).await.expect("an answer");
        stream.flush().await.expect("an answer");
    })
    .await;
    let check = |host: Option<&'static str>, settings: TlsSettings, body: &str| HttpCheck {
        host: host.map(HeaderValue::from_static),
        tls: Some(Arc::new(Tls::new(settings, false).expect("settings"))),
        body: Pattern::text(body).ok(),
        ..any()
    };
    let open = TlsSettings::default();
    let strict = TlsSettings { verify: true, ca: Some(shop.authority.path().to_owned()), ..TlsSettings::default() };
    let named = TlsSettings { sni: Some("other.example".to_owned()), ..open.clone() };
    assert_eq!(ask(check(None, open.clone(), "^no name$"), address).await, good("status 200"));
    assert_eq!(ask(check(Some("shop.example:8443"), open, "^shop.example$"), address).await, good("status 200"));
    assert_eq!(ask(check(Some("shop.example"), named, "^other.example$"), address).await, good("status 200"));
    assert_eq!(ask(check(Some("shop.example"), strict.clone(), ""), address).await, good("status 200"));
    let Answer::Bad(words) = ask(check(Some("www.example"), strict, ""), address).await else {
        panic!("a certificate of another name is bad");
    };
    assert!(words.starts_with("TLS: invalid peer certificate"), "{words}");
}

/// Answers with the request's authority and path.
async fn echo(request: Request<hyper::body::Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    Ok(Response::new(Full::from(request.uri().to_string())))
}

#[tokio::test]
async fn http_2_is_spoken_with_tls_and_without() {
    let two = |tls: Option<Tls>, body: &str| HttpCheck {
        version: HttpVersion::Two,
        path: Uri::from_static("/health"),
        host: Some(HeaderValue::from_static("shop.example")),
        body: Pattern::text(body).ok(),
        tls: tls.map(Arc::new),
        ..any()
    };
    let tls = || Some(Tls::new(TlsSettings::default(), true).expect("settings"));
    let (plain, _) = serve(IPV4, |stream| async move {
        let server = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
        drop(server.serve_connection(TokioIo::new(stream), service_fn(echo)).await);
    })
    .await;
    assert_eq!(ask(two(None, "^http://shop.example/health$"), plain).await, good("status 200"));
    let secure = serve_tls(IPV6, &identity("shop.example", 9, &["h2"]), |stream| async move {
        let server = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
        drop(server.serve_connection(TokioIo::new(stream), service_fn(echo)).await);
    })
    .await;
    assert_eq!(ask(two(tls(), "^https://shop.example/health$"), secure).await, good("status 200"));
    let old = serve_tls(IPV6, &identity("shop.example", 9, &[]), |_stream| async {}).await;
    assert_eq!(ask(two(tls(), ""), old).await, bad("the server does not offer HTTP/2"));
    let (old, _served) = server(IPV4, "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
    assert!(matches!(ask(two(None, ""), old).await, Answer::Bad(_)));
}
