//! lblc and lblcr: what went to a destination before decides, and so these services have a mark and many addresses.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use lb_common::real_server::Counts;
use lb_user::model::Sysctls;
use lb_user::tables::maps::Maps as _;
use lvx_tests::director::{TestDirector, mac_of};
use lvx_tests::frame::{Packet, ROUTER, mac_addresses};
use proptest::prelude::*;

use super::expect::change;
use super::*;

/// `lblcr_expiration` where a test lets it pass: no sum of [`WAITS`].
const EXPIRATION: u64 = 200;
const WAITS: [u64; 3] = [37, 61, 90];

/// A director with the mark 8 on port 80 of 172.16.100.0/24, and a service with servers of these weights, 10 the oldest.
fn marked(scheduler: &str, weights: &[u32]) -> TestDirector {
    let mut director =
        with("iptables -t mangle -A PREROUTING -d 172.16.100.0/24 -p tcp --dport 80 -j MARK --set-mark 8");
    change(&mut director, &format!("ipvsadm -A -f 8 -s {scheduler}"));
    for (server, weight) in (10..).zip(weights) {
        add(&mut director, server, *weight);
    }
    director
}

fn add(director: &mut TestDirector, server: u8, weight: u32) {
    change(director, &format!("ipvsadm -a -f 8 -r {}:80 -g -w {weight}", address(server)));
}

fn edit(director: &mut TestDirector, server: u8, words: &str) {
    change(director, &format!("ipvsadm -e -f 8 -r {}:80 -g {words}", address(server)));
}

fn remove(director: &mut TestDirector, server: u8) {
    change(director, &format!("ipvsadm -d -f 8 -r {}:80", address(server)));
}

fn address(server: u8) -> IpAddr {
    IpAddr::from([172, 16, 100, server])
}

fn frame(client: u16, destination: u8, flags: &str) -> Vec<u8> {
    let [high, low] = client.to_be_bytes();
    Packet::tcp(&format!("10.0.{high}.{low}:1024"), &format!("172.16.100.{destination}:80"), flags).frame()
}

/// The server that a new connection goes to, 0 for none.
fn pick(director: &mut TestDirector, client: u16, destination: u8) -> u8 {
    let to = mac_addresses(director.receive(&frame(client, destination, "S")).sent()).0;
    if to == ROUTER { 0 } else { to[5] }
}

/// Servers of new connections to these destinations, from clients of their own.
fn picks(director: &mut TestDirector, first_client: u16, destinations: &[u8]) -> Vec<u8> {
    (first_client..).zip(destinations).map(|(client, destination)| pick(director, client, *destination)).collect()
}

#[test]
fn a_destination_stays_with_its_server_until_that_is_busy_and_another_idle() {
    for scheduler in ["lblc", "lblcr"] {
        let mut director = marked(scheduler, &[2, 2, 2]);
        // 12 takes three, one more than its weight; then it is busy, and the others are idle.
        assert_eq!(picks(&mut director, 1, &[201, 202, 201, 201, 201]), [12, 11, 12, 12, 10], "{scheduler}");
        assert_eq!(picks(&mut director, 10, &[202, 201]), [11, 10], "{scheduler}");
    }
}

#[test]
fn nobody_is_idle_so_the_busy_server_stays() {
    let mut director = marked("lblc", &[1, 1]);
    // With weight 1 only a server without active connections is idle.
    assert_eq!(picks(&mut director, 1, &[201, 202, 201, 201, 201]), [11, 10, 11, 11, 11]);
}

#[test]
fn a_remembered_server_with_weight_0_or_that_is_removed_is_replaced() {
    for scheduler in ["lblc", "lblcr"] {
        for removed in [false, true] {
            let mut director = marked(scheduler, &[9, 9]);
            assert_eq!(picks(&mut director, 1, &[201, 201]), [11, 11]);
            if removed {
                remove(&mut director, 11)
            } else {
                edit(&mut director, 11, "-w 0")
            };
            assert_eq!(picks(&mut director, 10, &[201, 201]), [10, 10], "{scheduler} {removed}");
            if removed {
                add(&mut director, 11, 9)
            } else {
                edit(&mut director, 11, "-w 9")
            };
            // lblc has forgotten it; lblcr has it in the set, where both have two connections and 10 is in front.
            assert_eq!(picks(&mut director, 20, &[201]), [10], "{scheduler} {removed}");
            let last = if scheduler == "lblc" { 10 } else { 11 };
            assert_eq!(picks(&mut director, 21, &[201]), [last], "{scheduler} {removed}");
        }
    }
}

#[test]
fn lblc_uses_an_overloaded_server_again_and_lblcr_does_not() {
    for (scheduler, expected) in [("lblc", 11), ("lblcr", 10)] {
        let mut director = marked(scheduler, &[9, 9]);
        edit(&mut director, 11, "-w 9 -x 2");
        assert_eq!(picks(&mut director, 1, &[201, 201, 201]), [11, 11, expected], "{scheduler}");
        assert_eq!(pick(&mut director, 10, 202), 10, "{scheduler}: another destination");
    }
}

#[test]
fn a_server_that_comes_back_is_the_one_that_is_remembered() {
    let mut director = marked("lblc", &[9, 9, 9]);
    assert_eq!(picks(&mut director, 1, &[201, 202]), [12, 11]);
    remove(&mut director, 12);
    // It has no connection any more, but an entry leads to it: so it is not forgotten.
    director.advance(Duration::from_secs(200));
    add(&mut director, 12, 9);
    // It has no connections and is the newest: 203 is there to make another the least loaded.
    assert_eq!(pick(&mut director, 10, 203), 12);
    assert_eq!(pick(&mut director, 11, 201), 12);
}

#[test]
fn another_scheduler_or_a_new_service_starts_with_an_empty_memory() {
    let forget: [&[&str]; 3] = [
        &["ipvsadm -E -f 8 -s wlc", "ipvsadm -E -f 8 -s lblc"],
        &["ipvsadm -E -f 8 -s lblcr"],
        &["ipvsadm -D -f 8", "ipvsadm -A -f 8 -s lblc"],
    ];
    for commands in forget {
        let mut director = marked("lblc", &[9, 9]);
        assert_eq!(picks(&mut director, 1, &[201, 201]), [11, 11]);
        change(&mut director, "ipvsadm -E -f 8 -s lblc -p 300\nipvsadm -E -f 8 -s lblc");
        assert_eq!(pick(&mut director, 10, 201), 11, "the same scheduler again keeps it");
        director.must(commands.iter().copied());
        if commands[0].contains("-D") {
            add(&mut director, 10, 9);
            add(&mut director, 11, 9);
        }
        assert_eq!(pick(&mut director, 11, 201), 10, "{commands:?}");
    }
}

#[test]
fn services_do_not_share_what_they_remember_and_ipv6_has_it_too() {
    let mut director = with(
        "ipvsadm -A -t [2001:db8::100]:80 -s lblc
         ipvsadm -a -t [2001:db8::100]:80 -r 2001:db8::10 -g -w 9
         ipvsadm -a -t [2001:db8::100]:80 -r 2001:db8::11 -g -w 9
         ipvsadm -A -t [2001:db8::100]:443 -s lblcr
         ipvsadm -a -t [2001:db8::100]:443 -r 2001:db8::12 -g",
    );
    for (client, port, server) in [(1, 80, "2001:db8::11"), (2, 80, "2001:db8::11"), (3, 443, "2001:db8::12")] {
        let syn = Packet::tcp(&format!("[2001:db8:1::{client}]:1024"), &format!("[2001:db8::100]:{port}"), "S");
        let to = mac_addresses(director.receive(&syn.frame()).sent()).0;
        assert_eq!(to, mac_of(server.parse().expect("an address")), "client {client}");
    }
}

#[test]
fn persistence_is_asked_first() {
    let mut director = marked("lblc", &[9, 9]);
    change(&mut director, "ipvsadm -E -f 8 -s lblc -p 300");
    assert_eq!(pick(&mut director, 1, 201), 11);
    assert_eq!(pick(&mut director, 2, 202), 10, "another destination, the least loaded server");
    let again = Packet::tcp("10.0.0.1:1025", "172.16.100.202:80", "S").frame();
    assert_eq!(mac_addresses(director.receive(&again).sent()).0[5], 11, "the client's template");
}

#[test]
fn a_set_that_did_not_change_for_a_day_loses_its_most_loaded_server() {
    let mut director = marked("lblcr", &[1, 1, 1]);
    // 12 is busy with two, then 11; 10 is never asked.
    assert_eq!(picks(&mut director, 1, &[201, 201, 201, 201]), [12, 12, 11, 11]);
    director.age_memory(Duration::from_secs(86_300));
    assert_eq!(pick(&mut director, 10, 201), 10, "both are busy: the set grows");
    director.age_memory(Duration::from_secs(86_500));
    // 10 has one, and 11, the first of those with two, goes. Nobody is idle any more; so 10 and 12 take turns, and 11 is
    // not asked, though it has fewer.
    assert_eq!(picks(&mut director, 20, &[201; 5]), [10, 10, 12, 10, 12]);
}

/// What lblc forgets after `lblc_expiration`, at every thirtieth minute.
#[test]
fn entries_that_were_not_used_are_collected() {
    for scheduler in ["lblc", "lblcr"] {
        let mut director = marked(scheduler, &[900, 900]);
        let sysctls = Sysctls { lblc_expiration: 100, lblcr_expiration: 100, ..Sysctls::default() };
        director.director().tables().set_sysctls(&sysctls);
        assert_eq!(picks(&mut director, 1, &[201, 202]), [11, 10]);
        // Both are kept for now, however idle.
        director.advance(Duration::from_secs(29 * 60));
        assert_eq!(pick(&mut director, 10, 202), 10, "{scheduler}");
        director.advance(Duration::from_secs(59));
        assert_eq!(entries(&mut director), 2, "{scheduler}");
        director.advance(Duration::from_secs(1));
        assert_eq!(entries(&mut director), 1, "{scheduler}: 201 was idle for half an hour");
        assert_eq!(pick(&mut director, 20, 202), 10, "{scheduler}");
        assert_eq!(pick(&mut director, 21, 201), 11, "{scheduler}: anew");
        change(&mut director, "ipvsadm -C");
        assert_eq!(entries(&mut director), 0, "{scheduler}");
    }
}

/// Number of entries of all tables.
fn entries(director: &mut TestDirector) -> usize {
    let maps = director.director().tables().maps();
    (1..maps.cells()).filter(|at| maps.cell(*at).table != 0).count()
}

#[test]
fn a_set_holds_all_of_1024_servers() {
    let sizes = lb_user::dataplane::Sizes { connections: 8192, templates: 16, services: 4, real_servers: 16_384 };
    let mut director = TestDirector::new(sizes);
    change(&mut director, "ipvsadm -A -t 172.16.100.1:80 -s lblcr");
    for server in 0..1024u16 {
        let [high, low] = server.to_be_bytes();
        let line = format!("ipvsadm -a -t 172.16.100.1:80 -r 172.17.{high}.{low} -g -w 1");
        director.must([line.as_str()]);
    }
    let mut picked = |client| {
        let to = mac_addresses(director.receive(&frame(client, 1, "S")).sent()).0;
        u16::from_be_bytes([to[4], to[5]])
    };
    // Each server gets two, and is busy then, while an idle one is left.
    let expected: Vec<u16> = (0..1024).rev().flat_map(|server| [server, server]).collect();
    let found: Vec<u16> = (1..=2048).map(&mut picked).collect();
    assert_eq!(found, expected);
    // Of equals the first of the set, which came last.
    assert_eq!([picked(3000), picked(3001), picked(3002)], [0, 1, 2]);
}

/// A server as the model sees it.
#[derive(Clone, Copy, Debug)]
struct Server {
    weight: u32,
    member: bool,
}

/// `ip_vs_lblc_schedule` and `ip_vs_lblcr_schedule` in plain words, over the counts that LVX has.
struct Model {
    director: TestDirector,
    replicates: bool,
    classic: bool,
    servers: BTreeMap<u8, Server>,
    /// Newest first.
    members: Vec<u8>,
    /// The set of each destination, newest first, and seconds since it changed; lblc's has one server.
    memory: BTreeMap<u8, (Vec<u8>, u64)>,
    clients: u16,
}

impl Model {
    fn counts(&mut self, server: u8) -> Counts {
        let tables = self.director.director().tables();
        let slots = tables.slots();
        let slot = slots.iter().find(|(_, (_, known, _))| *known == address(server)).map(|(slot, _)| *slot);
        slot.map(|slot| tables.maps().counts(slot)).unwrap_or_default()
    }

    fn overhead(&mut self, server: u8) -> u64 {
        let Counts { active, inactive, .. } = self.counts(server);
        active * 256 + inactive + if self.classic { 0 } else { active }
    }

    fn is_overloaded(&mut self, server: u8) -> bool {
        self.counts(server).overloaded != 0
    }

    fn weight(&self, server: u8) -> u64 {
        self.servers[&server].weight.into()
    }

    fn least(&mut self, among: &[u8]) -> Option<u8> {
        let mut least: Option<u8> = None;
        for server in among.iter().copied() {
            if !self.servers[&server].member || self.weight(server) == 0 || self.is_overloaded(server) {
                continue;
            }
            let better = match least {
                None => true,
                Some(best) => self.overhead(best) * self.weight(server) > self.overhead(server) * self.weight(best),
            };
            if better {
                least = Some(server);
            }
        }
        least
    }

    fn most(&mut self, among: &[u8]) -> Option<u8> {
        let mut most: Option<u8> = None;
        for server in among.iter().copied().filter(|server| self.servers[server].weight > 0).collect::<Vec<_>>() {
            let heavier = match most {
                None => true,
                Some(heaviest) => {
                    self.overhead(heaviest) * self.weight(server) < self.overhead(server) * self.weight(heaviest)
                }
            };
            if heavier {
                most = Some(server);
            }
        }
        most
    }

    fn is_too_busy(&mut self, server: u8) -> bool {
        if self.counts(server).active <= self.weight(server) {
            return false;
        }
        let members = self.members.clone();
        members.iter().any(|other| self.counts(*other).active * 2 < self.weight(*other))
    }

    fn schedule(&mut self, destination: u8) -> Option<u8> {
        let members = self.members.clone();
        if let Some((set, age)) = self.memory.get(&destination).cloned() {
            let found = if self.replicates {
                let least = self.least(&set);
                if set.len() > 1
                    && age > EXPIRATION
                    && let Some(most) = self.most(&set)
                {
                    let kept = set.iter().copied().filter(|server| *server != most).collect();
                    self.memory.insert(destination, (kept, 0));
                }
                least
            } else {
                set.first().copied().filter(|server| self.servers[server].member && self.weight(*server) > 0)
            };
            if let Some(server) = found
                && !self.is_too_busy(server)
            {
                return Some(server);
            }
        }
        let server = self.least(&members)?;
        let (set, age) = self.memory.entry(destination).or_default();
        if !self.replicates {
            *set = vec![server];
        } else if !set.contains(&server) {
            set.insert(0, server);
            *age = 0;
        }
        Some(server)
    }

    fn happen(&mut self, event: &Event) -> Result<(), TestCaseError> {
        match *event {
            Event::Open(destination) => {
                let expected = self.schedule(destination);
                self.clients += 1;
                let found = pick(&mut self.director, self.clients, destination);
                prop_assert_eq!(found, expected.unwrap_or(0), "memory {:?}", self.memory.get(&destination));
            }
            Event::Packet(client, destination, flags) => {
                self.director.receive(&frame(client % self.clients.max(1) + 1, destination, flags));
            }
            Event::Wait(seconds) => {
                self.director.advance(Duration::from_secs(seconds));
                self.memory.values_mut().for_each(|(_, age)| *age += seconds);
            }
            Event::Change(server, weight, limit) => {
                let known = self.servers.entry(server).or_insert(Server { weight, member: false });
                known.weight = weight;
                if known.member {
                    edit(&mut self.director, server, &format!("-w {weight} -x {limit}"));
                } else {
                    known.member = true;
                    add(&mut self.director, server, weight);
                    self.members.insert(0, server);
                }
            }
            Event::Remove(server) => {
                if self.servers.get(&server).is_some_and(|known| known.member) {
                    remove(&mut self.director, server);
                    self.members.retain(|member| *member != server);
                    self.servers.entry(server).and_modify(|known| known.member = false);
                }
            }
            Event::Classic(classic) => {
                self.classic = classic;
                self.set_sysctls();
            }
            Event::Scheduler(replicates) => {
                change(
                    &mut self.director,
                    &format!("ipvsadm -E -f 8 -s {}", if replicates { "lblcr" } else { "lblc" }),
                );
                if replicates != self.replicates {
                    self.memory.clear();
                }
                self.replicates = replicates;
            }
        }
        Ok(())
    }

    fn set_sysctls(&mut self) {
        let sysctls =
            Sysctls { lblcr_expiration: EXPIRATION as u32, classic_overhead: self.classic, ..Sysctls::default() };
        self.director.director().tables().set_sysctls(&sysctls);
    }
}

/// What happens to the service.
#[derive(Clone, Debug)]
enum Event {
    /// A new connection to a destination.
    Open(u8),
    /// A packet of an earlier client to a destination.
    Packet(u16, u8, &'static str),
    Wait(u64),
    /// A server is added, or gets this weight and upper threshold.
    Change(u8, u32, u32),
    Remove(u8),
    Classic(bool),
    /// lblcr, or lblc.
    Scheduler(bool),
}

fn event() -> impl Strategy<Value = Event> {
    let (destination, server) = (201..205u8, 10..16u8);
    let flags = prop::sample::select(vec!["A", "FA", "FA", "R"]);
    prop_oneof![
        20 => destination.clone().prop_map(Event::Open),
        8 => (any::<u16>(), destination, flags).prop_map(|(n, to, flags)| Event::Packet(n, to, flags)),
        2 => prop::sample::select(WAITS.to_vec()).prop_map(Event::Wait),
        3 => (server.clone(), 0..5u32, prop_oneof![3 => Just(0), 1 => 1..6u32])
            .prop_map(|(server, weight, limit)| Event::Change(server, weight, limit)),
        1 => server.prop_map(Event::Remove),
        1 => any::<bool>().prop_map(Event::Classic),
        1 => prop::bool::weighted(0.8).prop_map(Event::Scheduler),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn decisions_are_those_of_the_plain_words(
        replicates in any::<bool>(),
        weights in prop::collection::vec(0..5u32, 1..6),
        events in prop::collection::vec(event(), 1..160),
    ) {
        let director = marked(if replicates { "lblcr" } else { "lblc" }, &weights);
        let servers = (10..).zip(&weights).map(|(server, weight)| (server, Server { weight: *weight, member: true }));
        let servers: BTreeMap<u8, Server> = servers.collect();
        let members = servers.keys().rev().copied().collect();
        let mut model =
            Model { director, replicates, classic: false, servers, members, memory: BTreeMap::new(), clients: 0 };
        model.set_sysctls();
        for (number, event) in events.iter().enumerate() {
            if let Err(error) = model.happen(event) {
                return Err(TestCaseError::fail(format!("event {number}, {event:?}: {error}")));
            }
        }
    }
}
