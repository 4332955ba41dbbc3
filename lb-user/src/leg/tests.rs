use std::io::ErrorKind;
use std::net::Ipv4Addr;

use super::*;

fn door(ways: impl IntoIterator<Item = (IpAddr, State)>) -> Door {
    let namespace = Namespace::new().expect("a namespace; this test needs root");
    Door { namespace, ways: Mutex::new(ways.into_iter().collect()) }
}

fn refusal(door: &Door, server: IpAddr, to: &str) -> NoSocket {
    let to = to.parse().expect("an endpoint");
    let error = door.socket(server, to, Type::STREAM, Protocol::TCP).expect_err("no socket");
    let why = error.into_inner().expect("a reason").downcast().expect("a refusal");
    *why
}

const SERVER: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 10));
const OWN: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 2));

#[test]
fn a_server_that_cannot_be_reached_is_told_from_one_that_the_director_cannot_ask() {
    let lost = State::Lost("eth0 is down".to_owned());
    assert_eq!(refusal(&door([(SERVER, lost)]), SERVER, "192.0.2.1:80"), NoSocket::Lost("eth0 is down".to_owned()));
    for (ways, to) in [
        (vec![], "192.0.2.1:80"),
        (vec![(SERVER, State::Unaskable("eth0 has no address to ask from".to_owned()))], "192.0.2.1:80"),
        (vec![(SERVER, State::Leg { number: 1, source: OWN })], "192.0.2.2:80"),
        (vec![(SERVER, State::Leg { number: 1, source: OWN })], "[2001:db8::1]:80"),
    ] {
        assert!(matches!(refusal(&door(ways), SERVER, to), NoSocket::Unaskable(_)), "{to}");
    }
}

#[test]
fn sockets_are_made_inside_and_their_maker_stays_outside() {
    let door = door([(SERVER, State::Leg { number: 7, source: OWN })]);
    let before = std::fs::read_link("/proc/thread-self/ns/net").expect("a namespace");
    let to: SocketAddr = "192.0.2.1:80".parse().expect("an endpoint");
    let socket = door.socket(SERVER, to, Type::STREAM, Protocol::TCP).expect("a socket");
    assert_eq!(socket.mark().expect("a mark"), 7);
    assert_eq!(socket.local_addr().expect("an address").as_socket().map(|address| address.ip()), Some(OWN));
    // Nothing leads out of the empty namespace.
    let refused = socket.connect(&to.into()).expect_err("no route");
    assert_eq!(refused.kind(), ErrorKind::NetworkUnreachable);
    assert_eq!(std::fs::read_link("/proc/thread-self/ns/net").expect("a namespace"), before);
}

#[test]
fn a_server_that_is_the_director_is_asked_by_its_own_stack() {
    let door = door([(SERVER, State::Local)]);
    let to: SocketAddr = "127.0.0.1:1".parse().expect("an endpoint");
    let socket = door.socket(SERVER, to, Type::STREAM, Protocol::TCP).expect("a socket");
    assert_eq!(socket.mark().expect("a mark"), 0);
}
