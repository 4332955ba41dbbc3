//! The three ways of LVS persistence: PCC, PPC and PNMPP, and the same in IPv6.
//!
//! Expected picks are IPVS': the newest real server is the first of the list, and a wrr service that is filled
//! server by server starts at the lowest weight.

use anyhow::Result;

use super::daemon;
use super::show::{MARKS, Show};
use super::visits::{Visits, follows, tally};
use crate::lab::Answer;
use crate::wait;

/// Persistent client connections: one real server for all ports.
pub(super) fn pcc(show: &mut Show<'_>) -> Result<()> {
    show.heading("PCC: port 0, a client has one real server for every port");
    show.fresh()?;
    show.operator(&[
        "ipvsadm -A -t 172.16.100.1:0 -s wrr -p 3600",
        "ipvsadm -a -t 172.16.100.1:0 -r 172.16.100.10 -g -w 2",
        "ipvsadm -a -t 172.16.100.1:0 -r 172.16.100.11 -g -w 2",
    ])?;
    let clients = &show.arms.clients(false)[..8];
    let visits = Visits::to_ports(show.lab, clients, &[80, 443, 25, 80])?;
    visits.print();
    show.check(visits.same(&[0, 1, 2, 3]), "same client, same real server, on every port");
    new_clients(show, &visits, 0, &["r2", "r1"], "2:2");
    show.operator_sees("ipvsadm -Ln")
}

/// Persistent port connections: one real server for each port.
pub(super) fn ppc(show: &mut Show<'_>) -> Result<()> {
    show.heading("PPC: a client has one real server for each port");
    show.fresh()?;
    show.operator(&[
        "ipvsadm -A -t 172.16.100.1:80 -s wrr -p 3600",
        "ipvsadm -a -t 172.16.100.1:80 -r 172.16.100.10 -g -w 2",
        "ipvsadm -a -t 172.16.100.1:80 -r 172.16.100.11 -g -w 1",
        "ipvsadm -A -t 172.16.100.1:25 -s wrr -p 3600",
        "ipvsadm -a -t 172.16.100.1:25 -r 172.16.100.10 -g -w 1",
        "ipvsadm -a -t 172.16.100.1:25 -r 172.16.100.11 -g -w 2",
    ])?;
    let clients = &show.arms.clients(false)[..9];
    let visits = Visits::to_ports(show.lab, clients, &[80, 25, 80, 25])?;
    visits.print();
    show.check(visits.same(&[0, 2]) && visits.same(&[1, 3]), "same client and port, same real server");
    new_clients(show, &visits, 0, &["r2", "r1", "r1"], "2:1 on port 80");
    new_clients(show, &visits, 1, &["r2", "r1", "r2"], "1:2 on port 25");
    show.operator_sees("ipvsadm -Ln")
}

/// Persistent netfilter-marked packets: one real server for each group of ports.
pub(super) fn pnmpp(show: &mut Show<'_>) -> Result<()> {
    show.heading("PNMPP: a client has one real server for each firewall mark");
    show.fresh()?;
    show.operator(&[
        "iptables -t mangle -A PREROUTING -d 172.16.100.1 -i eth0 -p tcp --dport 80 -j MARK --set-mark 8",
        "iptables -t mangle -A PREROUTING -d 172.16.100.1 -i eth0 -p tcp --dport 443 -j MARK --set-mark 8",
        "ipvsadm -A -f 8 -s rr -p 600",
        "ipvsadm -a -f 8 -r 172.16.100.10 -g -w 2",
        "ipvsadm -a -f 8 -r 172.16.100.11 -g -w 1",
        "iptables -t mangle -A PREROUTING -d 172.16.100.1 -i eth0 -p tcp --dport 21 -j MARK --set-mark 10",
        "iptables -t mangle -A PREROUTING -d 172.16.100.1 -i eth0 -p tcp --dport 10000:20000 -j MARK --set-mark 10",
        "ipvsadm -A -f 10 -s rr -p 1800",
        "ipvsadm -a -f 10 -r 172.16.100.20 -g",
        "ipvsadm -a -f 10 -r 172.16.100.21 -g",
    ])?;
    marks_followed(show, 4)?;
    let clients = &show.arms.clients(false)[..6];
    let visits = Visits::to_ports(show.lab, clients, &[80, 443, 21, 10000, 15000, 20000])?;
    visits.print();
    show.check(visits.same(&[0, 1]), "mark 8: same real server on 80 and 443");
    show.check(visits.same(&[2, 3, 4, 5]), "mark 10: same real server on 21 and 10000 to 20000");
    new_clients(show, &visits, 0, &["r2", "r1"], "in turn (rr), mark 8");
    new_clients(show, &visits, 2, &["r4", "r3"], "in turn (rr), mark 10");
    if let Some(&client) = clients.first() {
        let outside = [show.lab.visit(client, 9999)?, show.lab.visit(client, 20001)?];
        let untouched = outside.iter().all(|answer| *answer == Answer::Refused);
        show.check(untouched, "ports 9999 and 20001 have no mark: left to the director, which refuses");
    }
    show.operator_sees("ipvsadm -Ln")
}

/// PCC and PNMPP in IPv6.
pub(super) fn ipv6(show: &mut Show<'_>) -> Result<()> {
    show.heading("IPv6: PCC, then a firewall mark");
    show.fresh()?;
    show.operator(&[
        "ipvsadm -A -t [2001:db8:100::1]:0 -s wrr -p 3600",
        "ipvsadm -a -t [2001:db8:100::1]:0 -r 2001:db8:100::10 -g -w 2",
        "ipvsadm -a -t [2001:db8:100::1]:0 -r 2001:db8:100::11 -g -w 1",
    ])?;
    let clients = show.arms.clients(true);
    let visits = Visits::to_ports(show.lab, &clients[..6], &[80, 443, 80])?;
    visits.print();
    show.check(visits.same(&[0, 1, 2]), "same client, same real server, on every port");
    new_clients(show, &visits, 0, &["r2", "r1", "r1"], "2:1");
    show.operator(&[
        "ipvsadm -C",
        "ip6tables -t mangle -A PREROUTING -d 2001:db8:100::1 -i eth0 -p tcp --dport 80 -j MARK --set-mark 8",
        "ip6tables -t mangle -A PREROUTING -d 2001:db8:100::1 -i eth0 -p tcp --dport 443 -j MARK --set-mark 8",
        "ipvsadm -A -f 8 -6 -s rr -p 600",
        "ipvsadm -a -f 8 -6 -r 2001:db8:100::20 -g",
        "ipvsadm -a -f 8 -6 -r 2001:db8:100::21 -g",
    ])?;
    marks_followed(show, 2)?;
    let visits = Visits::to_ports(show.lab, &clients[..4], &[80, 443, 80])?;
    visits.print();
    show.check(visits.same(&[0, 1, 2]), "mark 8: same real server on 80 and 443");
    new_clients(show, &visits, 0, &["r4", "r3"], "in turn (rr)");
    Ok(())
}

fn new_clients(show: &mut Show<'_>, visits: &Visits, column: usize, cycle: &[&str], how: &str) {
    let answers = visits.column(column);
    let what = format!("new clients {how}: {} (IPVS' order: {} ...)", tally(&answers), cycle.join(" "));
    show.check(follows(&answers, cycle), what);
}

fn marks_followed(show: &mut Show<'_>, rules: usize) -> Result<()> {
    let lab = show.lab;
    let followed = wait::until("lvx has netfilter's marks", MARKS, || Ok(daemon::mark_rules(lab)? >= rules));
    match followed {
        Ok(time) => show.check(true, format!("netfilter's {rules} rules in XDP {:.1} s later", time.as_secs_f64())),
        Err(error) => show.check(false, format!("{error:#}")),
    }
    Ok(())
}
