//! `drop_entry` (`ip_vs_random_dropentry`): each second it looks at a random 1/32 of the tables. Which is left to chance,
//! what it drops there is not: so it looks often enough to have seen every entry.

use std::time::Duration;

use lb_user::model::Sysctls;
use lvx_tests::director::TestDirector;
use lvx_tests::frame::Packet;

use super::*;

/// Seconds after which an entry has been looked at: that it has not has the chance of 63 heads in a row.
const OFTEN: usize = 1_400;
/// The same for an entry that is dropped one time in eight.
const EIGHT_TIMES: usize = 8 * OFTEN;

fn drop_entries(director: &mut TestDirector, seconds: usize) {
    director.set_sysctls(&Sysctls { drop_entry: 3, ..Sysctls::default() });
    (0..seconds).for_each(|_| director.director().tick().expect("the sweep runs"));
    director.set_sysctls(&Sysctls::default());
}

/// Drops until a row of the connection table is gone; tells whether it is.
fn is_dropped(director: &mut TestDirector, row: &str) -> bool {
    for _ in 0..EIGHT_TIMES / 32 {
        drop_entries(director, 32);
        if rows(director, row).is_empty() {
            return true;
        }
    }
    false
}

fn rows(director: &mut TestDirector, words: &str) -> Vec<String> {
    let rows = director.run("ipvsadm -Lnc").stdout;
    rows.lines().skip(2).filter(|row| row.contains(words)).map(str::to_owned).collect()
}

fn seconds(director: &mut TestDirector, seconds: u64) {
    director.advance(Duration::from_secs(seconds));
}

/// What a client does, and whether its connection is dropped.
struct Case {
    sentence: &'static str,
    tcp: bool,
    /// Packets, a second apart; digits are seconds of silence.
    packets: &'static [&'static str],
    secure_tcp: u32,
    dropped: bool,
}

#[test]
fn what_is_half_open_or_idle_is_dropped_and_nothing_else() {
    let case = |sentence, packets, dropped| Case { sentence, tcp: true, packets, secure_tcp: 0, dropped };
    let udp = |sentence, packets, dropped| Case { tcp: false, ..case(sentence, packets, dropped) };
    for Case { sentence, tcp, packets, secure_tcp, dropped } in [
        case("half open", &["S"], true),
        Case { secure_tcp: 3, ..case("half open under secure_tcp", &["S"], true) },
        case("just established", &["S", "A"], false),
        case("established and idle for less than a minute", &["S", "A", "55"], false),
        case("established and idle", &["S", "A", "61"], true),
        case("idle after eight packets", &["S", "A", "A", "A", "A", "A", "A", "A", "61"], true),
        case("idle after nine packets", &["S", "A", "A", "A", "A", "A", "A", "A", "A", "61"], false),
        case("finished", &["S", "A", "FA", "61"], false),
        case("over", &["S", "A", "R"], false),
        udp("UDP", &["-"], false),
        udp("UDP that is idle", &["-", "61"], true),
        udp("UDP that is idle after nine packets", &["-", "-", "-", "-", "-", "-", "-", "-", "-", "61"], false),
    ] {
        let mut director = with(&format!("{WEB_OF_THREE}{DNS_OF_THREE}"));
        director.set_sysctls(&Sysctls { secure_tcp, ..Sysctls::default() });
        for step in packets {
            match step.parse() {
                Ok(silence) => seconds(&mut director, silence),
                Err(_flags) => {
                    let client = "10.0.0.1:1001";
                    let packet = if tcp { Packet::tcp(client, VIP_WEB, step) } else { Packet::udp(client, VIP_DNS) };
                    director.receive(&packet.frame());
                    seconds(&mut director, 1);
                }
            }
        }
        assert_eq!(rows(&mut director, "10.0.0.1:1001").len(), 1, "{sentence}");
        if dropped {
            assert!(is_dropped(&mut director, "10.0.0.1:1001"), "{sentence}");
        } else {
            drop_entries(&mut director, OFTEN);
            assert_eq!(rows(&mut director, "10.0.0.1:1001").len(), 1, "{sentence}");
        }
    }
}

#[test]
fn in_a_second_a_part_is_looked_at() {
    let mut director = with(WEB_OF_THREE);
    for port in 1000..1600 {
        director.receive(&Packet::tcp(&format!("10.0.0.1:{port}"), VIP_WEB, "S").frame());
    }
    drop_entries(&mut director, 32);
    let left = rows(&mut director, "SYN_RECV").len();
    // (31/32)^32 of 600 are 217.
    assert!((120..320).contains(&left), "{left} of 600 are left");
}

/// Connections of one client, a silence, and whether all of it is dropped.
#[test]
fn a_template_that_nobody_confirmed_goes_with_its_last_connection() {
    let web = WEB_OF_THREE.replace("-s rr", "-s rr -p 300");
    let dns = DNS_OF_THREE.replace("-s rr", "-s rr -p 300");
    let syn = |port: u16, flags: &str| Packet::tcp(&format!("10.0.0.1:{port}"), VIP_WEB, flags);
    let ask = || Packet::udp("10.0.0.1:1001", VIP_DNS);
    for (sentence, commands, packets, silence, dropped) in [
        ("half open", &web, vec![syn(1001, "S"), syn(1002, "S")], 0, true),
        ("one of two was established", &web, vec![syn(1001, "S"), syn(1001, "A"), syn(1002, "S")], 0, false),
        ("established and idle, so confirmed", &web, vec![syn(1001, "S"), syn(1001, "A")], 61, false),
        ("nobody confirms UDP's, but its flow is there", &dns, vec![ask()], 0, false),
        ("UDP that is idle", &dns, vec![ask()], 61, true),
        ("one-packet scheduling", &dns.replace("-s rr", "-s rr -o"), vec![ask()], 0, false),
        ("its connection ended, and was not established", &web, vec![syn(1001, "S")], 70, true),
        ("its connection ended", &web, vec![syn(1001, "S"), syn(1001, "A"), syn(1001, "R")], 11, false),
    ] {
        let mut director = with(commands);
        packets.iter().for_each(|packet| drop(director.receive(&packet.frame())));
        seconds(&mut director, silence);
        assert_eq!(rows(&mut director, "10.0.0.1:0 ").len(), 1, "{sentence}");
        if dropped {
            assert!(is_dropped(&mut director, "10.0.0.1:"), "{sentence}");
        } else {
            drop_entries(&mut director, OFTEN);
            assert_eq!(rows(&mut director, "10.0.0.1:0 ").len(), 1, "{sentence}");
        }
    }
}

/// In the same second, not when it is drawn itself.
#[test]
fn a_template_goes_at_once_with_its_last_connection() {
    let mut director = with(&WEB_OF_THREE.replace("-s rr", "-s rr -p 300"));
    for client in 1..=8 {
        director.receive(&Packet::tcp(&format!("10.0.0.{client}:1001"), VIP_WEB, "S").frame());
    }
    for _ in 0..OFTEN {
        let (connections, templates) = (rows(&mut director, ":1001 ").len(), rows(&mut director, ":0 ").len());
        assert_eq!(connections, templates);
        if connections == 0 {
            return;
        }
        drop_entries(&mut director, 1);
    }
    panic!("some are never dropped");
}

/// That the counts are right is asked when a test's director is emptied.
#[test]
fn a_client_that_was_dropped_is_scheduled_anew() {
    let mut director = with(WEB_OF_THREE);
    let syn = Packet::tcp("10.0.0.1:1001", VIP_WEB, "S").frame();
    Expected::sent(WEB, C).opening().check(&mut director, "a client", &syn);
    drop_entries(&mut director, OFTEN);
    Expected::sent(WEB, B).opening().check(&mut director, "it tries again", &syn);
}
