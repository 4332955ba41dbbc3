//! A recording as it lies in its file; `golden/README.md` has the meaning of the fields.

use std::path::Path;

use serde::Deserialize;

/// What was done to the real IPVS, and what it did.
#[derive(Debug, Deserialize)]
pub struct Recording {
    /// The case, in a sentence.
    pub about: String,
    /// `ipvsadm -Ln --stats` at the end.
    pub stats: String,
    /// What was done, in order.
    pub steps: Vec<Step>,
}

/// One thing that was done.
#[derive(Debug, Deserialize)]
#[serde(tag = "t", rename_all = "lowercase")]
pub enum Step {
    /// A command on the director.
    Cmd {
        /// Its line.
        cmd: String,
        /// Its exit status.
        #[serde(default)]
        rc: i32,
        /// What it printed.
        #[serde(default)]
        output: String,
    },
    /// A sysctl was written.
    Sh {
        /// `echo VALUE > PATH`
        cmd: String,
    },
    /// A packet was sent.
    Pkt(Packet),
    /// Packets are sent in another way from here on.
    Set {
        /// What changes: ttl, tos, or wait.
        k: String,
        /// Its new value.
        v: u8,
    },
    /// Time passed.
    Sleep {
        /// Milliseconds.
        ms: u64,
    },
    /// The tables were shown.
    Dump {
        /// `ipvsadm -Ln`
        ln: String,
        /// `ipvsadm -Ln --persistent-conn`
        persistent: String,
        /// `ipvsadm -Lnc`
        conns: String,
        /// `ipvsadm -Sn`
        save: String,
    },
}

/// A packet, and where it came out.
#[derive(Debug, Deserialize)]
pub struct Packet {
    /// tcp, udp or icmp.
    pub proto: String,
    /// The client.
    pub src: String,
    /// Where it sent the packet.
    pub dst: String,
    /// TCP's flags.
    #[serde(default)]
    pub flags: String,
    /// Bytes of payload.
    #[serde(default)]
    pub payload: usize,
    /// Whom the outcome went to; nothing came out if absent.
    pub to: Option<String>,
    /// What the director itself answered.
    pub l4: Option<String>,
    /// TTL of the outcome.
    #[serde(default)]
    pub ttl: u8,
    /// TOS of the outcome.
    #[serde(default)]
    pub tos: u8,
}

impl Recording {
    /// Reads a file.
    ///
    /// # Panics
    /// It is not there, or not a recording.
    pub fn read(path: &Path) -> Self {
        let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }
}
