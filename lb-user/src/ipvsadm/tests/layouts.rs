//! Every table, byte by byte, as the real ipvsadm prints it.

use super::fake::Fake;
use super::{done, ipvsadm, run_with_input, table};
use crate::api::{ConnectionEntry, Counters, Health, Rates};

/// A table with marks, both families and both protocols.
fn state() -> Fake {
    table(&[
        "-A -f 9 -6 -p 30",
        "-A -f 8 -s rr -p 600",
        "-a -f 8 -r 172.16.100.11",
        "-A -t [2001:db8::1]:80 -s rr -p 30 -M 64",
        "-a -t [2001:db8::1]:80 -r [2001:db8::10]:80",
        "-A -u 172.16.100.1:53 -o",
        "-a -u 172.16.100.1:53 -r 172.16.100.12",
        "-A -t 172.16.100.1:443 -s sed -p 300 -M 255.255.255.0",
        "-a -t 172.16.100.1:443 -r 172.16.100.14 -x 100 -y 50",
        "-A -t 172.16.100.1:0 -s wrr -p 3600",
        "-a -t 172.16.100.1:0 -r 172.16.100.11",
        "-a -t 172.16.100.1:0 -r 172.16.100.10 -w 2",
    ])
}

/// A service with one server that has counted something.
fn counted() -> Fake {
    let mut fake = table(&["-A -t 10.0.1.100:80 -s rr", "-a -t 10.0.1.100:80 -r 10.0.2.1"]);
    for entry in &mut fake.services {
        entry.counters = Counters { connections: 50, packets: 50, bytes: 2000 };
        entry.rates = Rates { connections: 6, packets: 6, bytes: 250 };
        for server in &mut entry.servers {
            server.counters = Counters { connections: 16, packets: 16, bytes: 640 };
            server.rates = Rates { connections: 2, packets: 2, bytes: 80 };
            (server.active, server.inactive, server.persistent) = (2, 7, 1);
        }
    }
    fake
}

/// The lines, with the trailing blanks of the real program written as `·`.
fn lines(text: &[&str]) -> String {
    text.iter().map(|line| line.replace('·', " ") + "\n").collect()
}

const BANNER: &str = "IP Virtual Server version 1.2.1 (size=4096)";

#[test]
fn the_default_table() {
    let expected = lines(&[
        BANNER,
        "Prot LocalAddress:Port Scheduler Flags",
        "  -> RemoteAddress:Port           Forward Weight ActiveConn InActConn",
        "TCP  172.16.100.1:0 wrr persistent 3600",
        "  -> 172.16.100.10:0              Route   2      0          0·········",
        "  -> 172.16.100.11:0              Route   1      0          0·········",
        "TCP  172.16.100.1:443 sed persistent 300 mask 255.255.255.0",
        "  -> 172.16.100.14:443            Route   1      0          0·········",
        "UDP  172.16.100.1:53 wlc ops",
        "  -> 172.16.100.12:53             Route   1      0          0·········",
        "TCP  [2001:db8::1]:80 rr persistent 30 mask 64",
        "  -> [2001:db8::10]:80            Route   1      0          0·········",
        "FWM  8 rr persistent 600",
        "  -> 172.16.100.11:0              Route   1      0          0·········",
        "FWM  9 IPv6 wlc persistent 30",
    ]);
    assert_eq!(done(&mut state(), "-Ln"), expected);
    assert_eq!(done(&mut state(), "-ln --sort"), expected);
}

#[test]
fn an_empty_table_has_its_titles() {
    let expected = lines(&[
        BANNER,
        "Prot LocalAddress:Port Scheduler Flags",
        "  -> RemoteAddress:Port           Forward Weight ActiveConn InActConn",
    ]);
    for line in ["", "-L", "-Ln", "-L --exact"] {
        assert_eq!(done(&mut Fake::default(), line), expected, "ipvsadm {line}");
    }
}

#[test]
fn one_service_has_no_banner() {
    let expected = lines(&[
        "Prot LocalAddress:Port Scheduler Flags",
        "  -> RemoteAddress:Port           Forward Weight ActiveConn InActConn",
        "FWM  8 rr persistent 600",
        "  -> 172.16.100.11:0              Route   1      0          0·········",
    ]);
    assert_eq!(done(&mut state(), "-Ln -f 8"), expected);
}

#[test]
fn nosort_keeps_the_order_of_the_table() {
    let mut fake = table(&[
        "-A -t 10.0.0.1:80 -s rr",
        "-a -t 10.0.0.1:80 -r 10.0.1.1",
        "-a -t 10.0.0.1:80 -r 10.0.1.2",
        "-A -t 172.16.100.250:80 -s rr",
    ]);
    let expected = lines(&[
        BANNER,
        "Prot LocalAddress:Port Scheduler Flags",
        "  -> RemoteAddress:Port           Forward Weight ActiveConn InActConn",
        "TCP  10.0.0.1:80 rr",
        "  -> 10.0.1.2:80                  Route   1      0          0·········",
        "  -> 10.0.1.1:80                  Route   1      0          0·········",
        "TCP  172.16.100.250:80 rr",
    ]);
    assert_eq!(done(&mut fake, "-Ln --nosort"), expected);
}

#[test]
fn the_order_is_that_of_wrapping_subtraction() {
    let mut fake = table(&[
        "-A -f 5",
        "-A -f 4294967295",
        "-A -t 8.8.8.8:80",
        "-A -t 172.16.100.250:80",
        "-A -t 172.16.100.250:8",
        "-A -u 172.16.100.250:53",
    ]);
    let listed = done(&mut fake, "-Ln");
    let services: Vec<&str> = listed.lines().skip(3).collect();
    assert_eq!(
        services,
        [
            "FWM  -1 wlc",
            "TCP  172.16.100.250:8 wlc",
            "TCP  172.16.100.250:80 wlc",
            "TCP  8.8.8.8:80 wlc",
            "UDP  172.16.100.250:53 wlc",
            "FWM  5 wlc",
        ]
    );
}

#[test]
fn statistics() {
    let expected = lines(&[
        BANNER,
        "Prot LocalAddress:Port               Conns   InPkts  OutPkts  InBytes OutBytes",
        "  -> RemoteAddress:Port",
        "TCP  10.0.1.100:80                      50       50        0     2000        0",
        "  -> 10.0.2.1:80                        16       16        0      640        0",
    ]);
    assert_eq!(done(&mut counted(), "-Ln --stats"), expected);
    assert_eq!(done(&mut counted(), "-Ln --rate --stats"), expected);
    let listed = done(&mut state(), "-Ln --stats");
    assert!(listed.contains("\nTCP  172.16.100.1:0                      0        0        0        0        0\n"));
    assert!(listed.contains("\nFWM  9 IPv6                              0        0        0        0        0\n"));
}

#[test]
fn large_statistics_and_exact_ones() {
    let mut fake = counted();
    for entry in &mut fake.services {
        entry.counters = Counters { connections: 123_456_789, packets: 12_345_678_901, bytes: 123_456_789_012_345 };
        entry.servers.clear();
    }
    let title = lines(&[
        "Prot LocalAddress:Port               Conns   InPkts  OutPkts  InBytes OutBytes",
        "  -> RemoteAddress:Port",
    ]);
    let short = "TCP  10.0.1.100:80                 123456K   12345M        0     123T        0\n";
    let exact = "TCP  10.0.1.100:80                123456789 12345678901        0 123456789012345        0\n";
    assert_eq!(done(&mut fake, "-Ln -t 10.0.1.100:80 --stats"), format!("{title}{short}"));
    assert_eq!(done(&mut fake, "-Ln -t 10.0.1.100:80 --stats -X"), format!("{title}{exact}"));
}

#[test]
fn rates() {
    let expected = lines(&[
        BANNER,
        "Prot LocalAddress:Port                 CPS    InPPS   OutPPS    InBPS   OutBPS",
        "  -> RemoteAddress:Port",
        "TCP  10.0.1.100:80                       6        6        0      250        0",
        "  -> 10.0.2.1:80                         2        2        0       80        0",
    ]);
    assert_eq!(done(&mut counted(), "-Ln --rate --thresholds"), expected);
}

#[test]
fn thresholds() {
    let expected = lines(&[
        "Prot LocalAddress:Port            Uthreshold Lthreshold ActiveConn InActConn·",
        "  -> RemoteAddress:Port",
        "TCP  172.16.100.1:443 sed persistent 300 mask 255.255.255.0",
        "  -> 172.16.100.14:443            100        50         0          0·········",
    ]);
    assert_eq!(done(&mut state(), "-Ln -t 172.16.100.1:443 --thresholds"), expected);
}

#[test]
fn persistent_connections() {
    let expected = lines(&[
        BANNER,
        "Prot LocalAddress:Port            Weight    PersistConn ActiveConn InActConn·",
        "  -> RemoteAddress:Port",
        "TCP  10.0.1.100:80 rr",
        "  -> 10.0.2.1:80                  1         1           2          7·········",
    ]);
    assert_eq!(done(&mut counted(), "-Ln --persistent-conn --tun-info"), expected);
}

#[test]
fn tunnels() {
    let expected = lines(&[
        BANNER,
        "Prot LocalAddress:Port Scheduler Flags",
        "  -> RemoteAddress:Port           Forward TunnelInfo    Weight ActiveConn InActConn",
        "TCP  10.0.1.100:80 rr",
        "  -> 10.0.2.1:80                  Route   n/a           1      2          7·········",
    ]);
    assert_eq!(done(&mut counted(), "-Ln --tun-info"), expected);
}

#[test]
fn names_are_cut_unless_they_are_of_ipv6() {
    let mut fake = table(&[
        "-A -t 192.0.2.2:80 -s rr",
        "-a -t 192.0.2.2:80 -r 192.0.2.2",
        "-A -t 192.0.2.1:80 -s rr",
        "-a -t 192.0.2.1:80 -r 192.0.2.1",
        "-A -u [2001:db8::1]:53 -s rr",
        "-a -u [2001:db8::1]:53 -r 2001:db8::1",
        "-A -f 8 -s rr",
        "-a -f 8 -r 192.0.2.1:80",
    ]);
    let expected = lines(&[
        BANNER,
        "Prot LocalAddress:Port Scheduler Flags",
        "  -> RemoteAddress:Port           Forward Weight ActiveConn InActConn",
        "TCP  www.example.org:http rr",
        "  -> www.example.org:http         Route   1      0          0·········",
        "TCP  a-rather-long-name-of-a-host rr",
        "  -> a-rather-long-name-of-a-host Route   1      0          0·········",
        "UDP  [six.example.org]:domain rr",
        "  -> [six.example.org]:domain     Route   1      0          0·········",
        "FWM  8 rr",
        "  -> www.example.org:80           Route   1      0          0·········",
    ]);
    assert_eq!(done(&mut fake, ""), expected.as_str());
    assert_eq!(done(&mut fake, "-L"), expected);
}

fn connection(protocol: u8, expires: u64, state: &str, ends: [&str; 3]) -> ConnectionEntry {
    let [client, virtual_address, destination] = ends.map(|end| end.parse().expect("an address and port"));
    ConnectionEntry { protocol, expires, state: state.to_owned(), client, virtual_address, destination }
}

#[test]
fn connections() {
    let connections = vec![
        connection(6, 59, "SYN_RECV", ["10.1.1.1:1000", "10.0.1.100:80", "10.0.2.3:80"]),
        connection(6, 899, "ESTABLISHED", ["10.1.1.1:1001", "10.0.1.100:443", "10.0.2.3:443"]),
        connection(6, 3, "NONE", ["10.1.1.1:0", "10.0.1.100:0", "10.0.2.3:0"]),
        connection(0, 29, "ASSURED", ["10.1.1.1:0", "0.0.0.8:0", "10.0.2.3:0"]),
        connection(17, 299, "UDP", ["10.1.1.1:1000", "10.0.1.100:53", "10.0.2.3:53"]),
        connection(6, 6000, "SYN_RECV", ["[2001:db8::5]:34012", "[2001:db8::200]:80", "[2001:db8:1::2]:80"]),
    ];
    let mut fake = Fake { connections, ..Fake::default() };
    let rows = [
        "TCP 00:59  SYN_RECV    10.1.1.1:1000      10.0.1.100:80      10.0.2.3:80",
        "TCP 14:59  ESTABLISHED 10.1.1.1:1001      10.0.1.100:443     10.0.2.3:443",
        "TCP 00:03  NONE        10.1.1.1:0         10.0.1.100:0       10.0.2.3:0",
        "IP  00:29  ASSURED     10.1.1.1:0         0.0.0.8:0          10.0.2.3:0",
        "UDP 04:59  UDP         10.1.1.1:1000      10.0.1.100:53      10.0.2.3:53",
        "TCP 100:00 SYN_RECV    [2001:db8::5]:34012 [2001:db8::200]:80 [2001:db8:1::2]:80",
    ];
    let title = "pro expire state       source             virtual            destination";
    let engines = format!("{title}        pe name          pe_data");
    for (line, title) in [("-Lnc", title), ("-Lnc --exact", title), ("-Lnc --persistent-conn", &engines)] {
        let expected = lines(&["IPVS connection entries", title]) + &lines(&rows);
        assert_eq!(done(&mut fake, line), expected, "ipvsadm {line}");
    }
    assert!(
        done(&mut fake, "-Lc").contains("UDP 04:59  UDP         10.1.1.1:1000      10.0.1.100:domain  10.0.2.3:domain")
    );
}

#[test]
fn timeouts_and_daemons() {
    assert_eq!(done(&mut Fake::default(), "-L --timeout"), "Timeout (tcp tcpfin udp): 900 120 300\n");
    assert_eq!(done(&mut Fake::default(), "-L --daemon"), "");
}

#[test]
fn rules() {
    let expected = lines(&[
        "-A -t 172.16.100.1:0 -s wrr -p 3600",
        "-a -t 172.16.100.1:0 -r 172.16.100.10:0 -g -w 2",
        "-a -t 172.16.100.1:0 -r 172.16.100.11:0 -g -w 1",
        "-A -t 172.16.100.1:443 -s sed -p 300 -M 255.255.255.0",
        "-a -t 172.16.100.1:443 -r 172.16.100.14:443 -g -w 1",
        "-A -u 172.16.100.1:53 -s wlc -o",
        "-a -u 172.16.100.1:53 -r 172.16.100.12:53 -g -w 1",
        "-A -t [2001:db8::1]:80 -s rr -p 30 -M 64",
        "-a -t [2001:db8::1]:80 -r [2001:db8::10]:80 -g -w 1",
        "-A -f 8 -s rr -p 600",
        "-a -f 8 -r 172.16.100.11:0 -g -w 1",
        "-A -f 9 -6 -s wlc -p 30",
    ]);
    assert_eq!(done(&mut state(), "-Sn"), expected);
    let saved = run_with_input(&mut state(), "/sbin/ipvsadm-save ignored -n", "");
    assert_eq!((saved.status, saved.stdout, saved.stderr.as_str()), (0, expected, ""));
}

#[test]
fn rules_with_names() {
    let mut fake = table(&["-A -t 192.0.2.1:80 -s rr", "-a -t 192.0.2.1:80 -r 192.0.2.2"]);
    let expected = lines(&[
        "-A -t www.example.org:http -s rr",
        "-a -t www.example.org:http -r a-rather-long-name-of-a-host.example.org:http -g -w 1",
    ]);
    assert_eq!(done(&mut fake, "-S"), expected);
    assert_eq!(run_with_input(&mut fake, "ipvsadm-save", "").stdout, expected);
}

#[test]
fn a_server_that_its_check_took_out_is_saved_but_not_listed() {
    let mut fake = counted();
    let saved = done(&mut fake, "-Sn");
    for entry in &mut fake.services {
        for server in &mut entry.servers {
            server.health = Health::Down { reason: "connection refused".to_owned() };
            server.effective_weight = None;
        }
    }
    assert!(!done(&mut fake, "-Ln").contains("10.0.2.1"));
    assert!(!done(&mut fake, "-Ln -t 10.0.1.100:80 --stats").contains("10.0.2.1"));
    assert_eq!(done(&mut fake, "-Sn"), saved);
    for entry in &mut fake.services {
        for server in &mut entry.servers {
            server.health = Health::Up { detail: "200".to_owned() };
            server.effective_weight = Some(server.server.weight);
        }
    }
    assert!(done(&mut fake, "-Ln").contains("10.0.2.1"));
}

#[test]
fn save_knows_one_option() {
    let output = run_with_input(&mut Fake::default(), "/sbin/ipvsadm-save -n --help", "");
    let help = "ipvsadm-save: Script to save the IPVS table to stdout.\n   With the -n option, prints out the table in \
                numeric format.\n";
    assert_eq!((output.status, output.stdout.as_str(), output.stderr.as_str()), (1, "", help));
    assert_eq!(ipvsadm(&mut Fake::default(), "-S --help").status, 2);
}
