//! A case: what is done to a director, without what it does.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use crate::frame::Packet;

/// A list of actions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Case {
    /// Its name, which is also that of its file.
    pub name: String,
    /// What it is about, in a sentence.
    pub about: String,
    /// What is done, in order, to a director without services.
    pub actions: Vec<Action>,
}

/// One thing that is done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// A command on the director.
    Command(Line),
    /// A sysctl of IPVS is written.
    Sysctl(Sysctl),
    /// A packet is sent to it.
    Send(Sent),
    /// Time passes.
    Wait(Duration),
}

/// A command line: `ipvsadm`, or `iptables -t mangle` and `ip6tables -t mangle`. Blanks part its words; there is no
/// shell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// The line.
    pub words: String,
    /// What the command reads from its standard input.
    pub input: String,
}

/// A sysctl, below `/proc/sys/net/ipv4/vs`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sysctl {
    /// Its name.
    pub name: String,
    /// What is written.
    pub value: String,
}

/// Protocol of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// TCP
    Tcp,
    /// UDP
    Udp,
    /// ICMP or ICMPv6: an echo request.
    Icmp,
}

/// A packet that is sent to the director.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// What it carries.
    pub protocol: Protocol,
    /// The client.
    pub source: SocketAddr,
    /// The virtual service.
    pub destination: SocketAddr,
    /// TCP's flags, by letters ([`crate::frame::flags`]).
    pub flags: String,
    /// Bytes of payload.
    pub payload: usize,
    /// TTL or hop limit.
    pub ttl: u8,
    /// TOS or traffic class.
    pub tos: u8,
}

impl Line {
    /// A command that reads nothing.
    pub fn new(words: impl Into<String>) -> Self {
        Self { words: words.into(), input: String::new() }
    }
}

impl Action {
    /// A command that reads nothing.
    pub fn command(words: impl Into<String>) -> Self {
        Self::Command(Line::new(words))
    }
}

impl Sent {
    /// A TCP packet without payload.
    pub fn tcp(source: SocketAddr, destination: SocketAddr, flags: &str) -> Self {
        Self { protocol: Protocol::Tcp, source, destination, flags: flags.to_owned(), payload: 0, ttl: 64, tos: 0 }
    }

    /// A UDP packet with a payload of 12 bytes.
    pub fn udp(source: SocketAddr, destination: SocketAddr) -> Self {
        Self { protocol: Protocol::Udp, payload: 12, ..Self::tcp(source, destination, "") }
    }

    /// The frame.
    pub fn frame(&self) -> Vec<u8> {
        let (source, destination) = (self.source.to_string(), self.destination.to_string());
        let packet = match self.protocol {
            Protocol::Tcp => Packet::tcp(&source, &destination, &self.flags),
            Protocol::Udp => Packet::udp(&source, &destination),
            Protocol::Icmp if self.source.is_ipv4() => Packet::icmp(&source, &destination, 8, 0),
            Protocol::Icmp => Packet::icmp(&source, &destination, 128, 0),
        };
        Packet { tos: self.tos, ..packet.with_hop_limit(self.ttl).with_payload(self.payload) }.frame()
    }

    /// Whether it goes from and to IPv4 addresses.
    pub fn is_ipv4(&self) -> bool {
        matches!(self.destination.ip(), IpAddr::V4(_))
    }
}

impl Protocol {
    /// Its name in recordings.
    pub fn name(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Icmp => "icmp",
        }
    }
}

impl fmt::Display for Sent {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { protocol, source, destination, flags, payload, ttl, tos } = self;
        write!(out, "{} {source} > {destination} {flags}", protocol.name())?;
        if *payload > 0 {
            write!(out, " payload {payload}")?;
        }
        if *ttl != 64 {
            write!(out, " ttl {ttl}")?;
        }
        if *tos != 0 {
            write!(out, " tos {tos}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Action {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Command(Line { words, input }) if input.is_empty() => out.write_str(words),
            Self::Command(Line { words, input }) => write!(out, "{words} <<END\n{}\nEND", input.trim_end()),
            Self::Sysctl(Sysctl { name, value }) => write!(out, "echo {value} > /proc/sys/net/ipv4/vs/{name}"),
            Self::Send(sent) => sent.fmt(out),
            Self::Wait(time) => write!(out, "sleep {}", time.as_secs_f64()),
        }
    }
}
