//! What the command line of `lvx run` says over every file.

use super::Config;
use crate::dataplane::Mode;
use crate::logging::LogFormat;

/// What the command line of `lvx run` says, whichever file is applied.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Overrides {
    /// Interfaces besides those of the file.
    pub interfaces: Vec<String>,
    /// How the program is attached, whatever the file says.
    pub xdp_mode: Option<Mode>,
    /// See [`Config::trace`].
    pub trace: bool,
    /// What log lines look like, whatever the file says.
    pub log: Option<LogFormat>,
}

impl Overrides {
    /// The file's config under these words.
    #[must_use]
    pub fn over(&self, mut config: Config) -> Config {
        for name in &self.interfaces {
            if !config.interfaces.contains(name) {
                config.interfaces.push(name.clone());
            }
        }
        config.trace = self.trace;
        config.log = self.log.unwrap_or(config.log);
        config.xdp_mode = self.xdp_mode.unwrap_or(config.xdp_mode);
        config
    }
}
