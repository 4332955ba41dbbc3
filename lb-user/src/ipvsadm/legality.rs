//! Which options go with which command, and which with which tunnel type.

use super::failure::Failure;
use super::options::{Kind, Verb};

/// The kinds of options that were given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Given(u64);

impl Given {
    /// Notes a kind, which may be given once (`ipvsadm.c: set_option`).
    pub(super) fn once(&mut self, kind: Kind) -> Result<(), Failure> {
        if self.has(kind) {
            return Err(Failure::Usage(format!("multiple '{}' options specified", kind.name())));
        }
        self.0 |= 1 << kind as u64;
        Ok(())
    }

    /// Whether the kind was given.
    pub(super) fn has(self, kind: Kind) -> bool {
        self.0 & (1 << kind as u64) != 0
    }

    /// Whether one of the kinds was given.
    pub(super) fn has_any(self, kinds: &[Kind]) -> bool {
        kinds.iter().any(|kind| self.has(*kind))
    }
}

/// A tunnel type (`--tun-type`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum TunnelType {
    /// IP in IP, without options.
    #[default]
    Ipip,
    /// Generic UDP encapsulation.
    Gue,
    /// Generic routing encapsulation.
    Gre,
}

impl TunnelType {
    /// Every type, with its name.
    pub(super) const ALL: [(Self, &'static str); 3] = [(Self::Ipip, "ipip"), (Self::Gue, "gue"), (Self::Gre, "gre")];

    fn name(self) -> &'static str {
        Self::ALL.into_iter().find(|(kind, _)| *kind == self).map_or("", |(_, name)| name)
    }
}

/// The options that say more about a tunnel.
const TUNNEL_OPTIONS: [Kind; 4] = [Kind::TunPort, Kind::TunNocsum, Kind::TunCsum, Kind::TunRemcsum];

/// What a command, or a tunnel type, does with options.
#[derive(Clone, Copy, Default)]
struct Rules {
    required: &'static [Kind],
    /// At most one of these.
    one_of: &'static [Kind],
    optional: &'static [Kind],
}

impl Rules {
    fn of_verb(verb: Verb) -> Self {
        use Kind::*;
        const SERVICE: &[Kind] =
            &[Kind::Scheduler, Kind::Persistent, Kind::Netmask, Kind::OnePacket, Kind::Engine, Kind::SchedFlags];
        const SERVER: &[Kind] = &[
            Kind::Forward,
            Kind::Weight,
            Kind::UpperThreshold,
            Kind::LowerThreshold,
            Kind::TunType,
            Kind::TunPort,
            Kind::TunNocsum,
            Kind::TunCsum,
            Kind::TunRemcsum,
        ];
        match verb {
            Verb::AddService | Verb::EditService => Self { required: &[Service], optional: SERVICE, ..Self::default() },
            Verb::DeleteService => Self { required: &[Service], ..Self::default() },
            Verb::AddServer | Verb::EditServer => {
                Self { required: &[Service, Server], optional: SERVER, ..Self::default() }
            }
            Verb::DeleteServer => Self { required: &[Service, Server], ..Self::default() },
            Verb::List => Self {
                one_of: &[Connection, Service, Timeout, Daemon],
                optional: &[Numeric, Stats, Rate, Thresholds, PersistentConn, NoSort, SyncId, Exact, TunInfo],
                ..Self::default()
            },
            Verb::StartDaemon => Self {
                optional: &[McastInterface, SyncId, McastGroup, McastPort, McastTtl, SyncMaxlen],
                ..Self::default()
            },
            Verb::StopDaemon => Self { optional: &[SyncId], ..Self::default() },
            Verb::Save => Self { optional: &[Numeric], ..Self::default() },
            Verb::Zero => Self { optional: &[Service], ..Self::default() },
            Verb::Flush | Verb::Set | Verb::Restore => Self::default(),
        }
    }

    fn of_tunnel(tunnel: TunnelType) -> Self {
        match tunnel {
            TunnelType::Ipip => Self::default(),
            TunnelType::Gue => Self {
                required: &[Kind::TunPort],
                one_of: &[Kind::TunNocsum, Kind::TunCsum, Kind::TunRemcsum],
                ..Self::default()
            },
            TunnelType::Gre => Self { one_of: &[Kind::TunNocsum, Kind::TunCsum], ..Self::default() },
        }
    }

    /// Goes through `kinds` in order; `subject` is what the messages name at their end.
    fn check(self, kinds: impl Iterator<Item = Kind>, given: Given, subject: &str) -> Result<(), Failure> {
        let mut last: Option<Kind> = None;
        for kind in kinds {
            if !given.has(kind) {
                if self.required.contains(&kind) {
                    return Err(needed(kind, subject));
                }
            } else if self.one_of.contains(&kind) {
                if let Some(last) = last {
                    return Err(Failure::Usage(format!(
                        "The option '{}' conflicts with the '{}' option in {subject}",
                        kind.name(),
                        last.name()
                    )));
                }
                last = Some(kind);
            } else if !self.required.contains(&kind) && !self.optional.contains(&kind) {
                return Err(Failure::Usage(format!("Illegal '{}' option with {subject}", kind.name())));
            }
        }
        Ok(())
    }
}

/// Checks the options of a command (`ipvsadm.c: generic_opt_check`).
pub(super) fn check_command(verb: Verb, given: Given) -> Result<(), Failure> {
    let kinds = Kind::ALL.into_iter().map(|(kind, _)| kind);
    Rules::of_verb(verb).check(kinds, given, &command_subject(verb))
}

/// Checks the options of a tunnel (`ipvsadm.c: tunnel_opt_check`).
pub(super) fn check_tunnel(tunnel: TunnelType, given: Given) -> Result<(), Failure> {
    let subject = format!("the '{}' tunnel type", tunnel.name());
    Rules::of_tunnel(tunnel).check(TUNNEL_OPTIONS.into_iter(), given, &subject)
}

/// That a command needs an option.
pub(super) fn missing(kind: Kind, verb: Verb) -> Failure {
    needed(kind, &command_subject(verb))
}

fn command_subject(verb: Verb) -> String {
    format!("the '{}' command", verb.name())
}

fn needed(kind: Kind, subject: &str) -> Failure {
    Failure::Usage(format!("You need to supply the '{}' option for {subject}", kind.name()))
}
