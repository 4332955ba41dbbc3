use std::net::IpAddr;

use proptest::prelude::*;

use super::*;
use crate::model::ForwardingMethod;

fn server(number: usize, weight: u32) -> RealServer {
    let last = u8::try_from(number).expect("few servers");
    RealServer {
        address: IpAddr::from([172, 16, 100, last]),
        port: 80,
        weight,
        method: ForwardingMethod::Gate,
        upper_threshold: 0,
        lower_threshold: 0,
    }
}

fn sorry() -> RealServer {
    server(200, 1)
}

fn candidate(server: &RealServer, healthy: bool) -> Candidate<'_> {
    Candidate { server, healthy, drain: Drain::No, ramp: 1000 }
}

/// Numbers and weights of the members.
fn members(effective: &Effective) -> Vec<(u8, u32)> {
    let number = |address: IpAddr| match address {
        IpAddr::V4(address) => address.octets()[3],
        IpAddr::V6(_) => 0,
    };
    effective.members.iter().map(|member| (number(member.address), member.weight)).collect()
}

/// keepalived's pool, changed step by step as its `perform_svr_state` and `update_quorum_state` do.
struct Keepalived {
    policy: Policy,
    weights: Vec<u32>,
    alive: Vec<bool>,
    pool: Vec<Option<u32>>,
    sorry: bool,
    quorum: bool,
}

impl Keepalived {
    fn start(policy: &Policy, weights: &[u32]) -> Self {
        let mut all = Self {
            policy: policy.clone(),
            weights: weights.to_vec(),
            alive: vec![true; weights.len()],
            pool: weights.iter().map(|weight| Some(*weight)).collect(),
            sorry: false,
            quorum: false,
        };
        all.update_quorum();
        // A quorum that even all servers do not reach is lost from the start.
        if !all.quorum && policy.sorry_server.is_some() {
            all.lose();
        }
        all
    }

    fn set_alive(&mut self, server: usize, alive: bool) {
        if self.alive[server] == alive {
            return;
        }
        if !self.sorry {
            self.pool[server] = match (alive, self.policy.on_failure) {
                (true, _) => Some(self.weights[server]),
                (false, OnFailure::Inhibit) => Some(0),
                (false, OnFailure::Remove) => None,
            };
        }
        self.alive[server] = alive;
        self.update_quorum();
    }

    fn update_quorum(&mut self) {
        let alive = self.alive.iter().zip(&self.weights).filter(|(alive, _)| **alive);
        let weight: i64 = alive.map(|(_, weight)| i64::from(*weight)).sum();
        let (quorum, hysteresis) = (i64::from(self.policy.quorum), i64::from(self.policy.hysteresis));
        if !self.quorum && weight >= quorum + hysteresis {
            self.quorum = true;
            if self.sorry {
                self.sorry = false;
                self.put_alive(Some);
            }
        } else if self.quorum && (weight == 0 || weight < quorum - hysteresis) {
            self.lose();
        }
    }

    fn lose(&mut self) {
        self.quorum = false;
        if self.policy.sorry_server.is_some() {
            self.put_alive(|_| None);
            self.sorry = true;
        }
    }

    fn put_alive(&mut self, pool: impl Fn(u32) -> Option<u32>) {
        for server in (0..self.alive.len()).filter(|server| self.alive[*server]) {
            self.pool[server] = pool(self.weights[server]);
        }
    }

    /// Those that take new connections.
    fn serving(&self) -> Vec<(u8, u32)> {
        let sorry = self.sorry.then_some((200, 1));
        let pool = (0_u8..).zip(&self.pool).filter_map(|(number, weight)| Some((number, (*weight)?)));
        sorry.into_iter().chain(pool.filter(|(_, weight)| *weight > 0)).collect()
    }
}

prop_compose! {
    fn policy()(quorum in 1_u32..8, hysteresis in 0_u32..5, inhibit: bool, sorry_server: bool) -> Policy {
        Policy {
            quorum,
            hysteresis,
            on_failure: if inhibit { OnFailure::Inhibit } else { OnFailure::Remove },
            sorry_server: sorry_server.then(sorry),
            ..Policy::default()
        }
    }
}

proptest! {
    #[test]
    fn quorum_and_pool_are_keepaliveds_whatever_fails_and_returns(
        policy in policy(),
        weights in proptest::collection::vec(0_u32..5, 1..7),
        events in proptest::collection::vec((0_usize..7, any::<bool>()), 0..60),
    ) {
        let servers: Vec<_> = weights.iter().enumerate().map(|(number, weight)| server(number, *weight)).collect();
        let mut keepalived = Keepalived::start(&policy, &weights);
        let mut alive = vec![true; servers.len()];
        let decide = |alive: &[bool], quorum| {
            let candidates: Vec<_> =
                servers.iter().zip(alive).map(|(server, healthy)| candidate(server, *healthy)).collect();
            effective(&policy, SchedulerKind::Rr, &candidates, quorum)
        };
        let mut ours = decide(&alive, None);
        for (server, up) in events.into_iter().filter(|(server, _)| *server < weights.len()) {
            keepalived.set_alive(server, up);
            alive[server] = up;
            ours = decide(&alive, ours.quorum);
            prop_assert_eq!(ours.quorum, Some(keepalived.quorum));
            let serving: Vec<_> = members(&ours).into_iter().filter(|(_, weight)| *weight > 0).collect();
            prop_assert_eq!(serving, keepalived.serving());
            // What failed keeps its connections at weight 0 exactly where it is to be inhibited.
            for (server, alive) in alive.iter().enumerate().filter(|(_, alive)| !**alive) {
                let inhibited = ours.members.iter().any(|member| member.address == servers[server].address);
                prop_assert_eq!(inhibited, policy.on_failure == OnFailure::Inhibit, "{} {}", server, alive);
            }
        }
        prop_assert_eq!(decide(&alive, ours.quorum), ours, "deciding twice changes nothing");
    }

    #[test]
    fn without_a_policy_the_members_are_the_healthy_servers_as_they_are(
        servers in proptest::collection::vec((0_u32..5, any::<bool>()), 0..9),
        scheduler in proptest::sample::select(SchedulerKind::ALL.to_vec()),
        before: Option<bool>,
    ) {
        let all: Vec<_> = servers.iter().enumerate().map(|(number, (weight, _))| server(number, *weight)).collect();
        let candidates: Vec<_> =
            all.iter().zip(&servers).map(|(server, (_, healthy))| candidate(server, *healthy)).collect();
        let healthy: Vec<_> =
            all.iter().zip(&servers).filter(|(_, (_, healthy))| *healthy).map(|(one, _)| one.clone()).collect();
        prop_assert_eq!(effective(&Policy::default(), scheduler, &candidates, before).members, healthy);
    }

    #[test]
    fn a_slow_start_only_rises_from_one_to_the_whole(weight in 0_u32..=i32::MAX.unsigned_abs(), steps in 1_u32..=1000) {
        let weights: Vec<_> = (0..=1000).map(|ramp| ramped(weight, ramp, steps)).collect();
        prop_assert!(weights.is_sorted());
        prop_assert_eq!((weights[0], weights[1000]), (weight.min(1), weight));
        let mut different = weights;
        different.dedup();
        prop_assert!(different.len() <= steps as usize + 1);
    }
}

#[test]
fn when_all_failed_all_serve_if_that_is_asked_for() {
    let servers = [server(1, 3), server(2, 0), server(3, 2)];
    let policy = Policy { all_down: AllDown::All, ..Policy::default() };
    let decide = |healthy: [bool; 3]| {
        let candidates: Vec<_> = servers.iter().zip(healthy).map(|(one, healthy)| candidate(one, healthy)).collect();
        effective(&policy, SchedulerKind::Wlc, &candidates, Some(true))
    };
    assert_eq!(members(&decide([true, false, false])), [(1, 3)]);
    let none = decide([false, true, false]);
    assert_eq!(members(&none), [(1, 3), (2, 0), (3, 2)], "the one with weight 0 takes no connections");
    assert_eq!(none.roles, [Role::ServesThoughFailed, Role::Serves, Role::ServesThoughFailed]);
    assert_eq!((none.quorum, none.serves), (Some(false), true));
}

#[test]
fn a_drained_server_keeps_what_it_has_until_its_time_is_over() {
    let servers = [server(1, 3), server(2, 2)];
    let policy = Policy { sorry_server: Some(sorry()), ..Policy::default() };
    let decide = |drain, healthy| {
        let candidates = [
            Candidate { drain, ..candidate(&servers[0], healthy) },
            Candidate { drain: Drain::No, ..candidate(&servers[1], true) },
        ];
        effective(&policy, SchedulerKind::Wlc, &candidates, Some(true))
    };
    assert_eq!(members(&decide(Drain::Going, true)), [(1, 0), (2, 2)]);
    assert_eq!(members(&decide(Drain::Going, false)), [(2, 2)], "a failed one is out, drained or not");
    assert_eq!(members(&decide(Drain::Over, true)), [(2, 2)]);
    let alone = [Candidate { drain: Drain::Going, ..candidate(&servers[0], true) }];
    let lost = effective(&policy, SchedulerKind::Wlc, &alone, Some(true));
    assert_eq!(members(&lost), [(200, 1), (1, 0)], "the sorry server takes new clients, the drained one keeps its own");
    assert_eq!((lost.quorum, lost.serves), (Some(false), false));
}

#[test]
fn a_sorry_server_serves_a_service_without_servers() {
    let policy = Policy { sorry_server: Some(sorry()), ..Policy::default() };
    assert_eq!(members(&effective(&policy, SchedulerKind::Wlc, &[], None)), [(200, 1)]);
    assert_eq!(effective(&Policy::default(), SchedulerKind::Wlc, &[], None).quorum, None);
}

#[test]
fn schedulers_that_do_not_look_at_weights_start_nobody_slowly() {
    let server = server(1, 100);
    let decide = |scheduler| {
        let candidates = [Candidate { ramp: 350, ..candidate(&server, true) }];
        let decided = effective(&Policy::default(), scheduler, &candidates, Some(true));
        (members(&decided)[0].1, decided.roles[0])
    };
    assert_eq!(decide(SchedulerKind::Wlc), (35, Role::Ramps));
    assert_eq!(decide(SchedulerKind::Mh), (20, Role::Ramps));
    assert_eq!(decide(SchedulerKind::Rr), (100, Role::Serves));
}
