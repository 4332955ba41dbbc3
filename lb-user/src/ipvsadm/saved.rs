//! Saved rules as data, for `lvx import`: what LVX would refuse from an operator becomes what comes closest to it here,
//! and a doubt.

use std::cell::RefCell;
use std::net::{IpAddr, Ipv4Addr};

use super::command::{Command, required_id, understand};
use super::failure::Failure;
use super::grammar::{Entry, Typed, parse};
use super::names::{Names, Transport};
use super::options::{Kind, Method, Verb};
use super::restore;
use super::service_words::{DEFAULT_SCHEDULER, Target};
use crate::api::Request;
use crate::model::{ForwardingMethod, RealServer, SchedulerKind, ServiceId};

/// A line that was understood.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Saved {
    /// The change that it asks for.
    pub(crate) request: Request,
    /// What LVX does otherwise.
    pub(crate) doubts: Vec<String>,
}

/// Why a line was not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Unread {
    /// `ipvsadm` knows it, LVX has nothing like it.
    NotHere(String),
    /// `ipvsadm` does not know it either.
    Malformed(String),
}

/// Reads a line; none is an empty one.
pub(crate) fn read_saved(line: &str, names: &dyn Names) -> Result<Option<Saved>, Unread> {
    let words = restore::words(line);
    if words.is_empty() {
        return Ok(None);
    }
    let recorder = Recorder { names, missed: RefCell::default() };
    let typed = parse(&words, &recorder).map_err(|failure| match recorder.missed.into_inner().pop() {
        Some(name) => Unread::NotHere(format!("the name {name} is unknown here; save with -n on the old director")),
        None => malformed(&failure),
    })?;
    match typed {
        Typed::Help | Typed::Version => Err(Unread::NotHere("it changes nothing".to_owned())),
        Typed::Entry(entry) => change(*entry).map(Some),
    }
}

fn change(mut entry: Entry) -> Result<Saved, Unread> {
    let mut doubts = Vec::new();
    if let Some(Target::Address { transport: Transport::Sctp, .. }) = entry.service.target {
        return Err(Unread::NotHere("LVX balances TCP and UDP only".to_owned()));
    }
    if matches!(entry.verb, Verb::AddServer | Verb::EditServer) {
        doubts.extend(other_port(&entry));
        if let Some(saved) = other_method(&entry, &mut doubts)? {
            return Ok(saved);
        }
    }
    if !entry.service.engine.is_empty() {
        doubts.push(format!("persistence engine {}: LVX has none, persistence is by address", entry.service.engine));
        entry.service.engine.clear();
    }
    if entry.service.scheduler_name().parse::<SchedulerKind>().is_err() {
        doubts.push(format!("scheduler {}: LVX does not know it, wlc instead", entry.service.scheduler_name()));
        entry.service.scheduler(DEFAULT_SCHEDULER);
    }
    match understand(entry) {
        Ok(Command::Change(request)) => Ok(Saved { request, doubts }),
        Ok(_question) => Err(Unread::NotHere("it changes nothing".to_owned())),
        Err(failure @ Failure::Refused(_)) => Err(Unread::NotHere(said(&failure))),
        Err(failure) => Err(malformed(&failure)),
    }
}

/// A server that IPVS would reach by masquerading or a tunnel, as one by direct routing.
fn other_method(entry: &Entry, doubts: &mut Vec<String>) -> Result<Option<Saved>, Unread> {
    let (option, what) = match entry.server.method {
        Method::Gate => return Ok(None),
        Method::Masq => ("-m", "masquerading"),
        Method::Ipip => ("-i", "a tunnel"),
    };
    let id = required_id(entry).map_err(|failure| malformed(&failure))?;
    let Some(address) = entry.server.address else {
        return Err(Unread::Malformed("it names no real server".to_owned()));
    };
    if id.family() != address.into() {
        return Err(Unread::NotHere("a server of another family than its service can only be tunnelled to".to_owned()));
    }
    doubts.push(format!(
        "{option}: {what} becomes direct routing: the server must be in the director's LAN, have the VIP on lo, \
         and answer clients by itself"
    ));
    let server = RealServer {
        address,
        port: if let ServiceId::Address { port, .. } = id { port } else { entry.server.port },
        weight: entry.server.weight,
        method: ForwardingMethod::Gate,
        upper_threshold: entry.server.upper_threshold,
        lower_threshold: entry.server.lower_threshold,
    };
    let adds = entry.verb == Verb::AddServer;
    let request = if adds { Request::AddServer { id, server } } else { Request::EditServer { id, server } };
    Ok(Some(Saved { request, doubts: std::mem::take(doubts) }))
}

/// A server's port that is not its service's; direct routing keeps that, and IPVS does not ask.
fn other_port(entry: &Entry) -> Option<String> {
    let Some(Target::Address { port, .. }) = entry.service.target else { return None };
    let differs = entry.given.has(Kind::Server) && entry.server.port != port;
    differs.then(|| {
        let servers = entry.server.port;
        format!("port {servers} of the server: direct routing keeps the service's, {port}, where it must listen")
    })
}

fn malformed(failure: &Failure) -> Unread {
    Unread::Malformed(said(failure))
}

fn said(failure: &Failure) -> String {
    failure.text("ipvsadm").trim().to_owned()
}

/// Names, and those that nobody knew.
struct Recorder<'a> {
    names: &'a dyn Names,
    missed: RefCell<Vec<String>>,
}

impl Recorder<'_> {
    fn noted<T>(&self, name: &str, found: Option<T>) -> Option<T> {
        if found.is_none() && name.contains(|letter: char| letter.is_ascii_alphabetic()) {
            self.missed.borrow_mut().push(name.to_owned());
        }
        found
    }
}

impl Names for Recorder<'_> {
    fn address(&self, host: &str) -> Option<Ipv4Addr> {
        self.noted(host, self.names.address(host))
    }

    fn host(&self, address: IpAddr) -> Option<String> {
        self.names.host(address)
    }

    fn port(&self, service: &str, transport: Transport) -> Option<u16> {
        self.noted(service, self.names.port(service, transport))
    }

    fn service(&self, port: u16, transport: Transport) -> Option<String> {
        self.names.service(port, transport)
    }
}
