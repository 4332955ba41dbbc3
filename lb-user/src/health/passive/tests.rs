use crate::model::Protocol;

use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn target(server: u8) -> Target {
    let id = ServiceId::Address { protocol: Protocol::Tcp, vip: [192, 0, 2, 1].into(), port: 80 };
    Target { id, address: [192, 0, 2, server].into(), port: 80 }
}

/// A service whose servers count by the second.
struct World {
    passive: Passive,
    now: Instant,
    counted: BTreeMap<Target, Handshakes>,
}

impl World {
    fn new(servers: u8) -> Self {
        let mut passive = Passive::default();
        passive.set((0..servers).map(|server| (target(server), PassiveCheck::default())));
        let counted = (0..servers).map(|server| (target(server), Handshakes::default())).collect();
        let mut world = Self { passive, now: Instant::now(), counted };
        world.look();
        world
    }

    fn look(&mut self) -> Vec<Target> {
        self.now += SECOND;
        self.passive.observe(self.now, |target| self.counted.get(target).copied())
    }

    /// A second in which each server gets so many connections, of which so many get past the SYN.
    fn second(&mut self, servers: &[(u64, u64)]) -> Vec<Target> {
        for (server, (begun, confirmed)) in (0..).zip(servers) {
            let more = Handshakes { begun: *begun, confirmed: *confirmed, ..Handshakes::default() };
            let counted = self.counted.get_mut(&target(server)).expect("a server");
            *counted = counted.and(&more);
        }
        self.look()
    }

    fn report(&self, server: u8) -> Report {
        self.passive.judge(&target(server), Report { healthy: true, detail: "connected".to_owned(), weight: None })
    }
}

#[test]
fn a_server_whose_answers_are_lost_leaves_and_comes_back_after_the_hold() {
    let mut world = World::new(3);
    for _ in 0..3 {
        assert_eq!(world.second(&[(5, 1), (5, 5), (5, 5)]), []);
    }
    assert_eq!(world.second(&[(5, 0), (5, 5), (5, 5)]), [target(0)]);
    let report = world.report(0);
    assert!(!report.healthy);
    assert_eq!(report.detail, "only 3 of 20 connections got past the SYN within 10s");
    assert!(world.report(1).healthy);

    for _ in 0..59 {
        assert_eq!(world.second(&[(0, 0), (8, 8), (8, 8)]), []);
    }
    assert_eq!(world.second(&[(0, 0), (8, 8), (8, 8)]), [target(0)]);
    assert!(world.report(0).healthy);
    // What it did before counts no more; what it does now does.
    assert_eq!(world.second(&[(19, 0), (5, 5), (5, 5)]), []);
    assert_eq!(world.second(&[(1, 0), (5, 5), (5, 5)]), [target(0)]);
}

#[test]
fn an_active_check_has_its_own_word() {
    let mut world = World::new(2);
    world.second(&[(50, 0), (50, 50)]);
    let down = Report { healthy: false, detail: "connection refused".to_owned(), weight: None };
    assert_eq!(world.passive.judge(&target(0), down.clone()), down);
    assert_eq!(world.passive.judge(&target(9), down.clone()), down);
}

#[test]
fn a_flood_of_syns_takes_nobody_out() {
    let mut world = World::new(4);
    for _ in 0..30 {
        assert_eq!(world.second(&[(1000, 10), (1000, 12), (1000, 9), (1000, 11)]), []);
    }
    assert_eq!(World::new(1).second(&[(1000, 0)]), [], "there is nobody to compare with");
}

#[test]
fn never_more_than_half_are_out() {
    let mut world = World::new(5);
    let held = world.second(&[(100, 0), (100, 1), (100, 2), (1000, 1000), (1000, 1000)]);
    assert_eq!(held, [target(0), target(1)], "the worst first");
    assert_eq!(world.second(&[(0, 0), (0, 0), (100, 2), (1000, 1000), (1000, 1000)]), []);
    let mut world = World::new(2);
    assert_eq!(world.second(&[(100, 0), (100, 100)]), [target(0)]);
    assert_eq!(world.second(&[(0, 0), (500, 0)]), []);
}

#[test]
fn only_the_window_counts_and_few_connections_say_nothing() {
    let mut world = World::new(2);
    world.second(&[(19, 0), (50, 50)]);
    for _ in 0..10 {
        assert_eq!(world.second(&[(0, 0), (50, 50)]), []);
    }
    assert_eq!(world.second(&[(19, 0), (50, 50)]), []);
}

#[test]
fn counters_that_start_anew_are_no_measure() {
    let mut world = World::new(2);
    world.second(&[(10, 10), (50, 50)]);
    world.counted.insert(target(0), Handshakes::default());
    assert_eq!(world.look(), []);
    assert_eq!(world.second(&[(19, 0), (50, 50)]), []);
    assert_eq!(world.second(&[(1, 0), (50, 50)]), [target(0)]);
}

#[test]
fn who_is_not_watched_any_more_is_not_held() {
    let mut world = World::new(2);
    world.second(&[(50, 0), (50, 50)]);
    assert!(!world.report(0).healthy);
    world.passive.set([(target(0), PassiveCheck { min_share: 0.9, ..PassiveCheck::default() })]);
    assert!(!world.report(0).healthy, "it stays out with another limit");
    world.passive.set([]);
    assert!(world.report(0).healthy);
}
