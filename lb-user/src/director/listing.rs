//! What the director says of itself.

use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, SocketAddr};
use std::ops::Range;
use std::time::Instant;

use lb_common::flow::{Flow, TEMPLATE_ASSURED, Word};
use lb_common::real_server::Counts;
use lb_common::service::Traffic;
use lb_common::tcp::State;

use crate::api::{
    ConnectionEntry, Counters, Handshakes, NeighbourState, Quorum, ReasonCount, Refusal, Response, Role, ServerEntry,
    ServiceEntry, Status, SysctlEntry, TableFill,
};
use crate::dataplane::Early;
use crate::director::drain::unix_time;
use crate::director::policies::real_id;
use crate::director::{Director, effective};
use crate::health::Target;
use crate::model::sysctls::{self, Sysctl};
use crate::model::{RealServer, Service, ServiceId, Sysctls};
use crate::tables::RealId;
use crate::tables::maps::{FlowTable, Maps as _};

/// Buckets that are looked at in one go: at most 8,192 flows, a few milliseconds.
const PART: u32 = 512;

/// The port of a template that may not be used any more (`ip_vs_check_template`).
const INVALID_PORT: u16 = u16::MAX;

impl Director {
    /// Services, all or one.
    pub(super) fn list(&self, id: Option<&ServiceId>) -> Response {
        let services = self.model.services().filter(|service| id.is_none_or(|id| *id == service.id));
        Response::Services {
            services: services.map(|service| self.service_entry(service)).collect(),
            connection_table_size: u32::try_from(self.sizes[0]).unwrap_or(u32::MAX),
        }
    }

    fn service_entry(&self, service: &Service) -> ServiceEntry {
        let effective = self.policies.judge(service, Instant::now());
        let sorry = effective.sorry().map(|server| self.server_entry(&service.id, server, Role::Sorry));
        let servers = service.servers.iter().zip(&effective.roles).map(|(server, role)| {
            self.server_entry(&service.id, server, self.role(&real_id(&service.id, server), *role))
        });
        let servers: Vec<_> = sorry.into_iter().chain(servers).collect();
        let policy = self.policies.of(&service.id);
        ServiceEntry {
            service: Service { servers: Vec::new(), ..service.clone() },
            counters: self.tables.service(&service.id).map(|(_, traffic)| counters(traffic)).unwrap_or_default(),
            rates: self.estimators.service(&service.id),
            servers,
            quorum: effective.quorum.map(|up| Quorum {
                up,
                weight: effective.weight,
                quorum: policy.quorum,
                hysteresis: policy.hysteresis,
            }),
        }
    }

    fn role(&self, id: &RealId, role: effective::Role) -> Role {
        match role {
            effective::Role::Serves => Role::Serves,
            effective::Role::Ramps => Role::SlowStart { percent: self.policies.ramp(id, Instant::now()) / 10 },
            effective::Role::ServesThoughFailed => Role::ServesThoughFailed,
            effective::Role::Inhibited => Role::Inhibited,
            effective::Role::Removed => Role::Removed,
            effective::Role::Suspended => Role::Suspended,
            effective::Role::Draining => {
                let until = self.policies.drains.until(id).unwrap_or_default();
                Role::Draining { left: until.saturating_sub(unix_time()) }
            }
            effective::Role::Drained => Role::Drained,
        }
    }

    fn server_entry(&self, id: &ServiceId, server: &RealServer, role: Role) -> ServerEntry {
        let real_id = (*id, server.address, server.port);
        let (counts, traffic) = match self.tables.server(id, &(server.address, server.port)) {
            Some((_, counts, traffic)) => (counts, traffic),
            None => (Counts::default(), Traffic::default()),
        };
        let number = |count: u64| u32::try_from(count).unwrap_or(u32::MAX);
        ServerEntry {
            server: server.clone(),
            active: number(counts.active),
            inactive: number(counts.inactive),
            persistent: number(counts.persistent),
            counters: counters(traffic),
            rates: self.estimators.server(&real_id),
            handshakes: self.tables.handshakes(id, &(server.address, server.port)).map(handshakes).unwrap_or_default(),
            health: self.health(&real_id),
            check: None,
            role,
            effective_weight: self.tables.weight(id, &(server.address, server.port)),
            asked: self.asked(&real_id),
            neighbour: self.paths.get(&server.address).map_or_else(unknown, NeighbourState::from),
        }
    }

    /// How far TCP connections with a server got; `None` if there is no such server.
    pub fn handshakes(&self, target: &Target) -> Option<lb_common::handshake::Handshakes> {
        self.tables.handshakes(&target.id, &(target.address, target.port))
    }

    /// The connection table and the templates.
    pub(super) fn connections(&mut self) -> Result<Response, Refusal> {
        let (mut all, mut from) = (Vec::new(), Some(0));
        while let Some(first) = from {
            let (connections, next) = self.part(first)?;
            all.extend(connections);
            from = next;
        }
        Ok(Response::Connections { connections: all })
    }

    /// A part of them.
    pub(super) fn connection_part(&mut self, from: u32) -> Result<Response, Refusal> {
        let (connections, next) = self.part(from)?;
        Ok(Response::ConnectionPart { connections, next })
    }

    /// The flows of the [`PART`] buckets from this one on, those of connections first, and where the next part begins.
    fn part(&mut self, from: u32) -> Result<(Vec<ConnectionEntry>, Option<u32>), Refusal> {
        let count = |table| self.tables.maps().buckets(table);
        let (connections, templates) = (count(FlowTable::Connections), count(FlowTable::Templates));
        let (table, first, last) = match from.checked_sub(connections) {
            None => (FlowTable::Connections, from, connections.min(from.saturating_add(PART))),
            Some(first) => (FlowTable::Templates, first.min(templates), templates.min(first.saturating_add(PART))),
        };
        let buckets = first..last;
        // What expired is not shown.
        let early = Early { homeless: self.tables.flush_is_due(), lot: 0 };
        let now = self.plane.sweep_buckets(table, buckets.clone(), early);
        let now = now.map_err(|error| Refusal::Other(format!("{error:#}")))?;
        let next = match table {
            FlowTable::Connections => Some(last),
            FlowTable::Templates => Some(connections + last).filter(|_| last < templates),
        };
        Ok((self.rows(table, buckets, now), next))
    }

    fn rows(&self, table: FlowTable, buckets: Range<u32>, now: u64) -> Vec<ConnectionEntry> {
        let maps = self.tables.maps();
        let hz = u64::from(maps.hz());
        let mut flows = Vec::new();
        maps.flows_in(table, buckets, &mut |_, flow| flows.push(*flow));
        if flows.is_empty() {
            return Vec::new();
        }
        let wanted: HashSet<u32> = flows.iter().map(|flow| flow.real).collect();
        let slots = self.tables.slots().into_iter();
        let servers: HashMap<u32, RealId> = slots.filter(|(slot, _)| wanted.contains(slot)).collect();
        let row = |flow: &Flow| Some(row(table, flow, servers.get(&flow.real)?, now, hz));
        flows.iter().filter_map(row).collect()
    }

    /// The sysctls, automatic modes as they are now.
    pub(super) fn sysctls(&self) -> Vec<SysctlEntry> {
        let (now, default) = (self.tables.sysctls(), Sysctls::default());
        let entry = |sysctl: &Sysctl| SysctlEntry {
            name: sysctl.to_string(),
            value: sysctl.get(&now),
            default: sysctl.get(&default),
        };
        sysctls::ALL.iter().map(entry).collect()
    }

    /// What `lvx status` shows.
    pub(super) fn status(&self) -> Result<Status, Refusal> {
        let reasons = self.plane.reasons().map_err(|error| Refusal::Other(format!("{error:#}")))?;
        let mut warnings: Vec<String> = self.interfaces.warnings().collect();
        warnings.extend(self.marks.warnings().cloned());
        warnings.extend(self.policies.warnings());
        warnings.extend(self.warnings.iter().cloned());
        warnings.extend(self.base.warnings().cloned());
        let fill = |table: &str, used: u64, size: u64| TableFill { table: table.to_owned(), used, size };
        Ok(Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            uptime: self.started.elapsed().as_secs(),
            interfaces: self.interfaces.status(),
            vips: Vec::new(),
            services: self.model.services().map(|service| self.service_entry(service)).collect(),
            sysctls: self.sysctls(),
            mark_rules: self.marks.lines(),
            reasons: reasons
                .into_iter()
                .map(|(reason, packets)| ReasonCount {
                    reason: reason.name().to_owned(),
                    meaning: reason.meaning().to_owned(),
                    packets,
                })
                .collect(),
            tables: vec![
                fill("connections", self.live[0], self.sizes[0]),
                fill("templates", self.live[1], self.sizes[1]),
            ],
            warnings,
            by_hand: self.by_hand(),
            generation: self.base.generation().cloned(),
            table_writes: self.tables.maps().writes(),
            notices: self.policies.notifier.counts(),
        })
    }
}

fn unknown() -> NeighbourState {
    NeighbourState::Unresolved { reason: "resolving".to_owned() }
}

fn counters(traffic: Traffic) -> Counters {
    Counters { connections: traffic.connections, packets: traffic.packets, bytes: traffic.bytes }
}

fn handshakes(counted: lb_common::handshake::Handshakes) -> Handshakes {
    let lb_common::handshake::Handshakes { begun, confirmed, retransmitted, reserved: _ } = counted;
    Handshakes { begun, confirmed, retransmitted }
}

/// A row of `ipvsadm -Lc` (`ip_vs_conn_seq_show`).
fn row(table: FlowTable, flow: &Flow, server: &RealId, now: u64, hz: u64) -> ConnectionEntry {
    let word = Word(flow.word);
    let client_port = u16::from_be(flow.key.source_port());
    let mut virtual_port = u16::from_be(flow.key.destination_port());
    let (id, address, port) = *server;
    let mut destination_port = destination_port(table, flow, &id, port, virtual_port);
    if word.is_invalidated() {
        (virtual_port, destination_port) = (INVALID_PORT, INVALID_PORT);
    }
    let state = match (table, flow.key.protocol) {
        (FlowTable::Templates, _) if word.state() == TEMPLATE_ASSURED => "ASSURED",
        (FlowTable::Templates, _) => "NONE",
        (FlowTable::Connections, 6) => State::ALL.get(usize::from(word.state())).map_or("?", |state| state.name()),
        (FlowTable::Connections, _) => "UDP",
    };
    ConnectionEntry {
        protocol: u8::try_from(flow.key.protocol).unwrap_or(u8::MAX),
        expires: word.expires().saturating_sub(now) / hz,
        state: state.to_owned(),
        client: SocketAddr::new(IpAddr::from(flow.key.client), client_port),
        virtual_address: SocketAddr::new(IpAddr::from(flow.key.virtual_address), virtual_port),
        destination: SocketAddr::new(address, destination_port),
    }
}

/// The port that IPVS would send to (`ip_vs_schedule`, `ip_vs_sched_persist`).
fn destination_port(table: FlowTable, flow: &Flow, id: &ServiceId, port: u16, virtual_port: u16) -> u16 {
    match table {
        FlowTable::Templates if virtual_port == 0 => 0,
        FlowTable::Templates => port,
        FlowTable::Connections => {
            let keeps = port == 0 || flow.link != 0 && virtual_port != id.port();
            if keeps { virtual_port } else { port }
        }
    }
}
