//! The interfaces that LVX balances on: they may be missing, come, go and change their address.

use std::collections::{BTreeMap, HashMap};

use anyhow::Result;

use crate::api::{InterfaceStatus, Refusal};
use crate::dataplane::{Attachment, Mode};
use crate::director::Director;
use crate::neighbours::{Link, LinkEvent, LinkState};

/// An interface that the operator named.
#[derive(Debug, Default)]
struct Interface {
    link: Option<Link>,
    attachment: Option<Attachment>,
    problem: Option<String>,
}

/// The interfaces that the operator named.
#[derive(Debug)]
pub(super) struct Interfaces {
    mode: Mode,
    named: BTreeMap<String, Interface>,
    /// All that there are.
    links: HashMap<String, Link>,
}

impl Interfaces {
    pub(super) fn new(mode: Mode) -> Self {
        Self { mode, named: BTreeMap::new(), links: HashMap::new() }
    }

    /// For `lvx status`.
    pub(super) fn status(&self) -> Vec<InterfaceStatus> {
        let status = |(name, interface): (&String, &Interface)| InterfaceStatus {
            name: name.clone(),
            index: interface.link.as_ref().map_or(0, |link| link.index),
            mode: if interface.attachment.is_some() { self.mode.name() } else { "detached" }.to_owned(),
            mac: interface.link.as_ref().and_then(|link| link.mac).map(mac_text).unwrap_or_default(),
            up: interface.link.as_ref().is_some_and(|link| link.state == LinkState::Up),
        };
        self.named.iter().map(status).collect()
    }

    /// What the operator should know.
    pub(super) fn warnings(&self) -> impl Iterator<Item = String> {
        self.named.iter().flat_map(|(name, interface)| {
            let state = match interface.link.as_ref().map(|link| link.state) {
                None => Some(format!("{name} does not exist; LVX attaches to it as soon as it does")),
                Some(LinkState::Down) => Some(format!("{name} is down")),
                Some(LinkState::NoCarrier) => Some(format!("{name} has no carrier")),
                Some(LinkState::Up) => None,
            };
            state.into_iter().chain(interface.problem.clone())
        })
    }
}

/// A line for what changed of an interface.
fn log_change(before: Option<&Link>, link: &Link) {
    let Some(before) = before else { return };
    let interface = &link.name;
    if before.state != link.state {
        match link.state {
            LinkState::Up => tracing::info!(interface, "the interface is up"),
            LinkState::Down => tracing::warn!(interface, "the interface is down"),
            LinkState::NoCarrier => tracing::warn!(interface, "the interface has no carrier"),
        }
    }
    if let Some(mac) = link.mac.filter(|_| before.mac != link.mac) {
        tracing::info!(interface, mac = mac_text(mac), "the interface has another MAC address");
    }
}

/// `aa:bb:cc:dd:ee:ff`
pub(super) fn mac_text(mac: [u8; 6]) -> String {
    mac.map(|byte| format!("{byte:02x}")).join(":")
}

impl Director {
    /// Balances on an interface from now on.
    ///
    /// # Errors
    /// It does not exist, has no MAC address, or cannot have the program in the mode that was asked for.
    pub fn attach(&mut self, name: &str, link: Option<&Link>) -> Result<()> {
        let link = link.ok_or_else(|| anyhow::anyhow!("there is no interface {name}"))?;
        self.interfaces.named.insert(name.to_owned(), Interface { link: Some(link.clone()), ..Interface::default() });
        self.attach_now(name, link)
    }

    fn attach_now(&mut self, name: &str, link: &Link) -> Result<()> {
        let mac = link.mac.ok_or_else(|| anyhow::anyhow!("{name} has no MAC address; LVX needs Ethernet"))?;
        self.tables.maps_mut().set_interface(link.index, Some(mac))?;
        self.plane.allow_egress(link.index)?;
        let attachment = self.plane.attach(name, self.interfaces.mode)?;
        if let Some(interface) = self.interfaces.named.get_mut(name) {
            interface.attachment = Some(attachment);
            interface.problem = None;
        }
        Ok(())
    }

    /// Whether LVX could balance on these interfaces. Those that it balances on already may be missing for a while.
    ///
    /// # Errors
    /// There are none, or one that is new does not exist or has no MAC address.
    pub(super) fn can_attach(&self, names: &[String]) -> Result<(), Refusal> {
        if names.is_empty() && !self.interfaces.named.is_empty() {
            return Err(Refusal::Other("no interface to balance on is left: `interfaces` must name one".to_owned()));
        }
        let mut new = names.iter().filter(|name| !self.interfaces.named.contains_key(*name));
        new.try_for_each(|name| match self.interfaces.links.get(name).map(|link| link.mac) {
            Some(Some(_)) => Ok(()),
            Some(None) => Err(Refusal::Other(format!("{name} has no MAC address; LVX needs Ethernet"))),
            None => Err(Refusal::Other(format!("there is no interface {name}"))),
        })
    }

    /// Balances also on those of these interfaces that it does not balance on yet.
    ///
    /// # Errors
    /// One of them cannot have the program; those before it have it.
    pub(super) fn attach_new(&mut self, names: &[String]) -> Result<(), Refusal> {
        for name in names {
            if !self.interfaces.named.contains_key(name) {
                let link = self.interfaces.links.get(name).cloned();
                self.attach(name, link.as_ref()).map_err(|error| Refusal::Other(format!("{error:#}")))?;
            }
        }
        Ok(())
    }

    /// Takes the program off all other interfaces.
    pub(super) fn detach_all_but(&mut self, names: &[String]) {
        let all: Vec<_> = self.interfaces.named.keys().filter(|name| !names.contains(name)).cloned().collect();
        for name in all {
            let Some(link) = self.interfaces.named.remove(&name).and_then(|interface| interface.link) else { continue };
            if let Err(error) = self.tables.maps_mut().set_interface(link.index, None) {
                self.warn(format!("{name}: {error}"));
            }
        }
    }

    /// An interface changed: its address, its state, or whether it is there at all.
    pub fn set_link(&mut self, event: LinkEvent) {
        match event {
            LinkEvent::Changed(link) => {
                self.interfaces.links.insert(link.name.clone(), link.clone());
                self.set_mark_interface(&link.name, Some(link.index));
                self.changed(&link);
            }
            LinkEvent::Removed(link) => {
                self.interfaces.links.remove(&link.name);
                self.set_mark_interface(&link.name, None);
                self.removed(&link);
            }
        }
    }

    fn changed(&mut self, link: &Link) {
        let Some(interface) = self.interfaces.named.get_mut(&link.name) else { return };
        let before = interface.link.replace(link.clone());
        if before.as_ref().is_some_and(|before| before.index == link.index) && interface.attachment.is_some() {
            log_change(before.as_ref(), link);
            if before.is_some_and(|before| before.mac != link.mac)
                && let Err(error) = self.tables.maps_mut().set_interface(link.index, link.mac)
            {
                self.warn(format!("{}: {error}", link.name));
            }
            return;
        }
        // It is another interface of the same name: the old program went with the old one.
        interface.attachment = None;
        tracing::warn!(interface = link.name, "the interface was created anew; attaching again");
        if let Err(error) = self.attach_now(&link.name, link) {
            tracing::error!(interface = link.name, "cannot attach again: {error:#}");
            if let Some(interface) = self.interfaces.named.get_mut(&link.name) {
                interface.problem = Some(format!("{}: {error:#}", link.name));
            }
        }
    }

    fn removed(&mut self, link: &Link) {
        let Some(interface) = self.interfaces.named.get_mut(&link.name) else { return };
        if interface.link.as_ref().is_none_or(|known| known.index != link.index) {
            return;
        }
        tracing::warn!(interface = link.name, "the interface is gone");
        interface.link = None;
        interface.attachment = None;
        if let Err(error) = self.tables.maps_mut().set_interface(link.index, None) {
            self.warn(format!("{}: {error}", link.name));
        }
    }
}
