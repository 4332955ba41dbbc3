//! Making the leg: a veth pair, routes and rules.

use std::ffi::CString;
use std::io;
use std::os::fd::{AsFd as _, AsRawFd as _};
use std::thread;

use anyhow::{Context as _, Result, anyhow};
use futures::TryStreamExt as _;
use rtnetlink::packet_route::link::{InfoData, InfoKind, InfoVeth, LinkAttribute};
use rtnetlink::packet_route::route::{RouteMessage, RouteScope, RouteType};
use rtnetlink::packet_route::rule::RuleAction;
use rtnetlink::{Handle, LinkMessageBuilder, LinkUnspec, LinkVeth, RouteMessageBuilder};
use socket2::{Domain, Socket, Type};
use std::net::{Ipv4Addr, Ipv6Addr};

use super::namespace::Namespace;

/// The end inside.
pub(super) const INNER: &str = "leg";

/// The end in the director's namespace; the kernel puts in a number.
const OUTER: &str = "lvx%d";

/// What every link carries (RFC 8200, 5). A check's packets leave by interfaces of any MTU, and are small.
const MTU: u32 = 1280;

/// The kernel's own `lo`.
const LOOPBACK: u32 = 1;

/// What comes in by the leg is looked up in this table: all of it is for the namespace.
const INBOUND: u32 = 100;

/// Before the main table (32766), whose default route leads out.
const BEFORE_MAIN: u32 = 100;

/// The interfaces of a leg.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ends {
    /// Index of the end in the director's namespace.
    pub(super) outer: u32,
}

/// Makes the veth pair between the namespace and the caller's, and the routes inside.
pub(super) fn build(namespace: &Namespace) -> Result<Ends> {
    // A thread of its own: the caller may be inside a runtime already, and this one blocks.
    thread::scope(|scope| {
        let made = scope.spawn(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
            runtime.block_on(make(namespace))
        });
        made.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

async fn make(namespace: &Namespace) -> Result<Ends> {
    let outside = handle()?;
    let inside = namespace.enter(handle)??;
    outside.link().add(pair(namespace)).execute().await.context("cannot make a veth pair")?;
    let inner = inside.link().get().match_name(INNER.to_owned()).execute().try_next().await?;
    let inner = inner.with_context(|| format!("the kernel made no `{INNER}`"))?;
    let peer = |attribute: &LinkAttribute| if let LinkAttribute::Link(index) = attribute { Some(*index) } else { None };
    let outer = inner.attributes.iter().find_map(peer).context("the kernel names no other end of the veth pair")?;
    let index = inner.header.index;
    namespace.enter(finish_checksums)?.context("cannot switch off the leg's checksum offload")?;
    for (handle, index) in [(&inside, LOOPBACK), (&inside, index), (&outside, outer)] {
        let up = LinkMessageBuilder::<LinkUnspec>::new().index(index).up().build();
        handle.link().set(up).execute().await.context("cannot switch the leg on")?;
    }
    for route in routes(index) {
        inside.route().add(route).execute().await.context("cannot add the leg's routes")?;
    }
    let rule = || {
        let rule = inside.rule().add().input_interface(INNER).table_id(INBOUND).priority(BEFORE_MAIN);
        rule.action(RuleAction::ToTable)
    };
    rule().v4().execute().await.context("cannot add the leg's rule")?;
    rule().v6().execute().await.context("cannot add the leg's rule of IPv6")?;
    Ok(Ends { outer })
}

fn handle() -> Result<Handle> {
    let (connection, handle, _) = rtnetlink::new_connection().context("cannot use netlink")?;
    tokio::spawn(connection);
    Ok(handle)
}

/// Without ARP, an interface has no neighbours to ask for, in IPv6 too, and no address is looked for twice.
fn pair(namespace: &Namespace) -> rtnetlink::packet_route::link::LinkMessage {
    let inner = LinkMessageBuilder::<LinkUnspec>::new().name(INNER).arp(false).mtu(MTU);
    let inner = inner.setns_by_fd(namespace.as_fd().as_raw_fd()).build();
    let outer = LinkMessageBuilder::<LinkVeth>::new_with_info_kind(InfoKind::Veth).name(OUTER).arp(false).mtu(MTU);
    outer.set_info_data(InfoData::Veth(InfoVeth::Peer(inner))).build()
}

/// Out by the leg, whatever it is; in for whatever address.
fn routes(leg: u32) -> Vec<RouteMessage> {
    let (v4, v6) = (Ipv4Addr::UNSPECIFIED, Ipv6Addr::UNSPECIFIED);
    let local = (RouteType::Local, INBOUND, RouteScope::Host, LOOPBACK);
    let out = (RouteType::Unicast, libc::RT_TABLE_MAIN.into(), RouteScope::Link, leg);
    [local, out]
        .into_iter()
        .flat_map(|(kind, table, scope, index)| {
            let four = RouteMessageBuilder::<Ipv4Addr>::new().destination_prefix(v4, 0);
            let six = RouteMessageBuilder::<Ipv6Addr>::new().destination_prefix(v6, 0);
            [
                four.kind(kind).table_id(table).scope(scope).output_interface(index).build(),
                six.kind(kind).table_id(table).output_interface(index).build(),
            ]
        })
        .collect()
}

/// `struct ethtool_value`
#[repr(C)]
struct EthtoolValue {
    command: u32,
    data: u32,
}

/// `ETHTOOL_STXCSUM`
const SET_TX_CHECKSUMS: u32 = 0x17;

/// Switches the calling thread's [`INNER`] to packets with finished checksums: who receives them may be an XDP program.
fn finish_checksums() -> Result<()> {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, None)?;
    let mut value = EthtoolValue { command: SET_TX_CHECKSUMS, data: 0 };
    // SAFETY: all zeros is a valid `ifreq`.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    let name = CString::new(INNER)?;
    for (to, from) in request.ifr_name.iter_mut().zip(name.as_bytes_with_nul()) {
        *to = from.cast_signed();
    }
    request.ifr_ifru.ifru_data = (&raw mut value).cast();
    // SAFETY: the socket is open; the kernel reads an `ifreq`, and through it an `ethtool_value`, which both live.
    match unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCETHTOOL, &raw mut request) } {
        0 => Ok(()),
        _ => Err(anyhow!(io::Error::last_os_error())),
    }
}
