//! The kernel's notifications over netlink.

use std::io;

use futures::StreamExt;
use futures::channel::mpsc::UnboundedReceiver;
use rtnetlink::MulticastGroup;
use rtnetlink::packet_core::{NetlinkMessage, NetlinkPayload};
use rtnetlink::packet_route::RouteNetlinkMessage;
use rtnetlink::sys::{AsyncSocket, SocketAddr};
use tokio::task::JoinSet;

use super::kernel::Kernel;
use super::link::Link;
use super::resolution::Entry;
use super::route::Hop;

/// What moves the way to an address.
const GROUPS: [MulticastGroup; 8] = [
    MulticastGroup::Link,
    MulticastGroup::Neigh,
    MulticastGroup::Ipv4Ifaddr,
    MulticastGroup::Ipv6Ifaddr,
    MulticastGroup::Ipv4Route,
    MulticastGroup::Ipv6Route,
    MulticastGroup::Ipv4Rule,
    MulticastGroup::Ipv6Rule,
];

/// Bytes of notifications that may wait; the kernel gives at most twice net.core.rmem_max.
const NOTIFICATIONS: libc::c_int = 8 << 20;

/// A socket for questions, and one for notifications. They must be two: a notification carries the sequence number of the
/// request that caused it, whose ever that was, and would be taken for the answer to a question of the same number.
#[derive(Debug)]
pub(super) struct Session {
    /// For questions.
    pub(super) kernel: Kernel,
    notifications: UnboundedReceiver<(NetlinkMessage<RouteNetlinkMessage>, SocketAddr)>,
    _socket: JoinSet<()>,
}

/// A notification.
#[derive(Debug)]
pub(super) enum Change {
    /// An interface appeared or changed.
    Link(Link),
    /// An interface is gone.
    Unlink(u32),
    /// A neighbour's entry changed, or is gone.
    Neighbour(Hop, Option<Entry>),
    /// Routes, rules or addresses changed.
    Routes,
    /// Notifications were lost.
    Overrun,
}

impl Session {
    /// Subscribes. What changes from now on is notified.
    pub(super) fn open() -> io::Result<Self> {
        let (mut connection, _, notifications) = rtnetlink::new_multicast_connection(&GROUPS)?;
        connection.socket_mut().socket_mut().set_rx_buf_sz(NOTIFICATIONS)?;
        let mut socket = JoinSet::new();
        socket.spawn(connection);
        Ok(Self { kernel: Kernel::open()?, notifications, _socket: socket })
    }

    /// The next change.
    pub(super) async fn next(&mut self) -> io::Result<Change> {
        loop {
            let Some((message, _)) = self.notifications.next().await else {
                return Err(io::Error::other("the kernel's notifications ended"));
            };
            if let Some(change) = Change::from_payload(message.payload) {
                return Ok(change);
            }
        }
    }
}

impl Change {
    fn from_payload(payload: NetlinkPayload<RouteNetlinkMessage>) -> Option<Self> {
        if matches!(payload, NetlinkPayload::Overrun(_)) {
            return Some(Self::Overrun);
        }
        let NetlinkPayload::InnerMessage(message) = payload else {
            return None;
        };
        if let RouteNetlinkMessage::NewLink(link) = &message {
            Link::from_message(link).map(Self::Link)
        } else if let RouteNetlinkMessage::DelLink(link) = &message {
            Link::from_message(link).map(|link| Self::Unlink(link.index))
        } else if let RouteNetlinkMessage::NewNeighbour(neighbour) = &message {
            Entry::from_message(neighbour).map(|(hop, entry)| Self::Neighbour(hop, Some(entry)))
        } else if let RouteNetlinkMessage::DelNeighbour(neighbour) = &message {
            Entry::from_message(neighbour).map(|(hop, _)| Self::Neighbour(hop, None))
        } else {
            Some(Self::Routes)
        }
    }
}
