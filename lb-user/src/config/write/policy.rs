//! What becomes of servers that fail, and who is told.

use std::net::SocketAddr;
use std::time::Duration;

use serde::{Serialize, Serializer};

use super::service::server_address;
use crate::model::ServiceId;
use crate::model::policy::{AllDown, Notify, OnFailure, Policy, ServerPolicy, Subject};

/// The rules of a service, but those of its single servers, key by key; what is at its default is left out.
#[derive(Default, Serialize)]
pub(super) struct PolicyKeys {
    #[serde(skip_serializing_if = "Option::is_none")]
    quorum: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hysteresis: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    on_failure: Option<&'static str>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    alpha: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    all_down: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "duration")]
    slow_start: Option<Duration>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sorry_server: Option<SorryServer>,
    #[serde(skip_serializing_if = "Option::is_none")]
    notify: Option<ServiceNotify>,
}

#[derive(Serialize)]
struct SorryServer {
    address: String,
}

/// What a server has instead.
#[derive(Default, Serialize)]
pub(super) struct ServerPolicyKeys {
    #[serde(skip_serializing_if = "Option::is_none")]
    on_failure: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "duration")]
    slow_start: Option<Duration>,
}

/// Who is told, where it differs from what is for all.
#[derive(Serialize)]
pub(super) struct NotifyTable {
    #[serde(skip_serializing_if = "Option::is_none")]
    command: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    webhook: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    on: Option<Vec<Subject>>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum ServiceNotify {
    /// `false`: nobody.
    Nobody(bool),
    Somebody(NotifyTable),
}

impl PolicyKeys {
    pub(super) fn of(id: ServiceId, policy: &Policy, for_all: &Notify) -> Self {
        let Policy { quorum, hysteresis, on_failure, alpha, all_down, slow_start, sorry_server, servers: _, notify } =
            policy;
        let default = Policy::default();
        let sorry_server = sorry_server.as_ref();
        Self {
            quorum: (*quorum != default.quorum).then_some(*quorum),
            hysteresis: (*hysteresis != default.hysteresis).then_some(*hysteresis),
            on_failure: (*on_failure != default.on_failure).then_some(failure(*on_failure)),
            alpha: *alpha,
            all_down: (*all_down != default.all_down).then_some(match all_down {
                AllDown::Refuse => "refuse",
                AllDown::All => "all",
            }),
            slow_start: (!slow_start.is_zero()).then_some(*slow_start),
            sorry_server: sorry_server
                .map(|server| SorryServer { address: server_address(id, server.address, server.port) }),
            notify: notify.as_ref().map(|notify| ServiceNotify::of(notify, for_all)),
        }
    }
}

impl ServerPolicyKeys {
    pub(super) fn of(policy: ServerPolicy) -> Self {
        let ServerPolicy { on_failure, slow_start } = policy;
        Self { on_failure: on_failure.map(failure), slow_start }
    }
}

impl NotifyTable {
    pub(super) fn of(notify: &Notify, outer: &Notify) -> Self {
        let Notify { command, webhook, on } = notify;
        Self {
            command: (*command != outer.command).then(|| command.clone()),
            webhook: webhook.clone().filter(|_| *webhook != outer.webhook),
            on: (*on != outer.on).then(|| on.clone()),
        }
    }
}

impl ServiceNotify {
    fn of(notify: &Notify, for_all: &Notify) -> Self {
        if *notify == Notify::default() {
            Self::Nobody(false)
        } else {
            Self::Somebody(NotifyTable::of(notify, for_all))
        }
    }
}

fn failure(on_failure: OnFailure) -> &'static str {
    match on_failure {
        OnFailure::Remove => "remove",
        OnFailure::Inhibit => "inhibit",
    }
}

/// The rules of a service in the words of the file.
pub(in super::super) fn words(id: ServiceId, policy: &Policy, for_all: &Notify) -> String {
    let own = policy.servers.iter().map(|((address, port), own)| {
        format!("{}: {}", SocketAddr::new(*address, *port), flat(&ServerPolicyKeys::of(*own)))
    });
    let whole = flat(&PolicyKeys::of(id, policy, for_all));
    std::iter::once(whole).chain(own).filter(|words| !words.is_empty()).collect::<Vec<_>>().join("; ")
}

/// Who is told of all services, in the words of the file.
pub(in super::super) fn notify_words(notify: &Notify) -> String {
    flat(&NotifyTable::of(notify, &Notify::default()))
}

fn flat(keys: &impl Serialize) -> String {
    match toml::Table::try_from(keys) {
        Ok(table) => table.iter().map(|(key, value)| format!("{key} = {value}")).collect::<Vec<_>>().join(", "),
        Err(error) => error.to_string(),
    }
}

#[expect(clippy::ref_option, reason = "serde calls it so")]
fn duration<S: Serializer>(duration: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
    match duration {
        Some(duration) => serializer.collect_str(&humantime::format_duration(*duration)),
        None => serializer.serialize_none(),
    }
}
