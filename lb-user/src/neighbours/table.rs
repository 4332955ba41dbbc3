//! What is known of routes, neighbours and interfaces, and what that means for the watched addresses. No I/O: changes go in,
//! events and questions for the kernel come out.

use std::collections::{BTreeMap, BTreeSet};
use std::mem;
use std::net::IpAddr;

use super::Event;
use super::link::{Link, LinkEvent, LinkState};
use super::path::{NeighbourEvent, Path, decide};
use super::resolution::{Entry, Resolution};
use super::route::{Hop, Route};

/// The state of the module.
#[derive(Debug, Default)]
pub(super) struct Table {
    /// The watched addresses whose route is known.
    targets: BTreeMap<IpAddr, Target>,
    /// The next hops of their routes.
    hops: BTreeMap<Hop, Neighbour>,
    /// The kernel's neighbour table, whole.
    entries: BTreeMap<Hop, Entry>,
    /// The kernel's interfaces, whole.
    links: BTreeMap<u32, Link>,
    events: Vec<Event>,
    questions: BTreeSet<Hop>,
    /// The kernel refused an entry since the last retry. Each refusal costs it a millisecond under the table's lock
    /// (`neigh_forced_gc`), so no further new entry is asked for until the next one.
    full: bool,
}

#[derive(Debug)]
struct Target {
    route: Route,
    /// The interface of the last route that had one.
    last_egress: Option<u32>,
    /// What was last reported.
    path: Option<Path>,
}

#[derive(Debug)]
struct Neighbour {
    resolution: Resolution,
    /// The addresses that are reached through it; never empty.
    targets: BTreeSet<IpAddr>,
}

impl Table {
    /// Forgets the addresses that are not in `addresses`.
    pub(super) fn retain(&mut self, addresses: &BTreeSet<IpAddr>) {
        let gone: Vec<IpAddr> = self.targets.keys().filter(|address| !addresses.contains(address)).copied().collect();
        for address in gone {
            if let Some(Target { route: Route::Via(hop, _), .. }) = self.targets.remove(&address) {
                self.leave(hop, address);
            }
        }
    }

    /// Those of `addresses` that have no route yet.
    pub(super) fn without_route(&self, addresses: &BTreeSet<IpAddr>) -> Vec<IpAddr> {
        addresses.iter().filter(|address| !self.targets.contains_key(address)).copied().collect()
    }

    /// The route to an address is this; it is watched from now on.
    pub(super) fn route(&mut self, address: IpAddr, route: Route) {
        let old = self.targets.remove(&address);
        let (mut last_egress, path, old_hop) = match old {
            Some(target) => (target.last_egress, target.path, target.route.hop()),
            None => (None, None, None),
        };
        let hop = route.hop();
        if old_hop != hop {
            if let Some(hop) = hop {
                last_egress = Some(hop.ifindex);
                self.join(hop, address);
            }
            if let Some(hop) = old_hop {
                self.leave(hop, address);
            }
        }
        self.targets.insert(address, Target { route, last_egress, path });
        self.report(address);
    }

    /// The kernel's neighbour entry for `hop` is this, or is gone.
    pub(super) fn neighbour(&mut self, hop: Hop, entry: Option<Entry>) {
        match entry {
            Some(entry) => self.entries.insert(hop, entry),
            None => self.entries.remove(&hop),
        };
        let Some(neighbour) = self.hops.get(&hop) else {
            return;
        };
        let before = neighbour.resolution;
        let after = before.after(entry);
        let lost = after.is_unknown() && !before.is_unknown();
        // An entry that vanished is asked for later: in a crowded table the answer pushes out another one.
        let aged = after.is_old() && entry.is_some();
        if lost || aged {
            self.questions.insert(hop);
        }
        self.resolved(hop, after);
    }

    /// The kernel has no room for an entry for `hop`.
    pub(super) fn refused(&mut self, hop: Hop) {
        self.full = true;
        if self.hops.get(&hop).is_some_and(|neighbour| neighbour.resolution.is_unknown()) {
            self.resolved(hop, Resolution::Full);
        }
    }

    /// An interface appeared or changed. Returns whether anything did.
    pub(super) fn link(&mut self, link: Link) -> bool {
        let index = link.index;
        let old = self.links.insert(index, link.clone());
        if old.as_ref() == Some(&link) {
            return false;
        }
        let came_up = link.state == LinkState::Up && old.as_ref().is_none_or(|old| old.state != LinkState::Up);
        if let Some(old) = old.filter(|old| old.name != link.name) {
            self.events.push(Event::Link(LinkEvent::Removed(old)));
        }
        self.events.push(Event::Link(LinkEvent::Changed(link)));
        if came_up {
            self.ask(|hop, resolution| hop.ifindex == index && (resolution.is_unknown() || resolution.is_old()));
        }
        self.report_all(|target| target.last_egress == Some(index));
        true
    }

    /// An interface is gone. Returns whether it was there.
    pub(super) fn unlink(&mut self, index: u32) -> bool {
        let Some(link) = self.links.remove(&index) else {
            return false;
        };
        self.events.push(Event::Link(LinkEvent::Removed(link)));
        self.report_all(|target| target.last_egress == Some(index));
        true
    }

    /// Replaces interfaces and neighbours by what the kernel has now. Routes are looked up anew by the caller.
    pub(super) fn replace(&mut self, links: Vec<Link>, entries: BTreeMap<Hop, Entry>) {
        let present: BTreeSet<u32> = links.iter().map(|link| link.index).collect();
        let gone: Vec<u32> = self.links.keys().filter(|index| !present.contains(index)).copied().collect();
        for index in gone {
            self.unlink(index);
        }
        for link in links {
            self.link(link);
        }
        let known: BTreeSet<Hop> = self.entries.keys().chain(self.hops.keys()).copied().collect();
        for hop in known.into_iter().filter(|hop| !entries.contains_key(hop)) {
            self.neighbour(hop, None);
        }
        for (hop, entry) in entries {
            self.neighbour(hop, Some(entry));
        }
    }

    /// Has the kernel asked again for every MAC address that is unknown.
    pub(super) fn ask_for_unknown(&mut self) {
        self.full = false;
        self.ask(|_, resolution| resolution.is_unknown());
    }

    /// Has the kernel asked whether every old MAC address is still right.
    pub(super) fn ask_for_old(&mut self) {
        self.ask(|_, resolution| resolution.is_old());
    }

    /// What is to be reported, in order.
    pub(super) fn take_events(&mut self) -> Vec<Event> {
        mem::take(&mut self.events)
    }

    /// Whether next hops wait to be resolved.
    pub(super) fn has_questions(&self) -> bool {
        !self.questions.is_empty()
    }

    /// Up to `limit` next hops that the kernel is to resolve.
    pub(super) fn take_questions(&mut self, limit: usize) -> Vec<Hop> {
        let mut questions = Vec::new();
        while questions.len() < limit
            && let Some(hop) = self.questions.pop_first()
        {
            if !self.links.get(&hop.ifindex).is_some_and(can_resolve) {
                continue;
            }
            if self.full && !self.entries.contains_key(&hop) {
                self.refused(hop);
            } else {
                questions.push(hop);
            }
        }
        questions
    }

    fn ask(&mut self, which: impl Fn(&Hop, Resolution) -> bool) {
        let due = self.hops.iter().filter(|(hop, neighbour)| which(hop, neighbour.resolution));
        self.questions.extend(due.map(|(hop, _)| *hop));
    }

    fn join(&mut self, hop: Hop, address: IpAddr) {
        let neighbour = self.hops.entry(hop).or_insert_with(|| {
            let resolution = Resolution::Resolving.after(self.entries.get(&hop).copied());
            if resolution.is_unknown() || resolution.is_old() {
                self.questions.insert(hop);
            }
            Neighbour { resolution, targets: BTreeSet::new() }
        });
        neighbour.targets.insert(address);
    }

    fn leave(&mut self, hop: Hop, address: IpAddr) {
        if let Some(neighbour) = self.hops.get_mut(&hop) {
            neighbour.targets.remove(&address);
            if neighbour.targets.is_empty() {
                self.hops.remove(&hop);
                self.questions.remove(&hop);
            }
        }
    }

    fn resolved(&mut self, hop: Hop, resolution: Resolution) {
        let Some(neighbour) = self.hops.get_mut(&hop) else {
            return;
        };
        if mem::replace(&mut neighbour.resolution, resolution) == resolution {
            return;
        }
        for address in neighbour.targets.clone() {
            self.report(address);
        }
    }

    fn report_all(&mut self, which: impl Fn(&Target) -> bool) {
        let addresses: Vec<IpAddr> =
            self.targets.iter().filter(|(_, target)| which(target)).map(|(address, _)| *address).collect();
        for address in addresses {
            self.report(address);
        }
    }

    /// Decides anew how `address` is reached, and reports it if that is news.
    fn report(&mut self, address: IpAddr) {
        let Some(target) = self.targets.get_mut(&address) else {
            return;
        };
        let link = target.last_egress.and_then(|index| self.links.get(&index));
        let resolution = match &target.route {
            Route::Via(hop, _) => self.hops.get(hop).map_or(Resolution::Resolving, |neighbour| neighbour.resolution),
            Route::Local | Route::None(_) => Resolution::Resolving,
        };
        let path = decide(&target.route, link, resolution);
        if target.path.as_ref() != Some(&path) {
            target.path = Some(path.clone());
            self.events.push(Event::Neighbour(NeighbourEvent { address, path }));
        }
    }
}

fn can_resolve(link: &Link) -> bool {
    link.state == LinkState::Up && link.resolves && link.mac.is_some()
}

#[cfg(test)]
mod tests;
