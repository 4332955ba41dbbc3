//! The director: the model, the tables that follow it, and everything that changes either. Changes come from the API,
//! from health checks, from the neighbour table and from netfilter; all of them enter here, one after another.

mod apply;
mod drain;
mod effective;
mod estimator;
mod followed;
mod forecast;
mod health;
mod interfaces;
mod listing;
mod log;
mod marks;
pub mod notify;
mod policies;

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::net::IpAddr;
use std::time::Instant;

use anyhow::Result;

use crate::api::event::{Event, Events};
use crate::api::{self, Refusal, Request, Response};
use crate::config::Config;
use crate::dataplane::{DataPlane, Early};
use crate::journal::Journal;
use crate::model::policy::Notify;
use crate::model::{Model, ServiceId, plan};
use crate::neighbours;
use crate::tables::kernel::KernelMaps;
use crate::tables::maps::FlowTable;
use crate::tables::{Path, Tables};
use apply::Base;
use estimator::Estimators;
use followed::Followed;
use interfaces::Interfaces;
use log::{Author, Before};
use marks::Marks;
use notify::Notifier;
use policies::Policies;

/// A running director.
pub struct Director {
    started: Instant,
    model: Model,
    base: Base,
    tables: Tables<KernelMaps>,
    plane: DataPlane,
    journal: Option<Journal>,
    policies: Policies,
    followed: Followed,
    paths: HashMap<IpAddr, neighbours::Path>,
    interfaces: Interfaces,
    marks: Marks,
    estimators: Estimators,
    live: [u64; 2],
    sizes: [u64; 2],
    warnings: Vec<String>,
    events: Events,
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
            base: Base::new(config),
            tables: Tables::new(maps, config.sizes),
            plane,
            journal: None,
            policies: Policies::new(config.policies.clone(), config.health.clone()),
            followed: Followed::default(),
            paths: HashMap::new(),
            interfaces: Interfaces::new(config.xdp_mode),
            marks: Marks::new(config.mark_rules.clone()),
            estimators: Estimators::default(),
            live: [0; 2],
            sizes: [config.sizes.connections.into(), config.sizes.templates.into()],
            warnings: Vec::new(),
            events: Events::default(),
            author: Author::ConfigFile,
        };
        let sorry: Vec<_> = director.policies.sorry_servers().map(|server| server.address).collect();
        director.followed.replace(&[], &sorry);
        director.policies.quiet = true;
        for change in plan(&director.model, director.base.model()) {
            director.change(&change).map_err(|refusal| anyhow::anyhow!("{refusal}"))?;
        }
        director.policies.quiet = false;
        director.author = Author::Command;
        if !config.services.is_empty() {
            let real_servers: usize = config.services.iter().map(|service| service.servers.len()).sum();
            tracing::info!(services = config.services.len(), real_servers, "services of the config file");
        }
        director.compile_marks();
        Ok(director)
    }

    /// Tells the operator, once.
    pub fn warn(&mut self, warning: String) {
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
            Request::ConnectionPart { from } => self.connection_part(*from),
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
            Request::Drain { which, seconds, now } => {
                self.drain(*which, *seconds, *now).inspect(|_| self.events.made(request))
            }
            Request::Undrain { which } => self.undrain(*which).inspect(|_| self.events.made(request)),
            Request::Drains => Ok(self.drains()),
            Request::AddService { .. }
            | Request::EditService { .. }
            | Request::DeleteService { .. }
            | Request::Flush
            | Request::AddServer { .. }
            | Request::EditServer { .. }
            | Request::DeleteServer { .. }
            | Request::OrderServers { .. }
            | Request::SetTimeouts { .. }
            | Request::SetSysctls { .. } => {
                let before = self.model.part(request);
                self.change(request)?;
                self.keep(request, &before)?;
                Ok(Response::Done)
            }
            Request::Plan { .. }
            | Request::Apply { .. }
            | Request::Reload
            | Request::Export
            | Request::Generations
            | Request::Rollback { .. } => Err(Refusal::Other("only the daemon has files to apply".to_owned())),
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
            Request::AddServer { .. } | Request::EditServer { .. } | Request::DeleteServer { .. } => {
                let mut after = self.model.part(request);
                after.commit(request);
                for service in after.services() {
                    self.carry_change(service, Some(request), "changed by hand")?;
                }
            }
            Request::OrderServers { id, servers } => self.tables.order_servers(id, servers)?,
            Request::SetTimeouts { .. }
            | Request::SetSysctls { .. }
            | Request::Zero { .. }
            | Request::List { .. }
            | Request::Connections
            | Request::ConnectionPart { .. }
            | Request::Timeouts
            | Request::Sysctls
            | Request::Status
            | Request::Plan { .. }
            | Request::Apply { .. }
            | Request::Reload
            | Request::Export
            | Request::Generations
            | Request::Drain { .. }
            | Request::Undrain { .. }
            | Request::Drains
            | Request::Rollback { .. } => {}
        }
        self.follow(request);
        self.model.commit(request);
        self.carry_out(request);
        log::changed(self.author, request, &before, &self.model);
        self.events.made(request);
        Ok(())
    }

    /// What follows from a change that is made.
    fn carry_out(&mut self, request: &Request) {
        match request {
            Request::AddService { service } | Request::EditService { service } => {
                self.carry(&service.id, "changed by hand");
            }
            Request::DeleteServer { id, address, port } => {
                self.policies.forget(&(*id, *address, *port));
            }
            Request::SetTimeouts { .. } => self.tables.set_timeouts(&self.model.timeouts()),
            Request::SetSysctls { .. } => self.tables.set_sysctls(self.model.sysctls()),
            Request::AddServer { .. }
            | Request::EditServer { .. }
            | Request::DeleteService { .. }
            | Request::Flush
            | Request::Zero { .. }
            | Request::List { .. }
            | Request::Connections
            | Request::ConnectionPart { .. }
            | Request::Timeouts
            | Request::Sysctls
            | Request::Drain { .. }
            | Request::Undrain { .. }
            | Request::Drains
            | Request::OrderServers { .. }
            | Request::Plan { .. }
            | Request::Apply { .. }
            | Request::Reload
            | Request::Export
            | Request::Generations
            | Request::Rollback { .. }
            | Request::Status => {}
        }
    }

    fn forget_service(&mut self, id: &ServiceId) -> Result<(), Refusal> {
        self.tables.remove_service(id)?;
        if let Some(service) = self.model.service(id) {
            self.policies.forget_service(service);
        }
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

    /// Who is told of transitions from now on.
    pub fn set_notifier(&mut self, notifier: Notifier) {
        self.policies.notifier = notifier;
    }

    /// How servers are reached, as far as that is known.
    pub fn paths(&self) -> impl Iterator<Item = (IpAddr, &neighbours::Path)> {
        self.paths.iter().map(|(address, path)| (*address, path))
    }

    /// Who is told of the transitions of services that say nothing else.
    pub fn set_notify(&mut self, notify: Notify) {
        self.policies.notifier.all = notify;
    }

    /// Whether it is known of every server how it is reached, or that it is not.
    pub fn knows_all_paths(&self) -> bool {
        self.all_addresses(|address| match self.paths.get(address) {
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
        self.events.tell(|| Event::Neighbour { address, neighbour: api::NeighbourState::from(&path) });
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
        self.advance();
        match &mut self.journal {
            Some(journal) => Ok(journal.keep_safe(self.base.model(), &self.model)?),
            None => Ok(()),
        }
    }

    /// Two seconds have passed: the rates move on.
    pub fn estimate(&mut self) {
        if self.model.sysctls().run_estimation {
            self.estimators.step(&self.model, &self.tables);
        }
    }

    /// What changes is told here.
    pub fn events(&self) -> Events {
        self.events.clone()
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
