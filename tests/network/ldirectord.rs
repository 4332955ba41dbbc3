//! Debian's ldirectord, as it is, drives LVX by calling `ipvsadm` and reading its tables.

use std::fs;
use std::time::Duration;

use anyhow::{Result, ensure};
use xtask::lab::{Answer, Arms, Client, NginxSpec};
use xtask::{setup, wait};

use super::director::{Director, Ran};
use super::setup::Setup;

/// Time for ldirectord to see and do something: it looks every second, and a dead host costs it another.
const LIMIT: Duration = Duration::from_secs(15);

/// Ports of every web server: 80 for the services by address, 8080 for the mark.
const PORTS: [u16; 2] = [80, 8080];

/// What it is told; real servers are r1 and r2, r3 (or the director itself) serves while neither does.
const SERVICES: &str = r#"
checktimeout = 1
negotiatetimeout = 1
checkinterval = 1
logfile = "/run/ldirectord.log"

virtual = 172.16.100.1:80
    real = 172.16.100.10:80 gate 2 l:50 u:100
    real = 172.16.100.11:80 gate
    fallback = FALLBACK:80 gate
    service = http
    checktype = negotiate
    request = "/"
    receive = "^r[12]$"
    scheduler = wrr
    protocol = tcp

virtual6 = [2001:db8:100::1]:80
    real6 = [2001:db8:100::10]:80 gate
    real6 = [2001:db8:100::11]:80 gate 3
    fallback6 = [2001:db8:100::20]:80 gate
    checktype = connect
    scheduler = rr
    protocol = tcp

virtual = 8
    real = 172.16.100.10:80 gate
    real = 172.16.100.11:80 gate
    fallback = 172.16.100.20:80 gate
    service = http
    checktype = negotiate
    checkport = 80
    request = "/"
    receive = "r"
    scheduler = wlc
    persistent = 600
    netmask = 255.255.255.0
    protocol = fwm
"#;

/// Clients leave a server at once when its weight becomes 0, even those that were to stay with it.
const FORGETFUL: &str = "[ipvs]\nexpire_quiescent_template = 1\n";

/// A director that ldirectord runs on, with web servers behind it.
struct Driven {
    director: Director,
    /// The process ids of the web servers on r1 and r2.
    web: [u32; 2],
}

impl Driven {
    /// `quiescent`: whether a dead server keeps its place, with weight 0. `fallback` is who serves the service of IPv4
    /// when nobody else does. `before`: what was there already.
    fn start(quiescent: &str, fallback: &str, before: &[&str]) -> Result<Self> {
        ensure!(setup::ldirectord().is_file(), "ldirectord is not there: cargo xtask setup");
        let director = Setup::new(Arms::One).config(FORGETFUL).up()?;
        director
            .does(&["iptables -t mangle -A PREROUTING -d 172.16.100.1 -p tcp --dport 8080 -j MARK --set-mark 8"])?;
        director.until("LVX follows the mark rule", LIMIT, |status| Ok(status.mark_rules.len() == 1))?;
        director.does(before)?;
        let [one, two, _, _] = director.nginx(["r1", "r2", "r3", "d"], &PORTS)?;
        let config = format!("quiescent = {quiescent}\n{}", SERVICES.replace("FALLBACK", fallback));
        fs::write(director.lab.directory().join("ldirectord.cf"), config)?;
        let driven = Self { director, web: [one, two] };
        driven.must("start")?;
        Ok(driven)
    }

    /// Runs ldirectord with a command. In its mounts, /run is the lab's directory, where its process id goes, and
    /// /sbin, where it looks for `ipvsadm`, has the names of `lvx` and nothing else.
    fn ldirectord(&self, command: &str) -> Result<Ran> {
        let (program, lab) = (setup::ldirectord(), self.director.lab.directory());
        self.director.sh(&format!(
            "LVX_SOCKET=/run/lvx.sock exec unshare --mount sh -ec \
             'mount --bind {lab} /run; mount --bind /run/bin /sbin; exec {program} /run/ldirectord.cf {command}'",
            lab = lab.display(),
            program = program.display(),
        ))
    }

    fn must(&self, command: &str) -> Result<()> {
        let ran = self.ldirectord(command)?;
        ensure!(ran.status == 0, "ldirectord {command}: {ran:?}");
        Ok(())
    }

    fn log(&self) -> String {
        fs::read_to_string(self.director.lab.directory().join("ldirectord.log")).unwrap_or_default()
    }

    /// Waits until `ipvsadm -Ln` shows these services, sorted as it sorts them, without the columns of connections.
    fn until_listed(&self, expected: &[&str]) -> Result<()> {
        let mut listed = Vec::new();
        let waited = wait::until("the services are as ldirectord wants them", LIMIT, || {
            listed = services(&self.director.does(&["ipvsadm -Ln"])?);
            Ok(listed == expected)
        });
        let log = self.log();
        waited.map_err(|error| error.context(format!("expected {expected:#?}, listed {listed:#?}\n{log}"))).map(drop)
    }

    /// Who answers: by address, by IPv6, and by the mark.
    fn answers(&self) -> Result<[Vec<String>; 3]> {
        let [four, six] = [false, true].map(|v6| self.director.clients(v6));
        Ok([self.heard(&four, 80)?, self.heard(&six, 80)?, self.heard(&four, 8080)?])
    }

    fn heard(&self, clients: &[Client], port: u16) -> Result<Vec<String>> {
        let answers: Result<Vec<Answer>> =
            clients.iter().take(6).map(|client| self.director.lab.visit(*client, port)).collect();
        let mut names: Vec<String> = answers?.iter().map(Answer::to_string).collect();
        names.sort();
        names.dedup();
        Ok(names)
    }

    /// All services answer from `hosts`; one that is persistent by network from one of them.
    fn served_by(&self, hosts: &[&str]) -> Result<()> {
        let [four, six, marked] = self.answers()?;
        assert_eq!(four, hosts, "by IPv4\n{}", self.log());
        assert_eq!(six, hosts, "by IPv6\n{}", self.log());
        let [host] = marked.as_slice() else { panic!("clients of one network have one server: {marked:?}") };
        assert!(hosts.contains(&host.as_str()), "{host} answers for the mark, not one of {hosts:?}\n{}", self.log());
        Ok(())
    }

    fn stop_web(&self, index: usize) -> Result<()> {
        self.director.lab.stop(self.web[index])
    }

    fn start_web(&mut self, index: usize) -> Result<()> {
        self.web[index] = self.director.lab.nginx(["r1", "r2"][index], &NginxSpec::new(&PORTS))?;
        Ok(())
    }

    /// Ends ldirectord, which takes its services away; no command of it may have failed.
    fn finish(self) -> Result<()> {
        self.must("stop")?;
        self.until_listed(&[])?;
        let pid = self.director.lab.directory().join("ldirectord.ldirectord.cf.pid");
        wait::until("ldirectord ends", LIMIT, || Ok(!pid.exists()))?;
        let log = self.log();
        assert!(!log.contains("failed"), "a command of ldirectord's failed:\n{log}");
        Ok(())
    }
}

/// The lines of a table without its title; those of servers without their connections.
fn services(table: &str) -> Vec<String> {
    let line = |line: &str| {
        let words = if line.starts_with("  ->") { 4 } else { usize::MAX };
        line.split_whitespace().take(words).collect::<Vec<_>>().join(" ")
    };
    table.lines().skip(3).map(line).collect()
}

/// What is listed when both web servers are well.
const BOTH: [&str; 9] = [
    "TCP 172.16.100.1:80 wrr",
    "-> 172.16.100.10:80 Route 2",
    "-> 172.16.100.11:80 Route 1",
    "TCP [2001:db8:100::1]:80 rr",
    "-> [2001:db8:100::10]:80 Route 1",
    "-> [2001:db8:100::11]:80 Route 3",
    "FWM 8 wlc persistent 600 mask 255.255.255.0",
    "-> 172.16.100.10:80 Route 1",
    "-> 172.16.100.11:80 Route 1",
];

#[test]
fn ldirectord_removes_dead_servers_and_adds_them_again() -> Result<()> {
    let mut driven = Driven::start("no", "172.16.100.20", &[])?;
    driven.until_listed(&BOTH)?;
    driven.served_by(&["r1", "r2"])?;
    let thresholds = driven.director.does(&["ipvsadm -Ln --thresholds -t 172.16.100.1:80"])?;
    assert!(thresholds.contains("  -> 172.16.100.10:80             100        50 "), "{thresholds}");

    driven.stop_web(0)?;
    driven.until_listed(&[
        "TCP 172.16.100.1:80 wrr",
        "-> 172.16.100.11:80 Route 1",
        "TCP [2001:db8:100::1]:80 rr",
        "-> [2001:db8:100::11]:80 Route 3",
        "FWM 8 wlc persistent 600 mask 255.255.255.0",
        "-> 172.16.100.11:80 Route 1",
    ])?;
    driven.served_by(&["r2"])?;

    driven.stop_web(1)?;
    driven.until_listed(&[
        "TCP 172.16.100.1:80 wrr",
        "-> 172.16.100.20:80 Route 1",
        "TCP [2001:db8:100::1]:80 rr",
        "-> [2001:db8:100::20]:80 Route 1",
        "FWM 8 wlc persistent 600 mask 255.255.255.0",
        "-> 172.16.100.20:80 Route 1",
    ])?;
    driven.served_by(&["r3"])?;

    driven.start_web(0)?;
    driven.start_web(1)?;
    driven.until_listed(&BOTH)?;
    driven.served_by(&["r1", "r2"])?;
    let log = driven.log();
    assert!(!log.contains("Restored real server"), "what it reads is not what it set:\n{log}");
    driven.finish()
}

#[test]
fn ldirectord_makes_dead_servers_quiescent_and_lets_them_come_back() -> Result<()> {
    // It takes a service over that is there, and purges a server that it does not know.
    let before = ["ipvsadm -A -t 172.16.100.1:80 -s rr -p 30", "ipvsadm -a -t 172.16.100.1:80 -r 172.16.100.21 -w 7"];
    let mut driven = Driven::start("yes", "127.0.0.1", &before)?;
    driven.until_listed(&BOTH)?;
    assert!(driven.log().contains("Changed virtual server: 172.16.100.1:80"), "{}", driven.log());

    driven.stop_web(1)?;
    driven.until_listed(&[
        "TCP 172.16.100.1:80 wrr",
        "-> 172.16.100.10:80 Route 2",
        "-> 172.16.100.11:80 Route 0",
        "TCP [2001:db8:100::1]:80 rr",
        "-> [2001:db8:100::10]:80 Route 1",
        "-> [2001:db8:100::11]:80 Route 0",
        "FWM 8 wlc persistent 600 mask 255.255.255.0",
        "-> 172.16.100.10:80 Route 1",
        "-> 172.16.100.11:80 Route 0",
    ])?;
    driven.served_by(&["r1"])?;

    driven.stop_web(0)?;
    driven.until_listed(&[
        "TCP 172.16.100.1:80 wrr",
        "-> 127.0.0.1:80 Route 1",
        "-> 172.16.100.10:80 Route 0",
        "-> 172.16.100.11:80 Route 0",
        "TCP [2001:db8:100::1]:80 rr",
        "-> [2001:db8:100::10]:80 Route 0",
        "-> [2001:db8:100::11]:80 Route 0",
        "-> [2001:db8:100::20]:80 Route 1",
        "FWM 8 wlc persistent 600 mask 255.255.255.0",
        "-> 172.16.100.10:80 Route 0",
        "-> 172.16.100.11:80 Route 0",
        "-> 172.16.100.20:80 Route 1",
    ])?;
    assert_eq!(
        driven.answers()?,
        [["d"], ["r3"], ["r3"]],
        "the director itself, as in ldirectord's manual\n{}",
        driven.log()
    );

    driven.start_web(1)?;
    driven.start_web(0)?;
    driven.until_listed(&BOTH)?;
    driven.served_by(&["r1", "r2"])?;
    driven.finish()
}
