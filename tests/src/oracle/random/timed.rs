//! Random cases in which time passes.
//!
//! A kernel's timers fire late, by up to an eighth of what they were set for, and LVX' do not. So there are times at which
//! a connection or template may be there or not, and a case must not look then. When those are is reckoned here; the
//! lateness of templates, which adds up, is also played to LVX ([`Wheel`](crate::oracle::Wheel)).

use std::net::SocketAddr;
use std::time::Duration;

use super::rng::Rng;
use crate::oracle::case::{Action, Case, Sent};
use crate::oracle::world;

/// Times at which there is something to do.
const STOPS: usize = 9;

/// Seconds that a template lives on while connections hang on it (`ip_vs_conn_expire`).
const REARM: f64 = 60.0;

/// Seconds for what is not counted: ticks, how long the guest takes for its part, and that LVX may let something go early.
const SLACK: f64 = 2.5;

/// When something ends, in seconds: not before, not after.
#[derive(Clone, Copy)]
struct End {
    first: f64,
    last: f64,
}

impl End {
    fn of(since: Self, timeout: f64) -> Self {
        Self { first: since.first + timeout, last: since.last + timeout * 8.0 / 7.0 }
    }

    fn surely_before(self, other: Self) -> bool {
        self.last + SLACK < other.first
    }

    fn is_open_at(self, time: f64) -> bool {
        self.first - SLACK <= time && time <= self.last + SLACK
    }
}

/// A client with its connections, and its template.
#[derive(Clone)]
struct Client {
    address: usize,
    template: Option<Template>,
    connections: Vec<End>,
}

#[derive(Clone, Copy)]
struct Template {
    timeout: f64,
    end: End,
}

/// Timeouts of a case, in seconds.
struct Timeouts {
    tcp: f64,
    tcpfin: f64,
    udp: f64,
    persistence: Option<f64>,
}

/// A case with time between the packets.
pub fn case(seed: u64) -> Case {
    let mut rng = Rng::new(seed);
    let ipv4 = rng.percent(70);
    let timeouts = Timeouts {
        tcp: rng.between(150, 250).into(),
        tcpfin: rng.between(30, 90).into(),
        udp: rng.between(50, 150).into(),
        // Longer than a case: how late a template's timer fires, and so where its 60 s begin, the timer wheel decides.
        persistence: rng.percent(75).then(|| rng.between(20_000, 40_000).into()),
    };
    let udp = rng.percent(25);
    let vip = SocketAddr::new(world::vip(ipv4, 0), if udp { 53 } else { 80 });
    let id = format!("{} {vip}", if udp { "-u" } else { "-t" });
    let persistent = timeouts.persistence.map(|seconds| format!(" -p {seconds}")).unwrap_or_default();
    let scheduler = rng.pick(&["rr", "wrr", "wlc", "sed", "nq"]);
    let Timeouts { tcp, tcpfin, udp: of_udp, .. } = timeouts;
    let mut actions = vec![
        Action::command(format!("ipvsadm --set {tcp} {tcpfin} {of_udp}")),
        Action::command(format!("ipvsadm -A {id} -s {scheduler}{persistent}")),
    ];
    for number in 0..rng.between(2, 4) as u8 {
        let server = world::server(ipv4, number);
        actions.push(Action::command(format!("ipvsadm -a {id} -r {server} -w {}", rng.between(1, 4))));
    }
    let clients = (0..3).map(|address| Client { address, template: None, connections: Vec::new() }).collect();
    let mut maker = Maker { rng, timeouts, udp, vip, now: 0.0, port: 1024, clients, actions };
    for _ in 0..STOPS {
        maker.stop();
        if !maker.go_on() {
            break;
        }
    }
    maker.actions.push(Action::command("ipvsadm -Lnc"));
    let about = format!("the random case with time of seed {seed}");
    Case { name: format!("timed_{seed}"), about, actions: maker.actions }
}

struct Maker {
    rng: Rng,
    timeouts: Timeouts,
    udp: bool,
    vip: SocketAddr,
    now: f64,
    port: u16,
    clients: Vec<Client>,
    actions: Vec<Action>,
}

impl Maker {
    /// Some clients connect; then the tables are shown.
    fn stop(&mut self) {
        for _ in 0..self.rng.between(1, 4) {
            let at = self.rng.below(self.clients.len());
            self.connect(at);
        }
        self.actions.extend(["ipvsadm -Lnc", "ipvsadm -Ln --persistent-conn"].map(Action::command));
    }

    fn connect(&mut self, at: usize) {
        let source = SocketAddr::new(world::client(self.vip.is_ipv4(), self.clients[at].address), self.port);
        self.port += 1;
        let (packets, timeout): (&[&str], f64) = if self.udp {
            (&["S"], self.timeouts.udp)
        } else {
            self.rng.pick(&[
                (&["S"] as &[&str], 60.0),
                (&["S", "A"], self.timeouts.tcp),
                (&["S", "A", "FA"], self.timeouts.tcpfin),
                (&["S", "A", "R"], 10.0),
                (&["S", "FA"], 120.0),
            ])
        };
        for flags in packets {
            let sent = if self.udp { Sent::udp(source, self.vip) } else { Sent::tcp(source, self.vip, flags) };
            self.actions.push(Action::Send(sent));
        }
        let now = End { first: self.now, last: self.now };
        let client = &mut self.clients[at];
        client.connections.push(End::of(now, timeout));
        if let Some(persistence) = self.timeouts.persistence {
            // One that was kept for its connections has the timeout of that from then on.
            let timeout = client.template.map_or(persistence, |template| template.timeout);
            client.template = Some(Template { timeout, end: End::of(now, timeout) });
        }
    }

    /// Lets time pass until a time at which it is certain what is there; false if none was found.
    fn go_on(&mut self) -> bool {
        for _ in 0..100 {
            let wait = self.rng.weighted(&[(3, (5, 20)), (4, (20, 70)), (4, (70, 200)), (2, (200, 600))]);
            let wait = self.rng.between(wait.0, wait.1);
            let time = self.now + f64::from(wait);
            let clients: Option<Vec<Client>> = self.clients.iter().map(|client| client.at(time)).collect();
            if let Some(clients) = clients {
                (self.now, self.clients) = (time, clients);
                self.actions.push(Action::Wait(Duration::from_secs(wait.into())));
                return true;
            }
        }
        false
    }
}

impl Client {
    /// What it has at a time, if that is certain.
    fn at(&self, time: f64) -> Option<Self> {
        let mut client = self.clone();
        while let Some(Template { end, .. }) = client.template {
            if end.is_open_at(time) {
                return None;
            }
            if end.first > time {
                break;
            }
            let held = client.connections.iter().any(|connection| end.surely_before(*connection));
            let free = client.connections.iter().all(|connection| connection.surely_before(end));
            client.template = match (held, free) {
                (true, _) => Some(Template { timeout: REARM, end: End::of(end, REARM) }),
                (false, true) => None,
                (false, false) => return None,
            };
        }
        if client.connections.iter().any(|connection| connection.is_open_at(time)) {
            return None;
        }
        client.connections.retain(|connection| connection.first > time);
        Some(client)
    }
}
