//! Where a request goes: always to the server that is checked, whatever name a redirect has.

use std::net::SocketAddr;
use std::sync::Arc;

use hyper::Uri;
use hyper::header::HeaderValue;
use hyper::http::uri::{Authority, PathAndQuery};

use super::HttpCheck;
use crate::health::probe::Failure;
use crate::health::tls::{Tls, TlsSettings};

/// A request's address.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) endpoint: SocketAddr,
    pub(super) tls: Option<Arc<Tls>>,
    /// The Host header.
    pub(super) host: String,
    pub(super) path: PathAndQuery,
}

impl Place {
    pub(super) fn first(check: &HttpCheck, endpoint: SocketAddr) -> Self {
        let host = check.host.as_ref().and_then(|host| host.to_str().ok());
        let host = host.map_or_else(|| host_of(endpoint, own_port(check.tls.is_some())), str::to_owned);
        let path = check.path.path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/"));
        Self { endpoint, tls: check.tls.clone(), host, path }
    }

    /// The name in the Host header, if it is one and no address.
    pub(super) fn name(&self) -> Option<&str> {
        let host = self.host.rsplit_once(':').map_or(self.host.as_str(), |(name, _port)| name);
        let is_address = host.starts_with('[') || host.parse::<std::net::IpAddr>().is_ok();
        (!is_address).then_some(host)
    }

    /// As a URI with everything, which HTTP/2 wants.
    pub(super) fn uri(&self) -> Result<Uri, Failure> {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        let uri = Uri::builder().scheme(scheme).authority(self.host.as_str()).path_and_query(self.path.clone());
        uri.build().map_err(|error| Failure::bad(format!("cannot ask {}: {error}", self.host)))
    }

    /// Where a redirect leads. The server stays the one that is checked: the name of a site is the VIP's, behind which
    /// another server might answer. The port stays too, unless another one, or another name or scheme, is asked for.
    pub(super) fn follow(&self, location: &HeaderValue) -> Result<Self, Failure> {
        let text = String::from_utf8_lossy(location.as_bytes()).into_owned();
        let senseless = || Failure::bad(format!("redirected to `{text}`, which is no HTTP address"));
        let without_fragment = text.split('#').next().unwrap_or_default();
        let uri: Uri = match without_fragment {
            relative if !relative.contains("://") && !relative.starts_with('/') => {
                let directory = self.path.path().rsplit_once('/').map_or("", |(directory, _)| directory);
                format!("{directory}/{relative}").parse()
            }
            absolute => absolute.parse(),
        }
        .map_err(|error| Failure::bad(format!("redirected to `{text}`: {error}")))?;
        let path = uri.path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/"));
        let Some(authority) = uri.authority() else {
            return Ok(Self { path, ..self.clone() });
        };
        let secure = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            Some(_) | None => return Err(senseless()),
        };
        if authority.as_str() == self.host && secure == self.tls.is_some() {
            return Ok(Self { path, ..self.clone() });
        }
        let tls = match (secure, &self.tls) {
            (false, _) => None,
            (true, Some(tls)) => Some(Arc::clone(tls)),
            (true, None) => Some(Arc::new(unverified()?)),
        };
        Ok(Self { endpoint: self.moved(authority, secure), tls, host: authority.as_str().to_owned(), path })
    }

    fn moved(&self, authority: &Authority, secure: bool) -> SocketAddr {
        SocketAddr::new(self.endpoint.ip(), authority.port_u16().unwrap_or(own_port(secure)))
    }
}

fn unverified() -> Result<Tls, Failure> {
    Tls::new(TlsSettings::default(), false).map_err(|error| Failure::Unknown(error.to_string()))
}

fn own_port(secure: bool) -> u16 {
    if secure { 443 } else { 80 }
}

/// The endpoint as a Host header: without the port where that is the protocol's own (RFC 9110, 7.2).
fn host_of(endpoint: SocketAddr, own: u16) -> String {
    match endpoint {
        SocketAddr::V4(v4) if v4.port() == own => v4.ip().to_string(),
        SocketAddr::V6(v6) if v6.port() == own => format!("[{}]", v6.ip()),
        SocketAddr::V4(_) | SocketAddr::V6(_) => endpoint.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_header_names_a_port_only_where_it_is_unusual() {
        for (endpoint, own, expected) in [
            ("192.0.2.1:80", 80, "192.0.2.1"),
            ("192.0.2.1:8080", 80, "192.0.2.1:8080"),
            ("192.0.2.1:443", 443, "192.0.2.1"),
            ("[2001:db8::1]:80", 80, "[2001:db8::1]"),
            ("[2001:db8::1]:443", 80, "[2001:db8::1]:443"),
        ] {
            assert_eq!(host_of(endpoint.parse().expect("an endpoint"), own), expected);
        }
    }

    #[test]
    fn a_redirect_changes_what_it_names_and_never_the_server() {
        let check = HttpCheck {
            host: Some(HeaderValue::from_static("shop.example")),
            path: Uri::from_static("/a/b?c"),
            ..HttpCheck::default()
        };
        let first = Place::first(&check, "192.0.2.1:8080".parse().expect("an endpoint"));
        for (location, host, endpoint, path, secure) in [
            ("/x?y", "shop.example", "192.0.2.1:8080", "/x?y", false),
            ("x", "shop.example", "192.0.2.1:8080", "/a/x", false),
            ("http://shop.example/x#part", "shop.example", "192.0.2.1:8080", "/x", false),
            ("http://shop.example:81", "shop.example:81", "192.0.2.1:81", "/", false),
            ("http://other.example/x", "other.example", "192.0.2.1:80", "/x", false),
            ("https://shop.example/x", "shop.example", "192.0.2.1:443", "/x", true),
        ] {
            let next = first.follow(&HeaderValue::from_static(location)).expect("a place");
            let path_and_query = next.path.as_str();
            assert_eq!((next.host.as_str(), next.endpoint.to_string().as_str()), (host, endpoint), "{location}");
            assert_eq!((path_and_query, next.tls.is_some()), (path, secure), "{location}");
        }
        for location in ["ftp://shop.example/", "http://"] {
            assert!(first.follow(&HeaderValue::from_static(location)).is_err(), "{location}");
        }
    }

    #[test]
    fn only_a_name_is_asked_for_by_tls() {
        for (host, name) in [
            ("shop.example", Some("shop.example")),
            ("shop.example:8443", Some("shop.example")),
            ("192.0.2.1:8443", None),
            ("[2001:db8::1]", None),
            ("[2001:db8::1]:8443", None),
        ] {
            let check = HttpCheck { host: HeaderValue::from_str(host).ok(), ..HttpCheck::default() };
            assert_eq!(Place::first(&check, "192.0.2.1:80".parse().expect("an endpoint")).name(), name, "{host}");
        }
    }
}
