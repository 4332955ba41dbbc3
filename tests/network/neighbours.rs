//! Real servers whose MAC address changes, or that are not there yet.

use std::time::Duration;

use anyhow::Result;
use lb_user::api::NeighbourState;
use xtask::lab::{Answer, Arms, VIPS};

use super::director::{Director, find_server};
use super::echo::Echo;
use super::ping;
use super::setup::Setup;
use super::talk::{TcpFlow, UdpFlow};

const NEW_MAC: &str = "02:00:00:00:00:77";

/// The kernel asks again every second.
const LIMIT: Duration = Duration::from_secs(5);

/// A stale entry is asked for by the kernel after 5 s, three times to the old address, then anybody.
const STALE: Duration = Duration::from_secs(20);

fn is_at(state: &NeighbourState, wanted: &str) -> bool {
    matches!(state, NeighbourState::Reachable { mac, .. } if mac == wanted)
}

/// CASES 5.
#[test]
fn the_next_packets_use_the_new_mac_of_a_real_server() -> Result<()> {
    let director = Director::one_arm()?;
    let _echo = Echo::start(&director.lab, "r1", &VIPS, &[7])?;
    director.does(&[
        "ipvsadm -A -t 172.16.100.1:7 -s rr -p 300",
        "ipvsadm -a -t 172.16.100.1:7 -r 172.16.100.10 -g",
        "ipvsadm -A -u [2001:db8:100::1]:7 -s rr",
        "ipvsadm -a -u [2001:db8:100::1]:7 -r 2001:db8:100::10 -g",
    ])?;
    let (client, client6) = (director.clients(false)[0], director.clients(true)[0]);
    let mut tcp = TcpFlow::open(&director.lab, client, 7)?;
    let mut udp = UdpFlow::new(&director.lab, client6, 7)?;
    assert_eq!((tcp.ask()?, udp.ask()?), (Answer::from("r1"), Answer::from("r1")));

    // As a machine with a new network card does: it asks for its neighbours, and so tells its own address.
    let change = format!("ip link set eth0 address {NEW_MAC} && ip neigh flush dev eth0 && ip -6 neigh flush dev eth0");
    assert_eq!(director.sh_on("r1", &change)?.status, 0);
    for address in ["172.16.100.2", "2001:db8:100::2"] {
        assert!(ping::answers(&director.lab, "r1", address)?);
    }
    director.until("lvx knows the new MAC address", Duration::from_secs(1), |status| {
        let [four, six] = ["172.16.100.10", "2001:db8:100::10"].map(|address| find_server(status, address));
        Ok(is_at(&four?.neighbour, NEW_MAC) && is_at(&six?.neighbour, NEW_MAC))
    })?;
    assert_eq!(tcp.ask()?, Answer::from("r1"), "the same connection goes on");
    assert_eq!(udp.ask()?, Answer::from("r1"), "the same UDP flow goes on");
    assert_eq!(TcpFlow::open(&director.lab, client, 7)?.ask()?, Answer::from("r1"));
    Ok(())
}

/// CASES 22.
#[test]
fn a_real_server_that_is_not_there_yet_is_told_counted_and_used_as_soon_as_it_appears() -> Result<()> {
    let config = "[[service]]\ntcp = \"172.16.100.1:80\"\nscheduler = \"rr\"\n\
                  [[service.real_server]]\naddress = \"172.16.100.99\"\n";
    let director = Setup::new(Arms::One).config(config).up()?;
    director.nginx(["r3"], &[80])?;
    let client = director.clients(false)[0];
    director.until("the status says why", LIMIT, |status| {
        let reason = "no answer to ARP for 172.16.100.99 on eth0".to_owned();
        Ok(find_server(status, "172.16.100.99")?.neighbour == NeighbourState::Unresolved { reason })
    })?;
    assert_eq!(director.lab.visit(client, 80)?, Answer::Silence);
    assert!(director.reason("no_neighbour")? > 0, "the packets that went nowhere are counted");
    let shown = director.does(&["lvx status"])?;
    assert!(shown.contains("UNREACHABLE (no answer to ARP for 172.16.100.99 on eth0)"), "{shown}");
    assert!(shown.contains("no_neighbour"), "{shown}");

    assert_eq!(director.sh_on("r3", "ip addr add 172.16.100.99/24 dev eth0")?.status, 0);
    director.until("the real server is found", LIMIT, |status| {
        Ok(matches!(find_server(status, "172.16.100.99")?.neighbour, NeighbourState::Reachable { .. }))
    })?;
    assert_eq!(director.lab.visit(client, 80)?, Answer::from("r3"));
    Ok(())
}

#[test]
fn a_neighbour_entry_that_is_wrong_at_the_start_is_corrected() -> Result<()> {
    let director = Setup::new(Arms::One).stopped()?;
    director.nginx(["r1"], &[80])?;
    director.does(&["ip neigh replace 172.16.100.10 lladdr 02:00:00:00:00:99 nud stale dev eth0"])?;
    director.start()?;
    director.does(&["ipvsadm -A -t 172.16.100.1:80 -s rr", "ipvsadm -a -t 172.16.100.1:80 -r 172.16.100.10 -g"])?;
    director.until("the wrong address is found out", STALE, |status| {
        let neighbour = find_server(status, "172.16.100.10")?.neighbour;
        Ok(matches!(&neighbour, NeighbourState::Reachable { .. }) && !is_at(&neighbour, "02:00:00:00:00:99"))
    })?;
    assert_eq!(director.lab.visit(director.clients(false)[0], 80)?, Answer::from("r1"));
    Ok(())
}
