//! What health checks and clients' handshakes say, on its way to the director.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::time::Instant;

use super::{Daemon, TURN};
use crate::api::Response;
use crate::health::{HealthEvent, Report, Target};

impl Daemon<'_> {
    /// Checks changed their minds.
    pub(super) fn checked(&mut self, events: Vec<HealthEvent>) {
        for event in events {
            self.waiting.add(event.target, event.after);
        }
    }

    /// Tells the director of servers whose health has changed, service by service, for as long as its turn is.
    pub(super) fn carry_out(&mut self) {
        let start = Instant::now();
        while let Some(targets) = self.waiting.next_service() {
            let judge = |(target, after)| self.judge(target, Some(after));
            let verdicts: Vec<_> = targets.into_iter().filter_map(judge).collect();
            self.director.set_health_many(verdicts);
            if start.elapsed() > TURN {
                return;
            }
        }
    }

    /// What is to become of a server, by the checker's and the passive signal's last word: an event may be of a check that
    /// has ended.
    fn judge(&mut self, target: Target, after: Option<Duration>) -> Option<(Target, Report)> {
        let report = self.passive.judge(&target, self.checker.report(&target)?);
        let Report { detail, .. } = &report;
        let (service, server) = (target.id, SocketAddr::new(target.address, target.port));
        let after_seconds = after.map(|after| after.as_secs_f64());
        if !report.healthy && self.down.insert(target) {
            tracing::warn!(%service, %server, reason = detail, after_seconds, "real server is down");
        }
        // A server that is out until its first good answer was never told to be down.
        if report.healthy && (self.down.remove(&target) || after.is_some()) {
            tracing::info!(%service, %server, detail, after_seconds, "real server is well again");
        }
        Some((target, report))
    }

    /// The reason for a verdict may be another one by now.
    pub(super) fn heard(&mut self) {
        let news =
            self.checker.take_news().into_iter().map(|(target, report)| (target, self.passive.judge(&target, report)));
        self.director.set_health_many(news);
    }

    /// Asks the counters of handshakes, once a second.
    pub(super) fn look_at_handshakes(&mut self) {
        let director = &self.director;
        let changed = self.passive.observe(Instant::now(), |target| director.handshakes(target));
        self.judge_anew(changed);
    }

    /// Other servers are checked, or their handshakes are to be looked at in another way.
    pub(super) fn watch_handshakes(&mut self) {
        let checker = &self.checker;
        let passive = self.director.base().passive.iter();
        let watched = passive.filter(|(target, _)| checker.report(target).is_some());
        let released = self.passive.set(watched.map(|(target, check)| (*target, *check)));
        self.down.retain(|target| checker.report(target).is_some());
        self.judge_anew(released);
    }

    fn judge_anew(&mut self, targets: Vec<Target>) {
        let verdicts: Vec<_> = targets.into_iter().filter_map(|target| self.judge(target, None)).collect();
        self.director.set_health_many(verdicts);
    }

    /// What the director does not know: how long checks take.
    pub(super) fn add_times(&self, response: &mut Response) {
        let services = match response {
            Response::Status { status } => &mut status.services,
            Response::Services { services, .. } => services,
            Response::Done
            | Response::Refused { .. }
            | Response::Connections { .. }
            | Response::ConnectionPart { .. }
            | Response::Timeouts { .. }
            | Response::Sysctls { .. }
            | Response::Planned { .. }
            | Response::Applied { .. }
            | Response::Exported { .. }
            | Response::Generations { .. }
            | Response::Drains { .. } => return,
        };
        for service in services {
            let id = service.service.id;
            for entry in &mut service.servers {
                let target = Target { id, address: entry.server.address, port: entry.server.port };
                entry.check = self.checker.times(&target);
            }
        }
    }
}
