//! Virtual addresses that LVX puts on interfaces, announces, and takes away again.
//!
//! `plan` decides what is missing and what is too much, `schedule` when to announce, `frame` what is sent; `keeper` lets them
//! meet the kernel, by `kernel` (netlink) and `socket` (frames).

mod frame;
mod keeper;
mod kernel;
mod plan;
mod schedule;
mod socket;

use std::fmt;
use std::io;
use std::net::IpAddr;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::api::VipStatus;
use keeper::Keeper;

/// A virtual address that LVX looks after.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vip {
    /// The address.
    pub address: IpAddr,
    /// Length of its prefix; without a network of its own 32 or 128.
    pub prefix: u8,
    /// The interface; none is the first that LVX balances on.
    pub interface: Option<String>,
    /// Whether the neighbours are told.
    pub announce: bool,
    /// How often they are told again.
    pub announce_interval: Option<Duration>,
    /// Whether it stays when LVX ends.
    pub keep: bool,
}

/// A virtual address and its interface.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Placed {
    interface: String,
    vip: Vip,
}

/// Looks after virtual addresses. Without [`Handle::end`] they stay where they are.
#[derive(Debug)]
pub struct Handle {
    wanted: watch::Sender<Vec<Placed>>,
    status: watch::Receiver<Vec<VipStatus>>,
    task: JoinHandle<()>,
}

impl fmt::Display for Vip {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}/{}", self.address, self.prefix)
    }
}

/// Starts to look after the addresses of the calling thread's network namespace, inside a tokio runtime; none until
/// [`Handle::set`].
///
/// # Errors
/// The kernel refuses the netlink sockets. Failures later on are logged, and shown in the status.
pub fn spawn() -> io::Result<Handle> {
    let (wanted, set) = watch::channel(Vec::new());
    let (told, status) = watch::channel(Vec::new());
    let task = tokio::spawn(Keeper::open(set, told)?.keep());
    Ok(Handle { wanted, status, task })
}

impl Handle {
    /// Replaces the set of addresses: new ones are put on their interfaces and announced, those that are no longer named are
    /// taken away. `interfaces` are those that LVX balances on.
    pub fn set(&self, vips: &[Vip], interfaces: &[String]) {
        let first = interfaces.first().cloned().unwrap_or_default();
        let placed = vips
            .iter()
            .map(|vip| Placed { interface: vip.interface.clone().unwrap_or_else(|| first.clone()), vip: vip.clone() });
        self.wanted.send_replace(placed.collect());
    }

    /// What has become of them, in the order of the config file.
    pub fn status(&self) -> Vec<VipStatus> {
        self.status.borrow().clone()
    }

    /// Takes away those that LVX put on and that are not to stay.
    pub async fn end(self) {
        drop(self.wanted);
        if let Err(error) = self.task.await {
            tracing::error!("the virtual addresses were left where they are: {error}");
        }
    }
}
