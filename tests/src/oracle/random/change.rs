//! Random changes in the middle of a case, wrong ones too.

use super::service::{Service, server_options};
use super::{LISTINGS, Maker};
use crate::oracle::case::Action;

/// Sysctls that are written, and the largest value of each.
pub const SYSCTLS: [(&str, u32); 4] =
    [("conn_reuse_mode", 3), ("expire_nodest_conn", 1), ("expire_quiescent_template", 1), ("sloppy_tcp", 1)];

/// Commands that the real `ipvsadm` refuses, or takes without a word, whatever there is.
const WRONG: [&str; 24] = [
    "ipvsadm -A -t 172.16.100.1:82 -s bogus",
    "ipvsadm -A -t 172.16.100.1",
    "ipvsadm -A -t 172.16.100.1:0 -s rr",
    "ipvsadm -A -t 80",
    "ipvsadm -A -t 172.16.100.1:99999",
    "ipvsadm -A",
    "ipvsadm -a -t 172.16.100.1:80",
    "ipvsadm -a -t 172.16.100.1:99 -r 172.16.100.10",
    "ipvsadm -A -t 172.16.100.1:83 -r 172.16.100.10",
    "ipvsadm -d -t 172.16.100.1:80 -r 172.16.100.10 -w 3",
    "ipvsadm -A -t 172.16.100.1:83 -t 172.16.100.1:84",
    "ipvsadm -A -t 172.16.100.1:83 extra",
    "ipvsadm -A -t 172.16.100.1:83 -p 0",
    "ipvsadm -A -t 172.16.100.1:83 -p 2678401",
    "ipvsadm -A -t 172.16.100.1:83 -M 255.255",
    "ipvsadm -A -t 172.16.100.1:83 -o",
    "ipvsadm -A -f 0",
    "ipvsadm -a -t 172.16.100.1:80 -r 172.16.100.10 -w -1",
    "ipvsadm -a -t 172.16.100.1:80 -r 224.0.0.1",
    "ipvsadm -a -t 172.16.100.1:80 -r 2001:db8:100::10",
    "ipvsadm --set 1 2",
    "ipvsadm -Ln -t 172.16.100.1:99",
    "ipvsadm -Lnc --stats",
    "ipvsadm -Z -t 172.16.100.1:99",
];

/// Kinds of changes.
#[derive(Clone, Copy)]
enum Kind {
    AddServer,
    EditServer,
    DeleteServer,
    AddService,
    EditService,
    DeleteService,
    Clear,
    Zero,
    Timeouts,
    Sysctl,
    Rules,
    Wrong,
    Show,
}

const KINDS: [(usize, Kind); 13] = [
    (18, Kind::AddServer),
    (24, Kind::EditServer),
    (14, Kind::DeleteServer),
    (8, Kind::AddService),
    (12, Kind::EditService),
    (4, Kind::DeleteService),
    (1, Kind::Clear),
    (3, Kind::Zero),
    (3, Kind::Timeouts),
    (7, Kind::Sysctl),
    (2, Kind::Rules),
    (10, Kind::Wrong),
    (12, Kind::Show),
];

impl Maker {
    /// A change, or a look at what there is.
    pub(super) fn change(&mut self) {
        let at = self.rng.below(self.services.len());
        let mut service = self.services[at].clone();
        match self.rng.weighted(&KINDS) {
            Kind::AddServer => {
                let number = service.number(true, &mut self.rng);
                let line = self.added(&mut service, number);
                self.command(line);
            }
            Kind::EditServer => {
                let number = service.number(false, &mut self.rng);
                let server = service.server(number, &mut self.rng);
                let options = server_options(&mut self.rng);
                self.command(format!("-e {} {server}{options}", service.id));
            }
            Kind::DeleteServer => {
                let number = service.number(false, &mut self.rng);
                let server = service.server(number, &mut self.rng);
                service.servers.retain(|other| *other != number);
                self.command(format!("-d {} {server}", service.id));
            }
            Kind::AddService => return self.add_service(service),
            Kind::EditService => {
                let options = service.options(&mut self.rng);
                self.command(format!("-E {}{options}", service.id));
            }
            Kind::DeleteService if self.count() => {
                self.command(format!("-D {}", service.id));
                self.removed.push(service.id.clone());
                (service.present, service.servers) = (false, Vec::new());
                self.traffic.forget_ended();
            }
            Kind::Clear if self.count() => {
                self.command("-C".to_owned());
                self.traffic.forget_ended();
                for service in &mut self.services {
                    self.removed.push(service.id.clone());
                    (service.present, service.servers) = (false, Vec::new());
                }
                return;
            }
            Kind::Zero if self.count() => {
                let of = if self.rng.percent(50) { format!(" {}", service.id) } else { String::new() };
                self.command(format!("-Z{of}"));
            }
            Kind::DeleteService | Kind::Clear | Kind::Zero => return,
            Kind::Timeouts => {
                let line = self.rng.pick(&["0 60 0", "600 0 0", "0 0 200", "1000 100 250", "0 0 0"]);
                self.command(format!("--set {line}"));
            }
            Kind::Sysctl => self.write_sysctl(),
            Kind::Rules => self.change_rules(&service),
            Kind::Wrong => {
                let line = self.rng.pick(&WRONG);
                self.actions.push(Action::command(line));
            }
            Kind::Show => {
                let line = self.rng.pick(&LISTINGS);
                self.actions.push(Action::command(line));
            }
        }
        self.services[at] = service;
    }

    fn command(&mut self, line: String) {
        self.actions.push(Action::command(format!("ipvsadm {line}")));
    }

    /// Another service; or one that went is there again, with a server.
    fn add_service(&mut self, old: Service) {
        let mut service = if old.present { Service::random(&mut self.rng) } else { old };
        for rule in &service.rules {
            self.actions.push(Action::command(rule));
        }
        service.present = true;
        self.remade |= self.removed.contains(&service.id);
        let options = service.options(&mut self.rng);
        self.command(format!("-A {}{options}", service.id));
        for _ in 0..self.rng.between(1, 2) {
            let number = service.number(true, &mut self.rng);
            let line = self.added(&mut service, number);
            self.command(line);
        }
        self.services.retain(|other| other.id != service.id);
        self.services.push(service);
    }

    /// All marks go, or those of a service come again.
    fn change_rules(&mut self, service: &Service) {
        self.traffic.forget_ended();
        if service.rules.is_empty() || self.rng.percent(50) {
            let program = if service.vip.is_ipv4() { "iptables" } else { "ip6tables" };
            self.actions.push(Action::command(format!("{program} -t mangle -F PREROUTING")));
        } else {
            self.actions.extend(service.rules.iter().map(Action::command));
        }
    }
}
