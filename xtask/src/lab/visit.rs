//! A client connects to a VIP and hears who answers.

use std::fmt;
use std::net::IpAddr;

use anyhow::{Result, bail};

use super::{Client, Lab, VIPS};

/// Seconds that a client waits for an answer.
const PATIENCE: &str = "2";

/// What a client got.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Answer {
    /// The name of the real server that answered.
    From(String),
    /// Nobody listens there.
    Refused,
    /// Nothing came back.
    Silence,
}

impl Answer {
    /// An answer from this host.
    pub fn from(host: &str) -> Self {
        Self::From(host.to_owned())
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::From(server) => formatter.pad(server),
            Self::Refused => formatter.pad("refused"),
            Self::Silence => formatter.pad("nothing"),
        }
    }
}

impl Lab {
    /// A client connects to the VIP of its address family once, with curl.
    ///
    /// # Errors
    /// curl does not run, or fails in a way that is none of an [`Answer`].
    pub fn visit(&self, client: Client, port: u16) -> Result<Answer> {
        let [four, six] = VIPS;
        let url = match client.address {
            IpAddr::V4(_) => format!("http://{four}:{port}/"),
            IpAddr::V6(_) => format!("http://[{six}]:{port}/"),
        };
        let mut curl = self.command(client.host, "curl")?;
        curl.args(["--silent", "--globoff", "--noproxy", "*", "--max-time", PATIENCE]);
        let output = curl.args(["--interface", &client.address.to_string(), &url]).output()?;
        match output.status.code() {
            Some(0) => Ok(Answer::From(String::from_utf8(output.stdout)?.trim_end().to_owned())),
            Some(7) => Ok(Answer::Refused),
            Some(28) => Ok(Answer::Silence),
            other => bail!("curl {url} from {} ended with {other:?}", client.address),
        }
    }
}
