//! How far connections get: begun, confirmed by the client's ACK, or the SYN once more.

use std::time::Duration;

use lb_user::api::{Handshakes, Request, Response};
use lb_user::model::Sysctls;
use lvx_tests::director::TestDirector;
use lvx_tests::frame::Packet;

use super::*;

/// Begun, confirmed, retransmitted: of all servers of all services, which must count what their addresses say.
fn handshakes(director: &mut TestDirector) -> [u64; 3] {
    let Response::Services { services, .. } = director.director().handle(&Request::List { id: None }) else {
        panic!("the services cannot be listed");
    };
    let of = |Handshakes { begun, confirmed, retransmitted }: Handshakes| [begun, confirmed, retransmitted];
    let all = services.iter().flat_map(|entry| &entry.servers).map(|server| of(server.handshakes));
    all.fold([0; 3], |sum, counted| [0, 1, 2].map(|at| sum[at] + counted[at]))
}

fn receive(director: &mut TestDirector, packets: &[&str]) {
    for flags in packets {
        director.receive(&Packet::tcp("10.0.0.1:1024", VIP_WEB, flags).frame());
        // A SYN is sent again after a second at the earliest.
        director.advance(Duration::from_secs(1));
    }
}

#[test]
fn each_packet_counts_as_what_it_is() {
    let rows: [(&[&str], [u64; 3]); 9] = [
        (&["S"], [1, 0, 0]),
        (&["S", "A", "A", "PA", "FA", "A"], [1, 1, 0]),
        (&["S", "S", "S"], [1, 0, 2]),
        (&["S", "S", "A"], [1, 1, 1]),
        (&["S", "FA"], [1, 1, 0]),
        (&["S", "R"], [1, 0, 0]),
        (&["S", "A", "S"], [1, 1, 0]),
        (&["S", "A", "FA", "R", "S"], [2, 1, 0]),
        (&["A"], [0, 0, 0]),
    ];
    for (packets, expected) in rows {
        let mut director = with(WEB_OF_THREE);
        receive(&mut director, packets);
        assert_eq!(handshakes(&mut director), expected, "{packets:?}");
    }
}

#[test]
fn a_connection_that_begins_anew_in_its_entry_counts_anew() {
    let mut director = with(WEB_OF_THREE);
    director.director().tables().set_sysctls(&Sysctls { conn_reuse_mode: 0, ..Sysctls::default() });
    receive(&mut director, &["S", "A", "FA", "S", "A"]);
    assert_eq!(handshakes(&mut director), [2, 2, 0]);
}

#[test]
fn with_secure_tcp_a_handshake_is_the_same() {
    let mut director = with(WEB_OF_THREE);
    director.director().tables().set_sysctls(&Sysctls { secure_tcp: 3, ..Sysctls::default() });
    receive(&mut director, &["S", "S", "A"]);
    assert_eq!(handshakes(&mut director), [1, 1, 1]);
}

#[test]
fn sloppy_connections_and_udp_have_no_handshake() {
    let mut director = with(&format!("{WEB_OF_THREE}{DNS_OF_THREE}"));
    director.director().tables().set_sysctls(&Sysctls { sloppy_tcp: true, ..Sysctls::default() });
    receive(&mut director, &["A", "A"]);
    for _ in 0..3 {
        director.receive(&Packet::udp("10.0.0.1:1024", VIP_DNS).frame());
    }
    assert_eq!(handshakes(&mut director), [0, 0, 0]);
}

#[test]
fn they_are_those_of_the_server_and_start_over_with_the_other_counters() {
    let mut director = with(WEB_OF_THREE);
    for port in 2000..2006 {
        director.receive(&Packet::tcp(&format!("10.0.0.1:{port}"), VIP_WEB, "S").frame());
        if port % 3 == 0 {
            director.receive(&Packet::tcp(&format!("10.0.0.1:{port}"), VIP_WEB, "A").frame());
        }
    }
    let Response::Services { services, .. } = director.director().handle(&Request::List { id: None }) else {
        panic!("the services cannot be listed");
    };
    // rr begins with C; every third client went to the same server.
    let of = |address: &str| {
        let found = services[0].servers.iter().find(|server| server.server.address.to_string() == address);
        let Handshakes { begun, confirmed, .. } = found.expect("the server").handshakes;
        (begun, confirmed)
    };
    assert_eq!([of(C), of(B), of(A)], [(2, 0), (2, 2), (2, 0)]);
    director.must(["ipvsadm -Z"]);
    assert_eq!(handshakes(&mut director), [0, 0, 0]);
}

#[test]
fn ipv6_counts_too() {
    let mut director = with(
        "
        ipvsadm -A -t [2001:db8:100::1]:80 -s rr
        ipvsadm -a -t [2001:db8:100::1]:80 -r 2001:db8:100::10 -g",
    );
    for flags in ["S", "A"] {
        director.receive(&Packet::tcp("[2001:db8::1]:1024", "[2001:db8:100::1]:80", flags).frame());
    }
    assert_eq!(handshakes(&mut director), [1, 1, 0]);
}
