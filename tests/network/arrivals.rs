//! What reaches a host, counted by its own netfilter before anything can drop it.

use anyhow::{Context as _, Result, ensure};

use super::director::Director;

/// Counts packets of any protocol that come to a host for one address.
#[derive(Clone, Copy, Debug)]
pub struct Arrivals<'a> {
    director: &'a Director,
    host: &'static str,
    program: &'static str,
}

impl<'a> Arrivals<'a> {
    /// Counts from now on; one counter a host and address family.
    pub fn at(director: &'a Director, host: &'static str, address: &str) -> Result<Self> {
        let program = if address.contains(':') { "ip6tables" } else { "iptables" };
        let ran = director.sh_on(host, &format!("{program} -t raw -A PREROUTING -d {address}"))?;
        ensure!(ran.status == 0, "{ran:?}");
        Ok(Self { director, host, program })
    }

    /// How many so far.
    pub fn count(&self) -> Result<u64> {
        let ran = self.director.sh_on(self.host, &format!("{} -t raw -vxnL PREROUTING 1", self.program))?;
        let first = ran.stdout.split_whitespace().next().with_context(|| format!("{ran:?}"))?;
        Ok(first.parse()?)
    }
}
