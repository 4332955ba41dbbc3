use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::api::Status;

use super::*;

/// A server over a daemon that answers with a version; gives its address.
async fn start() -> SocketAddr {
    let server = Server::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await.expect("a listener");
    let address = server.0.local_addr().expect("an address");
    let (calls, mut called) = mpsc::channel::<Call>(1);
    tokio::spawn(server.serve(calls));
    tokio::spawn(async move {
        while let Some((request, back)) = called.recv().await {
            assert_eq!(request, api::Request::Status);
            let status = Box::new(Status { version: "1.2.3".to_owned(), ..Status::default() });
            back.send(api::Response::Status { status }).expect("somebody waits");
        }
    });
    address
}

async fn ask(address: SocketAddr, head: &str) -> String {
    let mut stream = TcpStream::connect(address).await.expect("a connection");
    stream.write_all(format!("{head}\r\nHost: lvx\r\n\r\n").as_bytes()).await.expect("written");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("an answer, and the end of the connection");
    answer
}

#[tokio::test]
async fn metrics_are_read_and_nothing_else_is_there() {
    let address = start().await;
    let page = ask(address, "GET /metrics?a=b HTTP/1.1").await;
    assert!(page.starts_with("HTTP/1.1 200 OK\r\n"), "{page}");
    assert!(page.contains("content-type: text/plain; version=0.0.4; charset=utf-8\r\n"), "{page}");
    assert!(page.contains("\nlvx_build_info{version=\"1.2.3\"} 1\n"), "{page}");
    for (head, status) in [
        ("GET / HTTP/1.1", "404 Not Found"),
        ("GET /metrics/ HTTP/1.1", "404 Not Found"),
        ("POST /metrics HTTP/1.1", "405 Method Not Allowed"),
        ("nonsense", "400 Bad Request"),
    ] {
        let answer = ask(address, head).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}\r\n")), "{head}: {answer}");
        assert!(!answer.contains("lvx_"), "{head}: {answer}");
    }
    let long = format!("GET /metrics HTTP/1.1\r\nX: {}", "x".repeat(2 * HEAD_BYTES));
    assert!(!ask(address, &long).await.contains("lvx_"));
}

#[tokio::test(start_paused = true)]
async fn who_says_nothing_is_sent_away() {
    let address = start().await;
    let mut streams = Vec::new();
    for _ in 0..CLIENTS {
        streams.push(TcpStream::connect(address).await.expect("a connection"));
    }
    // All places are taken until the time of the silent ones is up.
    assert!(ask(address, "GET /metrics HTTP/1.1").await.starts_with("HTTP/1.1 200 OK\r\n"));
}
