//! Files that change other services are applied under traffic: connections and clients of the others see nothing.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Result, anyhow, ensure};
use lb_user::api::NeighbourState;
use xtask::lab::{Answer, Arms, Client, Lab, VIPS};

use super::echo::Echo;
use super::setup::Setup;
use super::talk::{TcpFlow, UdpFlow};

const RELOADS: u32 = 12;

const LIMIT: Duration = Duration::from_secs(10);

/// What no file changes.
const STEADY: &str = r#"
[[service]]
tcp = "172.16.100.1:7"
scheduler = "wlc"
real_server = [{ address = "172.16.100.10" }, { address = "172.16.100.11" }]

[[service]]
udp = "172.16.100.1:7"
scheduler = "mh"
real_server = [{ address = "172.16.100.10" }, { address = "172.16.100.11" }]

[[service]]
tcp = "[2001:db8:100::1]:7"
scheduler = "sh"
persistent = 300
health = true
real_server = [{ address = "2001:db8:100::10" }, { address = "2001:db8:100::11" }]

[[service]]
udp = "[2001:db8:100::1]:7"
scheduler = "rr"
real_server = [{ address = "2001:db8:100::10" }, { address = "2001:db8:100::11" }]
"#;

/// What the file of this round has besides: services and servers that come, go and change, some of them the same
/// servers that the steady services have; timeouts, sysctls and marks.
fn others(round: u32) -> Result<String> {
    let mut text = String::new();
    let schedulers = ["rr", "wlc", "mh", "sh", "lblcr"];
    for service in (0..6).filter(|service| !(round + service).is_multiple_of(4)) {
        let scheduler = schedulers[(round + service) as usize % schedulers.len()];
        writeln!(text, "[[service]]\ntcp = \"172.16.100.1:{}\"\nscheduler = \"{scheduler}\"", 9000 + service)?;
        writeln!(text, "real_server = [")?;
        for (place, number) in [10, 11, 20, 21].into_iter().enumerate() {
            if !(round as usize + place).is_multiple_of(3) {
                writeln!(text, "  {{ address = \"172.16.100.{number}\", weight = {} }},", (round + number) % 4)?;
            }
        }
        writeln!(text, "]")?;
    }
    writeln!(text, "[[service]]\nmark = {}\npersistent = 60", round % 3 + 1)?;
    writeln!(text, "[[marks.rule]]\nmark = 1\nprotocol = \"tcp\"\ndestination_port = {}", 7000 + round % 2)?;
    writeln!(text, "[timeouts]\ntcpfin = {}\n[ipvs]\ndrop_entry = {}", 100 + round % 2, round % 3)?;
    Ok(text)
}

/// Asks by old and by new connections until told to stop; gives how often.
fn talk(lab: &Lab, client: Client, stop: &AtomicBool) -> Result<u32> {
    let mut old = (TcpFlow::open(lab, client, 7)?, UdpFlow::new(lab, client, 7)?);
    let who = (old.0.ask()?, old.1.ask()?);
    let mut asked = 0;
    while !stop.load(Ordering::Relaxed) {
        let again = (old.0.ask()?, old.1.ask()?);
        ensure!(again == who, "{client:?}: {again:?} answer instead of {who:?}");
        let new = [TcpFlow::open(lab, client, 7)?.ask()?, UdpFlow::new(lab, client, 7)?.ask()?];
        let is_answered = new.iter().all(|answer| matches!(answer, Answer::From(_)));
        ensure!(is_answered, "{client:?}, new connections: {new:?}");
        asked += 1;
    }
    Ok(asked)
}

#[test]
fn unchanged_services_see_nothing_of_reloads() -> Result<()> {
    let director = Setup::new(Arms::One).config(STEADY).up()?;
    let _echoes = [("r1", "10"), ("r2", "11")].map(|(host, number)| {
        // Health checks may ask the servers' own addresses.
        let own = [format!("172.16.100.{number}"), format!("2001:db8:100::{number}")];
        let addresses: Vec<_> = VIPS.into_iter().chain(own.iter().map(String::as_str)).collect();
        Echo::start(&director.lab, host, &addresses, &[7])
    });
    director.until("the real servers are known", LIMIT, |status| {
        let mut servers = status.services.iter().flat_map(|service| &service.servers);
        Ok(servers.all(|entry| matches!(entry.neighbour, NeighbourState::Reachable { .. })))
    })?;
    let [four, six] = [director.clients(false), director.clients(true)];
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let (lab, stop) = (&director.lab, &stop);
        let talks = [four[0], four[1], six[2], six[3]].map(|client| scope.spawn(move || talk(lab, client, stop)));
        let reloads = (1..=RELOADS).try_for_each(|round| -> Result<()> {
            director.configure(&format!("{STEADY}{}", others(round)?))?;
            let said = director.does(&["lvx reload"])?;
            ensure!(said.ends_with(&format!("applied; generation {} runs\n", round + 1)), "{said}");
            Ok(())
        });
        stop.store(true, Ordering::Relaxed);
        for talk in talks {
            let asked = talk.join().map_err(|_panic| anyhow!("a client panicked"))??;
            ensure!(asked > 0, "a client was done before the first reload");
        }
        reloads
    })
}
