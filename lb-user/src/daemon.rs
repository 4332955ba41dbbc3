//! `lvx run`: the director with its feet in the network: the API, the neighbour table, netfilter, health checks, time.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout_at};

use crate::api::server::{Call, Server};
use crate::api::{Request, Response};
use crate::config::Config;
use crate::director::Director;
use crate::health::{Checker, HealthEvent, Target};
use crate::metrics;
use crate::neighbours::{self, Event, Handle};
use crate::netfilter::{self, Snapshot};

/// How long the start waits for neighbours and mark rules, so that the first packets find them.
const PATIENCE: Duration = Duration::from_secs(2);

/// Where the daemon keeps and offers things.
#[derive(Clone, Debug)]
pub struct Places {
    /// The API's unix socket.
    pub socket: PathBuf,
    /// Directory for what was set by hand.
    pub state: PathBuf,
}

struct Daemon {
    director: Director,
    neighbours: Handle,
    checker: Checker,
    events: Events,
}

/// Everything that happens outside.
struct Events {
    network: mpsc::Receiver<Event>,
    netfilter: mpsc::Receiver<Snapshot>,
    health: mpsc::Receiver<HealthEvent>,
}

/// Runs until SIGTERM or SIGINT.
///
/// # Errors
/// Something that the start needs is missing; nothing stays attached then.
pub async fn run(config: Config, places: &Places) -> Result<()> {
    if config.interfaces.is_empty() {
        bail!(
            "no interface to balance on: name one by `--interface eth0`, or by `interfaces = [\"eth0\"]` in the config file"
        );
    }
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let mut hangup = signal(SignalKind::hangup())?;
    let server = Server::bind(&places.socket).map_err(|error| {
        let advice = if error.kind() == io::ErrorKind::PermissionDenied { "; `lvx run` needs root" } else { "" };
        anyhow::Error::new(error).context(format!("cannot listen on {}{advice}", places.socket.display()))
    })?;
    let metrics = match config.metrics {
        Some(address) => Some(metrics::server::Server::bind(address).await?),
        None => None,
    };
    let mut daemon = Daemon::start(&config, &places.state)?;
    daemon.attach(&config).await?;
    let (calls, mut called) = mpsc::channel::<Call>(64);
    let (mut second, mut two_seconds) = (every(1), every(2));
    tracing::info!(interfaces = config.interfaces.join(","), socket = %places.socket.display(), "balancing");
    if let Some(metrics) = metrics {
        tokio::spawn(metrics.serve(calls.clone()));
    }
    let serving = server.serve(calls);
    tokio::pin!(serving);
    loop {
        tokio::select! {
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
            Some(()) = hangup.recv() => tracing::warn!("SIGHUP: the config file is read at the start only; restart lvx to apply it"),
            () = &mut serving => bail!("the API ended"),
            Some((request, back)) = called.recv() => {
                if matches!(request, Request::Status | Request::List { .. }) {
                    daemon.director.set_reports(|target| daemon.checker.report(target));
                }
                let mut response = daemon.director.handle(&request);
                daemon.add_times(&mut response);
                if matches!(response, Response::Done) {
                    daemon.follow_model();
                }
                // Who asked may have gone; the change is made all the same.
                drop(back.send(response));
            }
            event = daemon.events.next() => daemon.happened(event?),
            _ = second.tick() => {
                daemon.director.set_reports(|target| daemon.checker.report(target));
                if let Err(error) = daemon.director.tick() {
                    tracing::error!("{error:#}");
                }
            }
            _ = two_seconds.tick() => daemon.director.estimate(),
        }
    }
    tracing::info!("stopping");
    Ok(())
}

/// What happened outside.
enum Happening {
    Network(Event),
    Netfilter(Snapshot),
    Health(HealthEvent),
}

impl Events {
    async fn next(&mut self) -> Result<Happening> {
        let happening = tokio::select! {
            event = self.network.recv() => Happening::Network(event.context("nothing watches the network any more")?),
            snapshot = self.netfilter.recv() => {
                Happening::Netfilter(snapshot.context("nothing watches netfilter any more")?)
            }
            event = self.health.recv() => Happening::Health(event.context("nothing checks the real servers any more")?),
        };
        Ok(happening)
    }
}

impl Daemon {
    /// Everything but the interfaces.
    fn start(config: &Config, state: &Path) -> Result<Self> {
        let mut director = Director::new(config)?;
        if config.trace {
            let trace = director.plane().trace()?;
            tokio::spawn(async move {
                if let Err(error) = trace.follow().await {
                    tracing::error!("the packet trace ended: {error:#}");
                }
            });
        }
        director.remember(state)?;
        let (network_events, network) = mpsc::channel(1024);
        let neighbours = neighbours::spawn(network_events).context("cannot watch the network by netlink")?;
        let (snapshots, netfilter) = mpsc::channel(4);
        if config.follow_netfilter {
            tokio::spawn(netfilter::follow(netfilter::Kernel, snapshots.clone()));
        } else {
            snapshots.try_send(Snapshot::default())?;
        }
        // The channel stays open without a follower.
        tokio::spawn(async move { snapshots.closed().await });
        let (health_events, health) = mpsc::channel(1024);
        let checker = Checker::new(health_events);
        let mut daemon = Self { director, neighbours, checker, events: Events { network, netfilter, health } };
        daemon.follow_model();
        Ok(daemon)
    }

    /// Waits a moment for what the first packets need, then attaches.
    async fn attach(&mut self, config: &Config) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        let mut marks_known = false;
        while !marks_known || !self.director.knows_all_paths() {
            let Ok(happening) = timeout_at(deadline, self.events.next()).await else { break };
            let happening = happening?;
            marks_known |= matches!(happening, Happening::Netfilter(_));
            self.happened(happening);
        }
        let links = neighbours::links().await.context("cannot list the interfaces")?;
        for name in &config.interfaces {
            self.director.attach(name, links.iter().find(|link| link.name == *name))?;
        }
        Ok(())
    }

    fn happened(&mut self, happening: Happening) {
        match happening {
            Happening::Network(Event::Neighbour(event)) => {
                tracing::info!(server = %event.address, path = %event.path, "neighbour");
                self.director.set_path(event.address, event.path);
            }
            Happening::Network(Event::Link(event)) => self.director.set_link(event),
            Happening::Netfilter(snapshot) => {
                let warnings: Vec<_> = snapshot.unsupported.iter().map(ToString::to_string).collect();
                for warning in &warnings {
                    tracing::warn!("{warning}");
                }
                tracing::info!(rule_sets = snapshot.rulesets.len(), "mark rules of netfilter");
                self.director.set_netfilter(snapshot.rulesets, warnings);
            }
            Happening::Health(event) => self.checked(event),
        }
    }

    fn checked(&mut self, event: HealthEvent) {
        // The checker's own word is the latest; an event may be of a check that has ended.
        let Some(report) = self.checker.report(&event.target) else { return };
        let HealthEvent { target, after, .. } = event;
        let (healthy, detail) = (report.healthy, report.detail);
        tracing::info!(service = %target.id, server = %target.address, healthy, ?after, detail, "health");
        self.director.set_health(&target, healthy, detail);
    }

    /// What the director does not know: how long checks take.
    fn add_times(&self, response: &mut Response) {
        let services = match response {
            Response::Status { status } => &mut status.services,
            Response::Services { services, .. } => services,
            Response::Done
            | Response::Refused { .. }
            | Response::Connections { .. }
            | Response::Timeouts { .. }
            | Response::Sysctls { .. } => return,
        };
        for service in services {
            let id = service.service.id;
            for entry in &mut service.servers {
                let target = Target { id, address: entry.server.address, port: entry.server.port };
                entry.check = self.checker.times(&target);
            }
        }
    }

    /// The model changed: other addresses to resolve, other servers to check.
    fn follow_model(&mut self) {
        self.neighbours.watch(self.director.addresses());
        self.checker.set(self.director.checks());
    }
}

fn every(seconds: u64) -> tokio::time::Interval {
    let mut interval = interval(Duration::from_secs(seconds));
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    interval
}
