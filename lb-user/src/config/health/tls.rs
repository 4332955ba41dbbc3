//! How TLS is spoken, in the checks that do.

use std::path::PathBuf;
use std::sync::Arc;

use crate::health::{CheckKind, Tls, TlsError, TlsSettings};

use super::keys::Keys;

const MOST_DAYS: u32 = 10_000;

/// The tls check.
pub(super) fn check(keys: &Keys<'_, '_>, outer: &CheckKind) -> CheckKind {
    let outer = if let CheckKind::Tls(outer) = outer { Some(outer) } else { None };
    read(keys, outer, false).map_or(CheckKind::Tcp, CheckKind::Tls)
}

/// TLS where `tls` says so.
pub(super) fn optional(keys: &Keys<'_, '_>, outer: Option<&Arc<Tls>>) -> Option<Arc<Tls>> {
    if keys.boolean("tls").unwrap_or(outer.is_some()) {
        return read(keys, outer, false);
    }
    for item in ["sni", "verify", "ca", "min_days_left"].into_iter().filter_map(|key| keys.take(key)) {
        item.refuse("has no meaning without TLS", "add tls = true, or remove it");
    }
    None
}

/// What is said here, and the rest from `outer`. `http2`: it is HTTP/2 that is to be spoken.
/// None where that has been refused.
pub(super) fn read(keys: &Keys<'_, '_>, outer: Option<&Arc<Tls>>, http2: bool) -> Option<Arc<Tls>> {
    let before = outer.map(|tls| tls.settings().clone()).unwrap_or_default();
    let name = |text: &str| rustls::pki_types::DnsName::try_from(text).is_ok().then(|| text.to_owned());
    let sni = keys.take("sni").and_then(|item| item.parsed("a host name", "write \"www.example.com\"", name));
    let verify = keys.take("verify");
    let ca = keys.take("ca");
    let ca_path = ca.as_ref().and_then(|item| item.string()).map(PathBuf::from);
    let days = keys.take("min_days_left").and_then(|item| item.number(0..=MOST_DAYS));
    let settings = TlsSettings {
        sni: sni.or_else(|| before.sni.clone()),
        verify: verify.as_ref().and_then(|item| item.boolean()).unwrap_or(before.verify),
        ca: ca_path.or_else(|| before.ca.clone()),
        min_days_left: days.or(before.min_days_left),
    };
    if let Some(item) = ca.as_ref().filter(|_| !settings.verify) {
        item.refuse("is not looked at unless certificates are verified", "add verify = true, or remove it");
    }
    if let Some(outer) = outer.filter(|outer| *outer.settings() == settings && outer.http2() == http2) {
        return Some(Arc::clone(outer));
    }
    let refuse = |error: TlsError| match ca.as_ref().or(verify.as_ref()) {
        Some(item) => item.refuse(&error.to_string(), ""),
        None => keys.refuse(&error.to_string()),
    };
    Tls::new(settings, http2).map_err(refuse).ok().map(Arc::new)
}
