//! The request of an HTTP check.

use hyper::header::HeaderValue;
use hyper::http::uri::Authority;
use hyper::{Method, Uri};

use crate::health::HttpCheck;

use super::item::Item;
use super::section::Section;

/// What only an http check has.
pub(super) struct RequestKeys<'d> {
    method: Option<Item<'d>>,
    path: Option<Item<'d>>,
    host: Option<Item<'d>>,
    status: Option<Item<'d>>,
}

impl<'d> RequestKeys<'d> {
    pub(super) fn of(section: &Section<'d>) -> Self {
        Self {
            method: section.get("method"),
            path: section.get("path"),
            host: section.get("host"),
            status: section.get("status"),
        }
    }

    /// As keys of a tcp check they are out of place.
    pub(super) fn refuse(self) {
        for item in [self.method, self.path, self.host, self.status].into_iter().flatten() {
            item.refuse("a tcp check has no such key", "add type = \"http\", or remove it");
        }
    }

    /// The request: what is said here, and the rest from `outer`.
    pub(super) fn read(self, outer: &HttpCheck) -> HttpCheck {
        let methods = [("GET", Method::GET), ("HEAD", Method::HEAD), ("OPTIONS", Method::OPTIONS)];
        let methods = methods.each_ref().map(|(name, method)| (*name, method));
        let path = |text: &str| text.starts_with('/').then(|| text.parse::<Uri>().ok()).flatten();
        let host =
            |text: &str| Some(text).filter(|text| is_host(text)).and_then(|text| HeaderValue::from_str(text).ok());
        let method = self.method.and_then(|item| item.choice(&methods));
        let path = self.path.and_then(|item| item.parsed("a path", "write \"/health\"", path));
        let host = self.host.and_then(|item| item.parsed("a host name", "write \"www.example.com\"", host));
        let status = self.status.and_then(|item| {
            item.parsed("a set of status codes", "write \"200-299\" or \"200,301,400-404\"", |text| text.parse().ok())
        });
        HttpCheck {
            method: method.unwrap_or(&outer.method).clone(),
            path: path.unwrap_or_else(|| outer.path.clone()),
            host: host.or_else(|| outer.host.clone()),
            status: status.unwrap_or_else(|| outer.status.clone()),
        }
    }
}

/// A name or an address, with a port or without.
fn is_host(text: &str) -> bool {
    text.parse::<Authority>().is_ok_and(|authority| !authority.as_str().contains('@'))
}
