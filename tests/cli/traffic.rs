//! What `ipvsadm` shows of traffic.

use std::time::Duration;

use anyhow::{Context as _, Result};
use xtask::lab::{Answer, VIPS};
use xtask::wait;

use crate::network::director::Director;
use crate::network::echo::Echo;
use crate::network::talk::{TcpFlow, UdpFlow};

/// The numbers of the line that begins with these words.
fn numbers(table: &str, line: &str) -> Result<Vec<u64>> {
    let line = table
        .lines()
        .find_map(|each| each.trim_start().strip_prefix(line))
        .with_context(|| format!("no {line} in\n{table}"))?;
    line.split_whitespace().map(|word| word.parse().with_context(|| format!("{word} in\n{table}"))).collect()
}

#[test]
fn counters_count_what_passed_and_z_sets_them_to_zero() -> Result<()> {
    let director = Director::one_arm()?;
    let _echo = Echo::start(&director.lab, "r1", &VIPS, &[7])?;
    director.does(&[
        "ipvsadm -A -u 172.16.100.1:7 -s rr",
        "ipvsadm -a -u 172.16.100.1:7 -r 172.16.100.10",
        "ipvsadm -A -u [2001:db8:100::1]:7 -s rr",
        "ipvsadm -a -u [2001:db8:100::1]:7 -r 2001:db8:100::10",
    ])?;
    let mut flows = Vec::new();
    for client in [director.clients(false)[0], director.clients(false)[1], director.clients(true)[0]] {
        flows.push(UdpFlow::new(&director.lab, client, 7)?);
    }
    for _ in 0..3 {
        for flow in &mut flows {
            assert_eq!(flow.ask()?, Answer::from("r1"));
        }
    }
    // Connections, packets and bytes in; nothing comes back through the director. A datagram has one byte.
    let stats = director.does(&["ipvsadm -Ln --stats"])?;
    assert_eq!(numbers(&stats, "UDP  172.16.100.1:7")?, [2, 6, 0, 6 * 29, 0]);
    assert_eq!(numbers(&stats, "-> 172.16.100.10:7")?, [2, 6, 0, 6 * 29, 0]);
    assert_eq!(numbers(&stats, "UDP  [2001:db8:100::1]:7")?, [1, 3, 0, 3 * 49, 0]);

    director.does(&["ipvsadm -Z -u 172.16.100.1:7"])?;
    let stats = director.does(&["ipvsadm -Ln --stats"])?;
    assert_eq!(numbers(&stats, "UDP  172.16.100.1:7")?, [0; 5]);
    assert_eq!(numbers(&stats, "-> 172.16.100.10:7")?, [0; 5]);
    assert_eq!(numbers(&stats, "UDP  [2001:db8:100::1]:7")?, [1, 3, 0, 3 * 49, 0], "another service keeps its own");
    director.does(&["ipvsadm -Z"])?;
    assert_eq!(numbers(&director.does(&["ipvsadm -Ln --stats"])?, "UDP  [2001:db8:100::1]:7")?, [0; 5]);
    assert_eq!(flows[0].ask()?, Answer::from("r1"), "connections are not touched");

    wait::until("rates rise", Duration::from_secs(8), || {
        for flow in &mut flows {
            flow.ask()?;
        }
        let rates = numbers(&director.does(&["ipvsadm -Ln --rate"])?, "UDP  172.16.100.1:7")?;
        Ok(rates[1] > 0 && rates[3] > 0 && rates[2] == 0 && rates[4] == 0)
    })?;
    Ok(())
}

#[test]
fn connections_and_templates_are_listed_with_state_and_expiry() -> Result<()> {
    let director = Director::one_arm()?;
    let _echo = Echo::start(&director.lab, "r1", &VIPS, &[7])?;
    director.does(&[
        "ipvsadm --set 610 60 130",
        "ipvsadm -A -t 172.16.100.1:0 -s rr -p 310",
        "ipvsadm -a -t 172.16.100.1:0 -r 172.16.100.10",
        "ipvsadm -A -u 172.16.100.1:7 -s rr",
        "ipvsadm -a -u 172.16.100.1:7 -r 172.16.100.10",
    ])?;
    let client = director.clients(false)[0];
    let mut tcp = TcpFlow::open(&director.lab, client, 7)?;
    let mut udp = UdpFlow::new(&director.lab, client, 7)?;
    assert_eq!((tcp.ask()?, udp.ask()?), (Answer::from("r1"), Answer::from("r1")));
    let listed = director.does(&["ipvsadm -Lnc"])?;
    let mut lines = listed.lines();
    assert_eq!(lines.next(), Some("IPVS connection entries"));
    assert_eq!(lines.next(), Some("pro expire state       source             virtual            destination"));
    let mut rows: Vec<Vec<_>> = lines.map(|line| line.split_whitespace().collect()).collect();
    rows.sort_unstable();
    assert_eq!(rows.len(), 3, "{listed}");
    for (row, expected) in rows.iter().zip([
        ["TCP", "05:", "ASSURED", "172.16.100.60:0", "172.16.100.1:0", "172.16.100.10:0"],
        ["TCP", "10:", "ESTABLISHED", "172.16.100.60:", "172.16.100.1:7", "172.16.100.10:7"],
        ["UDP", "02:", "UDP", "172.16.100.60:", "172.16.100.1:7", "172.16.100.10:7"],
    ]) {
        let fits = row.iter().zip(expected).all(|(word, expected)| word.starts_with(expected));
        assert!(fits && row.len() == expected.len(), "{row:?} is not {expected:?}");
    }
    let table = director.does(&["ipvsadm -Ln"])?;
    let active =
        table.lines().find(|line| line.contains("172.16.100.10:0")).map(|line| line.split_whitespace().collect());
    assert_eq!(active, Some(vec!["->", "172.16.100.10:0", "Route", "1", "1", "0"]), "{table}");
    drop(tcp);
    wait::until("the connection is seen to close", Duration::from_secs(2), || {
        let listed = director.does(&["ipvsadm -Lnc"])?;
        Ok(!listed.contains("ESTABLISHED") && listed.contains("FIN_WAIT"))
    })?;
    Ok(())
}
