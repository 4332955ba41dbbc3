//! What is wrong with a configuration file.

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Something in a configuration file that is not as it must be.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[schema(as = ConfigProblem)]
pub struct Problem {
    /// Name of the file.
    pub file: String,
    /// Line, from 1.
    pub line: usize,
    /// The key with the tables that it is in, `service.real_server.weight`; empty where the TOML itself is malformed.
    pub key: String,
    /// What is wrong, with the value as it is written.
    pub message: String,
    /// What to do; empty where the message says it already.
    pub advice: String,
    /// The line itself.
    pub source: String,
}

impl Problem {
    /// In one line, without the line of the file and the advice: for the log.
    pub fn in_short(&self) -> String {
        let Self { file, line, key, message, .. } = self;
        if key.is_empty() { format!("{file}:{line}: {message}") } else { format!("{file}:{line}: {key}: {message}") }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}\n{:>5} | {}", self.in_short(), self.line, self.source)?;
        if !self.advice.is_empty() {
            write!(out, "\n      = {}", self.advice)?;
        }
        Ok(())
    }
}

/// All of them, one after the other.
pub fn list(problems: &[Problem]) -> String {
    problems.iter().map(Problem::to_string).collect::<Vec<_>>().join("\n")
}
