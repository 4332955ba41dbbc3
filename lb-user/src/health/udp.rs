//! The UDP probe, by the rules of keepalived's UDP_CHECK.

use tokio::time::timeout;

use super::pattern::{HexPattern, excerpt};
use super::probe::{Call, Failure, no_answer};
use super::sockets::datagram;

/// A datagram, and what must come back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UdpCheck {
    /// What is sent; nothing is an empty datagram.
    pub payload: Vec<u8>,
    /// Whether silence is bad. Without it only an ICMP error, or a wrong reply where one comes, is.
    pub require_reply: bool,
    /// What a reply must begin with.
    pub reply: Option<HexPattern>,
    /// The shortest good reply, in bytes.
    pub min_reply_length: u32,
    /// The longest good reply, in bytes.
    pub max_reply_length: Option<u32>,
}

impl UdpCheck {
    pub(super) async fn ask(&self, call: Call<'_>) -> Result<String, Failure> {
        let asked = async {
            let socket = call.sockets.udp(call.endpoint)?;
            socket.send(&self.payload).await?;
            datagram(&socket).await
        };
        match timeout(call.timeout, asked).await {
            Ok(Ok(reply)) => self.judge(&reply),
            Ok(Err(error)) if error.kind() == std::io::ErrorKind::ConnectionRefused => {
                Err(Failure::bad("ICMP port unreachable"))
            }
            Ok(Err(error)) => Err(error.into()),
            Err(_elapsed) if self.require_reply => Err(no_answer(call.timeout)),
            Err(_elapsed) => Ok("no ICMP error".to_owned()),
        }
    }

    fn judge(&self, reply: &[u8]) -> Result<String, Failure> {
        let length = u32::try_from(reply.len()).unwrap_or(u32::MAX);
        let most = self.max_reply_length.unwrap_or(u32::MAX);
        if !(self.min_reply_length..=most).contains(&length) {
            let expected = match self.max_reply_length {
                Some(most) => format!("{} to {most}", self.min_reply_length),
                None => format!("at least {}", self.min_reply_length),
            };
            return Err(Failure::bad(format!("reply of {length} bytes, expected {expected}")));
        }
        match &self.reply {
            Some(pattern) if !pattern.begins(reply) => {
                Err(Failure::bad(format!("reply `{}`, expected hex {pattern}", excerpt(reply))))
            }
            Some(_) | None => Ok(format!("reply of {length} bytes")),
        }
    }
}

#[cfg(test)]
mod tests;
