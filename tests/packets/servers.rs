//! What happens to a real server, and to its connections, templates and new clients (DESIGN.md, section 7).

use lb_common::reason::Reason;
use lb_user::health::Target;
use lb_user::model::{Protocol, ServiceId, Sysctls};
use lb_user::neighbours::Path;
use lvx_tests::director::{TestDirector, mac_of, reachable};
use lvx_tests::frame::{Packet, forwarded};

use super::expect::change;
use super::*;

/// What happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Event {
    Removed,
    Quiesced,
    Failed,
}

fn happen(director: &mut TestDirector, event: Event, protocol: &str) {
    let (option, port) = if protocol == "tcp" { ("-t", 80) } else { ("-u", 53) };
    let service = format!("{option} 172.16.100.1:{port}");
    match event {
        Event::Removed => change(director, &format!("ipvsadm -d {service} -r {A}")),
        Event::Quiesced => change(director, &format!("ipvsadm -e {service} -r {A} -g -w 0")),
        Event::Failed => set_health(director, protocol, false),
    }
}

fn set_health(director: &mut TestDirector, protocol: &str, healthy: bool) {
    let (protocol, port) = if protocol == "tcp" { (Protocol::Tcp, 80) } else { (Protocol::Udp, 53) };
    let id = ServiceId::Address { protocol, vip: "172.16.100.1".parse().expect("an address"), port };
    let target = Target { id, address: A.parse().expect("an address"), port };
    director.director().set_health(&target, healthy, "as the test says".to_owned());
}

fn packet(protocol: &str, client: &str, flags: &str) -> Packet {
    if protocol == "tcp" { Packet::tcp(client, VIP_WEB, flags) } else { Packet::udp(client, VIP_DNS) }
}

/// A persistent service whose only server so far, [`A`], has a connection and a template of 10.0.0.1 and of 10.0.0.2;
/// then [`B`] came.
fn with_history(protocol: &str) -> (TestDirector, &'static str) {
    let (option, service) = if protocol == "tcp" { ("-t 172.16.100.1:80", WEB) } else { ("-u 172.16.100.1:53", DNS) };
    let mut director = with(&format!("ipvsadm -A {option} -s rr -p 300\nipvsadm -a {option} -r {A} -g"));
    for client in ["10.0.0.1:1024", "10.0.0.2:1024"] {
        director.receive(&packet(protocol, client, "S").frame());
    }
    change(&mut director, &format!("ipvsadm -a {option} -r {B} -g"));
    (director, service)
}

/// Case 6 (and 19): three events, two protocols; an existing connection, a template, a new client.
#[test]
fn what_happens_to_a_server_and_who_notices() {
    for protocol in ["tcp", "udp"] {
        for event in [Event::Removed, Event::Quiesced, Event::Failed] {
            let (mut director, service) = with_history(protocol);
            happen(&mut director, event, protocol);
            let old = format!("{service} > {A}");
            let opening = |expected: Expected| {
                if protocol == "tcp" { expected.opening() } else { expected.opening_inactive() }
            };
            let existing = match (event, protocol) {
                (Event::Quiesced, _) => Expected::sent(service, A),
                // A dead server's UDP flows go elsewhere at once.
                (Event::Failed, "udp") => {
                    opening(Expected::sent(service, B)).with_template().moving(&old, "inactive", -1)
                }
                (Event::Removed | Event::Failed, _) => Expected::dropped_for(Reason::RealServerRemoved),
            };
            let template = match event {
                Event::Quiesced => opening(Expected::sent(service, A)),
                Event::Removed | Event::Failed => opening(Expected::sent(service, B)).with_template(),
            };
            let new = opening(Expected::sent(service, B)).with_template();
            for (who, client, flags, expected) in [
                ("existing connection", "10.0.0.1:1024", "A", existing),
                ("existing template", "10.0.0.2:1025", "S", template),
                ("new client", "10.0.0.3:1024", "S", new),
            ] {
                let sentence = format!("{protocol}, {event:?}: {who}");
                expected.check(&mut director, &sentence, &packet(protocol, client, flags).frame());
            }
        }
    }
}

#[test]
fn a_quiesced_servers_templates_end_with_expire_quiescent_template() {
    for protocol in ["tcp", "udp"] {
        let (mut director, service) = with_history(protocol);
        let sysctls = Sysctls { expire_quiescent_template: true, ..Sysctls::default() };
        director.director().tables().set_sysctls(&sysctls);
        happen(&mut director, Event::Quiesced, protocol);
        Expected::sent(service, A).check(&mut director, "existing", &packet(protocol, "10.0.0.1:1024", "A").frame());
        let sent = Expected::sent(service, B).with_template();
        let expected = if protocol == "tcp" { sent.opening() } else { sent.opening_inactive() };
        expected.check(&mut director, "anew", &packet(protocol, "10.0.0.2:1025", "S").frame());
        assert!(director.run("ipvsadm -Lnc").stdout.contains("172.16.100.10:65535"), "the old template waits");
    }
}

#[test]
fn with_expire_nodest_conn_a_removed_servers_connections_end_at_once() {
    for event in [Event::Removed, Event::Failed] {
        for protocol in ["tcp", "udp"] {
            let (mut director, service) = with_history(protocol);
            let sysctls = Sysctls { expire_nodest_conn: true, ..Sysctls::default() };
            director.director().tables().set_sysctls(&sysctls);
            happen(&mut director, event, protocol);
            let old = format!("{service} > {A}");
            let first = packet(protocol, "10.0.0.1:1024", "A").frame();
            let sentence = format!("{protocol}, {event:?}");
            if protocol == "tcp" {
                let reset = Expected::passed_for(Reason::NoConnection).moving(&old, "active", -1);
                reset.check(&mut director, &format!("{sentence}: the stack answers an ACK by a reset"), &first);
                let again = Expected::sent(service, B).opening().with_template().moving(&old, "active", -1);
                let syn = packet(protocol, "10.0.0.2:1024", "S").frame();
                again.check(&mut director, &format!("{sentence}: a SYN is scheduled anew"), &syn);
            } else {
                let again = Expected::sent(service, B).opening_inactive().with_template();
                again.moving(&old, "inactive", -1).check(&mut director, &sentence, &first);
            }
        }
    }
}

/// Case 1.
#[test]
fn after_the_last_server_nobody_gets_a_packet() {
    for event in [Event::Removed, Event::Quiesced, Event::Failed] {
        let mut director =
            with("ipvsadm -A -t 172.16.100.1:80 -s rr\nipvsadm -a -t 172.16.100.1:80 -r 172.16.100.10 -g");
        director.receive(&packet("tcp", "10.0.0.1:1024", "S").frame());
        happen(&mut director, event, "tcp");
        let existing = match event {
            Event::Quiesced => Expected::sent(WEB, A),
            Event::Removed | Event::Failed => Expected::dropped_for(Reason::RealServerRemoved),
        };
        let sentence = format!("{event:?}");
        existing.check(&mut director, &sentence, &packet("tcp", "10.0.0.1:1024", "A").frame());
        let refused = Expected::answered(3, 3, Reason::NoRealServer);
        refused.check(&mut director, &sentence, &packet("tcp", "10.0.0.2:1024", "S").frame());
    }
}

#[test]
fn a_removed_service_is_no_service_and_its_connections_resume_if_it_comes_back() {
    let service = "ipvsadm -A -t 172.16.100.1:80 -s rr\nipvsadm -a -t 172.16.100.1:80 -r 172.16.100.10 -g";
    let mut director = with(service);
    director.receive(&packet("tcp", "10.0.0.1:1024", "S").frame());
    change(&mut director, "ipvsadm -D -t 172.16.100.1:80");
    let ack = packet("tcp", "10.0.0.1:1024", "A").frame();
    Expected::passed().check(&mut director, "without any service the stack gets all", &ack);
    change(&mut director, "ipvsadm -A -t [2001:db8::1]:80 -s rr");
    Expected::passed().check(&mut director, "a service of the other family changes nothing", &ack);
    change(&mut director, "ipvsadm -A -u 172.16.100.1:53 -s rr");
    Expected::dropped_for(Reason::RealServerRemoved).check(&mut director, "its connection", &ack);
    Expected::passed().check(&mut director, "a client", &packet("tcp", "10.0.0.2:1024", "S").frame());
    change(&mut director, service);
    Expected::sent(WEB, A).check(&mut director, "its connection again", &ack);
    assert!(director.run("ipvsadm -Ln").stdout.contains("1      1          0"), "with its count");
}

/// The same slot and generation: connections, counts and templates are there again.
#[test]
fn a_server_that_comes_back_has_its_connections_again() {
    for event in [Event::Removed, Event::Failed] {
        let (mut director, service) = with_history("tcp");
        happen(&mut director, event, "tcp");
        let ack = packet("tcp", "10.0.0.1:1024", "A").frame();
        Expected::dropped_for(Reason::RealServerRemoved).check(&mut director, "while it is away", &ack);
        match event {
            Event::Failed => set_health(&mut director, "tcp", true),
            Event::Removed | Event::Quiesced => {
                change(&mut director, "ipvsadm -a -t 172.16.100.1:80 -r 172.16.100.10 -g");
            }
        }
        Expected::sent(service, A).check(&mut director, "its connection", &ack);
        let client = packet("tcp", "10.0.0.2:1025", "S").frame();
        Expected::sent(service, A).opening().check(&mut director, "its template", &client);
    }
}

/// Case 5.
#[test]
fn a_changed_mac_address_counts_from_the_next_packet() {
    let mut director = with("ipvsadm -A -t 172.16.100.1:80 -s rr\nipvsadm -a -t 172.16.100.1:80 -r 172.16.100.10 -g");
    let (syn, ack) = (packet("tcp", "10.0.0.1:1024", "S").frame(), packet("tcp", "10.0.0.1:1024", "A").frame());
    Expected::sent(WEB, A).opening().check(&mut director, "before", &syn);
    let other = [2, 0xaa, 0, 0, 0, 1];
    director.set_path(A, reachable(other, 1));
    let sent = lvx_tests::fate::Fate::Sent(forwarded(&ack, other, lvx_tests::frame::DIRECTOR));
    assert_eq!(director.receive(&ack), sent);
    director.set_path(A, reachable(mac_of(A.parse().expect("an address")), 1));
    Expected::sent(WEB, A).check(&mut director, "and back", &ack);
}

/// Case 22.
#[test]
fn a_server_without_a_neighbour_entry_is_counted_and_heals() {
    let mut director = with("ipvsadm -A -t 172.16.100.1:80 -s rr\nipvsadm -a -t 172.16.100.1:80 -r 172.16.100.10 -g");
    director.set_path(A, Path::Unresolved { reason: "resolving".to_owned() });
    let dropped = Expected::dropped_for(Reason::NoNeighbour).carried(WEB, A);
    let syn = packet("tcp", "10.0.0.1:1024", "S").frame();
    dropped.clone().opening().check(&mut director, "the first packet", &syn);
    dropped.check(&mut director, "it comes again", &syn);
    director.set_path(A, reachable(mac_of(A.parse().expect("an address")), 1));
    Expected::sent(WEB, A).check(&mut director, "it comes again, and goes where it should have gone", &syn);
}

#[test]
fn a_server_that_is_the_director_gets_its_packets_by_the_stack() {
    let mut director = with("ipvsadm -A -t 172.16.100.1:80 -s rr\nipvsadm -a -t 172.16.100.1:80 -r 172.16.100.10 -g");
    director.set_path(A, Path::Local);
    let local = Expected::passed_for(Reason::LocalServer).carried(WEB, A);
    let syn = packet("tcp", "10.0.0.1:1024", "S").with_hop_limit(1);
    local.clone().opening().check(&mut director, "a SYN, whose TTL does not matter", &syn.frame());
    local.check(&mut director, "an ACK", &packet("tcp", "10.0.0.1:1024", "A").frame());
}
