//! HTTP_GET and SSL_GET: a check for each url.

use crate::health::pattern::Pattern;
use std::net::IpAddr;

use super::checker::{Base, unknown};
use super::timing::Defaults;
use super::tree::Directive;
use super::values::flag;
use crate::import::draft::Check;
use crate::import::note::Notes;

/// What is said beside the urls.
#[derive(Default)]
struct Settings<'a> {
    version: Option<&'a str>,
    closes: bool,
    virtual_host: Option<&'a str>,
    sends_name: bool,
    name: Option<&'a str>,
}

/// The checks, of which all must be good.
pub(super) fn read(directive: &Directive, mut base: Base<'_>, tls: bool, notes: &mut Notes) -> Vec<Check> {
    let (mut settings, mut urls, mut own) = (Settings::default(), Vec::new(), Notes::default());
    for inner in directive.inner() {
        match inner.keyword() {
            "url" => urls.push(inner),
            "http_protocol" => {
                (settings.version, settings.closes) = version(inner, &mut own);
            }
            "virtualhost" => settings.virtual_host = Some(inner.value(0)),
            "enable_sni" if tls => settings.sends_name = flag(inner, &mut own).unwrap_or(true),
            "sni_name" if tls => settings.name = Some(inner.value(0)),
            "fast_recovery" => own.remark(&inner.place, "fast_recovery: LVX asks for all urls at once"),
            "tls_compliant" => own.warn(&inner.place, "tls_compliant: LVX does not ask how a server closes TLS"),
            _other if base.takes(inner, &mut own) => {}
            _other => unknown(inner, &mut own),
        }
    }
    if urls.is_empty() {
        own.warn(&directive.place, format!("{}: without a url; left out, as keepalived does", directive.shown()));
        notes.extend(own);
        return Vec::new();
    }
    let mut checks = Vec::new();
    for url in urls {
        let mut check =
            Check { notes: std::mem::take(&mut own), ..Check::new(if tls { "https" } else { "http" }, &url.place) };
        let host = settings.virtual_host.or(base.around.virtual_host);
        let host = read_url(url, host, &mut check);
        finish_request(&settings, host, tls, &mut check);
        match base.finish(directive, check, Defaults::HTTP) {
            Ok(check) => checks.push(check),
            Err(why) => notes.extend(why),
        }
    }
    checks
}

/// The version, and whether the server is asked to close.
fn version<'a>(inner: &'a Directive, notes: &mut Notes) -> (Option<&'a str>, bool) {
    match inner.value(0) {
        "1.0" => (Some("1.0"), false),
        "1.0C" | "1.0c" => (Some("1.0"), true),
        "1.1" => (Some("1.1"), false),
        other => {
            notes.error(&inner.place, format!("{}: `{other}` is not 1.0, 1.0C or 1.1", inner.shown()));
            (None, false)
        }
    }
}

/// A url block; the host that it asks for.
fn read_url<'a>(url: &'a Directive, outer: Option<&'a str>, check: &mut Check) -> Option<&'a str> {
    let (mut host, mut path, mut status) = (outer, "/", "200-299".to_owned());
    let (mut pattern, mut options, mut negated) = (None, String::new(), false);
    for inner in url.inner() {
        let notes = &mut check.notes;
        match inner.keyword() {
            "path" => path = inner.value(0),
            "virtualhost" => host = Some(inner.value(0)),
            "status_code" => status = inner.values().join(","),
            "digest" => check.set("digest", format!("md5:{}", inner.value(0).to_ascii_lowercase())),
            "regex" => pattern = Some(inner),
            "regex_no_match" => negated = true,
            "regex_options" => options = regex_options(inner, notes),
            "regex_stack" => {
                notes.remark(&inner.place, format!("{}: LVX' regular expressions need none", inner.shown()))
            }
            "regex_min_offset" | "regex_max_offset" => {
                notes.warn(&inner.place, format!("{}: LVX looks at the whole body", inner.shown()));
            }
            "tls_compliant" => notes.warn(&inner.place, "tls_compliant: LVX does not ask how a server closes TLS"),
            _other => unknown(inner, notes),
        }
    }
    check.set("path", path);
    check.set("status", status);
    if let Some(inner) = pattern {
        let pattern = format!("{options}{}", inner.value(0));
        match Pattern::text(&pattern) {
            Ok(_) => check.set(if negated { "body_absent" } else { "body" }, pattern),
            Err(error) => {
                let reason = error.to_string();
                let reason = reason.lines().last().unwrap_or_default().trim_start_matches("error: ");
                check.notes.warn(&inner.place, format!("{}: left out, because for LVX {reason}", inner.shown()));
            }
        }
    }
    host
}

/// `(?is)`, from their names.
fn regex_options(inner: &Directive, notes: &mut Notes) -> String {
    let mut letters = String::new();
    for option in inner.values() {
        match option {
            "caseless" => letters.push('i'),
            "multiline" => letters.push('m'),
            "dotall" => letters.push('s'),
            "extended" => letters.push('x'),
            "ungreedy" => letters.push('U'),
            "utf" | "ucp" => notes.remark(&inner.place, format!("regex_options {option}: as LVX always does")),
            other => notes.warn(&inner.place, format!("regex_options {other}: has no equal; left out")),
        }
    }
    if letters.is_empty() { letters } else { format!("(?{letters})") }
}

fn without_port(host: &str) -> &str {
    host.rsplit_once(':').map_or(host, |(name, _)| name)
}

fn finish_request(settings: &Settings<'_>, host: Option<&str>, tls: bool, check: &mut Check) {
    check.set("version", settings.version.unwrap_or("1.0"));
    if let Some(host) = host {
        check.set("host", host);
    }
    if settings.closes {
        let headers = toml::Table::from_iter([("Connection".to_owned(), "close".into())]);
        check.set("headers", headers);
    }
    if tls {
        // keepalived looks at no certificate.
        check.set("verify", false);
        let name = settings.name.or(host.filter(|_| settings.sends_name)).map(without_port);
        // An address is no server name.
        if let Some(name) = name.filter(|name| name.parse::<IpAddr>().is_err()) {
            check.set("sni", name);
        }
    }
}
