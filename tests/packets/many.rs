//! A service with 1,024 real servers: the blocks of a large pool decide nothing.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

use lb_common::schedule::pool::{Cursor, Header};
use lb_common::schedule::{Candidate, HEAD, Kind, Members, Scan};
use lb_user::dataplane::Sizes;
use lb_user::model::Sysctls;
use lb_user::tables::maps::Maps as _;
use lvx_tests::director::{TestDirector, mac_of};
use lvx_tests::frame::{Packet, mac_addresses};
use proptest::prelude::*;

use super::VIP_WEB;

const SERVERS: u16 = 1024;

/// The schedulers that keep the best of all members.
const LEAST: [(&str, Kind); 6] =
    [("lc", Kind::Lc), ("wlc", Kind::Wlc), ("sed", Kind::Sed), ("nq", Kind::Nq), ("fo", Kind::Fo), ("ovf", Kind::Ovf)];

/// Members without a memory of blocks: a scan looks at each.
struct All(Vec<Candidate>);

impl Members for All {
    fn candidate(&self, position: u32) -> Option<Candidate> {
        self.0.get(position as usize).copied()
    }
}

/// The service, and what its servers must be.
struct World {
    director: TestDirector,
    scheduler: usize,
    classic: bool,
    /// Number and weight, newest first.
    members: Vec<(u16, u32)>,
    removed: Vec<u16>,
    clients: u16,
}

fn address(server: u16) -> IpAddr {
    let [high, low] = server.to_be_bytes();
    IpAddr::from([172, 17, high, low])
}

fn client(number: u16, flags: &str) -> Vec<u8> {
    let [high, low] = number.to_be_bytes();
    Packet::tcp(&format!("10.0.{high}.{low}:1024"), VIP_WEB, flags).frame()
}

fn large_director() -> TestDirector {
    TestDirector::new(Sizes { connections: 8192, templates: 16, services: 4, real_servers: 16 * u32::from(SERVERS) })
}

impl World {
    fn new(scheduler: usize, weight: impl Fn(u16) -> u32) -> Self {
        let (director, members) = (large_director(), Vec::new());
        let mut world = Self { director, scheduler, classic: false, members, removed: Vec::new(), clients: 0 };
        world.must(&format!("-A -t {VIP_WEB} -s {}", LEAST[scheduler].0));
        (0..SERVERS).for_each(|server| world.add(server, weight(server)));
        world
    }

    fn must(&mut self, words: &str) {
        let line = format!("ipvsadm {words}");
        self.director.must([line.as_str()]);
    }

    fn add(&mut self, server: u16, weight: u32) {
        self.must(&format!("-a -t {VIP_WEB} -r {} -g -w {weight}", address(server)));
        self.members.insert(0, (server, weight));
    }

    /// Whom the scheduler picks when it looks at everybody.
    fn expected(&mut self) -> Option<IpAddr> {
        let tables = self.director.director().tables();
        let slots: HashMap<IpAddr, u32> =
            tables.slots().into_iter().map(|(slot, (_, address, _))| (address, slot)).collect();
        let candidate = |(server, weight): &(u16, u32)| {
            let real = slots[&address(*server)];
            let counts = tables.maps().counts(real);
            let (active, inactive) = (counts.active as u32, counts.inactive as u32);
            Candidate { real, weight: *weight, active, inactive, overloaded: counts.overloaded != 0 }
        };
        let all = All(self.members.iter().map(candidate).collect());
        let header = Header::of(self.members.iter().map(|(_, weight)| *weight));
        let cursor = Cursor { position: HEAD, weight: 0 };
        let real = Scan::new(LEAST[self.scheduler].1, &header, cursor, self.classic).run(&all)?;
        slots.into_iter().find(|(_, slot)| *slot == real).map(|(address, _)| address)
    }

    fn happen(&mut self, event: &Event) -> Result<(), TestCaseError> {
        let count = self.members.len();
        match *event {
            Event::Connections(number) => {
                for _ in 0..number {
                    let expected = self.expected();
                    self.clients += 1;
                    let fate = self.director.receive(&client(self.clients, "S"));
                    let to = mac_addresses(fate.sent()).0;
                    prop_assert_eq!(to, expected.map_or(lvx_tests::frame::ROUTER, mac_of), "client {}", self.clients);
                }
            }
            Event::Packet(number, flags) => {
                if let Some(number) = number.checked_rem(self.clients) {
                    self.director.receive(&client(number + 1, flags));
                }
            }
            Event::Wait(seconds) => self.director.advance(Duration::from_secs(seconds)),
            Event::Edit(at, weight, limit) => {
                let (server, kept) = &mut self.members[at % count];
                *kept = weight;
                let server = address(*server);
                self.must(&format!("-e -t {VIP_WEB} -r {server} -g -w {weight} -x {limit}"));
            }
            Event::Remove(at) => {
                let (server, _) = self.members.remove(at % count);
                self.must(&format!("-d -t {VIP_WEB} -r {}", address(server)));
                self.removed.push(server);
            }
            Event::Return(weight) => {
                if let Some(server) = self.removed.pop() {
                    self.add(server, weight);
                }
            }
            Event::Scheduler(scheduler) => {
                self.scheduler = scheduler;
                self.must(&format!("-E -t {VIP_WEB} -s {}", LEAST[scheduler].0));
            }
            Event::Classic(classic) => {
                self.classic = classic;
                let sysctls = Sysctls { classic_overhead: classic, sloppy_tcp: true, ..Sysctls::default() };
                self.director.director().tables().set_sysctls(&sysctls);
            }
        }
        Ok(())
    }
}

/// What happens to the service.
#[derive(Clone, Debug)]
enum Event {
    /// So many new ones.
    Connections(u16),
    /// A client's connection goes on, or ends.
    Packet(u16, &'static str),
    Wait(u64),
    /// A weight and an upper threshold.
    Edit(usize, u32, u32),
    Remove(usize),
    Return(u32),
    Scheduler(usize),
    Classic(bool),
}

fn event() -> impl Strategy<Value = Event> {
    let at = 0..usize::from(SERVERS);
    let weight = 0..4u32;
    prop_oneof![
        6 => (1..30u16).prop_map(Event::Connections),
        8 => (any::<u16>(), prop::sample::select(vec!["A", "FA", "R"])).prop_map(|(n, flags)| Event::Packet(n, flags)),
        1 => (1..130u64).prop_map(Event::Wait),
        2 => (at.clone(), weight.clone(), 0..3u32).prop_map(|(at, weight, limit)| Event::Edit(at, weight, limit)),
        1 => at.prop_map(Event::Remove),
        1 => weight.prop_map(Event::Return),
        1 => (0..LEAST.len()).prop_map(Event::Scheduler),
        1 => any::<bool>().prop_map(Event::Classic),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 6, max_shrink_iters: 40, ..ProptestConfig::default() })]

    #[test]
    fn the_best_of_1024_is_the_best_of_all(
        scheduler in 0..LEAST.len(),
        equal in any::<bool>(),
        events in prop::collection::vec(event(), 60),
    ) {
        let mut world = World::new(scheduler, |server| if equal { 1 } else { u32::from(server % 5) });
        for (number, event) in events.iter().enumerate() {
            if let Err(error) = world.happen(event) {
                return Err(TestCaseError::fail(format!("event {number}, {event:?}: {error}")));
            }
        }
    }
}

/// Whom new connections go to, by the numbers of the servers.
fn picks(director: &mut TestDirector, clients: std::ops::Range<u16>) -> Vec<u16> {
    let pick = |number| {
        let to = mac_addresses(director.receive(&client(number, "S")).sent()).0;
        u16::from_be_bytes([to[4], to[5]])
    };
    clients.map(pick).collect()
}

#[test]
fn rr_and_wrr_go_round_1024_servers() {
    let mut director = large_director();
    director.must([format!("ipvsadm -A -t {VIP_WEB} -s rr").as_str()]);
    for server in 0..SERVERS {
        let weight = if server % 2 == 0 { 3 } else { 1 };
        let line = format!("ipvsadm -a -t {VIP_WEB} -r {} -g -w {weight}", address(server));
        director.must([line.as_str()]);
    }
    let all: Vec<u16> = (0..SERVERS).rev().collect();
    assert_eq!(picks(&mut director, 0..2 * SERVERS), all.repeat(2));
    director.must([format!("ipvsadm -E -t {VIP_WEB} -s wrr").as_str()]);
    let heavy: Vec<u16> = all.iter().copied().filter(|server| server % 2 == 0).collect();
    let round = [heavy.clone(), heavy, all].concat();
    assert_eq!(picks(&mut director, 2 * SERVERS..6 * SERVERS), round.repeat(2));
}
