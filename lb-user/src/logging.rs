//! The log: lines on standard error, for people or for machines; and whether people see colours.

use std::io::{IsTerminal, stderr};

use tracing_subscriber::EnvFilter;

/// What a log line looks like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// Time, level, what happened, and what it is about.
    #[default]
    Text,
    /// The same as a JSON object.
    Json,
}

impl LogFormat {
    /// Its name in the configuration.
    pub fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Json => "json",
        }
    }
}

/// Whether a stream gets colours: only a terminal, and not where NO_COLOR is set (<https://no-color.org>).
pub fn has_colours(stream: &impl IsTerminal) -> bool {
    stream.is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// Starts the log. The variable LVX_LOG says from which level on; a value that is none means `info`.
pub fn start(format: LogFormat) {
    let filter = EnvFilter::try_from_env("LVX_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(stderr).with_target(false);
    match format {
        LogFormat::Text => log.with_ansi(has_colours(&stderr())).init(),
        LogFormat::Json => log.json().flatten_event(true).with_current_span(false).with_span_list(false).init(),
    }
}
