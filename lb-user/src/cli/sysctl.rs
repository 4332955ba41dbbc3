//! `lvx sysctl`, with the habits of sysctl(8).

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};
use clap::Args;

use crate::api::client::Client;
use crate::api::{self, Request, Response, SysctlEntry};
use crate::model::sysctls::{self, Sysctl};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// NAME shows one, NAME=VALUE sets it; several are set all or none. Without any all are shown. `net.ipv4.vs.` and `lvx.`
    /// before a name may be left out
    #[arg(value_name = "NAME[=VALUE]")]
    words: Vec<String>,
    /// Show values only
    #[arg(long, short = 'n')]
    values: bool,
    /// Show all, which is also what no name means
    #[arg(long, short)]
    all: bool,
    /// Accepted as sysctl(8) does: NAME=VALUE sets without it
    #[arg(long, short)]
    write: bool,
    /// As JSON: an object with a number for each name
    #[arg(long, conflicts_with = "values")]
    json: bool,
    /// The daemon's socket
    #[arg(long, env = "LVX_SOCKET", default_value_os_t = api::socket_path())]
    socket: PathBuf,
}

/// A word of the command line.
struct Word {
    sysctl: &'static Sysctl,
    /// What it is to be set to.
    value: Option<u32>,
}

impl Word {
    fn parse(text: &str, must_set: bool) -> Result<Self> {
        let (name, value) = match text.split_once('=') {
            Some((name, value)) => (name.trim(), Some(value.trim())),
            None if must_set => bail!("`{text}` must be of the form NAME=VALUE"),
            None => (text, None),
        };
        let sysctl = sysctls::find(name)?;
        let value = match value {
            Some(value) => Some(value.parse().ok().with_context(|| sysctl.refuse(value).to_string())?),
            None => None,
        };
        Ok(Self { sysctl, value })
    }
}

impl Arguments {
    /// What is to be printed.
    pub(super) fn run(&self) -> Result<String> {
        let words = self.words.iter().map(|text| Word::parse(text, self.write)).collect::<Result<Vec<_>>>()?;
        let mut client = Client::new(&self.socket);
        let mut ask = |request: &Request| {
            let response = client.ask_in_words(request).map_err(anyhow::Error::msg)?;
            if let Response::Refused { refusal } = &response {
                bail!("{refusal}");
            }
            Ok(response)
        };
        let set = words.iter().filter_map(|word| Some((word.sysctl.name.to_owned(), word.value?)));
        let values: BTreeMap<_, _> = set.collect();
        if !values.is_empty() {
            ask(&Request::SetSysctls { values })?;
        }
        let response = ask(&Request::Sysctls)?;
        let Response::Sysctls { sysctls } = response else { bail!("the daemon gave another answer: {response:?}") };
        if self.all || words.is_empty() {
            return self.show(&sysctls);
        }
        let shown: Vec<_> = words.iter().filter_map(|word| entry(&sysctls, word.sysctl)).collect();
        self.show(&shown)
    }

    fn show(&self, sysctls: &[SysctlEntry]) -> Result<String> {
        if self.json {
            let values: BTreeMap<_, _> = sysctls.iter().map(|entry| (&entry.name, entry.value)).collect();
            return Ok(format!("{}\n", serde_json::to_string_pretty(&values)?));
        }
        let mut out = String::new();
        for SysctlEntry { name, value, .. } in sysctls {
            if self.values { writeln!(out, "{value}")? } else { writeln!(out, "{name} = {value}")? }
        }
        Ok(out)
    }
}

fn entry(sysctls: &[SysctlEntry], sysctl: &Sysctl) -> Option<SysctlEntry> {
    let name = sysctl.to_string();
    sysctls.iter().find(|entry| entry.name == name).cloned()
}
