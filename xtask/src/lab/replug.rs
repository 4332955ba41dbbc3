//! Interfaces that vanish and come back.

use anyhow::{Context, Result};

use super::topology::{Arms, Host, Interface};
use super::{Lab, build};

impl Lab {
    /// Deletes an interface of a host, cable and all.
    ///
    /// # Errors
    /// There is none.
    pub fn unplug(&self, host: &str, interface: &str) -> Result<()> {
        self.netns(host).ip(&[format!("link del {interface}")])
    }

    /// Makes the interface anew that [`Self::unplug`] deleted: the same name and addresses, another index and MAC.
    ///
    /// # Errors
    /// A lab of this shape has no such interface, or it is there.
    pub fn plug(&self, arms: Arms, host: &str, interface: &str) -> Result<()> {
        let (host, interface) = find(arms, host, interface).with_context(|| format!("{host} has no {interface}"))?;
        let interfaces = [interface];
        self.netns("sw").ip(&build::cables(self, &host, &interfaces))?;
        build::configure(self, &host, &interfaces)
    }
}

fn find(arms: Arms, host: &str, interface: &str) -> Option<(Host, Interface)> {
    let host = arms.hosts().into_iter().find(|each| each.name == host)?;
    let interface = host.interfaces.iter().find(|each| each.name == interface)?.clone();
    Some((host, interface))
}
