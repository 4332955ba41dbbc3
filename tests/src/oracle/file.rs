//! Recordings in files, as `tests/golden/README.md` describes them. Older ones, with every field of the recorder's and
//! the outcome of a packet apart from it, are read too.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde::{Deserialize, Serialize};

use super::case::{Line, Protocol, Sent, Sysctl};
use super::recording::{Came, Ran, Recording, Step, Wheel};

/// Where IPVS' sysctls are.
const SYSCTLS: &str = "/proc/sys/net/ipv4/vs/";

/// What `ipvsadm` is asked at the end of a recording with `stats`.
const STATS: &str = "ipvsadm -Ln --stats";

#[derive(Deserialize)]
struct File {
    case: String,
    about: String,
    kernel: String,
    #[serde(default)]
    stats: Option<String>,
    /// Ticks a second, and where the timer wheel stood, in milliseconds.
    #[serde(default)]
    wheel: Option<(u32, u64)>,
    /// Milliseconds.
    #[serde(default)]
    took: u64,
    steps: Vec<Entry>,
}

#[derive(Deserialize, Serialize)]
#[serde(tag = "t", rename_all = "lowercase")]
enum Entry {
    Cmd {
        cmd: String,
        #[serde(default, skip_serializing_if = "String::is_empty")]
        stdin: String,
        #[serde(default, skip_serializing_if = "is_default")]
        rc: i32,
        #[serde(default, skip_serializing_if = "String::is_empty")]
        output: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        stderr: Option<String>,
    },
    Sh {
        cmd: String,
    },
    Pkt(Packet),
    Set {
        k: String,
        v: u8,
    },
    Sleep {
        ms: u64,
    },
    Dump {
        ln: String,
        persistent: String,
        conns: String,
        save: String,
    },
}

#[derive(Default, Deserialize, Serialize)]
#[serde(default)]
struct Packet {
    proto: String,
    src: String,
    #[serde(skip_serializing)]
    sport: Option<u16>,
    dst: String,
    #[serde(skip_serializing)]
    dport: Option<u16>,
    #[serde(skip_serializing_if = "String::is_empty")]
    flags: String,
    #[serde(skip_serializing_if = "is_default")]
    payload: usize,
    #[serde(skip_serializing)]
    out: Option<Out>,
    #[serde(flatten)]
    came: Out,
}

#[derive(Default, Deserialize, Serialize)]
#[serde(default)]
struct Out {
    #[serde(skip_serializing_if = "Option::is_none")]
    to: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    l4: Option<String>,
    #[serde(skip_serializing_if = "is_default")]
    ttl: u8,
    #[serde(skip_serializing_if = "is_default")]
    tos: u8,
    #[serde(skip_serializing_if = "Option::is_none")]
    odd: Option<String>,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

impl Recording {
    /// Reads a file.
    ///
    /// # Errors
    /// It is not there, or no recording.
    pub fn read(path: &Path) -> Result<Self> {
        Self::parse(&std::fs::read_to_string(path)?)
    }

    /// A file's text.
    ///
    /// # Errors
    /// It is no recording; the error says why.
    pub fn parse(text: &str) -> Result<Self> {
        let file: File = serde_json::from_str(text).context("no recording")?;
        let (mut ttl, mut tos) = (64, 0);
        let mut steps = Vec::new();
        for (number, entry) in file.steps.into_iter().enumerate() {
            match entry {
                Entry::Set { k, v } => match k.as_str() {
                    "ttl" => ttl = v,
                    "tos" => tos = v,
                    // How long the recorder waited for packets.
                    "wait" => {}
                    other => bail!("no recording: step {number} sets {other}, which cannot be set"),
                },
                entry @ (Entry::Cmd { .. }
                | Entry::Sh { .. }
                | Entry::Pkt(_)
                | Entry::Sleep { .. }
                | Entry::Dump { .. }) => {
                    let read = entry.steps(ttl, tos).with_context(|| format!("no recording: step {number}"))?;
                    steps.extend(read);
                }
            }
        }
        steps.extend(file.stats.map(|output| command(STATS, 0, output)));
        let wheel = file.wheel.map(|(hz, phase)| Wheel { hz, phase });
        let took = Duration::from_millis(file.took);
        Ok(Self { name: file.case, about: file.about, kernel: file.kernel, wheel, took, steps })
    }

    /// The text of a file.
    ///
    /// # Errors
    /// A text cannot be written as JSON.
    pub fn text(&self) -> Result<String> {
        let (mut ttl, mut tos) = (64, 0);
        let mut entries = Vec::new();
        for step in &self.steps {
            if let Step::Send(sent, _) = step {
                for (key, current, wanted) in [("ttl", &mut ttl, sent.ttl), ("tos", &mut tos, sent.tos)] {
                    if *current != wanted {
                        *current = wanted;
                        entries.push(Entry::Set { k: key.to_owned(), v: wanted });
                    }
                }
            }
            entries.push(Entry::of(step)?);
        }
        let head = [("case", &self.name), ("about", &self.about), ("kernel", &self.kernel)];
        let mut text = "{\n".to_owned();
        for (key, value) in head {
            text += &format!(" \"{key}\": {},\n", serde_json::to_string(value)?);
        }
        if let Some(Wheel { hz, phase }) = self.wheel {
            text += &format!(" \"wheel\": [{hz}, {phase}],\n");
        }
        if !self.took.is_zero() {
            text += &format!(" \"took\": {},\n", self.took.as_millis());
        }
        let steps: serde_json::Result<Vec<String>> = entries.iter().map(serde_json::to_string).collect();
        text += &format!(" \"steps\": [\n  {}\n ]\n}}\n", steps?.join(",\n  "));
        Ok(text)
    }

    /// Writes it to a directory, to a file of its name.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn save(&self, directory: &Path) -> Result<std::path::PathBuf> {
        std::fs::create_dir_all(directory).with_context(|| directory.display().to_string())?;
        let path = directory.join(format!("{}.json", self.name));
        std::fs::write(&path, self.text()?).with_context(|| path.display().to_string())?;
        Ok(path)
    }
}

fn command(words: &str, status: i32, output: String) -> Step {
    Step::Command(Line::new(words), Ran { status, output, error: None })
}

impl Entry {
    fn steps(self, ttl: u8, tos: u8) -> Result<Vec<Step>> {
        Ok(match self {
            Self::Cmd { cmd, stdin, rc, output, stderr } => {
                vec![Step::Command(Line { words: cmd, input: stdin }, Ran { status: rc, output, error: stderr })]
            }
            Self::Sh { cmd } => vec![Step::Sysctl(sysctl(&cmd)?)],
            Self::Pkt(packet) => vec![packet.step(ttl, tos)?],
            Self::Set { .. } => Vec::new(),
            Self::Sleep { ms } => vec![Step::Wait(Duration::from_millis(ms))],
            Self::Dump { ln, persistent, conns, save } => vec![
                command("ipvsadm -Ln", 0, ln),
                command("ipvsadm -Ln --persistent-conn", 0, persistent),
                command("ipvsadm -Lnc", 0, conns),
                command("ipvsadm -Sn", 0, save),
            ],
        })
    }

    fn of(step: &Step) -> Result<Self> {
        Ok(match step.clone() {
            Step::Command(line, ran) => {
                let Ran { status, output, error } = ran;
                Self::Cmd { cmd: line.words, stdin: line.input, rc: status, output, stderr: error }
            }
            Step::Sysctl(Sysctl { name, value }) => Self::Sh { cmd: format!("echo {value} > {SYSCTLS}{name}") },
            Step::Send(sent, came) => Self::Pkt(Packet::of(sent, came)),
            Step::Wait(time) => Self::Sleep { ms: time.as_millis().try_into()? },
        })
    }
}

/// `echo VALUE > /proc/sys/net/ipv4/vs/NAME`
fn sysctl(line: &str) -> Result<Sysctl> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let ["echo", value, ">", path] = words[..] else { bail!("`{line}` writes no sysctl") };
    let Some(name) = path.strip_prefix(SYSCTLS) else { bail!("{path} is no sysctl of IPVS") };
    Ok(Sysctl { name: name.to_owned(), value: value.to_owned() })
}

impl Packet {
    fn step(self, ttl: u8, tos: u8) -> Result<Step> {
        let protocol = match self.proto.as_str() {
            "tcp" => Protocol::Tcp,
            "udp" => Protocol::Udp,
            "icmp" => Protocol::Icmp,
            other => bail!("packets of `{other}` cannot be made"),
        };
        if let Some(letter) = self.flags.chars().find(|letter| !"FSRPAU-".contains(*letter)) {
            bail!("{letter} is no TCP flag");
        }
        let (source, destination) = (address(&self.src, self.sport)?, address(&self.dst, self.dport)?);
        let (flags, payload) = (self.flags, self.payload);
        let sent = Sent { protocol, source, destination, flags, payload, ttl, tos };
        Ok(Step::Send(sent, self.out.unwrap_or(self.came).came()?))
    }

    fn of(sent: Sent, came: Came) -> Self {
        Self {
            proto: sent.protocol.name().to_owned(),
            src: sent.source.to_string(),
            dst: sent.destination.to_string(),
            flags: sent.flags,
            payload: sent.payload,
            came: match came {
                Came::Nothing => Out::default(),
                Came::Forwarded { server, ttl, tos } => {
                    Out { to: Some(server.to_string()), ttl, tos, ..Out::default() }
                }
                Came::Answered(l4) => Out { to: Some("client".to_owned()), l4: Some(l4), ..Out::default() },
                Came::Odd(odd) => Out { odd: Some(odd), ..Out::default() },
            },
            ..Self::default()
        }
    }
}

fn address(address: &str, port: Option<u16>) -> Result<SocketAddr> {
    match port {
        Some(port) => Ok(SocketAddr::new(address.parse().with_context(|| format!("`{address}`"))?, port)),
        None => address.parse().with_context(|| format!("`{address}`")),
    }
}

impl Out {
    fn came(self) -> Result<Came> {
        Ok(match (self.odd, self.to.as_deref(), self.l4) {
            (Some(odd), ..) => Came::Odd(odd),
            (None, None, _) => Came::Nothing,
            (None, Some("client"), Some(l4)) => Came::Answered(l4),
            (None, Some("client"), None) => bail!("the answer to the client is missing"),
            (None, Some(server), _) => {
                let server = server.parse().with_context(|| format!("`{server}`"))?;
                Came::Forwarded { server, ttl: self.ttl, tos: self.tos }
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As it lies in `tests/golden`.
    const SHORT: &str = r#"{"case": "x", "about": "two packets", "kernel": "6.1.176", "steps": [
        {"t": "cmd", "cmd": "ipvsadm -A -t 172.16.100.1:80"},
        {"t": "set", "k": "wait", "v": 40},
        {"t": "set", "k": "ttl", "v": 2},
        {"t": "pkt", "proto": "tcp", "src": "10.0.0.1:7", "dst": "172.16.100.1:80", "flags": "S", "to": "172.16.100.10",
         "ttl": 1},
        {"t": "set", "k": "ttl", "v": 64},
        {"t": "pkt", "proto": "tcp", "src": "10.0.0.1:7", "dst": "172.16.100.1:81", "flags": "R"},
        {"t": "dump", "ln": "a", "persistent": "b", "conns": "c", "save": "d"}]}"#;

    /// As a recorder wrote it that knew more fields.
    const LONG: &str = r#"{"case": "x", "about": "two packets", "kernel": "6.1.176", "vip": "172.16.100.1", "steps": [
        {"t": "cmd", "cmd": "ipvsadm -A -t 172.16.100.1:80", "rc": 0, "output": ""},
        {"t": "set", "k": "ttl", "v": 2},
        {"t": "pkt", "id": 0, "proto": "tcp", "src": "10.0.0.1", "sport": 7, "dst": "172.16.100.1", "dport": 80,
         "flags": "S", "payload": 0, "out": {"to": "172.16.100.10", "l4": "tcp02", "ttl": 1, "tos": 0, "same": 1}},
        {"t": "set", "k": "ttl", "v": 64},
        {"t": "pkt", "id": 1, "proto": "tcp", "src": "10.0.0.1", "sport": 7, "dst": "172.16.100.1", "dport": 81,
         "flags": "R", "payload": 0, "out": null},
        {"t": "dump", "ln": "a", "persistent": "b", "conns": "c", "save": "d"}]}"#;

    fn parse(text: &str) -> Recording {
        Recording::parse(text).unwrap_or_else(|error| panic!("{error:#}"))
    }

    #[test]
    fn both_forms_are_read() {
        let recording = parse(SHORT);
        assert_eq!(recording, parse(LONG));
        assert_eq!(recording.steps.len(), 7, "a dump is four listings: {recording:?}");
    }

    #[test]
    fn what_is_written_is_read_again() {
        let mut recording = parse(SHORT);
        recording.wheel = Some(Wheel { hz: 100, phase: 7 });
        recording.took = Duration::from_millis(300);
        let Step::Send(sent, _) = &recording.steps[1] else { panic!("{recording:?}") };
        let sent = Sent { tos: 3, ..sent.clone() };
        let line = Line { words: "ipvsadm -R".to_owned(), input: "-C\n".to_owned() };
        let ran = Ran { status: 2, output: "1".to_owned(), error: Some("2".to_owned()) };
        recording.steps.extend([
            Step::Command(line, ran),
            Step::Sysctl(Sysctl { name: "sloppy_tcp".to_owned(), value: "1".to_owned() }),
            Step::Wait(Duration::from_millis(1500)),
            Step::Send(sent.clone(), Came::Answered("icmp3/3".to_owned())),
            Step::Send(sent, Came::Odd("0001 and 0002".to_owned())),
        ]);
        assert_eq!(parse(&recording.text().expect("it can be written")), recording);
    }

    #[test]
    fn what_is_no_recording_says_why() {
        let refused = |from: &str, to: &str| {
            let error = Recording::parse(&SHORT.replace(from, to)).expect_err("it is none");
            format!("{error:#}")
        };
        assert!(refused("\"steps\"", "\"step\"").starts_with("no recording: missing field `steps`"));
        assert_eq!(refused("\"S\"", "\"X\""), "no recording: step 3: X is no TCP flag");
        assert_eq!(refused("\"tcp\"", "\"sctp\""), "no recording: step 3: packets of `sctp` cannot be made");
        assert!(refused("10.0.0.1:7", "10.0.0.1").starts_with("no recording: step 3: `10.0.0.1`: invalid"));
    }
}
