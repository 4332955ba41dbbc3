//! A director without maps: LVX' own model decides what may be changed.

use super::super::{Backend, BackendError};
use crate::api::{
    ConnectionEntry, Counters, Health, NeighbourState, Rates, Refusal, Request, Response, Role, ServerEntry,
    ServiceEntry,
};
use crate::model::{Model, RealServer, Service, ServiceId, Timeouts};

/// The table.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Fake {
    /// Services as the director lists them, by their ids; their servers newest first.
    pub(super) services: Vec<ServiceEntry>,
    /// The connection table.
    pub(super) connections: Vec<ConnectionEntry>,
    /// The timeouts.
    pub(super) timeouts: Timeouts,
    /// Which services were zeroed.
    pub(super) zeroed: Vec<Option<ServiceId>>,
    /// Set if no daemon answers.
    pub(super) unreachable: Option<String>,
    /// How many requests came.
    pub(super) requests: usize,
}

impl Backend for Fake {
    fn request(&mut self, request: Request) -> Result<Response, BackendError> {
        self.requests += 1;
        if let Some(reason) = &self.unreachable {
            return Err(BackendError::Unreachable(reason.clone()));
        }
        Ok(match request {
            Request::List { id: None } => self.list(self.services.clone()),
            Request::List { id: Some(id) } => match self.find(id, Refusal::NoSuchService) {
                Ok(entry) => {
                    let entry = entry.clone();
                    self.list(vec![entry])
                }
                Err(refusal) => Response::Refused { refusal },
            },
            Request::Connections => Response::Connections { connections: self.connections.clone() },
            Request::ConnectionPart { .. } => {
                Response::ConnectionPart { connections: self.connections.clone(), next: None }
            }
            Request::Timeouts => Response::Timeouts { timeouts: self.timeouts },
            Request::Sysctls => Response::Sysctls { sysctls: Vec::new() },
            Request::Status => Response::Status { status: Box::default() },
            Request::Drain { .. } | Request::Undrain { .. } => Response::Done,
            Request::Drains => Response::Drains { drains: Vec::new() },
            Request::AddService { .. }
            | Request::EditService { .. }
            | Request::DeleteService { .. }
            | Request::Flush
            | Request::AddServer { .. }
            | Request::EditServer { .. }
            | Request::DeleteServer { .. }
            | Request::Zero { .. }
            | Request::SetSysctls { .. }
            | Request::OrderServers { .. }
            | Request::SetTimeouts { .. } => match self.change(&request) {
                Ok(()) => Response::Done,
                Err(refusal) => Response::Refused { refusal },
            },
            Request::Plan { .. }
            | Request::Apply { .. }
            | Request::Reload
            | Request::Export
            | Request::Generations
            | Request::Rollback { .. } => {
                Response::Refused { refusal: Refusal::Other("ipvsadm knows no files".to_owned()) }
            }
        })
    }
}

impl Fake {
    fn list(&self, services: Vec<ServiceEntry>) -> Response {
        Response::Services { services, connection_table_size: 4096 }
    }

    fn change(&mut self, request: &Request) -> Result<(), Refusal> {
        let mut model = self.model();
        model.check(request)?;
        model.commit(request);
        if let Request::Zero { id } = request {
            self.zeroed.push(*id);
        }
        self.timeouts = model.timeouts();
        self.services = model.services().map(|service| self.entry(service)).collect();
        Ok(())
    }

    /// What LVX' own model makes of the table.
    fn model(&self) -> Model {
        let service = |entry: &ServiceEntry| Service {
            servers: entry.servers.iter().map(|entry| entry.server.clone()).collect(),
            ..entry.service.clone()
        };
        Model::new(self.services.iter().map(service), self.timeouts)
    }

    /// The entry of a service, with what was counted of it.
    fn entry(&self, service: &Service) -> ServiceEntry {
        let old = self.services.iter().find(|entry| entry.service.id == service.id);
        let same = |server: &RealServer, entry: &&ServerEntry| {
            (entry.server.address, entry.server.port) == (server.address, server.port)
        };
        let servers = service.servers.iter().map(|server| {
            let old = old.and_then(|entry| entry.servers.iter().find(|entry| same(server, entry))).cloned();
            let effective_weight = Some(server.weight);
            ServerEntry { server: server.clone(), effective_weight, ..old.unwrap_or_else(|| uncounted(server)) }
        });
        ServiceEntry {
            service: Service { servers: Vec::new(), ..service.clone() },
            counters: old.map(|entry| entry.counters).unwrap_or_default(),
            rates: old.map(|entry| entry.rates).unwrap_or_default(),
            servers: servers.collect(),
            quorum: None,
        }
    }

    /// The service, or why there is none.
    pub(super) fn find(&mut self, id: ServiceId, missing: Refusal) -> Result<&mut ServiceEntry, Refusal> {
        self.services.iter_mut().find(|entry| entry.service.id == id).ok_or(missing)
    }
}

fn uncounted(server: &RealServer) -> ServerEntry {
    ServerEntry {
        server: server.clone(),
        active: 0,
        inactive: 0,
        persistent: 0,
        counters: Counters::default(),
        rates: Rates::default(),
        handshakes: crate::api::Handshakes::default(),
        health: Health::Unchecked,
        check: None,
        role: Role::Serves,
        effective_weight: Some(server.weight),
        asked: None,
        neighbour: NeighbourState::Local,
    }
}
