//! A real server dies and comes back: noticed by a watcher script in the old style, then by LVX' own health check.

use std::fs::File;
use std::process::Stdio;
use std::time::Duration;

use anyhow::Result;

use super::show::Show;
use super::visits::{Visits, follows, tally};
use super::{PORTS, daemon};
use crate::lab::{Answer, Lab, NginxSpec};
use crate::wait;

/// The real server that dies.
const VICTIM: (&str, &str) = ("r1", "172.16.100.10");

/// Its colleague.
const OTHER: (&str, &str) = ("r2", "172.16.100.11");

/// Longest time until it is out, or back.
const LIMIT: Duration = Duration::from_secs(5);

const WATCHER: &str = include_str!("watcher.sh");

const CONFIG: &str = include_str!("health.toml");

/// Says whether a real server is in service.
type InService = fn(&Lab, &str) -> Result<bool>;

/// With the script, by `ipvsadm -a` and `ipvsadm -d`.
pub(super) fn watcher(show: &mut Show<'_>) -> Result<()> {
    show.heading("Health, the old way: a script with curl, ipvsadm -a and ipvsadm -d");
    show.fresh()?;
    let script = show.lab.directory().join("watcher.sh");
    std::fs::write(&script, WATCHER)?;
    show.operator(&["ipvsadm -A -t 172.16.100.1:80 -s wrr -p 3600"])?;
    println!("  d# sh watcher.sh &");
    let log = File::create(show.lab.directory().join("watcher.log"))?;
    let mut shell = show.lab.command("d", "sh")?;
    shell.arg(&script).stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
    let process = show.lab.spawn(&mut shell)?;
    death_and_return(show, listed)?;
    show.lab.stop(process)
}

/// With a config file and no script.
pub(super) fn own(show: &mut Show<'_>) -> Result<()> {
    show.heading("Health, LVX' own: HTTP every second, rise 2, fall 2, no script");
    let file = show.lab.directory().join("lvx.toml");
    std::fs::write(&file, CONFIG)?;
    println!("  d# lvx run --config lvx.toml");
    daemon::start(show.lab, Some(&file))?;
    death_and_return(show, daemon::is_up)?;
    show.operator_sees("ipvsadm -Ln")
}

fn listed(lab: &Lab, address: &str) -> Result<bool> {
    let list = lab.run("d", &["ipvsadm", "-Ln"])?;
    Ok(String::from_utf8_lossy(&list.stdout).contains(&format!(" {address}:80 ")))
}

fn death_and_return(show: &mut Show<'_>, in_service: InService) -> Result<()> {
    let lab = show.lab;
    wait::until("both real servers are in service", LIMIT, || {
        Ok(in_service(lab, VICTIM.1)? && in_service(lab, OTHER.1)?)
    })?;
    let clients = show.arms.clients(false);
    let (old, new) = (&clients[..6], &clients[6..12]);
    let mut visits = Visits::default();
    visits.add(lab, "at first", old, 80)?;

    show.stop_server(VICTIM.0)?;
    let out = wait::until("the dead real server is taken out", LIMIT, || Ok(!in_service(lab, VICTIM.1)?))?;
    visits.add(lab, "r1 dead", old, 80)?;

    show.start_server(VICTIM.0, &NginxSpec::new(&PORTS))?;
    let back = wait::until("the real server is put back", LIMIT, || in_service(lab, VICTIM.1))?;
    visits.add(lab, "r1 back", &clients[..12], 80)?;

    visits.print();
    show.check(follows(&visits.column(0), &["r2", "r1", "r1"]), "at first 2:1, in IPVS' order");
    show.check(true, format!("r1 dead: out of service {:.1} s later", out.as_secs_f64()));
    show.check(follows(&visits.column(1), &["r2"]), "every client goes on with r2");
    show.check(true, format!("r1 lives: in service {:.1} s later", back.as_secs_f64()));
    let last = visits.column(2);
    let (stayed, came) = last.split_at(old.len());
    show.check(follows(stayed, &["r2"]), "who moved to r2 stays there");
    let to_victim = came.iter().filter(|&&answer| *answer == Answer::From(VICTIM.0.to_owned())).count();
    show.check(to_victim * 3 == new.len() * 2, format!("{} new clients again 2:1: {}", new.len(), tally(came)));
    Ok(())
}
