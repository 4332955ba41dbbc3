//! CASES 3: the set of real servers changes while clients are connected.

use anyhow::Result;
use xtask::lab::{Answer, VIPS};

use super::director::Director;
use super::echo::Echo;
use super::talk::{TcpFlow, UdpFlow};

/// Each leaves r1 and r2 in service.
const CHANGES: [&str; 6] = [
    "ipvsadm -a SERVICE -r 172.16.100.20 -g -w 50",
    "ipvsadm -e SERVICE -r 172.16.100.10 -g -w 1",
    "ipvsadm -a SERVICE -r 172.16.100.21 -g -w 3",
    "ipvsadm -E SERVICE -s rr -p 300",
    "ipvsadm -d SERVICE -r 172.16.100.20",
    "ipvsadm -E SERVICE -s wlc -p 300",
];

#[test]
fn open_connections_and_their_clients_stay_where_they_are() -> Result<()> {
    let director = Director::one_arm()?;
    let _echoes = ["r1", "r2", "r3", "r4"].map(|host| Echo::start(&director.lab, host, &VIPS, &[7]));
    for service in ["-t 172.16.100.1:7", "-u 172.16.100.1:7"] {
        director.does(&[
            &format!("ipvsadm -A {service} -s wrr -p 300"),
            &format!("ipvsadm -a {service} -r 172.16.100.10 -g -w 5"),
            &format!("ipvsadm -a {service} -r 172.16.100.11 -g -w 5"),
        ])?;
    }
    let mut flows = Vec::new();
    for (&client, server) in director.clients(false)[..6].iter().zip(["r2", "r1"].iter().cycle()) {
        let flow = (TcpFlow::open(&director.lab, client, 7)?, UdpFlow::new(&director.lab, client, 7)?);
        flows.push((client, Answer::from(server), flow));
    }
    for change in std::iter::once("").chain(CHANGES) {
        for service in ["-t 172.16.100.1:7", "-u 172.16.100.1:7"] {
            director.does(&[&change.replace("SERVICE", service)])?;
        }
        for (client, server, (tcp, udp)) in &mut flows {
            let second =
                [TcpFlow::open(&director.lab, *client, 7)?.ask()?, UdpFlow::new(&director.lab, *client, 7)?.ask()?];
            let all = [tcp.ask()?, udp.ask()?].into_iter().chain(second);
            assert!(
                all.clone().all(|answer| answer == *server),
                "{change}: {client:?} of {server}: {:?}",
                Vec::from_iter(all)
            );
        }
    }
    Ok(())
}
