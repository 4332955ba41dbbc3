//! What becomes of servers that fail, and of their service: the rules beside the service itself.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use super::RealServer;

/// What a failed check does to its server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnFailure {
    /// As `ipvsadm -d`.
    #[default]
    Remove,
    /// Weight 0 (keepalived's `inhibit_on_failure`): connections and known clients stay.
    Inhibit,
}

/// What happens when no server is left that may take a new connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AllDown {
    /// Clients get port unreachable, as from IPVS.
    #[default]
    Refuse,
    /// All that failed are treated as healthy: more likely the checks are wrong than every server.
    All,
}

/// The rules of a service. The default is what a service without any has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Sum of the weights of healthy servers that the service needs (`quorum`).
    pub quorum: u32,
    /// How far the sum must be above `quorum` to gain it, and below to lose it (`hysteresis`).
    pub hysteresis: u32,
    /// What a failed check does.
    pub on_failure: OnFailure,
    /// Checked servers are out until they answered (`alpha`).
    pub alpha: bool,
    /// What happens when all failed.
    pub all_down: AllDown,
    /// How long a server that comes back takes to its full weight; zero is at once.
    pub slow_start: Duration,
    /// Serves while the quorum is lost.
    pub sorry_server: Option<RealServer>,
    /// What single servers have instead, by address and port.
    pub servers: BTreeMap<(IpAddr, u16), ServerPolicy>,
    /// Who is told; none is as for all services.
    pub notify: Option<Notify>,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            quorum: 1,
            hysteresis: 0,
            on_failure: OnFailure::default(),
            alpha: false,
            all_down: AllDown::default(),
            slow_start: Duration::ZERO,
            sorry_server: None,
            servers: BTreeMap::new(),
            notify: None,
        }
    }
}

/// What a server has instead of its service's rules.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ServerPolicy {
    /// What its failed check does.
    pub on_failure: Option<OnFailure>,
    /// Its slow start.
    pub slow_start: Option<Duration>,
}

impl Policy {
    /// What a server's failed check does.
    pub fn on_failure(&self, server: &RealServer) -> OnFailure {
        self.server(server).on_failure.unwrap_or(self.on_failure)
    }

    /// A server's slow start.
    pub fn slow_start(&self, server: &RealServer) -> Duration {
        self.server(server).slow_start.unwrap_or(self.slow_start)
    }

    fn server(&self, server: &RealServer) -> ServerPolicy {
        self.servers.get(&(server.address, server.port)).copied().unwrap_or_default()
    }
}

/// What is told of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Subject {
    /// A server's health.
    Server,
    /// Whether a service has any server that takes new connections.
    Service,
    /// Whether a service has its quorum.
    Quorum,
}

impl Subject {
    /// All of them, in the order of the documentation.
    pub const ALL: [Self; 3] = [Self::Server, Self::Service, Self::Quorum];

    /// Its name in the configuration.
    pub fn name(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::Service => "service",
            Self::Quorum => "quorum",
        }
    }
}

/// Who is told of transitions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notify {
    /// A program and its arguments; empty is none.
    pub command: Vec<String>,
    /// A URL that gets a POST.
    pub webhook: Option<String>,
    /// Of what.
    pub on: Vec<Subject>,
}

impl Default for Notify {
    fn default() -> Self {
        Self { command: Vec::new(), webhook: None, on: Subject::ALL.to_vec() }
    }
}

impl Notify {
    /// Whether anybody is told of such a thing.
    pub fn wants(&self, subject: Subject) -> bool {
        self.on.contains(&subject) && !(self.command.is_empty() && self.webhook.is_none())
    }
}
