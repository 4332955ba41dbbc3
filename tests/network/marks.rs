//! Firewall marks: the director's real iptables speaks, LVX follows.

use std::time::Duration;

use anyhow::Result;
use xtask::lab::{Answer, Arms, Client};

use super::director::Director;
use super::setup::Setup;

/// LVX follows netfilter within 2 s; the rest is the test's own way of looking.
const FOLLOWED: Duration = Duration::from_millis(2500);

/// r1 serves mark 8, r2 mark 9, in both families.
const SERVICES: [&str; 8] = [
    "ipvsadm -A -f 8 -s rr",
    "ipvsadm -a -f 8 -r 172.16.100.10 -g",
    "ipvsadm -A -f 9 -s rr",
    "ipvsadm -a -f 9 -r 172.16.100.11 -g",
    "ipvsadm -A -f 8 -6 -s rr",
    "ipvsadm -a -f 8 -6 -r 2001:db8:100::10 -g",
    "ipvsadm -A -f 9 -6 -s rr",
    "ipvsadm -a -f 9 -6 -r 2001:db8:100::11 -g",
];

fn with_services(setup: Setup) -> Result<Director> {
    let director = setup.up()?;
    director.nginx(["r1", "r2"], &[80, 81, 443, 8080])?;
    director.does(&SERVICES)?;
    Ok(director)
}

/// Who answers a client on these ports.
fn answers<const N: usize>(director: &Director, client: Client, ports: [u16; N]) -> Result<[String; N]> {
    let mut all = ports.map(|port| port.to_string());
    for (answer, port) in all.iter_mut().zip(ports) {
        *answer = director.lab.visit(client, port)?.to_string();
    }
    Ok(all)
}

fn followed(director: &Director, rules: usize) -> Result<()> {
    director.until(&format!("{rules} mark rules"), FOLLOWED, |status| Ok(status.mark_rules.len() == rules)).map(drop)
}

#[test]
fn a_rule_of_each_iptables_counts_from_when_it_is_there_until_it_is_gone() -> Result<()> {
    let director = with_services(Setup::new(Arms::One))?;
    for (iptables, vip, v6) in [
        ("iptables-nft", "172.16.100.1", false),
        ("ip6tables-nft", "2001:db8:100::1", true),
        ("iptables-legacy", "172.16.100.1", false),
        ("ip6tables-legacy", "2001:db8:100::1", true),
    ] {
        let client = director.clients(v6)[0];
        let rule = format!("PREROUTING -d {vip} -i eth0 -p tcp --dport 80 -j MARK --set-mark 8");
        director.does(&[&format!("{iptables} -t mangle -A {rule}")])?;
        followed(&director, 1)?;
        assert_eq!(answers(&director, client, [80, 81])?, ["r1", "refused"], "{iptables} -A");
        director.does(&[&format!("{iptables} -t mangle -D {rule}")])?;
        followed(&director, 0)?;
        assert_eq!(answers(&director, client, [80, 81])?, ["refused", "refused"], "{iptables} -D");
    }
    Ok(())
}

/// CASES 23 among them: the last mark wins, unless the packet left the table before.
#[test]
fn chains_lists_and_their_order_decide_as_in_netfilter() -> Result<()> {
    let director = with_services(Setup::new(Arms::One))?;
    let client = director.clients(false)[0];
    director.does(&[
        "iptables -t mangle -N WEB",
        "iptables -t mangle -A WEB -p tcp --dport 8080 -j RETURN",
        "iptables -t mangle -A WEB -j MARK --set-mark 8",
        "iptables -t mangle -A PREROUTING -d 172.16.100.1 -p tcp -m multiport --dports 80,443,8000:9000 -j WEB",
    ])?;
    let ports = [80, 81, 443, 8080];
    director.until("the chain is followed", FOLLOWED, |status| Ok(!status.mark_rules.is_empty()))?;
    assert_eq!(answers(&director, client, ports)?, ["r1", "refused", "r1", "refused"]);

    director.does(&["iptables -t mangle -A PREROUTING -p tcp --dport 443 -j MARK --set-mark 9"])?;
    director.until("the last mark wins", FOLLOWED, |_| Ok(answers(&director, client, [443])? == ["r2"]))?;
    director.does(&["iptables -t mangle -I PREROUTING 2 -p tcp --dport 443 -m mark --mark 8 -j ACCEPT"])?;
    director.until("ACCEPT ends the table", FOLLOWED, |_| Ok(answers(&director, client, [443])? == ["r1"]))?;
    director.does(&["iptables -t mangle -F", "iptables -t mangle -X"])?;
    followed(&director, 0)?;
    assert_eq!(answers(&director, client, ports)?, ["refused"; 4]);
    assert_eq!(director.status()?.warnings, [""; 0]);
    Ok(())
}

#[test]
fn a_rule_that_cannot_be_expressed_is_named_and_the_others_count() -> Result<()> {
    let director = with_services(Setup::new(Arms::One))?;
    director.does(&[
        "iptables -t mangle -A PREROUTING -p tcp --dport 80 -j MARK --set-mark 8",
        "iptables -t mangle -A PREROUTING -m mac --mac-source 00:11:22:33:44:55 -j MARK --set-mark 9",
        "nft add table inet own",
        "nft add chain inet own pre '{ type filter hook prerouting priority -150; }'",
        "nft add rule inet own pre tcp dport 443 meta mark set 9",
    ])?;
    let mut warnings = Vec::new();
    director.until("both are named", FOLLOWED, |status| {
        warnings.clone_from(&status.warnings);
        Ok(warnings.len() == 2)
    })?;
    assert!(warnings[0].contains("-m mac --mac-source 00:11:22:33:44:55 -j MARK"), "{warnings:?}");
    assert!(warnings[1].contains("table inet own, chain pre"), "{warnings:?}");
    let shown = director.does(&["lvx status"])?;
    assert!(shown.contains("! iptables-nft `-A PREROUTING -m mac"), "{shown}");
    assert_eq!(answers(&director, director.clients(false)[0], [80])?, ["r1"]);
    Ok(())
}

#[test]
fn rules_of_the_config_count_and_netfilter_is_left_aside_when_told_so() -> Result<()> {
    let config = r#"
[marks]
follow_netfilter = false

[[marks.rule]]
mark = 8
destination = "172.16.100.1"
protocol = "tcp"
destination_port = [80, "8000:9000"]

[[marks.rule]]
mark = 9
protocol = "tcp"
destination_port = 443
interface = "eth0"
"#;
    let director = Setup::new(Arms::One).config(config).stopped()?;
    director.nginx(["r1", "r2"], &[80, 81, 443, 8080])?;
    director.does(&["iptables -t mangle -A PREROUTING -p tcp --dport 81 -j MARK --set-mark 8"])?;
    director.start()?;
    director.does(&SERVICES)?;
    assert_eq!(director.status()?.mark_rules.len(), 2, "netfilter's rule was there before lvx started");
    let ports = [80, 81, 443, 8080];
    assert_eq!(answers(&director, director.clients(false)[0], ports)?, ["r1", "refused", "r2", "r1"]);
    assert_eq!(answers(&director, director.clients(true)[0], ports)?, ["refused", "refused", "r2", "refused"]);
    Ok(())
}

/// A mark that a rule gives to nobody's service leaves the packet to the service of its address.
#[test]
fn a_mark_goes_before_the_address_and_an_unused_one_does_not() -> Result<()> {
    let director = with_services(Setup::new(Arms::One))?;
    director.does(&[
        "ipvsadm -A -t 172.16.100.1:80 -s rr",
        "ipvsadm -a -t 172.16.100.1:80 -r 172.16.100.11 -g",
        "iptables -t mangle -A PREROUTING -p tcp --dport 80 -j MARK --set-mark 77",
    ])?;
    followed(&director, 1)?;
    let client = director.clients(false)[0];
    assert_eq!(director.lab.visit(client, 80)?, Answer::from("r2"), "mark 77 has no service");
    director.does(&["iptables -t mangle -A PREROUTING -p tcp --dport 80 -j MARK --set-mark 8"])?;
    followed(&director, 2)?;
    assert_eq!(director.lab.visit(client, 80)?, Answer::from("r1"), "mark 8 goes before port 80");
    Ok(())
}
