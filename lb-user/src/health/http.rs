//! The HTTP probe: one request over a connection of its own, and one more for each redirect that is followed.

use std::sync::Arc;

use hyper::header::{HeaderMap, HeaderValue};
use hyper::{Method, StatusCode, Uri};

use super::digest::Digest;
use super::pattern::Pattern;
use super::probe::{Call, Failure};
use super::status::StatusSet;
use super::tls::Tls;

mod exchange;
mod place;

use place::Place;

/// How much of a body is read, in bytes.
pub const BODY_LIMIT: usize = 1 << 20;

/// The request, and what answers are good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpCheck {
    /// Request method.
    pub method: Method,
    /// Path and query, as the request line has it.
    pub path: Uri,
    /// Host header; without it the endpoint's address, with the port unless that is the protocol's own.
    pub host: Option<HeaderValue>,
    /// Which HTTP is spoken.
    pub version: HttpVersion,
    /// Further headers.
    pub headers: HeaderMap,
    /// The good ones.
    pub status: StatusSet,
    /// What the body must have somewhere.
    pub body: Option<Pattern>,
    /// What the body must have nowhere.
    pub body_absent: Option<Pattern>,
    /// What the whole body must hash to.
    pub digest: Option<Digest>,
    /// How many redirects are followed.
    pub redirects: u32,
    /// How TLS is spoken; without it, it is not.
    pub tls: Option<Arc<Tls>>,
}

/// A version of HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HttpVersion {
    /// HTTP/1.0
    One,
    /// HTTP/1.1
    OneOne,
    /// HTTP/2, by ALPN under TLS, and by prior knowledge without.
    Two,
}

impl Default for HttpCheck {
    fn default() -> Self {
        Self {
            method: Method::GET,
            path: Uri::default(),
            host: None,
            version: HttpVersion::OneOne,
            headers: HeaderMap::new(),
            status: StatusSet::default(),
            body: None,
            body_absent: None,
            digest: None,
            redirects: 0,
            tls: None,
        }
    }
}

/// What came back.
struct Reply {
    status: StatusCode,
    location: Option<HeaderValue>,
    body: Vec<u8>,
    /// Whether the body went on after [`BODY_LIMIT`].
    cut: bool,
}

impl HttpCheck {
    pub(super) async fn ask(&self, call: Call<'_>) -> Result<String, Failure> {
        let mut place = Place::first(self, call.endpoint);
        for _ in 0..self.redirects {
            let reply = exchange::exchange(self, &place, call).await?;
            let redirected = reply.status.is_redirection() && !self.status.contains(reply.status);
            let Some(location) = reply.location.as_ref().filter(|_| redirected) else {
                return self.judge(&reply);
            };
            place = place.follow(location)?;
        }
        self.judge(&exchange::exchange(self, &place, call).await?)
    }

    /// Whether anything but the status matters.
    fn wants_body(&self) -> bool {
        self.body.is_some() || self.body_absent.is_some() || self.digest.is_some()
    }

    fn judge(&self, reply: &Reply) -> Result<String, Failure> {
        let status = reply.status.as_u16();
        if !self.status.contains(reply.status) {
            return Err(Failure::bad(format!("status {status}, expected {}", self.status)));
        }
        if let Some(pattern) = self.body.as_ref().filter(|pattern| !pattern.matches(&reply.body)) {
            return Err(Failure::bad(format!("status {status}, but the body lacks `{}`", pattern.as_str())));
        }
        if let Some(pattern) = self.body_absent.as_ref().filter(|pattern| pattern.matches(&reply.body)) {
            return Err(Failure::bad(format!("status {status}, but the body has `{}`", pattern.as_str())));
        }
        match &self.digest {
            Some(_) if reply.cut => {
                Err(Failure::bad(format!("status {status}, but the body is longer than {BODY_LIMIT} bytes")))
            }
            Some(expected) if expected.of_same_kind(&reply.body) != *expected => {
                let is = expected.of_same_kind(&reply.body);
                Err(Failure::bad(format!("status {status}, but the body is {is}, expected {expected}")))
            }
            Some(_) | None => Ok(format!("status {status}")),
        }
    }
}

#[cfg(test)]
mod tests;
