//! `lvx run`

use std::path::PathBuf;

use anyhow::Result;
use clap::{Args, ValueEnum};

use crate::api;
use crate::config::Overrides;
use crate::daemon::{self, Origin, Places};
use crate::dataplane::Mode;
use crate::logging::LogFormat;

#[derive(Debug, Args)]
pub(super) struct Run {
    /// Config file (TOML)
    #[arg(long, short)]
    config: Option<PathBuf>,
    /// Interface to balance on, besides those of the config file; may be given several times
    #[arg(long, short)]
    interface: Vec<String>,
    /// How the packet program is attached; never another way than this [default: native, or the config file's]
    #[arg(long, value_enum)]
    xdp_mode: Option<XdpMode>,
    /// The API's unix socket
    #[arg(long, env = "LVX_SOCKET", default_value_os_t = api::socket_path())]
    socket: PathBuf,
    /// Log each packet that is not forwarded, and why: for finding faults, not for every day
    #[arg(long)]
    trace: bool,
    /// What log lines look like [default: text, or the config file's]
    #[arg(long, value_enum)]
    log_format: Option<Format>,
    /// Where the files that were applied, and what is set by hand, are kept
    #[arg(long, env = "LVX_STATE_DIR", default_value = "/var/lib/lvx")]
    state_dir: PathBuf,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum XdpMode {
    /// In the interface's driver
    Native,
    /// In the kernel's stack, for drivers without XDP: slower
    Generic,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    /// For people
    Text,
    /// A JSON object a line
    Json,
}

impl Run {
    pub(super) fn run(self) -> Result<()> {
        let xdp_mode = self.xdp_mode.map(|mode| match mode {
            XdpMode::Native => Mode::Native,
            XdpMode::Generic => Mode::Generic,
        });
        let log = self.log_format.map(|format| match format {
            Format::Text => LogFormat::Text,
            Format::Json => LogFormat::Json,
        });
        let overrides = Overrides { interfaces: self.interface, xdp_mode, trace: self.trace, log };
        let origin = Origin { file: self.config, overrides };
        let places = Places { socket: self.socket, state: self.state_dir };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(daemon::run(origin, &places))
    }
}
