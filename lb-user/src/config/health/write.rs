//! A check as the configuration would say it: the opposite of reading one, with nothing left to a default.

use std::net::IpAddr;
use std::time::Duration;

use toml::{Table, Value};

use crate::health::pattern::{Pattern, escape, hex};
use crate::health::{
    Check, CheckKind, DnsCheck, ExpectCheck, HttpCheck, HttpVersion, ScriptCheck, SmtpCheck, Step, Target, Tls,
    UdpCheck, Via,
};

/// The value of `health` for the check of a server: a table, or a list of them.
pub fn health(check: &Check, target: &Target) -> Value {
    let rhythm = rhythm(check);
    let CheckKind::All(checks) = &check.kind else {
        return Value::Table(rhythm.into_iter().chain(own(check, target.address)).collect());
    };
    let mut tables: Vec<Table> = checks.iter().map(|check| own(check, target.address)).collect();
    if let Some(first) = tables.first_mut() {
        first.extend(rhythm);
    }
    Value::Array(tables.into_iter().map(Value::Table).collect())
}

fn rhythm(check: &Check) -> Table {
    let Check {
        kind: _,
        endpoint: _,
        via: _,
        timeout: _,
        interval,
        jitter,
        warmup,
        retry,
        delay_before_retry,
        rise,
        fall,
    } = check;
    let mut table = Table::new();
    for (key, value) in
        [("interval", interval), ("jitter", jitter), ("warmup", warmup), ("delay_before_retry", delay_before_retry)]
    {
        table.insert(key.to_owned(), duration(*value));
    }
    for (key, value) in [("retry", retry), ("rise", rise), ("fall", fall)] {
        table.insert(key.to_owned(), Value::from(*value));
    }
    table
}

/// What is a check's own even in a list.
fn own(check: &Check, server: IpAddr) -> Table {
    let mut table = kind(&check.kind);
    table.insert("type".to_owned(), check.kind.name().into());
    table.insert("timeout".to_owned(), duration(check.timeout));
    if !matches!(check.kind, CheckKind::Script(_)) && (check.via == Via::Vip || check.endpoint.ip() == server) {
        table.insert("via".to_owned(), check.via.name().into());
    }
    if check.via == Via::Address && check.endpoint.ip() != server {
        table.insert("address".to_owned(), check.endpoint.ip().to_string().into());
    }
    if check.endpoint.port() != 0 && check.kind != CheckKind::Icmp {
        table.insert("port".to_owned(), i64::from(check.endpoint.port()).into());
    }
    table
}

fn kind(kind: &CheckKind) -> Table {
    match kind {
        CheckKind::Tcp | CheckKind::Icmp | CheckKind::All(_) => Table::new(),
        CheckKind::Http(check) => http(check),
        CheckKind::Tls(settings) => tls(settings),
        CheckKind::Udp(check) => udp(check),
        CheckKind::Dns(check) => dns(check),
        CheckKind::Smtp(check) => smtp(check),
        CheckKind::Script(check) => script(check),
        CheckKind::Expect(check) => expect(check),
    }
}

/// The pairs that there are.
fn present<const N: usize>(pairs: [(&str, Option<Value>); N]) -> Table {
    pairs.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))).collect()
}

fn http(check: &HttpCheck) -> Table {
    let HttpCheck { method, path, host, version, headers, status, body, body_absent, digest, redirects, tls: _ } =
        check;
    let text = |value: &hyper::header::HeaderValue| Value::from(String::from_utf8_lossy(value.as_bytes()).into_owned());
    let version = match version {
        HttpVersion::One => "1.0",
        HttpVersion::OneOne => "1.1",
        HttpVersion::Two => "2",
    };
    let headers: Table = headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect();
    let pattern = |pattern: &Option<Pattern>| pattern.as_ref().map(|pattern| pattern.as_str().into());
    let mut table = present([
        ("method", Some(method.as_str().into())),
        ("path", Some(path.to_string().into())),
        ("host", host.as_ref().map(text)),
        ("version", Some(version.into())),
        ("headers", Some(Value::Table(headers)).filter(|headers| headers.as_table().is_some_and(|it| !it.is_empty()))),
        ("status", Some(status.to_string().into())),
        ("body", pattern(body)),
        ("body_absent", pattern(body_absent)),
        ("digest", digest.map(|digest| digest.to_string().into())),
        ("redirects", Some(Value::from(*redirects))),
    ]);
    table.extend(check.tls.iter().flat_map(|settings| tls(settings)));
    table
}

fn tls(tls: &Tls) -> Table {
    let settings = tls.settings();
    present([
        ("sni", settings.sni.clone().map(Value::from)),
        ("verify", Some(settings.verify.into())),
        ("ca", settings.ca.as_ref().map(|path| path.display().to_string().into())),
        ("min_days_left", settings.min_days_left.map(Value::from)),
    ])
}

/// The keys of kinds that need not speak TLS.
fn optional_tls(settings: Option<&Tls>) -> Table {
    let mut table = settings.map(tls).unwrap_or_default();
    table.insert("tls".to_owned(), settings.is_some().into());
    table
}

fn udp(check: &UdpCheck) -> Table {
    let UdpCheck { payload, require_reply, reply, min_reply_length, max_reply_length } = check;
    present([
        ("payload", Some(hex(payload).into())),
        ("require_reply", Some((*require_reply).into())),
        ("reply", reply.as_ref().map(|reply| reply.to_string().into())),
        ("min_reply_length", Some(Value::from(*min_reply_length))),
        ("max_reply_length", max_reply_length.map(Value::from)),
    ])
}

fn dns(check: &DnsCheck) -> Table {
    let DnsCheck { name, record, answer } = check;
    present([
        ("name", Some(name.to_ascii().into())),
        ("record", Some(record.to_string().into())),
        ("answer", answer.clone().map(Value::from)),
    ])
}

fn smtp(check: &SmtpCheck) -> Table {
    let mut table = optional_tls(check.tls.as_deref());
    table.insert("helo".to_owned(), check.helo.clone().into());
    table
}

fn script(check: &ScriptCheck) -> Table {
    let ScriptCheck { command, user, dynamic, environment: _ } = check;
    present([
        ("command", Some(command.iter().cloned().map(Value::from).collect::<Vec<_>>().into())),
        ("user", user.as_ref().map(|user| user.name.clone().into())),
        ("dynamic", Some((*dynamic).into())),
    ])
}

fn expect(check: &ExpectCheck) -> Table {
    let steps: Vec<Value> = check.steps.iter().map(|step| Value::Table(self::step(step))).collect();
    let mut table = optional_tls(check.tls.as_deref());
    table.insert("steps".to_owned(), steps.into());
    table
}

fn step(step: &Step) -> Table {
    present([
        ("send", step.send.as_deref().map(|bytes| escape(bytes).into())),
        ("expect", step.expect.as_ref().map(|pattern| pattern.as_str().into())),
    ])
}

fn duration(duration: Duration) -> Value {
    humantime::format_duration(duration).to_string().into()
}
