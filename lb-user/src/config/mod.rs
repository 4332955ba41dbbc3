//! The configuration file: TOML in, a validated [`Config`] or every problem in it at once out.
//!
//! The file is read in one pass over its spanned values rather than by serde, which stops at the first error. Where a
//! value is refused a default stands in for it, so that the rest is still looked at; one problem, and nothing of the
//! file is used. docs/config.md is the reference of its keys.

mod document;
mod general;
mod health;
mod identity;
mod item;
mod marks;
mod observe;
mod passive;
mod problem;
mod request;
mod section;
mod server;
mod service;
mod suggestion;

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use toml::de::DeTable;

use crate::dataplane::{Mode, Sizes};
use crate::health::{Check, PassiveCheck, Target};
use crate::logging::LogFormat;
use crate::model::marks::MarkRule;
use crate::model::{Service, Sysctls, Timeouts};

use document::Document;
pub use problem::Problem;
use section::Section;

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
    /// Whether the rules of netfilter that set marks become mark rules.
    pub follow_netfilter: bool,
    /// Mark rules of the file, in its order.
    pub mark_rules: Vec<MarkRule>,
    /// Services, in the order of the file. The servers of each are newest first: the file's order is that of
    /// `ipvsadm -a` commands, and IPVS puts each new server at the head of its list.
    pub services: Vec<Service>,
    /// Health checks of the real servers that have one.
    pub health: BTreeMap<Target, Check>,
    /// Real servers that clients' handshakes speak for and against.
    pub passive: BTreeMap<Target, PassiveCheck>,
    /// Where metrics are served by plain HTTP, if anywhere.
    pub metrics: Option<SocketAddr>,
    /// What log lines look like; the command line may say otherwise.
    pub log: LogFormat,
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
            follow_netfilter: true,
            mark_rules: Vec::new(),
            services: Vec::new(),
            health: BTreeMap::new(),
            passive: BTreeMap::new(),
            metrics: None,
            log: LogFormat::default(),
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
    let problems = document.into_problems();
    if problems.is_empty() { Ok(config) } else { Err(problems) }
}

fn read(root: &Section<'_>, config: &mut Config) {
    general::read(root, config);
    marks::read(root, config);
    observe::read(root, config);
    let defaults = health::defaults(root);
    service::read(root, &defaults, config);
}

#[cfg(test)]
mod tests;
