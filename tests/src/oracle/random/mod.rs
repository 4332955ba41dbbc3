//! Random cases: services, changes in the middle, packets, and what `ipvsadm` shows of it all. A seed makes the same case
//! each time.
//!
//! What LVX does not have, or does otherwise on purpose (docs/ipvs-differences.md), is not in them.

mod change;
mod rng;
mod service;
pub mod timed;
mod traffic;

use std::time::Duration;

use super::case::{Action, Case, Line, Sysctl};
use rng::Rng;
use service::Service;
use traffic::Traffic;

/// What is shown at the end of a case, besides the counters.
const LISTINGS: [&str; 5] =
    ["ipvsadm -Ln", "ipvsadm -Ln --persistent-conn", "ipvsadm -Ln --thresholds", "ipvsadm -Lnc", "ipvsadm -Sn"];

/// The kernel adds its counters up every two seconds (`ip_vs_est.c: estimation_timer`), and shows what they were then.
const COUNTED: Duration = Duration::from_millis(2200);

/// Commands that a case starts with, at most; more come as one set of rules.
const SINGLE: usize = 6;

/// Commands in the middle of a case, at most: each is a process in the guest.
const CHANGES: usize = 6;

/// A case with so many packets.
pub fn case(seed: u64, packets: usize) -> Case {
    let mut maker = Maker {
        rng: Rng::new(seed),
        services: Vec::new(),
        traffic: Traffic::default(),
        waited: false,
        removed: Vec::new(),
        remade: false,
        actions: Vec::new(),
    };
    maker.prepare();
    let changes = maker.rng.below(CHANGES + 1);
    let mut at: Vec<usize> = (0..changes).map(|_| maker.rng.below(packets.max(1))).collect();
    at.sort_unstable();
    for number in 0..packets {
        for _ in at.iter().filter(|change| **change == number) {
            maker.change();
        }
        let sent = maker.traffic.packet(&maker.services, &mut maker.rng);
        maker.actions.push(Action::Send(sent));
    }
    maker.actions.extend(LISTINGS.map(Action::command));
    // Where the counters of a service made again begin, the kernel's memory decides (docs/ipvs-differences.md).
    if !maker.remade {
        maker.actions.extend([Action::Wait(COUNTED), Action::command("ipvsadm -Ln --stats")]);
    }
    Case { name: format!("random_{seed}"), about: format!("the random case of seed {seed}"), actions: maker.actions }
}

/// What is known of a case while it is made.
struct Maker {
    rng: Rng,
    services: Vec<Service>,
    traffic: Traffic,
    /// Whether there was a wait for the counters.
    waited: bool,
    /// Services that were removed.
    removed: Vec<String>,
    /// Whether one of them was made again.
    remade: bool,
    actions: Vec<Action>,
}

impl Maker {
    /// Sysctls, and services with their servers: by single commands, or as one set of rules.
    fn prepare(&mut self) {
        for _ in 0..self.rng.weighted(&[(60, 0), (30, 1), (10, 2)]) {
            self.write_sysctl();
        }
        let mut lines = Vec::new();
        for _ in 0..self.rng.weighted(&[(45, 1), (35, 2), (20, 3)]) {
            let mut service = Service::random(&mut self.rng);
            for rule in &service.rules {
                self.actions.push(Action::command(rule));
            }
            service.present = true;
            lines.push(format!("-A {}{}", service.id, service.options(&mut self.rng)));
            let servers = self.rng.weighted(&[(3, 0), (10, 1), (25, 2), (40, 3), (17, 5), (5, 20)]);
            for _ in 0..servers {
                let number = service.number(true, &mut self.rng);
                lines.push(self.added(&mut service, number));
            }
            self.services.push(service);
        }
        if lines.len() > SINGLE || self.rng.percent(50) {
            let input = lines.iter().map(|line| format!("{line}\n")).collect();
            self.actions.push(Action::Command(Line { words: "ipvsadm -R".to_owned(), input }));
        } else {
            self.actions.extend(lines.iter().map(|line| Action::command(format!("ipvsadm {line}"))));
        }
    }

    /// `-a` of a server, which the service has then.
    fn added(&mut self, service: &mut Service, number: u8) -> String {
        if !service.servers.contains(&number) {
            service.servers.push(number);
        }
        let server = service.server(number, &mut self.rng);
        format!("-a {} {server}{}", service.id, service::server_options(&mut self.rng))
    }

    /// Waits until the kernel has added its counters up, before a command that starts them anew: it takes off only what was
    /// added up (`ip_vs_zero_stats`). Once in a case, for connections that were reset live no longer than ten seconds.
    fn count(&mut self) -> bool {
        if !self.waited {
            self.actions.push(Action::Wait(COUNTED));
        }
        !std::mem::replace(&mut self.waited, true)
    }

    fn write_sysctl(&mut self) {
        let (name, last) = self.rng.pick(&change::SYSCTLS);
        if name == "expire_nodest_conn" {
            self.traffic.forget();
        }
        let value = self.rng.between(0, last).to_string();
        self.actions.push(Action::Sysctl(Sysctl { name: name.to_owned(), value }));
    }
}
