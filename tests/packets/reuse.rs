//! A SYN on the tuple of an old connection (case 11): `conn_reuse_mode` and the connection's state decide.

use lb_common::reason::Reason;
use lb_user::model::Sysctls;
use lvx_tests::director::TestDirector;
use lvx_tests::frame::Packet;

use super::expect::change;
use super::*;

fn packet(flags: &str) -> Packet {
    Packet::tcp("10.0.0.1:1024", VIP_WEB, flags)
}

/// Packets that bring a new connection into a state, and whether it is active there.
const STATES: [(&str, &[&str], bool); 5] = [
    ("SYN_RECV", &["S"], true),
    ("ESTABLISHED", &["S", "A"], true),
    ("FIN_WAIT", &["S", "A", "FA"], false),
    ("TIME_WAIT", &["S", "FA"], false),
    ("CLOSE", &["S", "A", "R"], false),
];

fn in_state(setup: &str, mode: u32, packets: &[&str], state: &str) -> TestDirector {
    let mut director = with(setup);
    director.director().tables().set_sysctls(&Sysctls { conn_reuse_mode: mode, ..Sysctls::default() });
    for flags in packets {
        director.receive(&packet(flags).frame());
    }
    let connections = director.run("ipvsadm -Lnc").stdout;
    assert!(connections.contains(&format!("{state} ")), "no connection is in {state}: {connections}");
    director
}

#[test]
fn each_mode_in_each_state() {
    for mode in 0..=3 {
        for (state, packets, active) in STATES {
            let mut director = in_state(WEB_OF_THREE, mode, packets, state);
            let anew = match state {
                "TIME_WAIT" | "CLOSE" => mode != 0,
                "FIN_WAIT" => mode & 2 != 0,
                _ => false,
            };
            let (old, count) = (format!("{WEB} > {C}"), if active { "active" } else { "inactive" });
            let expected = match (anew, active) {
                (true, _) => Expected::sent(WEB, B).opening().moving(&old, count, -1),
                (false, true) => Expected::sent(WEB, C),
                (false, false) => Expected::sent(WEB, C).moving(&old, "inactive", -1).moving(&old, "active", 1),
            };
            expected.check(&mut director, &format!("mode {mode}, {state}"), &packet("S").frame());
        }
    }
}

/// `is_new_conn_expected`: connections that a template controls are exempt.
#[test]
fn connections_of_persistent_clients_are_never_reused() {
    let persistent = WEB_OF_THREE.replace("-s rr", "-s rr -p 300");
    for mode in 0..=3 {
        let mut director = in_state(&persistent, mode, &["S", "A", "R"], "CLOSE");
        let server = format!("{WEB} > {C}");
        let expected = Expected::sent(WEB, C).moving(&server, "inactive", -1).moving(&server, "active", 1);
        expected.check(&mut director, &format!("mode {mode}"), &packet("S").frame());
    }
}

/// `ip_vs_in_hook`: with expire_nodest_conn a SYN leaves a quiesced server, whatever state its connection is in.
#[test]
fn with_expire_nodest_conn_a_syn_leaves_a_quiesced_server() {
    for nodest in [false, true] {
        for (state, packets, active) in STATES {
            let mut director = in_state(WEB_OF_THREE, 0, packets, state);
            let sysctls = Sysctls { expire_nodest_conn: nodest, conn_reuse_mode: 0, ..Sysctls::default() };
            director.director().tables().set_sysctls(&sysctls);
            change(&mut director, "ipvsadm -e -t 172.16.100.1:80 -r 172.16.100.12 -g -w 0");
            let (old, count) = (format!("{WEB} > {C}"), if active { "active" } else { "inactive" });
            let stays = Expected::sent(WEB, C);
            let acknowledged = match (state, active) {
                ("SYN_RECV", _) | ("ESTABLISHED", _) | (_, false) => stays.clone(),
                _ => unreachable!("{state}"),
            };
            acknowledged.check(&mut director, &format!("{state}: an ACK"), &packet("A").frame());
            let expected = match (nodest, active) {
                (true, _) => Expected::sent(WEB, B).opening().moving(&old, count, -1),
                (false, true) => stays,
                (false, false) => stays.moving(&old, "inactive", -1).moving(&old, "active", 1),
            };
            expected.check(&mut director, &format!("expire_nodest_conn {nodest}, {state}"), &packet("S").frame());
        }
    }
}

/// `ip_vs_conn_expire_now` only sets a timer, so the old connection still counts while a server is chosen.
#[test]
fn the_old_connection_counts_until_the_new_one_has_its_server() {
    let mut director = in_state(&WEB_OF_THREE.replace("-s rr", "-s wlc"), 1, &["S", "A", "R"], "CLOSE");
    let old = format!("{WEB} > {C}");
    Expected::sent(WEB, B).opening().moving(&old, "inactive", -1).check(&mut director, "wlc", &packet("S").frame());

    let one = "ipvsadm -A -t 172.16.100.1:80 -s rr\nipvsadm -a -t 172.16.100.1:80 -r 172.16.100.10 -g -x 1";
    let mut director = in_state(one, 1, &["S", "A", "R"], "CLOSE");
    let refused = Expected::answered(3, 3, Reason::NoRealServer).moving(&format!("{WEB} > {A}"), "inactive", -1);
    refused.check(&mut director, "a full server", &packet("S").frame());
}
