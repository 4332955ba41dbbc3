//! A file is applied every second, which changes other services at random, under load on four that it does not change.

use std::fmt::Write as _;
use std::fs::File;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use super::load::Load;
use crate::lab::{Arms, Lab, NginxSpec, Options};
use crate::wait;

/// Time to load the packet program and to find the real servers.
const START: Duration = Duration::from_secs(60);

/// From one file to the next.
const PERIOD: Duration = Duration::from_secs(1);

/// Ports of the services under load, of each address family; requests to the second ones have a connection each.
const PORTS: [u16; 2] = [80, 8080];

/// Schedulers of the other services.
const SCHEDULERS: [&str; 7] = ["rr", "wlc", "mh", "sh", "dh", "lblc", "nq"];

/// The services under load.
const STEADY: &str = r#"
interfaces = ["eth0"]

[defaults.health]
interval = "500ms"

[[service]]
tcp = "172.16.100.1:80"
scheduler = "wlc"
health = true
real_server = [{ address = "172.16.100.10" }, { address = "172.16.100.11" }]

[[service]]
tcp = "172.16.100.1:8080"
scheduler = "mh"
real_server = [{ address = "172.16.100.10", weight = 2 }, { address = "172.16.100.11" }]

[[service]]
tcp = "[2001:db8:100::1]:80"
scheduler = "wrr"
persistent = 60
health = true
real_server = [{ address = "2001:db8:100::10" }, { address = "2001:db8:100::11" }]

[[service]]
tcp = "[2001:db8:100::1]:8080"
scheduler = "sh"
real_server = [{ address = "2001:db8:100::10" }, { address = "2001:db8:100::11" }]
"#;

/// Numbers that look random: xorshift64*.
struct Lots(u64);

impl Lots {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % limit
    }

    fn one<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of.get(usize::try_from(self.below(of.len() as u64)).unwrap_or(0)).copied().unwrap_or_default()
    }
}

/// Runs it.
pub(super) fn run(duration: Duration, seed: u64) -> Result<()> {
    println!("soak: reloads for {:.0} s, seed {seed}", duration.as_secs_f64());
    let lab = Lab::up(&Options { name: format!("soak{}", std::process::id()), arms: Arms::One })?;
    for host in ["r1", "r2", "r3", "r4"] {
        lab.nginx(host, &NginxSpec::new(&PORTS))?;
    }
    let config = lab.directory().join("lvx.toml");
    std::fs::write(&config, STEADY)?;
    let log = File::create(lab.directory().join("lvx.log"))?;
    let mut lvx = lab.command("d", "lvx")?;
    lvx.arg("run").arg("--config").arg(&config).arg("--state-dir").arg(lab.directory().join("state"));
    let process = lab.spawn(lvx.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log))?;
    wait::until("the real servers are reachable", START, || {
        ensure!(lab.is_running(process)?, "lvx ended:\n{}", said(&lab));
        Ok(are_reachable(&lab).unwrap_or(false))
    })?;
    let loads = start_loads(&lab, duration)?;
    let (mut lots, mut applied) = (Lots(seed | 1), Tally::default());
    let end = Instant::now() + duration;
    while Instant::now() < end {
        let next = Instant::now() + PERIOD;
        std::fs::write(&config, format!("{STEADY}{}", others(&mut lots)?))?;
        applied.reload(&lab)?;
        std::thread::sleep(next.min(end).saturating_duration_since(Instant::now()));
    }
    finish(loads, &applied)
}

/// What the reloads took.
#[derive(Debug, Default)]
struct Tally {
    reloads: u32,
    slowest: Duration,
}

impl Tally {
    fn reload(&mut self, lab: &Lab) -> Result<()> {
        let start = Instant::now();
        lab.run("d", &["lvx", "reload"]).with_context(|| format!("reload {}:\n{}", self.reloads + 1, said(lab)))?;
        self.reloads += 1;
        self.slowest = self.slowest.max(start.elapsed());
        Ok(())
    }
}

fn start_loads(lab: &Lab, duration: Duration) -> Result<Vec<Load>> {
    let mut loads = Vec::new();
    for (host, vip) in [("c1", "172.16.100.1"), ("c2", "[2001:db8:100::1]")] {
        for (port, anew) in PORTS.into_iter().zip([false, true]) {
            loads.push(Load::start(lab, host, &format!("http://{vip}:{port}/"), duration, anew)?);
        }
    }
    Ok(loads)
}

fn finish(loads: Vec<Load>, applied: &Tally) -> Result<()> {
    let mut failed = 0;
    for load in loads {
        let done = load.end()?;
        println!(
            "soak: {}: {} requests, {}",
            done.url,
            done.requests,
            match done.failures.as_slice() {
                [] => "none failed".to_owned(),
                failures => failures.join("; "),
            }
        );
        failed += done.failures.len();
        ensure!(done.requests > 0, "{} was never answered", done.url);
    }
    let Tally { reloads, slowest } = applied;
    println!("soak: {reloads} reloads, the slowest took {} ms", slowest.as_millis());
    if failed > 0 { bail!("requests failed") } else { Ok(()) }
}

/// Services besides, with other servers and the same ones, of all kinds; sysctls and timeouts.
fn others(lots: &mut Lots) -> Result<String> {
    let mut text = String::new();
    for number in 0..lots.below(12) {
        let port = 9000 + number * 3 + lots.below(3);
        let v6 = lots.below(2) == 1;
        let vip = if v6 { "[2001:db8:100::1]" } else { "172.16.100.1" };
        let net = if v6 { "2001:db8:100::" } else { "172.16.100." };
        let (protocol, scheduler) = (lots.one(&["tcp", "udp"]), lots.one(&SCHEDULERS));
        let health = if protocol == "tcp" { lots.one(&["true", "false"]) } else { "false" };
        writeln!(text, "[[service]]\n{protocol} = \"{vip}:{port}\"\nscheduler = \"{scheduler}\"\nhealth = {health}")?;
        writeln!(text, "real_server = [")?;
        for server in ["10", "11", "20", "21"] {
            if lots.below(2) == 1 {
                writeln!(text, "  {{ address = \"{net}{server}\", weight = {} }},", lots.below(4))?;
            }
        }
        writeln!(text, "]")?;
    }
    for mark in 1..=lots.below(4) {
        writeln!(
            text,
            "[[service]]\nmark = {mark}\nscheduler = \"{}\"\npersistent = 60\nhealth = false",
            lots.one(&["rr", "wrr"])
        )?;
        writeln!(text, "[[marks.rule]]\nmark = {mark}\ndestination_port = {}\n", 7000 + lots.below(100))?;
    }
    writeln!(text, "[timeouts]\nudp = {}\n[ipvs]\nsloppy_tcp = {}", 100 + lots.below(3), lots.below(2))?;
    Ok(text)
}

fn are_reachable(lab: &Lab) -> Result<bool> {
    let output = lab.run("d", &["lvx", "status", "--json"])?;
    let status: Value = serde_json::from_slice(&output.stdout).context("lvx status --json")?;
    let services = status.get("services").and_then(Value::as_array).into_iter().flatten();
    let mut servers = services.filter_map(|service| service.get("servers")?.as_array()).flatten();
    Ok(servers.all(|entry| entry.pointer("/neighbour/state").and_then(Value::as_str) == Some("reachable")))
}

fn said(lab: &Lab) -> String {
    std::fs::read_to_string(lab.directory().join("lvx.log")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_files_and_another_one_others() {
        let files = |seed| (0..5).map(|_| others(&mut Lots(seed))).collect::<Result<Vec<_>>>().ok();
        assert_eq!(files(7), files(7));
        assert_ne!(files(7), files(8));
    }
}
