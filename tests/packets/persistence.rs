//! Which server a client comes back to (the templates' timers are in the recordings too).

use std::time::Duration;

use lb_common::reason::Reason;
use lb_user::model::Sysctls;
use lvx_tests::director::TestDirector;
use lvx_tests::frame::Packet;

use super::expect::change;
use super::*;

fn syn(client: &str, vip: &str) -> Packet {
    Packet::tcp(client, vip, "S")
}

fn seconds(director: &mut TestDirector, seconds: u64) {
    director.advance(Duration::from_secs(seconds));
}

/// Case 3.
#[test]
fn an_open_connection_stays_when_the_servers_change() {
    let mut director = with(&WEB_OF_THREE.replace("-s rr", "-s rr -p 300"));
    let ack = Packet::tcp("10.0.0.1:1024", VIP_WEB, "A");
    story(
        &mut director,
        [Row("a client", syn("10.0.0.1:1024", VIP_WEB), Expected::sent(WEB, C).opening().with_template())],
    );
    change(
        &mut director,
        "ipvsadm -a -t 172.16.100.1:80 -r 172.16.100.13 -g
         ipvsadm -d -t 172.16.100.1:80 -r 172.16.100.10
         ipvsadm -e -t 172.16.100.1:80 -r 172.16.100.11 -g -w 7",
    );
    story(
        &mut director,
        [
            Row("its second connection", syn("10.0.0.1:1025", VIP_WEB), Expected::sent(WEB, C).opening()),
            Row("its first one", ack, Expected::sent(WEB, C)),
        ],
    );
}

/// Case 10.
#[test]
fn a_template_is_renewed_by_new_connections_only_and_outlives_its_timeout_with_an_old_one() {
    let mut director = with(&WEB_OF_THREE.replace("-s rr", "-s rr -p 30"));
    let ack = Packet::tcp("10.0.0.1:1024", VIP_WEB, "A");
    director.receive(&syn("10.0.0.1:1024", VIP_WEB).frame());
    seconds(&mut director, 20);
    director.receive(&ack.frame());
    assert_left(&mut director, Some(10), "an ACK renews nothing");
    director.receive(&syn("10.0.0.1:1025", VIP_WEB).frame());
    assert_left(&mut director, Some(30), "a new connection does");
    seconds(&mut director, 31);
    assert_left(&mut director, Some(59), "it controls connections: a minute more");
    let third = Expected::sent(WEB, C).opening();
    third.check(&mut director, "its client comes back", &syn("10.0.0.1:1026", VIP_WEB).frame());
    assert_left(&mut director, Some(60), "a minute from now on");
    seconds(&mut director, 1000);
    assert_left(&mut director, None, "all connections have ended");
}

#[test]
fn the_minute_of_a_template_that_controls_connections_can_be_another_time() {
    let mut director = with(&WEB_OF_THREE.replace("-s rr", "-s rr -p 30"));
    director.set_sysctls(&Sysctls { template_rearm: 120, ..Sysctls::default() });
    director.receive(&syn("10.0.0.1:1024", VIP_WEB).frame());
    director.receive(&Packet::tcp("10.0.0.1:1024", VIP_WEB, "A").frame());
    seconds(&mut director, 31);
    assert_left(&mut director, Some(119), "it controls a connection: two minutes more");
    seconds(&mut director, 100);
    director.receive(&syn("10.0.0.1:1025", VIP_WEB).frame());
    assert_left(&mut director, Some(120), "and from each new connection on");
}

/// Asserts how many seconds the template of 10.0.0.1 has left, give or take one.
fn assert_left(director: &mut TestDirector, expected: Option<u64>, sentence: &str) {
    let connections = director.run("ipvsadm -Lnc").stdout;
    let row = connections.lines().find(|line| line.contains(" 10.0.0.1:0 "));
    let expires = row.and_then(|row| row.split_whitespace().nth(1)?.split_once(':'));
    let number = |text: &str| text.parse::<u64>().expect("a number");
    let left = expires.map(|(minutes, seconds)| number(minutes) * 60 + number(seconds));
    let near = match (left, expected) {
        (Some(left), Some(expected)) => left.abs_diff(expected) <= 1,
        (left, expected) => left == expected,
    };
    assert!(near, "{sentence}: {left:?} instead of {expected:?}");
}

/// PNMPP: `virtual` of a template is the mark, its protocol IP (case 7 with templates shown).
#[test]
fn a_template_has_the_key_of_its_kind() {
    for (commands, packet, row) in [
        (
            "ipvsadm -A -t 172.16.100.1:80 -s rr -p 300
             ipvsadm -a -t 172.16.100.1:80 -r 172.16.100.10 -g",
            syn("10.0.0.1:1024", VIP_WEB),
            "TCP NONE 10.0.0.1:0 172.16.100.1:80 172.16.100.10:80",
        ),
        (
            "ipvsadm -A -t 172.16.100.1:0 -s rr -p 300
             ipvsadm -a -t 172.16.100.1:0 -r 172.16.100.10 -g",
            syn("10.0.0.1:1024", VIP_WEB),
            "TCP NONE 10.0.0.1:0 172.16.100.1:0 172.16.100.10:0",
        ),
        (
            "iptables -t mangle -A PREROUTING -p udp --dport 53 -j MARK --set-mark 300
             ipvsadm -A -f 300 -s rr -p 300 -M 255.255.0.0
             ipvsadm -a -f 300 -r 172.16.100.10 -g",
            Packet::udp("10.7.1.1:1024", VIP_DNS),
            "IP NONE 10.7.0.0:0 0.0.1.44:0 172.16.100.10:0",
        ),
        (
            "ipvsadm -A -t [2001:db8::1]:80 -s rr -p 300 -M 64
             ipvsadm -a -t [2001:db8::1]:80 -r [2001:db8::10]:80 -g",
            syn("[2001:db8:c:d:1:2:3:4]:1024", "[2001:db8::1]:80"),
            "TCP NONE [2001:db8:c:d::]:0 [2001:db8::1]:80 [2001:db8::10]:80",
        ),
    ] {
        let mut director = with(commands);
        director.receive(&packet.frame());
        let connections = director.run("ipvsadm -Lnc").stdout;
        let rows = connections.lines().map(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            [&words[..1], &words[2..]].concat().join(" ")
        });
        assert!(rows.into_iter().any(|found| found == row), "{row} is not in {connections}");
    }
}

#[test]
fn ports_of_a_port_0_service_are_one_and_an_exact_service_comes_first() {
    let mut director = with(
        "ipvsadm -A -t 172.16.100.1:0 -s rr -p 300
         ipvsadm -a -t 172.16.100.1:0 -r 172.16.100.10 -g
         ipvsadm -a -t 172.16.100.1:0 -r 172.16.100.11 -g
         ipvsadm -A -t 172.16.100.1:80 -s rr
         ipvsadm -a -t 172.16.100.1:80 -r 172.16.100.12 -g",
    );
    let every = "TCP 172.16.100.1:0";
    let to = |port: u16| syn("10.0.0.1:1024", &format!("172.16.100.1:{port}"));
    story(
        &mut director,
        [
            Row("one port", to(443), Expected::sent(every, B).opening().with_template()),
            Row("another port", to(22), Expected::sent(every, B).opening()),
            Row("the port with a service of its own", to(80), Expected::sent(WEB, C).opening()),
            Row("UDP", Packet::udp("10.0.0.1:1024", VIP_DNS), Expected::passed()),
            Row("another VIP", syn("10.0.0.1:1024", "172.16.100.2:443"), Expected::passed()),
        ],
    );
}

/// `ip_vs_service_find`, `ip_vs_sched_persist`, `ip_vs_leave`.
#[test]
fn ftps_data_connections_follow_its_control_connection() {
    let ftp = "TCP 172.16.100.1:21";
    let to = |client: &str, port: u16| syn(&format!("{client}:1024"), &format!("172.16.100.1:{port}"));
    let setup = "ipvsadm -A -t 172.16.100.1:21 -s rr -p 300
                 ipvsadm -a -t 172.16.100.1:21 -r 172.16.100.10 -g
                 ipvsadm -a -t 172.16.100.1:21 -r 172.16.100.11 -g";
    let mut director = with(setup);
    story(
        &mut director,
        [
            Row("control", to("10.0.0.1", 21), Expected::sent(ftp, B).opening().with_template()),
            Row("passive data", to("10.0.0.1", 50_000), Expected::sent(ftp, B).opening()),
            Row("the lowest port of passive data", to("10.0.0.1", 1024), Expected::sent(ftp, B).opening()),
            Row("active data", to("10.0.0.1", 20), Expected::sent(ftp, B).opening()),
            Row("a port that needs a right", to("10.0.0.1", 1023), Expected::passed()),
            Row("another service's port", to("10.0.0.1", 80), Expected::passed()),
            Row("UDP", Packet::udp("10.0.0.1:1024", "172.16.100.1:50000"), Expected::passed()),
            Row("data first", to("10.0.0.2", 50_001), Expected::sent(ftp, A).opening().with_template()),
        ],
    );
    let mut director = with(&setup.replace(" -p 300", ""));
    Expected::passed().check(&mut director, "without persistence", &to("10.0.0.1", 50_000).frame());
}

#[test]
fn without_a_server_ftp_leaves_other_ports_to_the_stack() {
    let mut director = with("ipvsadm -A -t 172.16.100.1:21 -s rr -p 300");
    let to = |port: u16| syn("10.0.0.1:1024", &format!("172.16.100.1:{port}"));
    story(
        &mut director,
        [
            Row("control", to(21), Expected::answered(3, 3, Reason::NoRealServer)),
            Row("a port that may be another program's", to(8080), Expected::passed()),
        ],
    );
}

#[test]
fn one_packet_scheduling_keeps_no_connection() {
    let dns = DNS_OF_THREE.replace("-s rr", "-s rr -o");
    let packet = || Packet::udp("10.0.0.1:1024", VIP_DNS);
    let sent = |server| Expected::sent(DNS, server).opening_nothing();
    story(
        &mut with(&dns),
        [
            Row("a packet", packet(), sent(C)),
            Row("the next", packet(), sent(B)),
            Row("the next", packet(), sent(A)),
            Row("and round again", packet(), sent(C)),
        ],
    );
}

#[test]
fn one_packet_scheduling_with_persistence_renews_its_template() {
    let mut director = with(&DNS_OF_THREE.replace("-s rr", "-s rr -o -p 20"));
    let frame = Packet::udp("10.0.0.1:1024", VIP_DNS).frame();
    let sent = Expected::sent(DNS, C).opening_nothing();
    sent.clone().with_template().check(&mut director, "the first packet", &frame);
    for _ in 0..4 {
        seconds(&mut director, 15);
        sent.check(&mut director, "a packet within the timeout", &frame);
    }
    seconds(&mut director, 21);
    let expected = Expected::sent(DNS, B).opening_nothing().with_template();
    expected.check(&mut director, "a packet after it", &frame);
}
