//! Interfaces that go down, vanish, come back, and more than one of them.

use std::time::Duration;

use anyhow::{Context as _, Result};
use lb_user::api::{InterfaceStatus, Status};
use xtask::lab::{Answer, Arms, Client};
use xtask::wait;

use super::director::Director;
use super::setup::Setup;

const LIMIT: Duration = Duration::from_secs(5);

fn eth0(status: &Status) -> Result<&InterfaceStatus> {
    status.interfaces.iter().find(|interface| interface.name == "eth0").context("no eth0")
}

fn with_server() -> Result<Director> {
    let director = Director::one_arm()?;
    director.nginx(["r1"], &[80])?;
    director.does(&["ipvsadm -A -t 172.16.100.1:80 -s rr", "ipvsadm -a -t 172.16.100.1:80 -r 172.16.100.10 -g"])?;
    assert_eq!(director.lab.visit(director.clients(false)[0], 80)?, Answer::from("r1"));
    Ok(director)
}

/// Visits until the real server answers: the machines around find the director again.
fn answers_again(director: &Director) -> Result<()> {
    wait::until("the VIP answers again", LIMIT, || {
        Ok(director.lab.visit(director.clients(false)[0], 80)? == Answer::from("r1"))
    })?;
    Ok(())
}

/// CASES 24.
#[test]
fn an_interface_that_goes_down_is_told_and_works_again_when_it_is_up() -> Result<()> {
    let director = with_server()?;
    director.does(&["ip link set eth0 down"])?;
    director.until("the status says that eth0 is down", LIMIT, |status| {
        Ok(!eth0(status)?.up && status.warnings.iter().any(|warning| warning == "eth0 is down"))
    })?;
    let shown = director.does(&["lvx status"])?;
    assert!(shown.contains("UNREACHABLE (eth0 is down)"), "{shown}");
    director.does(&["ip link set eth0 up"])?;
    director.until("eth0 is up", LIMIT, |status| Ok(eth0(status)?.up && status.warnings.is_empty()))?;
    answers_again(&director)
}

/// CASES 24.
#[test]
fn an_interface_that_is_made_anew_is_attached_again() -> Result<()> {
    let director = with_server()?;
    director.does(&[
        "iptables -t mangle -A PREROUTING -i eth0 -p tcp --dport 80 -j MARK --set-mark 5",
        "ipvsadm -A -f 5 -s rr",
        "ipvsadm -a -f 5 -r 172.16.100.10 -g",
    ])?;
    director.until("the mark is followed", LIMIT, |status| Ok(status.mark_rules.len() == 1))?;
    let before = eth0(&director.status()?)?.clone();
    director.lab.unplug("d", "eth0")?;
    let gone = "eth0 does not exist; LVX attaches to it as soon as it does";
    director.until("the status says that eth0 is gone", LIMIT, |status| {
        Ok(eth0(status)?.mode == "detached" && status.warnings.iter().any(|warning| warning == gone))
    })?;
    director.lab.plug(Arms::One, "d", "eth0")?;
    director.until("eth0 is attached again", LIMIT, |status| {
        let now = eth0(status)?;
        Ok(now.mode == "native" && now.up && now.index != before.index && status.warnings.is_empty())
    })?;
    // The machines around know the old MAC address of the director.
    for host in ["c1", "c2", "c3"] {
        director.sh_on(host, "ip neigh flush dev eth0")?;
    }
    answers_again(&director)?;
    let services = director.status()?.services;
    let marked = services.iter().find(|entry| entry.service.id.to_string() == "FWM 5").context("no mark 5")?;
    assert_ne!(marked.counters.connections, 0, "a rule that names eth0 speaks of the new one");
    Ok(())
}

#[test]
fn a_new_mac_of_the_director_is_used_at_once() -> Result<()> {
    let director = with_server()?;
    director.does(&["ip link set eth0 address 02:00:00:00:00:55"])?;
    director.until("lvx knows its own MAC", LIMIT, |status| Ok(eth0(status)?.mac == "02:00:00:00:00:55"))?;
    for host in ["c1", "c2", "c3"] {
        director.sh_on(host, "ip neigh flush dev eth0")?;
    }
    answers_again(&director)
}

/// CASES 20: the back of the director serves too.
#[test]
fn two_interfaces_at_once() -> Result<()> {
    let director = Setup::new(Arms::Two).arguments(&["--interface", "eth0", "--interface", "eth1"]).up()?;
    director.nginx(["r1", "r2"], &[80])?;
    director.does(&[
        "ipvsadm -A -t 172.16.100.1:80 -s rr -p 300",
        "ipvsadm -a -t 172.16.100.1:80 -r 172.16.100.10 -g",
        "ipvsadm -a -t 172.16.100.1:80 -r 172.16.100.11 -g",
    ])?;
    let status = director.status()?;
    let shape = |interface: &InterfaceStatus| (interface.name.clone(), interface.mode.clone(), interface.up);
    let attached: Vec<_> = status.interfaces.iter().map(shape).collect();
    assert_eq!(attached, ["eth0", "eth1"].map(|name| (name.to_owned(), "native".to_owned(), true)));
    // The router stands in both LANs, and comes in by the director's back.
    let behind = Client { host: "gw", address: "172.16.100.254".parse()? };
    let clients = director.clients(false);
    let visits = [clients[0], behind, clients[1], clients[0], behind, clients[1]];
    let answers: Result<Vec<_>> = visits.iter().map(|&client| director.lab.visit(client, 80)).collect();
    assert_eq!(answers?, ["r2", "r1", "r2", "r2", "r1", "r2"].map(Answer::from));
    Ok(())
}
