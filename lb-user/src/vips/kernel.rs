//! Addresses, by netlink.

use std::collections::BTreeSet;
use std::io;
use std::net::IpAddr;

use futures::channel::mpsc::UnboundedReceiver;
use futures::{FutureExt as _, StreamExt as _, TryStreamExt as _};
use rtnetlink::packet_core::{NetlinkMessage, NetlinkPayload};
use rtnetlink::packet_route::RouteNetlinkMessage;
use rtnetlink::packet_route::address::{AddressAttribute, AddressFlags, AddressMessage, AddressProtocol, CacheInfo};
use rtnetlink::packet_route::link::LinkFlags;
use rtnetlink::sys::SocketAddr;
use rtnetlink::{AddressMessageBuilder, MulticastGroup};
use tokio::task::JoinSet;

use super::plan::{Present, Spot};

/// Who put an address there (`IFA_PROTO`, since Linux 5.18): LVX. The kernel's own numbers are 1 to 3, keepalived's is 18.
const LVX: u8 = 76;

/// `INFINITY_LIFE_TIME`
const FOREVER: u32 = u32::MAX;

/// A socket for questions, and one for notifications.
#[derive(Debug)]
pub(super) struct Kernel {
    handle: rtnetlink::Handle,
    notifications: UnboundedReceiver<(NetlinkMessage<RouteNetlinkMessage>, SocketAddr)>,
    _sockets: JoinSet<()>,
}

impl Kernel {
    /// In the network namespace of the calling thread.
    pub(super) fn open() -> io::Result<Self> {
        let groups = [MulticastGroup::Link, MulticastGroup::Ipv4Ifaddr, MulticastGroup::Ipv6Ifaddr];
        let (listening, _, notifications) = rtnetlink::new_multicast_connection(&groups)?;
        let (asking, handle, _) = rtnetlink::new_connection()?;
        let mut sockets = JoinSet::new();
        sockets.spawn(listening);
        sockets.spawn(asking);
        Ok(Self { handle, notifications, _sockets: sockets })
    }

    /// Waits until interfaces or addresses changed; many changes at once are one. Gives the interfaces that were down
    /// meanwhile, even if they are up again.
    pub(super) async fn changed(&mut self) -> io::Result<BTreeSet<u32>> {
        let ended = || io::Error::other("the kernel's notifications ended");
        let (first, _) = self.notifications.next().await.ok_or_else(ended)?;
        let mut down: BTreeSet<_> = was_down(&first.payload).into_iter().collect();
        while let Some((message, _)) = self.notifications.next().now_or_never().flatten() {
            down.extend(was_down(&message.payload));
        }
        Ok(down)
    }

    /// The addresses of all interfaces.
    pub(super) async fn addresses(&self) -> io::Result<Vec<Present>> {
        let messages = self.handle.address().get().execute().try_collect::<Vec<_>>().await.map_err(io::Error::other)?;
        Ok(messages.iter().filter_map(present).collect())
    }

    /// Puts an address on an interface. That of IPv6 is used at once, without looking for another that has it (it may be
    /// moving here from one that is dead), and never as the source of what the director itself sends.
    pub(super) async fn put(&self, spot: &Spot) -> io::Result<()> {
        let mut message = message(spot);
        message.attributes.push(AddressAttribute::Protocol(LVX.into()));
        if spot.address.is_ipv6() {
            message.attributes.push(AddressAttribute::Flags(AddressFlags::Nodad));
            let mut lifetime = CacheInfo::default();
            (lifetime.ifa_preferred, lifetime.ifa_valid) = (0, FOREVER);
            message.attributes.push(AddressAttribute::CacheInfo(lifetime));
        }
        let mut request = self.handle.address().add(spot.ifindex, spot.address, spot.prefix);
        *request.message_mut() = message;
        request.execute().await.map_err(plain)
    }

    /// Takes an address away.
    pub(super) async fn take(&self, spot: &Spot) -> io::Result<()> {
        self.handle.address().del(message(spot)).execute().await.map_err(plain)
    }
}

/// The interface that a notification says is down or gone.
fn was_down(payload: &NetlinkPayload<RouteNetlinkMessage>) -> Option<u32> {
    let NetlinkPayload::InnerMessage(message) = payload else { return None };
    if let RouteNetlinkMessage::DelLink(link) = message {
        return Some(link.header.index);
    }
    let RouteNetlinkMessage::NewLink(link) = message else { return None };
    (!link.header.flags.contains(LinkFlags::Up | LinkFlags::Running)).then_some(link.header.index)
}

fn message(spot: &Spot) -> AddressMessage {
    match spot.address {
        IpAddr::V4(address) => {
            AddressMessageBuilder::<std::net::Ipv4Addr>::new().index(spot.ifindex).address(address, spot.prefix).build()
        }
        IpAddr::V6(address) => {
            AddressMessageBuilder::<std::net::Ipv6Addr>::new().index(spot.ifindex).address(address, spot.prefix).build()
        }
    }
}

/// `IFA_LOCAL` is the own address where `IFA_ADDRESS` may be the peer's.
fn present(message: &AddressMessage) -> Option<Present> {
    let (mut local, mut peer, mut marked) = (None, None, false);
    for attribute in &message.attributes {
        if let AddressAttribute::Local(address) = attribute {
            local = Some(*address);
        } else if let AddressAttribute::Address(address) = attribute {
            peer = Some(*address);
        } else if let AddressAttribute::Protocol(protocol) = attribute {
            marked = *protocol == AddressProtocol::from(LVX);
        }
    }
    let spot = Spot { ifindex: message.header.index, address: local.or(peer)?, prefix: message.header.prefix_len };
    Some(Present { spot, marked })
}

/// The kernel's error number as an error, for its plain words.
fn plain(error: rtnetlink::Error) -> io::Error {
    if let rtnetlink::Error::NetlinkError(message) = &error
        && let Some(code) = message.code
    {
        return io::Error::from_raw_os_error(code.get().abs());
    }
    io::Error::other(error)
}

#[cfg(test)]
mod tests {
    use rtnetlink::packet_route::link::LinkMessage;

    use super::*;

    #[test]
    fn an_interface_that_was_down_for_a_moment_is_known() {
        let up = LinkFlags::Up | LinkFlags::Running;
        let rows = [(up, None), (LinkFlags::Up, Some(7)), (LinkFlags::empty(), Some(7))];
        for (flags, expected) in rows {
            let mut link = LinkMessage::default();
            link.header.index = 7;
            link.header.flags = flags;
            let changed = NetlinkPayload::InnerMessage(RouteNetlinkMessage::NewLink(link.clone()));
            assert_eq!(was_down(&changed), expected, "{flags:?}");
            let gone = NetlinkPayload::InnerMessage(RouteNetlinkMessage::DelLink(link));
            assert_eq!(was_down(&gone), Some(7));
        }
        let address = RouteNetlinkMessage::DelAddress(AddressMessage::default());
        assert_eq!(was_down(&NetlinkPayload::InnerMessage(address)), None);
    }

    #[test]
    fn the_own_address_counts_and_who_put_it_there() {
        let own: IpAddr = [10, 0, 0, 1].into();
        let peer: IpAddr = [10, 0, 0, 2].into();
        let rows = [
            (vec![AddressAttribute::Address(peer), AddressAttribute::Local(own)], Some((own, false))),
            (vec![AddressAttribute::Address(own), AddressAttribute::Protocol(LVX.into())], Some((own, true))),
            (vec![AddressAttribute::Address(own), AddressAttribute::Protocol(18.into())], Some((own, false))),
            (vec![AddressAttribute::Label("eth0".into())], None),
        ];
        for (attributes, expected) in rows {
            let mut message = AddressMessage::default();
            message.header.index = 7;
            message.header.prefix_len = 24;
            message.attributes = attributes;
            let expected =
                expected.map(|(address, marked)| Present { spot: Spot { ifindex: 7, address, prefix: 24 }, marked });
            assert_eq!(present(&message), expected);
        }
    }
}
