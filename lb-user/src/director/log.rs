//! A line in the log for each change of the model: what, how, and by whom.

use std::net::SocketAddr;

use crate::api::Request;
use crate::model::{Model, Netmask, RealServer, Service, ServiceId, sysctls};

/// By whom a change is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Author {
    /// A config file, whose changes are told as a whole.
    ConfigFile,
    /// By hand, in an earlier life of the daemon.
    Journal,
    /// By hand, just now.
    Command,
    /// LVX: a change that it could not keep.
    TakenBack,
}

impl Author {
    fn name(self) -> &'static str {
        match self {
            Self::ConfigFile => "config file",
            Self::Journal => "command before the start",
            Self::Command => "command",
            Self::TakenBack => "LVX, which could not keep a change",
        }
    }
}

/// What a change is compared with.
#[derive(Debug, Default)]
pub(super) struct Before {
    options: Options,
    services: Vec<ServiceId>,
}

impl Before {
    /// What there is of it before a change is made.
    pub(super) fn of(model: &Model, request: &Request) -> Self {
        let mut before = Self::default();
        match request {
            Request::EditService { service } => before.options = options(model.service(&service.id)),
            Request::EditServer { id, server } => {
                before.options = server_options(model.server(id, server.address, server.port));
            }
            Request::SetTimeouts { .. } | Request::SetSysctls { .. } => before.options = settings(model),
            Request::Flush => before.services = model.services().map(|service| service.id).collect(),
            Request::AddService { .. }
            | Request::DeleteService { .. }
            | Request::AddServer { .. }
            | Request::DeleteServer { .. }
            | Request::OrderServers { .. }
            | Request::Zero { .. }
            | Request::List { .. }
            | Request::Connections
            | Request::ConnectionPart { .. }
            | Request::Timeouts
            | Request::Sysctls
            | Request::Status
            | Request::Plan { .. }
            | Request::Apply { .. }
            | Request::Reload
            | Request::Export
            | Request::Generations
            | Request::Rollback { .. }
            | Request::Drain { .. }
            | Request::Undrain { .. }
            | Request::Drains => {}
        }
        before
    }
}

/// Tells of a change that was made.
pub(super) fn changed(author: Author, request: &Request, before: &Before, after: &Model) {
    if author == Author::ConfigFile {
        return;
    }
    let by = author.name();
    match request {
        Request::AddService { service } => {
            let options = differences(&options(None), &options(Some(service)));
            tracing::info!(service = %service.id, options, by, "service added");
        }
        Request::EditService { service } => {
            let options = differences(&before.options, &options(Some(service)));
            if !options.is_empty() {
                tracing::info!(service = %service.id, options, by, "service changed");
            }
        }
        Request::DeleteService { id } => tracing::info!(service = %id, by, "service removed"),
        Request::Flush => {
            for id in &before.services {
                tracing::info!(service = %id, by, "service removed");
            }
        }
        Request::AddServer { id, server } => {
            let options = differences(&server_options(None), &server_options(Some(server)));
            tracing::info!(service = %id, server = %name(server), options, by, "real server added");
        }
        Request::EditServer { id, server } => {
            let options = differences(&before.options, &server_options(Some(server)));
            if !options.is_empty() {
                tracing::info!(service = %id, server = %name(server), options, by, "real server changed");
            }
        }
        Request::DeleteServer { id, address, port } => {
            tracing::info!(service = %id, server = %SocketAddr::new(*address, *port), by, "real server removed");
        }
        Request::OrderServers { id, .. } => tracing::info!(service = %id, by, "real servers put in another order"),
        Request::SetTimeouts { .. } | Request::SetSysctls { .. } => {
            let options = differences(&before.options, &settings(after));
            if !options.is_empty() {
                tracing::info!(options, by, "settings changed");
            }
        }
        Request::Zero { .. }
        | Request::List { .. }
        | Request::Connections
        | Request::ConnectionPart { .. }
        | Request::Timeouts
        | Request::Sysctls
        | Request::Status
        | Request::Plan { .. }
        | Request::Apply { .. }
        | Request::Reload
        | Request::Export
        | Request::Generations
        | Request::Rollback { .. }
        | Request::Drain { .. }
        | Request::Undrain { .. }
        | Request::Drains => {}
    }
}

fn name(server: &RealServer) -> SocketAddr {
    SocketAddr::new(server.address, server.port)
}

/// Names and values; without a value there is nothing to compare with.
type Options = Vec<(String, Option<String>)>;

fn options(service: Option<&Service>) -> Options {
    let option = |name: &str, value: Option<String>| (name.to_owned(), value);
    vec![
        option("scheduler", service.map(|service| service.scheduler.to_string())),
        option("flags", service.map(|service| service.scheduler_flags.names(service.scheduler).to_string())),
        option(
            "persistent",
            service.map(|service| service.persistence.map(|it| it.timeout.to_string()).unwrap_or_default()),
        ),
        option("netmask", service.map(netmask)),
        option("one_packet", service.map(|service| service.one_packet.to_string())),
    ]
}

/// Nothing for the whole address.
fn netmask(service: &Service) -> String {
    match service.netmask {
        mask if mask == Netmask::host(service.id.family()) => String::new(),
        Netmask::V4(mask) => mask.to_string(),
        Netmask::V6(bits) => bits.to_string(),
    }
}

fn server_options(server: Option<&RealServer>) -> Options {
    let option = |name: &str, value: fn(&RealServer) -> u32| (name.to_owned(), server.map(|it| value(it).to_string()));
    vec![
        option("weight", |server| server.weight),
        option("upper_threshold", |server| server.upper_threshold),
        option("lower_threshold", |server| server.lower_threshold),
    ]
}

fn settings(model: &Model) -> Options {
    let timeouts = model.timeouts();
    let timeouts = [("tcp", timeouts.tcp), ("tcpfin", timeouts.tcpfin), ("udp", timeouts.udp)];
    let timeouts = timeouts.into_iter().map(|(name, value)| (name.to_owned(), Some(value.to_string())));
    let value = |sysctl: &sysctls::Sysctl| (sysctl.to_string(), Some(sysctl.get(model.sysctls()).to_string()));
    timeouts.chain(sysctls::ALL.iter().map(value)).collect()
}

/// `weight 1 -> 3, ...`; where there is nothing to compare with `weight 3, ...`, but for what says nothing.
fn differences(before: &Options, after: &Options) -> String {
    let mut words = Vec::new();
    for ((name, old), (_, new)) in before.iter().zip(after) {
        let new = new.as_deref().unwrap_or_default();
        match old.as_deref() {
            Some(old) if old == new => {}
            Some(old) => words.push(format!("{name} {} -> {}", or_none(old), or_none(new))),
            None if ["", "0", "false"].contains(&new) && name != "weight" => {}
            None => words.push(format!("{name} {new}")),
        }
    }
    words.join(", ")
}

fn or_none(value: &str) -> &str {
    if value.is_empty() { "none" } else { value }
}

#[cfg(test)]
mod tests {
    use crate::model::ForwardingMethod;

    use super::*;

    #[test]
    fn a_change_says_what_differs() {
        let server = |weight, upper_threshold| RealServer {
            address: [192, 0, 2, 10].into(),
            port: 80,
            weight,
            method: ForwardingMethod::Gate,
            upper_threshold,
            lower_threshold: 0,
        };
        let of = |old: Option<RealServer>, new: RealServer| {
            differences(&server_options(old.as_ref()), &server_options(Some(&new)))
        };
        assert_eq!(of(None, server(0, 0)), "weight 0");
        assert_eq!(of(None, server(3, 9)), "weight 3, upper_threshold 9");
        assert_eq!(of(Some(server(3, 0)), server(0, 5)), "weight 3 -> 0, upper_threshold 0 -> 5");
        assert_eq!(of(Some(server(3, 0)), server(3, 0)), "");
        assert_eq!(differences(&settings(&Model::default()), &settings(&Model::default())), "");
    }
}
