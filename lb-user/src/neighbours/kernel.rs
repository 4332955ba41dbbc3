//! Questions to the kernel over netlink.

use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;
use std::time::Duration;

use futures::StreamExt;
use rtnetlink::packet_core::{
    NLM_F_ACK, NLM_F_CREATE, NLM_F_DUMP, NLM_F_DUMP_INTR, NLM_F_REQUEST, NetlinkMessage, NetlinkPayload,
};
use rtnetlink::packet_route::link::LinkMessage;
use rtnetlink::packet_route::neighbour::{NeighbourAddress, NeighbourAttribute, NeighbourFlags, NeighbourMessage};
use rtnetlink::packet_route::route::{RouteAddress, RouteAttribute, RouteMessage};
use rtnetlink::packet_route::{AddressFamily, RouteNetlinkMessage};
use rtnetlink::proto::ConnectionHandle;
use rtnetlink::sys::SocketAddr;
use rtnetlink::sys::protocols::NETLINK_ROUTE;
use tokio::task::JoinSet;

use super::link::Link;
use super::resolution::Entry;
use super::route::{Hop, Route};

/// Questions in one datagram. Their answers, below 1 KiB each, must fit the socket's buffer: the kernel drops what does not.
pub(super) const BATCH: usize = 64;

/// The kernel answers within microseconds; it is only silent when it dropped an answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// How often a dump is begun again because the table changed meanwhile.
const DUMPS: usize = 5;

type Payload = NetlinkPayload<RouteNetlinkMessage>;

/// A socket for questions.
#[derive(Debug)]
pub(super) struct Kernel {
    handle: ConnectionHandle<RouteNetlinkMessage>,
    /// Dropping it ends the socket's task.
    _socket: JoinSet<()>,
}

impl Kernel {
    /// Opens the socket in the network namespace of the calling thread.
    pub(super) fn open() -> io::Result<Self> {
        let (mut connection, handle, _) = rtnetlink::proto::new_connection(NETLINK_ROUTE)?;
        connection.set_forward_ack(true);
        let mut socket = JoinSet::new();
        socket.spawn(connection);
        Ok(Self { handle, _socket: socket })
    }

    /// All interfaces.
    pub(super) async fn links(&self) -> io::Result<Vec<Link>> {
        let answers = self.dump(|| RouteNetlinkMessage::GetLink(LinkMessage::default())).await?;
        let links = answers.iter().filter_map(|answer| {
            let RouteNetlinkMessage::NewLink(link) = answer else {
                return None;
            };
            Link::from_message(link)
        });
        Ok(links.collect())
    }

    /// The neighbour tables of IPv4 and IPv6.
    pub(super) async fn neighbours(&self) -> io::Result<BTreeMap<Hop, Entry>> {
        let question = || RouteNetlinkMessage::GetNeighbour(NeighbourMessage::default());
        let answers = self.dump(question).await?;
        let entries = answers.iter().filter_map(|answer| {
            let RouteNetlinkMessage::NewNeighbour(entry) = answer else {
                return None;
            };
            Entry::from_message(entry)
        });
        Ok(entries.collect())
    }

    /// The route to each of `addresses`, in their order.
    pub(super) async fn routes(&self, addresses: &[IpAddr]) -> io::Result<Vec<Route>> {
        let questions = addresses.iter().map(|address| request(get_route(*address), NLM_F_REQUEST));
        let answers = self.ask(questions.collect()).await?;
        addresses.iter().zip(answers).map(|(address, answer)| route(*address, answer)).collect()
    }

    /// Has the kernel resolve `hops`, or look whether their MAC addresses are still right; the answers come as notifications.
    /// Returns those that it has no room for.
    pub(super) async fn resolve(&self, hops: &[Hop]) -> io::Result<Vec<Hop>> {
        let flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE;
        let questions = hops.iter().map(|hop| request(use_neighbour(hop), flags));
        let answers = self.ask(questions.collect()).await?;
        // Any other error is of a route or an interface that is just going; the notification of that is on its way.
        let refused = hops.iter().zip(answers).filter(|(_, answer)| errno(answer) == Some(libc::ENOBUFS));
        Ok(refused.map(|(hop, _)| *hop).collect())
    }

    /// Asks questions that have one answer each.
    async fn ask(&self, questions: Vec<NetlinkMessage<RouteNetlinkMessage>>) -> io::Result<Vec<Payload>> {
        let expected = questions.len();
        let mut answers = Vec::with_capacity(expected);
        let mut questions = questions.into_iter().peekable();
        while questions.peek().is_some() {
            let batch = questions.by_ref().take(BATCH).collect();
            answers.extend(self.exchange(batch).await?.into_iter().map(|answer| answer.payload));
        }
        if answers.len() != expected {
            return Err(io::Error::other(format!("{} netlink answers to {expected} questions", answers.len())));
        }
        Ok(answers)
    }

    async fn dump(&self, question: impl Fn() -> RouteNetlinkMessage) -> io::Result<Vec<RouteNetlinkMessage>> {
        for _ in 0..DUMPS {
            let answers = self.exchange(vec![request(question(), NLM_F_REQUEST | NLM_F_DUMP)]).await?;
            if let Some(errno) = answers.iter().find_map(|answer| errno(&answer.payload)) {
                return Err(io::Error::from_raw_os_error(errno));
            }
            if answers.iter().all(|answer| answer.header.flags & NLM_F_DUMP_INTR == 0) {
                return Ok(answers.into_iter().filter_map(content).collect());
            }
        }
        Err(io::Error::new(io::ErrorKind::Interrupted, "the kernel's table changes faster than it can be read"))
    }

    async fn exchange(
        &self,
        batch: Vec<NetlinkMessage<RouteNetlinkMessage>>,
    ) -> io::Result<Vec<NetlinkMessage<RouteNetlinkMessage>>> {
        let answers = self.handle.request_batch(batch, SocketAddr::new(0, 0)).map_err(io::Error::other)?;
        Ok(tokio::time::timeout(PATIENCE, answers.collect()).await?)
    }
}

fn request(message: RouteNetlinkMessage, flags: u16) -> NetlinkMessage<RouteNetlinkMessage> {
    let mut request = NetlinkMessage::from(message);
    request.header.flags = flags;
    request
}

fn family(address: IpAddr) -> AddressFamily {
    if address.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 }
}

fn get_route(address: IpAddr) -> RouteNetlinkMessage {
    let mut message = RouteMessage::default();
    message.header.address_family = family(address);
    message.header.destination_prefix_length = if address.is_ipv4() { 32 } else { 128 };
    message.attributes.push(RouteAttribute::Destination(RouteAddress::from(address)));
    RouteNetlinkMessage::GetRoute(message)
}

fn use_neighbour(hop: &Hop) -> RouteNetlinkMessage {
    let mut message = NeighbourMessage::default();
    message.header.family = family(hop.address);
    message.header.ifindex = hop.ifindex;
    message.header.flags = NeighbourFlags::Use;
    message.attributes.push(NeighbourAttribute::Destination(NeighbourAddress::from(hop.address)));
    RouteNetlinkMessage::NewNeighbour(message)
}

fn route(address: IpAddr, answer: Payload) -> io::Result<Route> {
    if let Some(errno) = errno(&answer) {
        return Ok(Route::from_error(address, &io::Error::from_raw_os_error(errno)));
    }
    if let NetlinkPayload::InnerMessage(RouteNetlinkMessage::NewRoute(message)) = &answer {
        return Ok(Route::from_message(address, message));
    }
    Err(io::Error::other(format!("the kernel answered the question for the route to {address} by {answer:?}")))
}

/// The error that an answer is; an acknowledgement is none.
fn errno(answer: &Payload) -> Option<i32> {
    let NetlinkPayload::Error(error) = answer else {
        return None;
    };
    error.code.map(|code| code.get().abs())
}

fn content(answer: NetlinkMessage<RouteNetlinkMessage>) -> Option<RouteNetlinkMessage> {
    let NetlinkPayload::InnerMessage(message) = answer.payload else {
        return None;
    };
    Some(message)
}
