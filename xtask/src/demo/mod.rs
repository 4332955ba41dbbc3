//! `cargo xtask demo`: an operator's LVS commands, verbatim, drive LVX in a lab; real clients connect, and every
//! answer is checked.

mod daemon;
mod health;
mod interrupt;
mod persistence;
mod show;
mod visits;

use std::time::Instant;

use anyhow::{Result, bail};
use clap::Args;

use crate::lab::{Arms, Lab, NginxSpec, REAL_SERVERS, down};
use crate::{build, lab, privilege};
use show::Show;

/// Name of the demo's lab.
const LAB: &str = "demo";

/// Ports on which the real servers answer with their names.
const PORTS: [u16; 7] = [80, 443, 25, 21, 10000, 15000, 20000];

/// What of the demo to play; without an option everything, and nothing stays.
#[derive(Clone, Copy, Debug, Args)]
pub struct Options {
    /// Only the one-arm lab: everybody in one LAN.
    #[arg(long, conflicts_with = "two_arm")]
    one_arm: bool,
    /// Only the two-arm lab: clients in front of the director, real servers behind it.
    #[arg(long)]
    two_arm: bool,
    /// Leave the lab that was played last up.
    #[arg(long)]
    keep: bool,
}

/// Builds everything and plays.
///
/// # Errors
/// Neither root nor sudo, the build's, or that something was not as it must be.
pub fn run(options: Options, prepared: bool) -> Result<()> {
    privilege::require()?;
    if !prepared {
        build::run()?;
    }
    privilege::become_root()?;
    interrupt::handle(|| down(LAB))?;
    let start = Instant::now();
    let mut arms = vec![Arms::One, Arms::Two];
    arms.retain(|arms| if *arms == Arms::One { !options.two_arm } else { !options.one_arm });
    let (mut passed, mut failed) = (0, 0);
    for (index, &shape) in arms.iter().enumerate() {
        let keep = options.keep && index + 1 == arms.len();
        let show = play(shape, keep)?;
        passed += show.0;
        failed += show.1;
    }
    println!("\n{passed} checks passed, {failed} failed, {:.0} s", start.elapsed().as_secs_f64());
    if options.keep {
        println!("{NEXT}");
    }
    if failed > 0 {
        bail!("LVX did not do what it must");
    }
    Ok(())
}

/// What to type after `--keep`.
const NEXT: &str = "\nThe lab is still up. Next, for example:
  cargo xtask lab exec --name demo d ipvsadm -Ln
  cargo xtask lab exec --name demo c1 curl -s http://172.16.100.1/
  cargo xtask lab exec --name demo d ipvsadm -Lnc
  cargo xtask lab exec --name demo d lvx status
  cargo xtask lab down --name demo";

/// Plays in one lab; gives the number of checks that passed and that failed.
fn play(arms: Arms, keep: bool) -> Result<(u32, u32)> {
    let lab = Lab::up(&lab::Options { name: LAB.to_owned(), arms })?;
    let mut show = Show::new(&lab, arms);
    if let Err(error) = parts(&mut show, arms) {
        show.check(false, format!("the demo cannot go on: {error:#}"));
        show.log();
    }
    let counts = show.counts();
    if keep {
        lab.keep();
    }
    Ok(counts)
}

fn parts(show: &mut Show<'_>, arms: Arms) -> Result<()> {
    for (host, _) in REAL_SERVERS {
        show.start_server(host, &NginxSpec::new(&PORTS))?;
    }
    let daemon = daemon::start(show.lab, None)?;
    persistence::pcc(show)?;
    persistence::ppc(show)?;
    persistence::ipv6(show)?;
    persistence::pnmpp(show)?;
    if arms == Arms::One {
        health::watcher(show)?;
        show.fresh()?;
        show.lab.stop(daemon)?;
        health::own(show)?;
    }
    Ok(())
}
