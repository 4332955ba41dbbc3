//! What a command line means: the last checks of `ipvsadm.c: process_options`, then a request or a question.

use super::failure::Failure;
use super::grammar::Entry;
use super::legality::{check_command, check_tunnel, missing};
use super::listing::{Format, View};
use super::names::Transport;
use super::options::{Kind, Method, Verb};
use super::service_words::Target;
use crate::api::Request;
use crate::model::{ForwardingMethod, Protocol, RealServer, SchedulerFlags, SchedulerKind, Service, ServiceId};

/// Persistence engines of IPVS.
const IPVS_ENGINES: [&str; 1] = ["sip"];

/// What is to be done.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Command {
    /// A change.
    Change(Request),
    /// A service that cannot be had because of its scheduler or engine. Whether that, or the service's existence,
    /// is what is wrong, depends on the table, as in IPVS.
    Unschedulable {
        /// The service.
        id: ServiceId,
        /// Whether it was to be added, rather than edited.
        adds: bool,
        /// What is wrong with it otherwise.
        failure: Failure,
    },
    /// `-L`
    List {
        /// One service, or all.
        id: Option<ServiceId>,
        /// How.
        format: Format,
    },
    /// `-L -c`
    Connections(Format),
    /// `-L --timeout`
    Timeouts,
    /// `-L --daemon`: there is none.
    Daemon,
    /// `-S`
    Save {
        /// `-n`
        numeric: bool,
    },
    /// `-R`
    Restore,
}

/// Understands what was typed.
pub(super) fn understand(entry: Entry) -> Result<Command, Failure> {
    check_command(entry.verb, entry.given)?;
    match entry.verb {
        Verb::AddService | Verb::EditService => service(&entry),
        Verb::AddServer | Verb::EditServer => server(&entry),
        Verb::DeleteService => Ok(Command::Change(Request::DeleteService { id: required_id(&entry)? })),
        Verb::DeleteServer => {
            let address = entry.server.address.ok_or_else(|| missing(Kind::Server, entry.verb))?;
            let id = required_id(&entry)?;
            Ok(Command::Change(Request::DeleteServer { id, address, port: entry.server.port }))
        }
        Verb::Flush => Ok(Command::Change(Request::Flush)),
        Verb::Zero => Ok(Command::Change(Request::Zero { id: id(&entry)? })),
        Verb::Set => Ok(Command::Change(Request::SetTimeouts { timeouts: entry.timeouts })),
        Verb::StartDaemon | Verb::StopDaemon => Err(Failure::unlike_ipvs("has no connection sync daemon")),
        Verb::List => list(&entry),
        Verb::Save => Ok(Command::Save { numeric: entry.given.has(Kind::Numeric) }),
        Verb::Restore => Ok(Command::Restore),
    }
}

fn id(entry: &Entry) -> Result<Option<ServiceId>, Failure> {
    let Some(target) = entry.service.target else { return Ok(None) };
    let (protocol, vip, port) = match target {
        Target::Mark { mark, family } => return Ok(Some(ServiceId::Mark { mark, family })),
        Target::Address { transport: Transport::Sctp, .. } => {
            return Err(Failure::unlike_ipvs("balances TCP and UDP only"));
        }
        Target::Address { transport: Transport::Tcp, vip, port } => (Protocol::Tcp, vip, port),
        Target::Address { transport: Transport::Udp, vip, port } => (Protocol::Udp, vip, port),
    };
    Ok(Some(ServiceId::Address { protocol, vip, port }))
}

/// The service that is named.
pub(super) fn required_id(entry: &Entry) -> Result<ServiceId, Failure> {
    id(entry)?.ok_or_else(|| missing(Kind::Service, entry.verb))
}

fn service(entry: &Entry) -> Result<Command, Failure> {
    let words = &entry.service;
    if let Some(Target::Address { transport, port, .. }) = words.target {
        if port == 0 && words.persistence.is_none() {
            return Err(Failure::Usage("Zero port specified for non-persistent service".to_owned()));
        }
        if words.one_packet && transport != Transport::Udp {
            return Err(Failure::Usage("One-Packet Scheduling is only for UDP virtual services".to_owned()));
        }
    }
    let id = required_id(entry)?;
    let adds = entry.verb == Verb::AddService;
    let scheduler = match scheduler(entry) {
        Ok(scheduler) => scheduler,
        Err(failure) => return Ok(Command::Unschedulable { id, adds, failure }),
    };
    let service = Service {
        id,
        scheduler,
        persistence: words.persistence,
        netmask: words.netmask,
        one_packet: words.one_packet,
        scheduler_flags: words
            .flag_names()
            .filter_map(|name| SchedulerFlags::named(scheduler, name))
            .fold(SchedulerFlags::default(), SchedulerFlags::and),
        servers: Vec::new(),
    };
    Ok(Command::Change(if adds { Request::AddService { service } } else { Request::EditService { service } }))
}

/// The scheduler, if LVX has it with all that was asked for (as `ip_vs_add_service`: scheduler first, then engine).
fn scheduler(entry: &Entry) -> Result<SchedulerKind, Failure> {
    let words = &entry.service;
    let not_found = || Failure::Refused("Scheduler or persistence engine not found".to_owned());
    let scheduler = words.scheduler_name().parse::<SchedulerKind>().map_err(|()| not_found())?;
    let engine = words.engine.as_str();
    if IPVS_ENGINES.contains(&engine) {
        return Err(Failure::unlike_ipvs("has no persistence engines"));
    } else if !engine.is_empty() {
        return Err(not_found());
    }
    Ok(scheduler)
}

fn server(entry: &Entry) -> Result<Command, Failure> {
    let words = &entry.server;
    let address = words.address.ok_or_else(|| missing(Kind::Server, entry.verb))?;
    if entry.family() != Some(address.into()) && words.method != Method::Ipip {
        let text = "Different address family is allowed only for tunneling servers";
        return Err(Failure::Usage(text.to_owned()));
    }
    let tunnel_options = [Kind::TunType, Kind::TunPort, Kind::TunNocsum, Kind::TunCsum, Kind::TunRemcsum];
    if entry.given.has_any(&tunnel_options) && words.method != Method::Ipip {
        return Err(Failure::Usage("Tunnel options conflict with forward method".to_owned()));
    }
    check_tunnel(words.tunnel, entry.given)?;
    let id = required_id(entry)?;
    let method = match words.method {
        Method::Gate => ForwardingMethod::Gate,
        Method::Ipip | Method::Masq => return Err(Failure::unlike_ipvs("forwards by direct routing only (-g)")),
    };
    // Direct routing cannot change a port; a mark has none to force upon its servers.
    let port = match id {
        ServiceId::Address { port, .. } => port,
        ServiceId::Mark { .. } => words.port,
    };
    let server = RealServer {
        address,
        port,
        weight: words.weight,
        method,
        upper_threshold: words.upper_threshold,
        lower_threshold: words.lower_threshold,
    };
    Ok(Command::Change(if entry.verb == Verb::AddServer {
        Request::AddServer { id, server }
    } else {
        Request::EditServer { id, server }
    }))
}

fn list(entry: &Entry) -> Result<Command, Failure> {
    let given = entry.given;
    let views = [Kind::Stats, Kind::Rate, Kind::Thresholds];
    if given.has_any(&[Kind::Connection, Kind::Timeout, Kind::Daemon]) && given.has_any(&views)
        || given.has_any(&[Kind::Timeout, Kind::Daemon]) && given.has(Kind::PersistentConn)
    {
        return Err(Failure::Usage("options conflicts in the list command".to_owned()));
    }
    let format = Format {
        view: View::of(given),
        numeric: given.has(Kind::Numeric),
        sorted: !given.has(Kind::NoSort),
        exact: given.has(Kind::Exact),
    };
    Ok(if given.has(Kind::Connection) {
        Command::Connections(format)
    } else if given.has(Kind::Timeout) {
        Command::Timeouts
    } else if given.has(Kind::Daemon) {
        Command::Daemon
    } else {
        Command::List { id: id(entry)?, format }
    })
}
