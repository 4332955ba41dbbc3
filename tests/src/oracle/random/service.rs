//! Random services and real servers, as words of `ipvsadm` and of `iptables`.

use std::net::{IpAddr, SocketAddr};

use lb_user::model::SchedulerKind;

use super::rng::Rng;
use crate::oracle::case::Protocol;
use crate::oracle::world::{self, SERVERS};

/// Ports that services are at.
const PORTS: [u16; 3] = [80, 443, 8080];

/// A virtual service that a case has, or had.
#[derive(Clone, Debug)]
pub struct Service {
    /// What names it: `-t 172.16.100.1:80`.
    pub id: String,
    /// Protocol of its packets.
    pub protocol: Protocol,
    /// Address that its packets are for.
    pub vip: IpAddr,
    /// Ports that its packets are for.
    pub ports: Vec<u16>,
    /// Port of its real servers, 0 where they have none of their own.
    pub port: u16,
    /// Whether `-o` may be said.
    one_packet: bool,
    /// Whether it must be persistent.
    wildcard: bool,
    /// Rules that mark its packets.
    pub rules: Vec<String>,
    /// Whether it is there.
    pub present: bool,
    /// Numbers of its real servers.
    pub servers: Vec<u8>,
}

/// What a service is known by.
#[derive(Clone, Copy)]
enum Kind {
    Tcp,
    Udp,
    TcpWildcard,
    UdpWildcard,
    Mark,
    Ftp,
}

impl Service {
    /// A service that is not there yet.
    pub fn random(rng: &mut Rng) -> Self {
        let kinds = [
            (45, Kind::Tcp),
            (18, Kind::Udp),
            (11, Kind::TcpWildcard),
            (4, Kind::UdpWildcard),
            (14, Kind::Mark),
            (8, Kind::Ftp),
        ];
        let ipv4 = rng.percent(70);
        let vip = world::vip(ipv4, rng.weighted(&[(3, 0), (1, 1)]));
        let kind = rng.weighted(&kinds);
        let (protocol, port) = match kind {
            Kind::Tcp => (Protocol::Tcp, rng.pick(&PORTS)),
            Kind::Udp => (Protocol::Udp, rng.pick(&[53, 5060])),
            Kind::TcpWildcard => (Protocol::Tcp, 0),
            Kind::UdpWildcard => (Protocol::Udp, 0),
            Kind::Mark => (rng.weighted(&[(4, Protocol::Tcp), (1, Protocol::Udp)]), 0),
            Kind::Ftp => (Protocol::Tcp, 21),
        };
        let letter = if protocol == Protocol::Tcp { "-t" } else { "-u" };
        let mut service = Self {
            id: format!("{letter} {}", SocketAddr::new(vip, port)),
            protocol,
            vip,
            ports: vec![port],
            port,
            one_packet: protocol == Protocol::Udp,
            wildcard: port == 0,
            rules: Vec::new(),
            present: false,
            servers: Vec::new(),
        };
        match kind {
            Kind::Tcp | Kind::Udp => {}
            Kind::TcpWildcard | Kind::UdpWildcard => service.ports = vec![80, 443, 25, 53, 21],
            Kind::Mark => service.mark(rng),
            Kind::Ftp => service.ports = vec![21, 21, 21, 20, 80, 1024, 40_000, 50_001],
        }
        service
    }

    fn mark(&mut self, rng: &mut Rng) {
        let mark = rng.weighted(&[(6, 8u32), (3, 10), (1, 3_000_000_000)]);
        let ipv4 = self.vip.is_ipv4();
        self.id = format!("-f {mark}{}", if ipv4 { "" } else { " -6" });
        (self.one_packet, self.wildcard, self.ports) = (true, false, Vec::new());
        let (program, interface) = (if ipv4 { "iptables" } else { "ip6tables" }, rng.pick(&["", " -i eth0"]));
        for _ in 0..rng.between(1, 2) {
            let (ports, shown) = rng.pick(&[(80u16, "80"), (443, "443"), (1500, "1000:2000"), (53, "53")]);
            self.ports.push(ports);
            let (vip, protocol) = (self.vip, self.protocol.name());
            let target = format!("-p {protocol} --dport {shown} -j MARK --set-mark {mark}");
            self.rules.push(format!("{program} -t mangle -A PREROUTING -d {vip}{interface} {target}"));
        }
    }

    /// What `-A` and `-E` say behind the service: scheduler, persistence, one-packet scheduling.
    pub fn options(&self, rng: &mut Rng) -> String {
        let mut words = String::new();
        if rng.percent(95) {
            words += &scheduler(rng);
        }
        if self.wildcard && rng.percent(97) || rng.percent(if self.port == 21 { 70 } else { 25 }) {
            words += &self.persistence(rng);
        }
        if self.one_packet && rng.percent(20) {
            words += " -o";
        }
        words
    }

    fn persistence(&self, rng: &mut Rng) -> String {
        let mut words = rng.pick(&[" -p", " -p 60", " -p 100", " -p 300", " -p 3600"]).to_owned();
        if rng.percent(30) {
            let masks = if self.vip.is_ipv4() { ["255.255.255.0", "255.255.0.0"] } else { ["64", "112"] };
            words += &format!(" -M {}", rng.pick(&masks));
        }
        words
    }

    /// The words for a real server: `-r 172.16.100.10:80`.
    pub fn server(&self, number: u8, rng: &mut Rng) -> String {
        let address = world::server(self.vip.is_ipv4(), number);
        let port = if rng.percent(50) { Some(self.port) } else { None };
        match port {
            Some(port) if port != 0 => format!("-r {}", SocketAddr::new(address, port)),
            Some(_) | None => format!("-r {address}"),
        }
    }

    /// The number of a real server: mostly one that it has, or, if `other`, one that it has not.
    pub fn number(&self, other: bool, rng: &mut Rng) -> u8 {
        let known = rng.percent(90) != other;
        if known && !self.servers.is_empty() {
            return rng.pick(&self.servers);
        }
        let free: Vec<u8> = (0..SERVERS).filter(|number| !self.servers.contains(number)).collect();
        if free.is_empty() { 0 } else { rng.pick(&free[..free.len().min(5)]) }
    }
}

/// `-s` and a scheduler that LVX has, with flags that it takes.
fn scheduler(rng: &mut Rng) -> String {
    let names: Vec<&str> = SchedulerKind::ALL.into_iter().map(SchedulerKind::name).filter(decides).collect();
    let name = rng.pick(&names);
    let flags: &[&str] = match name {
        "sh" => &["sh-fallback", "sh-port", "sh-fallback,sh-port"],
        "mh" => &["mh-fallback", "mh-port", "mh-fallback,mh-port"],
        _ => &[],
    };
    let flags = if flags.is_empty() || rng.percent(40) { String::new() } else { format!(" -b {}", rng.pick(flags)) };
    format!(" -s {name}{flags}")
}

/// Whether a scheduler decides the same twice: `twos` casts dice.
fn decides(name: &&str) -> bool {
    *name != "twos"
}

/// What `-a` and `-e` say behind the server: weight and thresholds.
pub fn server_options(rng: &mut Rng) -> String {
    let mut words = rng.pick(&[" -g", " -g", ""]).to_owned();
    if rng.percent(88) {
        let ranges = [(62, (1, 5)), (12, (0, 0)), (14, (6, 100)), (8, (101, 5000)), (4, (65_000, 65_535))];
        let (first, last) = rng.weighted(&ranges);
        words += &format!(" -w {}", rng.between(first, last));
    }
    if rng.percent(15) {
        let upper = rng.between(1, 8);
        words += &format!(" -x {upper}");
        if rng.percent(50) {
            words += &format!(" -y {}", rng.between(1, upper));
        }
    }
    words
}
