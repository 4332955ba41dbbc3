//! What `GET /v1/watch` tells.

use std::net::{IpAddr, SocketAddr};

use serde::{Deserialize, Serialize};
use tokio::sync::broadcast;
use utoipa::ToSchema;

use super::{Health, NeighbourState, Request};
use crate::model::{RealServer, Service, ServiceId, Which};

/// Events that a watcher may be behind before it misses some.
const BACKLOG: usize = 4096;

/// Something has changed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// The watch begins: whatever changes from now on is told.
    Watching,
    /// The watcher was too slow, and so many events are lost: what it knows is to be fetched anew.
    Missed {
        /// How many.
        events: u64,
    },
    /// A service is new; it has no real servers yet.
    ServiceAdded {
        /// The service.
        service: Service,
    },
    /// A service is another now, but for its real servers, which are not repeated.
    ServiceChanged {
        /// The service.
        service: Service,
    },
    /// A service is gone.
    ServiceRemoved {
        /// Which.
        id: ServiceId,
    },
    /// All services are gone.
    Flushed,
    /// A service has one more real server.
    ServerAdded {
        /// The service.
        id: ServiceId,
        /// The server.
        server: RealServer,
    },
    /// A real server is another now.
    ServerChanged {
        /// The service.
        id: ServiceId,
        /// The server.
        server: RealServer,
    },
    /// A service has one real server less.
    ServerRemoved {
        /// The service.
        id: ServiceId,
        /// The server's address.
        #[schema(value_type = String)]
        address: IpAddr,
        /// The server's port.
        port: u16,
    },
    /// The real servers of a service are in another order.
    ServersOrdered {
        /// The service.
        id: ServiceId,
        /// All of them, newest first.
        #[schema(value_type = Vec<String>)]
        servers: Vec<SocketAddr>,
    },
    /// Servers get no new clients from now on.
    Draining {
        /// Which.
        which: Which,
        /// Seconds until they are out of service.
        seconds: u64,
        /// Known clients go elsewhere too.
        now: bool,
    },
    /// Servers are drained no more.
    Undrained {
        /// Which.
        which: Which,
    },
    /// A config file was applied; what it changed of services and real servers was told before.
    Applied {
        /// Its generation.
        generation: u64,
    },
    /// `GET /v1/timeouts` has changed.
    TimeoutsChanged,
    /// `GET /v1/sysctls` has changed.
    SysctlsChanged,
    /// A health check changed its mind about a real server.
    Health {
        /// The service.
        id: ServiceId,
        /// The server's address.
        #[schema(value_type = String)]
        address: IpAddr,
        /// The server's port.
        port: u16,
        /// What the check says.
        health: Health,
    },
    /// A real server is reached in another way, or not any more.
    Neighbour {
        /// The server's address.
        #[schema(value_type = String)]
        address: IpAddr,
        /// How.
        neighbour: NeighbourState,
    },
}

impl Event {
    /// What a change that was made is to those who watch.
    fn of(request: &Request) -> Option<Self> {
        match request {
            Request::AddService { service } => {
                Some(Self::ServiceAdded { service: Service { servers: Vec::new(), ..service.clone() } })
            }
            Request::EditService { service } => {
                Some(Self::ServiceChanged { service: Service { servers: Vec::new(), ..service.clone() } })
            }
            Request::DeleteService { id } => Some(Self::ServiceRemoved { id: *id }),
            Request::Flush => Some(Self::Flushed),
            Request::AddServer { id, server } => Some(Self::ServerAdded { id: *id, server: server.clone() }),
            Request::EditServer { id, server } => Some(Self::ServerChanged { id: *id, server: server.clone() }),
            Request::DeleteServer { id, address, port } => {
                Some(Self::ServerRemoved { id: *id, address: *address, port: *port })
            }
            Request::OrderServers { id, servers } => {
                let servers = servers.iter().map(|(address, port)| SocketAddr::new(*address, *port)).collect();
                Some(Self::ServersOrdered { id: *id, servers })
            }
            Request::Drain { which, seconds, now } => {
                Some(Self::Draining { which: *which, seconds: *seconds, now: *now })
            }
            Request::Undrain { which } => Some(Self::Undrained { which: *which }),
            Request::SetTimeouts { .. } => Some(Self::TimeoutsChanged),
            Request::SetSysctls { .. } => Some(Self::SysctlsChanged),
            Request::Zero { .. }
            | Request::List { .. }
            | Request::Connections
            | Request::ConnectionPart { .. }
            | Request::Timeouts
            | Request::Sysctls
            | Request::Status
            | Request::Drains
            | Request::Export
            | Request::Generations
            // Their changes are told one by one, and then the generation.
            | Request::Plan { .. }
            | Request::Apply { .. }
            | Request::Reload
            | Request::Rollback { .. } => None,
        }
    }

    /// Its name: the tag of its JSON.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Watching => "watching",
            Self::Missed { .. } => "missed",
            Self::ServiceAdded { .. } => "service_added",
            Self::ServiceChanged { .. } => "service_changed",
            Self::ServiceRemoved { .. } => "service_removed",
            Self::Flushed => "flushed",
            Self::ServerAdded { .. } => "server_added",
            Self::ServerChanged { .. } => "server_changed",
            Self::ServerRemoved { .. } => "server_removed",
            Self::ServersOrdered { .. } => "servers_ordered",
            Self::Draining { .. } => "draining",
            Self::Undrained { .. } => "undrained",
            Self::Applied { .. } => "applied",
            Self::TimeoutsChanged => "timeouts_changed",
            Self::SysctlsChanged => "sysctls_changed",
            Self::Health { .. } => "health",
            Self::Neighbour { .. } => "neighbour",
        }
    }
}

/// Where the director tells of changes. It costs nothing while nobody watches.
#[derive(Clone, Debug)]
pub struct Events(broadcast::Sender<Event>);

impl Default for Events {
    fn default() -> Self {
        Self(broadcast::Sender::new(BACKLOG))
    }
}

impl Events {
    /// Tells of a change, if it is one, that was made.
    pub fn made(&self, request: &Request) {
        if self.0.receiver_count() > 0
            && let Some(event) = Event::of(request)
        {
            self.tell(|| event);
        }
    }

    /// Tells of something.
    pub fn tell(&self, event: impl FnOnce() -> Event) {
        if self.0.receiver_count() > 0 {
            // The last watcher may have gone meanwhile.
            drop(self.0.send(event()));
        }
    }

    /// From now on.
    pub fn watch(&self) -> broadcast::Receiver<Event> {
        self.0.subscribe()
    }
}
