//! PCC, PPC and PNMPP: who answers whom, over TCP and UDP, in IPv4 and IPv6, in both labs.
//!
//! Expected picks are IPVS': the newest real server is the first of the list.

use std::time::Duration;

use anyhow::Result;
use xtask::lab::{Answer, Arms, Client};

use super::director::Director;
use super::echo::Echo;
use super::setup::Setup;
use super::talk::{UdpFlow, vip};

/// LVX follows netfilter within 2 s.
const MARKS: Duration = Duration::from_millis(2500);

#[test]
fn one_arm_ipv4() -> Result<()> {
    every_mode(Arms::One, false)
}

#[test]
fn one_arm_ipv6() -> Result<()> {
    every_mode(Arms::One, true)
}

#[test]
fn two_arm_ipv4() -> Result<()> {
    every_mode(Arms::Two, false)
}

#[test]
fn two_arm_ipv6() -> Result<()> {
    every_mode(Arms::Two, true)
}

/// A director, its clients, and the words for its addresses.
struct Stage {
    director: Director,
    clients: Vec<Client>,
    vip: &'static str,
    servers: [&'static str; 2],
    v6: bool,
}

fn every_mode(arms: Arms, v6: bool) -> Result<()> {
    let director = Setup::new(arms).up()?;
    director.nginx(["r1", "r2"], &[80, 443, 25])?;
    let addresses = if v6 { ["2001:db8:100::1"] } else { ["172.16.100.1"] };
    let _echoes = ["r1", "r2"].map(|host| Echo::start(&director.lab, host, &addresses, &[53, 4443]));
    let clients = director.clients(v6);
    let (vip, servers) = if v6 {
        ("[2001:db8:100::1]", ["2001:db8:100::10", "2001:db8:100::11"])
    } else {
        ("172.16.100.1", ["172.16.100.10", "172.16.100.11"])
    };
    let stage = Stage { director, clients, vip, servers, v6 };
    stage.pcc()?;
    stage.ppc()?;
    stage.pnmpp()
}

impl Stage {
    /// Adds a service and both real servers with these weights.
    fn service(&self, service: &str, words: &str, weights: [u32; 2]) -> Result<()> {
        let service = service.replace("VIP", self.vip);
        let [one, other] =
            [0, 1].map(|index| format!("ipvsadm -a {service} -r {} -g -w {}", self.servers[index], weights[index]));
        self.director.does(&[&format!("ipvsadm -A {service} {words}"), &one, &other]).map(drop)
    }

    fn tcp(&self, client: usize, port: u16) -> Result<Answer> {
        self.director.lab.visit(self.clients[client], port)
    }

    fn udp(&self, client: usize, port: u16) -> Result<Answer> {
        UdpFlow::new(&self.director.lab, self.clients[client], port)?.ask()
    }

    /// One real server a client for every port, and new clients by weight.
    fn pcc(&self) -> Result<()> {
        self.service("-t VIP:0", "-s wrr -p 3600", [2, 1])?;
        self.service("-u VIP:0", "-s wrr -p 3600", [1, 2])?;
        for (client, tcp, udp) in [(0, "r2", "r2"), (1, "r1", "r1"), (2, "r1", "r2"), (3, "r2", "r2")] {
            for port in [80, 443, 25, 80] {
                assert_eq!(self.tcp(client, port)?, Answer::from(tcp), "PCC, client {client}, TCP port {port}");
            }
            for port in [53, 4443, 53] {
                assert_eq!(self.udp(client, port)?, Answer::from(udp), "PCC, client {client}, UDP port {port}");
            }
        }
        self.director.does(&["ipvsadm -C"]).map(drop)
    }

    /// One real server a client and port.
    fn ppc(&self) -> Result<()> {
        self.service("-t VIP:80", "-s wrr -p 3600", [2, 1])?;
        self.service("-t VIP:25", "-s wrr -p 3600", [1, 2])?;
        self.service("-u VIP:53", "-s rr -p 3600", [1, 1])?;
        let rows = [(4, "r2", "r2", "r2"), (5, "r1", "r1", "r1"), (6, "r1", "r2", "r2"), (7, "r2", "r2", "r1")];
        for (client, web, mail, names) in rows {
            for _ in 0..2 {
                assert_eq!(self.tcp(client, 80)?, Answer::from(web), "PPC, client {client}, port 80");
                assert_eq!(self.tcp(client, 25)?, Answer::from(mail), "PPC, client {client}, port 25");
                assert_eq!(self.udp(client, 53)?, Answer::from(names), "PPC, client {client}, port 53");
            }
        }
        assert_eq!(self.tcp(4, 443)?, Answer::Refused, "a port without a service is left to the director");
        self.director.does(&["ipvsadm -C"]).map(drop)
    }

    /// One real server a client for all that has one mark, whatever comes first.
    fn pnmpp(&self) -> Result<()> {
        let iptables = if self.v6 { "ip6tables" } else { "iptables" };
        let vip = vip(self.clients[0]);
        for match_ in ["tcp --dport 80", "tcp --dport 443", "udp --dport 4443"] {
            let rule = format!("-A PREROUTING -d {vip} -i eth0 -p {match_} -j MARK --set-mark 8");
            self.director.does(&[&format!("{iptables} -t mangle {rule}")])?;
        }
        self.director.until("marks are followed", MARKS, |status| Ok(status.mark_rules.len() == 3))?;
        self.service(if self.v6 { "-f 8 -6" } else { "-f 8" }, "-s rr -p 600", [2, 1])?;
        let orders = [[0, 1, 2], [2, 1, 0], [1, 2, 0], [2, 0, 1]];
        for (client, (order, server)) in (8..).zip(orders.into_iter().zip(["r2", "r1", "r2", "r1"])) {
            for step in order {
                let answer = match step {
                    0 => self.tcp(client, 80),
                    1 => self.tcp(client, 443),
                    _ => self.udp(client, 4443),
                };
                assert_eq!(answer?, Answer::from(server), "PNMPP, client {client}, step {step} of {order:?}");
            }
        }
        assert_eq!(self.tcp(8, 25)?, Answer::Refused, "a port without a mark is left to the director");
        Ok(())
    }
}
