//! Random packets, most of which belong to the history of a connection.

use std::net::SocketAddr;

use super::rng::Rng;
use super::service::Service;
use crate::oracle::case::{Protocol, Sent};
use crate::oracle::world;

/// Connections that packets still come for.
const RECENT: usize = 12;

/// Combinations of TCP's flags that nobody needs.
const ODD: [&str; 12] = ["SF", "SR", "SA", "-", "FPU", "SFPRAU", "U", "P", "RA", "SPU", "F", "SP"];

/// All connections that a client tried.
#[derive(Debug, Default)]
pub struct Traffic {
    flows: Vec<Flow>,
    /// How many ports clients have used.
    ports: u16,
}

#[derive(Clone, Debug)]
struct Flow {
    protocol: Protocol,
    source: SocketAddr,
    destination: SocketAddr,
    phase: Phase,
}

/// How far a client is with a TCP connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Opening,
    Open,
    Closing,
    Reset,
}

impl Traffic {
    /// A packet, for one of these services or for none.
    pub fn packet(&mut self, services: &[Service], rng: &mut Rng) -> Sent {
        let mut sent = match rng.below(100) {
            0..4 => stray(rng),
            4..56 if !self.flows.is_empty() => self.go_on(rng),
            _ if services.is_empty() => stray(rng),
            _ => self.open(&services[rng.below(services.len())], rng),
        };
        if rng.percent(3) {
            sent.ttl = rng.pick(&[1, 1, 2, 255]);
        }
        if rng.percent(4) {
            sent.tos = rng.pick(&[0x10, 0xb8, 3]);
        }
        sent
    }

    /// The first packet of a connection to a service.
    pub fn open(&mut self, service: &Service, rng: &mut Rng) -> Sent {
        let ipv4 = service.vip.is_ipv4();
        let port = if rng.percent(1) { 20 } else { self.next_port() };
        let source = SocketAddr::new(world::client(ipv4, rng.below(6)), port);
        let destination = SocketAddr::new(service.vip, rng.pick(&service.ports));
        let odd = (rng.pick(&ODD), Phase::Reset);
        let usual = [("S", Phase::Opening), ("A", Phase::Opening), ("PA", Phase::Opening)];
        let (flags, phase) = rng.weighted(&[(90, usual[0]), (4, usual[1]), (2, usual[2]), (4, odd)]);
        let flow = Flow { protocol: service.protocol, source, destination, phase };
        let sent = flow.sent(flags, 0);
        self.flows.push(flow);
        sent
    }

    /// Connections that may be over are heard of no more.
    ///
    /// Where their service is gone, a SYN for one makes the director's stack reset it, and IPVS takes that for a reply, so
    /// that the entry lives on (docs/ipvs-differences.md: resets by its own stack).
    pub fn forget_ended(&mut self) {
        self.flows.retain(|flow| matches!(flow.phase, Phase::Opening | Phase::Open));
    }

    /// No connection so far is heard of any more.
    ///
    /// Where `expire_nodest_conn` is set while there are connections of removed servers, the next packet of one makes the
    /// director's stack reset it, with the same consequence.
    pub fn forget(&mut self) {
        self.flows.clear();
    }

    fn next_port(&mut self) -> u16 {
        self.ports += 1;
        1023 + self.ports
    }

    /// Another packet of a connection, most often of a recent one.
    fn go_on(&mut self, rng: &mut Rng) -> Sent {
        let (count, recent) = (self.flows.len(), rng.percent(80));
        let at = if recent { count - 1 - rng.below(count.min(RECENT)) } else { rng.below(count) };
        let flow = &mut self.flows[at];
        let next: &[(usize, (&str, Phase))] = match flow.phase {
            Phase::Opening => &[
                (70, ("A", Phase::Open)),
                (12, ("S", Phase::Opening)),
                (6, ("R", Phase::Reset)),
                (6, ("FA", Phase::Closing)),
                (6, ("PA", Phase::Open)),
            ],
            Phase::Open => &[
                (40, ("PA", Phase::Open)),
                (18, ("A", Phase::Open)),
                (24, ("FA", Phase::Closing)),
                (12, ("R", Phase::Reset)),
                (6, ("S", Phase::Open)),
            ],
            Phase::Closing => &[
                (40, ("A", Phase::Closing)),
                (35, ("S", Phase::Opening)),
                (10, ("FA", Phase::Closing)),
                (8, ("R", Phase::Reset)),
                (7, ("PA", Phase::Closing)),
            ],
            Phase::Reset => &[(60, ("S", Phase::Opening)), (25, ("A", Phase::Reset)), (15, ("R", Phase::Reset))],
        };
        let (mut flags, mut phase) = rng.weighted(next);
        if rng.percent(4) {
            (flags, phase) = (rng.pick(&ODD), Phase::Reset);
        }
        flow.phase = phase;
        let payload = if flags.contains('P') { rng.between(1, 600) } else { 0 };
        flow.sent(flags, payload as usize)
    }
}

impl Flow {
    fn sent(&self, flags: &str, payload: usize) -> Sent {
        match self.protocol {
            Protocol::Tcp => Sent { payload, ..Sent::tcp(self.source, self.destination, flags) },
            Protocol::Udp => Sent::udp(self.source, self.destination),
            Protocol::Icmp => Sent { protocol: Protocol::Icmp, ..Sent::udp(self.source, self.destination) },
        }
    }
}

/// A packet for no service that anybody knows of.
fn stray(rng: &mut Rng) -> Sent {
    let ipv4 = rng.percent(70);
    let source = SocketAddr::new(world::client(ipv4, rng.below(6)), rng.pick(&[2000, 2001, 20]));
    let destination = SocketAddr::new(world::vip(ipv4, rng.below(2)), rng.pick(&[81, 7, 3000, 21]));
    let protocol = rng.weighted(&[(6, Protocol::Tcp), (3, Protocol::Udp), (1, Protocol::Icmp)]);
    let flags = rng.pick(&["S", "A", "R", "FA"]);
    Flow { protocol, source, destination, phase: Phase::Opening }.sent(flags, 0)
}
