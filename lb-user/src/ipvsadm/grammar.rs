//! From the words of a command line to what was typed (`ipvsadm.c: parse_options`). What it means is `command`'s.

use std::net::IpAddr;

use super::daemon;
use super::failure::Failure;
use super::legality::{Given, TunnelType};
use super::names::Names;
use super::number;
use super::options::{Action, Kind, Method, Verb};
use super::popt::{Found, Scanner};
use super::service_words::{ServiceWords, Target, timeout};
use crate::model::{Family, Timeouts};

/// What a command line asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Typed {
    /// `-h`
    Help,
    /// `-v`
    Version,
    /// Anything else.
    Entry(Box<Entry>),
}

/// A command and its options, read but not yet understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    /// The command.
    pub(super) verb: Verb,
    /// Which options were given.
    pub(super) given: Given,
    /// What was said of the service.
    pub(super) service: ServiceWords,
    /// What was said of the real server.
    pub(super) server: ServerWords,
    /// The values of `--set`.
    pub(super) timeouts: Timeouts,
}

/// What was said of a real server; what was not said is as `ipvsadm` presets it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ServerWords {
    /// Its address, once `-r` was read.
    pub(super) address: Option<IpAddr>,
    /// Its port.
    pub(super) port: u16,
    /// Its forwarding method.
    pub(super) method: Method,
    /// Its weight.
    pub(super) weight: u32,
    /// Its upper threshold.
    pub(super) upper_threshold: u32,
    /// Its lower threshold.
    pub(super) lower_threshold: u32,
    /// Its tunnel.
    pub(super) tunnel: TunnelType,
}

/// Reads a command line.
pub(super) fn parse(words: &[String], names: &dyn Names) -> Result<Typed, Failure> {
    let mut scanner = Scanner::new(words);
    let Ok(Some(first)) = scanner.next() else { return Err(Failure::TryHelp) };
    let verb = match first.action {
        Action::Verb(verb) => verb,
        Action::Help => return Ok(Typed::Help),
        Action::Version => return Ok(Typed::Version),
        Action::Service(_) | Action::Mark | Action::Ipv6 | Action::Sort | Action::Forward(_) | Action::Is(_) => {
            return Err(Failure::TryHelp);
        }
    };
    daemon::check_state(verb, first.value)?;
    let mut entry = Entry::new(verb);
    loop {
        match scanner.next() {
            Ok(Some(found)) => entry.take(found, scanner.last_word(), names)?,
            Ok(None) => break,
            Err(stumble) => return Err(Failure::Refused(format!("{}: {stumble}", scanner.last_word()))),
        }
    }
    let arguments = scanner.into_arguments();
    entry.take_arguments(&arguments)?;
    entry.service.check_flags()?;
    Ok(Typed::Entry(Box::new(entry)))
}

impl Entry {
    fn new(verb: Verb) -> Self {
        Self {
            verb,
            given: Given::default(),
            service: ServiceWords::default(),
            server: ServerWords {
                address: None,
                port: 0,
                method: Method::Gate,
                weight: 1,
                upper_threshold: 0,
                lower_threshold: 0,
                tunnel: TunnelType::default(),
            },
            timeouts: Timeouts { tcp: 0, tcpfin: 0, udp: 0 },
        }
    }

    fn take(&mut self, found: Found<'_>, word: &str, names: &dyn Names) -> Result<(), Failure> {
        let value = found.value.unwrap_or_default();
        match found.action {
            Action::Verb(_) | Action::Help | Action::Version => {
                return Err(Failure::Usage(format!("invalid option `{word}'")));
            }
            Action::Sort => {}
            Action::Ipv6 => self.service.ipv6()?,
            Action::Service(transport) => {
                self.given.once(Kind::Service)?;
                self.service.address(value, transport, names)?;
            }
            Action::Mark => {
                self.given.once(Kind::Service)?;
                self.service.mark(value)?;
            }
            Action::Forward(method) => {
                self.given.once(Kind::Forward)?;
                self.server.method = method;
            }
            Action::Is(kind) => {
                self.given.once(kind)?;
                self.take_kind(kind, found.value, names)?;
            }
        }
        Ok(())
    }

    fn take_kind(&mut self, kind: Kind, optional: Option<&str>, names: &dyn Names) -> Result<(), Failure> {
        let value = optional.unwrap_or_default();
        match kind {
            Kind::Scheduler => self.service.scheduler(value),
            Kind::Persistent => self.service.persistent(optional)?,
            Kind::Netmask => self.service.netmask(value, names)?,
            Kind::OnePacket => self.service.one_packet = true,
            Kind::Engine => self.service.engine = value.to_owned(),
            Kind::SchedFlags => self.service.flags(value),
            Kind::Server => self.take_server(value, names)?,
            Kind::Weight => self.server.weight = threshold(value, "weight")?,
            Kind::UpperThreshold => self.server.upper_threshold = threshold(value, "u_threshold")?,
            Kind::LowerThreshold => self.server.lower_threshold = threshold(value, "l_threshold")?,
            Kind::TunType => self.server.tunnel = tunnel_type(value)?,
            Kind::TunPort => {
                number::between(value, 1, u16::MAX.into()).ok_or_else(|| illegal("tunnel port"))?;
            }
            Kind::SyncId => daemon::check_sync_id(value)?,
            Kind::SyncMaxlen => daemon::check_sync_maxlen(value)?,
            Kind::McastGroup => daemon::check_mcast_group(value)?,
            Kind::McastPort => daemon::check_mcast_port(value)?,
            Kind::McastTtl => daemon::check_mcast_ttl(value)?,
            Kind::Service
            | Kind::Forward
            | Kind::Numeric
            | Kind::Connection
            | Kind::Timeout
            | Kind::Daemon
            | Kind::Stats
            | Kind::Rate
            | Kind::Thresholds
            | Kind::PersistentConn
            | Kind::NoSort
            | Kind::Exact
            | Kind::TunInfo
            | Kind::TunNocsum
            | Kind::TunCsum
            | Kind::TunRemcsum
            | Kind::McastInterface => {}
        }
        Ok(())
    }

    /// `-r`: the service's port and protocol count only if its option came before.
    fn take_server(&mut self, value: &str, names: &dyn Names) -> Result<(), Failure> {
        let target = self.service.target;
        let endpoint = super::address::endpoint(value, target.and_then(|target| target.transport()), names)
            .ok_or_else(|| illegal("real server address[:port]"))?;
        self.server.address = Some(endpoint.address);
        self.server.port = endpoint.port.unwrap_or_else(|| target.map_or(0, |target| target.port()));
        Ok(())
    }

    fn take_arguments(&mut self, arguments: &[&str]) -> Result<(), Failure> {
        let rest = if self.verb == Verb::Set {
            let [tcp, tcpfin, udp, rest @ ..] = arguments else {
                return Err(Failure::Usage("--set option requires 3 timeout values".to_owned()));
            };
            self.timeouts = Timeouts { tcp: timeout(tcp, 0)?, tcpfin: timeout(tcpfin, 0)?, udp: timeout(udp, 0)? };
            rest
        } else {
            arguments
        };
        match rest.first() {
            Some(argument) => Err(Failure::Usage(format!("unexpected argument {argument}"))),
            None => Ok(()),
        }
    }

    /// The family of the service, once it was named.
    pub(super) fn family(&self) -> Option<Family> {
        self.service.target.map(Target::family)
    }
}

/// That a value is illegal.
pub(super) fn illegal(what: &str) -> Failure {
    Failure::Usage(format!("illegal {what} specified"))
}

/// A weight or a threshold; Debian lets weights be as large as thresholds.
fn threshold(value: &str, what: &str) -> Result<u32, Failure> {
    number::between(value, 0, i32::MAX.unsigned_abs()).ok_or_else(|| illegal(what))
}

fn tunnel_type(value: &str) -> Result<TunnelType, Failure> {
    let known = TunnelType::ALL.into_iter().find(|(_, name)| *name == value);
    known.map(|(tunnel, _)| tunnel).ok_or_else(|| illegal("tunnel type"))
}
