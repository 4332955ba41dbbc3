//! What the director says of itself.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};

use lb_common::flow::{Flow, TEMPLATE_ASSURED, Word};
use lb_common::real_server::Counts;
use lb_common::service::Traffic;
use lb_common::tcp::State;

use crate::api::{
    ConnectionEntry, Counters, Handshakes, NeighbourState, ReasonCount, Refusal, Response, ServerEntry, ServiceEntry,
    Status, SysctlEntry, TableFill,
};
use crate::director::Director;
use crate::health::Target;
use crate::model::sysctls::{self, Sysctl};
use crate::model::{RealServer, Service, ServiceId, Sysctls};
use crate::tables::RealId;
use crate::tables::maps::{FlowTable, Maps as _};

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
        ServiceEntry {
            service: Service { servers: Vec::new(), ..service.clone() },
            counters: self.tables.service(&service.id).map(|(_, traffic)| counters(traffic)).unwrap_or_default(),
            rates: self.estimators.service(&service.id),
            servers: service.servers.iter().map(|server| self.server_entry(&service.id, server)).collect(),
        }
    }

    fn server_entry(&self, id: &ServiceId, server: &RealServer) -> ServerEntry {
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
            neighbour: self.paths.get(&server.address).map_or_else(unknown, NeighbourState::from),
        }
    }

    /// How far TCP connections with a server got; `None` if there is no such server.
    pub fn handshakes(&self, target: &Target) -> Option<lb_common::handshake::Handshakes> {
        self.tables.handshakes(&target.id, &(target.address, target.port))
    }

    /// The connection table and the templates.
    pub(super) fn connections(&mut self) -> Result<Response, Refusal> {
        let now = self.sweep().map_err(|error| Refusal::Other(format!("{error:#}")))?;
        let servers: HashMap<u32, RealId> = self.tables.slots().into_iter().collect();
        let maps = self.tables.maps();
        let hz = u64::from(maps.hz());
        let mut connections = Vec::new();
        for table in [FlowTable::Connections, FlowTable::Templates] {
            maps.flows(table, &mut |_, flow| {
                let Some(server) = servers.get(&flow.real) else { return };
                connections.push(row(table, flow, server, now, hz));
            });
        }
        Ok(Response::Connections { connections })
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
        warnings.extend(self.warnings.iter().cloned());
        let fill = |table: &str, used: u64, size: u64| TableFill { table: table.to_owned(), used, size };
        Ok(Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            uptime: self.started.elapsed().as_secs(),
            interfaces: self.interfaces.status(),
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
