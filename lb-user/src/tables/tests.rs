use std::net::IpAddr;

use lb_common::real_server::flags;
use lb_common::schedule::blocks::{self, Summary};
use lb_common::schedule::pool::{HEADER_WORDS, split_member};
use lb_common::schedule::{Kind, hash};

use super::memory::MemoryMaps;
use super::{Path, Tables};
use crate::api::Refusal;
use crate::dataplane::Sizes;
use crate::model::{
    ForwardingMethod, Netmask, Protocol, RealServer, SchedulerFlags, SchedulerKind, Service, ServiceId, Sysctls,
};

const VIP: [u8; 4] = [172, 16, 100, 1];

fn service() -> Service {
    let id = ServiceId::Address { protocol: Protocol::Tcp, vip: VIP.into(), port: 80 };
    Service {
        id,
        scheduler: SchedulerKind::Wrr,
        persistence: None,
        netmask: Netmask::host(id.family()),
        one_packet: false,
        scheduler_flags: SchedulerFlags::default(),
        servers: Vec::new(),
    }
}

fn server(number: u8, weight: u32) -> RealServer {
    RealServer {
        address: IpAddr::from([172, 16, 100, number]),
        port: 80,
        weight,
        method: ForwardingMethod::Gate,
        upper_threshold: 0,
        lower_threshold: 0,
    }
}

fn tables(real_servers: u32) -> Tables<MemoryMaps> {
    Tables::new(MemoryMaps::default(), Sizes { connections: 16, templates: 16, services: 2, real_servers })
}

/// Real server slots and weights of the only service's pool, newest first.
fn pool(tables: &Tables<MemoryMaps>) -> Vec<(u32, u32)> {
    let maps = tables.maps();
    let first = maps.services[&0].pool;
    let count = maps.pools[&(first + 2)] as u32;
    (0..count).map(|at| split_member(maps.pools[&(first + HEADER_WORDS + at)])).collect()
}

#[test]
fn servers_stand_newest_first_in_the_pool() {
    let mut tables = tables(8);
    tables.add_service(&service()).expect("room");
    for (number, weight) in [(10, 5), (11, 3), (12, 1)] {
        tables.add_server(&service().id, &server(number, weight)).expect("room");
    }
    assert_eq!(pool(&tables), [(2, 1), (1, 3), (0, 5)]);
}

#[test]
fn the_last_server_leaves_an_empty_pool() {
    let mut tables = tables(8);
    tables.add_service(&service()).expect("room");
    tables.add_server(&service().id, &server(10, 1)).expect("room");
    tables.remove_server(&service().id, &(server(10, 1).address, 80), false).expect("a member");
    assert_eq!(pool(&tables), []);
    assert_eq!(tables.maps().reals[&0].flags & flags::AVAILABLE, 0);
}

#[test]
fn a_server_that_comes_back_gets_its_slot_and_generation() {
    let mut tables = tables(8);
    tables.add_service(&service()).expect("room");
    tables.add_server(&service().id, &server(10, 1)).expect("room");
    let before = tables.maps().reals[&0];
    tables.remove_server(&service().id, &(server(10, 1).address, 80), false).expect("a member");
    tables.add_server(&service().id, &server(11, 1)).expect("room");
    tables.add_server(&service().id, &server(10, 1)).expect("room");
    assert_eq!(tables.maps().reals[&0], before);
    assert_eq!(pool(&tables), [(0, 1), (1, 1)]);
}

#[test]
fn a_removed_server_is_forgotten_when_it_was_idle_for_two_minutes() {
    let mut tables = tables(0);
    tables.add_service(&service()).expect("room");
    tables.add_server(&service().id, &server(10, 1)).expect("room");
    tables.remove_server(&service().id, &(server(10, 1).address, 80), false).expect("a member");
    tables.maps_mut().counts.entry(0).or_default().inactive = 1;
    (0..500).for_each(|_| tables.tick());
    assert!(tables.server(&service().id, &(server(10, 1).address, 80)).is_some(), "it still has a connection");
    tables.maps_mut().counts.entry(0).or_default().inactive = 0;
    (0..121).for_each(|_| tables.tick());
    assert!(tables.server(&service().id, &(server(10, 1).address, 80)).is_none());
    for number in 100..164 {
        tables.add_server(&service().id, &server(number, 1)).expect("room");
    }
    assert_eq!(tables.maps().reals[&0].generation, 2, "another tenant, another generation");
}

#[test]
fn a_full_table_refuses_and_changes_nothing() {
    let mut tables = tables(0);
    tables.add_service(&service()).expect("room");
    for number in 0..64 {
        tables.add_server(&service().id, &server(number, 1)).expect("spare slots");
    }
    let before = pool(&tables);
    let refused = tables.add_server(&service().id, &server(100, 1));
    assert!(matches!(refused, Err(Refusal::Full(_))), "{refused:?}");
    assert_eq!(pool(&tables), before);
}

#[test]
fn a_path_reaches_every_slot_of_its_address() {
    let mut tables = tables(8);
    let path = Path::Reachable { ifindex: 3, destination: [2, 0, 0, 0, 0, 10], source: [2, 0, 0, 0, 0, 1], mtu: 1500 };
    tables.add_service(&service()).expect("room");
    tables.add_server(&service().id, &server(10, 1)).expect("room");
    tables.set_path(server(10, 1).address, path);
    assert_eq!(tables.maps().reals[&0].ifindex, 3);
    let other = Service { id: ServiceId::Mark { mark: 8, family: crate::model::Family::Inet }, ..service() };
    tables.add_service(&other).expect("room");
    tables.add_server(&other.id, &server(10, 1)).expect("room");
    assert_eq!(tables.maps().reals[&1].ifindex, 3, "a server that comes later finds the path");
    tables.set_path(server(10, 1).address, Path::Unknown);
    assert_eq!(tables.maps().reals[&1].flags & flags::REACHABLE, 0);
}

/// 512 services with mh are promised, and a table of sh for each service besides.
#[test]
fn the_default_sizes_have_room_for_many_tables() {
    let Sizes { services, .. } = Sizes::default();
    assert!(Sizes::default().hash_words() >= 512 * hash::words(Kind::Mh) + services * hash::words(Kind::Sh));
}

#[test]
fn without_room_for_a_table_a_service_is_refused_and_those_that_are_there_go_on_changing() {
    let sizes = Sizes { connections: 16, templates: 16, services: 600, real_servers: 1_200 };
    let mut tables = Tables::new(MemoryMaps::default(), sizes);
    let id = |port| ServiceId::Address { protocol: Protocol::Tcp, vip: VIP.into(), port };
    let of = |port, scheduler| Service { id: id(port), scheduler, ..service() };
    let most = u16::try_from(sizes.hash_words() / hash::words(Kind::Mh)).expect("a few hundred");
    for port in 1..=most {
        tables.add_service(&of(port, SchedulerKind::Mh)).expect("room for a table");
    }
    let before = tables.maps().services.clone();
    let refused = tables.add_service(&of(1_000, SchedulerKind::Mh));
    assert!(matches!(&refused, Err(Refusal::Full(text)) if text.contains("[sizes] services")), "{refused:?}");
    assert_eq!(tables.maps().services, before);
    tables.add_service(&of(1_000, SchedulerKind::Rr)).expect("it needs no table");
    let rr = tables.maps().services[&u32::from(most)];
    assert!(tables.edit_service(&of(1_000, SchedulerKind::Mh)).is_err());
    assert_eq!(tables.maps().services[&u32::from(most)], rr);

    for number in 0..2 {
        for port in 1..=most {
            tables.add_server(&id(port), &server(number, 1)).expect("room");
        }
    }
    for port in 1..=most {
        tables.edit_server(&id(port), &server(1, 0)).expect("room");
        tables.remove_server(&id(port), &(server(0, 1).address, 80), true).expect("room");
    }
    tables.remove_service(&id(1)).expect("it is there");
    tables.edit_service(&of(1_000, SchedulerKind::Mh)).expect("room again");
    tables.edit_service(&of(1_000, SchedulerKind::Sh)).expect("a smaller one");
}

/// The words of the only service's blocks, and each member's word by its place in the pool.
fn blocks(tables: &Tables<MemoryMaps>) -> (Vec<u64>, Vec<u64>) {
    let maps = tables.maps();
    let members = pool(tables);
    let count = u32::try_from(members.len()).expect("few");
    let first = maps.services[&0].pool + HEADER_WORDS + count;
    let words = (0..blocks::blocks(count)).map(|block| maps.pools[&(first + block)]).collect();
    (words, members.iter().map(|(real, _)| maps.reals[real].summary).collect())
}

#[test]
fn the_members_of_a_large_pool_know_their_blocks() {
    let mut tables = tables(200);
    tables.add_service(&service()).expect("room");
    for number in 0..64 {
        tables.add_server(&service().id, &server(number, 1)).expect("room");
    }
    assert_eq!(blocks(&tables), (vec![], vec![0; 64]));
    for number in 64..70 {
        tables.add_server(&service().id, &server(number, 1)).expect("room");
    }
    let first = u64::from(tables.maps().services[&0].pool + HEADER_WORDS + 70);
    let expected: Vec<u64> = (0..70).map(|position| first + position / 32).collect();
    assert_eq!(blocks(&tables), (vec![0; 3], expected));
    tables.remove_server(&service().id, &(server(69, 1).address, 80), false).expect("a member");
    assert_eq!(tables.maps().reals[&69].summary, 0, "a removed server changes no block");
    for number in 64..69 {
        tables.remove_server(&service().id, &(server(number, 1).address, 80), false).expect("a member");
    }
    assert_eq!(blocks(&tables), (vec![], vec![0; 64]));
}

#[test]
fn what_the_daemon_changes_is_changed_in_the_blocks_too() {
    let mut tables = tables(200);
    tables.add_service(&service()).expect("room");
    for number in 0..70 {
        tables.add_server(&service().id, &server(number, 1)).expect("room");
    }
    tables.maps_mut().counts.entry(5).or_default().inactive = 3;
    let limited = RealServer { upper_threshold: 2, ..server(5, 1) };
    tables.edit_server(&service().id, &limited).expect("a member");
    // 5 is the sixth of the oldest, and so in the last block.
    assert_eq!(blocks(&tables).0, [0, 0, Summary::CHANGE]);
    tables.set_sysctls(&Sysctls { classic_overhead: true, ..Sysctls::default() });
    assert_eq!(blocks(&tables).0, [Summary::CHANGE, Summary::CHANGE, 2 * Summary::CHANGE]);
    tables.edit_service(&Service { scheduler: SchedulerKind::Wlc, ..service() }).expect("room");
    assert_eq!(blocks(&tables).0, [Summary::CHANGE; 3], "a packet may have looked with the old scheduler");
}
