//! The task: takes what the kernel notifies, asks what it must, and reports.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::future;
use std::io;
use std::net::IpAddr;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval, sleep, sleep_until};

use super::Event;
use super::kernel::{BATCH, Kernel};
use super::session::{Change, Session};
use super::table::Table;

/// How often the kernel is asked for MAC addresses that are unknown.
const RETRY: Duration = Duration::from_secs(1);

/// Every how many retries it is also asked about those that are old.
const RETRIES_PER_REFRESH: u64 = 10;

/// How long a change of routes is left to settle: they come in bursts.
const SETTLE: Duration = Duration::from_millis(5);

/// Looking up all routes takes at most one part in this many of the time, however fast they change.
const SHARE: u32 = 5;

/// Why a session ended.
enum End {
    /// Nobody wants to know any more.
    Unwanted,
    /// Notifications were lost. Those that still wait are older than the lost ones, so the session is of no more use.
    Overrun,
    /// A socket failed.
    Failed(io::Error),
}

impl From<io::Error> for End {
    fn from(error: io::Error) -> Self {
        Self::Failed(error)
    }
}

/// Follows the kernel until nobody listens or watches any more.
pub(super) async fn follow(
    mut session: Session,
    wanted: watch::Receiver<BTreeSet<IpAddr>>,
    events: mpsc::Sender<Event>,
) {
    let mut follower = Follower { table: Table::default(), wanted, events };
    loop {
        let Err(end) = follower.run(session).await;
        match end {
            End::Unwanted => return,
            End::Overrun => {
                tracing::info!("netlink notifications were lost; looking at everything anew")
            }
            End::Failed(error) => {
                tracing::warn!(%error, "following neighbours and interfaces failed; trying again");
                sleep(RETRY).await;
            }
        }
        session = reopen().await;
    }
}

async fn reopen() -> Session {
    loop {
        match Session::open() {
            Ok(session) => return session,
            Err(error) => {
                tracing::warn!(%error, "the kernel refuses netlink sockets; trying again")
            }
        }
        sleep(RETRY).await;
    }
}

struct Follower {
    table: Table,
    wanted: watch::Receiver<BTreeSet<IpAddr>>,
    events: mpsc::Sender<Event>,
}

impl Follower {
    async fn run(&mut self, mut session: Session) -> Result<Infallible, End> {
        self.table.replace(session.kernel.links().await?, session.kernel.neighbours().await?);
        let mut lookup = Lookup { due: Some(Instant::now()), took: Duration::ZERO };
        let mut retry = Retry::new();
        loop {
            self.settle(&session.kernel).await?;
            tokio::select! {
                change = session.next() => self.change(change?, &mut lookup)?,
                wanted = self.wanted.changed() => {
                    wanted.map_err(|_closed| End::Unwanted)?;
                    self.watch(&session.kernel).await?;
                }
                () = future::ready(()), if self.table.has_questions() => {}
                () = lookup.is_due() => self.look_up_all(&session.kernel, &mut lookup).await?,
                refresh = retry.is_due() => {
                    self.table.ask_for_unknown();
                    if refresh {
                        self.table.ask_for_old();
                    }
                }
            }
        }
    }

    fn change(&mut self, change: Change, lookup: &mut Lookup) -> Result<(), End> {
        match change {
            Change::Neighbour(hop, entry) => self.table.neighbour(hop, entry),
            Change::Routes => lookup.request(),
            Change::Link(link) => {
                if self.table.link(link) {
                    lookup.request();
                }
            }
            Change::Unlink(index) => {
                if self.table.unlink(index) {
                    lookup.request();
                }
            }
            Change::Overrun => return Err(End::Overrun),
        }
        Ok(())
    }

    /// Takes a new set of addresses; only those that are new to it are looked up.
    async fn watch(&mut self, kernel: &Kernel) -> Result<(), End> {
        let new = {
            let wanted = self.wanted.borrow_and_update();
            self.table.retain(&wanted);
            self.table.without_route(&wanted)
        };
        self.look_up(kernel, new).await
    }

    async fn look_up_all(&mut self, kernel: &Kernel, lookup: &mut Lookup) -> Result<(), End> {
        let start = Instant::now();
        lookup.due = None;
        let all = {
            let wanted = self.wanted.borrow_and_update();
            self.table.retain(&wanted);
            wanted.iter().copied().collect()
        };
        self.look_up(kernel, all).await?;
        lookup.took = start.elapsed();
        Ok(())
    }

    async fn look_up(&mut self, kernel: &Kernel, addresses: Vec<IpAddr>) -> Result<(), End> {
        let routes = kernel.routes(&addresses).await?;
        for (address, route) in addresses.into_iter().zip(routes) {
            self.table.route(address, route);
        }
        Ok(())
    }

    /// Reports, and has the kernel asked a few questions: a full neighbour table takes a millisecond for each, and changes of
    /// other servers must not wait for all of them.
    async fn settle(&mut self, kernel: &Kernel) -> Result<(), End> {
        self.report().await?;
        let questions = self.table.take_questions(BATCH);
        for hop in kernel.resolve(&questions).await? {
            self.table.refused(hop);
        }
        self.report().await
    }

    async fn report(&mut self) -> Result<(), End> {
        for event in self.table.take_events() {
            self.events.send(event).await.map_err(|_closed| End::Unwanted)?;
        }
        Ok(())
    }
}

/// When all routes are looked up next.
struct Lookup {
    due: Option<Instant>,
    took: Duration,
}

impl Lookup {
    fn request(&mut self) {
        let pause = SETTLE.max(self.took * (SHARE - 1));
        self.due.get_or_insert_with(|| Instant::now() + pause);
    }

    async fn is_due(&self) {
        match self.due {
            Some(due) => sleep_until(due).await,
            None => future::pending().await,
        }
    }
}

/// When the kernel is asked again.
struct Retry {
    interval: Interval,
    count: u64,
}

impl Retry {
    fn new() -> Self {
        let mut interval = interval(RETRY);
        interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { interval, count: 0 }
    }

    /// Waits, and says whether old addresses are asked for too.
    async fn is_due(&mut self) -> bool {
        self.interval.tick().await;
        self.count += 1;
        self.count.is_multiple_of(RETRIES_PER_REFRESH)
    }
}
