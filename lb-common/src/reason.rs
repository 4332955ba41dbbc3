//! Why a packet was not forwarded as asked: one enum for the verdict, the counter, the metric and the test row.

/// What becomes of a packet that is not forwarded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disposition {
    /// It goes to the director's own stack, untouched.
    Pass,
    /// It is dropped.
    Drop,
    /// The sender gets an ICMP or ICMPv6 error.
    Answer(Answer),
    /// It is forwarded all the same; only the counter tells.
    Forward,
}

/// The ICMP errors that LVX sends, as IPVS does.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Port unreachable: ICMP 3/3, ICMPv6 1/4 (`ip_vs_leave`).
    PortUnreachable,
    /// Time exceeded in transit: ICMP 11/0, ICMPv6 3/0 (`decrement_ttl`).
    TimeExceeded,
    /// Packet too big: ICMP 3/4, ICMPv6 2/0 (`ensure_mtu_is_adequate`).
    TooBig,
}

impl Answer {
    /// The answer with this number.
    #[inline(always)]
    pub const fn from_number(number: u32) -> Option<Self> {
        match number {
            0 => Some(Self::PortUnreachable),
            1 => Some(Self::TimeExceeded),
            2 => Some(Self::TooBig),
            _ => None,
        }
    }
}

macro_rules! reasons {
    ($($(#[doc = $meaning:literal])+ $variant:ident = $name:literal => $disposition:expr,)+) => {
        /// Why a packet was not forwarded as asked.
        #[repr(u32)]
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Reason {
            $($(#[doc = $meaning])+ $variant,)+
        }

        impl Reason {
            /// Every reason, in the order of the counters.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// The reason with this number.
            #[inline(always)]
            pub const fn from_number(number: u32) -> Option<Self> {
                $(if number == Self::$variant as u32 { return Some(Self::$variant); })+
                None
            }

            /// What becomes of the packet.
            #[inline(always)]
            pub const fn disposition(self) -> Disposition {
                match self {
                    $(Self::$variant => $disposition,)+
                }
            }

            /// The name in counters, metrics and logs.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)+
                }
            }

            /// What it means, for people.
            pub const fn meaning(self) -> &'static str {
                match self {
                    $(Self::$variant => concat!($($meaning),+).trim_ascii_start(),)+
                }
            }
        }
    };
}

reasons! {
    /// The frame ends within a header, or before the length that its IP header gives.
    Truncated = "truncated" => Disposition::Pass,
    /// A header contradicts itself: wrong version, header longer than packet, IPv4-mapped IPv6 address.
    Malformed = "malformed" => Disposition::Pass,
    /// The frame carries a VLAN tag.
    Vlan = "vlan" => Disposition::Pass,
    /// The IPv4 header has options.
    IpOptions = "ip_options" => Disposition::Pass,
    /// The packet is a fragment.
    Fragment = "fragment" => Disposition::Pass,
    /// The IPv6 packet has extension headers before TCP or UDP.
    ExtensionHeader = "extension_header" => Disposition::Pass,
    /// An ICMP error that is about no connection; the director's own stack gets it.
    IcmpError = "icmp_error" => Disposition::Pass,
    /// A TCP packet to a service, without SYN and without a connection; the stack answers with a reset.
    NoConnection = "no_connection" => Disposition::Pass,
    /// The service has no real server that may take a new connection; the client gets port unreachable.
    NoRealServer = "no_real_server" => Disposition::Answer(Answer::PortUnreachable),
    /// The connection's real server was removed from its service.
    RealServerRemoved = "real_server_removed" => Disposition::Drop,
    /// A packet that would have opened a connection, dropped at the rate of the sysctl drop_packet.
    DropPacket = "drop_packet" => Disposition::Drop,
    /// The MAC address of the real server is not known (yet).
    NoNeighbour = "no_neighbour" => Disposition::Drop,
    /// The time to live ran out here; the client gets time exceeded.
    TtlExceeded = "ttl_exceeded" => Disposition::Answer(Answer::TimeExceeded),
    /// The packet is longer than the MTU towards the real server and must not, or cannot here, be fragmented.
    TooBig = "too_big" => Disposition::Answer(Answer::TooBig),
    /// The real server is the director itself; the stack gets the packet.
    LocalServer = "local_server" => Disposition::Pass,
    /// The connection table had no room: forwarded by hash, without an entry.
    ConnectionTableFull = "connection_table_full" => Disposition::Forward,
    /// The template table had no room: scheduled without persistence.
    TemplateTableFull = "template_table_full" => Disposition::Forward,
    /// A connection that is half open or over made room for a new one in a full part of the table.
    MadeRoom = "made_room" => Disposition::Forward,
    /// An ICMP error was due, but this CPU has sent a thousand in this second; the packet is dropped.
    AnswerSuppressed = "answer_suppressed" => Disposition::Drop,
    /// The program found a map in a state that cannot be; please report it.
    Internal = "internal" => Disposition::Drop,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_numbered_in_order_and_named_once() {
        for (index, reason) in Reason::ALL.iter().enumerate() {
            assert_eq!(*reason as usize, index);
            assert_eq!(Reason::from_number(index as u32), Some(*reason));
            assert!(!reason.meaning().is_empty());
            assert_eq!(Reason::ALL.iter().filter(|other| other.name() == reason.name()).count(), 1);
        }
    }
}
