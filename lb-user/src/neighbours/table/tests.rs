use super::super::resolution::{Known, Trust};
use super::*;

const SERVER_MAC: [u8; 6] = [2, 0, 0, 0, 0, 9];
const OTHER_MAC: [u8; 6] = [2, 0, 0, 0, 0, 8];
const OWN_MAC: [u8; 6] = [2, 0, 0, 0, 0, 1];

fn address(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

fn hop(next_hop: &str) -> Hop {
    Hop { ifindex: 3, address: address(next_hop) }
}

fn entry(mac: [u8; 6], trust: Trust) -> Option<Entry> {
    Some(Entry::Known(Known { mac, trust }))
}

fn eth0() -> Link {
    Link { index: 3, name: "eth0".into(), mac: Some(OWN_MAC), mtu: 1500, state: LinkState::Up, resolves: true }
}

/// A table that knows eth0 and has reported it.
fn table() -> Table {
    let mut table = Table::default();
    table.link(eth0());
    table.take_events();
    table
}

/// What is reported: the MAC address, or the reason why there is none.
fn reported(table: &mut Table) -> Vec<(String, String)> {
    let news = table.take_events().into_iter().filter_map(|event| match event {
        Event::Neighbour(NeighbourEvent { address, path }) => Some((address.to_string(), words(&path))),
        Event::Link(_) => None,
    });
    news.collect()
}

fn asked(table: &mut Table) -> Vec<Hop> {
    table.take_questions(usize::MAX)
}

fn words(path: &Path) -> String {
    match path {
        Path::Reachable { destination_mac, .. } => format!("{destination_mac:?}"),
        Path::Local => "local".into(),
        Path::Unresolved { reason } => reason.clone(),
    }
}

fn news(address: &str, words: impl ToString) -> (String, String) {
    (address.into(), words.to_string())
}

fn mac(mac: [u8; 6]) -> String {
    format!("{mac:?}")
}

#[test]
fn a_new_address_is_reported_and_asked_for_once() {
    let mut table = table();
    table.route(address("10.0.0.9"), Route::Via(hop("10.0.0.9"), None));
    assert_eq!(reported(&mut table), [news("10.0.0.9", "resolving")]);
    assert_eq!(asked(&mut table), [hop("10.0.0.9")]);

    table.neighbour(hop("10.0.0.9"), entry(SERVER_MAC, Trust::Confirmed));
    assert_eq!(reported(&mut table), [news("10.0.0.9", mac(SERVER_MAC))]);
    table.route(address("10.0.0.9"), Route::Via(hop("10.0.0.9"), None));
    assert_eq!((reported(&mut table), asked(&mut table)), (vec![], vec![]));
}

#[test]
fn an_entry_that_the_kernel_has_already_needs_no_question() {
    let mut table = table();
    table.neighbour(hop("10.0.0.9"), entry(SERVER_MAC, Trust::Confirmed));
    table.route(address("10.0.0.9"), Route::Via(hop("10.0.0.9"), None));
    assert_eq!(reported(&mut table), [news("10.0.0.9", mac(SERVER_MAC))]);
    assert_eq!(asked(&mut table), []);
}

#[test]
fn everything_behind_a_gateway_follows_its_mac() {
    let mut table = table();
    for server in ["10.1.0.8", "10.1.0.9"] {
        table.route(address(server), Route::Via(hop("10.0.0.254"), None));
    }
    table.neighbour(hop("10.0.0.254"), entry(SERVER_MAC, Trust::Confirmed));
    reported(&mut table);
    table.neighbour(hop("10.0.0.254"), entry(OTHER_MAC, Trust::Old));
    assert_eq!(reported(&mut table), [news("10.1.0.8", mac(OTHER_MAC)), news("10.1.0.9", mac(OTHER_MAC))]);
    assert_eq!(asked(&mut table), [hop("10.0.0.254")], "a MAC that is new and unconfirmed is confirmed");
}

#[test]
fn a_server_that_falls_silent_is_asked_for_at_once_and_then_at_every_retry() {
    let mut table = table();
    table.neighbour(hop("10.0.0.9"), entry(SERVER_MAC, Trust::Confirmed));
    table.route(address("10.0.0.9"), Route::Via(hop("10.0.0.9"), None));
    reported(&mut table);
    table.neighbour(hop("10.0.0.9"), Some(Entry::Failed));
    assert_eq!(reported(&mut table), [news("10.0.0.9", "no answer to ARP for 10.0.0.9 on eth0")]);
    assert_eq!(asked(&mut table), [hop("10.0.0.9")]);
    table.neighbour(hop("10.0.0.9"), Some(Entry::Failed));
    assert_eq!(asked(&mut table), []);
    table.ask_for_unknown();
    assert_eq!(asked(&mut table), [hop("10.0.0.9")]);
    assert_eq!(reported(&mut table), []);
}

#[test]
fn a_full_table_keeps_a_mac_that_is_known() {
    let mut table = table();
    for (server, known) in [("10.0.0.8", None), ("10.0.0.9", entry(SERVER_MAC, Trust::Confirmed))] {
        table.neighbour(hop(server), known);
        table.route(address(server), Route::Via(hop(server), None));
        table.neighbour(hop(server), None);
    }
    reported(&mut table);
    asked(&mut table);
    table.ask_for_old();
    assert_eq!(asked(&mut table), [hop("10.0.0.9")]);
    table.refused(hop("10.0.0.8"));
    table.refused(hop("10.0.0.9"));
    let full = "the kernel's neighbour table is full; raise net.ipv4.neigh.default.gc_thresh3";
    assert_eq!(reported(&mut table), [news("10.0.0.8", full)]);
}

#[test]
fn after_a_refusal_only_existing_entries_are_asked_for_until_the_next_retry() {
    let mut table = table();
    for server in ["10.0.0.7", "10.0.0.8", "10.0.0.9"] {
        table.route(address(server), Route::Via(hop(server), None));
    }
    table.neighbour(hop("10.0.0.9"), Some(Entry::Failed));
    reported(&mut table);
    assert_eq!(table.take_questions(1), [hop("10.0.0.7")]);
    table.refused(hop("10.0.0.7"));
    assert_eq!(asked(&mut table), [hop("10.0.0.9")]);
    let full = "the kernel's neighbour table is full; raise net.ipv4.neigh.default.gc_thresh3";
    assert_eq!(reported(&mut table), [news("10.0.0.7", full), news("10.0.0.8", full)]);
    table.ask_for_unknown();
    assert_eq!(asked(&mut table).len(), 3);
}

#[test]
fn an_interface_that_goes_down_takes_its_servers_with_it_and_back() {
    let mut table = table();
    table.neighbour(hop("10.0.0.9"), entry(SERVER_MAC, Trust::Confirmed));
    table.route(address("10.0.0.9"), Route::Via(hop("10.0.0.9"), None));
    reported(&mut table);

    assert!(table.link(Link { state: LinkState::NoCarrier, ..eth0() }));
    table.neighbour(hop("10.0.0.9"), None);
    assert_eq!(reported(&mut table), [news("10.0.0.9", "eth0 has no carrier")]);
    table.ask_for_old();
    assert_eq!(asked(&mut table), [], "the kernel is not asked to send on an interface that is down");

    assert!(table.link(eth0()));
    assert_eq!(reported(&mut table), [news("10.0.0.9", mac(SERVER_MAC))]);
    assert_eq!(asked(&mut table), [hop("10.0.0.9")]);
    assert!(!table.link(eth0()), "the same again is no change");
}

#[test]
fn an_address_that_is_no_longer_watched_is_forgotten() {
    let mut table = table();
    table.route(address("10.0.0.9"), Route::Via(hop("10.0.0.9"), None));
    reported(&mut table);
    table.retain(&BTreeSet::new());
    table.neighbour(hop("10.0.0.9"), entry(SERVER_MAC, Trust::Old));
    table.ask_for_old();
    assert_eq!((reported(&mut table), asked(&mut table)), (vec![], vec![]));
    assert_eq!(table.without_route(&BTreeSet::from([address("10.0.0.9")])), [address("10.0.0.9")]);
}

#[test]
fn a_rename_removes_the_old_name() {
    let mut table = table();
    let lan = Link { name: "lan".into(), ..eth0() };
    table.link(lan.clone());
    let expected = [Event::Link(LinkEvent::Removed(eth0())), Event::Link(LinkEvent::Changed(lan))];
    assert_eq!(table.take_events(), expected);
}

#[test]
fn a_full_look_removes_what_is_no_more_and_repeats_nothing() {
    let mut table = table();
    let dummy = Link { index: 4, name: "dummy0".into(), ..eth0() };
    table.link(dummy.clone());
    for server in ["10.0.0.8", "10.0.0.9"] {
        table.neighbour(hop(server), entry(SERVER_MAC, Trust::Confirmed));
        table.route(address(server), Route::Via(hop(server), None));
    }
    table.take_events();

    let now = BTreeMap::from([(hop("10.0.0.9"), Entry::Known(Known { mac: OTHER_MAC, trust: Trust::Confirmed }))]);
    table.replace(vec![eth0()], now);
    let events = table.take_events();
    assert_eq!(events.first(), Some(&Event::Link(LinkEvent::Removed(dummy))));
    table.events = events;
    assert_eq!(reported(&mut table), [news("10.0.0.9", mac(OTHER_MAC))]);
    table.ask_for_old();
    assert_eq!(asked(&mut table), [hop("10.0.0.8")]);
}
