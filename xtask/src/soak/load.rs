//! wrk: requests as fast as answers come.

use std::process::{Child, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::lab::Lab;

/// Connections of each wrk.
const CONNECTIONS: &str = "8";

/// A wrk that runs.
#[derive(Debug)]
pub(super) struct Load {
    url: String,
    child: Child,
}

/// What a wrk did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Done {
    /// Of which service.
    pub(super) url: String,
    /// Requests that were answered.
    pub(super) requests: u64,
    /// What went wrong, in wrk's words.
    pub(super) failures: Vec<String>,
}

impl Load {
    /// Starts on a host. Where `anew`, each request has a connection of its own.
    pub(super) fn start(lab: &Lab, host: &str, url: &str, duration: Duration, anew: bool) -> Result<Self> {
        let mut wrk = lab.command(host, "wrk")?;
        let duration = format!("{}s", duration.as_secs().max(1));
        wrk.args(["--threads", "1", "--connections", CONNECTIONS, "--timeout", "2s", "--duration", &duration]);
        if anew {
            wrk.args(["--header", "Connection: close"]);
        }
        let child = wrk.arg(url).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        Ok(Self { url: url.to_owned(), child: child.context("wrk does not run")? })
    }

    /// Waits for its end.
    pub(super) fn end(self) -> Result<Done> {
        let output = self.child.wait_with_output()?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        if !output.status.success() {
            bail!("wrk {}: {}{text}{}", self.url, output.status, String::from_utf8_lossy(&output.stderr));
        }
        let (requests, failures) =
            summary(&text).with_context(|| format!("wrk says no number of requests:\n{text}"))?;
        Ok(Done { url: self.url, requests, failures })
    }
}

/// The number of requests, and the lines about failures, which wrk prints only where there are some.
fn summary(text: &str) -> Option<(u64, Vec<String>)> {
    let lines = || text.lines().map(str::trim);
    let requests = lines().find_map(|line| line.split_once(" requests in ")?.0.parse().ok())?;
    let is_failure = |line: &&str| line.starts_with("Socket errors:") || line.starts_with("Non-2xx");
    Some((requests, lines().filter(is_failure).map(str::to_owned).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_wrk_prints() {
        let good = "Running 2s test @ http://172.16.100.1:80/\n  1 threads and 8 connections\n\
                    \x20 31413 requests in 2.10s, 5.00MB read\nRequests/sec:  14961.58\n";
        assert_eq!(summary(good), Some((31_413, vec![])));
        let bad = "  5 requests in 2.00s, 1.00KB read\n  Socket errors: connect 0, read 3, write 0, timeout 1\n\
                   \x20 Non-2xx or 3xx responses: 2\n";
        let (requests, failures) = summary(bad).expect("a summary");
        assert_eq!((requests, failures.len()), (5, 2));
        assert_eq!(summary("unable to connect"), None);
    }
}
