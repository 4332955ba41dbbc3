//! One slot of the connection table or of the template table: one cache line.

use crate::address::Address;

/// What identifies a flow: all words as they lie in the packet.
#[repr(C, align(8))]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct FlowKey {
    /// The client; for a template ANDed with the service's netmask.
    pub client: Address,
    /// The virtual address; for the template of a firewall mark the mark ([`FlowKey::mark_template`]).
    pub virtual_address: Address,
    /// Source port, then destination port, in network byte order, as one word of the packet.
    /// A template has source port 0.
    pub ports: u32,
    /// Protocol number; 0 for the template of a firewall mark.
    pub protocol: u32,
}

impl FlowKey {
    /// The template key of a persistent client of a firewall mark (`ip_vs_sched_persist`).
    #[inline(always)]
    pub const fn mark_template(client: Address, mark: u32) -> Self {
        Self { client, virtual_address: mark_address(&client, mark), ports: 0, protocol: 0 }
    }

    /// The template key of a persistent client of a service port; `port` in network byte order, 0 is every port.
    #[inline(always)]
    pub const fn port_template(client: Address, virtual_address: Address, port: u16, protocol: u32) -> Self {
        Self { client, virtual_address, ports: join_ports(0, port), protocol }
    }

    /// Destination port, in network byte order.
    #[inline(always)]
    pub const fn destination_port(&self) -> u16 {
        let [_, _, high, low] = self.ports.to_ne_bytes();
        u16::from_ne_bytes([high, low])
    }

    /// Source port, in network byte order.
    #[inline(always)]
    pub const fn source_port(&self) -> u16 {
        let [high, low, _, _] = self.ports.to_ne_bytes();
        u16::from_ne_bytes([high, low])
    }
}

/// The ports word of a packet; both in network byte order.
#[inline(always)]
pub const fn join_ports(source: u16, destination: u16) -> u32 {
    let [a, b] = source.to_ne_bytes();
    let [c, d] = destination.to_ne_bytes();
    u32::from_ne_bytes([a, b, c, d])
}

/// A firewall mark as an address of the client's family: `htonl(mark)` as the first word, shown as 0.0.0.8 or 0:8::.
#[inline(always)]
pub const fn mark_address(client: &Address, mark: u32) -> Address {
    if client.is_v4() { Address::from_v4(mark.to_be()) } else { Address([mark.to_be(), 0, 0, 0]) }
}

/// A connection or a persistence template.
#[repr(C, align(64))]
#[derive(Clone, Copy, Debug, Default)]
pub struct Flow {
    /// State, flags and expiry in one word, so that one compare-and-swap decides every race: see [`Word`]. 0 is a free slot.
    pub word: u64,
    /// Which flow.
    pub key: FlowKey,
    /// Index of the real server.
    pub real: u32,
    /// Generation of the real server's slot when the flow was made.
    pub generation: u32,
    /// A connection: index of the template that controls it, plus one; 0 for none.
    /// A template: number of the connections that it controls.
    pub link: u32,
    /// A template: its timeout in jiffies. A connection: unused, 0.
    pub timeout: u32,
}

/// The decoded [`Flow::word`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Word(pub u64);

/// State of a template whose connections never got past the SYN.
pub const TEMPLATE_NONE: u8 = 0;
/// State of a template that controlled an established connection.
pub const TEMPLATE_ASSURED: u8 = 1;

impl Word {
    const EXPIRES: u64 = (1 << 48) - 1;
    const VALID: u64 = 1 << 48;
    const INVALIDATED: u64 = 1 << 49;
    /// Four bits that count renewals, up to [`Self::MANY`].
    const RENEWAL: u64 = 1 << 50;
    const RENEWALS: u64 = Self::MANY as u64 * Self::RENEWAL;

    /// So many renewals, or more.
    pub const MANY: u32 = 15;

    /// The bit that makes a template assured.
    pub const ASSURED_BIT: u64 = (TEMPLATE_ASSURED as u64) << 56;

    /// A live flow's word. `expires` is in jiffies (48 bits last for 8,900 years of 1,000 a second).
    #[inline(always)]
    pub const fn new(state: u8, expires: u64) -> Self {
        Self((state as u64) << 56 | Self::VALID | expires & Self::EXPIRES)
    }

    /// The word of a connection after a packet: counts it as a renewal. For the first one `self` is 0.
    #[inline(always)]
    pub const fn renewed(self, state: u8, expires: u64) -> Self {
        let before = self.0 & Self::RENEWALS;
        let renewals = if before == Self::RENEWALS { before } else { before + Self::RENEWAL };
        Self(Self::new(state, expires).0 | renewals)
    }

    /// How often packets renewed a connection, [`Self::MANY`] for that often or more. Those within an eighth of a second
    /// may count as one.
    #[inline(always)]
    pub const fn renewals(self) -> u32 {
        ((self.0 & Self::RENEWALS) / Self::RENEWAL) as u32
    }

    /// Whether the slot holds a flow.
    #[inline(always)]
    pub const fn is_live(self) -> bool {
        self.0 & Self::VALID != 0
    }

    /// The state: of TCP, of a template, or 0 for UDP.
    #[inline(always)]
    pub const fn state(self) -> u8 {
        (self.0 >> 56) as u8
    }

    /// When it expires, in jiffies.
    #[inline(always)]
    pub const fn expires(self) -> u64 {
        self.0 & Self::EXPIRES
    }

    /// Whether it has expired at `now` jiffies.
    #[inline(always)]
    pub const fn is_expired(self, now: u64) -> bool {
        self.expires() <= now
    }

    /// The same with another expiry.
    #[inline(always)]
    pub const fn with_expires(self, expires: u64) -> Self {
        Self(self.0 & !Self::EXPIRES | expires & Self::EXPIRES)
    }

    /// A template whose server may not be used any more: it waits for its expiry and matches nothing
    /// (`ip_vs_check_template`).
    #[inline(always)]
    pub const fn invalidated(self) -> Self {
        Self(self.0 | Self::INVALIDATED)
    }

    /// Whether it was invalidated.
    #[inline(always)]
    pub const fn is_invalidated(self) -> bool {
        self.0 & Self::INVALIDATED != 0
    }
}

const _: () = assert!(size_of::<Flow>() == 64);
const _: () = assert!(size_of::<FlowKey>() == 40);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_keeps_state_expiry_and_flags_apart() {
        let word = Word::new(10, 0xffff_0000_1234);
        assert!(word.is_live() && !word.is_invalidated());
        assert_eq!((word.state(), word.expires()), (10, 0xffff_0000_1234));
        let later = word.with_expires(7).invalidated();
        assert_eq!((later.state(), later.expires(), later.is_live(), later.is_invalidated()), (10, 7, true, true));
        assert!(later.is_expired(7) && !later.is_expired(6));
    }

    #[test]
    fn renewals_are_counted_up_to_many() {
        let mut word = Word(0);
        for number in 1..20 {
            word = word.renewed(number as u8, u64::from(number));
            assert_eq!((word.renewals(), word.state(), word.expires()), (number.min(15), number as u8, number.into()));
            assert_eq!(word.with_expires(0).renewals(), word.renewals());
        }
        assert!(word.is_live() && !word.is_invalidated());
    }

    #[test]
    fn ports_come_apart_as_they_were_joined() {
        let key = FlowKey { ports: join_ports(1024u16.to_be(), 80u16.to_be()), ..FlowKey::default() };
        assert_eq!((key.source_port(), key.destination_port()), (1024u16.to_be(), 80u16.to_be()));
    }
}
