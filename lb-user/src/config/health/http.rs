//! The request of an http or https check, and what its answer must be.

use std::sync::Arc;

use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use hyper::http::uri::Authority;
use hyper::{Method, Uri};

use crate::config::item::Item;
use crate::health::pattern::Pattern;
use crate::health::{CheckKind, Digest, HttpCheck, HttpVersion};

use super::keys::Keys;
use super::tls;

const MOST_REDIRECTS: u32 = 20;
const VERSIONS: [(&str, HttpVersion); 3] =
    [("1.0", HttpVersion::One), ("1.1", HttpVersion::OneOne), ("2", HttpVersion::Two)];

pub(super) fn plain(keys: &Keys<'_, '_>, outer: &CheckKind) -> CheckKind {
    let http = request(keys, outer);
    CheckKind::Http(Arc::new(HttpCheck { tls: None, ..http }))
}

pub(super) fn secure(keys: &Keys<'_, '_>, outer: &CheckKind) -> CheckKind {
    let http = request(keys, outer);
    let tls = tls::read(keys, http.tls.as_ref(), http.version == HttpVersion::Two);
    tls.map_or(CheckKind::Tcp, |tls| CheckKind::Http(Arc::new(HttpCheck { tls: Some(tls), ..http })))
}

/// What is said here, and the rest from `outer`.
fn request(keys: &Keys<'_, '_>, outer: &CheckKind) -> HttpCheck {
    let mut http = if let CheckKind::Http(outer) = outer { (**outer).clone() } else { HttpCheck::default() };
    let methods = [("GET", Method::GET), ("HEAD", Method::HEAD), ("OPTIONS", Method::OPTIONS)];
    let methods = methods.each_ref().map(|(name, method)| (*name, method));
    if let Some(method) = keys.take("method").and_then(|item| item.choice(&methods)) {
        http.method = method.clone();
    }
    let path = |text: &str| text.starts_with('/').then(|| text.parse::<Uri>().ok()).flatten();
    if let Some(path) = keys.take("path").and_then(|item| item.parsed("a path", "write \"/health\"", path)) {
        http.path = path;
    }
    let host = |text: &str| Some(text).filter(|text| is_host(text)).and_then(|text| HeaderValue::from_str(text).ok());
    let host = keys.take("host").and_then(|item| item.parsed("a host name", "write \"www.example.com\"", host));
    http.host = host.or(http.host);
    if let Some(version) = keys.take("version").and_then(|item| item.choice(&VERSIONS)) {
        http.version = version;
    }
    if let Some(headers) = keys.take("headers").and_then(|item| headers(&item)) {
        http.headers = headers;
    }
    let status = keys.take("status").and_then(|item| {
        item.parsed("a set of status codes", "write \"200-299\" or \"200,301,400-404\"", |text| text.parse().ok())
    });
    http.status = status.unwrap_or(http.status);
    http.redirects = keys.take("redirects").and_then(|item| item.number(0..=MOST_REDIRECTS)).unwrap_or(http.redirects);
    body(keys, &mut http);
    http
}

fn body(keys: &Keys<'_, '_>, http: &mut HttpCheck) {
    let [body, body_absent, digest] = ["body", "body_absent", "digest"].map(|key| keys.take(key));
    if http.method == Method::HEAD {
        for item in [&body, &body_absent, &digest].into_iter().flatten() {
            item.refuse("the answer to HEAD has no body", "remove it, or write method = \"GET\"");
        }
    }
    let pattern = |item: Item<'_>| expression(&item, Pattern::text);
    http.body = body.and_then(pattern).or(http.body.take());
    http.body_absent = body_absent.and_then(pattern).or(http.body_absent.take());
    let digest = digest.and_then(|item| {
        item.parsed("a digest", "write \"md5:\" and 32 hex digits, or \"sha256:\" and 64", Digest::parse)
    });
    http.digest = digest.or(http.digest);
}

/// A regular expression; what is wrong with it is said.
pub(super) fn expression(item: &Item<'_>, read: fn(&str) -> Result<Pattern, regex::Error>) -> Option<Pattern> {
    let text = item.string()?;
    let refused = |error: regex::Error| {
        // The expression itself and a marker below it come first; the last line has the reason.
        let reason = error.to_string();
        let reason = reason.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
        item.refuse(&format!("{} is not a regular expression: {reason}", item.written()), "");
    };
    read(text).map_err(refused).ok()
}

fn headers(item: &Item<'_>) -> Option<HeaderMap> {
    let mut headers = HeaderMap::new();
    for (name, item) in item.entries() {
        let Ok(name) = name.parse::<HeaderName>() else {
            item.refuse(&format!("`{name}` is not the name of a header"), "");
            continue;
        };
        let value = |text: &str| HeaderValue::from_str(text).ok();
        headers.extend(item.parsed("the value of a header", "", value).map(|value| (name, value)));
    }
    Some(headers)
}

/// A name or an address, with a port or without.
fn is_host(text: &str) -> bool {
    text.parse::<Authority>().is_ok_and(|authority| !authority.as_str().contains('@'))
}
