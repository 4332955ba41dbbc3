//! `lvx drain`, `lvx undrain`, `lvx drains`

use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Result, bail};
use clap::Args;

use crate::api::client::Client;
use crate::api::{self, DrainEntry, Request, Response};
use crate::model::{Family, Protocol, ServiceId, Which};

use super::print;

/// The longest drain: ten years.
const LONGEST: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

/// How often `--wait` looks.
const LOOK: Duration = Duration::from_millis(500);

#[derive(Debug, Args)]
pub(super) struct Servers {
    /// ADDRESS or ADDRESS:PORT of the real server
    #[arg(value_parser = server)]
    server: (IpAddr, Option<u16>),
    /// In this service only, instead of all: tcp/172.16.100.1:80, udp/[2001:db8::1]:53, mark/8, mark6/8
    #[arg(long, value_parser = service)]
    service: Option<ServiceId>,
    /// The daemon's socket
    #[arg(long, env = "LVX_SOCKET", default_value_os_t = api::socket_path())]
    socket: PathBuf,
}

#[derive(Debug, Args)]
pub(super) struct Drain {
    #[command(flatten)]
    servers: Servers,
    /// How long the server stays for what it has, such as 5m; it is out of service then, until `lvx undrain`
    #[arg(long = "for", value_name = "TIME", value_parser = duration)]
    time: Duration,
    /// Known clients go elsewhere too, as soon as they open a new connection
    #[arg(long)]
    now: bool,
    /// Show what is left, and return when nothing is, or when the time is over
    #[arg(long)]
    wait: bool,
}

#[derive(Debug, Args)]
pub(super) struct Drains {
    /// As JSON
    #[arg(long)]
    json: bool,
    /// The daemon's socket
    #[arg(long, env = "LVX_SOCKET", default_value_os_t = api::socket_path())]
    socket: PathBuf,
}

impl Servers {
    fn which(&self) -> Which {
        Which { address: self.server.0, port: self.server.1, service: self.service }
    }

    pub(super) fn undrain(&self) -> Result<()> {
        must(&mut Client::new(&self.socket), &Request::Undrain { which: self.which() })
    }
}

impl Drain {
    pub(super) fn run(&self) -> Result<()> {
        let (which, seconds) = (self.servers.which(), self.time.as_secs());
        let mut client = Client::new(&self.servers.socket);
        must(&mut client, &Request::Drain { which, seconds, now: self.now })?;
        if self.wait { wait(&mut client, &which) } else { Ok(()) }
    }
}

/// Shows what is left until nothing is, or the time is over.
fn wait(client: &mut Client, which: &Which) -> Result<()> {
    let mut shown = String::new();
    loop {
        let drains = ask(client)?;
        let is_this = |drain: &&DrainEntry| {
            (drain.address, drain.port, drain.service) == (which.address, which.port, which.service)
        };
        let Some(drain) = drains.iter().find(is_this) else { bail!("{which} was undrained meanwhile") };
        let (connections, templates) = left(drain);
        let line = format!("{which}: {connections} connections, {templates} templates left\n");
        if line != shown {
            print(&line)?;
            shown = line;
        }
        if connections + templates == 0 || drain.over {
            return Ok(());
        }
        std::thread::sleep(LOOK);
    }
}

impl Drains {
    pub(super) fn run(&self) -> Result<()> {
        let drains = ask(&mut Client::new(&self.socket))?;
        let text = if self.json { format!("{}\n", serde_json::to_string_pretty(&drains)?) } else { text(&drains) };
        print(&text)
    }
}

fn text(drains: &[DrainEntry]) -> String {
    let mut out = String::new();
    for drain in drains {
        let which = Which { address: drain.address, port: drain.port, service: drain.service };
        let state = if drain.over { "out of service".to_owned() } else { format!("{} left", time(drain.left)) };
        let now = if drain.now { ", known clients go elsewhere" } else { "" };
        writeln!(out, "{which}: {state}{now}").expect("writing to a String never fails");
        for server in &drain.servers {
            let address = SocketAddr::new(server.address, server.port);
            let (connections, templates) = (server.connections, server.templates);
            writeln!(out, "  {} {address}: {connections} connections, {templates} templates left", server.service)
                .expect("writing to a String never fails");
        }
    }
    out
}

/// `4m12s`
pub(super) fn time(seconds: u64) -> String {
    humantime::format_duration(Duration::from_secs(seconds)).to_string().replace(' ', "")
}

fn left(drain: &DrainEntry) -> (u64, u64) {
    drain.servers.iter().fold((0, 0), |(connections, templates), server| {
        (connections + server.connections, templates + server.templates)
    })
}

fn must(client: &mut Client, request: &Request) -> Result<()> {
    if let Response::Refused { refusal } = client.ask_in_words(request).map_err(anyhow::Error::msg)? {
        bail!("{refusal}");
    }
    Ok(())
}

fn ask(client: &mut Client) -> Result<Vec<DrainEntry>> {
    let response = client.ask_in_words(&Request::Drains).map_err(anyhow::Error::msg)?;
    let Response::Drains { drains } = response else { bail!("the daemon gave another answer: {response:?}") };
    Ok(drains)
}

fn server(text: &str) -> Result<(IpAddr, Option<u16>), String> {
    match text.parse::<SocketAddr>() {
        Ok(socket) => Ok((socket.ip(), Some(socket.port()))),
        Err(_not_a_socket) => match text.trim_matches(['[', ']']).parse() {
            Ok(address) => Ok((address, None)),
            Err(_neither) => Err("write 192.0.2.10, 192.0.2.10:80, 2001:db8::10 or [2001:db8::10]:80".to_owned()),
        },
    }
}

fn service(text: &str) -> Result<ServiceId, String> {
    let advice = || "write tcp/172.16.100.1:80, udp/[2001:db8::1]:53, mark/8 or mark6/8".to_owned();
    let (kind, name) = text.split_once('/').ok_or_else(advice)?;
    let address = |protocol| {
        let socket: SocketAddr = name.parse().ok()?;
        Some(ServiceId::Address { protocol, vip: socket.ip(), port: socket.port() })
    };
    let mark = |family| Some(ServiceId::Mark { mark: name.parse().ok()?, family });
    let id = match kind {
        "tcp" => address(Protocol::Tcp),
        "udp" => address(Protocol::Udp),
        "mark" => mark(Family::Inet),
        "mark6" => mark(Family::Inet6),
        _ => None,
    };
    id.ok_or_else(advice)
}

fn duration(text: &str) -> Result<Duration, String> {
    let duration = humantime::parse_duration(text).map_err(|error| format!("{error}; write 30s, 5m or 1h"))?;
    if duration > LONGEST { Err("that is longer than ten years".to_owned()) } else { Ok(duration) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::DrainedServer;

    #[test]
    fn servers_and_services_are_named_as_in_the_api() {
        let address = |text: &str| text.parse::<IpAddr>().expect("an address");
        assert_eq!(server("192.0.2.10"), Ok((address("192.0.2.10"), None)));
        assert_eq!(server("[2001:db8::10]:80"), Ok((address("2001:db8::10"), Some(80))));
        assert_eq!(server("2001:db8::10"), Ok((address("2001:db8::10"), None)));
        assert!(server("web1").is_err());
        let id = ServiceId::Address { protocol: Protocol::Udp, vip: address("2001:db8::1"), port: 53 };
        assert_eq!(service("udp/[2001:db8::1]:53"), Ok(id));
        assert_eq!(service("mark6/8"), Ok(ServiceId::Mark { mark: 8, family: Family::Inet6 }));
        assert!(service("sctp/192.0.2.1:1").is_err() && service("8").is_err());
    }

    #[test]
    fn a_list_of_drains_says_what_is_left() {
        let id = ServiceId::Mark { mark: 8, family: Family::Inet };
        let address = "192.0.2.10".parse().expect("an address");
        let server = DrainedServer { service: id, address, port: 0, connections: 3, templates: 2 };
        let drain = DrainEntry {
            address,
            port: None,
            service: Some(id),
            until: 0,
            left: 252,
            now: true,
            over: false,
            servers: vec![server],
        };
        assert_eq!(
            text(&[drain]),
            "192.0.2.10 in FWM 8: 4m12s left, known clients go elsewhere\n  FWM 8 192.0.2.10:0: 3 connections, 2 templates left\n"
        );
    }
}
