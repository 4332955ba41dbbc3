//! `lvx plan`, `lvx apply`, `lvx reload`, `lvx rollback`: files, and what they change.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use clap::Args;

use super::report;
use crate::api::client::Client;
use crate::api::{self, Request, Response};

/// What all of them take.
#[derive(Debug, Args)]
pub(super) struct Common {
    /// As JSON
    #[arg(long)]
    json: bool,
    /// The daemon's socket
    #[arg(long, env = "LVX_SOCKET", default_value_os_t = api::socket_path())]
    socket: PathBuf,
}

/// A command with a file.
#[derive(Debug, Args)]
pub(super) struct WithFile {
    /// The file; `-` is the standard input
    file: PathBuf,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, Args)]
pub(super) struct Rollback {
    /// Its number; the one before the present one if it is left out. `lvx generations` lists them
    generation: Option<u64>,
    #[command(flatten)]
    common: Common,
}

impl WithFile {
    /// `lvx plan`: what is to be printed.
    pub(super) fn plan(&self) -> Result<String> {
        let (name, text) = read(&self.file)?;
        self.common.ask(&Request::Plan { name, text })
    }

    /// `lvx apply`: what is to be printed.
    pub(super) fn apply(&self) -> Result<String> {
        let (name, text) = read(&self.file)?;
        self.common.ask(&Request::Apply { name, text })
    }
}

impl Rollback {
    /// What is to be printed.
    pub(super) fn run(&self) -> Result<String> {
        self.common.ask(&Request::Rollback { to: self.generation })
    }
}

impl Common {
    /// `lvx reload`: what is to be printed.
    pub(super) fn reload(&self) -> Result<String> {
        self.ask(&Request::Reload)
    }

    /// `lvx export`: what is to be printed.
    pub(super) fn export(&self) -> Result<String> {
        self.ask(&Request::Export)
    }

    /// `lvx generations`: what is to be printed.
    pub(super) fn generations(&self) -> Result<String> {
        self.ask(&Request::Generations)
    }

    fn ask(&self, request: &Request) -> Result<String> {
        let response = Client::new(&self.socket).ask_in_words(request).map_err(anyhow::Error::msg)?;
        if let Response::Refused { refusal } = response {
            bail!("{refusal}");
        }
        if self.json {
            return Ok(format!("{}\n", report::json(&response)?));
        }
        if let Response::Exported { text } = response { Ok(text) } else { report::text(&response) }
    }
}

/// The file's name and text. The daemon may run elsewhere and as another user, so it gets the text.
fn read(file: &Path) -> Result<(String, String)> {
    if file == Path::new("-") {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).context("cannot read the standard input")?;
        return Ok(("standard input".to_owned(), text));
    }
    let name = file.display().to_string();
    let text = std::fs::read_to_string(file).with_context(|| format!("cannot read the configuration {name}"))?;
    Ok((name, text))
}
