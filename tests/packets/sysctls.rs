//! What the sysctls change, besides those that have their own files here.

use std::collections::BTreeMap;

use lb_common::reason::Reason;
use lb_user::api::{Refusal, Request, Response};
use lb_user::config::Config;
use lb_user::dataplane::Sizes;
use lb_user::health::Target;
use lb_user::model::{Protocol, ServiceId, Sysctls};
use lvx_tests::director::TestDirector;
use lvx_tests::fate::Fate;
use lvx_tests::frame::Packet;

use super::expect::change;
use super::*;

fn packet(port: u16, flags: &str) -> Packet {
    Packet::tcp(&format!("10.0.0.1:{port}"), VIP_WEB, flags)
}

fn rows(director: &mut TestDirector) -> String {
    director.run("ipvsadm -Lnc").stdout
}

/// A director that no test had before: nothing was dropped in it yet.
fn fresh() -> TestDirector {
    let sizes = Sizes { connections: 1024, templates: 64, services: 4, real_servers: 8 };
    let mut director = TestDirector::configured(&Config { sizes, ..Config::default() });
    change(&mut director, WEB_OF_THREE);
    director
}

/// `ip_vs_todrop`: D P P D P P.
#[test]
fn drop_packet_drops_one_in_so_many_new_connections() {
    let mut director = fresh();
    director.set_sysctls(&Sysctls { drop_packet: 3, am_droprate: 3, ..Sysctls::default() });
    let dropped = || Expected::dropped_for(Reason::DropPacket);
    let opened = |server| Expected::sent(WEB, server).opening();
    story(
        &mut director,
        [
            Row("the first is dropped", packet(1001, "S"), dropped()),
            Row(
                "an ACK without a connection does not count",
                packet(1001, "A"),
                Expected::passed_for(Reason::NoConnection),
            ),
            Row("nor does a reset", packet(1001, "R"), Expected::passed_for(Reason::NoConnection)),
            Row("nor what is for no service", Packet::tcp("10.0.0.1:9", "172.16.100.9:80", "S"), Expected::passed()),
            Row("it comes again", packet(1001, "S"), opened(C)),
            Row("its connection does not count", packet(1001, "A"), Expected::sent(WEB, C)),
            Row("the second of those that pass", packet(1002, "S"), opened(B)),
            Row("again one in three", packet(1003, "S"), dropped()),
            Row("from port 20, which counts and is not scheduled", packet(20, "S"), Expected::passed()),
            Row("the second of those that pass", packet(1004, "S"), opened(A)),
            Row("the third", packet(1005, "S"), dropped()),
        ],
    );
    director.set_sysctls(&Sysctls { drop_packet: 3, am_droprate: 0, ..Sysctls::default() });
    opened(C).check(&mut director, "a rate of 0 drops none", &packet(1006, "S").frame());
    director.set_sysctls(&Sysctls { drop_packet: 0, am_droprate: 1, ..Sysctls::default() });
    opened(B).check(&mut director, "nor does the mode 0", &packet(1007, "S").frame());
}

/// The first SYN that drops belongs to an old connection that is over: dropped as a new one, the old one is gone.
#[test]
fn drop_packet_counts_a_connection_that_begins_anew() {
    let mut director = fresh();
    for flags in ["S", "A", "R"] {
        director.receive(&packet(1001, flags).frame());
    }
    director.set_sysctls(&Sysctls { drop_packet: 3, ..Sysctls::default() });
    let expected = Expected::dropped_for(Reason::DropPacket).moving(&format!("{WEB} > {C}"), "inactive", -1);
    expected.check(&mut director, "it is in CLOSE", &packet(1001, "S").frame());
}

/// `tcp_states_dos`; the timeouts are those of the states, as ever.
#[test]
fn secure_tcp_leads_to_synack() {
    for (packets, state, secure) in [
        (&["S"][..], "SYN_RECV", "SYNACK"),
        (&["S", "S"], "SYN_RECV", "SYNACK"),
        (&["S", "A"], "ESTABLISHED", "ESTABLISHED"),
        (&["S", "A", "S"], "ESTABLISHED", "ESTABLISHED"),
        (&["S", "A", "FA", "S"], "SYN_RECV", "SYNACK"),
        (&["S", "FA"], "TIME_WAIT", "TIME_WAIT"),
        (&["S", "R"], "SYN_RECV", "CLOSE"),
    ] {
        for (mode, expected) in [(0, state), (1, state), (2, state), (3, secure)] {
            let mut director = with(WEB_OF_THREE);
            director.set_sysctls(&Sysctls { secure_tcp: mode, conn_reuse_mode: 0, ..Sysctls::default() });
            for flags in packets {
                director.receive(&packet(1001, flags).frame());
            }
            let rows = rows(&mut director);
            let row: Vec<&str> = rows.lines().last().expect("a row").split_whitespace().collect();
            assert_eq!(row[2], expected, "mode {mode}, {packets:?}: {rows}");
            assert!(expected != "SYNACK" || ["01:59", "02:00"].contains(&row[1]), "SYNACK lasts 120 s: {rows}");
        }
    }
}

/// A connection that is half open under `secure_tcp` counts as active, as in SYN_RECV.
#[test]
fn under_secure_tcp_counts_are_the_same() {
    let mut director = with(WEB_OF_THREE);
    director.set_sysctls(&Sysctls { secure_tcp: 3, ..Sysctls::default() });
    let server = format!("{WEB} > {C}");
    story(
        &mut director,
        [
            Row("a SYN", packet(1001, "S"), Expected::sent(WEB, C).opening()),
            Row("an ACK", packet(1001, "A"), Expected::sent(WEB, C)),
            Row(
                "a reset",
                packet(1001, "R"),
                Expected::sent(WEB, C).moving(&server, "active", -1).moving(&server, "inactive", 1),
            ),
        ],
    );
}

/// The table is made for 1,024 connections, and `amemthresh` wants room for all of them.
#[test]
fn automatic_modes_act_while_there_is_no_room() {
    let mut director = fresh();
    let automatic = Sysctls { drop_entry: 2, drop_packet: 1, secure_tcp: 2, ..Sysctls::default() };
    director.set_sysctls(&automatic);
    let shown = |director: &mut TestDirector| director.director().tables().sysctls();
    assert_eq!(shown(&mut director), Sysctls { drop_entry: 1, drop_packet: 1, secure_tcp: 1, ..automatic });
    director.receive(&packet(1001, "S").frame());
    director.receive(&packet(1001, "A").frame());
    assert!(rows(&mut director).contains("ESTABLISHED"));
    director.director().tick().expect("the sweep runs");
    assert_eq!(shown(&mut director), Sysctls { drop_entry: 2, drop_packet: 2, secure_tcp: 2, ..automatic });
    let dropped = Expected::dropped_for(Reason::DropPacket);
    dropped.check(&mut director, "the first, as always", &packet(1002, "S").frame());
    director.receive(&packet(1002, "S").frame());
    assert!(rows(&mut director).contains("SYNACK"), "{}", rows(&mut director));
    director.advance(std::time::Duration::from_secs(1000));
    assert_eq!(shown(&mut director).drop_packet, 1, "all have ended");
    Expected::sent(WEB, A).opening().check(&mut director, "a new one", &packet(1003, "S").frame());
    assert!(rows(&mut director).contains("SYN_RECV"));
}

/// What a server's connections and templates become when it leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Leaving {
    Removed,
    Failed,
    WithItsService,
}

fn leave(director: &mut TestDirector, how: Leaving) {
    match how {
        Leaving::Removed => change(director, "ipvsadm -d -t 172.16.100.1:80 -r 172.16.100.12"),
        Leaving::WithItsService => change(director, "ipvsadm -D -t 172.16.100.1:80"),
        Leaving::Failed => set_health(director, false),
    }
}

fn come_back(director: &mut TestDirector, how: Leaving) {
    match how {
        Leaving::Removed => change(director, "ipvsadm -a -t 172.16.100.1:80 -r 172.16.100.12 -g"),
        Leaving::WithItsService => change(director, &WEB_OF_THREE.replace("-s rr", "-s rr -p 300")),
        Leaving::Failed => set_health(director, true),
    }
}

fn set_health(director: &mut TestDirector, healthy: bool) {
    let id = ServiceId::Address { protocol: Protocol::Tcp, vip: "172.16.100.1".parse().expect("an address"), port: 80 };
    let target = Target { id, address: C.parse().expect("an address"), port: 80 };
    director.director().set_health(&target, healthy, "as the test says".to_owned());
}

/// Three clients of three servers; that of [`C`] has an established connection, and so a confirmed template.
fn with_clients(nodest: bool) -> TestDirector {
    let mut director = with(&WEB_OF_THREE.replace("-s rr", "-s rr -p 300"));
    director.set_sysctls(&Sysctls { expire_nodest_conn: nodest, ..Sysctls::default() });
    for client in 1..=3 {
        for flags in ["S", "A"] {
            director.receive(&Packet::tcp(&format!("10.0.0.{client}:1001"), VIP_WEB, flags).frame());
        }
    }
    director
}

/// `ip_vs_expire_nodest_conn_flush`, since Linux 5.9.
#[test]
fn with_expire_nodest_conn_a_removed_servers_flows_are_gone_within_a_second() {
    for how in [Leaving::Removed, Leaving::Failed, Leaving::WithItsService] {
        for nodest in [false, true] {
            let mut director = with_clients(nodest);
            leave(&mut director, how);
            director.director().tick().expect("the sweep runs");
            let rows = rows(&mut director);
            let of = |server: &str| rows.lines().filter(|row| row.contains(&format!(" {server}:80"))).count();
            let left = |gone: bool| if nodest && gone { 0 } else { 2 };
            let with_service = how == Leaving::WithItsService;
            assert_eq!((of(A), of(B), of(C)), (left(with_service), left(with_service), left(true)), "{how:?}: {rows}");
        }
    }
}

/// They do not come back with the server, however soon that is.
#[test]
fn what_expire_nodest_conn_forgot_stays_forgotten() {
    for how in [Leaving::Removed, Leaving::Failed, Leaving::WithItsService] {
        for nodest in [false, true] {
            let mut director = with_clients(nodest);
            leave(&mut director, how);
            come_back(&mut director, how);
            let frame = Packet::tcp("10.0.0.1:1001", VIP_WEB, "A").frame();
            let resumes = matches!(director.receive(&frame), Fate::Sent(_));
            assert_eq!(resumes, !nodest, "{how:?}");
        }
    }
}

/// Set while a server is away already, it acts at each connection's next packet only, as in the kernel.
#[test]
fn expire_nodest_conn_flushes_at_a_removal_not_when_it_is_set() {
    let mut director = with_clients(false);
    leave(&mut director, Leaving::Removed);
    director.set_sysctls(&Sysctls { expire_nodest_conn: true, ..Sysctls::default() });
    director.director().tick().expect("the sweep runs");
    assert_eq!(rows(&mut director).matches(&format!(" {C}:80")).count(), 2);
}

/// The parser of `ipvsadm`: upstream's limit, or Debian's.
#[test]
fn weight_limit_is_that_of_ipvsadm() {
    let mut director = with(
        "ipvsadm -A -t 172.16.100.1:80 -s wrr
                             ipvsadm -a -t 172.16.100.1:80 -r 172.16.100.10 -g -w 65536",
    );
    director.set_sysctls(&Sysctls { weight_limit: 65_535, ..Sysctls::default() });
    for line in [
        "ipvsadm -a -t 172.16.100.1:80 -r 172.16.100.11 -g -w 65536",
        "ipvsadm -e -t 172.16.100.1:80 -r 172.16.100.10 -g -w 65537",
        "ipvsadm -a -t 172.16.100.1:81 -r 172.16.100.11 -g -w 65536",
    ] {
        let ran = director.run(line);
        let expected = (2, String::new(), "illegal weight specified\n".to_owned());
        assert_eq!((ran.status, ran.stdout, ran.stderr), expected, "{line}");
    }
    change(&mut director, "ipvsadm -a -t 172.16.100.1:80 -r 172.16.100.11 -g -w 65535");
    let listed = director.run("ipvsadm -Ln").stdout;
    assert!(listed.contains("Route   65536 ") && listed.contains("Route   65535 "), "{listed}");
}

#[test]
fn without_run_estimation_rates_stand_still() {
    let mut director = with(WEB_OF_THREE);
    let rates = |director: &mut TestDirector| director.run("ipvsadm -Ln --rate").stdout;
    let pass = |director: &mut TestDirector, ports: std::ops::Range<u16>| {
        ports.for_each(|port| drop(director.receive(&packet(port, "S").frame())));
        director.director().estimate();
    };
    pass(&mut director, 1000..1100);
    pass(&mut director, 1100..1200);
    let before = rates(&mut director);
    assert!(before.contains(" 12 "), "a quarter of 50 a second: {before}");
    director.set_sysctls(&Sysctls { run_estimation: false, ..Sysctls::default() });
    pass(&mut director, 1200..1300);
    assert_eq!(rates(&mut director), before);
    director.set_sysctls(&Sysctls::default());
    pass(&mut director, 1300..1400);
    assert_ne!(rates(&mut director), before);
}

#[test]
fn sysctls_are_set_all_or_none() {
    let mut director = with(WEB_OF_THREE);
    let set = |director: &mut TestDirector, values: &[(&str, u32)]| {
        let values: BTreeMap<_, _> = values.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect();
        director.director().handle(&Request::SetSysctls { values })
    };
    let refused = set(&mut director, &[("secure_tcp", 3), ("net.ipv4.vs.sloppy_tcp", 2)]);
    let words = "net.ipv4.vs.sloppy_tcp: `2` is not a whole number in 0..=1".to_owned();
    assert_eq!(refused, Response::Refused { refusal: Refusal::Other(words) });
    director.receive(&packet(1001, "S").frame());
    assert!(rows(&mut director).contains("SYN_RECV"));
    assert_eq!(set(&mut director, &[("secure_tcp", 3), ("net.ipv4.vs.sloppy_tcp", 1)]), Response::Done);
    director.receive(&packet(1002, "S").frame());
    director.receive(&packet(1003, "A").frame());
    assert!(rows(&mut director).contains("SYNACK") && rows(&mut director).contains("ESTABLISHED"));
}
