//! What LVX leaves alone: the director stays a machine that can be reached.

use std::net::SocketAddr;

use anyhow::Result;
use xtask::lab::{Answer, VIPS};

use super::arrivals::Arrivals;
use super::director::Director;
use super::echo::Echo;
use super::ping;
use super::setup::Setup;
use super::talk::TcpFlow;

const DIRECTOR: [&str; 2] = ["172.16.100.2", "2001:db8:100::2"];

/// CASES 14.
#[test]
fn the_director_answers_a_ping_of_the_vip_and_lets_others_answer_for_themselves() -> Result<()> {
    let director = Director::one_arm()?;
    director.does(&[
        "ipvsadm -A -t 172.16.100.1:0 -s rr -p 300",
        "ipvsadm -a -t 172.16.100.1:0 -r 172.16.100.10 -g",
        "ipvsadm -A -t [2001:db8:100::1]:0 -s rr -p 300",
        "ipvsadm -a -t [2001:db8:100::1]:0 -r 2001:db8:100::10 -g",
    ])?;
    for (vip, own, server, nobody) in [
        (VIPS[0], DIRECTOR[0], "172.16.100.10", "172.16.100.200"),
        (VIPS[1], DIRECTOR[1], "2001:db8:100::10", "2001:db8:100::200"),
    ] {
        let [here, there] = ["d", "r1"].map(|host| Arrivals::at(&director, host, vip));
        let (here, there) = (here?, there?);
        for (address, whose) in [(vip, "the VIP"), (own, "the director's own"), (server, "the real server's own")] {
            assert!(ping::answers(&director.lab, "c1", address)?, "{whose}: {address}");
        }
        assert!(!ping::answers(&director.lab, "c1", nobody)?, "nobody has {nobody}");
        // Neighbour discovery comes to the director too.
        assert!(here.count()? >= 1 && there.count()? == 0, "the director answers for {vip}");
    }
    Ok(())
}

#[test]
fn a_connection_to_the_director_itself_outlives_everything_that_lvx_does() -> Result<()> {
    let director = Setup::new(xtask::lab::Arms::One).stopped()?;
    let _echo = Echo::start(&director.lab, "d", &DIRECTOR, &[22])?;
    let mut flows = Vec::new();
    for (client, address) in [(director.clients(false)[0], DIRECTOR[0]), (director.clients(true)[0], DIRECTOR[1])] {
        flows.push(TcpFlow::open_to(&director.lab, client, SocketAddr::new(address.parse()?, 22))?);
    }
    let mut goes_on = |when: &str| -> Result<()> {
        for flow in &mut flows {
            assert_eq!(flow.ask()?, Answer::from("d"), "{when}");
        }
        Ok(())
    };
    goes_on("before lvx starts")?;
    director.start()?;
    goes_on("lvx runs")?;
    let steps = [
        "ipvsadm -A -t 172.16.100.1:0 -s rr -p 300",
        "ipvsadm -a -t 172.16.100.1:0 -r 172.16.100.10 -g",
        "ipvsadm -A -t [2001:db8:100::1]:22 -s rr",
        "iptables -t mangle -A PREROUTING -p tcp -j MARK --set-mark 5",
        "ipvsadm -C",
    ];
    for step in steps {
        director.does(&[step])?;
        goes_on(step)?;
    }
    director.end(libc::SIGKILL)?;
    goes_on("after kill -9")?;
    director.start()?;
    goes_on("lvx runs again")?;
    director.end(libc::SIGTERM)?;
    goes_on("lvx has stopped")
}
