//! The SMTP probe: greeting, HELO, QUIT (RFC 5321).

use std::sync::Arc;

use tokio::io::AsyncWriteExt as _;

use super::connection::Connection;
use super::pattern::excerpt;
use super::probe::{Call, Failure};
use super::tls::Tls;

/// The longest reply, all its lines together.
const REPLY_LIMIT: usize = 8192;

/// A mail server must greet, take our name, and say goodbye.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SmtpCheck {
    /// Our name.
    pub helo: String,
    /// TLS from the first byte on (as on port 465).
    pub tls: Option<Arc<Tls>>,
}

impl Default for SmtpCheck {
    fn default() -> Self {
        Self { helo: "lvx.invalid".to_owned(), tls: None }
    }
}

impl SmtpCheck {
    pub(super) async fn ask(&self, call: Call<'_>) -> Result<String, Failure> {
        let mut stream = Connection::open(call, call.endpoint, self.tls.as_deref(), None).await?;
        let mut input = Vec::new();
        let greeting = reply(&mut stream, &mut input, "greeting", "220").await?;
        for (name, command, expected) in
            [("HELO", format!("HELO {}\r\n", self.helo), "250"), ("QUIT", "QUIT\r\n".to_owned(), "221")]
        {
            stream.write_all(command.as_bytes()).await?;
            reply(&mut stream, &mut input, name, expected).await?;
        }
        Ok(format!("`{greeting}`"))
    }
}

/// The next reply, which may have several lines and must have this code; its last line.
async fn reply(stream: &mut Connection, input: &mut Vec<u8>, what: &str, code: &str) -> Result<String, Failure> {
    loop {
        if let Some((line, length)) = last_line(input) {
            let shown = excerpt(line);
            if !line.starts_with(code.as_bytes()) {
                return Err(Failure::bad(format!("{what}: `{shown}`, expected {code}")));
            }
            input.drain(..length);
            return Ok(shown);
        }
        stream.more(input, REPLY_LIMIT).await?;
    }
}

/// The last line of a reply, and the length of the whole reply, if it is all there. The lines before it have a hyphen
/// after the code.
fn last_line(input: &[u8]) -> Option<(&[u8], usize)> {
    let mut length = 0;
    for line in input.split_inclusive(|byte| *byte == b'\n') {
        let line_end = line.strip_suffix(b"\n")?;
        length += line.len();
        if line_end.get(3) != Some(&b'-') {
            return Some((line_end.trim_ascii_end(), length));
        }
    }
    None
}

#[cfg(test)]
mod tests;
