//! The sysctls of IPVS that LVX has, by their names (`ip_vs_ctl.c: vs_vars`), LVX' own beside them, and those of IPVS that
//! mean nothing here.

use std::fmt;
use std::ops::RangeInclusive;

/// The largest number of the kernel's sysctls.
const INT_MAX: u32 = 2_147_483_647;
/// Seconds that a kernel of 1,000 jiffies a second takes.
const SECONDS_MAX: u32 = INT_MAX / 1000;

/// Whose sysctl it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The kernel's, `net.ipv4.vs.NAME`.
    Ipvs,
    /// LVX' own, `lvx.NAME`: rules in which kernels differ.
    Lvx,
}

impl Origin {
    /// What stands before the name, with its dot.
    pub fn prefix(self) -> &'static str {
        match self {
            Self::Ipvs => "net.ipv4.vs.",
            Self::Lvx => "lvx.",
        }
    }
}

/// One sysctl: its name and what it takes.
#[derive(Clone, Copy, Debug)]
pub struct Sysctl {
    /// Whose it is.
    pub origin: Origin,
    /// Name without what stands before it.
    pub name: &'static str,
    /// What it is about, as it is written here.
    meaning: &'static str,
    least: u32,
    most: u32,
    get: fn(&Sysctls) -> u32,
    set: fn(&mut Sysctls, u32),
}

impl Sysctl {
    /// What it takes.
    pub fn range(&self) -> RangeInclusive<u32> {
        self.least..=self.most
    }

    /// What it is about, in a sentence.
    pub fn meaning(&self) -> &'static str {
        self.meaning.trim()
    }

    /// Its value.
    pub fn get(&self, sysctls: &Sysctls) -> u32 {
        (self.get)(sysctls)
    }

    /// The refusal of a value.
    pub fn refuse(&self, value: &str) -> Refused {
        let (least, most) = (self.least, self.most);
        Refused::OutOfRange { name: self.to_string(), value: value.to_owned(), least, most }
    }

    /// Sets it to a value, which must be in its range.
    pub fn set(&self, sysctls: &mut Sysctls, value: u32) {
        (self.set)(sysctls, value);
    }
}

impl fmt::Display for Sysctl {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}{}", self.origin.prefix(), self.name)
    }
}

/// A field of [`Sysctls`]: a number or a switch.
trait Field: Copy {
    fn number(self) -> u32;
    fn of(number: u32) -> Self;
}

impl Field for u32 {
    fn number(self) -> u32 {
        self
    }

    fn of(number: u32) -> Self {
        number
    }
}

impl Field for bool {
    fn number(self) -> u32 {
        self.into()
    }

    fn of(number: u32) -> Self {
        number != 0
    }
}

macro_rules! sysctls {
    ($($(#[doc = $meaning:literal])+ $origin:ident $name:ident: $kind:ty = $default:literal, $least:expr => $most:expr;)+) => {
        /// The sysctls that LVX has.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub struct Sysctls {
            $($(#[doc = $meaning])+ pub $name: $kind,)+
        }

        impl Default for Sysctls {
            fn default() -> Self {
                Self { $($name: $default,)+ }
            }
        }

        /// Every sysctl that LVX has, in the order in which they are shown.
        pub static ALL: &[Sysctl] = &[
            $(Sysctl {
                origin: Origin::$origin,
                name: stringify!($name),
                meaning: concat!($($meaning,)+),
                least: $least,
                most: $most,
                get: |sysctls| sysctls.$name.number(),
                set: |sysctls, value| sysctls.$name = Field::of(value),
            },)+
        ];
    };
}

sysctls! {
    /// With `drop_packet` = 3 one in so many new connections is dropped; 0 drops none.
    Ipvs am_droprate: u32 = 10, 0 => INT_MAX;
    /// The automatic modes of `drop_entry`, `drop_packet` and `secure_tcp` act while the connection table has room for
    /// fewer connections than this.
    Ipvs amemthresh: u32 = 1024, 0 => INT_MAX;
    /// When a SYN starts anew on the tuple of an old connection: bit 1 after TIME_WAIT and CLOSE, bit 2 after FIN_WAIT too.
    Ipvs conn_reuse_mode: u32 = 1, 0 => 3;
    /// Half-open and idle connections are dropped at random: 0 never, 1 and 2 under pressure, 3 always.
    Ipvs drop_entry: u32 = 0, 0 => 3;
    /// New connections are dropped at a rate: 0 never, 1 and 2 under pressure, 3 always.
    Ipvs drop_packet: u32 = 0, 0 => 3;
    /// A connection to a removed real server is forgotten at once, instead of dropped silently.
    Ipvs expire_nodest_conn: bool = false, 0 => 1;
    /// The template of a quiesced real server is not used any more.
    Ipvs expire_quiescent_template: bool = false, 0 => 1;
    /// Seconds after which lblc forgets where a destination went.
    Ipvs lblc_expiration: u32 = 86400, 0 => SECONDS_MAX;
    /// Seconds after which lblcr takes a server out of the set of a destination.
    Ipvs lblcr_expiration: u32 = 86400, 0 => SECONDS_MAX;
    /// Rates are estimated.
    Ipvs run_estimation: bool = true, 0 => 1;
    /// An ICMP error about a packet to a service may open a connection.
    Ipvs schedule_icmp: bool = false, 0 => 1;
    /// The state table against SYN floods: 0 never, 1 and 2 under pressure, 3 always.
    Ipvs secure_tcp: u32 = 0, 0 => 3;
    /// Any TCP packet but a reset may open a connection.
    Ipvs sloppy_tcp: bool = false, 0 => 1;
    /// lc, wlc, lblc and lblcr count connections as kernels before 6.1.183 did.
    Lvx classic_overhead: bool = false, 0 => 1;
    /// An upper threshold that is set below the present connections counts from the next new connection on, as in kernels
    /// up to 6.1.176.
    Lvx late_threshold: bool = false, 0 => 1;
    /// Seconds that a template lives on when it expires while it still controls connections (`ip_vs_conn_expire`: 60).
    Lvx template_rearm: u32 = 60, 1 => SECONDS_MAX;
    /// The highest weight that `ipvsadm` and the config file take: that of Debian's ipvsadm, or 65535 as upstream's.
    Lvx weight_limit: u32 = 2_147_483_647, 1 => INT_MAX;
}

/// Sysctls of IPVS that mean nothing here, and why.
pub static MEANINGLESS: &[(&str, &str)] = &[
    ("backup_only", NO_SYNC),
    ("cache_bypass", "LVX forwards to real servers only, never to a packet's own destination"),
    ("conn_lfactor", FIXED_SIZES),
    ("conntrack", "packets that LVX forwards never reach conntrack"),
    ("debug_level", "what LVX logs is said by LVX_LOG and `lvx run --trace`"),
    ("est_cpulist", NO_THREADS),
    ("est_nice", NO_THREADS),
    ("ignore_tunneled", "packets of other protocols always go to the stack, and never come to LVX again"),
    ("nat_icmp_send", NO_NAT),
    ("pmtu_disc", "LVX does not tunnel, which is what it is about"),
    ("sloppy_sctp", "LVX has no SCTP"),
    ("snat_reroute", NO_NAT),
    ("svc_lfactor", FIXED_SIZES),
    ("sync_persist_mode", NO_SYNC),
    ("sync_ports", NO_SYNC),
    ("sync_qlen_max", NO_SYNC),
    ("sync_refresh_period", NO_SYNC),
    ("sync_retries", NO_SYNC),
    ("sync_sock_size", NO_SYNC),
    ("sync_threshold", NO_SYNC),
    ("sync_version", NO_SYNC),
];

const NO_SYNC: &str = "LVX has no sync daemon";
const NO_NAT: &str = "LVX does not masquerade";
const NO_THREADS: &str = "rates are estimated by the daemon, not by threads of the kernel";
const FIXED_SIZES: &str = "the tables' sizes are those of `[sizes]` in the config file";

/// Why a name or a value is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The kernel has it, LVX does not.
    #[error("{name} has no meaning here: {why}")]
    Meaningless {
        /// The name as it was given.
        name: String,
        /// Why.
        why: &'static str,
    },
    /// Nobody has it.
    #[error("unknown sysctl {0}; `lvx sysctl` lists all")]
    Unknown(String),
    /// The value is out of range.
    #[error("{name}: `{value}` is not a whole number in {least}..={most}")]
    OutOfRange {
        /// The name, with what stands before it.
        name: String,
        /// The value as it was given.
        value: String,
        /// The least that it takes.
        least: u32,
        /// The most that it takes.
        most: u32,
    },
}

/// The sysctl of a name, with or without what stands before it, with dots or slashes.
///
/// # Errors
/// There is none.
pub fn find(given: &str) -> Result<&'static Sysctl, Refused> {
    let dotted = given.replace('/', ".");
    let of = |origin: Origin| dotted.strip_prefix(origin.prefix());
    let found = ALL.iter().find(|sysctl| dotted == sysctl.name || of(sysctl.origin) == Some(sysctl.name));
    let name = of(Origin::Ipvs).unwrap_or(&dotted);
    let meaningless = || MEANINGLESS.iter().find(|(meaningless, _)| *meaningless == name);
    found.ok_or_else(|| match meaningless() {
        Some((_, why)) => Refused::Meaningless { name: given.to_owned(), why },
        None => Refused::Unknown(given.to_owned()),
    })
}

impl Sysctls {
    /// Sets several, all or none.
    ///
    /// # Errors
    /// A name or a value is refused.
    pub fn with<'n>(mut self, values: impl IntoIterator<Item = (&'n str, u32)>) -> Result<Self, Refused> {
        for (name, value) in values {
            let sysctl = find(name)?;
            if !sysctl.range().contains(&value) {
                return Err(sysctl.refuse(&value.to_string()));
            }
            sysctl.set(&mut self, value);
        }
        Ok(self)
    }
}

/// The defence modes (`update_defense_level`). `room` is for how many more connections the table was made.
impl Sysctls {
    /// Whether a mode acts now.
    pub fn acts(&self, mode: u32, room: u64) -> bool {
        match mode {
            0 => false,
            AUTOMATIC | ACTING => room < u64::from(self.amemthresh),
            _ => true,
        }
    }

    /// One in how many new connections is dropped now; 0 drops none.
    pub fn drop_rate(&self, room: u64) -> u32 {
        let automatic = matches!(self.drop_packet, AUTOMATIC | ACTING);
        match (self.acts(self.drop_packet, room), automatic) {
            (false, _) => 0,
            (true, true) => {
                let threshold = u64::from(self.amemthresh);
                u32::try_from(threshold / (threshold - room)).unwrap_or(u32::MAX)
            }
            (true, false) => self.am_droprate,
        }
    }

    /// The sysctls as the kernel shows them: an automatic mode is 1 at rest and 2 in action.
    pub fn shown(mut self, room: u64) -> Self {
        let before = self;
        for mode in [&mut self.drop_entry, &mut self.drop_packet, &mut self.secure_tcp] {
            if matches!(*mode, AUTOMATIC | ACTING) {
                *mode = if before.acts(*mode, room) { ACTING } else { AUTOMATIC };
            }
        }
        self
    }
}

/// Value of a defence mode that acts under pressure.
const AUTOMATIC: u32 = 1;
/// The same while there is pressure.
const ACTING: u32 = 2;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn automatic_modes_act_while_room_is_short() {
        let with = |mode| Sysctls { drop_entry: mode, drop_packet: mode, secure_tcp: mode, ..Sysctls::default() };
        for (mode, room, acts, rate, shown) in [
            (0, 0, false, 0, 0),
            (1, 1024, false, 0, 1),
            (2, 1024, false, 0, 1),
            (1, 1023, true, 1024, 2),
            (2, 512, true, 2, 2),
            (1, 0, true, 1, 2),
            (3, 1_000_000, true, 10, 3),
        ] {
            let sysctls = with(mode);
            assert_eq!(sysctls.acts(sysctls.secure_tcp, room), acts, "mode {mode}, room {room}");
            assert_eq!((sysctls.drop_rate(room), sysctls.shown(room)), (rate, with(shown)), "mode {mode}, room {room}");
        }
        let never = Sysctls { amemthresh: 0, ..with(2) };
        assert_eq!((never.acts(2, 0), never.drop_rate(0)), (false, 0), "no room is too little");
    }

    #[test]
    fn every_name_is_found_in_every_form_and_keeps_its_value() {
        for sysctl in ALL {
            let long = sysctl.to_string();
            for name in [sysctl.name, &long, &long.replace('.', "/")] {
                assert_eq!(find(name).map(|found| found.name), Ok(sysctl.name), "{name}");
            }
            let default = sysctl.get(&Sysctls::default());
            assert!(sysctl.range().contains(&default), "{long}");
            for value in [*sysctl.range().start(), *sysctl.range().end()] {
                let set = Sysctls::default().with([(sysctl.name, value)]).expect("in its range");
                assert_eq!(sysctl.get(&set), value, "{long}");
                let others = ALL.iter().filter(|other| other.name != sysctl.name);
                assert!(others.into_iter().all(|other| other.get(&set) == other.get(&Sysctls::default())), "{long}");
            }
        }
    }

    #[test]
    fn a_prefix_is_that_of_its_owner() {
        for name in ["lvx.drop_entry", "net.ipv4.vs.weight_limit", "net.ipv4.drop_entry", "vs.drop_entry", "", "."] {
            assert_eq!(find(name).map(|found| found.name), Err(Refused::Unknown(name.to_owned())));
        }
    }

    #[test]
    fn what_the_kernel_has_and_lvx_has_not_is_explained() {
        for name in ["sync_version", "net.ipv4.vs.sync_version", "net/ipv4/vs/sync_version"] {
            let refused = find(name).expect_err("no meaning").to_string();
            assert_eq!(refused, format!("{name} has no meaning here: LVX has no sync daemon"));
        }
        let reference = include_str!("../../../docs/config.md");
        for (name, why) in MEANINGLESS {
            assert!(reference.contains(&format!("`{name}`")), "docs/config.md lacks {name}");
            assert!(!why.is_empty() && ALL.iter().all(|sysctl| sysctl.name != *name), "{name}");
        }
    }

    #[test]
    fn one_bad_value_and_nothing_is_set() {
        for (name, value, words) in [
            ("drop_packet", 4, "net.ipv4.vs.drop_packet: `4` is not a whole number in 0..=3"),
            ("template_rearm", 0, "lvx.template_rearm: `0` is not a whole number in 1..=2147483"),
            ("sloppy", 1, "unknown sysctl sloppy; `lvx sysctl` lists all"),
        ] {
            let refused = Sysctls::default().with([("sloppy_tcp", 1), (name, value)]);
            assert_eq!(refused.expect_err("refused").to_string(), words);
        }
    }
}
