//! `lvx run --trace`: a line in the log for each packet that is not forwarded, from the packet program by aya-log.

use anyhow::{Context as _, Result};
use aya::Ebpf;
use aya_log::EbpfLogger;
use lb_common::reason::Reason;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// The program's lines, waiting to be read.
pub struct Trace(EbpfLogger<Lines>);

impl Trace {
    /// Takes the lines of a loaded object.
    ///
    /// # Errors
    /// The object has no lines.
    pub(crate) fn open(ebpf: &mut Ebpf) -> Result<Self> {
        Ok(Self(EbpfLogger::init_with_logger(ebpf, Lines).context("the packet program has no log")?))
    }

    /// Writes lines to the log as they come.
    ///
    /// # Errors
    /// The kernel's buffer cannot be waited for.
    pub async fn follow(self) -> Result<()> {
        // SAFETY: the logger owns its ring buffer's descriptor and keeps it open for as long as it lives, which is as long
        // as the `AsyncFd` that owns it.
        let mut logger = unsafe { AsyncFd::register_with_interest(self.0, Interest::READABLE) }?;
        loop {
            let mut ready = logger.readable_mut().await?;
            ready.get_inner_mut().flush();
            ready.clear_ready();
        }
    }
}

/// Gives the reasons their names.
struct Lines;

impl log::Log for Lines {
    fn enabled(&self, _metadata: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        let line = record.args().to_string();
        tracing::info!("not forwarded: {}", with_reason(&line).unwrap_or(line));
    }

    fn flush(&self) {}
}

/// `reason 3 protocol 6 ...` with the reason's name instead of its number.
fn with_reason(line: &str) -> Option<String> {
    let (number, rest) = line.strip_prefix("reason ")?.split_once(' ')?;
    let reason = Reason::from_number(number.parse().ok()?)?;
    Some(format!("{} {rest}", reason.name()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_have_names() {
        assert_eq!(with_reason("reason 0 protocol 6").as_deref(), Some("truncated protocol 6"));
        assert_eq!(with_reason("reason 999 protocol 6"), None);
    }
}
