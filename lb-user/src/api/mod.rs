//! What is asked of the director, and what it answers; and how that is said over HTTP.
//!
//! [`Request`] and [`Response`] are what the director knows. [`route`] is the table of the API's routes, [`call`] says which
//! request goes by which of them, and [`reply`] what comes back; [`server`] and [`client`] are the two ends. A new request
//! gets a line in [`route`], and does not compile before it has one arm each in [`call`], [`reply`] and [`event`].

pub mod call;
pub mod client;
pub mod event;
pub mod id;
pub mod openapi;
pub mod problem;
pub mod reply;
mod report;
pub mod route;
pub mod server;
pub mod settings;

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::config::{self, Problem};
pub use crate::generations::Generation;
use crate::health::Via;
pub use crate::model::Which;
pub use crate::model::{Change, Subject};
use crate::model::{RealServer, Service, ServiceId, Timeouts};
pub use report::{BucketShare, FlowShare, Report};

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
    /// The servers of a service in another order, which schedulers look at; nothing else changes, and no connection.
    OrderServers {
        /// Of which service.
        id: ServiceId,
        /// Address and port of every server that it has, newest first.
        servers: Vec<(IpAddr, u16)>,
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
    /// A part of it, so that nobody waits while a long table is read.
    ConnectionPart {
        /// Where it begins: 0, or `next` of the part before.
        from: u32,
    },
    /// The timeouts in force.
    Timeouts,
    /// `lvx sysctl`: all that LVX has.
    Sysctls,
    /// `lvx status`
    Status,
    /// `lvx plan FILE`: what applying a file would change.
    Plan {
        /// What problems call the file.
        name: String,
        /// Its text.
        text: String,
    },
    /// `lvx apply FILE`: the file is what holds from now on, in whole or not at all.
    Apply {
        /// What problems call the file.
        name: String,
        /// Its text.
        text: String,
    },
    /// `lvx reload`: the file of `lvx run --config` is read again and applied.
    Reload,
    /// `lvx export`: the running state as a file.
    Export,
    /// `lvx generations`: the files that were applied last.
    Generations,
    /// `lvx rollback`: an earlier file is applied again.
    Rollback {
        /// Its generation; none is the one before.
        to: Option<u64>,
    },
    /// `lvx drain`: servers get no new clients from now on, and are out of service after a while.
    Drain {
        /// Which servers.
        #[serde(flatten)]
        which: Which,
        /// How long they stay for what they have.
        seconds: u64,
        /// Known clients go elsewhere too.
        now: bool,
    },
    /// `lvx undrain`
    Undrain {
        /// Which servers.
        #[serde(flatten)]
        which: Which,
    },
    /// `lvx drains`
    Drains,
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
        /// How many connections the table was made for; the API does not say it with one service.
        connection_table_size: u32,
    },
    /// To [`Request::Connections`].
    Connections {
        /// In no order.
        connections: Vec<ConnectionEntry>,
    },
    /// To [`Request::ConnectionPart`].
    ConnectionPart {
        /// In no order.
        connections: Vec<ConnectionEntry>,
        /// Where the next part begins; none is the end.
        next: Option<u32>,
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
    /// To [`Request::Plan`].
    Planned {
        /// What would change.
        report: Box<Report>,
    },
    /// To [`Request::Apply`], [`Request::Reload`] and [`Request::Rollback`].
    Applied {
        /// What has changed.
        report: Box<Report>,
        /// The number of the generation that runs now.
        generation: u64,
    },
    /// To [`Request::Export`].
    Exported {
        /// TOML.
        text: String,
    },
    /// To [`Request::Generations`].
    Generations {
        /// The oldest first; the last one runs.
        generations: Vec<Generation>,
    },
    /// To [`Request::Drains`].
    Drains {
        /// The oldest first.
        drains: Vec<DrainEntry>,
    },
}

/// Why a change was refused. The names are those of the errors that IPVS gives `ipvsadm`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error, ToSchema)]
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
    /// The configuration file is not valid.
    #[error("{}", config::list(.0))]
    Config(Vec<Problem>),
    /// What LVX does not do, or could not do; nothing was changed.
    #[error("{0}")]
    Other(String),
}

/// Sums since the last `-Z`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Counters {
    /// Connections scheduled.
    pub connections: u64,
    /// Packets from clients.
    pub packets: u64,
    /// Bytes from clients, IP total length.
    pub bytes: u64,
}

/// Rates as IPVS' estimator gives them (a moving average over 2 s steps), per second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Rates {
    /// Connections per second.
    pub connections: u64,
    /// Packets per second.
    pub packets: u64,
    /// Bytes per second.
    pub bytes: u64,
}

/// A service as it runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ServiceEntry {
    /// The service; its `servers` list is in `servers` below.
    pub service: Service,
    /// Its counters.
    pub counters: Counters,
    /// Its rates.
    pub rates: Rates,
    /// Its real servers, newest first. Those that a health check took out are listed too, with `health`.
    pub servers: Vec<ServerEntry>,
    /// Whether enough of them are healthy; none where there is none.
    pub quorum: Option<Quorum>,
}

/// Whether enough servers are healthy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Quorum {
    /// Whether there is a quorum.
    pub up: bool,
    /// Sum of the weights of healthy servers.
    pub weight: u64,
    /// What it is to be.
    pub quorum: u32,
    /// How far it must be above that to gain the quorum, and below to lose it.
    pub hysteresis: u32,
}

/// A real server as it runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
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
    /// What it does for its service.
    pub role: Role,
    /// Its weight in the packet path's tables; none where it is not in them.
    pub effective_weight: Option<u32>,
    /// Whose address the check asks for; none without a check.
    #[serde(default)]
    pub asked: Option<Via>,
    /// How its packets leave, or why they cannot.
    pub neighbour: NeighbourState,
}

/// What a real server does for its service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case", tag = "state")]
pub enum Role {
    /// Takes connections as its weight says.
    Serves,
    /// Came back a while ago and takes a part of what it will.
    SlowStart {
        /// How far it is.
        percent: u32,
    },
    /// Failed as all others did, and serves all the same (`all_down = "all"`).
    ServesThoughFailed,
    /// Failed and keeps its connections (`on_failure = "inhibit"`).
    Inhibited,
    /// Failed and is out.
    Removed,
    /// Healthy, and out while the sorry server serves.
    Suspended,
    /// Takes no new clients, and is out of service at a deadline.
    Draining {
        /// Seconds until then.
        left: u64,
    },
    /// Its deadline has passed.
    Drained,
    /// The sorry server, which serves while the quorum is lost. It is not among the configured servers.
    Sorry,
}

/// How far TCP connections got, since the last `-Z`: under direct routing the only sign of a server whose answers do not
/// reach its clients.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Handshakes {
    /// Connections that a SYN opened.
    pub begun: u64,
    /// Of them, those that got past the SYN: their client's ACK was seen.
    pub confirmed: u64,
    /// SYNs of connections whose SYN was seen before.
    pub retransmitted: u64,
}

/// How long the probes of a health check take, since the check began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ConnectionEntry {
    /// Protocol number; 0 is a template of a firewall mark ("IP").
    pub protocol: u8,
    /// Seconds until it expires, truncated.
    pub expires: u64,
    /// State as `ipvsadm -Lc` prints it.
    pub state: String,
    /// Client, port 0 for templates.
    #[schema(value_type = String)]
    pub client: SocketAddr,
    /// Virtual address; for a template of a mark, the mark as an address.
    #[schema(value_type = String)]
    pub virtual_address: SocketAddr,
    /// Real server.
    #[schema(value_type = String)]
    pub destination: SocketAddr,
}

/// A sysctl.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SysctlEntry {
    /// Name with what stands before it: `net.ipv4.vs.drop_entry`.
    pub name: String,
    /// Its value; an automatic mode is 1 at rest and 2 in action, whichever was set.
    pub value: u32,
    /// What it is if nobody sets it.
    pub default: u32,
}

/// What `lvx status` shows.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Status {
    /// Version of the daemon.
    pub version: String,
    /// Seconds since it started.
    pub uptime: u64,
    /// Interfaces with the XDP program.
    pub interfaces: Vec<InterfaceStatus>,
    /// Virtual addresses of the config file.
    pub vips: Vec<VipStatus>,
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
    /// What differs from the file that was applied last: `before` is the file's, `after` what was set by hand.
    #[serde(default)]
    pub by_hand: Vec<Change>,
    /// The file that holds; none without a state directory.
    #[serde(default)]
    pub generation: Option<Generation>,
    /// How often the daemon has written to the packet path's tables since it started.
    #[serde(default)]
    pub table_writes: u64,
    /// What became of notifications.
    pub notices: NoticeCounts,
}

/// What became of notifications.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NoticeCounts {
    /// Commands that ended well, and answers 2xx of web services.
    pub delivered: u64,
    /// Others.
    pub failed: u64,
    /// Found no room in the queue.
    pub dropped: u64,
    /// Are in the queue.
    pub waiting: u64,
}

/// Servers that are taken out of service in good order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DrainEntry {
    /// Their address.
    #[schema(value_type = String)]
    pub address: IpAddr,
    /// Their port; none is any.
    pub port: Option<u16>,
    /// Their service; none is all.
    pub service: Option<ServiceId>,
    /// The deadline, in seconds since 1970.
    pub until: u64,
    /// Seconds until then.
    pub left: u64,
    /// Known clients go elsewhere too.
    pub now: bool,
    /// The deadline has passed, and they are out of service.
    pub over: bool,
    /// The servers.
    pub servers: Vec<DrainedServer>,
}

/// A server that is taken out of service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DrainedServer {
    /// Its service.
    pub service: ServiceId,
    /// Its address.
    #[schema(value_type = String)]
    pub address: IpAddr,
    /// Its port.
    pub port: u16,
    /// Connections that it has left.
    pub connections: u64,
    /// Persistence templates that it has left.
    pub templates: u64,
}

/// An interface with the XDP program.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
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

/// A virtual address of the config file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct VipStatus {
    /// The address.
    #[schema(value_type = String)]
    pub address: IpAddr,
    /// Length of its prefix.
    pub prefix: u8,
    /// Name of the interface.
    pub interface: String,
    /// Whether it is there.
    pub state: VipState,
    /// Announcements sent since LVX runs.
    pub announced: u64,
}

/// Whether a virtual address is on its interface.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case", tag = "is")]
pub enum VipState {
    /// LVX put it there.
    Put,
    /// It was there before, and stays.
    Found,
    /// It is not there.
    Missing {
        /// Why.
        reason: String,
    },
}

/// How often packets were not forwarded for a reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReasonCount {
    /// The reason's name.
    pub reason: String,
    /// What it means, in a sentence.
    pub meaning: String,
    /// Packets.
    pub packets: u64,
}

/// How full a table is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TableFill {
    /// Its name.
    pub table: String,
    /// Entries in it.
    pub used: u64,
    /// Entries that it was made for.
    pub size: u64,
}
