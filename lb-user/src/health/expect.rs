//! Send and expect over TCP: a dialogue with a server whose protocol has no check of its own.

use std::sync::Arc;

use tokio::io::AsyncWriteExt as _;
use tokio::time::{Instant, timeout_at};

use super::connection::Connection;
use super::pattern::{Pattern, excerpt};
use super::probe::{Call, Failure};
use super::tls::Tls;

/// The most that one step may wait through, in bytes: the expression looks at all of it again after each packet.
const ANSWER_LIMIT: usize = 16 * 1024;

/// A dialogue.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExpectCheck {
    /// What is said and heard, one after the other.
    pub steps: Vec<Step>,
    /// TLS from the first byte on.
    pub tls: Option<Arc<Tls>>,
}

/// What is sent, then what must come; one of the two may be missing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Step {
    /// The bytes.
    pub send: Option<Vec<u8>>,
    /// What must come. What came is used up to the end of the match; the next step sees the rest.
    pub expect: Option<Pattern>,
}

impl ExpectCheck {
    pub(super) async fn ask(&self, call: Call<'_>) -> Result<String, Failure> {
        let deadline = Instant::now() + call.timeout;
        let late = |what: String| Failure::bad(format!("{what} within {}", humantime::format_duration(call.timeout)));
        let opened = Connection::open(call, call.endpoint, self.tls.as_deref(), None);
        let mut stream =
            timeout_at(deadline, opened).await.unwrap_or_else(|_elapsed| Err(late("no answer".to_owned())))?;
        let mut input = Vec::new();
        for (index, step) in self.steps.iter().enumerate() {
            let ended = timeout_at(deadline, step.take(&mut stream, &mut input)).await;
            ended.unwrap_or_else(|_elapsed| Err(late(format!("no answer{}", seen(&input))))).map_err(|failure| {
                match failure {
                    Failure::Bad(words) => Failure::Bad(format!("step {}: {words}", index + 1)),
                    Failure::Unknown(words) => Failure::Unknown(words),
                }
            })?;
        }
        Ok(match self.steps.len() {
            1 => "as expected".to_owned(),
            steps => format!("{steps} steps as expected"),
        })
    }
}

impl Step {
    async fn take(&self, stream: &mut Connection, input: &mut Vec<u8>) -> Result<(), Failure> {
        if let Some(bytes) = &self.send {
            stream.write_all(bytes).await?;
            stream.flush().await?;
        }
        let Some(pattern) = &self.expect else { return Ok(()) };
        loop {
            if let Some(end) = pattern.end_of_match(input) {
                input.drain(..end);
                return Ok(());
            }
            let more = stream.more(input, ANSWER_LIMIT).await;
            more.map_err(|failure| match failure {
                Failure::Bad(words) => Failure::Bad(format!("{words}{}, expected `{}`", seen(input), pattern.as_str())),
                Failure::Unknown(words) => Failure::Unknown(words),
            })?;
        }
    }
}

/// What came, for a message.
fn seen(input: &[u8]) -> String {
    if input.is_empty() { String::new() } else { format!(" (after `{}`)", excerpt(input)) }
}

#[cfg(test)]
mod tests;
