use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use proptest::prelude::*;

use super::table::{self, Member};
use super::{BUCKETS, Buckets, EMPTY, Load, PER_WORD, Probe, SLOTS, bucket, buckets, key, sip};
use crate::address::Address;
use crate::schedule::pool::Header;
use crate::schedule::{Candidate, Kind, Members};

/// A service: its members, newest first, and its table.
struct Service {
    kind: Kind,
    members: Vec<Member>,
    overloaded: Vec<bool>,
    words: Vec<u64>,
}

impl Members for Service {
    fn candidate(&self, position: u32) -> Option<Candidate> {
        let member = self.members.get(position as usize)?;
        let overloaded = self.overloaded.get(position as usize).copied().unwrap_or(false);
        // Real servers are numbered in the order of addition, from 1.
        let real = self.members.len() as u32 - position;
        Some(Candidate { real, weight: member.weight, active: 0, inactive: 0, overloaded })
    }
}

impl Buckets for Service {
    fn position(&self, bucket: u32) -> Option<u32> {
        let position = (self.words[(bucket / PER_WORD) as usize] >> (bucket % PER_WORD * 16)) as u16;
        (position != EMPTY).then_some(position.into())
    }
}

impl Service {
    /// Members 10.0.2.1, 10.0.2.2, ... in the order of addition, with weights, and the last weights that were not 0.
    fn new(kind: Kind, weights: &[(u32, u32)]) -> Self {
        let member = |(index, (weight, last_weight)): (usize, &(u32, u32))| Member {
            address: v4(10, 0, 2, index as u8 + 1),
            port: 80u16.to_be(),
            weight: *weight,
            last_weight: *last_weight,
        };
        let members: Vec<Member> = weights.iter().enumerate().rev().map(|(at, weight)| member((at, weight))).collect();
        let words = table::words(kind, &members);
        Self { kind, members, overloaded: Vec::new(), words }
    }

    fn pick(&self, key: u32, fallback: bool) -> Option<u32> {
        self.pick_under(Load::Heeded, key, fallback)
    }

    fn pick_under(&self, load: Load, key: u32, fallback: bool) -> Option<u32> {
        let header = Header { max_weight: 0, divisor: 1, count: self.members.len() as u32, zero: 0 };
        Probe::new(self.kind, key, fallback, load, &header).run(self)
    }

    /// What the clients 10.1.0.1, .2, ... get.
    fn picks(&self, clients: u8, fallback: bool) -> String {
        (1..=clients)
            .map(|client| self.pick(key(&v4(10, 1, 0, client), 0), fallback))
            .map(|picked| picked.map_or("-".into(), |real| real.to_string()))
            .collect()
    }

    fn positions(&self) -> Vec<Option<u32>> {
        (0..buckets(self.kind)).map(|bucket| self.position(bucket)).collect()
    }
}

fn v4(a: u8, b: u8, c: u8, d: u8) -> Address {
    IpAddr::V4(Ipv4Addr::new(a, b, c, d)).into()
}

/// Values of the kernel.
#[test]
fn source_hashing_finds_the_kernels_buckets() {
    assert_eq!(bucket(Kind::Sh, key(&v4(10, 1, 0, 1), 0), 0), 174);
    assert_eq!(bucket(Kind::Sh, key(&v4(192, 168, 1, 10), 0), 0), 248);
    assert_eq!(bucket(Kind::Sh, key(&v4(10, 1, 0, 1), 20_000u16.to_be()), 0), 0);
    assert_eq!(Service::new(Kind::Sh, &[(1, 1); 3]).picks(8, false), "33121313");
}

/// Values of the kernel.
#[test]
fn maglev_hashing_finds_the_kernels_slots() {
    for (last, first, offset, skip) in
        [(1, 0x8512_a8eb, 281, 2833), (2, 0xa9a7_745d, 2489, 1282), (3, 0x22bc_b2bc, 1877, 3239)]
    {
        let key = key(&v4(10, 0, 2, last), 80u16.to_be());
        assert_eq!(sip::hash(key, sip::FIRST), first);
        assert_eq!(sip::hash(key, sip::FIRST) % SLOTS, offset);
        assert_eq!(sip::hash(key, sip::SECOND) % (SLOTS - 1) + 1, skip);
    }
    let client = key(&v4(10, 1, 0, 1), 0);
    assert_eq!((sip::hash(client, sip::FIRST), bucket(Kind::Mh, client, 0)), (0x37fc_e844, 2470));
    assert_eq!(Service::new(Kind::Mh, &[(1, 1); 3]).picks(8, false), "22232333");
}

#[test]
fn an_address_of_ipv6_is_folded() {
    let address: Address = "2001:db8:1::2".parse::<IpAddr>().expect("an address").into();
    assert_eq!(key(&address, 0), 0x2001_0db8 ^ 0x0001_0000 ^ 2);
    assert_eq!(key(&address, 7u16.to_be()), (0x2001_0db8 ^ 0x0001_0000 ^ 2) + 7);
}

#[test]
fn destination_hashing_looks_at_no_weight_but_refuses_weight_0() {
    let service = Service::new(Kind::Dh, &[(1, 1), (100, 100), (0, 1)]);
    let positions = service.positions();
    assert_eq!(positions.iter().take(6).copied().flatten().collect::<Vec<_>>(), [0, 1, 2, 0, 1, 2]);
    let keys = (0..=255).map(|last| key(&v4(10, 0, 0, last), 0));
    let (none, some): (Vec<_>, Vec<_>) = keys.map(|key| service.pick(key, false)).partition(Option::is_none);
    assert!(!none.is_empty() && some.iter().all(|picked| *picked != Some(3)));
}

#[test]
fn an_overloaded_server_keeps_what_is_nowhere_kept() {
    for kind in [Kind::Sh, Kind::Dh, Kind::Mh] {
        let mut service = Service::new(kind, &[(1, 1), (1, 1)]);
        let before = service.picks(20, false);
        service.overloaded = vec![true, true];
        assert_eq!(service.picks(20, true), "-".repeat(20));
        for (client, before) in (1..).zip(before.chars()) {
            let picked = service.pick_under(Load::Ignored, key(&v4(10, 1, 0, client), 0), false);
            assert_eq!(picked, before.to_digit(10), "{kind:?} {client}");
        }
        service.members[0].weight = 0;
        service.members[1].weight = 0;
        assert_eq!(service.pick_under(Load::Ignored, 1, false), None);
    }
}

#[test]
fn nobody_is_in_an_empty_table() {
    for kind in [Kind::Sh, Kind::Dh, Kind::Mh] {
        assert_eq!(Service::new(kind, &[]).picks(3, true), "---");
    }
    let service = Service::new(Kind::Mh, &[(0, 0), (0, 0)]);
    assert!(service.positions().iter().all(Option::is_none));
}

#[test]
fn a_server_keeps_its_slots_while_its_weight_is_0() {
    let before = Service::new(Kind::Mh, &[(3, 3), (2, 2), (1, 1)]);
    let after = Service::new(Kind::Mh, &[(3, 3), (0, 2), (1, 1)]);
    assert_eq!(before.positions(), after.positions());
    assert!(after.picks(50, false).contains('-'));
    let fallen_back = after.picks(50, true);
    assert!(!fallen_back.contains('-') && !fallen_back.contains('2'));
}

#[test]
fn few_slots_change_hands_when_a_server_goes() {
    let five = Service::new(Kind::Mh, &[(1, 1); 5]);
    let mut four = Service::new(Kind::Mh, &[(1, 1); 5]);
    four.members.remove(4);
    four.words = table::words(Kind::Mh, &four.members);
    let moved = five.positions().iter().zip(four.positions()).filter(|(a, b)| **a != Some(4) && **a != *b).count();
    assert!(moved * 20 < SLOTS as usize, "{moved} of {SLOTS} slots of servers that stayed");
}

/// The table as `ip_vs_sh_reassign` and `ip_vs_dh_reassign` fill it, bucket by bucket.
fn naive_buckets(service: &Service) -> Vec<Option<u32>> {
    let (mut at, mut filled) = (0, 0);
    let mut next = |_| {
        let weight = service.members.get(at)?.weight;
        let position = at as u32;
        filled += 1;
        if service.kind == Kind::Dh || filled >= weight {
            (at, filled) = ((at + 1) % service.members.len(), 0);
        }
        Some(position)
    };
    (0..BUCKETS).map(&mut next).collect()
}

/// The table as `ip_vs_mh_reassign` fills it: whole preference lists, one slot after the other.
fn naive_slots(service: &Service) -> Vec<Option<u32>> {
    let mut slots = vec![None; SLOTS as usize];
    let weights = || service.members.iter().map(|member| member.last_weight).filter(|weight| *weight > 0);
    let Some(largest) = weights().max() else { return slots };
    let divides = |divisor: &u32| weights().all(|weight| weight % divisor == 0);
    let divisor = (1..=largest).rev().find(divides).expect("1 does");
    let bits = (0..32).filter(|bit| (largest / divisor) >> bit != 0).count() as u32;
    let turns = |weight: u32| match (weight / divisor) >> bits.saturating_sub(6) {
        0 if weight != 0 => 1,
        turns => turns,
    };
    let preferences = |member: &Member| {
        let key = key(&member.address, member.port);
        let (offset, skip) = (sip::hash(key, sip::FIRST) % SLOTS, sip::hash(key, sip::SECOND) % (SLOTS - 1) + 1);
        (0..SLOTS).map(move |index| ((offset + index * skip % SLOTS) % SLOTS) as usize)
    };
    let mut lists: Vec<Vec<usize>> =
        service.members.iter().map(|member| preferences(member).collect::<Vec<_>>()).collect();
    loop {
        for (position, member) in service.members.iter().enumerate() {
            for _ in 0..turns(member.last_weight) {
                let Some(free) = lists[position].iter().position(|slot| slots[*slot].is_none()) else { return slots };
                let slot = lists[position].drain(..=free).next_back().expect("it was found");
                slots[slot] = Some(position as u32);
            }
        }
    }
}

/// `ip_vs_sh_get_fallback` and `ip_vs_mh_get_fallback`, bucket by bucket.
fn naive(service: &Service, key: u32, fallback: bool) -> Option<u32> {
    let size = if service.kind == Kind::Mh { SLOTS } else { BUCKETS };
    let first = bucket(service.kind, key, 0);
    let others = (0..size).map(|offset| bucket(service.kind, key, (offset + first) % size));
    for at in std::iter::once(first).chain(others.filter(|_| fallback)) {
        let candidate = service.candidate(service.position(at)?)?;
        if candidate.weight > 0 && !candidate.overloaded {
            return Some(candidate.real);
        }
    }
    None
}

fn kind() -> impl Strategy<Value = Kind> {
    prop_oneof![Just(Kind::Sh), Just(Kind::Dh), Just(Kind::Mh)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_probe_ends_where_the_kernel_does(
        kind in kind(),
        members in proptest::collection::vec((0u32..4, any::<bool>()), 0..8),
        keys in proptest::collection::vec(any::<u32>(), 1..20),
        fallback in any::<bool>(),
    ) {
        let weights: Vec<(u32, u32)> = members.iter().map(|(weight, _)| (*weight, *weight)).collect();
        let mut service = Service::new(kind, &weights);
        service.overloaded = members.iter().map(|(_, overloaded)| *overloaded).collect();
        for key in keys {
            prop_assert_eq!(service.pick(key, fallback), naive(&service, key, fallback));
        }
    }

    #[test]
    fn tables_are_those_of_the_kernels_loops(
        kind in kind(),
        weights in proptest::collection::vec((0u32..3, prop_oneof![0u32..4, 0u32..300, Just(3000u32)]), 0..9),
    ) {
        // Some are quiesced, and some never had a weight.
        let pairs: Vec<_> = weights.iter().map(|(factor, last)| (factor.min(&1) * last, *last)).collect();
        let service = Service::new(kind, &pairs);
        let expected = if kind == Kind::Mh { naive_slots(&service) } else { naive_buckets(&service) };
        prop_assert_eq!(service.positions(), expected);
    }

    #[test]
    fn shares_are_those_of_the_weights(kind in kind(), weights in proptest::collection::vec(1u32..=20, 1..12)) {
        let pairs: Vec<(u32, u32)> = weights.iter().map(|weight| (*weight, *weight)).collect();
        let service = Service::new(kind, &pairs);
        let mut shares: BTreeMap<u32, u32> = BTreeMap::new();
        for position in service.positions().into_iter().flatten() {
            *shares.entry(position).or_default() += 1;
        }
        let weight = |position: u32| if kind == Kind::Dh { 1 } else { service.members[position as usize].weight };
        let total: u32 = (0..weights.len() as u32).map(weight).sum();
        for position in 0..weights.len() as u32 {
            let share = shares.get(&position).copied().unwrap_or(0);
            // Within the last round, which ends where the table is full.
            let rounds = buckets(kind) / total;
            prop_assert!(
                share >= rounds * weight(position) && share <= (rounds + 1) * weight(position),
                "{} of {} for {} of {}", share, buckets(kind), weight(position), total
            );
        }
    }
}

#[test]
fn a_table_tells_a_thousand_members_apart() {
    for kind in [Kind::Sh, Kind::Dh, Kind::Mh] {
        let members: Vec<Member> = (0..1024u32)
            .map(|index| Member {
                address: Address::from_v4((0x0a00_0000 + index).to_be()),
                port: 80u16.to_be(),
                weight: 1,
                last_weight: 1,
            })
            .collect();
        let words = table::words(kind, &members);
        let service = Service { kind, members, overloaded: Vec::new(), words };
        let mut found = service.positions();
        found.sort_unstable();
        found.dedup();
        assert_eq!(found.len(), if kind == Kind::Mh { 1024 } else { 256 });
    }
}
