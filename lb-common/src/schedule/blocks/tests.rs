use core::cell::Cell;

use super::super::pool::{Cursor, Header};
use super::super::{Candidate, HEAD, Kind, Members, Scan, Step};
use super::{BLOCK, BlockScan, Blocks, Summary, blocks, max_steps};
use proptest::prelude::*;

const KINDS: [Kind; 6] = [Kind::Lc, Kind::Wlc, Kind::Sed, Kind::Nq, Kind::Fo, Kind::Ovf];

/// A pool as the packet path has it, with the words of its blocks.
struct Pool {
    kind: Kind,
    classic: bool,
    members: Vec<Candidate>,
    summaries: Vec<Cell<Summary>>,
}

impl Members for Pool {
    fn candidate(&self, position: u32) -> Option<Candidate> {
        self.members.get(position as usize).copied()
    }
}

impl Blocks for Pool {
    fn summary(&self, block: u32) -> Summary {
        self.summaries[block as usize].get()
    }

    fn summarise(&self, block: u32, before: Summary, after: Summary) {
        let word = &self.summaries[block as usize];
        if word.get() == before {
            word.set(after);
        }
    }
}

impl Pool {
    fn new(kind: Kind, weights: impl IntoIterator<Item = u32>) -> Self {
        let member = |(real, weight)| Candidate { real, weight, ..Candidate::default() };
        let mut pool =
            Self { kind, classic: false, members: (0..).zip(weights).map(member).collect(), summaries: Vec::new() };
        pool.forget();
        pool
    }

    /// As when the pool is written anew.
    fn forget(&mut self) {
        self.summaries = vec![Cell::default(); blocks(self.members.len() as u32) as usize];
    }

    fn change(&mut self, position: usize, change: impl FnOnce(&mut Candidate)) {
        change(&mut self.members[position]);
        if let Some(word) = self.summaries.get(position / BLOCK as usize) {
            word.set(Summary(word.get().0.wrapping_add(Summary::CHANGE)));
        }
    }

    fn header(&self) -> Header {
        Header::of(self.members.iter().map(|member| member.weight))
    }

    fn scan(&self) -> BlockScan {
        BlockScan::new(self.kind, &self.header(), self.classic)
    }

    /// The pick of a scan that looks at everybody, as it is in a small pool.
    fn pick_of_all(&self) -> Option<u32> {
        Scan::new(self.kind, &self.header(), Cursor { position: HEAD, weight: 0 }, self.classic).run(self)
    }

    /// Picks, and tells in how many steps.
    fn pick(&self) -> (Option<u32>, u32) {
        let mut scan = self.scan();
        for steps in 1..=max_steps(self.members.len() as u32) {
            match scan.step(self) {
                Step::Continue => {}
                Step::Pick(real) => return (Some(real), steps),
                Step::Nobody => return (None, steps),
            }
        }
        panic!("the scan does not end");
    }

    /// `ip_vs_lc_schedule`, `ip_vs_wlc_schedule` and so on, as the kernel has them.
    fn naive(&self) -> Option<u32> {
        let overhead = |member: &Candidate| {
            let (active, inactive) = (i64::from(member.active), i64::from(member.inactive));
            (active << 8) + if self.classic { inactive } else { active + inactive }
        };
        let able = self.members.iter().filter(|member| !member.overloaded && member.weight > 0);
        let least = |cost: &dyn Fn(&Candidate) -> i64, weight: &dyn Fn(&Candidate) -> i64| {
            able.clone().reduce(|least, member| {
                if cost(least) * weight(member) > cost(member) * weight(least) { member } else { least }
            })
        };
        let weight = |member: &Candidate| i64::from(member.weight);
        let waiting = |member: &Candidate| i64::from(member.active) + 1;
        let found = match self.kind {
            Kind::Lc => least(&overhead, &|_| 1),
            Kind::Wlc => least(&overhead, &weight),
            Kind::Sed => least(&waiting, &weight),
            Kind::Nq => able.clone().find(|member| member.active == 0).or_else(|| least(&waiting, &weight)),
            Kind::Fo => able.clone().reduce(|most, member| if member.weight > most.weight { member } else { most }),
            Kind::Ovf => able
                .clone()
                .filter(|member| member.active <= member.weight)
                .reduce(|most, member| if member.weight > most.weight { member } else { most }),
            Kind::Rr | Kind::Wrr | Kind::Sh | Kind::Dh | Kind::Mh | Kind::Twos | Kind::Lblc | Kind::Lblcr => {
                panic!("{:?} is not one of these", self.kind)
            }
        };
        found.map(|member| member.real)
    }
}

/// What happens to a pool.
#[derive(Clone, Debug)]
enum Event {
    /// A pick, and the new connection counts.
    Pick,
    /// A server's connections change.
    Counts { at: usize, active: u32, inactive: u32 },
    /// A server is overloaded, or not any more.
    Overload { at: usize, overloaded: bool },
    /// A server's weight changes: the pool is written anew.
    Weight { at: usize, weight: u32 },
    /// The rule of the cost changes, and every block is looked at again.
    Classic(bool),
    /// A server's connections change when another CPU's pick has come so far.
    ChangeWithin { steps: usize, at: usize, active: u32 },
}

fn event() -> impl Strategy<Value = Event> {
    let at = 0..200usize;
    // Close to where the two rules differ, and close to each other.
    let active = prop_oneof![0..4u32, 0..100_000u32];
    let inactive = prop_oneof![0..4u32, 250..520u32];
    prop_oneof![
        4 => Just(Event::Pick),
        4 => (at.clone(), active.clone(), inactive)
            .prop_map(|(at, active, inactive)| Event::Counts { at, active, inactive }),
        2 => (at.clone(), any::<bool>()).prop_map(|(at, overloaded)| Event::Overload { at, overloaded }),
        1 => (at.clone(), weight()).prop_map(|(at, weight)| Event::Weight { at, weight }),
        1 => any::<bool>().prop_map(Event::Classic),
        2 => (0..200usize, at, active).prop_map(|(steps, at, active)| Event::ChangeWithin { steps, at, active }),
    ]
}

fn weight() -> impl Strategy<Value = u32> {
    prop_oneof![3 => 0..4u32, 1 => 0..65_536u32, 1 => Just(i32::MAX as u32)]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn blocks_change_no_decision(
        kind in prop::sample::select(&KINDS[..]),
        weights in prop_oneof![
            prop::collection::vec(weight(), 65..200),
            prop::collection::vec(Just(1u32), 65..200),
        ],
        events in prop::collection::vec(event(), 1..100),
    ) {
        let mut pool = Pool::new(kind, weights);
        let count = pool.members.len();
        for event in events {
            match event {
                Event::Pick => {
                    let (picked, _) = pool.pick();
                    prop_assert_eq!(picked, pool.naive());
                    prop_assert_eq!(pool.pick_of_all(), picked);
                    if let Some(real) = picked {
                        pool.change(real as usize, |member| member.active += 1);
                    }
                }
                Event::Counts { at, active, inactive } => {
                    pool.change(at % count, |member| (member.active, member.inactive) = (active, inactive));
                }
                Event::Overload { at, overloaded } => {
                    pool.change(at % count, |member| member.overloaded = overloaded);
                }
                Event::Weight { at, weight } => {
                    pool.members[at % count].weight = weight;
                    pool.forget();
                }
                Event::Classic(classic) => {
                    pool.classic = classic;
                    pool.forget();
                }
                Event::ChangeWithin { steps, at, active } => {
                    let mut scan = pool.scan();
                    let on = (0..steps).all(|_| scan.step(&pool) == Step::Continue);
                    pool.change(at % count, |member| member.active = active);
                    while on && scan.step(&pool) == Step::Continue {}
                }
            }
        }
        prop_assert_eq!(pool.pick().0, pool.naive());
    }
}

/// Steps of a pick after this many servers, far from each other, have changed since the last one.
fn steps(kind: Kind, count: u32, changed: u32) -> u32 {
    let mut pool = Pool::new(kind, (0..count).map(|at| at % 7 + 1));
    (0..count as usize).for_each(|at| pool.change(at, |member| member.active = 3));
    pool.pick();
    for nth in 0..changed {
        pool.change((nth * count / changed) as usize, |member| member.active += 1);
    }
    pool.pick().1
}

#[test]
fn large_pools_have_blocks() {
    assert_eq!([0, 64, 65, 96, 97, 1024].map(blocks), [0, 0, 3, 3, 4, 32]);
}

#[test]
fn four_times_the_servers_are_at_most_twice_the_steps() {
    for kind in KINDS {
        for changed in 1..=4 {
            let (few, many) = (steps(kind, 256, changed), steps(kind, 1024, changed));
            assert!(many <= 2 * few, "{kind:?}, {changed} changed: {many} steps instead of {few}");
        }
    }
    assert_eq!(steps(Kind::Wlc, 1024, 1), 31 + 32 + 1, "a step for each other block, and the end");
}

#[test]
fn the_classic_cost_counts_active_connections_once_less() {
    let mut pool = Pool::new(Kind::Wlc, [1; 65]);
    (2..65).for_each(|at| pool.change(at, |member| member.overloaded = true));
    pool.change(0, |member| member.active = 1);
    pool.change(1, |member| member.inactive = 256);
    // The recorded difference of 6.1.176 and 6.1.192.
    for kind in [Kind::Lc, Kind::Wlc] {
        pool.kind = kind;
        for (classic, expected) in [(true, 0), (false, 1)] {
            pool.classic = classic;
            pool.forget();
            assert_eq!((pool.pick().0, pool.pick_of_all()), (Some(expected), Some(expected)), "{kind:?} {classic}");
        }
    }
    (pool.kind, pool.classic) = (Kind::Sed, true);
    pool.forget();
    assert_eq!(pool.pick().0, Some(1), "sed does not look at inactive ones");
}
