//! What commands do to the table, with the surprises of the real ipvsadm.

use super::fake::Fake;
use super::{done, ipvsadm, table};
use crate::api::Refusal;
use crate::model::{
    Family, ForwardingMethod, Netmask, Persistence, Protocol, RealServer, SchedulerFlags, SchedulerKind, Service,
    ServiceId, Timeouts,
};

fn tcp(vip: &str, port: u16) -> ServiceId {
    ServiceId::Address { protocol: Protocol::Tcp, vip: vip.parse().expect("an address"), port }
}

fn service(fake: &mut Fake, id: ServiceId) -> Service {
    fake.find(id, Refusal::NoSuchService).expect("the service exists").service.clone()
}

fn servers(fake: &mut Fake, id: ServiceId) -> Vec<RealServer> {
    let entry = fake.find(id, Refusal::NoSuchService).expect("the service exists");
    entry.servers.iter().map(|entry| entry.server.clone()).collect()
}

fn server(address: &str, port: u16, weight: u32) -> RealServer {
    RealServer {
        address: address.parse().expect("an address"),
        port,
        weight,
        method: ForwardingMethod::Gate,
        upper_threshold: 0,
        lower_threshold: 0,
    }
}

#[test]
fn the_operators_commands() {
    let mut fake = table(&[
        "-A -t 172.16.100.1:0 -s wrr -p 3600",
        "-a -t 172.16.100.1:0 -r 172.16.100.10 -g -w 2",
        "-a -t 172.16.100.1:0 -r 172.16.100.11 -g -w 1",
        "-A -f 8 -s rr -p 600",
        "-a -f 8 -r 172.16.100.10 -g -w 2",
    ]);
    let every_port = tcp("172.16.100.1", 0);
    let expected = Service {
        id: every_port,
        scheduler: SchedulerKind::Wrr,
        persistence: Some(Persistence { timeout: 3600 }),
        netmask: Netmask::host(Family::Inet),
        one_packet: false,
        scheduler_flags: SchedulerFlags::default(),
        servers: Vec::new(),
    };
    assert_eq!(service(&mut fake, every_port), expected);
    assert_eq!(servers(&mut fake, every_port), [server("172.16.100.11", 0, 1), server("172.16.100.10", 0, 2)]);
    let mark = ServiceId::Mark { mark: 8, family: Family::Inet };
    assert_eq!(service(&mut fake, mark).persistence, Some(Persistence { timeout: 600 }));
    assert_eq!(servers(&mut fake, mark), [server("172.16.100.10", 0, 2)]);
}

#[test]
fn defaults() {
    let mut fake = table(&["-A -t 10.0.0.1:80 -p", "-a -t 10.0.0.1:80 -r 10.0.0.2", "-A -t [2001:db8::1]:80"]);
    let http = service(&mut fake, tcp("10.0.0.1", 80));
    assert_eq!(http.scheduler, SchedulerKind::Wlc);
    assert_eq!(http.persistence, Some(Persistence { timeout: 360 }));
    assert_eq!(servers(&mut fake, tcp("10.0.0.1", 80)), [server("10.0.0.2", 80, 1)]);
    assert_eq!(service(&mut fake, tcp("2001:db8::1", 80)).netmask, Netmask::V6(128));
}

#[test]
fn direct_routing_forces_the_port_of_the_service_but_not_of_a_mark() {
    let mut fake = table(&[
        "-A -t 10.0.0.1:80",
        "-a -t 10.0.0.1:80 -r 10.0.0.2:8080 -g",
        "-A -f 8",
        "-a -f 8 -r 10.0.0.2:8080",
        "-a -f 8 -r 10.0.0.2",
    ]);
    assert_eq!(servers(&mut fake, tcp("10.0.0.1", 80)), [server("10.0.0.2", 80, 1)]);
    let mark = ServiceId::Mark { mark: 8, family: Family::Inet };
    assert_eq!(servers(&mut fake, mark), [server("10.0.0.2", 0, 1), server("10.0.0.2", 8080, 1)]);
    let again = ipvsadm(&mut fake, "-a -t 10.0.0.1:80 -r 10.0.0.2:9090");
    assert_eq!((again.status, again.stderr.as_str()), (255, "Destination already exists\n"));
    assert_eq!(done(&mut fake, "-e -t 10.0.0.1:80 -r 10.0.0.2:9090 -w 7"), "");
    assert_eq!(servers(&mut fake, tcp("10.0.0.1", 80)), [server("10.0.0.2", 80, 7)]);
}

#[test]
fn a_server_takes_the_port_of_a_service_named_before_it() {
    let mut fake = table(&["-A -t 10.0.0.1:80", "-a -r 10.0.0.2 -t 10.0.0.1:80"]);
    let not_there = ipvsadm(&mut fake, "-d -r 10.0.0.2 -t 10.0.0.1:80");
    assert_eq!((not_there.status, not_there.stderr.as_str()), (255, "No such destination\n"));
    assert_eq!(done(&mut fake, "-d -t 10.0.0.1:80 -r 10.0.0.2"), "");
}

#[test]
fn edit_replaces_everything() {
    let mut fake = table(&[
        "-A -t 10.0.0.1:80 -s rr -p 60 -M 255.255.255.0",
        "-a -t 10.0.0.1:80 -r 10.0.0.2 -w 5 -x 10 -y 2",
        "-E -t 10.0.0.1:80",
        "-e -t 10.0.0.1:80 -r 10.0.0.2",
    ]);
    let edited = service(&mut fake, tcp("10.0.0.1", 80));
    assert_eq!((edited.scheduler, edited.persistence), (SchedulerKind::Wlc, None));
    assert_eq!(edited.netmask, Netmask::host(Family::Inet));
    assert_eq!(servers(&mut fake, tcp("10.0.0.1", 80)), [server("10.0.0.2", 80, 1)]);
}

#[test]
fn netmasks() {
    for (line, id, netmask) in [
        ("-A -t 10.0.0.1:80 -M 255.255.255.0", tcp("10.0.0.1", 80), Netmask::V4([255, 255, 255, 0].into())),
        ("-A -M 24 -t 10.0.0.1:80", tcp("10.0.0.1", 80), Netmask::V4([0, 0, 0, 24].into())),
        ("-A -t [2001:db8::1]:80 -M 64", tcp("2001:db8::1", 80), Netmask::V6(64)),
        ("-A -M 255.255.0.0 -t [2001:db8::1]:80", tcp("2001:db8::1", 80), Netmask::V6(128)),
        ("-A -f 3 -6 -M 64", ServiceId::Mark { mark: 3, family: Family::Inet6 }, Netmask::V6(64)),
        ("-A -f 3 -M 255.0.0.0 -6", ServiceId::Mark { mark: 3, family: Family::Inet6 }, Netmask::V6(128)),
        ("-A -f 3 -M 255.0.0.0", ServiceId::Mark { mark: 3, family: Family::Inet }, Netmask::V4([255, 0, 0, 0].into())),
    ] {
        assert_eq!(service(&mut table(&[line]), id).netmask, netmask, "ipvsadm {line}");
    }
}

#[test]
fn names_of_hosts_and_services() {
    let mut fake = table(&["-A -t www.example.org:http", "-A -u 192.0.2.1:domain"]);
    assert_eq!(service(&mut fake, tcp("192.0.2.1", 80)).id, tcp("192.0.2.1", 80));
    assert_eq!(done(&mut fake, "-D -t 192.0.2.1:80"), "");
}

#[test]
fn timeouts_keep_what_is_zero() {
    let mut fake = Fake::default();
    assert_eq!(done(&mut fake, "--set 0 60 0"), "");
    assert_eq!(fake.timeouts, Timeouts { tcp: 900, tcpfin: 60, udp: 300 });
    assert_eq!(done(&mut fake, "-L --timeout"), "Timeout (tcp tcpfin udp): 900 60 300\n");
}

#[test]
fn zero_is_for_one_service_or_all() {
    let mut fake = table(&["-A -t 10.0.0.1:80", "-Z", "-Z -t 10.0.0.1:80"]);
    assert_eq!(std::mem::take(&mut fake.zeroed), [None, Some(tcp("10.0.0.1", 80))]);
}
