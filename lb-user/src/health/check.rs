//! What is checked, and how.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::model::ServiceId;

use super::dns::DnsCheck;
use super::expect::ExpectCheck;
use super::http::HttpCheck;
use super::script::ScriptCheck;
use super::smtp::SmtpCheck;
use super::tls::Tls;
use super::udp::UdpCheck;

/// A real server of a service, as the model knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Target {
    /// Its service.
    pub id: ServiceId,
    /// Its address.
    pub address: IpAddr,
    /// Its port, 0 where it has none. The port that is asked is in [`Check::endpoint`].
    pub port: u16,
}

/// How a real server is checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// What is asked.
    pub kind: CheckKind,
    /// Whom it is asked; port 0 where the kind needs none.
    pub endpoint: SocketAddr,
    /// Whose address that is.
    pub via: Via,
    /// From the start of one probe to the start of the next; longer where a probe takes longer.
    pub interval: Duration,
    /// Each probe comes later than that by a random part of this.
    pub jitter: Duration,
    /// The first probe comes within this time.
    pub warmup: Duration,
    /// The whole time a probe has, from connecting to the answer.
    pub timeout: Duration,
    /// While the server is in service, a bad answer counts only after so many further ones.
    pub retry: u32,
    /// How long after a bad answer such a further one is asked for.
    pub delay_before_retry: Duration,
    /// Good answers in a row that put a server back.
    pub rise: u32,
    /// Bad answers in a row that take it out.
    pub fall: u32,
}

impl Check {
    /// The check of a configuration that says no more: once a second, for at most a second, two answers for a change.
    pub fn new(kind: CheckKind, endpoint: SocketAddr) -> Self {
        let second = Duration::from_secs(1);
        Self {
            kind,
            endpoint,
            via: Via::Address,
            interval: second,
            jitter: Duration::ZERO,
            warmup: second,
            timeout: second,
            retry: 0,
            delay_before_retry: second,
            rise: 2,
            fall: 2,
        }
    }

    /// The same check of the real server's own address, if it asks for the VIP.
    pub fn at_address(mut self, target: &Target) -> Self {
        if let CheckKind::All(checks) = &self.kind {
            self.kind = CheckKind::All(checks.iter().map(|check| check.clone().at_address(target)).collect());
        }
        if self.via == Via::Vip {
            self.endpoint.set_ip(target.address);
            self.via = Via::Address;
        }
        self
    }
}

/// Whose address a check asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Via {
    /// The VIP, at the MAC address of the real server: as clients' packets are forwarded to it.
    Vip,
    /// The real server's own, or the one that the check names, as the director's routes say.
    Address,
}

impl Via {
    /// The name in the configuration.
    pub fn name(self) -> &'static str {
        match self {
            Self::Vip => "vip",
            Self::Address => "address",
        }
    }
}

/// What a probe asks. What is large is shared by all servers that are asked the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CheckKind {
    /// A TCP connection is accepted.
    Tcp,
    /// An HTTP request is answered with an expected status and body.
    Http(Arc<HttpCheck>),
    /// A TLS handshake succeeds.
    Tls(Arc<Tls>),
    /// A datagram is not refused, or is answered as expected.
    Udp(Arc<UdpCheck>),
    /// A DNS question is answered as expected.
    Dns(Arc<DnsCheck>),
    /// An ICMP echo comes back.
    Icmp,
    /// A mail server greets and takes HELO and QUIT.
    Smtp(Arc<SmtpCheck>),
    /// A program of the operator says so.
    Script(Arc<ScriptCheck>),
    /// What is sent over a TCP connection is answered as expected.
    Expect(Arc<ExpectCheck>),
    /// Several, asked together, which must all be good. Of each of them, the kind, the endpoint and the timeout count.
    All(Arc<[Check]>),
}

impl CheckKind {
    /// The name in the configuration.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Http(http) if http.tls.is_some() => "https",
            Self::Http(_) => "http",
            Self::Tls(_) => "tls",
            Self::Udp(_) => "udp",
            Self::Dns(_) => "dns",
            Self::Icmp => "icmp",
            Self::Smtp(_) => "smtp",
            Self::Script(_) => "script",
            Self::Expect(_) => "expect",
            Self::All(_) => "list",
        }
    }
}
