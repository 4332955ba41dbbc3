mod director;
mod limits;
mod local;
mod remote;

use std::io::{Read, Write};
use std::time::Duration;

/// An answer as it came.
#[derive(Clone, Debug, Default)]
struct Said {
    status: u16,
    /// Status line and headers, in lower case.
    head: String,
    body: String,
}

/// Long enough on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// Sends bytes and reads what comes back until the other side closes; nothing at all is the default.
fn say(mut stream: impl Read + Write, bytes: &[u8]) -> Said {
    // The server may hang up in the middle, and TLS may be refused.
    drop(stream.write_all(bytes));
    drop(stream.flush());
    let mut answer = Vec::new();
    drop(stream.read_to_end(&mut answer));
    let answer = String::from_utf8_lossy(&answer);
    let Some((head, body)) = answer.split_once("\r\n\r\n") else { return Said::default() };
    let head = head.to_lowercase();
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_default();
    Said { status, head, body: body.to_owned() }
}

/// A request after which the connection is closed.
fn request(method: &str, path: &str, headers: &[&str], body: &str) -> Vec<u8> {
    let mut text = format!("{method} {path} HTTP/1.1\r\nHost: lvx\r\nConnection: close\r\n");
    for header in headers {
        text.push_str(&format!("{header}\r\n"));
    }
    if !body.is_empty() {
        text.push_str(&format!("Content-Length: {}\r\n", body.len()));
    }
    format!("{text}\r\n{body}").into_bytes()
}
