use std::net::SocketAddr;

use tokio::net::TcpListener;
use tokio::sync::mpsc::{Receiver, channel};

use crate::health::{CheckKind, Via};
use crate::model::{Protocol, ServiceId};

use super::*;

fn target(server: u8) -> Target {
    let id = ServiceId::Address { protocol: Protocol::Tcp, vip: [192, 0, 2, 1].into(), port: 80 };
    Target { id, address: [192, 0, 2, server].into(), port: 80 }
}

fn check(endpoint: SocketAddr) -> Check {
    let interval = Duration::from_millis(20);
    Check { interval, warmup: interval, fall: 3, ..Check::new(CheckKind::Tcp, endpoint) }
}

/// Each test has a loopback address of its own, so that nobody else takes a port that it closes for a while.
async fn listener(host: u8) -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, host], 0))).await.expect("a listener");
    let address = listener.local_addr().expect("an address");
    (listener, address)
}

async fn next(events: &mut Receiver<HealthEvent>) -> HealthEvent {
    let waited = tokio::time::timeout(Duration::from_secs(10), events.recv()).await;
    waited.expect("an event in time").expect("an event")
}

#[tokio::test]
async fn a_server_leaves_when_its_port_closes_and_comes_back() {
    let (server, address) = listener(2).await;
    let (sender, mut events) = channel(1);
    let mut checker = Checker::new(sender);
    checker.set(vec![(target(10), check(address))]);
    let unasked = checker.report(&target(10)).expect("a report");
    assert_eq!(unasked, Report::unasked());

    drop(server);
    let down = next(&mut events).await;
    assert_eq!((down.target, down.healthy, down.detail.as_str()), (target(10), false, "connection refused"));
    assert!(down.after >= Duration::from_millis(35), "three probes 20 ms apart took {:?}", down.after);
    let report = checker.report(&target(10)).expect("a report");
    assert_eq!(Health::from(report), Health::Down { reason: "connection refused".to_owned() });

    let _server = TcpListener::bind(address).await.expect("the same port again");
    let up = next(&mut events).await;
    assert_eq!((up.target, up.healthy, up.detail.as_str()), (target(10), true, "connected"));
    assert_eq!(checker.report(&target(10)).map(|report| report.healthy), Some(true));

    let times = checker.times(&target(10)).expect("probes were answered");
    assert!(times.failed >= 3 && times.probes >= times.failed + 2, "{times:?}");
    assert!(times.total_seconds >= times.last_seconds && times.last_seconds > 0.0, "{times:?}");
    assert_eq!(checker.times(&target(11)), None);
}

#[tokio::test]
async fn news_is_what_a_probe_says_for_the_first_time() {
    let (server, address) = listener(7).await;
    let (sender, _events) = channel(1);
    let mut checker = Checker::new(sender);
    checker.set(vec![(target(10), check(address))]);
    assert_eq!(checker.take_news(), [(target(10), Report::unasked())]);
    assert_eq!(checker.take_news(), []);
    let news = loop {
        let news = checker.take_news();
        if !news.is_empty() {
            break news;
        }
        tokio::task::yield_now().await;
    };
    assert_eq!(news, [(target(10), Report { healthy: true, detail: "connected".to_owned(), weight: None })]);
    // The same answer again is no news, however often it is given.
    for _ in 0..3 {
        listener_is_asked(&server).await;
    }
    assert_eq!(checker.take_news(), []);
}

#[tokio::test]
async fn a_check_asks_the_server_itself_where_vips_cannot_be_asked_for() {
    let (server, address) = listener(8).await;
    let (sender, _events) = channel(1);
    let mut checker = Checker::new(sender);
    let target = Target { address: address.ip(), ..target(10) };
    let vip =
        Check { via: Via::Vip, endpoint: SocketAddr::new([192, 0, 2, 1].into(), address.port()), ..check(address) };
    let elsewhere = Check { via: Via::Address, ..vip.clone() };
    assert_eq!(elsewhere.clone().at_address(&target), elsewhere, "an address of its own is kept");
    checker.set(vec![(target, vip)]);
    listener_is_asked(&server).await;
}

async fn listener_is_asked(server: &TcpListener) {
    let asked = tokio::time::timeout(Duration::from_secs(10), server.accept()).await;
    asked.expect("a probe in time").expect("a probe");
}

#[tokio::test]
async fn only_what_changed_is_started_or_stopped() {
    let (_server, address) = listener(3).await;
    let (sender, _events) = channel(1);
    let mut checker = Checker::new(sender);
    checker.set(vec![(target(10), check(address)), (target(11), check(address)), (target(12), check(address))]);
    let task = |checker: &Checker, server| checker.watches.get(&target(server)).map(|watch| watch.task.id());
    let before = [10, 11, 12].map(|server| task(&checker, server));

    let faster = Check { interval: Duration::from_millis(10), ..check(address) };
    checker.set(vec![(target(10), check(address)), (target(11), faster), (target(13), check(address))]);
    assert_eq!(task(&checker, 10), before[0]);
    assert_ne!(task(&checker, 11), before[1]);
    assert_eq!(task(&checker, 12), None);
    assert!(task(&checker, 13).is_some());
    assert_eq!(checker.report(&target(12)), None);
}

#[tokio::test]
async fn a_changed_check_keeps_a_dead_server_out() {
    let (server, address) = listener(4).await;
    drop(server);
    let (sender, mut events) = channel(1);
    let mut checker = Checker::new(sender);
    checker.set(vec![(target(10), check(address))]);
    assert!(!next(&mut events).await.healthy);

    checker.set(vec![(target(10), Check { fall: 5, ..check(address) })]);
    assert_eq!(checker.report(&target(10)).map(|report| report.healthy), Some(false));
    let _server = TcpListener::bind(address).await.expect("the same port again");
    assert!(next(&mut events).await.healthy);
}

#[tokio::test(start_paused = true)]
async fn a_transition_that_nobody_heard_of_is_found_again() {
    let (server, address) = listener(6).await;
    drop(server);
    let (sender, mut events) = channel(1);
    let other =
        HealthEvent { target: target(11), healthy: false, detail: String::new(), weight: None, after: Duration::ZERO };
    sender.try_send(other.clone()).expect("room for one");
    let mut checker = Checker::new(sender);
    checker.set(vec![(target(10), check(address))]);
    // The clock is paused: a minute of checks passes at once.
    tokio::time::sleep(Duration::from_secs(60)).await;
    let report = checker.report(&target(10)).expect("a report");
    assert!(report.healthy, "reported out although no event has said so");

    checker.set(vec![(target(10), Check { fall: 4, ..check(address) })]);
    assert_eq!(next(&mut events).await, other);
    let down = next(&mut events).await;
    assert_eq!((down.target, down.healthy), (target(10), false));
}

#[tokio::test]
async fn a_stopped_check_asks_no_more() {
    let (server, address) = listener(5).await;
    let (sender, _events) = channel(1);
    let mut checker = Checker::new(sender);
    checker.set(vec![(target(10), check(address))]);
    server.accept().await.expect("a probe");

    let task = checker.watches.get(&target(10)).map(|watch| watch.task.abort_handle()).expect("a task");
    checker.set(Vec::new());
    while !task.is_finished() {
        tokio::task::yield_now().await;
    }
}

#[test]
fn the_first_probes_are_spread_over_the_interval() {
    let interval = Duration::from_secs(8);
    let mut eighths = [0; 8];
    for server in 0..200 {
        let place = place(&target(server), interval);
        assert!(place <= interval);
        eighths[usize::try_from(place.as_secs()).expect("small").min(7)] += 1;
    }
    assert!(eighths.iter().all(|probes| (10..=45).contains(probes)), "{eighths:?}");
}
