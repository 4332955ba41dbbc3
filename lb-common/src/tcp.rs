//! TCP's states as a director sees them that gets only the client's packets, and their timeouts:
//! `tcp_states[8..11]` (INPUT-ONLY) and `tcp_timeouts` of the kernel's `ip_vs_proto_tcp.c`.

/// State of a connection. The numbers are those of IPVS (sync messages, `ip_vs_conn`).
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Nothing seen.
    None = 0,
    /// Both sides agreed, as far as one side shows.
    Established = 1,
    /// A SYN from the server's side; not reached under direct routing.
    SynSent = 2,
    /// The client's SYN.
    SynRecv = 3,
    /// The client's FIN.
    FinWait = 4,
    /// FIN before the connection was established.
    TimeWait = 5,
    /// Reset, or flags that make no sense.
    Close = 6,
    /// The server's FIN; not reached under direct routing.
    CloseWait = 7,
    /// The last FIN; not reached under direct routing.
    LastAck = 8,
    /// Not reached under direct routing.
    Listen = 9,
    /// Used under `secure_tcp`.
    SynAck = 10,
}

/// Number of TCP states.
pub const STATES: usize = 11;

/// Index of UDP's timeout, after those of the TCP states.
pub const UDP: usize = STATES;

/// Number of timeouts: one a TCP state, and UDP's.
pub const TIMEOUTS: usize = STATES + 1;

/// Timeouts in seconds, by state; the last is UDP's.
pub const DEFAULT_TIMEOUTS: [u32; TIMEOUTS] = [2, 900, 120, 60, 120, 120, 10, 60, 30, 120, 120, 300];

/// TCP flag bits, byte 13 of the header.
pub mod flags {
    /// No more data from the sender.
    pub const FIN: u8 = 0x01;
    /// Synchronise sequence numbers.
    pub const SYN: u8 = 0x02;
    /// Reset.
    pub const RST: u8 = 0x04;
    /// The acknowledgement field counts.
    pub const ACK: u8 = 0x10;
}

/// What a packet's flags mean to the state table, most important first (`set_tcp_state`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// SYN without RST.
    Syn,
    /// FIN without the above.
    Fin,
    /// ACK without the above.
    Ack,
    /// RST, whatever else.
    Rst,
    /// None of them.
    None,
}

impl Event {
    /// The event of a packet with these flags.
    #[inline(always)]
    pub const fn of(bits: u8) -> Self {
        if bits & flags::RST != 0 {
            Self::Rst
        } else if bits & flags::SYN != 0 {
            Self::Syn
        } else if bits & flags::FIN != 0 {
            Self::Fin
        } else if bits & flags::ACK != 0 {
            Self::Ack
        } else {
            Self::None
        }
    }
}

impl State {
    /// Every state by its number.
    pub const ALL: [Self; STATES] = [
        Self::None,
        Self::Established,
        Self::SynSent,
        Self::SynRecv,
        Self::FinWait,
        Self::TimeWait,
        Self::Close,
        Self::CloseWait,
        Self::LastAck,
        Self::Listen,
        Self::SynAck,
    ];

    /// The name in `ipvsadm -Lc`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "NONE",
            Self::Established => "ESTABLISHED",
            Self::SynSent => "SYN_SENT",
            Self::SynRecv => "SYN_RECV",
            Self::FinWait => "FIN_WAIT",
            Self::TimeWait => "TIME_WAIT",
            Self::Close => "CLOSE",
            Self::CloseWait => "CLOSE_WAIT",
            Self::LastAck => "LAST_ACK",
            Self::Listen => "LISTEN",
            Self::SynAck => "SYNACK",
        }
    }
}

/// Packs a row of the state table: four bits a state, state 0 lowest.
const fn row(states: [State; STATES]) -> u64 {
    let mut packed = 0;
    let mut index = 0;
    while index < STATES {
        packed |= (states[index] as u64) << (index * 4);
        index += 1;
    }
    packed
}

const ON_SYN: u64 = {
    use State::{Established as ES, SynRecv as SR};
    row([SR, ES, ES, SR, SR, SR, SR, SR, SR, SR, SR])
};
/// Under `secure_tcp`; the other rows stay (`tcp_states_dos[8..11]`).
const ON_SYN_SECURE: u64 = {
    use State::{Established as ES, SynAck as SA, SynRecv as SR};
    row([SA, ES, ES, SR, SA, SA, SA, SA, SA, SA, SA])
};
const ON_FIN: u64 = {
    use State::{
        Close as CL, CloseWait as CW, FinWait as FW, LastAck as LA, Listen as LI, SynSent as SS, TimeWait as TW,
    };
    row([CL, FW, SS, TW, FW, TW, CL, CW, LA, LI, TW])
};
const ON_ACK: u64 = {
    use State::{
        Close as CL, CloseWait as CW, Established as ES, FinWait as FW, Listen as LI, SynSent as SS, TimeWait as TW,
    };
    row([ES, ES, SS, ES, FW, TW, CL, CW, CL, LI, ES])
};
const ON_RST: u64 = {
    use State::{Close as CL, LastAck as LA, Listen as LI, SynRecv as SR};
    row([CL, CL, CL, SR, CL, CL, CL, CL, LA, LI, CL])
};

/// The state after `event`; `state` and the result are [`State`]'s numbers. `secure` is `secure_tcp` in force.
#[inline(always)]
pub const fn next(state: u8, event: Event, secure: bool) -> u8 {
    let row = match event {
        Event::Syn if secure => ON_SYN_SECURE,
        Event::Syn => ON_SYN,
        Event::Fin => ON_FIN,
        Event::Ack => ON_ACK,
        Event::Rst => ON_RST,
        Event::None => return State::Close as u8,
    };
    ((row >> ((state & 0xf) * 4)) & 0xf) as u8
}

/// Whether a TCP connection in this state counts as active (`tcp_state_active_table`).
#[inline(always)]
pub const fn is_active(state: u8) -> bool {
    const ACTIVE: u16 = 1 << State::Established as u16
        | 1 << State::SynSent as u16
        | 1 << State::SynRecv as u16
        | 1 << State::SynAck as u16;
    (ACTIVE >> (state & 0xf)) & 1 != 0
}

/// Whether a TCP connection in this state makes room for a new one where there is none: the client has not confirmed it,
/// or it is over.
#[inline(always)]
pub const fn gives_way(state: u8) -> bool {
    const GIVE_WAY: u16 = 1 << State::None as u16
        | 1 << State::SynRecv as u16
        | 1 << State::SynAck as u16
        | 1 << State::FinWait as u16
        | 1 << State::TimeWait as u16
        | 1 << State::Close as u16;
    (GIVE_WAY >> (state & 0xf)) & 1 != 0
}

/// Whether a TCP connection in this state is half open: the first that `drop_entry` drops (`ip_vs_random_dropentry`).
#[inline(always)]
pub const fn is_half_open(state: u8) -> bool {
    state == State::SynRecv as u8 || state == State::SynAck as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    fn walk(start: State, packets: &[u8]) -> State {
        walk_as(false, start, packets)
    }

    fn walk_as(secure: bool, start: State, packets: &[u8]) -> State {
        let end = packets.iter().fold(start as u8, |state, bits| next(state, Event::of(*bits), secure));
        State::ALL[usize::from(end)]
    }

    #[test]
    fn under_secure_tcp_a_syn_leads_to_synack() {
        use flags::{ACK, FIN, RST, SYN};
        for (packets, end) in [
            (&[SYN][..], State::SynAck),
            (&[SYN, SYN], State::SynAck),
            (&[SYN, ACK], State::Established),
            (&[SYN, ACK, SYN], State::Established),
            (&[SYN, ACK, FIN | ACK, SYN], State::SynAck),
            (&[SYN, FIN], State::TimeWait),
            (&[SYN, RST], State::Close),
            (&[SYN, RST, SYN], State::SynAck),
        ] {
            assert_eq!(walk_as(true, State::None, packets), end, "{packets:?}");
        }
        assert_eq!(walk_as(true, State::SynRecv, &[SYN]), State::SynRecv, "it was there before");
        assert!(is_active(State::SynAck as u8) && gives_way(State::SynAck as u8) && is_half_open(State::SynAck as u8));
    }

    #[test]
    fn the_walk_of_a_directly_routed_connection() {
        use flags::{ACK, FIN, RST, SYN};
        for (packets, end) in [
            (&[SYN][..], State::SynRecv),
            (&[SYN, ACK], State::Established),
            (&[SYN, ACK, FIN | ACK], State::FinWait),
            (&[SYN, ACK, FIN | ACK, ACK], State::FinWait),
            (&[SYN, ACK, FIN | ACK, SYN], State::SynRecv),
            (&[SYN, ACK, FIN | ACK, SYN, ACK, RST], State::Close),
            (&[SYN, FIN], State::TimeWait),
            (&[SYN, RST], State::SynRecv),
            (&[SYN, ACK, SYN], State::Established),
            (&[SYN, 0], State::Close),
            (&[SYN | FIN], State::SynRecv),
            (&[ACK], State::Established),
            (&[FIN | ACK], State::Close),
        ] {
            assert_eq!(walk(State::None, packets), end, "{packets:?}");
        }
    }

    #[test]
    fn syn_received_is_active_and_fin_wait_is_not() {
        for (state, active) in
            [(State::SynRecv, true), (State::Established, true), (State::FinWait, false), (State::Close, false)]
        {
            assert_eq!(is_active(state as u8), active);
        }
    }
}
