//! The director: the model, the tables that follow it, and everything that changes either. Changes come from the API,
//! from health checks, from the neighbour table and from netfilter; all of them enter here, one after another.

mod estimator;
mod health;
mod interfaces;
mod listing;
mod log;
mod marks;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::{BuildHasher as _, RandomState};
use std::net::IpAddr;
use std::time::Instant;

use anyhow::{Context as _, Result};

use crate::api::{Refusal, Request, Response};
use crate::config::Config;
use crate::dataplane::{DataPlane, Early};
use crate::health::{Check, Target};
use crate::journal::Journal;
use crate::model::{Model, RealServer, ServiceId, plan};
use crate::neighbours;
use crate::tables::kernel::KernelMaps;
use crate::tables::maps::FlowTable;
use crate::tables::{Path, RealId, Tables};
use estimator::Estimators;
use interfaces::Interfaces;
use log::{Author, Before};
use marks::Marks;

/// A running director.
pub struct Director {
    started: Instant,
    model: Model,
    tables: Tables<KernelMaps>,
    plane: DataPlane,
    journal: Option<Journal>,
    /// Servers that a health check took out, and why.
    down: BTreeMap<RealId, String>,
    /// What the checks of servers in service said last.
    up: HashMap<RealId, String>,
    checks: BTreeMap<Target, Check>,
    paths: HashMap<IpAddr, neighbours::Path>,
    interfaces: Interfaces,
    marks: Marks,
    estimators: Estimators,
    live: [u64; 2],
    sizes: [u64; 2],
    warnings: Vec<String>,
    /// Whose changes are being made.
    author: Author,
}

impl Director {
    /// Loads the data plane and fills its tables with the config's services. Nothing is attached yet.
    ///
    /// # Errors
    /// The kernel refuses the programs, or the config does not fit the tables.
    pub fn new(config: &Config) -> Result<Self> {
        let (plane, maps) = DataPlane::load(config.sizes, seed(), config.trace)?;
        let mut director = Self {
            started: Instant::now(),
            model: Model::default(),
            tables: Tables::new(maps, config.sizes),
            plane,
            journal: None,
            down: BTreeMap::new(),
            up: HashMap::new(),
            checks: config.health.clone(),
            paths: HashMap::new(),
            interfaces: Interfaces::new(config.xdp_mode),
            marks: Marks::new(config.mark_rules.clone()),
            estimators: Estimators::default(),
            live: [0; 2],
            sizes: [config.sizes.connections.into(), config.sizes.templates.into()],
            warnings: Vec::new(),
            author: Author::ConfigFile,
        };
        let wanted = Model::new(config.services.iter().cloned(), config.timeouts).with_sysctls(config.ipvs);
        for change in plan(&director.model, &wanted) {
            director.change(&change).map_err(|refusal| anyhow::anyhow!("{refusal}"))?;
        }
        director.author = Author::Command;
        if !config.services.is_empty() {
            let real_servers: usize = config.services.iter().map(|service| service.servers.len()).sum();
            tracing::info!(services = config.services.len(), real_servers, "services of the config file");
        }
        director.compile_marks();
        Ok(director)
    }

    /// From now on changes by hand are kept in a directory; those kept there are made again.
    ///
    /// # Errors
    /// The directory or its file cannot be used.
    pub fn remember(&mut self, directory: &std::path::Path) -> Result<()> {
        let (journal, replay) = Journal::open(directory, &self.model).context("cannot read what was set by hand")?;
        replay.warnings.into_iter().for_each(|warning| self.warn(warning));
        self.author = Author::Journal;
        for change in &replay.changes {
            if let Err(refusal) = self.change(change) {
                self.warn(format!("a change made by hand could not be made again: {refusal}"));
            }
        }
        self.author = Author::Command;
        self.journal = Some(journal);
        Ok(())
    }

    /// Tells the operator, once.
    fn warn(&mut self, warning: String) {
        if !self.warnings.contains(&warning) {
            tracing::warn!("{warning}");
            self.warnings.push(warning);
        }
    }

    /// Answers a request: makes the change, or refuses it and changes nothing.
    pub fn handle(&mut self, request: &Request) -> Response {
        match self.answer(request) {
            Ok(response) => response,
            Err(refusal) => Response::Refused { refusal },
        }
    }

    fn answer(&mut self, request: &Request) -> Result<Response, Refusal> {
        self.model.check_weight(request)?;
        self.model.check(request)?;
        match request {
            Request::List { id } => Ok(self.list(id.as_ref())),
            Request::Connections => self.connections(),
            Request::Timeouts => Ok(Response::Timeouts { timeouts: self.model.timeouts() }),
            Request::Sysctls => Ok(Response::Sysctls { sysctls: self.sysctls() }),
            Request::Status => Ok(Response::Status { status: Box::new(self.status()?) }),
            Request::Zero { id } => {
                let ids: Vec<_> = self.model.services().map(|service| service.id).collect();
                for id in ids.iter().filter(|each| id.is_none_or(|id| id == **each)) {
                    self.tables.zero(id);
                    self.estimators.clear(id);
                }
                Ok(Response::Done)
            }
            Request::AddService { .. }
            | Request::EditService { .. }
            | Request::DeleteService { .. }
            | Request::Flush
            | Request::AddServer { .. }
            | Request::EditServer { .. }
            | Request::DeleteServer { .. }
            | Request::SetTimeouts { .. }
            | Request::SetSysctls { .. } => {
                let before = self.model.part(request);
                self.change(request)?;
                self.keep(request, &before)?;
                Ok(Response::Done)
            }
        }
    }

    /// Makes a checked change: first the tables, which may find no room, then the model.
    fn change(&mut self, request: &Request) -> Result<(), Refusal> {
        self.model.check(request)?;
        let before = Before::of(&self.model, request);
        match request {
            Request::AddService { service } => self.tables.add_service(service)?,
            Request::EditService { service } => self.tables.edit_service(service)?,
            Request::DeleteService { id } => self.forget_service(id)?,
            Request::Flush => {
                let ids: Vec<_> = self.model.services().map(|service| service.id).collect();
                ids.iter().try_for_each(|id| self.forget_service(id))?;
            }
            Request::AddServer { id, server } => self.join(id, server)?,
            Request::EditServer { id, server } => {
                if !self.down.contains_key(&(*id, server.address, server.port)) {
                    self.tables.edit_server(id, server)?;
                }
            }
            Request::DeleteServer { id, address, port } => {
                if self.down.remove(&(*id, *address, *port)).is_none() {
                    self.tables.remove_server(id, &(*address, *port), false)?;
                }
                self.up.remove(&(*id, *address, *port));
            }
            Request::SetTimeouts { .. }
            | Request::SetSysctls { .. }
            | Request::Zero { .. }
            | Request::List { .. }
            | Request::Connections
            | Request::Timeouts
            | Request::Sysctls
            | Request::Status => {}
        }
        self.model.commit(request);
        if matches!(request, Request::SetTimeouts { .. }) {
            self.tables.set_timeouts(&self.model.timeouts());
        }
        if matches!(request, Request::SetSysctls { .. }) {
            self.tables.set_sysctls(self.model.sysctls());
        }
        log::changed(self.author, request, &before, &self.model);
        Ok(())
    }

    /// A server joins its service. If connections of removed servers are to be forgotten, that comes first: it may be
    /// one of them.
    fn join(&mut self, id: &ServiceId, server: &RealServer) -> Result<(), Refusal> {
        if self.tables.flush_is_due() {
            self.sweep().map_err(|error| Refusal::Other(format!("{error:#}")))?;
        }
        self.tables.add_server(id, server)
    }

    fn forget_service(&mut self, id: &ServiceId) -> Result<(), Refusal> {
        self.tables.remove_service(id)?;
        self.down.retain(|(service, ..), _| service != id);
        self.up.retain(|(service, ..), _| service != id);
        Ok(())
    }

    /// Writes an accepted change down, if it changed anything; one that cannot be kept is taken back.
    fn keep(&mut self, request: &Request, before: &Model) -> Result<(), Refusal> {
        let after = self.model.part(request);
        let Some(journal) = self.journal.as_mut().filter(|_| after != *before) else { return Ok(()) };
        let Err(error) = journal.append(request) else { return Ok(()) };
        self.author = Author::TakenBack;
        let undone = plan(&after, before).iter().try_for_each(|undo| self.change(undo));
        self.author = Author::Command;
        undone?;
        Err(Refusal::Other(format!("cannot keep the change, so it is not made: {error}")))
    }

    /// The addresses of all servers.
    pub fn addresses(&self) -> BTreeSet<IpAddr> {
        self.model.services().flat_map(|service| &service.servers).map(|server| server.address).collect()
    }

    /// Whether it is known of every server how it is reached, or that it is not.
    pub fn knows_all_paths(&self) -> bool {
        self.addresses().iter().all(|address| match self.paths.get(address) {
            Some(neighbours::Path::Reachable { .. } | neighbours::Path::Local) => true,
            Some(neighbours::Path::Unresolved { .. }) | None => false,
        })
    }

    /// A server's address is reached in another way from now on.
    pub fn set_path(&mut self, address: IpAddr, path: neighbours::Path) {
        let words = match path {
            neighbours::Path::Reachable { ifindex, destination_mac, source_mac, mtu, .. } => {
                if let Err(error) = self.plane.allow_egress(ifindex) {
                    self.warn(format!("packets to {address} cannot leave by interface {ifindex}: {error}"));
                }
                Path::Reachable { ifindex, destination: destination_mac, source: source_mac, mtu }
            }
            neighbours::Path::Local => Path::Local,
            neighbours::Path::Unresolved { .. } => Path::Unknown,
        };
        self.tables.set_path(address, words);
        self.paths.insert(address, path);
    }

    /// Removes expired flows, and those of removed servers if `expire_nodest_conn` says so.
    ///
    /// # Errors
    /// The kernel refused to run the sweep program.
    pub fn sweep(&mut self) -> Result<u64> {
        self.sweep_early(0)
    }

    /// As [`Self::sweep`]; with a lot other than 0 `drop_entry` takes its part too.
    fn sweep_early(&mut self, lot: u32) -> Result<u64> {
        let early = Early { homeless: self.tables.flush_is_due(), lot };
        let (connections, _) = self.plane.sweep(FlowTable::Connections, early)?;
        let (templates, now) = self.plane.sweep(FlowTable::Templates, early)?;
        self.tables.flushed();
        self.live = [connections, templates];
        Ok(now)
    }

    /// A second has passed.
    ///
    /// # Errors
    /// As [`Self::sweep`], or the journal cannot be written to disk.
    pub fn tick(&mut self) -> Result<()> {
        let lot = if self.tables.drops_entries() { draw() } else { 0 };
        self.sweep_early(lot)?;
        self.tables.set_room(self.sizes[0].saturating_sub(self.live[0]));
        self.tables.tick();
        self.tables.collect_tables(self.plane.now()?);
        match &mut self.journal {
            Some(journal) => Ok(journal.keep_safe(&self.model)?),
            None => Ok(()),
        }
    }

    /// Two seconds have passed: the rates move on.
    pub fn estimate(&mut self) {
        if self.model.sysctls().run_estimation {
            self.estimators.step(&self.model, &self.tables);
        }
    }

    /// The packet program, to run it on frames.
    pub fn plane(&mut self) -> &mut DataPlane {
        &mut self.plane
    }

    /// The tables.
    pub fn tables(&mut self) -> &mut Tables<KernelMaps> {
        &mut self.tables
    }
}

/// A key for the flow hash that no client can guess.
fn seed() -> u64 {
    RandomState::new().hash_one("lvx")
}

/// A lot for [`Early`].
fn draw() -> u32 {
    let [a, b, c, d, ..] = seed().to_ne_bytes();
    u32::from_ne_bytes([a, b, c, d]).max(1)
}
