//! How far TCP connections get: a client that never sees its server's answer sends its SYN again instead of an ACK.

use crate::tcp::{Event, flags, is_half_open};

/// Handshakes with a real server: per CPU, half a cache line. Only packets that open a connection or find it half open
/// touch it.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Handshakes {
    /// Connections that a SYN opened, or opened anew.
    pub begun: u64,
    /// Of them, those whose client sent an ACK: it has seen the server's answer.
    pub confirmed: u64,
    /// SYNs of connections that were half open already. Those within an eighth of a second of another are not counted.
    pub retransmitted: u64,
    /// Unused, 0: half a cache line.
    pub reserved: u64,
}

impl Handshakes {
    /// What came since `before`.
    pub const fn since(&self, before: &Self) -> Self {
        Self {
            begun: self.begun.wrapping_sub(before.begun),
            confirmed: self.confirmed.wrapping_sub(before.confirmed),
            retransmitted: self.retransmitted.wrapping_sub(before.retransmitted),
            reserved: 0,
        }
    }

    /// Both together.
    pub const fn and(&self, other: &Self) -> Self {
        Self {
            begun: self.begun.wrapping_add(other.begun),
            confirmed: self.confirmed.wrapping_add(other.confirmed),
            retransmitted: self.retransmitted.wrapping_add(other.retransmitted),
            reserved: 0,
        }
    }
}

const _: () = assert!(size_of::<Handshakes>() == 32);

/// What a packet does to a handshake.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// [`Handshakes::begun`]
    Begun,
    /// [`Handshakes::confirmed`]
    Confirmed,
    /// [`Handshakes::retransmitted`]
    Retransmitted,
}

impl Step {
    /// The step with this number.
    #[inline(always)]
    pub const fn from_number(number: u32) -> Option<Self> {
        match number {
            0 => Some(Self::Begun),
            1 => Some(Self::Confirmed),
            2 => Some(Self::Retransmitted),
            _ => None,
        }
    }

    /// What a packet with these flags does that takes a connection from one state to another; a new connection comes from
    /// [`crate::tcp::State::None`].
    #[inline(always)]
    pub const fn of(old: u8, new: u8, bits: u8) -> Option<Self> {
        if is_half_open(new) {
            return match Event::of(bits) {
                Event::Syn if is_half_open(old) => Some(Self::Retransmitted),
                Event::Syn => Some(Self::Begun),
                Event::Fin | Event::Ack | Event::Rst | Event::None => None,
            };
        }
        if is_half_open(old) && bits & (flags::ACK | flags::RST) == flags::ACK { Some(Self::Confirmed) } else { None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tcp::{State, next};
    use flags::{ACK, FIN, RST, SYN};

    fn steps(secure: bool, packets: &[u8]) -> Vec<Option<Step>> {
        let mut state = State::None as u8;
        let mut steps = Vec::new();
        for bits in packets {
            let after = next(state, Event::of(*bits), secure);
            steps.push(Step::of(state, after, *bits));
            state = after;
        }
        steps
    }

    #[test]
    fn a_handshake_begins_once_and_is_confirmed_once() {
        const BEGUN: Option<Step> = Some(Step::Begun);
        const CONFIRMED: Option<Step> = Some(Step::Confirmed);
        const AGAIN: Option<Step> = Some(Step::Retransmitted);
        let rows: [(&[u8], &[Option<Step>]); 9] = [
            (&[SYN, ACK, ACK, FIN | ACK, ACK], &[BEGUN, CONFIRMED, None, None, None]),
            (&[SYN, SYN, SYN, ACK], &[BEGUN, AGAIN, AGAIN, CONFIRMED]),
            (&[SYN, FIN | ACK], &[BEGUN, CONFIRMED]),
            (&[SYN, FIN], &[BEGUN, None]),
            (&[SYN, RST], &[BEGUN, None]),
            (&[SYN, RST | ACK, SYN], &[BEGUN, None, AGAIN]),
            (&[SYN, ACK, SYN], &[BEGUN, CONFIRMED, None]),
            (&[SYN, ACK, FIN | ACK, SYN, ACK], &[BEGUN, CONFIRMED, None, BEGUN, CONFIRMED]),
            (&[ACK, ACK], &[None, None]),
        ];
        for (packets, expected) in rows {
            assert_eq!(steps(false, packets), expected, "{packets:?}");
        }
        assert_eq!(steps(true, &[SYN, SYN, ACK]), [BEGUN, AGAIN, CONFIRMED]);
        assert_eq!(steps(true, &[SYN, RST, SYN]), [BEGUN, None, BEGUN]);
    }

    #[test]
    fn counters_may_wrap() {
        let before = Handshakes { begun: u64::MAX, confirmed: u64::MAX - 1, ..Handshakes::default() };
        let after = Handshakes { begun: 3, confirmed: 1, retransmitted: 2, reserved: 0 };
        let passed = Handshakes { begun: 4, confirmed: 3, retransmitted: 2, reserved: 0 };
        assert_eq!(after.since(&before), passed);
        assert_eq!(before.and(&passed), after);
    }
}
