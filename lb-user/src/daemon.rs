//! `lvx run`: the director with its feet in the network: the API, the neighbour table, netfilter, health checks, time.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::SocketAddr;
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
use crate::drops::{self, Drops};
use crate::health::{Checker, HealthEvent, Passive, PassiveCheck, Report, Target};
use crate::metrics;
use crate::neighbours::{self, Event, Handle, NeighbourEvent};
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
    passive: Passive,
    /// What is to be watched for which server of the config file.
    passive_checks: BTreeMap<Target, PassiveCheck>,
    /// Servers whose going down was told, and whose return was not.
    down: BTreeSet<Target>,
    drops: Drops,
    /// What netfilter has that is not followed, as it was told.
    unsupported: Vec<String>,
    mark_rule_sets: usize,
    /// What went wrong in the last second.
    trouble: Option<String>,
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
                    daemon.take_reports();
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
            _ = second.tick() => daemon.second(),
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
        let mut daemon = Self {
            director,
            neighbours,
            checker,
            passive: Passive::default(),
            passive_checks: config.passive.clone(),
            down: BTreeSet::new(),
            drops: Drops::default(),
            unsupported: Vec::new(),
            mark_rule_sets: 0,
            trouble: None,
            events: Events { network, netfilter, health },
        };
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
                log_path(&event);
                self.director.set_path(event.address, event.path);
            }
            Happening::Network(Event::Link(event)) => self.director.set_link(event),
            Happening::Netfilter(snapshot) => {
                let warnings: Vec<_> = snapshot.unsupported.iter().map(ToString::to_string).collect();
                for warning in warnings.iter().filter(|warning| !self.unsupported.contains(warning)) {
                    tracing::warn!("{warning}");
                }
                self.unsupported.clone_from(&warnings);
                let rule_sets = snapshot.rulesets.len();
                if (rule_sets, self.mark_rule_sets) != (0, 0) {
                    tracing::info!(rule_sets, "mark rules of netfilter");
                }
                self.mark_rule_sets = rule_sets;
                self.director.set_netfilter(snapshot.rulesets, warnings);
            }
            Happening::Health(event) => self.checked(event),
        }
    }

    /// A check changed its mind.
    fn checked(&mut self, HealthEvent { target, after, .. }: HealthEvent) {
        self.judge(&target, Some(after));
    }

    /// What is to become of a server, by the checker's and the passive signal's last word: an event may be of a check that
    /// has ended.
    fn judge(&mut self, target: &Target, after: Option<Duration>) {
        let Some(report) = self.report(target) else { return };
        let Report { healthy, detail, .. } = report;
        let server = SocketAddr::new(target.address, target.port);
        let after_seconds = after.map(|after| after.as_secs_f64());
        let told = if healthy { self.down.remove(target) } else { self.down.insert(*target) };
        if told && healthy {
            tracing::info!(service = %target.id, %server, detail, after_seconds, "real server is well again");
        } else if told {
            tracing::warn!(service = %target.id, %server, reason = detail, after_seconds, "real server is down");
        }
        self.director.set_health(target, healthy, detail);
    }

    /// What the checker says of a server, and the passive signal.
    fn report(&self, target: &Target) -> Option<Report> {
        Some(self.passive.judge(target, self.checker.report(target)?))
    }

    fn take_reports(&mut self) {
        let (checker, passive) = (&self.checker, &self.passive);
        self.director.set_reports(|target| Some(passive.judge(target, checker.report(target)?)));
    }

    /// A second has passed.
    fn second(&mut self) {
        let director = &self.director;
        for target in self.passive.observe(Instant::now(), |target| director.handshakes(target)) {
            self.judge(&target, None);
        }
        self.take_reports();
        let ticked = self.director.tick().and_then(|()| self.director.plane().reasons());
        let trouble = match ticked {
            Ok(counters) => {
                self.drops.observe(&counters).into_iter().for_each(drops::Event::log);
                None
            }
            Err(error) => Some(format!("{error:#}")),
        };
        if let Some(trouble) = trouble.as_ref().filter(|trouble| self.trouble.as_ref() != Some(*trouble)) {
            tracing::error!("{trouble}");
        }
        self.trouble = trouble;
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
        let checks = self.director.checks();
        let watched = |(target, _): &(Target, _)| Some((*target, *self.passive_checks.get(target)?));
        self.passive.set(checks.iter().filter_map(watched));
        let checked: BTreeSet<_> = checks.iter().map(|(target, _)| *target).collect();
        self.down.retain(|target| checked.contains(target));
        self.checker.set(checks);
    }
}

/// A line for the way to a real server; that it is being looked for is of little interest.
fn log_path(NeighbourEvent { address, path }: &NeighbourEvent) {
    match path {
        neighbours::Path::Reachable { .. } | neighbours::Path::Local => {
            tracing::info!(%address, %path, "real server is reached");
        }
        neighbours::Path::Unresolved { reason } if reason == "resolving" => {
            tracing::debug!(%address, "real server is looked for");
        }
        neighbours::Path::Unresolved { reason } => {
            tracing::warn!(%address, reason, "real server is not reached");
        }
    }
}

fn every(seconds: u64) -> tokio::time::Interval {
    let mut interval = interval(Duration::from_secs(seconds));
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    interval
}
