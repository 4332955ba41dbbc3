//! When there is a leg, and what it is told.

use std::collections::BTreeSet;
use std::net::IpAddr;

use anyhow::Result;

use super::Leg;
use crate::config::Config;
use crate::dataplane::Sizes;
use crate::director::Director;
use crate::health::{Check, Checker, Target, Via};
use crate::neighbours::{LinkEvent, Path};

/// The leg of a running daemon. It is made when the first check asks for a VIP, and stays.
pub struct Questions {
    sizes: Sizes,
    /// Where answers are taken from, besides the interfaces that lead to real servers.
    interfaces: Vec<String>,
    leg: State,
}

enum State {
    /// No check asked for a VIP so far.
    Unneeded,
    Open(Box<Leg>),
    /// The kernel refused it, in these words.
    Refused(String),
}

impl Questions {
    /// No check asks for a VIP yet.
    pub fn new(config: &Config) -> Self {
        Self { sizes: config.sizes, interfaces: config.interfaces.clone(), leg: State::Unneeded }
    }

    /// These are the checks now, and the addresses of all real servers; call it before the checker gets the checks. Where
    /// VIPs cannot be asked for, it tells the director so.
    pub fn follow(
        &mut self,
        director: &mut Director,
        checker: &mut Checker,
        checks: &[(Target, Check)],
        servers: &BTreeSet<IpAddr>,
    ) {
        let vips: BTreeSet<_> =
            checks.iter().filter(|(_, check)| check.via == Via::Vip).map(|(_, check)| check.endpoint.ip()).collect();
        if let (false, State::Unneeded) = (vips.is_empty(), &self.leg) {
            self.leg = match self.open(director) {
                Ok(leg) => {
                    checker.set_door(leg.door());
                    State::Open(Box::new(leg))
                }
                Err(error) => State::Refused(format!("{error:#}")),
            };
        }
        match &mut self.leg {
            State::Unneeded => {}
            State::Open(leg) => told(director, "the VIPs", leg.follow(vips, servers)),
            State::Refused(_) if vips.is_empty() => {}
            State::Refused(why) => {
                tracing::error!("health checks cannot ask for VIPs: {why}");
                director.ask_addresses(why);
            }
        }
    }

    /// LVX balances on these interfaces from now on.
    pub fn set_interfaces(&mut self, director: &mut Director, interfaces: &[String]) {
        let new: Vec<_> = interfaces.iter().filter(|name| !self.interfaces.contains(name)).cloned().collect();
        self.interfaces = interfaces.to_vec();
        let State::Open(leg) = &mut self.leg else { return };
        for name in new {
            // One that is not there comes with an event.
            if let Ok(index) = index(&name) {
                told(director, &name, leg.attach(index, &name));
            }
        }
    }

    fn open(&self, director: &mut Director) -> Result<Leg> {
        let mut leg = Leg::open(self.sizes)?;
        for (server, path) in director.paths() {
            leg.set_path(server, path)?;
        }
        for name in &self.interfaces {
            // One that is not there comes with an event.
            if let Ok(index) = index(name) {
                leg.attach(index, name)?;
            }
        }
        Ok(leg)
    }

    /// A real server is reached in another way.
    pub fn set_path(&mut self, director: &mut Director, server: IpAddr, path: &Path) {
        if let State::Open(leg) = &mut self.leg {
            told(director, &server.to_string(), leg.set_path(server, path));
        }
    }

    /// An interface came, changed or went.
    pub fn set_link(&mut self, director: &mut Director, event: &LinkEvent) {
        let State::Open(leg) = &mut self.leg else { return };
        match event {
            LinkEvent::Changed(link) if self.interfaces.contains(&link.name) => {
                told(director, &link.name, leg.attach(link.index, &link.name));
            }
            LinkEvent::Changed(_) => {}
            LinkEvent::Removed(link) => leg.forget(link.index),
        }
    }
}

fn told(director: &mut Director, whom: &str, done: Result<()>) {
    if let Err(error) = done {
        tracing::error!("checks of VIPs, {whom}: {error:#}");
        director.warn(format!("health checks may fail for {whom}: {error:#}"));
    }
}

fn index(name: &str) -> Result<u32> {
    let name = std::ffi::CString::new(name)?;
    // SAFETY: the name ends with a zero, and lives.
    match unsafe { libc::if_nametoindex(name.as_ptr()) } {
        0 => Err(std::io::Error::last_os_error().into()),
        index => Ok(index),
    }
}
