//! What failed checks do under each policy, who is told, and how servers are drained.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use lb_user::api::{DrainEntry, Role, ServerEntry};
use xtask::lab::{Answer, Arms, Client, VIPS};
use xtask::wait;

use super::director::{Director, find_server};
use super::echo::Echo;
use super::setup::Setup;
use super::talk::TcpFlow;

const LIMIT: Duration = Duration::from_secs(30);

/// The port of the service, and the one that checks ask.
const SERVICE: u16 = 7;
const CHECKED: u16 = 9;

/// A family's VIP as services write it, and its real servers.
const FAMILIES: [(bool, &str, [&str; 3]); 2] = [
    (false, "172.16.100.1", ["172.16.100.10", "172.16.100.11", "172.16.100.20"]),
    (true, "[2001:db8:100::1]", ["2001:db8:100::10", "2001:db8:100::11", "2001:db8:100::20"]),
];

/// A service of each family with two servers; keys may name the third one as `THIRD`.
fn services(keys: &str, first_server: &str) -> String {
    let service = |(_, vip, [a, b, third]): (bool, &str, [&str; 3])| {
        let keys = keys.replace("THIRD", third);
        format!(
            "[[service]]\ntcp = \"{vip}:{SERVICE}\"\n{keys}\n
             health = {{ type = \"tcp\", port = {CHECKED}, interval = \"200ms\", timeout = \"300ms\" }}
             [[service.real_server]]\naddress = \"{a}\"\n{first_server}\n
             [[service.real_server]]\naddress = \"{b}\"\n"
        )
    };
    FAMILIES.map(service).concat()
}

/// Answers on the VIPs of a host.
fn serve(director: &Director, host: &str) -> Result<Echo> {
    Echo::start(&director.lab, host, &VIPS, &[SERVICE])
}

/// Answers to the checks of a host, of its own addresses and of the VIPs.
fn be_well(director: &Director, host: &str) -> Result<Echo> {
    let number = if host == "r1" { 0 } else { 1 };
    let own = FAMILIES.map(|(_, _, servers)| servers[number]);
    Echo::start(&director.lab, host, &[own[0], own[1], VIPS[0], VIPS[1]], &[CHECKED])
}

/// Waits until a server of each family is as it must be.
fn comes_to(director: &Director, server: usize, what: &str, is: impl Fn(&ServerEntry) -> bool) -> Result<()> {
    for (_, _, servers) in FAMILIES {
        let address = servers[server];
        director.until(&format!("{address} is {what}"), LIMIT, |status| {
            Ok(find_server(status, address).is_ok_and(|server| is(&server)))
        })?;
    }
    Ok(())
}

fn role(role: Role) -> impl Fn(&ServerEntry) -> bool {
    move |server| server.role == role
}

/// Who answers new connections of some clients.
fn answers(director: &Director, clients: &[Client]) -> Result<Vec<String>> {
    let mut answers = Vec::new();
    for &client in clients {
        answers.push(TcpFlow::open(&director.lab, client, SERVICE)?.ask()?.to_string());
    }
    answers.sort();
    answers.dedup();
    Ok(answers)
}

/// A connection of each family to a host.
fn flows_to(director: &Director, host: &str) -> Result<Vec<TcpFlow>> {
    let mut flows = Vec::new();
    for (six, ..) in FAMILIES {
        let mut found = None;
        for &client in &director.clients(six)[..6] {
            let mut flow = TcpFlow::open(&director.lab, client, SERVICE)?;
            if flow.ask()? == Answer::from(host) {
                found = Some(flow);
                break;
            }
        }
        flows.push(found.with_context(|| format!("nobody goes to {host}"))?);
    }
    Ok(flows)
}

#[test]
fn all_go_down_the_sorry_server_answers_and_whoever_wants_to_know_is_told_why() -> Result<()> {
    let director = Setup::new(Arms::One).stopped()?;
    let told = director.lab.directory().join("told");
    let script = "echo $LVX_EVENT $LVX_SERVICE $LVX_SERVER $LVX_STATE: $LVX_REASON >> $0; cat > /dev/null";
    let notify = format!("[notify]\ncommand = [\"/bin/sh\", \"-c\", '{script}', \"{}\"]\n", told.display());
    let keys = "scheduler = \"rr\"\nsorry_server = { address = \"THIRD\" }";
    director.configure(&(notify + &services(keys, "on_failure = \"inhibit\"")))?;
    let _echoes = ["r1", "r2", "r3"].map(|host| serve(&director, host));
    let (first, second) = (be_well(&director, "r1")?, be_well(&director, "r2")?);
    director.start()?;
    let mut kept = flows_to(&director, "r1")?;

    first.end()?;
    comes_to(&director, 0, "inhibited", role(Role::Inhibited))?;
    for ((six, ..), flow) in FAMILIES.into_iter().zip(&mut kept) {
        assert_eq!(flow.ask()?, Answer::from("r1"), "its connections stay");
        assert_eq!(answers(&director, &director.clients(six)[..4])?, ["r2"]);
    }
    let listed = director.does(&["ipvsadm -Ln"])?;
    let mut first = listed.lines().filter(|line| line.contains("172.16.100.10:7"));
    assert!(first.any(|line| line.contains("Route   0 ")), "it is listed with weight 0:\n{listed}");
    assert!(director.does(&["lvx status"])?.contains("inhibited, DOWN (connection refused)"));

    second.end()?;
    comes_to(&director, 2, "the sorry server", role(Role::Sorry))?;
    for ((six, ..), flow) in FAMILIES.into_iter().zip(&mut kept) {
        assert_eq!(answers(&director, &director.clients(six)[..4])?, ["r3"], "the sorry server");
        assert_eq!(flow.ask()?, Answer::from("r1"), "the inhibited one keeps its connections");
    }
    let shown = director.does(&["lvx status"])?;
    assert!(
        shown.contains("quorum LOST: healthy weights 0, needed 1, hysteresis 0") && shown.contains("sorry, "),
        "{shown}"
    );

    let _first = be_well(&director, "r1")?;
    comes_to(&director, 0, "back", role(Role::Serves))?;
    for (six, ..) in FAMILIES {
        assert_eq!(answers(&director, &director.clients(six)[..4])?, ["r1"], "recovered");
    }
    assert!(!director.does(&["ipvsadm -Ln"])?.contains("172.16.100.20"), "the sorry server is gone");

    for (_, vip, [a, b, _]) in FAMILIES {
        let (v6, service) = (vip.starts_with('['), format!("TCP {vip}:{SERVICE}"));
        let server = |address: &str| if v6 { format!("[{address}]:{SERVICE}") } else { format!("{address}:{SERVICE}") };
        let (a, b) = (server(a), server(b));
        let sum = |weight| format!("the weights of healthy servers add up to {weight}, quorum 1, hysteresis 0");
        for line in [
            format!("server {service} {a} down: connection refused"),
            format!("server {service} {b} down: connection refused"),
            format!("service {service} down: {b} is down: connection refused"),
            format!("quorum {service} down: {}: {b} is down: connection refused", sum(0)),
            format!("server {service} {a} up: connected"),
            format!("quorum {service} up: {}: {a} is up: connected", sum(1)),
            format!("service {service} up: {a} is up: connected"),
        ] {
            wait::until(&format!("`{line}` is told"), LIMIT, || {
                let told = std::fs::read_to_string(&told).unwrap_or_default();
                Ok(told.lines().any(|told| told == line))
            })
            .with_context(|| std::fs::read_to_string(&told).unwrap_or_default())?;
        }
    }
    Ok(())
}

/// What `lvx drains --json` says of the first server of a family.
fn drain_of(director: &Director, address: &str) -> Result<DrainEntry> {
    let drains: Vec<DrainEntry> = serde_json::from_str(&director.does(&["lvx drains --json"])?)?;
    drains.into_iter().find(|drain| drain.address.to_string() == address).context("no such drain")
}

#[test]
fn a_server_is_drained_in_good_order_and_stays_out_after_a_restart_too() -> Result<()> {
    let director = Setup::new(Arms::One).config(&services("scheduler = \"rr\"\npersistent = 300", "")).stopped()?;
    let _echoes = ["r1", "r2"].map(|host| serve(&director, host));
    let _well = ["r1", "r2"].map(|host| be_well(&director, host));
    director.start()?;
    let mut kept = flows_to(&director, "r1")?;
    for ((six, _, [a, ..]), flow) in FAMILIES.into_iter().zip(&mut kept) {
        director.does(&[&format!("lvx drain {a} --for 10m30s")])?;
        let server = director.server(a)?;
        ensure!(matches!(server.role, Role::Draining { left: 600..=630 }), "{server:?}");
        assert_eq!(server.effective_weight, Some(0));
        assert_eq!(flow.ask()?, Answer::from("r1"), "connections stay");
        assert_eq!(answers(&director, &director.clients(six)[10..14])?, ["r2"], "new clients go elsewhere");
        let drain = drain_of(&director, a)?;
        assert!(!drain.over && drain.servers[0].connections >= 1 && drain.servers[0].templates == 1, "{drain:?}");
        let shown = director.does(&["lvx status", "lvx drains"])?;
        assert!(shown.contains("draining 10m") && shown.contains(&format!("{a}: 10m")), "{shown}");

        let waited = director.does(&[&format!("lvx drain {a} --for 2s --wait")])?;
        assert!(waited.contains("1 templates left"), "{waited}");
        director.until("it is out of service", LIMIT, |status| Ok(find_server(status, a)?.role == Role::Drained))?;
        assert_eq!(flow.ask()?, Answer::Silence, "at the deadline what is left is dropped");
        assert!(!director.does(&["ipvsadm -Ln"])?.contains(&format!("{a}:7")));
    }
    director.end(libc::SIGTERM)?;
    director.start()?;
    for (six, _, [a, ..]) in FAMILIES {
        assert_eq!(director.server(a)?.role, Role::Drained, "after a restart");
        assert_eq!(answers(&director, &director.clients(six)[..4])?, ["r2"]);
        director.does(&[&format!("lvx undrain {a}")])?;
        assert_eq!(director.server(a)?.role, Role::Serves);
        assert_eq!(answers(&director, &director.clients(six)[14..18])?, ["r1", "r2"]);
        assert_eq!(
            director.sh(&format!("lvx undrain {a}"))?.stderr,
            format!("lvx: {a} is not drained; `lvx drains` lists what is\n")
        );
    }
    assert_eq!(director.sh("lvx drain 192.0.2.1 --for 1s")?.stderr, "lvx: No such destination\n");
    Ok(())
}

#[test]
fn alpha_servers_wait_for_their_first_answer_and_start_slowly() -> Result<()> {
    let keys = "scheduler = \"wlc\"\nalpha = true\nslow_start = \"8s\"";
    let director = Setup::new(Arms::One).config(&services(keys, "weight = 100")).stopped()?;
    let _echoes = ["r1", "r2"].map(|host| serve(&director, host));
    let _second = be_well(&director, "r2")?;
    director.start()?;
    comes_to(&director, 1, "in service", |server| server.effective_weight == Some(1))?;
    comes_to(&director, 0, "out", |server| server.role == Role::Removed && server.effective_weight.is_none())?;
    let _first = be_well(&director, "r1")?;
    comes_to(&director, 0, "starting slowly", |server| {
        matches!(server.role, Role::SlowStart { .. }) && server.effective_weight.is_some_and(|weight| weight < 100)
    })?;
    comes_to(&director, 0, "in service", |server| server.role == Role::Serves && server.effective_weight == Some(100))?;
    Ok(())
}
