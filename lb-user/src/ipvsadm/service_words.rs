//! What is typed of a virtual service: `-t -u -f -6 -s -p -M -o --pe -b`.

use std::net::IpAddr;

use super::address::{endpoint, inet_aton};
use super::failure::Failure;
use super::grammar::illegal;
use super::names::{Names, Transport, cut};
use super::number;
use crate::model::{Family, Netmask, Persistence};

/// Letters of a scheduler's name that IPVS looks at (IP_VS_SCHEDNAME_MAXLEN - 1).
const SCHEDULER_LENGTH: usize = 15;
/// Letters of `-b` that `ipvsadm` looks at.
const FLAGS_LENGTH: usize = 127;
/// The scheduler of a service for which none was named.
pub(super) const DEFAULT_SCHEDULER: &str = "wlc";

/// What was said of a service; what was not said is as `ipvsadm` presets it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ServiceWords {
    /// Which service, once it was named.
    pub(super) target: Option<Target>,
    /// The scheduler's name, empty if none was given.
    scheduler: String,
    /// Persistence, or none.
    pub(super) persistence: Option<Persistence>,
    /// The persistence netmask.
    pub(super) netmask: Netmask,
    /// One-packet scheduling.
    pub(super) one_packet: bool,
    /// The persistence engine, empty if none was given.
    pub(super) engine: String,
    /// The scheduler's flags as they were given.
    flags: String,
}

/// The service that a command is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// By protocol, address and port.
    Address {
        /// Protocol.
        transport: Transport,
        /// Virtual address.
        vip: IpAddr,
        /// Port.
        port: u16,
    },
    /// By firewall mark.
    Mark {
        /// The mark.
        mark: u32,
        /// Family.
        family: Family,
    },
}

impl Target {
    /// The protocol; marks have none, but `ipvsadm` presets TCP for the ports of their servers.
    pub(super) fn transport(self) -> Option<Transport> {
        match self {
            Self::Address { transport, .. } => Some(transport),
            Self::Mark { .. } => Some(Transport::Tcp),
        }
    }

    /// The port, 0 for marks.
    pub(super) fn port(self) -> u16 {
        match self {
            Self::Address { port, .. } => port,
            Self::Mark { .. } => 0,
        }
    }

    /// The family.
    pub(super) fn family(self) -> Family {
        match self {
            Self::Address { vip, .. } => vip.into(),
            Self::Mark { family, .. } => family,
        }
    }
}

impl Default for ServiceWords {
    fn default() -> Self {
        Self {
            target: None,
            scheduler: String::new(),
            persistence: None,
            netmask: Netmask::host(Family::Inet),
            one_packet: false,
            engine: String::new(),
            flags: String::new(),
        }
    }
}

impl ServiceWords {
    /// `-t`, `-u`, `--sctp-service`
    pub(super) fn address(&mut self, value: &str, transport: Transport, names: &dyn Names) -> Result<(), Failure> {
        let found = endpoint(value, Some(transport), names).ok_or_else(|| illegal("virtual server address[:port]"))?;
        self.target = Some(Target::Address { transport, vip: found.address, port: found.port.unwrap_or(0) });
        // parse_service presets the mask of IPv6, even over a -M that came before.
        if found.address.is_ipv6() {
            self.netmask = Netmask::host(Family::Inet6);
        }
        Ok(())
    }

    /// `-f`
    pub(super) fn mark(&mut self, value: &str) -> Result<(), Failure> {
        let mark = number::whole(value).and_then(|mark| u32::try_from(mark).ok()).filter(|mark| *mark != 0);
        let mark = mark.ok_or_else(|| Failure::Usage(format!("invalid fwmark value `{value}' specified")))?;
        self.target = Some(Target::Mark { mark, family: Family::Inet });
        Ok(())
    }

    /// `-6`
    pub(super) fn ipv6(&mut self) -> Result<(), Failure> {
        let Some(Target::Mark { mark, .. }) = self.target else {
            return Err(Failure::Usage("-6 used before -f\n".to_owned()));
        };
        self.target = Some(Target::Mark { mark, family: Family::Inet6 });
        self.netmask = Netmask::host(Family::Inet6);
        Ok(())
    }

    /// `-s`
    pub(super) fn scheduler(&mut self, value: &str) {
        self.scheduler = cut(value, SCHEDULER_LENGTH);
    }

    /// The name of the scheduler.
    pub(super) fn scheduler_name(&self) -> &str {
        if self.scheduler.is_empty() { DEFAULT_SCHEDULER } else { &self.scheduler }
    }

    /// `-p`
    pub(super) fn persistent(&mut self, value: Option<&str>) -> Result<(), Failure> {
        let timeout = match value {
            Some(value) => timeout(value, 1)?,
            None => Persistence::DEFAULT_TIMEOUT,
        };
        self.persistence = Some(Persistence { timeout });
        Ok(())
    }

    /// `-M`: a mask for IPv4, a length once the service is known to be of IPv6.
    pub(super) fn netmask(&mut self, value: &str, names: &dyn Names) -> Result<(), Failure> {
        self.netmask = match self.target.map_or(Family::Inet, Target::family) {
            Family::Inet => {
                let mask = inet_aton(value).or_else(|| names.address(value));
                Netmask::V4(mask.ok_or_else(|| illegal("virtual server persistent mask"))?)
            }
            Family::Inet6 => match u8::try_from(number::leading(value)) {
                Ok(length @ 1..=128) => Netmask::V6(length),
                Ok(_) | Err(_) => return Err(illegal("ipv6 netmask")),
            },
        };
        Ok(())
    }

    /// `-b`
    pub(super) fn flags(&mut self, value: &str) {
        self.flags = cut(value, FLAGS_LENGTH);
    }

    /// The scheduler's flags.
    pub(super) fn flag_names(&self) -> impl Iterator<Item = &str> {
        self.flags.split(',').filter(|flag| !flag.is_empty())
    }

    /// Checks the flags once the scheduler is known (`ipvsadm.c: parse_sched_flags`).
    pub(super) fn check_flags(&self) -> Result<(), Failure> {
        for flag in self.flag_names() {
            let owner = match flag {
                "flag-1" | "flag-2" | "flag-3" => continue,
                "sh-fallback" | "sh-port" => "sh",
                "mh-fallback" | "mh-port" => "mh",
                _ => return Err(Failure::Usage(format!("invalid scheduler flag `{flag}'"))),
            };
            if self.scheduler_name() != owner {
                return Err(Failure::Usage(format!("incompatible scheduler flag `{flag}'")));
            }
        }
        Ok(())
    }
}

/// A timeout in seconds (`ipvsadm.c: parse_timeout`).
pub(super) fn timeout(value: &str, least: u32) -> Result<u32, Failure> {
    number::between(value, least, Persistence::MAX_TIMEOUT)
        .ok_or_else(|| Failure::Usage(format!("invalid timeout value `{value}' specified")))
}
