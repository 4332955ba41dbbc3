//! What is known of a next hop's MAC address, from what the kernel's neighbour table says over time.

use std::net::IpAddr;

use rtnetlink::packet_route::neighbour::{
    NeighbourAddress, NeighbourAttribute, NeighbourFlags, NeighbourMessage, NeighbourState,
};

use super::route::Hop;

/// A MAC address, and what it is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Known {
    /// The address.
    pub(super) mac: [u8; 6],
    /// Its worth.
    pub(super) trust: Trust,
}

/// What a MAC address is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trust {
    /// The operator set it. The kernel must not be asked to resolve it: since Linux 5.16 that would take its permanence away
    /// (NEIGH_UPDATE_F_USE in `__neigh_update`).
    Permanent,
    /// The kernel confirmed it, or is about to.
    Confirmed,
    /// It was right once.
    Old,
}

/// An entry of the kernel's neighbour table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Entry {
    /// With a MAC address.
    Known(Known),
    /// The kernel is asking.
    Incomplete,
    /// Nobody answered.
    Failed,
}

/// What is known of a next hop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Resolution {
    /// Nothing yet.
    Resolving,
    /// Nobody answered; the kernel is asked again.
    Failed,
    /// The kernel has no room for an entry.
    Full,
    /// Its MAC address.
    Known(Known),
}

impl Entry {
    /// From a netlink message; `None` for what is no neighbour in the sense of IP (a bridge's forwarding entry, a proxied address).
    pub(super) fn from_message(message: &NeighbourMessage) -> Option<(Hop, Self)> {
        if message.header.flags.contains(NeighbourFlags::Proxy) {
            return None;
        }
        let mut address = None;
        let mut mac = None;
        for attribute in &message.attributes {
            if let NeighbourAttribute::Destination(NeighbourAddress::Inet(destination)) = attribute {
                address = Some(IpAddr::V4(*destination));
            } else if let NeighbourAttribute::Destination(NeighbourAddress::Inet6(destination)) = attribute {
                address = Some(IpAddr::V6(*destination));
            } else if let NeighbourAttribute::LinkLayerAddress(bytes) = attribute {
                mac = bytes.as_slice().try_into().ok();
            }
        }
        let hop = Hop { ifindex: message.header.ifindex, address: address? };
        Some((hop, Self::new(message.header.state, mac)))
    }

    fn new(state: NeighbourState, mac: Option<[u8; 6]>) -> Self {
        let trust = match state {
            NeighbourState::Permanent | NeighbourState::Noarp => Trust::Permanent,
            NeighbourState::Reachable | NeighbourState::Delay | NeighbourState::Probe => Trust::Confirmed,
            NeighbourState::Stale => Trust::Old,
            NeighbourState::Failed => return Self::Failed,
            NeighbourState::Incomplete | NeighbourState::None | NeighbourState::Other(_) | _ => {
                return Self::Incomplete;
            }
        };
        mac.map_or(Self::Incomplete, |mac| Self::Known(Known { mac, trust }))
    }
}

impl Resolution {
    /// What is known after the kernel's entry became `entry`, or vanished.
    ///
    /// A MAC address outlives its entry until nobody answers for it: the kernel drops entries when its table is crowded or
    /// the interface goes down, and the address is mostly still right. Silence outlives it too, until somebody answers.
    pub(super) fn after(self, entry: Option<Entry>) -> Self {
        match (entry, self) {
            (Some(Entry::Known(known)), _) => Self::Known(known),
            (Some(Entry::Failed), _) => Self::Failed,
            (Some(Entry::Incomplete) | None, Self::Known(known)) => Self::Known(Known { trust: Trust::Old, ..known }),
            (Some(Entry::Incomplete), Self::Full) => Self::Resolving,
            (Some(Entry::Incomplete) | None, Self::Resolving | Self::Failed | Self::Full) => self,
        }
    }

    /// Whether the kernel should be asked for the MAC address: it has none.
    pub(super) fn is_unknown(self) -> bool {
        !matches!(self, Self::Known(_))
    }

    /// Whether the kernel should be asked to look whether the MAC address is still right.
    pub(super) fn is_old(self) -> bool {
        matches!(self, Self::Known(Known { trust: Trust::Old, .. }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAC: [u8; 6] = [2, 0, 0, 0, 0, 9];

    fn known(trust: Trust) -> Resolution {
        Resolution::Known(Known { mac: MAC, trust })
    }

    #[test]
    fn states_of_the_kernel_are_read_as_what_they_are_worth() {
        for (state, entry) in [
            (NeighbourState::Permanent, Entry::Known(Known { mac: MAC, trust: Trust::Permanent })),
            (NeighbourState::Noarp, Entry::Known(Known { mac: MAC, trust: Trust::Permanent })),
            (NeighbourState::Reachable, Entry::Known(Known { mac: MAC, trust: Trust::Confirmed })),
            (NeighbourState::Delay, Entry::Known(Known { mac: MAC, trust: Trust::Confirmed })),
            (NeighbourState::Probe, Entry::Known(Known { mac: MAC, trust: Trust::Confirmed })),
            (NeighbourState::Stale, Entry::Known(Known { mac: MAC, trust: Trust::Old })),
            (NeighbourState::Incomplete, Entry::Incomplete),
            (NeighbourState::None, Entry::Incomplete),
            (NeighbourState::Failed, Entry::Failed),
        ] {
            assert_eq!(Entry::new(state, Some(MAC)), entry, "{state:?}");
        }
        assert_eq!(Entry::new(NeighbourState::Noarp, None), Entry::Incomplete, "a tunnel's neighbour has no MAC");
    }

    #[test]
    fn a_mac_outlives_its_entry_until_nobody_answers() {
        let gone = known(Trust::Confirmed).after(None);
        assert_eq!(gone, known(Trust::Old));
        assert_eq!(gone.after(Some(Entry::Incomplete)), known(Trust::Old));
        assert_eq!(gone.after(Some(Entry::Failed)), Resolution::Failed);
    }

    #[test]
    fn silence_lasts_until_somebody_answers() {
        let asked_again = Resolution::Failed.after(Some(Entry::Incomplete)).after(None);
        assert_eq!(asked_again, Resolution::Failed);
        let answer = Entry::Known(Known { mac: MAC, trust: Trust::Confirmed });
        assert_eq!(asked_again.after(Some(answer)), known(Trust::Confirmed));
    }

    #[test]
    fn a_full_table_is_told_until_there_is_room() {
        assert_eq!(Resolution::Full.after(None), Resolution::Full);
        assert_eq!(Resolution::Full.after(Some(Entry::Incomplete)), Resolution::Resolving);
    }

    #[test]
    fn the_kernel_is_asked_for_what_is_unknown_or_old_and_never_for_permanent_entries() {
        for (resolution, unknown, old) in [
            (Resolution::Resolving, true, false),
            (Resolution::Failed, true, false),
            (Resolution::Full, true, false),
            (known(Trust::Old), false, true),
            (known(Trust::Confirmed), false, false),
            (known(Trust::Permanent), false, false),
        ] {
            assert_eq!((resolution.is_unknown(), resolution.is_old()), (unknown, old), "{resolution:?}");
        }
    }
}
