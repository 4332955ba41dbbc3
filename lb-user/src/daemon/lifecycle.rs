//! Which file holds: chosen at the start, and changed by `lvx apply`, `lvx reload` and `lvx rollback`.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use super::Daemon;
use super::origin::{Origin, Text};
use crate::api::{Refusal, Report, Request, Response};
use crate::config::{self, Config, ConfigError};
use crate::generations::{Applied, Generation, Generations, How, hash};
use crate::journal::Record;
use crate::model::Model;

/// So many changes are logged one by one; of more only the number.
const LOGGED: usize = 50;

/// What is known of the files.
pub(super) struct Lifecycle {
    origin: Origin,
    state: PathBuf,
    generations: Generations,
}

/// What the daemon starts with.
pub(super) struct Chosen {
    /// What it asks for.
    pub(super) config: Config,
    /// What was set by hand before.
    pub(super) by_hand: Record,
    text: Text,
    /// The hash of the file of `--config`.
    file: Option<String>,
    /// Why it is not that file.
    note: Option<String>,
}

impl Lifecycle {
    /// Chooses what to start with: the file of `--config`, unless another one was applied last and that file has not
    /// changed since.
    pub(super) fn open(origin: Origin, state: &Path, file: (Option<Text>, Config)) -> Result<(Self, Chosen)> {
        let generations = Generations::open(state).context("cannot read what was applied")?;
        let by_hand = Record::read(state).context("cannot read what was set by hand")?;
        let lifecycle = Self { origin, state: state.to_owned(), generations };
        let (text, config) = file;
        let hash = text.as_ref().map(|text| hash(&text.text));
        let text = text.unwrap_or_else(|| Text { name: "no file".to_owned(), text: String::new() });
        let chosen = Chosen { config, by_hand, text, file: hash, note: None };
        Ok(match lifecycle.applied_last(&chosen) {
            Some((text, config, note)) => {
                tracing::warn!("{note}");
                (lifecycle, Chosen { config, text, note: Some(note), ..chosen })
            }
            None => (lifecycle, chosen),
        })
    }

    /// The generation that holds although it is another than the file.
    fn applied_last(&self, file: &Chosen) -> Option<(Text, Config, String)> {
        let last = self.generations.last()?;
        if last.file != file.file || last.hash == hash(&file.text.text) {
            return None;
        }
        let text = match self.generations.text(last) {
            Ok(text) => Text { name: last.name.clone(), text },
            Err(error) => {
                tracing::error!("generation {} was applied last and is not used: {error}", last.number);
                return None;
            }
        };
        let (number, name, file) = (last.number, &last.name, &file.text.name);
        match text.parse(&self.origin.overrides) {
            Ok(config) => {
                let note = format!(
                    "generation {number} ({name}) was applied last and holds; {file} says something else and has not changed since: `lvx reload` applies it"
                );
                Some((text, config, note))
            }
            Err(error) => {
                tracing::error!("generation {number} ({name}) was applied last and is not valid any more: {error}");
                None
            }
        }
    }

    /// What the changes by hand were made on top of, if that is known.
    pub(super) fn base_of(&self, by_hand: &Record) -> Option<Model> {
        let generation = self.generations.with_hash(by_hand.base.as_ref()?)?;
        let text = self.generations.text(generation).ok()?;
        Some(config::parse(&generation.name, &text).ok()?.model())
    }
}

impl Daemon<'_> {
    /// What was chosen runs: it is kept, and so is what will be set by hand on top of it.
    pub(super) fn keep(&mut self, chosen: &Chosen) -> Result<()> {
        let Lifecycle { generations, state, .. } = &mut self.lifecycle;
        let Chosen { config, text: Text { name, text }, file, note, by_hand: _ } = chosen;
        let why = "cannot keep what is applied";
        if generations.last().is_some_and(|last| last.hash == hash(text)) {
            generations.note_file(file.as_deref()).context(why)?;
        } else {
            let applied = Applied { name, text, how: How::Start, of: None, file: file.clone() };
            generations.add(&applied).context(why)?;
        }
        let generation = generations.last().cloned().context(why)?;
        self.director.remember(state, generation)?;
        generations.keep(config.generations_kept).context(why)?;
        if let Some(note) = note {
            self.director.set_note(note.clone());
        }
        Ok(())
    }

    /// SIGHUP.
    pub(super) async fn hang_up(&mut self) {
        tracing::info!("SIGHUP: reading the config file again");
        if let Err(refusal) = self.reload().await {
            tracing::error!("the config file is not applied: {refusal}");
        }
    }

    /// Answers a request that is about files.
    pub(super) async fn about_files(&mut self, request: Request) -> Response {
        let answer = match request {
            Request::Plan { name, text } => self.plan(Text { name, text }).await,
            Request::Apply { name, text } => self.apply(Text { name, text }, How::Apply, None).await,
            Request::Reload => self.reload().await,
            Request::Rollback { to } => self.roll_back(to).await,
            Request::Export => match config::write(&self.director.running()) {
                Ok(text) => Ok(Response::Exported { text }),
                Err(error) => Err(Refusal::Other(error.to_string())),
            },
            Request::Generations => {
                Ok(Response::Generations { generations: self.lifecycle.generations.all().to_vec() })
            }
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
            | Request::List { .. }
            | Request::Connections
            | Request::ConnectionPart { .. }
            | Request::Timeouts
            | Request::Sysctls
            | Request::Drain { .. }
            | Request::Undrain { .. }
            | Request::Drains
            | Request::Status => Ok(self.director.handle(&request)),
        };
        answer.unwrap_or_else(|refusal| Response::Refused { refusal })
    }

    async fn plan(&mut self, text: Text) -> Result<Response, Refusal> {
        let (_, config) = self.parsed(text).await?;
        let report = Box::new(self.director.plan(&config)?);
        Ok(Response::Planned { report })
    }

    async fn reload(&mut self) -> Result<Response, Refusal> {
        match self.lifecycle.origin.text() {
            Ok(Some(text)) => self.apply(text, How::Reload, None).await,
            Ok(None) => {
                Err(Refusal::Other("lvx was started without a config file; `lvx apply FILE` applies one".to_owned()))
            }
            Err(error) => Err(refusal(error)),
        }
    }

    async fn roll_back(&mut self, to: Option<u64>) -> Result<Response, Refusal> {
        let generations = &self.lifecycle.generations;
        let Some(generation) = generations.earlier(to).cloned() else {
            return Err(Refusal::Other(match to {
                Some(number) => format!("there is no generation {number}; `lvx generations` lists those that are kept"),
                None => "there is no earlier generation to go back to".to_owned(),
            }));
        };
        let text = generations.text(&generation).map_err(|error| Refusal::Other(error.to_string()))?;
        let of = Some(generation.of.unwrap_or(generation.number));
        self.apply(Text { name: generation.name, text }, How::Rollback, of).await
    }

    async fn apply(&mut self, text: Text, how: How, of: Option<u64>) -> Result<Response, Refusal> {
        let file = self.lifecycle.origin.hash();
        let hash = hash(&text.text);
        let kept =
            |error: std::io::Error| Refusal::Other(format!("cannot keep the file, so it is not applied: {error}"));
        if let Some(last) = self.lifecycle.generations.last().filter(|last| last.hash == hash) {
            let generation = last.number;
            self.lifecycle.generations.note_file(file.as_deref()).map_err(kept)?;
            tracing::info!(generation, name = text.name, "the file is applied already");
            return Ok(Response::Applied { report: Box::default(), generation });
        }
        let (text, config) = self.parsed(text).await?;
        let applied = Applied { name: &text.name, text: &text.text, how, of, file };
        let generation = self.lifecycle.generations.add(&applied).map_err(kept)?;
        let (most, follow) = (config.generations_kept, config.follow_netfilter);
        let (vips, interfaces) = (config.vips.clone(), config.interfaces.clone());
        let report = match self.director.apply(config, Some(generation.clone())) {
            Ok(report) => report,
            Err(refusal) => {
                if let Err(error) = self.lifecycle.generations.take_back() {
                    tracing::error!("a file that was not applied stays among the generations: {error}");
                }
                return Err(refusal);
            }
        };
        self.follow_netfilter(follow);
        self.questions.set_interfaces(&mut self.director, &interfaces);
        self.follow_model();
        self.watch_handshakes();
        self.vips.set(&vips, &interfaces);
        if let Err(error) = self.lifecycle.generations.keep(most) {
            tracing::warn!("an old generation stays: {error}");
        }
        log(&generation, &report);
        Ok(Response::Applied { report: Box::new(report), generation: generation.number })
    }

    /// What a text asks for. Other tasks go on while it is read, which takes a second for a hundred thousand servers.
    async fn parsed(&self, text: Text) -> Result<(Text, Config), Refusal> {
        let overrides = self.lifecycle.origin.overrides.clone();
        let parse = move || (text.parse(&overrides), text);
        match tokio::task::spawn_blocking(parse).await {
            Ok((Ok(config), text)) => Ok((text, config)),
            Ok((Err(error), _)) => Err(refusal(error)),
            Err(error) => Err(Refusal::Other(format!("the file cannot be read: {error}"))),
        }
    }
}

fn refusal(error: ConfigError) -> Refusal {
    match error {
        ConfigError::Invalid(problems) => Refusal::Config(problems),
        ConfigError::Read { path, source } => {
            Refusal::Other(format!("cannot read the configuration {}: {source}", path.display()))
        }
    }
}

fn log(generation: &Generation, report: &Report) {
    let Generation { number, name, how, .. } = generation;
    tracing::info!(generation = number, name, ?how, changes = report.changes.len(), "applied");
    if report.changes.len() <= LOGGED {
        for change in &report.changes {
            tracing::info!("{change}");
        }
    }
}
