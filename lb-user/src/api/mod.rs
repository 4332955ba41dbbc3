//! What the command line asks of the daemon, and what it answers: one JSON object a line, over a unix socket.

pub mod client;
pub mod server;

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::model::{RealServer, Service, ServiceId, Timeouts};

/// Where the daemon's socket is: `LVX_SOCKET`, or `/run/lvx/lvx.sock`.
pub fn socket_path() -> PathBuf {
    std::env::var_os("LVX_SOCKET").map_or_else(|| PathBuf::from("/run/lvx/lvx.sock"), PathBuf::from)
}

/// A change or a question.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "snake_case")]
pub enum Request {
    /// `ipvsadm -A`: `servers` is empty.
    AddService {
        /// The service.
        service: Service,
    },
    /// `ipvsadm -E`: everything but the servers is replaced; `servers` is ignored.
    EditService {
        /// The service.
        service: Service,
    },
    /// `ipvsadm -D`
    DeleteService {
        /// Which.
        id: ServiceId,
    },
    /// `ipvsadm -C`
    Flush,
    /// `ipvsadm -a`
    AddServer {
        /// Of which service.
        id: ServiceId,
        /// The server.
        server: RealServer,
    },
    /// `ipvsadm -e`: everything but address and port is replaced.
    EditServer {
        /// Of which service.
        id: ServiceId,
        /// The server.
        server: RealServer,
    },
    /// `ipvsadm -d`
    DeleteServer {
        /// Of which service.
        id: ServiceId,
        /// The server's address.
        address: IpAddr,
        /// The server's port.
        port: u16,
    },
    /// `ipvsadm -Z`: one service, or all.
    Zero {
        /// Which service; none is all.
        id: Option<ServiceId>,
    },
    /// `ipvsadm --set`: 0 keeps a value.
    SetTimeouts {
        /// Seconds; 0 keeps a value.
        timeouts: Timeouts,
    },
    /// `lvx sysctl NAME=VALUE...`: all or none.
    SetSysctls {
        /// Values by name, as [`crate::model::sysctls::find`] takes it.
        values: BTreeMap<String, u32>,
    },
    /// All services, or one.
    List {
        /// Which service; none is all.
        id: Option<ServiceId>,
    },
    /// The connection table, templates included.
    Connections,
    /// The timeouts in force.
    Timeouts,
    /// `lvx sysctl`: all that LVX has.
    Sysctls,
    /// `lvx status`
    Status,
}

/// What the daemon answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "snake_case")]
pub enum Response {
    /// The change is made.
    Done,
    /// Nothing was changed, and why.
    Refused {
        /// Why.
        refusal: Refusal,
    },
    /// To [`Request::List`].
    Services {
        /// The services.
        services: Vec<ServiceEntry>,
        /// How many connections the table was made for.
        connection_table_size: u32,
    },
    /// To [`Request::Connections`].
    Connections {
        /// In no order.
        connections: Vec<ConnectionEntry>,
    },
    /// To [`Request::Timeouts`].
    Timeouts {
        /// In seconds.
        timeouts: Timeouts,
    },
    /// To [`Request::Sysctls`].
    Sysctls {
        /// In the order of [`crate::model::sysctls::ALL`].
        sysctls: Vec<SysctlEntry>,
    },
    /// To [`Request::Status`].
    Status {
        /// All of it.
        status: Box<Status>,
    },
}

/// Why a change was refused. The names are those of the errors that IPVS gives `ipvsadm`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    /// EEXIST on a service.
    #[error("Service already exists")]
    ServiceExists,
    /// ESRCH on a service that is to be changed.
    #[error("No such service")]
    NoSuchService,
    /// ESRCH on the service of a server that is to be changed.
    #[error("Service not defined")]
    ServiceNotDefined,
    /// EEXIST on a server.
    #[error("Destination already exists")]
    ServerExists,
    /// ENOENT on a server.
    #[error("No such destination")]
    NoSuchServer,
    /// ERANGE: the lower threshold is above the upper one.
    #[error("Numerical result out of range")]
    OutOfRange,
    /// What `ipvsadm` itself refuses: a weight above `weight_limit`.
    #[error("illegal weight specified")]
    Weight,
    /// EINVAL: an address that no server can have, and the like.
    #[error("Invalid operation.  Possibly wrong module version, address not unicast, ...")]
    Invalid,
    /// ENOMEM: a table is full; the text says which and how to enlarge it.
    #[error("Memory allocation problem: {0}")]
    Full(String),
    /// What LVX does not do, or could not do; nothing was changed.
    #[error("{0}")]
    Other(String),
}

/// Sums since the last `-Z`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counters {
    /// Connections scheduled.
    pub connections: u64,
    /// Packets from clients.
    pub packets: u64,
    /// Bytes from clients, IP total length.
    pub bytes: u64,
}

/// Rates as IPVS' estimator gives them (a moving average over 2 s steps), per second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rates {
    /// Connections per second.
    pub connections: u64,
    /// Packets per second.
    pub packets: u64,
    /// Bytes per second.
    pub bytes: u64,
}

/// A service as it runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ServiceEntry {
    /// The service; its `servers` list is in `servers` below.
    pub service: Service,
    /// Its counters.
    pub counters: Counters,
    /// Its rates.
    pub rates: Rates,
    /// Its real servers, newest first. Those that a health check took out are listed too, with `health`.
    pub servers: Vec<ServerEntry>,
}

/// A real server as it runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ServerEntry {
    /// The server.
    pub server: RealServer,
    /// Active connections.
    pub active: u32,
    /// Inactive connections.
    pub inactive: u32,
    /// Persistence templates.
    pub persistent: u32,
    /// Its counters.
    pub counters: Counters,
    /// Its rates.
    pub rates: Rates,
    /// How far its TCP connections got.
    #[serde(default)]
    pub handshakes: Handshakes,
    /// What the health check says.
    pub health: Health,
    /// How long its probes take; none without a check, or before its first answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub check: Option<CheckTimes>,
    /// How its packets leave, or why they cannot.
    pub neighbour: NeighbourState,
}

/// How far TCP connections got, since the last `-Z`: under direct routing the only sign of a server whose answers do not
/// reach its clients.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Handshakes {
    /// Connections that a SYN opened.
    pub begun: u64,
    /// Of them, those that got past the SYN: their client's ACK was seen.
    pub confirmed: u64,
    /// SYNs of connections whose SYN was seen before.
    pub retransmitted: u64,
}

/// How long the probes of a health check take, since the check began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CheckTimes {
    /// Probes that were answered, or whose time ran out.
    pub probes: u64,
    /// Of them, those that spoke against the server.
    pub failed: u64,
    /// What the last one took.
    pub last_seconds: f64,
    /// What all of them took together.
    pub total_seconds: f64,
}

impl CheckTimes {
    /// One probe more.
    pub fn add(&mut self, took: std::time::Duration, failed: bool) {
        self.probes += 1;
        self.failed += u64::from(failed);
        self.last_seconds = took.as_secs_f64();
        self.total_seconds += self.last_seconds;
    }
}

/// What a health check says of a real server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "state")]
pub enum Health {
    /// No check is configured.
    Unchecked,
    /// In service.
    Up {
        /// The last answer, in words.
        detail: String,
    },
    /// Taken out by its check.
    Down {
        /// Why.
        reason: String,
    },
}

/// How a real server is reached.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "state")]
pub enum NeighbourState {
    /// Through this interface, to this MAC address.
    Reachable {
        /// Name of the egress interface.
        interface: String,
        /// `aa:bb:cc:dd:ee:ff`
        mac: String,
    },
    /// The director itself.
    Local,
    /// Not (yet); packets to it are dropped and counted.
    Unresolved {
        /// Why.
        reason: String,
    },
}

/// A row of the connection table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConnectionEntry {
    /// Protocol number; 0 is a template of a firewall mark ("IP").
    pub protocol: u8,
    /// Seconds until it expires, truncated.
    pub expires: u64,
    /// State as `ipvsadm -Lc` prints it.
    pub state: String,
    /// Client, port 0 for templates.
    pub client: SocketAddr,
    /// Virtual address; for a template of a mark, the mark as an address.
    pub virtual_address: SocketAddr,
    /// Real server.
    pub destination: SocketAddr,
}

/// A sysctl.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SysctlEntry {
    /// Name with what stands before it: `net.ipv4.vs.drop_entry`.
    pub name: String,
    /// Its value; an automatic mode is 1 at rest and 2 in action, whichever was set.
    pub value: u32,
    /// What it is if nobody sets it.
    pub default: u32,
}

/// What `lvx status` shows.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// Version of the daemon.
    pub version: String,
    /// Seconds since it started.
    pub uptime: u64,
    /// Interfaces with the XDP program.
    pub interfaces: Vec<InterfaceStatus>,
    /// Services and their servers.
    pub services: Vec<ServiceEntry>,
    /// IPVS' sysctls, and LVX' own.
    pub sysctls: Vec<SysctlEntry>,
    /// Mark rules in force, in words, in the order of evaluation.
    pub mark_rules: Vec<String>,
    /// Why packets were not forwarded; reasons that never happened are listed with 0.
    pub reasons: Vec<ReasonCount>,
    /// How full the tables are.
    pub tables: Vec<TableFill>,
    /// What the operator should know, one sentence each.
    pub warnings: Vec<String>,
}

/// An interface with the XDP program.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InterfaceStatus {
    /// Name.
    pub name: String,
    /// Index.
    pub index: u32,
    /// `native` or `generic`.
    pub mode: String,
    /// Its MAC address.
    pub mac: String,
    /// Whether it is there and up.
    pub up: bool,
}

/// How often packets were not forwarded for a reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReasonCount {
    /// The reason's name.
    pub reason: String,
    /// What it means, in a sentence.
    pub meaning: String,
    /// Packets.
    pub packets: u64,
}

/// How full a table is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableFill {
    /// Its name.
    pub table: String,
    /// Entries in it.
    pub used: u64,
    /// Entries that it was made for.
    pub size: u64,
}
