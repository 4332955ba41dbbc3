//! How real servers are reached: the way the kernel would send to each of them, kept true as it changes.
//!
//! Under direct routing a real server is a MAC address behind an interface. Both are the kernel's knowledge: its routes say
//! which interface and which next hop, its neighbour table says which MAC. This module looks them up, asks the kernel to
//! resolve what is missing or old (the XDP program sends no packet that would make it do so), and reports every change.
//!
//! `table` holds what is known and decides; `follow` feeds it; `kernel` and
//! `session` talk netlink.

mod follow;
mod kernel;
mod link;
mod path;
mod resolution;
mod route;
mod session;
mod table;

use std::collections::BTreeSet;
use std::io;
use std::net::IpAddr;

use tokio::sync::{mpsc, watch};

pub use link::{Link, LinkEvent, LinkState};
pub use path::{NeighbourEvent, Path};

/// What changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The way to a watched address.
    Neighbour(NeighbourEvent),
    /// An interface of the director.
    Link(LinkEvent),
}

/// Says which addresses are of interest. Dropping it ends the task.
#[derive(Debug)]
pub struct Handle {
    addresses: watch::Sender<BTreeSet<IpAddr>>,
}

impl Handle {
    /// Replaces the set of addresses. Each address that is new to it gets an event soon, whatever its state; one that left it
    /// gets none any more.
    pub fn watch(&self, addresses: BTreeSet<IpAddr>) {
        self.addresses.send_replace(addresses);
    }
}

/// Starts to follow the network namespace of the calling thread, inside a tokio runtime. The first events are a
/// [`LinkEvent::Changed`] for every interface.
///
/// # Errors
/// When the kernel refuses the netlink sockets. Failures later on are logged, and followed by a full new look.
pub fn spawn(events: mpsc::Sender<Event>) -> io::Result<Handle> {
    let session = session::Session::open()?;
    let (addresses, wanted) = watch::channel(BTreeSet::new());
    tokio::spawn(follow::follow(session, wanted, events));
    Ok(Handle { addresses })
}

/// The interfaces as they are now.
///
/// # Errors
/// When the kernel cannot be asked.
pub async fn links() -> io::Result<Vec<Link>> {
    kernel::Kernel::open()?.links().await
}
