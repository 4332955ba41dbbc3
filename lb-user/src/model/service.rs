//! Virtual services and their real servers.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Transport protocol of a virtual service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// TCP (protocol number 6).
    Tcp,
    /// UDP (protocol number 17).
    Udp,
}

impl Protocol {
    /// The IANA protocol number.
    pub fn number(self) -> u8 {
        match self {
            Self::Tcp => 6,
            Self::Udp => 17,
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Tcp => "TCP",
            Self::Udp => "UDP",
        })
    }
}

/// Address family of a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Family {
    /// IPv4.
    Inet,
    /// IPv6.
    Inet6,
}

impl From<IpAddr> for Family {
    fn from(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(_) => Self::Inet,
            IpAddr::V6(_) => Self::Inet6,
        }
    }
}

/// What identifies a virtual service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ServiceId {
    /// (protocol, VIP, port); port 0 is every port.
    Address {
        /// Transport protocol.
        protocol: Protocol,
        /// Virtual address.
        #[schema(value_type = String)]
        vip: IpAddr,
        /// Port, host order; 0 is every port and needs persistence.
        port: u16,
    },
    /// Every packet that carries the firewall mark.
    Mark {
        /// The mark, never 0.
        mark: u32,
        /// Family of the packets, and of the real servers.
        family: Family,
    },
}

impl ServiceId {
    /// Family of the service's packets.
    pub fn family(&self) -> Family {
        match *self {
            Self::Address { vip, .. } => vip.into(),
            Self::Mark { family, .. } => family,
        }
    }

    /// The service's port, 0 for every port and for marks.
    pub fn port(&self) -> u16 {
        match *self {
            Self::Address { port, .. } => port,
            Self::Mark { .. } => 0,
        }
    }
}

impl fmt::Display for ServiceId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Address { protocol, vip, port } => write!(out, "{protocol} {}", SocketAddr::new(vip, port)),
            Self::Mark { mark, family: Family::Inet } => write!(out, "FWM {mark}"),
            Self::Mark { mark, family: Family::Inet6 } => write!(out, "FWM {mark} IPv6"),
        }
    }
}

/// How a new connection picks a real server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum SchedulerKind {
    /// Round robin.
    Rr,
    /// Weighted round robin.
    Wrr,
    /// Least connections.
    Lc,
    /// Weighted least connections (the default of `ipvsadm`).
    #[default]
    Wlc,
    /// Locality-based least connections.
    Lblc,
    /// Locality-based least connections with replication.
    Lblcr,
    /// Shortest expected delay.
    Sed,
    /// Never queue.
    Nq,
    /// Weighted failover.
    Fo,
    /// Weighted overflow.
    Ovf,
    /// Source hashing.
    Sh,
    /// Destination hashing.
    Dh,
    /// Maglev hashing.
    Mh,
    /// The better of two by lot.
    Twos,
}

impl SchedulerKind {
    /// Every scheduler, in the order of the documentation.
    pub const ALL: [Self; 14] = [
        Self::Rr,
        Self::Wrr,
        Self::Lc,
        Self::Wlc,
        Self::Lblc,
        Self::Lblcr,
        Self::Sed,
        Self::Nq,
        Self::Fo,
        Self::Ovf,
        Self::Sh,
        Self::Dh,
        Self::Mh,
        Self::Twos,
    ];

    /// The name that `ipvsadm -s` knows.
    pub fn name(self) -> &'static str {
        match self {
            Self::Rr => "rr",
            Self::Wrr => "wrr",
            Self::Lc => "lc",
            Self::Wlc => "wlc",
            Self::Lblc => "lblc",
            Self::Lblcr => "lblcr",
            Self::Sed => "sed",
            Self::Nq => "nq",
            Self::Fo => "fo",
            Self::Ovf => "ovf",
            Self::Sh => "sh",
            Self::Dh => "dh",
            Self::Mh => "mh",
            Self::Twos => "twos",
        }
    }

    /// The names of its flags, by bit: sh and mh have names of their own (`ipvsadm.c`).
    pub fn flag_names(self) -> &'static [&'static str] {
        match self {
            Self::Sh => &["sh-fallback", "sh-port"],
            Self::Mh => &["mh-fallback", "mh-port"],
            Self::Rr
            | Self::Wrr
            | Self::Lc
            | Self::Wlc
            | Self::Sed
            | Self::Nq
            | Self::Fo
            | Self::Ovf
            | Self::Dh
            | Self::Twos
            | Self::Lblc
            | Self::Lblcr => &GENERAL_FLAGS,
        }
    }
}

/// Names of flags that any scheduler takes.
const GENERAL_FLAGS: [&str; 3] = ["flag-1", "flag-2", "flag-3"];

/// Flags of a scheduler (`-b`): three bits (`IP_VS_SVC_F_SCHED1` and so on), whose meaning is the scheduler's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(transparent)]
pub struct SchedulerFlags(u8);

impl SchedulerFlags {
    /// The flag of this name, by the names that the scheduler has for its flags, or by the general ones.
    pub fn named(scheduler: SchedulerKind, name: &str) -> Option<Self> {
        let find = |names: &[&str]| names.iter().position(|other| *other == name);
        let bit = find(scheduler.flag_names()).or_else(|| find(&GENERAL_FLAGS))?;
        Some(Self(1 << bit))
    }

    /// These and others.
    #[must_use]
    pub fn and(self, others: Self) -> Self {
        Self(self.0 | others.0)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0 == 0
    }

    /// The bits, the first flag lowest.
    pub fn bits(self) -> u8 {
        self.0
    }

    /// Their names under a scheduler, joined by commas. A flag that the scheduler has no name for is left out, as by
    /// `ipvsadm`.
    pub fn names(self, scheduler: SchedulerKind) -> String {
        let names = scheduler.flag_names().iter().enumerate().filter(|(bit, _)| self.0 & 1 << bit != 0);
        names.map(|(_, name)| *name).collect::<Vec<_>>().join(",")
    }
}

impl FromStr for SchedulerKind {
    type Err = ();

    fn from_str(name: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|kind| kind.name() == name).ok_or(())
    }
}

impl fmt::Display for SchedulerKind {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.name())
    }
}

/// Which part of a client's address persistence looks at (`-M`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Netmask {
    /// IPv4: the client's address is ANDed with this.
    V4(Ipv4Addr),
    /// IPv6: number of leading bits kept, 1..=128.
    V6(u8),
}

impl Netmask {
    /// The mask that keeps the whole address.
    pub fn host(family: Family) -> Self {
        match family {
            Family::Inet => Self::V4(Ipv4Addr::BROADCAST),
            Family::Inet6 => Self::V6(128),
        }
    }
}

/// Persistence (`-p`): a client comes back to its real server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
pub struct Persistence {
    /// Seconds that a template lives after the last new connection, 1..=2678400.
    pub timeout: u32,
}

impl Persistence {
    /// What `-p` without a value means: 360 s (libipvs' IPVS_SVC_PERSISTENT_TIMEOUT).
    pub const DEFAULT_TIMEOUT: u32 = 360;
    /// The longest timeout that `ipvsadm` takes: 31 days.
    pub const MAX_TIMEOUT: u32 = 31 * 24 * 3600;
}

/// How a packet reaches its real server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ForwardingMethod {
    /// Direct routing: only the Ethernet header changes (`-g`).
    #[default]
    Gate,
}

/// A member of a service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RealServer {
    /// Address; of the family of its service.
    #[schema(value_type = String)]
    pub address: IpAddr,
    /// Port; under direct routing that of the service, 0 where the service has none. Left out: the service's.
    #[schema(required = false)]
    pub port: u16,
    /// Weight, 0..=2147483647; 0 is quiesced. Left out: 1.
    #[serde(default = "one")]
    pub weight: u32,
    /// Forwarding method.
    #[serde(default)]
    pub method: ForwardingMethod,
    /// At this many connections the server takes no new ones (`-x`); 0 is no limit.
    #[serde(default)]
    pub upper_threshold: u32,
    /// Below this many it takes new ones again (`-y`); 0 is three quarters of the upper threshold.
    #[serde(default)]
    pub lower_threshold: u32,
}

/// The weight of a server of which none was said.
fn one() -> u32 {
    1
}

/// A virtual service and its real servers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Service {
    /// What identifies it.
    pub id: ServiceId,
    /// How a new connection picks a real server.
    #[serde(default)]
    pub scheduler: SchedulerKind,
    /// Flags of the scheduler (`-b`).
    #[serde(default, skip_serializing_if = "SchedulerFlags::is_empty")]
    pub scheduler_flags: SchedulerFlags,
    /// Persistence, or none.
    pub persistence: Option<Persistence>,
    /// What part of the client's address persistence looks at; kept, as IPVS does, even without it. Left
    /// out: the whole address.
    #[schema(required = false)]
    pub netmask: Netmask,
    /// One-packet scheduling (`-o`), for UDP only.
    #[serde(default)]
    pub one_packet: bool,
    /// Real servers, newest first, as IPVS keeps them.
    #[serde(default)]
    pub servers: Vec<RealServer>,
}

/// Timeouts of `ipvsadm --set`, in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Timeouts {
    /// An established TCP connection.
    pub tcp: u32,
    /// A TCP connection after its FIN.
    pub tcpfin: u32,
    /// A UDP flow.
    pub udp: u32,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self { tcp: 900, tcpfin: 120, udp: 300 }
    }
}
