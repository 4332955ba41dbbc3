//! The options of `ipvsadm`: how they are spelled, and what its messages call them.

use super::names::Transport;

/// A command. Its name in messages is not always its long option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verb {
    /// `-A`
    AddService,
    /// `-E`
    EditService,
    /// `-D`
    DeleteService,
    /// `-C`
    Flush,
    /// `-L`, `-l`
    List,
    /// `-a`
    AddServer,
    /// `-d`
    DeleteServer,
    /// `-e`
    EditServer,
    /// `--set`
    Set,
    /// `--start-daemon`
    StartDaemon,
    /// `--stop-daemon`
    StopDaemon,
    /// `-R`
    Restore,
    /// `-S`
    Save,
    /// `-Z`
    Zero,
}

impl Verb {
    /// What messages call it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::AddService => "add-service",
            Self::EditService => "edit-service",
            Self::DeleteService => "delete-service",
            Self::Flush => "flush",
            Self::List => "list",
            Self::AddServer => "add-server",
            Self::DeleteServer => "delete-server",
            Self::EditServer => "edit-server",
            Self::Set => "set",
            Self::StartDaemon => "start-daemon",
            Self::StopDaemon => "stop-daemon",
            Self::Restore => "restore",
            Self::Save => "save",
            Self::Zero => "zero",
        }
    }
}

/// What an option is about; each may be given once. Their order is that in which `ipvsadm` checks them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Numeric,
    Connection,
    Service,
    Scheduler,
    Persistent,
    Netmask,
    Server,
    Forward,
    Weight,
    UpperThreshold,
    LowerThreshold,
    McastInterface,
    Timeout,
    Daemon,
    Stats,
    Rate,
    Thresholds,
    PersistentConn,
    NoSort,
    SyncId,
    Exact,
    OnePacket,
    Engine,
    SchedFlags,
    McastGroup,
    McastPort,
    McastTtl,
    SyncMaxlen,
    TunInfo,
    TunType,
    TunPort,
    TunNocsum,
    TunCsum,
    TunRemcsum,
}

impl Kind {
    /// Every kind, with what messages call it, in the order of the checks (`ipvsadm.c: optnames`).
    pub(super) const ALL: [(Self, &'static str); 34] = [
        (Self::Numeric, "numeric"),
        (Self::Connection, "connection"),
        (Self::Service, "service-address"),
        (Self::Scheduler, "scheduler"),
        (Self::Persistent, "persistent"),
        (Self::Netmask, "netmask"),
        (Self::Server, "real-server"),
        (Self::Forward, "forwarding-method"),
        (Self::Weight, "weight"),
        (Self::UpperThreshold, "u-threshold"),
        (Self::LowerThreshold, "l-threshold"),
        (Self::McastInterface, "mcast-interface"),
        (Self::Timeout, "timeout"),
        (Self::Daemon, "daemon"),
        (Self::Stats, "stats"),
        (Self::Rate, "rate"),
        (Self::Thresholds, "thresholds"),
        (Self::PersistentConn, "persistent-conn"),
        (Self::NoSort, "nosort"),
        (Self::SyncId, "syncid"),
        (Self::Exact, "exact"),
        (Self::OnePacket, "ops"),
        (Self::Engine, "pe"),
        (Self::SchedFlags, "sched-flags"),
        (Self::McastGroup, "mcast-group"),
        (Self::McastPort, "mcast-port"),
        (Self::McastTtl, "mcast-ttl"),
        (Self::SyncMaxlen, "sync-maxlen"),
        (Self::TunInfo, "tun-info"),
        (Self::TunType, "tun-type"),
        (Self::TunPort, "tun-port"),
        (Self::TunNocsum, "tun-nocsum"),
        (Self::TunCsum, "tun-csum"),
        (Self::TunRemcsum, "tun-remcsum"),
    ];

    /// What messages call it.
    pub(super) fn name(self) -> &'static str {
        Self::ALL.into_iter().find(|(kind, _)| *kind == self).map_or("", |(_, name)| name)
    }
}

/// A forwarding method, as IPVS has them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Method {
    /// `-g`
    Gate,
    /// `-i`
    Ipip,
    /// `-m`
    Masq,
}

/// What an option does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// It is the command.
    Verb(Verb),
    /// `-h`
    Help,
    /// `-v`
    Version,
    /// A service by address.
    Service(Transport),
    /// A service by firewall mark.
    Mark,
    /// `-6`: the mark is one of IPv6.
    Ipv6,
    /// `--sort`: the default, so that it does nothing.
    Sort,
    /// A forwarding method.
    Forward(Method),
    /// Anything else, told by its kind.
    Is(Kind),
}

/// Whether an option has a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Takes {
    /// It has none.
    Nothing,
    /// It must have one.
    Value,
    /// The next word is its value unless that begins with a dash.
    OptionalValue,
}

/// How an option is spelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Spelling {
    /// Without the two dashes.
    pub(super) long: &'static str,
    /// The letter, if there is one.
    pub(super) short: Option<char>,
    /// Its value.
    pub(super) takes: Takes,
    /// What it does.
    pub(super) action: Action,
}

const fn flag(long: &'static str, short: Option<char>, action: Action) -> Spelling {
    Spelling { long, short, takes: Takes::Nothing, action }
}

const fn value(long: &'static str, short: Option<char>, action: Action) -> Spelling {
    Spelling { long, short, takes: Takes::Value, action }
}

/// Every option (`ipvsadm.c: parse_options`).
pub(super) const SPELLINGS: [Spelling; 58] = [
    flag("add-service", Some('A'), Action::Verb(Verb::AddService)),
    flag("edit-service", Some('E'), Action::Verb(Verb::EditService)),
    flag("delete-service", Some('D'), Action::Verb(Verb::DeleteService)),
    flag("clear", Some('C'), Action::Verb(Verb::Flush)),
    flag("list", Some('L'), Action::Verb(Verb::List)),
    flag("list", Some('l'), Action::Verb(Verb::List)),
    flag("zero", Some('Z'), Action::Verb(Verb::Zero)),
    flag("add-server", Some('a'), Action::Verb(Verb::AddServer)),
    flag("edit-server", Some('e'), Action::Verb(Verb::EditServer)),
    flag("delete-server", Some('d'), Action::Verb(Verb::DeleteServer)),
    flag("set", None, Action::Verb(Verb::Set)),
    flag("restore", Some('R'), Action::Verb(Verb::Restore)),
    flag("save", Some('S'), Action::Verb(Verb::Save)),
    value("start-daemon", None, Action::Verb(Verb::StartDaemon)),
    value("stop-daemon", None, Action::Verb(Verb::StopDaemon)),
    flag("help", Some('h'), Action::Help),
    flag("version", Some('v'), Action::Version),
    value("tcp-service", Some('t'), Action::Service(Transport::Tcp)),
    value("udp-service", Some('u'), Action::Service(Transport::Udp)),
    value("sctp-service", None, Action::Service(Transport::Sctp)),
    value("fwmark-service", Some('f'), Action::Mark),
    flag("ipv6", Some('6'), Action::Ipv6),
    flag("sort", None, Action::Sort),
    flag("masquerading", Some('m'), Action::Forward(Method::Masq)),
    flag("ipip", Some('i'), Action::Forward(Method::Ipip)),
    flag("gatewaying", Some('g'), Action::Forward(Method::Gate)),
    value("scheduler", Some('s'), Action::Is(Kind::Scheduler)),
    Spelling {
        long: "persistent",
        short: Some('p'),
        takes: Takes::OptionalValue,
        action: Action::Is(Kind::Persistent),
    },
    value("netmask", Some('M'), Action::Is(Kind::Netmask)),
    flag("ops", Some('o'), Action::Is(Kind::OnePacket)),
    value("pe", None, Action::Is(Kind::Engine)),
    value("sched-flags", Some('b'), Action::Is(Kind::SchedFlags)),
    value("real-server", Some('r'), Action::Is(Kind::Server)),
    value("weight", Some('w'), Action::Is(Kind::Weight)),
    value("u-threshold", Some('x'), Action::Is(Kind::UpperThreshold)),
    value("l-threshold", Some('y'), Action::Is(Kind::LowerThreshold)),
    value("tun-type", None, Action::Is(Kind::TunType)),
    value("tun-port", None, Action::Is(Kind::TunPort)),
    flag("tun-nocsum", None, Action::Is(Kind::TunNocsum)),
    flag("tun-csum", None, Action::Is(Kind::TunCsum)),
    flag("tun-remcsum", None, Action::Is(Kind::TunRemcsum)),
    flag("numeric", Some('n'), Action::Is(Kind::Numeric)),
    flag("connection", Some('c'), Action::Is(Kind::Connection)),
    flag("timeout", None, Action::Is(Kind::Timeout)),
    flag("daemon", None, Action::Is(Kind::Daemon)),
    flag("stats", None, Action::Is(Kind::Stats)),
    flag("rate", None, Action::Is(Kind::Rate)),
    flag("thresholds", None, Action::Is(Kind::Thresholds)),
    flag("persistent-conn", None, Action::Is(Kind::PersistentConn)),
    flag("tun-info", None, Action::Is(Kind::TunInfo)),
    flag("nosort", None, Action::Is(Kind::NoSort)),
    flag("exact", Some('X'), Action::Is(Kind::Exact)),
    value("syncid", None, Action::Is(Kind::SyncId)),
    value("sync-maxlen", None, Action::Is(Kind::SyncMaxlen)),
    value("mcast-interface", None, Action::Is(Kind::McastInterface)),
    value("mcast-group", None, Action::Is(Kind::McastGroup)),
    value("mcast-port", None, Action::Is(Kind::McastPort)),
    value("mcast-ttl", None, Action::Is(Kind::McastTtl)),
];
