//! The `health` of a service or server.

use std::time::Duration;

use serde::{Serialize, Serializer};

use crate::health::{Check, CheckKind, HttpCheck, PassiveCheck, Via};

/// A check, key by key.
#[derive(Clone, PartialEq, Serialize)]
pub(super) struct HealthTable {
    r#type: &'static str,
    port: u16,
    via: Via,
    #[serde(flatten)]
    request: Option<Request>,
    #[serde(serialize_with = "duration")]
    interval: Duration,
    #[serde(serialize_with = "duration")]
    timeout: Duration,
    rise: u32,
    fall: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    passive: Option<PassiveTable>,
}

/// What clients' handshakes say besides.
#[derive(Clone, PartialEq, Serialize)]
struct PassiveTable {
    min_share: f64,
    min_connections: u32,
    #[serde(serialize_with = "duration")]
    window: Duration,
    #[serde(serialize_with = "duration")]
    hold: Duration,
}

/// What only an http check has.
#[derive(Clone, PartialEq, Serialize)]
struct Request {
    method: String,
    path: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    host: Option<String>,
    status: String,
}

/// What a server says besides its service.
#[derive(Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub(super) enum ServerHealth {
    /// `false`: it is not checked, though its service says how.
    Off(bool),
    /// A check of its own.
    Own(Box<HealthTable>),
}

impl HealthTable {
    pub(super) fn of(check: &Check, passive: Option<&PassiveCheck>) -> Self {
        let Check { kind, endpoint, interval, timeout, rise, fall, via } = check;
        let request = match kind {
            CheckKind::Tcp => None,
            CheckKind::Http(request) => Some(Request::of(request)),
        };
        let passive = passive.map(PassiveTable::of);
        let (port, interval, timeout) = (endpoint.port(), *interval, *timeout);
        Self { r#type: kind.name(), port, via: *via, request, interval, timeout, rise: *rise, fall: *fall, passive }
    }
}

impl PassiveTable {
    fn of(check: &PassiveCheck) -> Self {
        let PassiveCheck { min_share, min_connections, window, hold } = *check;
        Self { min_share, min_connections, window, hold }
    }
}

impl Request {
    fn of(request: &HttpCheck) -> Self {
        let HttpCheck { method, path, host, status } = request;
        let host = host.as_ref().and_then(|host| host.to_str().ok()).map(str::to_owned);
        Self { method: method.to_string(), path: path.to_string(), host, status: status.to_string() }
    }
}

impl ServerHealth {
    /// What the service says, and what each server says besides: where all checks are the same it is said once.
    pub(super) fn once_where_all_agree(checks: Vec<Option<HealthTable>>) -> (Option<HealthTable>, Vec<Option<Self>>) {
        let mut different = checks.iter().flatten();
        match different.next().cloned() {
            Some(first) if different.all(|other| *other == first) => {
                let own = checks.iter().map(|check| check.is_none().then_some(Self::Off(false))).collect();
                (Some(first), own)
            }
            Some(_) | None => {
                (None, checks.into_iter().map(|check| check.map(|check| Self::Own(Box::new(check)))).collect())
            }
        }
    }
}

/// A check in the words of the file.
pub(in super::super) fn words(check: &Check, passive: Option<&PassiveCheck>) -> String {
    match toml::Table::try_from(HealthTable::of(check, passive)) {
        Ok(table) => table.iter().map(|(key, value)| format!("{key} = {value}")).collect::<Vec<_>>().join(", "),
        Err(error) => error.to_string(),
    }
}

fn duration<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&humantime::format_duration(*duration))
}
