//! How a command line fails, and with which exit status.

/// Why a command line was not carried out. The variants are the ways in which `ipvsadm` gives up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// The words make no sense (`fail(2, ...)`).
    Usage(String),
    /// The first option is no command (`tryhelp_exit`).
    TryHelp,
    /// The change was refused, or popt stumbled; in a restore the next line follows.
    Refused(String),
    /// A question has no answer.
    Unanswered(String),
    /// The daemon cannot be reached.
    Unreachable(String),
}

impl Failure {
    /// What LVX does instead of what was asked for, in the words "LVX ...".
    pub(super) fn unlike_ipvs(instead: &str) -> Self {
        Self::Refused(format!("LVX {instead}; nothing was changed"))
    }

    /// The exit status.
    pub(super) fn status(&self) -> i32 {
        match self {
            Self::Usage(_) | Self::Unreachable(_) => 2,
            Self::TryHelp | Self::Refused(_) => 255,
            Self::Unanswered(_) => 1,
        }
    }

    /// Whether it ends the program even in the middle of a restore.
    pub(super) fn ends_program(&self) -> bool {
        !matches!(self, Self::Refused(_))
    }

    /// What is said about it; `program` is the name it was called by.
    pub(super) fn text(&self, program: &str) -> String {
        match self {
            Self::Usage(text) | Self::Refused(text) | Self::Unanswered(text) => format!("{text}\n"),
            Self::TryHelp => format!("Try `{program} -h' or '{program} --help' for more information.\n"),
            Self::Unreachable(reason) => format!(
                "Can't initialize ipvs: {reason}\n\
                 Are you sure that the lvx daemon (`lvx run`) is running, and that you may use its socket?\n"
            ),
        }
    }
}
