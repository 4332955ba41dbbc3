//! The DNS probe: one question over UDP, and over TCP where the answer does not fit.

use hickory_proto::op::{Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::{Name, RecordType};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::probe::{Call, Failure};
use super::sockets::datagram;

/// The types of records that can be asked for: those of keepalived, and PTR and SRV.
pub const RECORDS: [&str; 9] = ["A", "AAAA", "CNAME", "MX", "NS", "PTR", "SOA", "SRV", "TXT"];

/// A question, and what its answer must hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DnsCheck {
    /// The name.
    pub name: Name,
    /// The type of its records, one of [`RECORDS`].
    pub record: RecordType,
    /// What one of the records must say, as `dig +short` prints it; without it any record of the type is good.
    pub answer: Option<String>,
}

impl Default for DnsCheck {
    /// That of keepalived: `SOA` of the root.
    fn default() -> Self {
        Self { name: Name::root(), record: RecordType::SOA, answer: None }
    }
}

impl DnsCheck {
    pub(super) async fn ask(&self, call: Call<'_>) -> Result<String, Failure> {
        let question = self.question();
        let bytes = question.to_vec().map_err(|error| Failure::Unknown(format!("the question: {error}")))?;
        let mut answer = udp(call, &question, &bytes).await?;
        if answer.metadata.truncation {
            answer = tcp(call, &question, &bytes).await?;
        }
        self.judge(&answer)
    }

    fn question(&self) -> Message {
        let mut question = Message::new(fastrand::u16(..), MessageType::Query, OpCode::Query);
        question.metadata.recursion_desired = true;
        question.add_query(Query::query(self.name.clone(), self.record));
        question
    }

    fn judge(&self, answer: &Message) -> Result<String, Failure> {
        let code = answer.metadata.response_code;
        if code != ResponseCode::NoError {
            return Err(Failure::bad(format!("answer {code}")));
        }
        let records = answer.answers.iter().filter(|record| record.record_type() == self.record);
        let said: Vec<String> = records.map(|record| record.data.to_string()).collect();
        let Some(first) = said.first() else {
            return Err(Failure::bad(format!("no {} record of {}", self.record, self.name)));
        };
        match &self.answer {
            Some(expected) if !said.iter().any(|said| same(said, expected)) => {
                Err(Failure::bad(format!("{} {}, expected {expected}", self.record, said.join(", "))))
            }
            Some(expected) => Ok(format!("{} {expected}", self.record)),
            None => Ok(format!("{} {first}", self.record)),
        }
    }
}

/// Names are the same in capitals and without the final dot.
fn same(said: &str, expected: &str) -> bool {
    let bare = |text: &str| text.trim_end_matches('.').trim_matches('"').to_ascii_lowercase();
    bare(said) == bare(expected)
}

async fn udp(call: Call<'_>, question: &Message, bytes: &[u8]) -> Result<Message, Failure> {
    let socket = call.sockets.udp(call.endpoint)?;
    socket.send(bytes).await?;
    loop {
        // What does not belong to this question may be a late answer to another one.
        let answer = Message::from_vec(&datagram(&socket).await?);
        if let Some(answer) = answer.ok().filter(|answer| answers(answer, question)) {
            return Ok(answer);
        }
    }
}

async fn tcp(call: Call<'_>, question: &Message, bytes: &[u8]) -> Result<Message, Failure> {
    let mut stream = call.sockets.tcp(call.endpoint).await?;
    let length = u16::try_from(bytes.len()).unwrap_or(u16::MAX).to_be_bytes();
    stream.write_all(&[&length, bytes].concat()).await?;
    let mut answer = vec![0; usize::from(stream.read_u16().await?)];
    stream.read_exact(&mut answer).await?;
    let answer = Message::from_vec(&answer).map_err(|error| Failure::bad(format!("not a DNS answer: {error}")))?;
    if answers(&answer, question) { Ok(answer) } else { Err(Failure::bad("an answer to another question")) }
}

fn answers(answer: &Message, question: &Message) -> bool {
    answer.metadata.message_type == MessageType::Response
        && answer.metadata.id == question.metadata.id
        && (answer.queries == question.queries || answer.queries.is_empty())
}

#[cfg(test)]
mod tests;
