//! Real servers that the operator takes away, and changes that must touch nothing else.

use std::time::{Duration, Instant};

use anyhow::Result;
use xtask::lab::{Answer, VIPS};

use super::arrivals::Arrivals;
use super::director::Director;
use super::echo::Echo;
use super::setup::Setup;
use super::talk::{TcpFlow, UdpFlow};

/// A client that is told so need not wait for a timeout.
const UDP_AT_ONCE: Duration = Duration::from_millis(300);

/// In a lab without any delay the answer to the first SYN comes while connect() still holds the socket, which then only
/// takes note of it (`tcp_v4_err`); the answer to the second one, 1 s later, is heard.
const TCP_AT_ONCE: Duration = Duration::from_millis(1500);

/// CASES 1.
#[test]
fn after_the_last_real_server_no_packet_reaches_it_and_clients_are_told_at_once() -> Result<()> {
    let director = Director::one_arm()?;
    let _echo = Echo::start(&director.lab, "r1", &VIPS, &[7])?;
    for (vip, server, v6) in [("172.16.100.1", "172.16.100.10", false), ("[2001:db8:100::1]", "2001:db8:100::10", true)]
    {
        for protocol in ["-t", "-u"] {
            director.does(&[
                &format!("ipvsadm -A {protocol} {vip}:7 -s rr"),
                &format!("ipvsadm -a {protocol} {vip}:7 -r {server} -g"),
            ])?;
        }
        let client = director.clients(v6)[0];
        let mut tcp = TcpFlow::open(&director.lab, client, 7)?;
        let mut udp = UdpFlow::new(&director.lab, client, 7)?;
        assert_eq!((tcp.ask()?, udp.ask()?), (Answer::from("r1"), Answer::from("r1")));

        for protocol in ["-t", "-u"] {
            director.does(&[&format!("ipvsadm -d {protocol} {vip}:7 -r {server}")])?;
        }
        let arrivals = Arrivals::at(&director, "r1", vip.trim_matches(['[', ']']))?;
        let start = Instant::now();
        assert_eq!(UdpFlow::new(&director.lab, client, 7)?.ask()?, Answer::Refused, "a new UDP flow to {vip}");
        assert!(start.elapsed() < UDP_AT_ONCE, "told after {:?}", start.elapsed());
        let start = Instant::now();
        assert_eq!(director.lab.visit(client, 7)?, Answer::Refused, "a new connection to {vip}");
        assert!(start.elapsed() < TCP_AT_ONCE, "told after {:?}", start.elapsed());
        assert_eq!(tcp.ask()?, Answer::Silence, "the old connection's packets are dropped");
        assert_eq!(udp.ask()?, Answer::Silence, "the old UDP flow's packets are dropped");
        assert_eq!(arrivals.count()?, 0, "packets to a removed real server of {vip}");
    }
    assert!(director.reason("no_real_server")? >= 4);
    assert!(director.reason("real_server_removed")? >= 4);
    let shown = director.does(&["lvx status"])?;
    assert!(shown.contains("none: clients get port unreachable"), "{shown}");
    Ok(())
}

/// CASES 18: what is said twice changes nothing.
#[test]
fn the_same_commands_again_write_nothing_and_touch_no_connection() -> Result<()> {
    let director = Director::one_arm()?;
    let _echoes = ["r1", "r2"].map(|host| Echo::start(&director.lab, host, &VIPS, &[7]));
    let commands = [
        "ipvsadm -A -t 172.16.100.1:7 -s rr -p 300",
        "ipvsadm -a -t 172.16.100.1:7 -r 172.16.100.10 -g -w 2",
        "ipvsadm -a -t 172.16.100.1:7 -r 172.16.100.11 -g -w 1",
    ];
    director.does(&commands)?;
    let mut flows = Vec::new();
    for &client in &director.clients(false)[..4] {
        flows.push(TcpFlow::open(&director.lab, client, 7)?);
    }
    let served = |flows: &mut Vec<TcpFlow>| flows.iter_mut().map(TcpFlow::ask).collect::<Result<Vec<_>>>();
    let expected = ["r2", "r1", "r2", "r1"].map(Answer::from);
    assert_eq!(served(&mut flows)?, expected);
    let file = director.state().join("operator.jsonl");
    let written = std::fs::read(&file)?;

    for command in commands {
        assert_eq!(director.sh(command)?.status, 255, "{command} is refused the second time");
    }
    director.does(&[
        "ipvsadm -E -t 172.16.100.1:7 -s rr -p 300",
        "ipvsadm -e -t 172.16.100.1:7 -r 172.16.100.10 -g -w 2",
    ])?;
    assert_eq!(String::from_utf8(std::fs::read(&file)?)?, String::from_utf8(written)?, "nothing new is written");
    assert_eq!(served(&mut flows)?, expected);

    director.does(&["ipvsadm -E -t 172.16.100.1:7 -s rr -p 7200"])?;
    assert_eq!(served(&mut flows)?, expected, "only the persistence timeout changed");
    for (&client, server) in director.clients(false)[..4].iter().zip(&expected) {
        assert_eq!(&TcpFlow::open(&director.lab, client, 7)?.ask()?, server, "{} keeps its server", client.address);
    }
    let listed = director.does(&["ipvsadm -Ln"])?;
    assert!(listed.contains("TCP  172.16.100.1:7 rr persistent 7200"), "{listed}");
    let counts = director.server("172.16.100.10")?;
    assert_eq!((counts.active + counts.inactive, counts.persistent), (4, 2), "{counts:?}");
    Ok(())
}

/// A config that has not changed, and services set by hand beside it, are the same after a restart.
#[test]
fn a_restart_with_the_same_config_changes_nothing() -> Result<()> {
    let config = "[[service]]\ntcp = \"172.16.100.1:80\"\nscheduler = \"rr\"\n\
                  [[service.real_server]]\naddress = \"172.16.100.10\"\n";
    let director = Setup::new(xtask::lab::Arms::One).config(config).up()?;
    director.nginx(["r1"], &[80, 81])?;
    director.does(&[
        "ipvsadm -A -t 172.16.100.1:81 -s wrr -p 60",
        "ipvsadm -a -t 172.16.100.1:81 -r 172.16.100.10 -g -w 3",
    ])?;
    let before = director.does(&["ipvsadm -Sn"])?;
    let file = director.state().join("operator.jsonl");
    let written = std::fs::read_to_string(&file)?;
    for signal in [libc::SIGTERM, libc::SIGKILL, libc::SIGTERM] {
        director.end(signal)?;
        director.start()?;
        assert_eq!(director.does(&["ipvsadm -Sn"])?, before, "after signal {signal}");
        assert_eq!(std::fs::read_to_string(&file)?, written, "after signal {signal}");
        for port in [80, 81] {
            assert_eq!(director.lab.visit(director.clients(false)[0], port)?, Answer::from("r1"));
        }
    }
    assert_eq!(director.status()?.warnings, [""; 0]);
    Ok(())
}
