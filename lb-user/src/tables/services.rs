//! Services and their pools.

use std::collections::HashMap;
use std::net::IpAddr;

use lb_common::address::Address as Words;
use lb_common::handshake::Handshakes;
use lb_common::real_server::Counts;
use lb_common::schedule::blocks::{self, BLOCK, Summary};
use lb_common::schedule::hash::table::{self, MAX_MEMBERS};
use lb_common::schedule::pool::{self, Change, Cursor, Header};
use lb_common::schedule::{HEAD, Kind, hash};
use lb_common::service::{self, ServiceKey, Traffic};

use super::locality::Table;
use super::maps::Maps;
use super::servers::{Address, Member, Path};
use super::{RealId, Step, Tables};
use crate::api::Refusal;
use crate::model::{Family, Netmask, RealServer, SchedulerKind, Service, ServiceId};

/// A service in the tables.
#[derive(Debug)]
pub(super) struct Entry {
    index: u32,
    kind: Kind,
    words: service::Service,
    /// lblc, lblcr: where destinations went before.
    table: Option<Table>,
    pool: Run,
    /// What had passed when the counters were set to zero.
    zero: Traffic,
    /// Newest first.
    members: Vec<Member>,
}

/// What passed for a service and its servers.
#[derive(Debug)]
pub struct Passed<'t, M> {
    tables: &'t Tables<M>,
    id: ServiceId,
    entry: &'t Entry,
    traffic: Traffic,
    /// The member behind the last that was asked for.
    next: usize,
}

impl<M: Maps> Passed<'_, M> {
    /// For the service.
    pub fn traffic(&self) -> Traffic {
        self.traffic
    }

    /// To a server, also one that is out; fastest in the order of the service's servers.
    pub fn to(&mut self, server: &Address) -> Option<Traffic> {
        let members = &self.entry.members;
        let is_next = members.get(self.next).is_some_and(|member| member.address == *server);
        let place = if is_next { Some(self.next) } else { members.iter().position(|member| member.address == *server) };
        let reals = &self.tables.reals;
        let real = match place {
            Some(place) => {
                self.next = place + 1;
                members[place].real
            }
            None => reals.slot(&(self.id, server.0, server.1))?,
        };
        Some(reals.traffic(&self.tables.maps, real))
    }
}

/// Words of the pool arena.
#[derive(Clone, Copy, Debug)]
struct Run {
    first: u32,
    words: u32,
}

impl Entry {
    /// Its scheduler.
    pub(super) fn kind(&self) -> Kind {
        self.kind
    }

    /// Its table.
    pub(super) fn table(&self) -> Option<&Table> {
        self.table.as_ref()
    }

    /// Its table, to collect it.
    pub(super) fn table_mut(&mut self) -> Option<&mut Table> {
        self.table.as_mut()
    }

    /// Its members, newest first.
    pub(super) fn members(&self) -> &[Member] {
        &self.members
    }

    /// Its index.
    pub(super) fn index(&self) -> u32 {
        self.index
    }

    /// Number of members.
    fn count(&self) -> u32 {
        u32::try_from(self.members.len()).unwrap_or(u32::MAX)
    }

    /// Tells the members where the words of their blocks are: after the pool was written, and before the service is
    /// pointed to it.
    fn tell_members(&self, maps: &mut impl Maps) {
        let count = self.count();
        for (position, member) in (0..).zip(&self.members) {
            let word = self.pool.first + pool::summary_word(count, position / BLOCK);
            maps.set_summary(member.real, if blocks::blocks(count) > 0 { word.into() } else { 0 });
        }
    }

    fn forget_blocks(&self, maps: &mut impl Maps) {
        let count = self.count();
        for block in 0..blocks::blocks(count) {
            maps.add_to_pool_word(self.pool.first + pool::summary_word(count, block), Summary::CHANGE);
        }
    }
}

impl<M: Maps> Tables<M> {
    /// Adds a service without servers.
    ///
    /// # Errors
    /// The table of services is full.
    pub fn add_service(&mut self, service: &Service) -> Result<(), Refusal> {
        if self.free_services.is_full() {
            return Err(full("services"));
        }
        let kind = kind(service.scheduler);
        self.has_room_to_hash(kind, None)?;
        let pool = self.write_pool(kind, &[], Cursor { position: HEAD, weight: 0 }, &[Change::Init])?;
        let Ok(table) = self.open_table(kind) else {
            self.pools.give(pool.first, pool.words);
            return Err(full_of_tables());
        };
        let Some(index) = self.free_services.take() else { return Err(full("services")) };
        let mut words = self.words(service);
        words.pool = pool.first;
        words.table = table.as_ref().map_or(0, Table::cell);
        self.maps.set_service(index, &words);
        if let Err(error) = self.maps.set_key(&key(&service.id), Some(index)) {
            self.free_services.give(index);
            self.pools.give(pool.first, pool.words);
            self.close_table(table);
            return Err(Refusal::Other(format!("cannot add the service: {error}")));
        }
        let zero = self.maps.service_traffic(index);
        self.services.insert(service.id, Entry { index, kind, words, table, pool, zero, members: Vec::new() });
        self.count_served(&service.id, true);
        Ok(())
    }

    /// Changes everything of a service but its servers; connections and templates stay.
    ///
    /// # Errors
    /// The pools are full.
    pub fn edit_service(&mut self, service: &Service) -> Result<(), Refusal> {
        let words = self.words(service);
        let entry = self.services.get_mut(&service.id).ok_or(Refusal::NoSuchService)?;
        let kind = kind(service.scheduler);
        let before = entry.words;
        if kind == entry.kind {
            entry.words = service::Service { pool: before.pool, table: before.table, ..words };
            self.maps.set_service(entry.index, &entry.words);
            return Ok(());
        }
        let (members, old_kind) = (entry.members.clone(), entry.kind);
        self.has_room_to_hash(kind, Some(old_kind))?;
        let Ok(mut table) = self.open_table(kind) else { return Err(full_of_tables()) };
        let cell = table.as_ref().map_or(0, Table::cell);
        self.change(&service.id, service::Service { pool: before.pool, table: cell, ..words }, &mut table);
        let published = self.publish(service.id, kind, members, &[Change::Init]);
        if published.is_err() {
            self.change(&service.id, before, &mut table);
        }
        self.close_table(table);
        published
    }

    /// What is to be written of a service, and its table; gives the old table.
    fn change(&mut self, id: &ServiceId, words: service::Service, table: &mut Option<Table>) {
        if let Some(entry) = self.services.get_mut(id) {
            entry.words = words;
            std::mem::swap(&mut entry.table, table);
        }
    }

    /// Removes a service; its servers are removed as by [`Self::remove_server`].
    ///
    /// # Errors
    /// There is no such service, or the kernel refused.
    pub fn remove_service(&mut self, id: &ServiceId) -> Result<(), Refusal> {
        if !self.services.contains_key(id) {
            return Err(Refusal::NoSuchService);
        }
        self.maps
            .set_key(&key(id), None)
            .map_err(|error| Refusal::Other(format!("cannot remove the service: {error}")))?;
        let Some(entry) = self.services.remove(id) else { return Err(Refusal::NoSuchService) };
        for member in &entry.members {
            let (address, port) = member.address;
            self.reals.leave(&mut self.maps, (*id, address, port), member.real, false);
            // Its counters belong to the service that goes (`__ip_vs_update_dest`).
            self.reals.zero(&self.maps, member.real);
        }
        self.pools.give(entry.pool.first, entry.pool.words);
        self.free_services.give(entry.index);
        self.flush_due |= self.sysctls.expire_nodest_conn;
        self.close_table(entry.table);
        self.count_served(id, false);
        Ok(())
    }

    /// Adds a server, as the newest.
    ///
    /// # Errors
    /// There is no such service, or no room.
    pub fn add_server(&mut self, id: &ServiceId, server: &RealServer) -> Result<(), Refusal> {
        self.change_servers(id, &[Step::Join(server.clone())])
    }

    /// Changes weight and thresholds of a server; its connections stay.
    ///
    /// # Errors
    /// There is no such server, or no room for the changed pool.
    pub fn edit_server(&mut self, id: &ServiceId, server: &RealServer) -> Result<(), Refusal> {
        self.change_servers(id, &[Step::Edit(server.clone())])
    }

    /// Takes a server out of its service. Its connections are dropped, silently or not, as the sysctls say, until it
    /// comes back; `failed` is what a health check found, and UDP flows then leave it at once.
    ///
    /// # Errors
    /// There is no such server, or no room for the changed pool.
    pub fn remove_server(&mut self, id: &ServiceId, server: &Address, failed: bool) -> Result<(), Refusal> {
        self.change_servers(id, &[Step::Leave { server: *server, failed }])
    }

    /// Puts the servers of a service into another order, newest first; those that are not named come last. Connections stay.
    ///
    /// # Errors
    /// There is no such service, or no room for the changed pool.
    pub fn order_servers(&mut self, id: &ServiceId, order: &[Address]) -> Result<(), Refusal> {
        let entry = self.services.get(id).ok_or(Refusal::ServiceNotDefined)?;
        let places: HashMap<_, _> = order.iter().zip(0..).map(|(address, place)| (*address, place)).collect();
        let (mut members, kind) = (entry.members.clone(), entry.kind);
        members.sort_by_key(|member| places.get(&member.address).copied().unwrap_or(usize::MAX));
        if members == entry.members { Ok(()) } else { self.publish(*id, kind, members, &[Change::Init]) }
    }

    /// A server is reached in another way from now on; takes effect with the next packet.
    pub fn set_path(&mut self, address: IpAddr, path: Path) {
        self.reals.set_path(&mut self.maps, address, path);
    }

    /// A server's connections, and what passed to it; `None` if it is in no pool and was forgotten.
    pub fn server(&self, id: &ServiceId, server: &Address) -> Option<(u32, Counts, Traffic)> {
        let real = self.slot(id, server)?;
        Some((real, self.maps.counts(real), self.reals.traffic(&self.maps, real)))
    }

    /// How far TCP connections with a server got; `None` as with [`Self::server`].
    pub fn handshakes(&self, id: &ServiceId, server: &Address) -> Option<Handshakes> {
        Some(self.reals.handshakes(&self.maps, self.slot(id, server)?))
    }

    fn slot(&self, id: &ServiceId, server: &Address) -> Option<u32> {
        let member =
            self.services.get(id).and_then(|entry| entry.members.iter().find(|member| member.address == *server));
        member.map(|member| member.real).or_else(|| self.reals.slot(&(*id, server.0, server.1)))
    }

    /// The last weight of a member that was not 0, which mh goes by.
    pub fn last_weight(&self, id: &ServiceId, server: &Address) -> Option<u32> {
        let members = &self.services.get(id)?.members;
        members.iter().find(|member| member.address == *server).map(|member| member.last_weight)
    }

    /// A service's index, and what passed for it.
    pub fn service(&self, id: &ServiceId) -> Option<(u32, Traffic)> {
        let entry = self.services.get(id)?;
        Some((entry.index, self.maps.service_traffic(entry.index).since(&entry.zero)))
    }

    /// What passed for a service, and for its servers one after the other.
    pub fn passed(&self, id: &ServiceId) -> Option<Passed<'_, M>> {
        let entry = self.services.get(id)?;
        let traffic = self.maps.service_traffic(entry.index).since(&entry.zero);
        Some(Passed { tables: self, id: *id, entry, traffic, next: 0 })
    }

    /// Lets the counters of a service and its servers start from zero.
    pub fn zero(&mut self, id: &ServiceId) {
        let Some(entry) = self.services.get_mut(id) else { return };
        entry.zero = self.maps.service_traffic(entry.index);
        for member in &entry.members {
            self.reals.zero(&self.maps, member.real);
        }
    }

    /// Which server has which slot, also those that were removed.
    pub fn slots(&self) -> Vec<(u32, RealId)> {
        let members = self.services.iter().flat_map(|(id, entry)| {
            entry.members.iter().map(|member| (member.real, (*id, member.address.0, member.address.1)))
        });
        members.chain(self.reals.removed().map(|(id, real)| (real, *id))).collect()
    }

    /// Writes the changed pool, points the service to it, and gives the old one back.
    pub(super) fn publish(
        &mut self,
        id: ServiceId,
        kind: Kind,
        members: Vec<Member>,
        changes: &[Change],
    ) -> Result<(), Refusal> {
        let entry = self.services.get(&id).ok_or(Refusal::NoSuchService)?;
        let cursor = Cursor::from_word(self.maps.pool_word(entry.pool.first));
        let had_blocks = blocks::blocks(entry.count()) > 0;
        let pool = self.write_pool(kind, &members, cursor, changes)?;
        let Some(entry) = self.services.get_mut(&id) else { return Err(Refusal::NoSuchService) };
        let before = (entry.pool, entry.kind);
        (entry.pool, entry.members, entry.kind) = (pool, members, kind);
        if had_blocks || blocks::blocks(entry.count()) > 0 {
            entry.tell_members(&mut self.maps);
        }
        entry.words.pool = pool.first;
        entry.words.scheduler = kind as u32;
        self.maps.set_service(entry.index, &entry.words);
        self.pools.give(before.0.first, before.0.words);
        if before.1 != kind && blocks::blocks(entry.count()) > 0 {
            // A packet may have read the old scheduler and then the new pool, and have found the wrong ones best.
            self.maps.wait_for_packets();
            entry.forget_blocks(&mut self.maps);
        }
        Ok(())
    }

    /// Whether the templates of a member count only for connections that are there, so that its clients go elsewhere.
    pub fn set_released(&mut self, id: &ServiceId, server: &Address, released: bool) {
        let member = self.services.get(id).and_then(|entry| entry.members.iter().find(|one| one.address == *server));
        if let Some(member) = member {
            self.reals.set_released(&mut self.maps, member.real, released);
        }
    }

    /// Lets the packet path look at every member of every service again: what makes one better than another has changed.
    pub(super) fn forget_blocks(&mut self) {
        if self.services.values().all(|entry| blocks::blocks(entry.count()) == 0) {
            return;
        }
        // A packet on its way may still go by what was so before.
        self.maps.wait_for_packets();
        for entry in self.services.values() {
            entry.forget_blocks(&mut self.maps);
        }
    }

    fn write_pool(
        &mut self,
        kind: Kind,
        members: &[Member],
        cursor: Cursor,
        changes: &[Change],
    ) -> Result<Run, Refusal> {
        if hash::buckets(kind) > 0 && members.len() > MAX_MEMBERS {
            return Err(too_many_members());
        }
        let header = Header::of(members.iter().map(|member| member.weight));
        let words = pool::words(header.count) + hash::words(kind);
        let first = self.pools.take(words).or_else(|| {
            self.maps.wait_for_packets();
            self.pools.settle();
            self.pools.take(words)
        });
        let Some(first) = first else { return Err(full("real_servers")) };
        let after = |cursor, change: &Change| pool::cursor_after(kind, cursor, &header, *change);
        let cursor = changes.iter().fold(cursor, after);
        let mut all = vec![cursor.to_word()];
        all.extend(header.to_words());
        all.extend(members.iter().map(|member| pool::member(member.real, member.weight)));
        all.resize(pool::words(header.count) as usize, Summary::default().0);
        if hash::buckets(kind) > 0 {
            let hashed: Vec<_> = members.iter().map(Member::hashed).collect();
            all.extend(table::words(kind, &hashed));
        }
        self.maps.set_pool(first, &all);
        Ok(Run { first, words })
    }

    /// Whether the table of one more service of a scheduler that hashes can be made, or of one that had another scheduler
    /// before. A quota, so that services that are there never lack room to change, and servers to be taken out.
    fn has_room_to_hash(&self, kind: Kind, before: Option<Kind>) -> Result<(), Refusal> {
        let more = hash::words(kind);
        if more == 0 {
            return Ok(());
        }
        let taken: u32 = self.services.values().map(|entry| hash::words(entry.kind)).sum();
        if taken - before.map_or(0, hash::words) + more <= self.hash_words {
            return Ok(());
        }
        Err(full_of_hash_tables())
    }

    fn words(&self, service: &Service) -> service::Service {
        let mut flags = 0;
        if service.persistence.is_some() {
            flags |= service::flags::PERSISTENT;
        }
        if service.one_packet {
            flags |= service::flags::ONE_PACKET;
        }
        flags |= u32::from(service.scheduler_flags.bits()) * service::flags::SCHEDULER_1;
        service::Service {
            flags,
            pool: 0,
            scheduler: kind(service.scheduler) as u32,
            template_timeout: service.persistence.map_or(0, |persistence| self.jiffies(persistence.timeout)),
            netmask: netmask(service.netmask),
            mark: match service.id {
                ServiceId::Mark { mark, .. } => mark,
                ServiceId::Address { .. } => 0,
            },
            port: u32::from(service.id.port().to_be()),
            table: 0,
            reserved: [0; 5],
        }
    }
}

pub(super) fn full_of_hash_tables() -> Refusal {
    Refusal::Full(
        "no room for more tables of sh, dh and mh; give `[sizes] services` a larger number and restart lvx".to_owned(),
    )
}

pub(super) fn too_many_members() -> Refusal {
    Refusal::Full(format!("a service of a scheduler that hashes has at most {MAX_MEMBERS} servers"))
}

pub(super) fn full(what: &str) -> Refusal {
    Refusal::Full(format!("no room for more {what}; give `[sizes] {what}` a larger number and restart lvx"))
}

fn full_of_tables() -> Refusal {
    Refusal::Full("no room for more tables of lblc and lblcr".to_owned())
}

/// The scheduler as the packet path knows it.
pub(crate) fn kind(scheduler: SchedulerKind) -> Kind {
    match scheduler {
        SchedulerKind::Rr => Kind::Rr,
        SchedulerKind::Wrr => Kind::Wrr,
        SchedulerKind::Lc => Kind::Lc,
        SchedulerKind::Wlc => Kind::Wlc,
        SchedulerKind::Lblc => Kind::Lblc,
        SchedulerKind::Lblcr => Kind::Lblcr,
        SchedulerKind::Sed => Kind::Sed,
        SchedulerKind::Nq => Kind::Nq,
        SchedulerKind::Fo => Kind::Fo,
        SchedulerKind::Ovf => Kind::Ovf,
        SchedulerKind::Sh => Kind::Sh,
        SchedulerKind::Dh => Kind::Dh,
        SchedulerKind::Mh => Kind::Mh,
        SchedulerKind::Twos => Kind::Twos,
    }
}

/// What the packet path finds a service by.
fn key(id: &ServiceId) -> ServiceKey {
    match *id {
        ServiceId::Address { protocol, vip, port } => {
            ServiceKey::address(vip.into(), port.to_be(), u16::from(protocol.number()))
        }
        ServiceId::Mark { mark, family } => {
            let client = match family {
                Family::Inet => Words::from_v4(0),
                Family::Inet6 => Words::default(),
            };
            ServiceKey::mark(&client, mark)
        }
    }
}

/// The mask for an [`Words`]: an IPv4 address keeps its mapped form.
fn netmask(mask: Netmask) -> Words {
    match mask {
        Netmask::V4(mask) => {
            let Words([_, _, _, word]) = IpAddr::V4(mask).into();
            Words([u32::MAX, u32::MAX, u32::MAX, word])
        }
        Netmask::V6(bits) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(bits.min(128))).unwrap_or(0);
            IpAddr::V6(mask.into()).into()
        }
    }
}
