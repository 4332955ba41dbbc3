//! CASES 6 and 19: {weight 0, removed, failed check} x {existing connection, existing template, new client} x {TCP, UDP},
//! as DESIGN.md's table has it.

use std::time::Duration;

use anyhow::{Context as _, Result};
use xtask::lab::{Answer, Arms, Client, NginxSpec, VIPS};
use xtask::wait;

use super::director::Director;
use super::echo::Echo;
use super::setup::Setup;
use super::talk::{TcpFlow, UdpFlow};

/// Both services look at the web server on port 80, which can be ended while the others go on.
const CONFIG: &str = r#"
[defaults.health]
port = 80
interval = "100ms"

[[service]]
tcp = "172.16.100.1:7"
scheduler = "rr"
persistent = 300

[[service.real_server]]
address = "172.16.100.10"

[[service.real_server]]
address = "172.16.100.11"

[[service]]
udp = "172.16.100.1:7"
scheduler = "rr"
persistent = 300

[[service.real_server]]
address = "172.16.100.10"

[[service.real_server]]
address = "172.16.100.11"
"#;

const LIMIT: Duration = Duration::from_secs(5);

/// What happens to r1.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Event {
    Quiesced,
    Removed,
    Failed,
}

struct Stage {
    director: Director,
    clients: std::vec::IntoIter<Client>,
}

/// A client with flows on r1.
struct OnFirst {
    client: Client,
    tcp: TcpFlow,
    udp: UdpFlow,
}

#[test]
fn each_event_decides_as_the_design_says() -> Result<()> {
    let director = Setup::new(Arms::One).config(CONFIG).up()?;
    let _echoes = ["r1", "r2"].map(|host| Echo::start(&director.lab, host, &VIPS, &[7]));
    let [mut web, _] = director.nginx(["r1", "r2"], &[80])?;
    let clients = director.clients(false).into_iter();
    let mut stage = Stage { director, clients };
    stage.until_up(true)?;
    for event in [Event::Quiesced, Event::Removed, Event::Failed] {
        let mut old = stage.client_on_first()?;
        match event {
            Event::Quiesced => stage.both("-e", "-w 0")?,
            Event::Removed => stage.both("-d", "")?,
            Event::Failed => {
                stage.director.lab.stop(web)?;
                stage.until_up(false)?;
            }
        }
        stage.decided(event, &mut old).with_context(|| format!("{event:?}"))?;
        match event {
            Event::Quiesced => stage.both("-e", "-w 1")?,
            Event::Removed => stage.both("-a", "-w 1")?,
            Event::Failed => {
                web = stage.director.lab.nginx("r1", &NginxSpec::new(&[80]))?;
                stage.until_up(true)?;
            }
        }
        // What was dropped meanwhile is sent again by the client's TCP, in its own time.
        wait::until(&format!("{event:?}, undone: the old connection goes on"), LIMIT, || {
            Ok(old.tcp.ask()? == Answer::from("r1"))
        })?;
    }
    Ok(())
}

impl Stage {
    fn both(&self, command: &str, words: &str) -> Result<()> {
        for service in ["-t", "-u"] {
            let server = if command == "-d" { "" } else { "-g" };
            self.director
                .does(&[&format!("ipvsadm {command} {service} 172.16.100.1:7 -r 172.16.100.10 {server} {words}")])?;
        }
        Ok(())
    }

    /// Waits until health checks have answered for r1, and agree.
    fn until_up(&self, up: bool) -> Result<()> {
        self.director.until(&format!("r1 is up: {up}"), LIMIT, |status| {
            let servers = status.services.iter().flat_map(|service| &service.servers);
            let mut first = servers.filter(|entry| entry.server.address.to_string() == "172.16.100.10");
            Ok(first.all(|entry| match &entry.health {
                lb_user::api::Health::Up { detail } => up && detail == "connected",
                lb_user::api::Health::Down { reason } => !up && reason == "connection refused",
                lb_user::api::Health::Unchecked => false,
            }))
        })?;
        Ok(())
    }

    fn client(&mut self) -> Result<Client> {
        self.clients.next().context("no client left")
    }

    /// Clients come until one is on r1 with both flows.
    fn client_on_first(&mut self) -> Result<OnFirst> {
        loop {
            let client = self.client()?;
            let mut tcp = TcpFlow::open(&self.director.lab, client, 7)?;
            let mut udp = UdpFlow::new(&self.director.lab, client, 7)?;
            if (tcp.ask()?, udp.ask()?) == (Answer::from("r1"), Answer::from("r1")) {
                return Ok(OnFirst { client, tcp, udp });
            }
        }
    }

    fn decided(&mut self, event: Event, old: &mut OnFirst) -> Result<()> {
        let (tcp, udp, again) = match event {
            Event::Quiesced => (Answer::from("r1"), Answer::from("r1"), Answer::from("r1")),
            Event::Removed => (Answer::Silence, Answer::Silence, Answer::from("r2")),
            Event::Failed => (Answer::Silence, Answer::from("r2"), Answer::from("r2")),
        };
        assert_eq!(old.udp.ask()?, udp, "{event:?}: existing UDP flow");
        assert_eq!(old.tcp.ask()?, tcp, "{event:?}: existing TCP connection");
        assert_eq!(self.fresh(old.client)?, [again.clone(), again], "{event:?}: client with a template");
        for _ in 0..2 {
            let new = self.client()?;
            assert_eq!(self.fresh(new)?, ["r2", "r2"].map(Answer::from), "{event:?}: new client");
        }
        Ok(())
    }

    /// Who answers a client's new TCP connection, and its new UDP flow.
    fn fresh(&self, client: Client) -> Result<[Answer; 2]> {
        let tcp = TcpFlow::open(&self.director.lab, client, 7)?.ask()?;
        Ok([tcp, UdpFlow::new(&self.director.lab, client, 7)?.ask()?])
    }
}
