//! A table in memory that answers as the kernel's IPVS does (`ip_vs_ctl.c`).

use std::net::IpAddr;

use super::super::{Backend, BackendError};
use crate::api::{
    ConnectionEntry, Counters, Health, NeighbourState, Rates, Refusal, Request, Response, ServerEntry, ServiceEntry,
};
use crate::model::{RealServer, Service, ServiceId, Timeouts};

/// The table.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Fake {
    /// Services, oldest first; their servers newest first.
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
            Request::Timeouts => Response::Timeouts { timeouts: self.timeouts },
            Request::Sysctls => Response::Sysctls { sysctls: Vec::new() },
            Request::Status => Response::Status { status: Box::default() },
            Request::AddService { .. }
            | Request::EditService { .. }
            | Request::DeleteService { .. }
            | Request::Flush
            | Request::AddServer { .. }
            | Request::EditServer { .. }
            | Request::DeleteServer { .. }
            | Request::Zero { .. }
            | Request::SetSysctls { .. }
            | Request::SetTimeouts { .. } => match self.change(request) {
                Ok(()) => Response::Done,
                Err(refusal) => Response::Refused { refusal },
            },
        })
    }
}

impl Fake {
    fn list(&self, services: Vec<ServiceEntry>) -> Response {
        Response::Services { services, connection_table_size: 4096 }
    }

    fn change(&mut self, request: Request) -> Result<(), Refusal> {
        match request {
            Request::AddService { service } => self.add_service(service)?,
            Request::EditService { service } => {
                let entry = self.find(service.id, Refusal::NoSuchService)?;
                entry.service = service;
            }
            Request::DeleteService { id } => {
                self.find(id, Refusal::NoSuchService)?;
                self.services.retain(|entry| entry.service.id != id);
            }
            Request::Flush => self.services.clear(),
            Request::AddServer { id, server } => add_server(self.find(id, Refusal::ServiceNotDefined)?, server)?,
            Request::EditServer { id, server } => {
                let service = self.find(id, Refusal::ServiceNotDefined)?;
                check_thresholds(&server)?;
                let entry = find_server(service, server.address, server.port)?;
                entry.server = server;
            }
            Request::DeleteServer { id, address, port } => {
                let service = self.find(id, Refusal::ServiceNotDefined)?;
                find_server(service, address, port)?;
                service.servers.retain(|entry| (entry.server.address, entry.server.port) != (address, port));
            }
            Request::Zero { id } => {
                if let Some(id) = id {
                    self.find(id, Refusal::NoSuchService)?;
                }
                self.zeroed.push(id);
            }
            Request::SetTimeouts { timeouts } => {
                let kept = self.timeouts;
                let unless_zero = |new: u32, old: u32| if new == 0 { old } else { new };
                self.timeouts = Timeouts {
                    tcp: unless_zero(timeouts.tcp, kept.tcp),
                    tcpfin: unless_zero(timeouts.tcpfin, kept.tcpfin),
                    udp: unless_zero(timeouts.udp, kept.udp),
                };
            }
            Request::List { .. }
            | Request::Connections
            | Request::Timeouts
            | Request::SetSysctls { .. }
            | Request::Sysctls
            | Request::Status => {}
        }
        Ok(())
    }

    /// The service, or why there is none.
    pub(super) fn find(&mut self, id: ServiceId, missing: Refusal) -> Result<&mut ServiceEntry, Refusal> {
        self.services.iter_mut().find(|entry| entry.service.id == id).ok_or(missing)
    }

    fn add_service(&mut self, service: Service) -> Result<(), Refusal> {
        if self.find(service.id, Refusal::NoSuchService).is_ok() {
            return Err(Refusal::ServiceExists);
        }
        self.services.push(ServiceEntry {
            service,
            counters: Counters::default(),
            rates: Rates::default(),
            servers: Vec::new(),
        });
        Ok(())
    }
}

fn add_server(service: &mut ServiceEntry, server: RealServer) -> Result<(), Refusal> {
    check_thresholds(&server)?;
    let is_multicast = server.address.is_multicast();
    if is_multicast || server.address == IpAddr::from([255; 4]) {
        return Err(Refusal::Invalid);
    }
    if find_server(service, server.address, server.port).is_ok() {
        return Err(Refusal::ServerExists);
    }
    let entry = ServerEntry {
        server,
        active: 0,
        inactive: 0,
        persistent: 0,
        counters: Counters::default(),
        rates: Rates::default(),
        health: Health::Unchecked,
        neighbour: NeighbourState::Local,
    };
    service.servers.insert(0, entry);
    Ok(())
}

fn check_thresholds(server: &RealServer) -> Result<(), Refusal> {
    if server.lower_threshold > server.upper_threshold { Err(Refusal::OutOfRange) } else { Ok(()) }
}

fn find_server(service: &mut ServiceEntry, address: IpAddr, port: u16) -> Result<&mut ServerEntry, Refusal> {
    let is_it = |entry: &&mut ServerEntry| (entry.server.address, entry.server.port) == (address, port);
    service.servers.iter_mut().find(is_it).ok_or(Refusal::NoSuchServer)
}
