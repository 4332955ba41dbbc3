//! Another file holds from now on: looked at as a whole first, then applied in whole or not at all.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context as _, Result};

use crate::api::event::Event;
use crate::api::{Change, Generation, Refusal, Report, Request};
use crate::config::{self, Config};
use crate::director::Director;
use crate::director::log::Author;
use crate::journal::{Journal, Record};
use crate::model::{Merged, Model, differences, merge, plan};

/// The file that holds, and what is known of it.
#[derive(Debug)]
pub(super) struct Base {
    /// The file, but for its services, timeouts and sysctls.
    config: Config,
    /// Those.
    model: Model,
    /// None where nothing is kept.
    generation: Option<Generation>,
    /// What of that which was set by hand gave way to files, in words.
    overruled: Vec<String>,
    /// Why it holds, where that is not plain.
    note: Option<String>,
}

/// A file that was looked at.
struct Prepared {
    /// What the file says.
    base: Model,
    /// What is to run, and what gives way.
    merged: Merged,
    /// What leads there.
    changes: Vec<Request>,
}

impl Base {
    pub(super) fn new(config: &Config) -> Self {
        let model = config.model();
        let config = Config { services: Vec::new(), ..config.clone() };
        Self { config, model, generation: None, overruled: Vec::new(), note: None }
    }

    /// What the file says of services, timeouts and sysctls.
    pub(super) fn model(&self) -> &Model {
        &self.model
    }

    /// The file that holds; none where nothing is kept.
    pub(super) fn generation(&self) -> Option<&Generation> {
        self.generation.as_ref()
    }

    /// What the operator should know.
    pub(super) fn warnings(&self) -> impl Iterator<Item = &String> {
        self.note.iter().chain(&self.overruled)
    }
}

impl Director {
    /// Makes again what was set by hand: `record` was made on top of `old`, or of the present file where that is not known.
    /// Nothing is written yet.
    pub fn replay(&mut self, record: &Record, old: Option<&Model>) {
        let old = old.unwrap_or(&self.base.model);
        let replay = record.replay(old);
        let Merged { model, overruled } = merge(old, &replay.model, &self.base.model);
        let is_less = !replay.warnings.is_empty() || !overruled.is_empty();
        replay.warnings.into_iter().for_each(|warning| self.warn(warning));
        self.tell_overruled(&overruled);
        self.policies.quiet = true;
        self.author = Author::Journal;
        for change in plan(&self.model, &model) {
            if let Err(refusal) = self.change(&change) {
                self.warn(format!("a change made by hand could not be made again: {refusal}"));
            }
        }
        self.policies.quiet = false;
        self.author = Author::Command;
        if is_less {
            match record.keep_before() {
                Ok(sentence) => self.warn(sentence),
                Err(error) => self.warn(format!("cannot keep the changes made by hand as they were: {error}")),
            }
        }
    }

    /// From now on changes by hand are kept in a directory, on top of the file that runs.
    ///
    /// # Errors
    /// The journal cannot be written.
    pub fn remember(&mut self, directory: &Path, generation: Generation) -> Result<()> {
        self.remember_drains(directory).context("cannot read what is drained")?;
        let by_hand = plan(&self.base.model, &self.model);
        let journal = Journal::write(directory, &generation.hash, &by_hand);
        self.journal = Some(journal.context("cannot keep what is set by hand")?);
        self.base.generation = Some(generation);
        Ok(())
    }

    /// Tells why the present file holds, until another is applied.
    pub fn set_note(&mut self, note: String) {
        self.base.note = Some(note);
    }

    /// What differs from the file that was applied last.
    pub fn by_hand(&self) -> Vec<Change> {
        differences(&self.base.model, &self.model)
    }

    /// The running state, but for what health checks make of it: applied as a file it gives the same.
    pub fn running(&self) -> Config {
        let services: Vec<_> = self.model.services().cloned().collect();
        Config { services, timeouts: self.model.timeouts(), ipvs: *self.model.sysctls(), ..self.base.config.clone() }
    }

    /// The file that holds, but for its services, timeouts and sysctls.
    pub fn base(&self) -> &Config {
        &self.base.config
    }

    /// What applying a file would change.
    ///
    /// # Errors
    /// It could not be applied now, and would not be after a restart either.
    pub fn plan(&mut self, config: &Config) -> Result<Report, Refusal> {
        let prepared = self.prepare(config)?;
        self.report(config, &prepared)
    }

    /// Applies a file: all of it, or nothing. What it does not change is not touched. With a `generation` the journal is
    /// written anew on top of it.
    ///
    /// # Errors
    /// Why nothing was changed.
    pub fn apply(&mut self, config: Config, generation: Option<Generation>) -> Result<Report, Refusal> {
        let prepared = self.prepare(&config)?;
        let report = self.report(&config, &prepared)?;
        if !report.needs_restart.is_empty() {
            return Err(needs_restart(&report.needs_restart));
        }
        let Prepared { base, merged, changes } = prepared;
        let before = if changes.is_empty() { None } else { Some(self.model.clone()) };
        self.author = Author::ConfigFile;
        let done = self
            .attach_new(&config.interfaces)
            .and_then(|()| changes.iter().try_for_each(|change| self.change(change)))
            .and_then(|()| self.rebase(&base, generation.as_ref(), !merged.overruled.is_empty()));
        if let Err(refusal) = done {
            self.author = Author::TakenBack;
            self.take_back(before.as_ref());
            self.author = Author::Command;
            return Err(refusal);
        }
        self.author = Author::Command;
        self.base.model = base;
        self.base.note = None;
        self.base.generation = generation.or(self.base.generation.take());
        self.tell_overruled(&merged.overruled);
        self.take_over(config);
        if let Some(Generation { number, .. }) = self.base.generation {
            self.events.tell(|| Event::Applied { generation: number });
        }
        Ok(report)
    }

    /// Looks at a file: what it leads to, and whether there is room for all of it.
    fn prepare(&self, config: &Config) -> Result<Prepared, Refusal> {
        let base = config.model();
        let merged = merge(&self.base.model, &self.model, &base);
        let changes = plan(&self.model, &merged.model);
        let prepared = Prepared { base, merged, changes };
        // Other sizes are other room.
        if config.sizes == self.base.config.sizes {
            self.has_room(&prepared)?;
        }
        self.can_attach(&config.interfaces)?;
        if config.mark_rules != self.base.config.mark_rules {
            self.can_mark(&config.mark_rules)?;
        }
        Ok(prepared)
    }

    fn has_room(&self, prepared: &Prepared) -> Result<(), Refusal> {
        let mut room = self.tables.room();
        let mut changed = BTreeSet::new();
        for change in &prepared.changes {
            match change {
                Request::DeleteService { id } => {
                    if let Some(service) = self.model.service(id) {
                        room.remove_service(service);
                    }
                }
                Request::AddService { service } => {
                    room.add_service(service)?;
                    changed.insert(service.id);
                }
                Request::EditService { service } => {
                    if let Some(before) = self.model.service(&service.id) {
                        room.edit_service(before, service)?;
                    }
                    changed.insert(service.id);
                }
                Request::DeleteServer { id, address, port } => room.remove_server(&(*id, *address, *port)),
                Request::AddServer { id, server } => {
                    room.add_server(id, server)?;
                    changed.insert(*id);
                }
                Request::Flush
                | Request::EditServer { .. }
                | Request::OrderServers { .. }
                | Request::SetTimeouts { .. }
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
                | Request::Rollback { .. }
                | Request::Drain { .. }
                | Request::Undrain { .. }
                | Request::Drains => {}
            }
        }
        let mut services = changed.iter().filter_map(|id| prepared.merged.model.service(id));
        services.try_for_each(|service| room.holds(service))
    }

    fn report(&mut self, config: &Config, prepared: &Prepared) -> Result<Report, Refusal> {
        let mut changes = config::differences(&self.base.config, config);
        changes.extend(differences(&self.model, &prepared.merged.model));
        changes.sort_by_key(|change| change.subject);
        let needs_restart = config::needs_restart(&self.base.config, config);
        let wanted = &prepared.merged.model;
        let report =
            Report { changes, overruled: prepared.merged.overruled.clone(), needs_restart, ..Report::default() };
        if prepared.changes.is_empty() { Ok(report) } else { self.forecast(wanted, report) }
    }

    /// The journal is on top of another file from now on. The model is what is to run already.
    fn rebase(&mut self, base: &Model, generation: Option<&Generation>, is_less: bool) -> Result<(), Refusal> {
        let (Some(journal), Some(generation)) = (&mut self.journal, generation) else { return Ok(()) };
        let by_hand = plan(base, &self.model);
        let kept = if is_less { journal.keep_before().map(Some) } else { Ok(None) };
        kept.and_then(|sentence| journal.rebase(&generation.hash, &by_hand).map(|()| sentence))
            .map(|sentence| self.base.overruled.extend(sentence.filter(|new| !self.base.overruled.contains(new))))
            .map_err(|error| {
                Refusal::Other(format!("cannot keep what was set by hand, so nothing is applied: {error}"))
            })
    }

    /// Everything of a file that is in no model. What is new in a [`Config`] is to be thought of here.
    fn take_over(&mut self, config: Config) {
        let Config {
            interfaces,
            // They need a restart.
            xdp_mode: _,
            sizes: _,
            api: _,
            metrics: _,
            log: _,
            // The command line's.
            trace: _,
            // They came with the model.
            timeouts: _,
            ipvs: _,
            services: _,
            // The daemon's, as what is followed of netfilter.
            generations_kept: _,
            follow_netfilter: _,
            mark_rules,
            health,
            policies,
            notify,
            // The daemon's.
            vips: _,
            passive: _,
            warnings: _,
        } = &config;
        self.detach_all_but(interfaces);
        if *mark_rules != self.base.config.mark_rules {
            self.set_mark_rules(mark_rules.clone());
        }
        if *health != self.base.config.health {
            self.set_checks(health.clone());
        }
        if *policies != self.base.config.policies {
            self.set_policies(policies.clone());
        }
        self.set_notify(notify.clone());
        self.base.config = Config { services: Vec::new(), ..config };
    }

    /// Nothing was applied after all.
    fn take_back(&mut self, before: Option<&Model>) {
        let named = self.base.config.interfaces.clone();
        self.detach_all_but(&named);
        for change in before.map(|before| plan(&self.model, before)).unwrap_or_default() {
            if let Err(refusal) = self.change(&change) {
                self.warn(format!("a change that was half made could not be taken back: {refusal}"));
            }
        }
    }

    fn tell_overruled(&mut self, overruled: &[Change]) {
        for change in overruled {
            let sentence = format!("set by hand, and overruled by the file: {change}");
            tracing::warn!("{sentence}");
            if !self.base.overruled.contains(&sentence) {
                self.base.overruled.push(sentence);
            }
        }
    }
}

fn needs_restart(changes: &[Change]) -> Refusal {
    let lines: String = changes.iter().map(|change| format!("\n  {change}")).collect();
    Refusal::Other(format!("this needs a restart of lvx, so nothing was changed:{lines}"))
}
