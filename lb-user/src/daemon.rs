//! `lvx run`: the director with its feet in the network: the API, the neighbour table, netfilter, health checks, time.

mod health;
mod lifecycle;
mod origin;

use std::cell::OnceCell;
use std::collections::BTreeSet;
use std::future;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until, timeout_at};

use crate::api::server::{Call, Server};
use crate::api::{Request, Response};
use crate::config::Config;
use crate::director::Director;
use crate::director::notify::Notifier;
use crate::drops::{self, Drops};
use crate::health::{Checker, HealthEvent, Passive, Target, Waiting};
use crate::leg::Questions;
use crate::logging;
use crate::metrics;
use crate::neighbours::{self, Event, Handle, NeighbourEvent};
use crate::netfilter::{self, Snapshot};
use crate::vips;
use lifecycle::{Chosen, Lifecycle};
pub use origin::Origin;
use origin::Text;

/// How long the start waits for neighbours and mark rules, so that the first packets find them.
const PATIENCE: Duration = Duration::from_secs(2);

/// Between two looks at what health checks found. Many servers that fail or recover together are few changes then, and
/// the rest of the daemon has its turn.
const REST: Duration = Duration::from_millis(50);

/// How long changes of health are carried out without a break for others.
const TURN: Duration = Duration::from_millis(20);

/// How many transitions may wait for a look.
const TRANSITIONS: usize = 65_536;

/// Where the daemon keeps and offers things.
#[derive(Clone, Debug)]
pub struct Places {
    /// The API's unix socket.
    pub socket: PathBuf,
    /// Directory for the files that were applied, and for what was set by hand.
    pub state: PathBuf,
}

struct Daemon<'v> {
    director: Director,
    neighbours: Handle,
    checker: Checker,
    questions: Questions,
    waiting: Waiting,
    passive: Passive,
    /// Servers whose going down was told, and whose return was not.
    down: BTreeSet<Target>,
    drops: Drops,
    /// What netfilter has that is not followed, as it was told.
    unsupported: Vec<String>,
    mark_rule_sets: usize,
    /// What went wrong in the last second.
    trouble: Option<String>,
    events: Events,
    lifecycle: Lifecycle,
    netfilter: Netfilter,
    vips: &'v vips::Handle,
}

/// Whether netfilter is followed, and where what it says goes.
struct Netfilter {
    snapshots: mpsc::Sender<Snapshot>,
    follower: Option<JoinHandle<()>>,
}

/// Everything that happens outside.
struct Events {
    network: mpsc::Receiver<Event>,
    netfilter: mpsc::Receiver<Snapshot>,
    health: mpsc::Receiver<HealthEvent>,
    /// When health is listened to again.
    rested: Instant,
}

/// Runs until SIGTERM or SIGINT.
///
/// # Errors
/// Something that the start needs is missing; nothing stays attached then.
pub async fn run(origin: Origin, places: &Places) -> Result<()> {
    // A file with mistakes is refused before anything is touched.
    let file = origin.read()?;
    logging::start(file.1.log);
    let vips = OnceCell::new();
    let ended = balance(origin, places, &vips, file).await;
    if let Some(vips) = vips.into_inner() {
        vips.end().await;
    }
    ended
}

/// Virtual addresses are put on by it, and taken away by its caller however it ends.
async fn balance(
    origin: Origin,
    places: &Places,
    vips: &OnceCell<vips::Handle>,
    file: (Option<Text>, Config),
) -> Result<()> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let mut hangup = signal(SignalKind::hangup())?;
    let failed = |what: String, error: anyhow::Error| {
        let kind = error.downcast_ref().map(io::Error::kind);
        let advice = if kind == Some(io::ErrorKind::PermissionDenied) { "; `lvx run` needs root" } else { "" };
        error.context(format!("{what}{advice}"))
    };
    let (lifecycle, chosen) = Lifecycle::open(origin, &places.state, file)
        .map_err(|error| failed(format!("cannot use {}", places.state.display()), error))?;
    let server = Server::bind(&places.socket, &chosen.config.api)
        .map_err(|error| failed(format!("cannot listen on {}", places.socket.display()), error))?;
    let interfaces = chosen.config.interfaces.join(",");
    if interfaces.is_empty() {
        bail!(
            "no interface to balance on: name one by `--interface eth0`, or by `interfaces = [\"eth0\"]` in the config file"
        );
    }
    let metrics = match chosen.config.metrics {
        Some(address) => Some(metrics::server::Server::bind(address).await?),
        None => None,
    };
    let keeper = vips::spawn().map_err(|error| {
        let root = error.kind() == io::ErrorKind::PermissionDenied;
        let advice = if root { ": this needs root (CAP_BPF, CAP_NET_ADMIN)" } else { "" };
        anyhow::Error::new(error).context(format!("cannot look after virtual addresses{advice}"))
    })?;
    let vips = vips.get_or_init(|| keeper);
    let mut daemon = Daemon::start(lifecycle, &chosen, vips)?;
    daemon.attach(&chosen.config).await?;
    daemon.keep(&chosen)?;
    vips.set(&chosen.config.vips, &chosen.config.interfaces);
    drop(chosen);
    let (calls, mut called) = mpsc::channel::<Call>(64);
    let (mut second, mut two_seconds) = (every(1), every(2));
    tracing::info!(interfaces, socket = %places.socket.display(), "balancing");
    if let Some(metrics) = metrics {
        tokio::spawn(metrics.serve(calls.clone()));
    }
    let mut serving = server.serve(calls, daemon.director.events())?;
    loop {
        tokio::select! {
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
            Some(()) = hangup.recv() => daemon.hang_up().await,
            why = serving.ended() => bail!("the API ended: {why}"),
            Some((request, back)) = called.recv() => {
                let mut response = daemon.answer(request).await;
                daemon.add_times(&mut response);
                // Who asked may have gone; the change is made all the same.
                drop(back.send(response));
            }
            event = daemon.events.next() => daemon.happened(event?),
            () = future::ready(()), if !daemon.waiting.is_empty() => daemon.carry_out(),
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
    Health(Vec<HealthEvent>),
}

impl Events {
    async fn next(&mut self) -> Result<Happening> {
        let happening = tokio::select! {
            event = self.network.recv() => Happening::Network(event.context("nothing watches the network any more")?),
            snapshot = self.netfilter.recv() => {
                Happening::Netfilter(snapshot.context("nothing watches netfilter any more")?)
            }
            events = transitions(&mut self.health, self.rested) => Happening::Health(events?),
        };
        if matches!(happening, Happening::Health(_)) {
            self.rested = Instant::now() + REST;
        }
        Ok(happening)
    }
}

/// All transitions that there are: the first as soon as it comes, those that follow it together.
async fn transitions(health: &mut mpsc::Receiver<HealthEvent>, rested: Instant) -> Result<Vec<HealthEvent>> {
    sleep_until(rested).await;
    let mut events = Vec::new();
    let any = health.recv_many(&mut events, TRANSITIONS).await;
    ensure!(any > 0, "nothing checks the real servers any more");
    Ok(events)
}

impl<'v> Daemon<'v> {
    /// Everything but the interfaces.
    fn start(lifecycle: Lifecycle, chosen: &Chosen, vips: &'v vips::Handle) -> Result<Self> {
        let mut director = Director::new(&chosen.config)?;
        if chosen.config.trace {
            let trace = director.plane().trace()?;
            tokio::spawn(async move {
                if let Err(error) = trace.follow().await {
                    tracing::error!("the packet trace ended: {error:#}");
                }
            });
        }
        director.replay(&chosen.by_hand, lifecycle.base_of(&chosen.by_hand).as_ref());
        director.set_notifier(Notifier::spawn(chosen.config.notify.clone()));
        let (network_events, network) = mpsc::channel(1024);
        let neighbours = neighbours::spawn(network_events).context("cannot watch the network by netlink")?;
        let (snapshots, netfilter) = mpsc::channel(4);
        let (health_events, health) = mpsc::channel(TRANSITIONS);
        let checker = Checker::new(health_events);
        let events = Events { network, netfilter, health, rested: Instant::now() };
        let netfilter = Netfilter { snapshots, follower: None };
        let questions = Questions::new(&chosen.config);
        let mut daemon = Self {
            director,
            neighbours,
            checker,
            questions,
            waiting: Waiting::default(),
            passive: Passive::default(),
            down: BTreeSet::new(),
            drops: Drops::default(),
            unsupported: Vec::new(),
            mark_rule_sets: 0,
            trouble: None,
            events,
            lifecycle,
            netfilter,
            vips,
        };
        if chosen.config.follow_netfilter {
            daemon.follow_netfilter(true);
        } else {
            daemon.netfilter.snapshots.try_send(Snapshot::default())?;
        }
        daemon.follow_model();
        Ok(daemon)
    }

    /// Follows netfilter's rules from now on, or no more.
    fn follow_netfilter(&mut self, follow: bool) {
        match (follow, self.netfilter.follower.take()) {
            (true, Some(follower)) => self.netfilter.follower = Some(follower),
            (true, None) => {
                let following = netfilter::follow(netfilter::Kernel, self.netfilter.snapshots.clone());
                self.netfilter.follower = Some(tokio::spawn(following));
            }
            (false, Some(follower)) => {
                follower.abort();
                self.director.set_netfilter(Vec::new(), Vec::new());
            }
            (false, None) => {}
        }
    }

    /// Answers a request: a change, a question, or what is about files.
    async fn answer(&mut self, request: Request) -> Response {
        match request {
            Request::Status | Request::List { .. } => {
                self.heard();
                let mut response = self.director.handle(&request);
                if let Response::Status { status } = &mut response {
                    status.vips = self.vips.status();
                }
                response
            }
            Request::Plan { .. }
            | Request::Apply { .. }
            | Request::Reload
            | Request::Export
            | Request::Generations
            | Request::Rollback { .. } => self.about_files(request).await,
            Request::AddService { .. }
            | Request::EditService { .. }
            | Request::DeleteService { .. }
            | Request::Flush
            | Request::AddServer { .. }
            | Request::EditServer { .. }
            | Request::DeleteServer { .. }
            | Request::OrderServers { .. }
            | Request::Zero { .. }
            | Request::SetTimeouts { .. }
            | Request::SetSysctls { .. }
            | Request::Connections
            | Request::ConnectionPart { .. }
            | Request::Timeouts
            | Request::Sysctls
            | Request::Drain { .. }
            | Request::Undrain { .. }
            | Request::Drains => {
                let response = self.director.handle(&request);
                if matches!(response, Response::Done) {
                    self.follow_model();
                }
                response
            }
        }
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
                self.questions.set_path(&mut self.director, event.address, &event.path);
                self.director.set_path(event.address, event.path);
            }
            Happening::Network(Event::Link(event)) => {
                self.questions.set_link(&mut self.director, &event);
                self.director.set_link(event);
            }
            // One may have waited while netfilter ceased to be followed.
            Happening::Netfilter(_) if self.netfilter.follower.is_none() => {}
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
            Happening::Health(events) => self.checked(events),
        }
    }

    /// A second has passed.
    fn second(&mut self) {
        self.look_at_handshakes();
        self.heard();
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

    /// The model changed: other addresses to resolve, other servers to check.
    fn follow_model(&mut self) {
        let addresses = self.director.changed_addresses();
        let checks = self.director.changed_checks();
        if let Some(checks) = checks {
            let addresses = self.director.addresses();
            self.questions.follow(&mut self.director, &mut self.checker, &checks, &addresses);
            self.checker.set_start_down(self.director.start_down());
            self.checker.set(checks);
            self.watch_handshakes();
        }
        if let Some(addresses) = addresses {
            self.neighbours.watch(addresses);
        }
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
