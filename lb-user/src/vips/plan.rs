//! What is missing, and what is too much.

use std::collections::BTreeSet;
use std::net::IpAddr;

use crate::neighbours::Link;

use super::Placed;

/// An address on an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Spot {
    pub(super) ifindex: u32,
    pub(super) address: IpAddr,
    pub(super) prefix: u8,
}

/// An address that the kernel has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Present {
    pub(super) spot: Spot,
    /// Whether an LVX put it there, this one or an earlier one.
    pub(super) marked: bool,
}

/// A change to make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Put(Spot),
    Take(Spot),
}

/// Where an address belongs; none where its interface does not exist.
pub(super) fn spot(placed: &Placed, links: &[Link]) -> Option<Spot> {
    let link = links.iter().find(|link| link.name == placed.interface)?;
    Some(Spot { ifindex: link.index, address: placed.vip.address, prefix: placed.vip.prefix })
}

/// Brings `ours`, what LVX put on interfaces, up to date: without what is gone, and with what an LVX left behind that did not
/// come to its end, where it is wanted again.
pub(super) fn adopt(ours: &mut BTreeSet<Spot>, wanted: &BTreeSet<Spot>, present: &[Present]) {
    ours.retain(|spot| present.iter().any(|present| present.spot == *spot));
    ours.extend(present.iter().filter(|present| present.marked && wanted.contains(&present.spot)).map(|it| it.spot));
}

/// The changes that lead from `present` to `wanted`. An address that somebody else put there is left alone, whatever its
/// prefix.
pub(super) fn plan(wanted: &BTreeSet<Spot>, present: &[Present], ours: &BTreeSet<Spot>) -> Vec<Step> {
    let there = |spot: &Spot| {
        let same = |other: &Spot| (other.ifindex, other.address) == (spot.ifindex, spot.address);
        present.iter().any(|it| it.spot == *spot || (same(&it.spot) && !ours.contains(&it.spot)))
    };
    let put = wanted.iter().filter(|spot| !there(spot)).copied().map(Step::Put);
    let take = ours.difference(wanted).copied().map(Step::Take);
    put.chain(take).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spot(ifindex: u32, address: &str, prefix: u8) -> Spot {
        Spot { ifindex, address: address.parse().expect("an address"), prefix }
    }

    fn set(spots: &[Spot]) -> BTreeSet<Spot> {
        spots.iter().copied().collect()
    }

    fn present(spots: &[Spot], marked: bool) -> Vec<Present> {
        spots.iter().map(|spot| Present { spot: *spot, marked }).collect()
    }

    #[test]
    fn what_is_missing_is_put_and_what_is_no_longer_wanted_is_taken() {
        let (a, b, c) = (spot(2, "172.16.100.1", 32), spot(2, "172.16.100.2", 32), spot(2, "2001:db8::1", 128));
        assert_eq!(plan(&set(&[a, c]), &[], &set(&[])), [Step::Put(a), Step::Put(c)]);
        assert_eq!(plan(&set(&[a, c]), &present(&[a, b], true), &set(&[a, b])), [Step::Put(c), Step::Take(b)]);
        assert_eq!(plan(&set(&[a]), &present(&[a], true), &set(&[a])), []);
    }

    #[test]
    fn an_address_that_was_there_before_is_left_alone() {
        let (wanted, network) = (spot(2, "172.16.100.1", 32), spot(2, "172.16.100.1", 24));
        for before in [wanted, network] {
            assert_eq!(plan(&set(&[wanted]), &present(&[before], false), &set(&[])), []);
            assert_eq!(plan(&set(&[]), &present(&[before], false), &set(&[])), []);
        }
        let elsewhere = spot(1, "172.16.100.1", 32);
        assert_eq!(plan(&set(&[wanted]), &present(&[elsewhere], false), &set(&[])), [Step::Put(wanted)]);
    }

    #[test]
    fn another_prefix_comes_before_the_old_one_goes() {
        let (old, new) = (spot(2, "172.16.100.1", 32), spot(2, "172.16.100.1", 24));
        assert_eq!(plan(&set(&[new]), &present(&[old], true), &set(&[old])), [Step::Put(new), Step::Take(old)]);
    }

    #[test]
    fn what_a_killed_lvx_left_is_adopted_where_it_is_wanted_again() {
        let (wanted, other, gone) =
            (spot(2, "172.16.100.1", 32), spot(2, "172.16.100.2", 32), spot(2, "172.16.100.3", 32));
        let mut ours = set(&[gone]);
        adopt(&mut ours, &set(&[wanted]), &present(&[wanted, other], true));
        assert_eq!(ours, set(&[wanted]));
        adopt(&mut ours, &set(&[other]), &present(&[wanted, other], false));
        assert_eq!(ours, set(&[wanted]), "what is not marked is somebody else's");
    }
}
