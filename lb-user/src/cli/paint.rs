//! Colours, and few of them: what is wrong stands out on a terminal.

use std::io::stdout;

use crate::logging::has_colours;

/// Whether text gets colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Paint {
    /// It does.
    Colours,
    /// It stays as it is.
    Plain,
}

impl Paint {
    /// What standard output is to get.
    pub(super) fn of_stdout() -> Self {
        if has_colours(&stdout()) { Self::Colours } else { Self::Plain }
    }

    /// Something does not work.
    pub(super) fn bad(self, text: &str) -> String {
        self.colour("31", text)
    }

    /// The operator should look at it.
    pub(super) fn warning(self, text: &str) -> String {
        self.colour("33", text)
    }

    fn colour(self, code: &str, text: &str) -> String {
        match self {
            Self::Colours => format!("\u{1b}[{code}m{text}\u{1b}[0m"),
            Self::Plain => text.to_owned(),
        }
    }
}
