//! Keeps the interfaces as the config file wants them.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use crate::api::{VipState, VipStatus};
use crate::neighbours::{self, Link, LinkState};

use super::Placed;
use super::frame;
use super::kernel::Kernel;
use super::plan::{Present, Spot, Step, adopt, plan, spot};
use super::schedule::Schedule;
use super::socket::FrameSocket;

/// How an address is announced; when that changes it is announced anew.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Seat {
    interface: String,
    mac: [u8; 6],
    interval: Option<Duration>,
}

/// An address of the config file, and what has become of it.
struct Shown {
    placed: Placed,
    spot: Option<Spot>,
    state: VipState,
}

/// The task that looks after the addresses.
pub(super) struct Keeper {
    wanted: watch::Receiver<Vec<Placed>>,
    told: watch::Sender<Vec<VipStatus>>,
    kernel: Kernel,
    socket: FrameSocket,
    /// What LVX put on interfaces.
    ours: BTreeSet<Spot>,
    /// Why the kernel did not take an address.
    refused: BTreeMap<Spot, String>,
    schedule: Schedule<Spot>,
    seats: BTreeMap<Spot, Seat>,
    sent: BTreeMap<Spot, u64>,
    shown: Vec<Shown>,
}

impl Keeper {
    pub(super) fn open(wanted: watch::Receiver<Vec<Placed>>, told: watch::Sender<Vec<VipStatus>>) -> io::Result<Self> {
        Ok(Self {
            wanted,
            told,
            kernel: Kernel::open()?,
            socket: FrameSocket::open()?,
            ours: BTreeSet::new(),
            refused: BTreeMap::new(),
            schedule: Schedule::new(),
            seats: BTreeMap::new(),
            sent: BTreeMap::new(),
            shown: Vec::new(),
        })
    }

    /// Until nobody wants anything any more.
    pub(super) async fn keep(mut self) {
        loop {
            let announcing = self.schedule.next();
            tokio::select! {
                set = self.wanted.changed() => {
                    if set.is_err() {
                        break;
                    }
                    self.refused.clear();
                    self.look().await;
                }
                changed = self.kernel.changed() => match changed {
                    Ok(down) => {
                        self.seats.retain(|spot, _| !down.contains(&spot.ifindex));
                        self.look().await;
                    }
                    Err(error) => {
                        tracing::error!("virtual addresses stay as they are from now on: {error}");
                        return;
                    }
                },
                () = sleep_until(announcing.unwrap_or_else(Instant::now)), if announcing.is_some() => {
                    self.announce();
                    self.publish();
                }
            }
        }
        self.leave().await;
    }

    /// Compares what is with what is to be.
    async fn look(&mut self) {
        if let Err(error) = self.reconcile().await {
            tracing::error!("cannot look after the virtual addresses: {error}");
        }
    }

    async fn reconcile(&mut self) -> io::Result<()> {
        let placed = self.wanted.borrow_and_update().clone();
        let links = neighbours::links().await?;
        let before = self.kernel.addresses().await?;
        let spots: BTreeSet<_> = placed.iter().filter_map(|placed| spot(placed, &links)).collect();
        adopt(&mut self.ours, &spots, &before);
        let steps = plan(&spots, &before, &self.ours);
        for step in &steps {
            self.make(step, &links).await;
        }
        let after = if steps.is_empty() { before } else { self.kernel.addresses().await? };
        self.seat(&placed, &links, &after);
        let shown = placed.into_iter().map(|placed| self.shown(placed, &links, &after));
        self.shown = shown.collect();
        self.announce();
        self.publish();
        Ok(())
    }

    async fn make(&mut self, step: &Step, links: &[Link]) {
        let (spot, made) = match step {
            Step::Put(spot) => (spot, self.kernel.put(spot).await),
            Step::Take(spot) => (spot, self.kernel.take(spot).await),
        };
        let interface = links.iter().find(|link| link.index == spot.ifindex).map_or("?", |link| link.name.as_str());
        let address = format!("{}/{}", spot.address, spot.prefix);
        match (step, made) {
            (Step::Put(_), Ok(())) => {
                self.ours.insert(*spot);
                self.refused.remove(spot);
                tracing::info!(address, interface, "virtual address put on");
            }
            (Step::Take(_), Ok(())) => {
                self.ours.remove(spot);
                tracing::info!(address, interface, "virtual address taken away");
            }
            (Step::Put(_), Err(error)) => {
                let reason = error.to_string();
                if self.refused.insert(*spot, reason.clone()).as_ref() != Some(&reason) {
                    tracing::error!(address, interface, "cannot put a virtual address on: {reason}");
                }
            }
            (Step::Take(_), Err(error)) => {
                tracing::error!(address, interface, "cannot take a virtual address away: {error}");
            }
        }
    }

    /// Announces the addresses that have come, and those whose interface has come up or has another MAC address.
    fn seat(&mut self, placed: &[Placed], links: &[Link], present: &[Present]) {
        let mut seats = BTreeMap::new();
        for placed in placed.iter().filter(|placed| placed.vip.announce) {
            let Some(spot) = spot(placed, links).filter(|spot| is_on(spot, present)) else { continue };
            let link = links.iter().find(|link| link.index == spot.ifindex && link.state == LinkState::Up);
            let Some(mac) = link.and_then(|link| link.mac) else { continue };
            let (interface, interval) = (placed.interface.clone(), placed.vip.announce_interval);
            let seat = Seat { interface, mac, interval };
            if self.seats.get(&spot) != Some(&seat) {
                self.schedule.start(spot, interval, Instant::now());
            }
            seats.insert(spot, seat);
        }
        self.schedule.retain(|spot| seats.contains_key(spot));
        self.seats = seats;
    }

    fn announce(&mut self) {
        for spot in self.schedule.take_due(Instant::now()) {
            let Some(seat) = self.seats.get(&spot) else { continue };
            let frame = frame::announcement(spot.address, seat.mac, routes_ipv6(&seat.interface));
            match self.socket.send(&frame, spot.ifindex) {
                Ok(()) => *self.sent.entry(spot).or_default() += 1,
                Err(error) => tracing::warn!(address = %spot.address, "cannot announce a virtual address: {error}"),
            }
        }
    }

    fn shown(&self, placed: Placed, links: &[Link], present: &[Present]) -> Shown {
        let spot = spot(&placed, links);
        let state = match spot {
            None => VipState::Missing { reason: format!("there is no interface {}", placed.interface) },
            Some(spot) if self.ours.contains(&spot) => VipState::Put,
            Some(spot) if is_on(&spot, present) => VipState::Found,
            Some(spot) => {
                let reason = self.refused.get(&spot).map_or("it is being put on", String::as_str);
                VipState::Missing { reason: reason.to_owned() }
            }
        };
        Shown { placed, spot, state }
    }

    fn publish(&self) {
        let status = self.shown.iter().map(|shown| VipStatus {
            address: shown.placed.vip.address,
            prefix: shown.placed.vip.prefix,
            interface: shown.placed.interface.clone(),
            state: shown.state.clone(),
            announced: shown.spot.and_then(|spot| self.sent.get(&spot)).copied().unwrap_or(0),
        });
        self.told.send_replace(status.collect());
    }

    /// Takes away what is not to stay.
    async fn leave(&mut self) {
        let kept: BTreeSet<_> = {
            let wanted = self.wanted.borrow();
            let kept = wanted.iter().filter(|placed| placed.vip.keep);
            kept.map(|placed| (placed.vip.address, placed.vip.prefix)).collect()
        };
        let links = neighbours::links().await.unwrap_or_default();
        for spot in self.ours.clone().iter().filter(|spot| !kept.contains(&(spot.address, spot.prefix))) {
            self.make(&Step::Take(*spot), &links).await;
        }
    }
}

fn is_on(spot: &Spot, present: &[Present]) -> bool {
    present.iter().any(|it| (it.spot.ifindex, it.spot.address) == (spot.ifindex, spot.address))
}

/// Whether the director is a router there, which its advertisements say as the kernel's do.
fn routes_ipv6(interface: &str) -> bool {
    let switch = format!("/proc/sys/net/ipv6/conf/{interface}/forwarding");
    std::fs::read_to_string(switch).is_ok_and(|value| value.trim() != "0")
}
