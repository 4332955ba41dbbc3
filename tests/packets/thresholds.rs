//! `-x` and `-y`: how many connections a server takes, and when it takes some again.

use std::time::Duration;

use lb_user::model::Sysctls;
use lvx_tests::director::TestDirector;
use lvx_tests::frame::{Packet, mac_addresses};

use super::expect::change;
use super::*;

/// Servers of so many new connections, by the last byte of their addresses.
fn picks(director: &mut TestDirector, ports: std::ops::Range<u16>) -> Vec<u8> {
    let syn = |port| Packet::tcp(&format!("10.0.0.1:{}", 2000 + port), VIP_WEB, "S").frame();
    let pick = |port| mac_addresses(director.receive(&syn(port)).sent()).0[5];
    ports.map(pick).collect()
}

fn close(director: &mut TestDirector, ports: impl IntoIterator<Item = u16>) {
    for port in ports {
        director.receive(&Packet::tcp(&format!("10.0.0.1:{}", 2000 + port), VIP_WEB, "A").frame());
        director.receive(&Packet::tcp(&format!("10.0.0.1:{}", 2000 + port), VIP_WEB, "R").frame());
    }
    // CLOSE lasts ten seconds.
    director.advance(Duration::from_secs(11));
}

fn limited(thresholds: &str) -> TestDirector {
    with(&format!(
        "ipvsadm -A -t 172.16.100.1:80 -s rr
         ipvsadm -a -t 172.16.100.1:80 -r 172.16.100.10 -g {thresholds}
         ipvsadm -a -t 172.16.100.1:80 -r 172.16.100.11 -g"
    ))
}

#[test]
fn an_overloaded_server_is_left_out_until_enough_connections_have_ended() {
    let mut director = limited("-x 4 -y 2");
    assert_eq!(picks(&mut director, 0..12), [11, 10, 11, 10, 11, 10, 11, 10, 11, 11, 11, 11]);
    close(&mut director, [1, 3]);
    assert_eq!(picks(&mut director, 20..22), [11, 11], "two are left, and must be fewer than two");
    close(&mut director, [5]);
    assert_eq!(picks(&mut director, 30..32), [10, 11]);
}

#[test]
fn without_a_lower_threshold_three_quarters_are() {
    let mut director = limited("-x 4");
    assert_eq!(picks(&mut director, 0..10), [11, 10, 11, 10, 11, 10, 11, 10, 11, 11]);
    close(&mut director, [1]);
    assert_eq!(picks(&mut director, 20..22), [11, 11], "three of four are no less than three quarters");
    close(&mut director, [3]);
    assert_eq!(picks(&mut director, 30..32), [10, 11]);
}

#[test]
fn a_template_leads_to_an_overloaded_server() {
    let mut director = limited("-x 2");
    change(&mut director, "ipvsadm -E -t 172.16.100.1:80 -s rr -p 300");
    let syn = |client: &str| Packet::tcp(client, VIP_WEB, "S");
    let (first, second) = (Expected::sent(WEB, B).opening(), Expected::sent(WEB, A).opening());
    story(
        &mut director,
        [
            Row("a client", syn("10.0.0.1:1"), first.clone().with_template()),
            Row("another", syn("10.0.0.2:1"), second.clone().with_template()),
            Row("its server is full now", syn("10.0.0.2:2"), second.clone()),
            Row("it comes back all the same", syn("10.0.0.2:3"), second),
            Row("a new client does not", syn("10.0.0.3:1"), first.clone().with_template()),
            Row("nor another", syn("10.0.0.4:1"), first.with_template()),
        ],
    );
}

/// `__ip_vs_update_dest`: a raised or removed threshold ends an overload, a lower one starts it, and another weight
/// changes nothing.
#[test]
fn edits_of_an_overloaded_server() {
    let edit = |director: &mut TestDirector, words: &str| {
        change(director, &format!("ipvsadm -e -t 172.16.100.1:80 -r {A} -g {words}"));
    };
    let mut director = limited("-x 4 -y 2");
    picks(&mut director, 0..8);
    close(&mut director, [1]);
    edit(&mut director, "-w 3 -x 4 -y 2");
    assert_eq!(picks(&mut director, 20..23), [11, 11, 11], "another weight: still overloaded");
    edit(&mut director, "-x 8 -y 2");
    assert_eq!(picks(&mut director, 30..32), [10, 11], "raised");
    edit(&mut director, "-x 3 -y 2");
    assert_eq!(picks(&mut director, 40..42), [11, 11], "lowered");
    edit(&mut director, "");
    assert_eq!(picks(&mut director, 50..52), [10, 11], "removed");
}

/// Until Linux 6.1.176 a lowered threshold did not count before the next new connection.
#[test]
fn with_late_threshold_one_more_gets_through() {
    for (late, picked) in [(false, [11, 11, 11, 11]), (true, [11, 10, 11, 11])] {
        let mut director = limited("-x 8");
        director.set_sysctls(&Sysctls { late_threshold: late, ..Sysctls::default() });
        assert_eq!(picks(&mut director, 0..8), [11, 10, 11, 10, 11, 10, 11, 10]);
        change(&mut director, "ipvsadm -e -t 172.16.100.1:80 -r 172.16.100.10 -g -x 3");
        assert_eq!(picks(&mut director, 20..24), picked, "late_threshold {late}");
    }
}

/// The count of a server that comes back is the old one; whether that is too many is asked again.
#[test]
fn a_server_that_comes_back_is_overloaded_by_its_new_thresholds() {
    let mut director = limited("-x 2");
    picks(&mut director, 0..4);
    let (remove, add) =
        ("ipvsadm -d -t 172.16.100.1:80 -r 172.16.100.10", "ipvsadm -a -t 172.16.100.1:80 -r 172.16.100.10 -g");
    change(&mut director, &format!("{remove}\n{add}"));
    assert_eq!(picks(&mut director, 10..12), [10, 11], "no threshold any more");
    change(&mut director, &format!("{remove}\n{add} -x 2"));
    assert_eq!(picks(&mut director, 20..22), [11, 11], "the old threshold again");
}

#[test]
fn when_all_are_overloaded_nobody_takes_a_connection() {
    let mut director = limited("-x 1");
    change(&mut director, "ipvsadm -e -t 172.16.100.1:80 -r 172.16.100.11 -g -x 1");
    assert_eq!(picks(&mut director, 0..2), [11, 10]);
    let refused = Expected::answered(3, 3, lb_common::reason::Reason::NoRealServer);
    refused.check(&mut director, "a third", &Packet::tcp("10.0.0.1:9", VIP_WEB, "S").frame());
}
