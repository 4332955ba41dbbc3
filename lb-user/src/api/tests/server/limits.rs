//! Clients that take more than is theirs.

use std::io::{Read as _, Write as _};
use std::time::{Duration, Instant};

use super::director::Running;
use super::{PATIENCE, request, say};
use crate::api::server::Limits;
use crate::api::settings::Settings;
use crate::api::{Request, Response};

const SHORT: Duration = Duration::from_millis(300);

fn short(limits: Limits) -> Running {
    Running::with(limits, |_| Settings::default())
}

#[test]
fn what_is_too_large_is_refused() {
    let running = Running::new();
    let json = "Content-Type: application/json";
    let body = format!("{{\"id\":\"{}\"}}", "x".repeat(70_000));
    let said = say(running.connect(), &request("POST", "/v1/services", &[json], &body));
    assert!(said.status == 413 && said.body.contains("longer than 65536 bytes"), "{said:?}");
    let file = format!("{{\"name\":\"lvx.toml\",\"text\":\"{}\"}}", "#".repeat(70_000));
    let said = say(running.connect(), &request("POST", "/v1/apply", &[json], &file));
    assert!(said.status == 200 && said.body.contains("\"generation\":70000"), "{said:?}");
    let long = format!("X: {}", "x".repeat(20_000));
    assert_eq!(say(running.connect(), &request("GET", "/v1/status", &[&long], "")).status, 431);
    let many = vec!["X: y"; 100];
    assert_eq!(say(running.connect(), &request("GET", "/v1/status", &many, "")).status, 431);
    assert_eq!(say(running.connect(), &request("GET", "/v1/status", &[], "")).status, 200);
}

/// Sends something, and then nothing; says how long it took until the server closed, and what it said.
fn stall(running: &Running, bytes: &[u8]) -> (Duration, String) {
    let start = Instant::now();
    let mut stream = running.connect();
    stream.write_all(bytes).expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("closed");
    (start.elapsed(), answer)
}

#[test]
fn who_is_slow_is_closed() {
    let running = short(Limits { header: SHORT, body: SHORT, ..Limits::default() });
    for (what, bytes) in
        [("silence", &b""[..]), ("half a line", b"GET /v1/st"), ("half a header", b"GET / HTTP/1.1\r\nHost")]
    {
        let (time, answer) = stall(&running, bytes);
        assert!(time >= SHORT && time < PATIENCE, "{what}: {time:?} {answer}");
        assert!(!answer.contains("200 OK"), "{what}: {answer}");
    }
    let (time, answer) = stall(&running, b"POST /v1/services HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{");
    assert!(time >= SHORT && time < PATIENCE && answer.starts_with("HTTP/1.1 408"), "{time:?} {answer}");
    // One that is idle after an answer is closed, too; our own client then comes again.
    let mut client = running.client();
    client.ask(&Request::Timeouts).expect("asked");
    let (_, answer) = stall(&running, b"GET /v1/timeouts HTTP/1.1\r\nHost: x\r\n\r\n");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let again = client.ask(&Request::Timeouts);
    assert!(matches!(again, Ok(Response::Timeouts { .. })), "{again:?}");
}

#[test]
fn who_does_not_take_the_answer_is_closed() {
    let running = short(Limits { clients: 1, silence: SHORT, ..Limits::default() });
    let mut stuck = running.connect();
    let question = b"GET /v1/openapi.json HTTP/1.1\r\nHost: x\r\n\r\n";
    // More answers than fit into the socket: the server writes, and nobody reads.
    stream_until_full(&mut stuck, question);
    // The only place is his, and he is not idle.
    let other = running.client().ask(&Request::Timeouts);
    assert!(matches!(other, Ok(Response::Timeouts { .. })), "{other:?}");
}

fn stream_until_full(stream: &mut std::os::unix::net::UnixStream, question: &[u8]) {
    stream.set_write_timeout(Some(SHORT)).expect("set");
    while stream.write_all(question).is_ok() {}
}

#[test]
fn idle_clients_make_room() {
    let running = short(Limits { clients: 4, ..Limits::default() });
    let _idle: Vec<_> = (0..20).map(|_| running.connect()).collect();
    let mut client = running.client();
    let start = Instant::now();
    for _ in 0..20 {
        assert!(matches!(client.ask(&Request::Timeouts), Ok(Response::Timeouts { .. })));
        drop(running.connect());
    }
    assert!(start.elapsed() < PATIENCE, "{:?}", start.elapsed());
}
