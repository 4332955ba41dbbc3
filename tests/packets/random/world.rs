//! A director, what its servers must be, and what must hold.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use lb_common::flow::{FlowKey, Word, join_ports};
use lb_common::tcp;
use lb_user::health::Target;
use lb_user::model::{Protocol, ServiceId};
use lb_user::tables::maps::{FlowTable, Maps as _};
use lvx_tests::director::{TestDirector, mac_of};
use lvx_tests::fate::Fate;
use lvx_tests::frame::{self, DIRECTOR, Packet, ROUTER, Transport, flags};
use proptest::prelude::*;

use super::super::{VIP_DNS, VIP_WEB, with};
use super::event::Event;

/// A server as it must be.
#[derive(Clone, Copy, Debug)]
struct Member {
    weight: u32,
    healthy: bool,
}

/// The director, and its servers.
pub struct World {
    director: TestDirector,
    members: BTreeMap<(bool, u8), Member>,
    persistent: [bool; 2],
    /// Whether the scheduler may find nobody though a server could take the connection.
    refuses: [bool; 2],
}

fn service(tcp: bool) -> &'static str {
    if tcp { "-t 172.16.100.1:80" } else { "-u 172.16.100.1:53" }
}

fn address(server: u8) -> IpAddr {
    IpAddr::from([172, 16, 100, server])
}

impl World {
    /// Two services without servers.
    pub fn new() -> Self {
        let director = with("ipvsadm -A -t 172.16.100.1:80 -s rr\nipvsadm -A -u 172.16.100.1:53 -s rr");
        Self { director, members: BTreeMap::new(), persistent: [false; 2], refuses: [false; 2] }
    }

    /// Lets something happen, and looks at what comes of it.
    pub fn happen(&mut self, event: &Event) -> Result<(), TestCaseError> {
        match *event {
            Event::Add { tcp, server, weight } => {
                let done = self.command(&format!("ipvsadm -a {} -r {} -g -w {weight}", service(tcp), address(server)));
                prop_assert_eq!(done, !self.members.contains_key(&(tcp, server)));
                self.members.entry((tcp, server)).or_insert(Member { weight, healthy: true });
            }
            Event::Delete { tcp, server } => {
                let done = self.command(&format!("ipvsadm -d {} -r {}", service(tcp), address(server)));
                prop_assert_eq!(done, self.members.remove(&(tcp, server)).is_some());
            }
            Event::Edit { tcp, server, weight } => {
                let done = self.command(&format!("ipvsadm -e {} -r {} -g -w {weight}", service(tcp), address(server)));
                prop_assert_eq!(done, self.members.contains_key(&(tcp, server)));
                self.members.entry((tcp, server)).and_modify(|member| member.weight = weight);
            }
            Event::Health { tcp, server, healthy } => {
                let (protocol, port) = if tcp { (Protocol::Tcp, 80) } else { (Protocol::Udp, 53) };
                let id = ServiceId::Address { protocol, vip: address(1), port };
                let target = Target { id, address: address(server), port };
                self.director.director().set_health(&target, healthy, String::new());
                self.members.entry((tcp, server)).and_modify(|member| member.healthy = healthy);
            }
            Event::Service { tcp, scheduler, persistent } => {
                let option = if persistent { "-p 60" } else { "" };
                let done = self.command(&format!("ipvsadm -E {} -s {scheduler} {option}", service(tcp)));
                prop_assert!(done, "an edit is never refused");
                self.persistent[usize::from(tcp)] = persistent;
                // UDP connections are never active, so ovf takes them. Who hashes asks the server of the hash only.
                let hashes = ["sh", "dh", "mh"].iter().any(|name| scheduler.starts_with(name));
                self.refuses[usize::from(tcp)] = hashes || tcp && scheduler == "ovf";
            }
            Event::Sysctls(ref sysctls) => self.director.director().tables().set_sysctls(sysctls),
            Event::Wait(seconds) => self.director.advance(Duration::from_secs(seconds.into())),
            Event::Packet { tcp, client, port, flags } => return self.packet(tcp, client, port, flags),
        }
        Ok(())
    }

    fn command(&mut self, line: &str) -> bool {
        self.director.run(line).status == 0
    }

    fn packet(&mut self, tcp: bool, client: u8, port: u16, bits: u8) -> Result<(), TestCaseError> {
        let vip = if tcp { VIP_WEB } else { VIP_DNS };
        let mut packet = Packet::udp(&format!("10.0.0.{client}:{port}"), vip);
        if tcp {
            packet.transport = Transport::Tcp(bits);
        }
        let flow = self.flow(&packet);
        let frame = packet.frame();
        let out = match self.director.receive(&frame) {
            Fate::Passed(out) => {
                prop_assert_eq!(out, frame);
                prop_assert!(tcp, "UDP to a service is never passed");
                return Ok(());
            }
            Fate::Dropped => {
                let gone = flow.is_some_and(|server| !self.is_available(tcp, server));
                prop_assert!(gone, "only a connection whose server is gone is dropped");
                return Ok(());
            }
            Fate::Sent(out) if out[..6] == ROUTER => {
                prop_assert!(frame::icmp_error(&frame, &out).is_ok());
                let able =
                    self.members.iter().any(|((of, _), member)| *of == tcp && member.healthy && member.weight > 0);
                prop_assert!(flow.is_none_or(|server| !self.is_available(tcp, server)) || bits & flags("S") != 0);
                prop_assert!(!able || self.refuses[usize::from(tcp)], "a server could take the connection");
                return Ok(());
            }
            Fate::Sent(out) => out,
            Fate::Redirected(out) => return Err(TestCaseError::fail(format!("redirected: {out:02x?}"))),
        };
        let server = out[5];
        prop_assert_eq!(&out, &frame::forwarded(&frame, mac_of(address(server)), DIRECTOR));
        prop_assert_eq!(frame::verify(&out), Ok(()));
        prop_assert!(self.is_available(tcp, server), "server {} is not in the service", server);
        match flow {
            Some(before) if self.is_available(tcp, before) && bits & flags("S") == 0 => {
                prop_assert_eq!(server, before, "the connection moved");
            }
            Some(_) => {}
            None => {
                let weight = self.members[&(tcp, server)].weight;
                prop_assert!(weight > 0 || self.persistent[usize::from(tcp)], "a new connection to a quiesced server");
            }
        }
        Ok(())
    }

    fn is_available(&self, tcp: bool, server: u8) -> bool {
        self.members.get(&(tcp, server)).is_some_and(|member| member.healthy)
    }

    /// The server of the packet's connection.
    fn flow(&mut self, packet: &Packet) -> Option<u8> {
        let key = FlowKey {
            client: packet.source.ip().into(),
            virtual_address: packet.destination.ip().into(),
            ports: join_ports(packet.source.port().to_be(), packet.destination.port().to_be()),
            protocol: if packet.transport == Transport::Udp { 17 } else { 6 },
        };
        let tables = self.director.director().tables();
        let mut real = None;
        tables.maps().flows(FlowTable::Connections, &mut |_, flow| {
            if flow.key == key {
                real = Some(flow.real);
            }
        });
        let slots = tables.slots();
        let (_, (_, address, _)) = slots.iter().find(|(slot, _)| Some(*slot) == real)?;
        let IpAddr::V4(address) = address else { return None };
        Some(address.octets()[3])
    }

    /// Every server counts the connections and templates that there are.
    pub fn count(&mut self) -> Result<(), TestCaseError> {
        let tables = self.director.director().tables();
        let mut found: BTreeMap<u32, [u64; 3]> = BTreeMap::new();
        let maps = tables.maps();
        maps.flows(FlowTable::Connections, &mut |_, flow| {
            let active = flow.key.protocol == 6 && tcp::is_active(Word(flow.word).state());
            found.entry(flow.real).or_default()[usize::from(!active)] += 1;
        });
        maps.flows(FlowTable::Templates, &mut |_, flow| found.entry(flow.real).or_default()[2] += 1);
        for (slot, server) in tables.slots() {
            let counts = maps.counts(slot);
            let counted = [counts.active, counts.inactive, counts.persistent];
            prop_assert_eq!(counted, found.remove(&slot).unwrap_or_default(), "{:?}", server);
        }
        prop_assert!(found.is_empty(), "connections of nobody: {:?}", found);
        Ok(())
    }
}
