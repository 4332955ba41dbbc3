//! What is checked, and how.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

use hyper::header::HeaderValue;
use hyper::{Method, StatusCode, Uri};

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::model::ServiceId;

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
    /// Whom it is asked.
    pub endpoint: SocketAddr,
    /// Whose address that is.
    pub via: Via,
    /// From the start of one probe to the start of the next; longer where a probe takes longer.
    pub interval: Duration,
    /// The whole time a probe has, from connecting to the answer.
    pub timeout: Duration,
    /// Good answers in a row that put a server back.
    pub rise: u32,
    /// Bad answers in a row that take it out.
    pub fall: u32,
}

impl Check {
    /// The same check of the real server's own address, if it asks for the VIP.
    pub fn at_address(mut self, target: &Target) -> Self {
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
    /// The real server's own, as the director's routes say.
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

/// What a probe asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CheckKind {
    /// A TCP connection is accepted.
    Tcp,
    /// An HTTP/1.1 request is answered with an expected status.
    Http(HttpCheck),
}

impl CheckKind {
    /// The name in the configuration.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Http(_) => "http",
        }
    }
}

/// The request, and what answers are good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpCheck {
    /// Request method.
    pub method: Method,
    /// Path and query, as the request line has it.
    pub path: Uri,
    /// Host header; without it the endpoint's address, with the port unless that is 80.
    pub host: Option<HeaderValue>,
    /// The good ones.
    pub status: StatusSet,
}

impl Default for HttpCheck {
    fn default() -> Self {
        Self { method: Method::GET, path: Uri::default(), host: None, status: StatusSet::default() }
    }
}

/// A set of HTTP status codes, written `200-299,301`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatusSet(Vec<RangeInclusive<u16>>);

impl StatusSet {
    /// Whether a status is in the set.
    pub fn contains(&self, status: StatusCode) -> bool {
        self.0.iter().any(|range| range.contains(&status.as_u16()))
    }
}

impl Default for StatusSet {
    /// 200-299
    fn default() -> Self {
        Self(vec![200..=299])
    }
}

impl FromStr for StatusSet {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        text.split(',').map(status_range).collect::<Option<_>>().map(Self).ok_or(())
    }
}

fn status_range(text: &str) -> Option<RangeInclusive<u16>> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (first, last) = (status(first)?, status(last)?);
    (first <= last).then_some(first..=last)
}

fn status(text: &str) -> Option<u16> {
    text.trim().parse().ok().filter(|code| (100..=599).contains(code))
}

impl fmt::Display for StatusSet {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, range) in self.0.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            write!(out, "{comma}{}", range.start())?;
            if range.start() != range.end() {
                write!(out, "-{}", range.end())?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_set_holds_what_it_names() {
        let set: StatusSet = "200-204, 301,400-404".parse().expect("a set");
        for (code, member) in [(199, false), (200, true), (204, true), (205, false), (301, true), (404, true)] {
            let code = StatusCode::from_u16(code).expect("a status");
            assert_eq!(set.contains(code), member, "{code}");
        }
        assert_eq!(set.to_string(), "200-204,301,400-404");
    }

    #[test]
    fn what_is_not_a_status_set_is_refused() {
        for text in ["", "ok", "200-", "299-200", "20", "600", "200;301", "200,,301"] {
            assert!(text.parse::<StatusSet>().is_err(), "{text}");
        }
    }
}
