//! virtual_server: one service, or one for each line of its group.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::Around;
use super::group::{Group, Target, targets};
use super::notify::Scripts;
use super::real_server;
use super::timing::{Timing, remark_unused};
use super::tree::Directive;
use super::values::{address_and_port, flag, netmask, number};
use crate::import::draft::{Draft, Entry, Service};
use crate::import::note::Notes;
use crate::model::{Family, Netmask, Persistence, Protocol, SchedulerFlags, SchedulerKind, ServiceId};

/// Reads one with all its real servers.
pub(super) fn read(
    directive: &Directive,
    groups: &mut BTreeMap<String, Group>,
    script_user: Option<&str>,
    draft: &mut Draft,
) {
    let found = match directive.values()[..] {
        ["group", name] => match groups.get_mut(name) {
            Some(group) => {
                group.used = true;
                Ok(group.targets.clone())
            }
            None => Err(format!("there is no virtual_server_group {name}")),
        },
        ref words => targets(words),
    };
    match found {
        Ok(targets) => {
            for target in targets {
                let mut reader = Reader::new(directive, target, script_user);
                directive.inner().iter().for_each(|inner| reader.take(inner));
                reader.finish(draft);
            }
        }
        Err(why) => draft.notes.error(&directive.place, format!("{}: {why}", directive.shown())),
    }
}

/// What was said of a virtual_server.
struct Reader<'a> {
    directive: &'a Directive,
    target: Target,
    script_user: Option<&'a str>,
    notes: Notes,
    protocol: Option<Word<'a>>,
    has_method: bool,
    scheduler: SchedulerKind,
    flags: Vec<Word<'a>>,
    persistent: Option<u32>,
    granularity: Option<Word<'a>>,
    one_packet: Option<&'a Directive>,
    family: Option<Family>,
    policy: Vec<Entry>,
    sorry_server: Option<&'a Directive>,
    weight: u32,
    timing: Timing,
    virtual_host: Option<&'a str>,
    real_servers: Vec<&'a Directive>,
    scripts: Scripts,
}

/// A word, and the directive that it is in.
type Word<'a> = (&'a str, &'a Directive);

impl<'a> Reader<'a> {
    fn new(directive: &'a Directive, target: Target, script_user: Option<&'a str>) -> Self {
        Self {
            directive,
            target,
            script_user,
            notes: Notes::default(),
            protocol: None,
            has_method: false,
            scheduler: SchedulerKind::Wlc,
            flags: Vec::new(),
            persistent: None,
            granularity: None,
            one_packet: None,
            family: None,
            policy: Vec::new(),
            sorry_server: None,
            weight: 1,
            timing: Timing::default(),
            virtual_host: None,
            real_servers: Vec::new(),
            scripts: Scripts::default(),
        }
    }

    fn take(&mut self, inner: &'a Directive) {
        let notes = &mut self.notes;
        if self.timing.takes(inner, notes) {
            return;
        }
        match inner.keyword() {
            "real_server" => self.real_servers.push(inner),
            "lvs_sched" | "lb_algo" => self.scheduler(inner),
            "lvs_method" | "lb_kind" => {
                self.has_method = true;
                warn_unless_dr(inner, notes);
            }
            word @ ("flag-1" | "flag-2" | "flag-3" | "sh-port" | "sh-fallback" | "mh-port" | "mh-fallback") => {
                self.flags.push((word, inner));
            }
            "ops" => self.one_packet = Some(inner),
            "protocol" => self.protocol = Some((inner.value(0), inner)),
            "persistence_timeout" => {
                let default = Some(Persistence::DEFAULT_TIMEOUT);
                self.persistent = if inner.value(0).is_empty() { default } else { number(inner, notes) };
            }
            "persistence_granularity" => self.granularity = Some((inner.value(0), inner)),
            "ip_family" => self.family(inner),
            "weight" => self.weight = number(inner, notes).unwrap_or(1),
            "virtualhost" => self.virtual_host = Some(inner.value(0)),
            "sorry_server" => self.sorry_server = Some(inner),
            "quorum_up" | "quorum_down" => self.scripts.quorum(inner, notes),
            "alpha" => self.policy.extend(flag(inner, notes).map(|alpha| ("alpha", alpha.into()))),
            "quorum" => self.policy.extend(number(inner, notes).map(|quorum| ("quorum", quorum.max(1).into()))),
            "hysteresis" => self.policy.extend(number(inner, notes).map(|value| ("hysteresis", value.into()))),
            "inhibit_on_failure" => self.policy.extend(flag(inner, notes).map(on_failure)),
            other => notes.warn(&inner.place, format!("{}: {}", inner.shown(), why_not(other))),
        }
    }

    fn scheduler(&mut self, inner: &Directive) {
        match inner.value(0).parse() {
            Ok(scheduler) => self.scheduler = scheduler,
            Err(()) => self.notes.warn(&inner.place, format!("{}: LVX does not know it, wlc instead", inner.shown())),
        }
    }

    fn family(&mut self, inner: &Directive) {
        match inner.value(0) {
            "inet" => self.family = Some(Family::Inet),
            "inet6" => self.family = Some(Family::Inet6),
            other => self.notes.error(&inner.place, format!("{}: `{other}` is not a family", inner.shown())),
        }
    }

    fn finish(mut self, draft: &mut Draft) {
        if !self.has_method {
            let text = format!("{}: no lvs_method, which means NAT; {DIRECT}", self.directive.shown());
            self.notes.warn(&self.directive.place, text);
        }
        let Some(id) = self.id() else { return draft.notes.extend(self.notes) };
        let mut service = Service { scheduler: self.scheduler, ..Service::new(self.directive.place.clone(), id) };
        service.scheduler_flags = self.scheduler_flags();
        service.persistent = self.persistence(id);
        service.netmask = self.netmask(id);
        service.one_packet = self.one_packet(id);
        service.policy = std::mem::take(&mut self.policy);
        service.policy.extend(self.sorry(id));
        let around = Around {
            id,
            timing: self.timing,
            virtual_host: self.virtual_host,
            weight: self.weight,
            script_user: self.script_user,
            alpha: service.policy.contains(&("alpha", true.into())),
        };
        for real_server in &self.real_servers {
            service.servers.extend(real_server::read(real_server, &around, &mut self.scripts, &mut self.notes));
        }
        if service.servers.iter().all(|server| server.checks.is_empty()) {
            remark_unused(self.directive.inner(), &mut self.notes);
        }
        service.notify = self.scripts.write();
        service.notes = self.notes;
        draft.add(service);
    }

    /// The service; none is one that LVX does not have.
    fn id(&mut self) -> Option<ServiceId> {
        match self.target {
            Target::Mark(mark, family) => {
                if let Some((word, directive)) = self.protocol {
                    let text = format!("protocol {word}: means nothing with a firewall mark");
                    self.notes.remark(&directive.place, text);
                }
                let family = family.or(self.family).or_else(|| {
                    let first = self.real_servers.first()?;
                    first.value(0).parse::<IpAddr>().ok().map(Family::from)
                });
                Some(ServiceId::Mark { mark, family: family.unwrap_or(Family::Inet) })
            }
            Target::Address(vip, port) => {
                let protocol = self.protocol()?;
                Some(ServiceId::Address { protocol, vip, port: port.unwrap_or(0) })
            }
        }
    }

    fn protocol(&mut self) -> Option<Protocol> {
        let Some((word, directive)) = self.protocol else {
            let text = format!("{}: no protocol, which means UDP", self.directive.shown());
            self.notes.warn(&self.directive.place, text);
            return Some(Protocol::Udp);
        };
        match word.to_ascii_uppercase().as_str() {
            "TCP" => Some(Protocol::Tcp),
            "UDP" => Some(Protocol::Udp),
            _other => {
                let text = format!("protocol {word}: LVX balances TCP and UDP only; left out");
                self.notes.warn(&directive.place, text.clone());
                self.notes.warn(&self.directive.place, format!("{}: {text}", self.directive.shown()));
                None
            }
        }
    }

    fn scheduler_flags(&mut self) -> SchedulerFlags {
        let mut flags = SchedulerFlags::default();
        for (word, directive) in &self.flags {
            // ipvsadm has names of their own for the flags of sh and mh, and so has the config.
            let owner = word.split_once('-').map(|(owner, _)| owner);
            match SchedulerFlags::named(self.scheduler, word) {
                Some(flag) if owner == Some("flag") || owner == Some(self.scheduler.name()) => flags = flags.and(flag),
                Some(_) | None => {
                    self.notes.warn(&directive.place, format!("{word}: means nothing to {}", self.scheduler));
                }
            }
        }
        flags
    }

    fn persistence(&mut self, id: ServiceId) -> Option<u32> {
        let forced = matches!(id, ServiceId::Address { port: 0, .. }) && self.persistent.is_none();
        if forced {
            let text = format!("{}: no port, which makes it persistent: 360 s", self.directive.shown());
            self.notes.warn(&self.directive.place, text);
        }
        self.persistent.or(forced.then_some(Persistence::DEFAULT_TIMEOUT))
    }

    fn netmask(&mut self, id: ServiceId) -> Option<Netmask> {
        let (word, directive) = self.granularity?;
        let mask = match id.family() {
            Family::Inet => netmask(word).map(Netmask::V4),
            Family::Inet6 => word.parse().ok().filter(|bits| (1..=128).contains(bits)).map(Netmask::V6),
        };
        if mask.is_none() {
            self.notes.error(&directive.place, format!("{}: `{word}` is not a netmask", directive.shown()));
        }
        mask
    }

    fn one_packet(&mut self, id: ServiceId) -> bool {
        let Some(directive) = self.one_packet else { return false };
        let is_tcp = matches!(id, ServiceId::Address { protocol: Protocol::Tcp, .. });
        if is_tcp {
            self.notes.warn(&directive.place, "ops: is for UDP; left out");
        }
        !is_tcp
    }

    fn sorry(&mut self, id: ServiceId) -> Option<Entry> {
        let directive = self.sorry_server?;
        let (address, port) = address_and_port(directive, 0, &mut self.notes)?;
        let Some(doubts) = real_server::doubts(directive, id, address, port) else {
            let text = format!("{}: {}; left out", directive.shown(), real_server::LEFT_OUT);
            self.notes.warn(&directive.place, text);
            return None;
        };
        self.notes.extend(doubts);
        let table = toml::Table::from_iter([("address".to_owned(), address.to_string().into())]);
        Some(("sorry_server", table.into()))
    }
}

/// What a failure does.
pub(super) fn on_failure(inhibit: bool) -> Entry {
    ("on_failure", if inhibit { "inhibit" } else { "remove" }.into())
}

const DIRECT: &str = "LVX forwards by direct routing only: the real servers need the VIP on lo, and answer clients \
                      without the director";

/// What to change where keepalived would not forward by direct routing.
pub(super) fn warn_unless_dr(directive: &Directive, notes: &mut Notes) {
    if directive.value(0) == "DR" && directive.value(1).is_empty() {
        notes.remark(&directive.place, format!("{}: as LVX always does", directive.shown()));
    } else {
        notes.warn(&directive.place, format!("{}: {DIRECT}", directive.shown()));
    }
}

fn why_not(keyword: &str) -> &'static str {
    match keyword {
        "omega" => "LVX runs nothing when it stops",
        "ha_suspend" => "LVX checks whether the VIP is on this machine or not",
        "smtp_alert" => "LVX sends no mail; a command or a webhook of [notify] can",
        "snmp_name" => "LVX has no SNMP; it has metrics",
        "persistence_engine" => "LVX has none, persistence is by address",
        "sorry_server_inhibit" => "a sorry server is not checked",
        "sorry_server_lvs_method" => DIRECT,
        "hashed" => "write lvs_sched sh or mh",
        _unknown => "unknown in a virtual_server; left out",
    }
}
