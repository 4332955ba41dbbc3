//! Servers that are taken out of service in good order: weight 0 until a deadline, then out.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use crate::api::{DrainEntry, DrainedServer, Refusal, Response};
use crate::director::Director;
use crate::director::effective;
use crate::model::{RealServer, Service, Which};
use crate::tables::{Address, RealId};

/// Which servers a drain is about, and until when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Drain {
    #[serde(flatten)]
    which: Which,
    /// Seconds since 1970.
    until: u64,
    /// Known clients go elsewhere too.
    now: bool,
    /// The deadline has passed; not in the file, which has the deadline.
    #[serde(skip)]
    over: bool,
}

/// All drains, and their file.
#[derive(Debug, Default)]
pub(super) struct Drains {
    list: Vec<Drain>,
    path: Option<PathBuf>,
}

impl Drains {
    /// Reads the drains that were kept in a directory, and keeps them there from now on.
    fn open(directory: &Path, now: u64) -> io::Result<Self> {
        let path = directory.join("drains.json");
        let mut list: Vec<Drain> = match std::fs::read_to_string(&path) {
            Ok(text) => serde_json::from_str(&text).map_err(|error| {
                let advice = "mend it, or move it away to start without drains";
                io::Error::other(format!("{}: no list of drains ({error}); {advice}", path.display()))
            })?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(io::Error::new(error.kind(), format!("{}: {error}", path.display()))),
        };
        list.iter_mut().for_each(|drain| drain.over = drain.until <= now);
        Ok(Self { list, path: Some(path) })
    }

    /// Replaces the list, in the file first.
    fn replace(&mut self, list: Vec<Drain>) -> io::Result<()> {
        if let Some(path) = &self.path {
            let beside = path.with_extension("new");
            let mut file = std::fs::File::create(&beside)?;
            file.write_all(&serde_json::to_vec_pretty(&list)?)?;
            file.sync_all()?;
            std::fs::rename(&beside, path)?;
        }
        self.list = list;
        Ok(())
    }

    /// What becomes of a server: of several drains the one that is over counts.
    pub(super) fn of(&self, id: &RealId) -> effective::Drain {
        let own = self.list.iter().filter(|drain| drain.which.has(id));
        own.fold(effective::Drain::No, |before, drain| {
            if drain.over || before == effective::Drain::Over {
                effective::Drain::Over
            } else {
                effective::Drain::Going
            }
        })
    }

    /// When a server's drain ends: the first deadline, in seconds since 1970.
    pub(super) fn until(&self, id: &RealId) -> Option<u64> {
        self.list.iter().filter(|drain| drain.which.has(id)).map(|drain| drain.until).min()
    }

    /// The servers of a service whose known clients are to go elsewhere too.
    pub(super) fn released(&self, service: &Service) -> Vec<Address> {
        let at_once: Vec<_> = self.list.iter().filter(|drain| drain.now).collect();
        let is = |server: &&RealServer| {
            at_once.iter().any(|drain| drain.which.has(&(service.id, server.address, server.port)))
        };
        if at_once.is_empty() {
            return Vec::new();
        }
        service.servers.iter().filter(is).map(|server| (server.address, server.port)).collect()
    }
}

/// Seconds since 1970.
pub(super) fn unix_time() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs()
}

impl Director {
    /// Takes over the drains that were kept in a directory.
    pub(super) fn remember_drains(&mut self, directory: &Path) -> io::Result<()> {
        std::fs::create_dir_all(directory)?;
        self.policies.drains = Drains::open(directory, unix_time())?;
        let which: Vec<_> = self.policies.drains.list.iter().map(|drain| drain.which).collect();
        for which in which {
            self.carry_drained(&which, "drained before the restart");
        }
        Ok(())
    }

    /// Lets servers finish what they have: no new clients from now on, out of service after `seconds`.
    pub(super) fn drain(&mut self, which: Which, seconds: u64, now: bool) -> Result<Response, Refusal> {
        if let Some(id) = &which.service {
            self.model.service(id).ok_or(Refusal::NoSuchService)?;
        }
        if self.drained(&which).is_empty() {
            return Err(Refusal::NoSuchServer);
        }
        let mut list = self.policies.drains.list.clone();
        list.retain(|drain| drain.which != which);
        list.push(Drain { which, until: unix_time().saturating_add(seconds), now, over: seconds == 0 });
        self.keep_drains(list)?;
        tracing::info!(server = %which, seconds, now, "draining");
        if !now {
            self.release(&which, false);
        }
        self.carry_drained(&which, &format!("{which} is drained"));
        Ok(Response::Done)
    }

    /// Puts drained servers back into service.
    pub(super) fn undrain(&mut self, which: Which) -> Result<Response, Refusal> {
        let covers = |drain: &Drain| {
            let Which { address, port, service } = drain.which;
            which.address == address
                && (which.port.is_none() || which.port == port)
                && (which.service.is_none() || which.service == service)
        };
        let (gone, list): (Vec<_>, Vec<_>) = self.policies.drains.list.iter().cloned().partition(covers);
        if gone.is_empty() {
            return Err(Refusal::Other(self.not_drained(&which)));
        }
        self.keep_drains(list)?;
        tracing::info!(server = %which, "no longer draining");
        for drain in gone {
            self.release(&drain.which, false);
            for (id, address, port) in self.drained(&drain.which) {
                if let Some(server) = self.model.server(&id, address, port) {
                    self.policies.start_ramp(&id, server, Instant::now());
                }
            }
            self.carry_drained(&drain.which, &format!("{} is no longer drained", drain.which));
        }
        Ok(Response::Done)
    }

    fn not_drained(&self, which: &Which) -> String {
        let other = self.policies.drains.list.iter().find(|drain| drain.which.address == which.address);
        match other {
            Some(drain) => format!("{which} is not drained by itself, but {} is; undrain that", drain.which),
            None => format!("{which} is not drained; `lvx drains` lists what is"),
        }
    }

    fn keep_drains(&mut self, list: Vec<Drain>) -> Result<(), Refusal> {
        let kept = self.policies.drains.replace(list);
        kept.map_err(|error| Refusal::Other(format!("cannot keep the change, so it is not made: {error}")))
    }

    /// Lets the templates of servers bind new connections again, or not.
    fn release(&mut self, which: &Which, released: bool) {
        for (id, address, port) in self.drained(which) {
            self.tables.set_released(&id, &(address, port), released);
        }
    }

    fn drained(&self, which: &Which) -> Vec<RealId> {
        let servers = self.model.services().filter(|service| which.service.is_none_or(|id| id == service.id));
        let servers = servers.flat_map(|service| service.servers.iter().map(|one| (service.id, one.address, one.port)));
        servers.filter(|id| which.has(id)).collect()
    }

    fn carry_drained(&mut self, which: &Which, cause: &str) {
        let mut services: Vec<_> = self.drained(which).into_iter().map(|(id, ..)| id).collect();
        services.dedup();
        for id in services {
            self.carry(&id, cause);
        }
    }

    /// Takes servers out of service whose deadline has passed.
    pub(super) fn end_drains(&mut self) {
        let now = unix_time();
        let mut ended = Vec::new();
        for drain in self.policies.drains.list.iter_mut().filter(|drain| !drain.over && drain.until <= now) {
            drain.over = true;
            ended.push(drain.which);
        }
        for which in ended {
            let left: u64 = self.drained(&which).iter().map(|id| self.left(id).0).sum();
            tracing::info!(server = %which, connections = left, "drained: out of service until `lvx undrain`");
            self.carry_drained(&which, &format!("the drain of {which} is over"));
        }
    }

    /// To `lvx drains`.
    pub(super) fn drains(&self) -> Response {
        let now = unix_time();
        let server = |id: &RealId| {
            let (connections, templates) = self.left(id);
            let (service, address, port) = *id;
            DrainedServer { service, address, port, connections, templates }
        };
        let entry = |drain: &Drain| DrainEntry {
            address: drain.which.address,
            port: drain.which.port,
            service: drain.which.service,
            until: drain.until,
            left: drain.until.saturating_sub(now),
            now: drain.now,
            over: drain.over,
            servers: self.drained(&drain.which).iter().map(server).collect(),
        };
        Response::Drains { drains: self.policies.drains.list.iter().map(entry).collect() }
    }

    /// Connections and templates that a server has left.
    fn left(&self, (id, address, port): &RealId) -> (u64, u64) {
        let counts = self.tables.server(id, &(*address, *port)).map(|(_, counts, _)| counts).unwrap_or_default();
        (counts.active + counts.inactive, counts.persistent)
    }
}
