//! Whether changes have room, before the first of them is made.

use std::collections::HashSet;

use lb_common::schedule::hash;
use lb_common::schedule::hash::table::MAX_MEMBERS;

use super::maps::Maps;
use super::services::{full, full_of_hash_tables, kind, too_many_members};
use super::{RealId, Tables};
use crate::api::Refusal;
use crate::model::{RealServer, Service, ServiceId};

/// The room that is left while changes are counted, one after another.
#[derive(Debug)]
pub struct Room<'t, M> {
    tables: &'t Tables<M>,
    services: u32,
    servers: u32,
    /// May be below 0 on the way, as long as it is not where something is added.
    hash_words: i64,
    /// Servers that were removed on the way, whose slots they find again.
    removed: HashSet<RealId>,
}

impl<M: Maps> Tables<M> {
    /// The room that there is now.
    pub fn room(&self) -> Room<'_, M> {
        let taken: u32 = self.services.values().map(|entry| hash::words(entry.kind())).sum();
        Room {
            tables: self,
            services: self.free_services.left(),
            servers: self.reals.left(),
            hash_words: i64::from(self.hash_words) - i64::from(taken),
            removed: HashSet::new(),
        }
    }
}

impl<M: Maps> Room<'_, M> {
    /// A service goes, with its servers.
    pub fn remove_service(&mut self, service: &Service) {
        self.services += 1;
        self.hash_words += i64::from(hash::words(kind(service.scheduler)));
        self.removed.extend(service.servers.iter().map(|server| real_id(&service.id, server)));
    }

    /// A service comes.
    ///
    /// # Errors
    /// There is no room for it.
    pub fn add_service(&mut self, service: &Service) -> Result<(), Refusal> {
        self.services = self.services.checked_sub(1).ok_or_else(|| full("services"))?;
        self.hash(service)
    }

    /// A service gets other options.
    ///
    /// # Errors
    /// There is no room for the tables of its scheduler.
    pub fn edit_service(&mut self, before: &Service, after: &Service) -> Result<(), Refusal> {
        if before.scheduler == after.scheduler {
            return Ok(());
        }
        self.hash_words += i64::from(hash::words(kind(before.scheduler)));
        self.hash(after)
    }

    fn hash(&mut self, service: &Service) -> Result<(), Refusal> {
        let words = i64::from(hash::words(kind(service.scheduler)));
        self.hash_words -= words;
        if words > 0 && self.hash_words < 0 { Err(full_of_hash_tables()) } else { Ok(()) }
    }

    /// A server goes.
    pub fn remove_server(&mut self, id: &RealId) {
        self.removed.insert(*id);
    }

    /// A server comes.
    ///
    /// # Errors
    /// There is no room for it.
    pub fn add_server(&mut self, id: &ServiceId, server: &RealServer) -> Result<(), Refusal> {
        let id = real_id(id, server);
        if !self.removed.remove(&id) && self.tables.reals.slot(&id).is_none() {
            self.servers = self.servers.checked_sub(1).ok_or_else(|| full("real_servers"))?;
        }
        Ok(())
    }

    /// A service has these servers in the end.
    ///
    /// # Errors
    /// Its scheduler cannot tell so many apart.
    pub fn holds(&self, service: &Service) -> Result<(), Refusal> {
        let hashes = hash::buckets(kind(service.scheduler)) > 0;
        if hashes && service.servers.len() > MAX_MEMBERS { Err(too_many_members()) } else { Ok(()) }
    }
}

fn real_id(id: &ServiceId, server: &RealServer) -> RealId {
    (*id, server.address, server.port)
}
