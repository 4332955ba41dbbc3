//! The configuration file: TOML in, a validated [`Config`] or every problem in it at once out.
//!
//! The file is read in one pass over its spanned values rather than by serde, which stops at the first error. Where a
//! value is refused a default stands in for it, so that the rest is still looked at; one problem, and nothing of the
//! file is used. docs/config.md is the reference of its keys.

mod api;
mod difference;
mod document;
mod general;
mod health;
mod identity;
mod inheritance;
mod item;
mod marks;
mod observe;
mod overrides;
mod passive;
mod policy;
mod problem;
mod schema;
mod section;
mod server;
mod service;
mod suggestion;
mod vips;
mod write;

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use toml::de::DeTable;

use crate::api::settings::Settings;
use crate::dataplane::{Mode, Sizes};
use crate::health::{Check, PassiveCheck, Target};
use crate::logging::LogFormat;
use crate::model::marks::MarkRule;
use crate::model::policy::{Notify, Policy};
use crate::model::{Model, Service, ServiceId, Sysctls, Timeouts};
use crate::vips::Vip;

pub use difference::{differences, needs_restart};
use document::Document;
use health::Setting;
pub use health::write::health as health_value;
use inheritance::Inheritance;
pub use overrides::Overrides;
pub use problem::{Problem, list};
pub use schema::schema;
use section::Section;
pub use write::write;

/// What a configuration file asks for. The default is what an empty file asks for.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Interfaces that get the XDP program; those of the command line come on top.
    pub interfaces: Vec<String>,
    /// How the program is attached.
    pub xdp_mode: Mode,
    /// Whether each packet that is not forwarded is logged: only the command line asks for it.
    pub trace: bool,
    /// Sizes of the tables.
    pub sizes: Sizes,
    /// Timeouts of `ipvsadm --set`.
    pub timeouts: Timeouts,
    /// The sysctls of IPVS.
    pub ipvs: Sysctls,
    /// How many applied files are kept to go back to.
    pub generations_kept: u32,
    /// Whether the rules of netfilter that set marks become mark rules.
    pub follow_netfilter: bool,
    /// Mark rules of the file, in its order.
    pub mark_rules: Vec<MarkRule>,
    /// Virtual addresses that LVX puts on interfaces and announces.
    pub vips: Vec<Vip>,
    /// Services, in the order of the file. The servers of each are newest first: the file's order is that of
    /// `ipvsadm -a` commands, and IPVS puts each new server at the head of its list.
    pub services: Vec<Service>,
    /// How the API is offered.
    pub api: Settings,
    /// Health checks of the real servers that have one.
    pub health: BTreeMap<Target, Check>,
    /// Real servers that clients' handshakes speak for and against.
    pub passive: BTreeMap<Target, PassiveCheck>,
    /// Where metrics are served by plain HTTP, if anywhere.
    pub metrics: Option<SocketAddr>,
    /// What log lines look like; the command line may say otherwise.
    pub log: LogFormat,
    /// What becomes of servers that fail, for services that say anything of it.
    pub policies: BTreeMap<ServiceId, Policy>,
    /// Who is told of transitions.
    pub notify: Notify,
    /// What is no mistake, but may well be an oversight.
    pub warnings: Vec<Problem>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            interfaces: Vec::new(),
            xdp_mode: Mode::default(),
            trace: false,
            sizes: Sizes::default(),
            timeouts: Timeouts::default(),
            ipvs: Sysctls::default(),
            generations_kept: 10,
            follow_netfilter: true,
            mark_rules: Vec::new(),
            vips: Vec::new(),
            services: Vec::new(),
            api: Settings::default(),
            health: BTreeMap::new(),
            passive: BTreeMap::new(),
            metrics: None,
            log: LogFormat::default(),
            policies: BTreeMap::new(),
            notify: Notify::default(),
            warnings: Vec::new(),
        }
    }
}

/// Why a configuration file is not used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// It cannot be read.
    #[error("cannot read the configuration {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is not valid.
    #[error("{}", problem::list(.0))]
    Invalid(Vec<Problem>),
}

/// Reads and validates a configuration file.
///
/// # Errors
/// The file cannot be read, or is not valid.
pub fn load(path: &Path) -> Result<Config, ConfigError> {
    let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Read { path: path.to_owned(), source })?;
    parse(&path.display().to_string(), &text).map_err(ConfigError::Invalid)
}

/// Validates the text of a configuration file; `name` is what problems call it.
///
/// # Errors
/// All problems of the file, in the order of its lines.
pub fn parse(name: &str, text: &str) -> Result<Config, Vec<Problem>> {
    let (root, errors) = DeTable::parse_recoverable(text);
    let document = Document::new(name, text);
    let mut config = Config::default();
    if errors.is_empty() {
        Section::root(&document, root.get_ref()).read(|root| read(root, &mut config));
    }
    for error in errors {
        document.refuse(error.span().unwrap_or_default(), "", error.message(), "");
    }
    let (problems, warnings) = document.into_problems();
    config.warnings = warnings;
    if problems.is_empty() { Ok(config) } else { Err(problems) }
}

fn read(root: &Section<'_>, config: &mut Config) {
    general::read(root, config);
    api::read(root, &mut config.api);
    marks::read(root, config);
    observe::read(root, config);
    if let Some(item) = root.get("notify") {
        config.notify = policy::notify(&item, &Notify::default());
    }
    config.vips = vips::read(root);
    let mut inheritance = Inheritance::default();
    let health = root.table("defaults", |defaults| {
        inheritance.defaults(defaults);
        health::setting(defaults, &Setting::off())
    });
    inheritance.templates(root);
    service::read(root, &health.unwrap_or_else(Setting::off), &inheritance, config);
    inheritance.warn_of_unused();
}

impl Config {
    /// The services, timeouts and sysctls.
    pub fn model(&self) -> Model {
        Model::new(self.services.iter().cloned(), self.timeouts).with_sysctls(self.ipvs)
    }
}

#[cfg(test)]
mod tests;
