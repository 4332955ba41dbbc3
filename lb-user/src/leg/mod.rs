//! The way of health checks that ask a real server for the VIP.
//!
//! Under direct routing a real server is in service only if it has the VIP itself; one without it answers at its own
//! address and is a black hole for clients. The director cannot simply ask: the VIP is its own too. So it keeps a
//! network namespace in which the VIP is not local, without a name and gone with the process, and a veth pair into it,
//! the leg. Sockets of checks are made in there. A packet's way:
//!
//! 1. the socket's mark is the real server's number; `number` writes it into the frame at the inner end;
//! 2. `send`, at the outer end, puts in the MAC addresses that clients' packets get, and sends it out of the same
//!    interface as those;
//! 3. the answer comes from the VIP, to the director's own address; `lvx_reply`, on the interfaces, hands it into the
//!    namespace, where all that comes is local.
//!
//! The programs are lb-ebpf's `leg.rs`. The XDP program has no part in this.

mod build;
mod namespace;
mod programs;
mod questions;

use std::collections::{BTreeSet, HashMap, HashSet};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsRawFd as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::{Context as _, Result};
use lb_common::leg::{Reply, Way, macs};
use socket2::{Domain, Protocol, Socket, Type};

use crate::dataplane::Sizes;
use crate::neighbours::Path;
use namespace::Namespace;
use programs::Programs;

pub use questions::Questions;

/// One hop, in case that the real server hands the VIP's packets to a container, and none more: a real server that
/// forwards and has no VIP sends them back, and the balancer would send them on to another, which answers.
const HOPS: u32 = 2;

/// The leg, and what moves on it. Dropping it removes everything.
pub struct Leg {
    door: Arc<Door>,
    programs: Programs,
    outer: u32,
    next: u32,
    vips: BTreeSet<IpAddr>,
    sources: BTreeSet<IpAddr>,
    replies: HashSet<Reply>,
}

/// Where sockets are made that reach real servers by the leg.
#[derive(Debug)]
pub struct Door {
    namespace: Namespace,
    ways: Mutex<HashMap<IpAddr, State>>,
}

/// How a real server is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
enum State {
    /// By the leg, with this mark, from this address.
    Leg { number: u32, source: IpAddr },
    /// It is the director itself, to which the VIP is local.
    Local,
    /// Not at all, and why.
    Lost(String),
    /// The director does not know how to ask; that is not the server's fault.
    Unaskable(String),
}

/// Why there is no socket.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoSocket {
    /// The real server cannot be reached, which speaks against it.
    #[error("{0}")]
    Lost(String),
    /// The director cannot ask, which says nothing of the server.
    #[error("{0}")]
    Unaskable(String),
}

impl From<NoSocket> for io::Error {
    fn from(why: NoSocket) -> Self {
        Self::other(why)
    }
}

impl Leg {
    /// Makes namespace and leg, loads and attaches the programs. Blocks for some milliseconds.
    ///
    /// # Errors
    /// The kernel refuses something: it takes Linux 5.10 and CAP_SYS_ADMIN, CAP_NET_ADMIN and CAP_BPF.
    pub fn open(sizes: Sizes) -> Result<Self> {
        let namespace = Namespace::new().context("cannot make a network namespace (this needs CAP_SYS_ADMIN)")?;
        let build::Ends { outer } = build::build(&namespace)?;
        let programs = Programs::load(sizes, &namespace, outer)?;
        let door = Arc::new(Door { namespace, ways: Mutex::default() });
        let (vips, sources, replies) = Default::default();
        Ok(Self { door, programs, outer, next: 1, vips, sources, replies })
    }

    /// Where sockets are made.
    pub fn door(&self) -> Arc<Door> {
        Arc::clone(&self.door)
    }

    /// These VIPs are asked for, and these are all real servers that there are.
    ///
    /// # Errors
    /// The kernel refuses to note it.
    pub fn follow(&mut self, vips: BTreeSet<IpAddr>, servers: &BTreeSet<IpAddr>) -> Result<()> {
        let gone: Vec<_> = {
            let mut ways = self.door.ways();
            let gone = ways.extract_if(|server, _| !servers.contains(server));
            gone.filter_map(|(_, state)| state.number()).collect()
        };
        for number in gone {
            self.programs.remove_way(number)?;
        }
        if self.vips != vips {
            self.vips = vips;
            self.note_replies()?;
        }
        Ok(())
    }

    /// A real server is reached in this way from now on.
    ///
    /// # Errors
    /// The kernel refuses to note it.
    pub fn set_path(&mut self, server: IpAddr, path: &Path) -> Result<()> {
        let known = self.door.ways().get(&server).and_then(State::number);
        let state = match path {
            Path::Reachable { ifindex, interface, destination_mac, source_mac, source: Some(source), .. } => {
                self.programs.attach(*ifindex, interface)?;
                if self.sources.insert(*source) {
                    self.note_replies()?;
                }
                let number = known.unwrap_or(self.next);
                let way = Way { macs: macs(*destination_mac, *source_mac), ifindex: *ifindex };
                self.programs.set_way(number, way)?;
                self.next = self.next.max(number.wrapping_add(1));
                State::Leg { number, source: *source }
            }
            Path::Reachable { interface, source: None, .. } => {
                State::Unaskable(format!("{interface} has no address to ask from"))
            }
            Path::Local => State::Local,
            Path::Unresolved { reason } if reason == "resolving" => State::Unaskable(resolving()),
            Path::Unresolved { reason } => State::Lost(reason.clone()),
        };
        if let (Some(number), None) = (known, state.number()) {
            self.programs.remove_way(number)?;
        }
        self.door.ways().insert(server, state);
        Ok(())
    }

    /// Takes answers from an interface, which need not be the one that the questions leave by.
    ///
    /// # Errors
    /// The kernel refuses the program there.
    pub fn attach(&mut self, index: u32, interface: &str) -> Result<()> {
        self.programs.attach(index, interface)
    }

    /// An interface is gone.
    pub fn forget(&mut self, index: u32) {
        self.programs.forget(index);
    }

    fn note_replies(&mut self) -> Result<()> {
        let pairs = self.vips.iter().flat_map(|vip| self.sources.iter().map(move |source| (*vip, *source)));
        let pairs = pairs.filter(|(vip, source)| vip.is_ipv4() == source.is_ipv4());
        let wanted: HashSet<_> =
            pairs.map(|(vip, source)| Reply { source: vip.into(), destination: source.into() }).collect();
        for gone in self.replies.difference(&wanted) {
            self.programs.set_reply(*gone, None)?;
        }
        for new in wanted.difference(&self.replies) {
            self.programs.set_reply(*new, Some(self.outer))?;
        }
        self.replies = wanted;
        Ok(())
    }
}

impl Door {
    /// A socket that does not block, whose packets go to this real server whatever address they carry.
    ///
    /// # Errors
    /// [`NoSocket`], or the kernel's.
    pub fn socket(&self, server: IpAddr, to: SocketAddr, kind: Type, protocol: Protocol) -> io::Result<Socket> {
        let (number, source) = match self.ways().get(&server) {
            Some(State::Leg { number, source }) => (*number, *source),
            Some(State::Local) => return Socket::new(Domain::for_address(to), kind.nonblocking(), Some(protocol)),
            Some(State::Lost(why)) => return Err(NoSocket::Lost(why.clone()).into()),
            Some(State::Unaskable(why)) => return Err(NoSocket::Unaskable(why.clone()).into()),
            None => return Err(NoSocket::Unaskable(resolving()).into()),
        };
        if source.is_ipv4() != to.is_ipv4() {
            let why = format!("{server} is of another address family than {}", to.ip());
            return Err(NoSocket::Unaskable(why).into());
        }
        if source == to.ip() {
            let why = format!(
                "the kernel's address towards {server} is {source} itself; give the VIP the prefix length /32 and add it last (IPv4), or `preferred_lft 0` (IPv6)"
            );
            return Err(NoSocket::Unaskable(why).into());
        }
        let socket =
            self.namespace.enter(|| Socket::new(Domain::for_address(to), kind.nonblocking(), Some(protocol)))??;
        socket.set_mark(number)?;
        let (level, transparent) = if source.is_ipv4() {
            socket.set_ttl_v4(HOPS)?;
            (libc::SOL_IP, libc::IP_TRANSPARENT)
        } else {
            socket.set_unicast_hops_v6(HOPS)?;
            (libc::SOL_IPV6, libc::IPV6_TRANSPARENT)
        };
        switch_on(&socket, level, transparent)?;
        // The port is chosen when the other end is known, so that one serves many of those.
        if kind != Type::RAW {
            switch_on(&socket, libc::SOL_IP, libc::IP_BIND_ADDRESS_NO_PORT)?;
        }
        socket.bind(&SocketAddr::new(source, 0).into())?;
        Ok(socket)
    }

    /// The ways are whole whatever happens elsewhere.
    fn ways(&self) -> MutexGuard<'_, HashMap<IpAddr, State>> {
        self.ways.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn number(&self) -> Option<u32> {
        match self {
            Self::Leg { number, .. } => Some(*number),
            Self::Local | Self::Lost(_) | Self::Unaskable(_) => None,
        }
    }
}

fn resolving() -> String {
    "the MAC address is not known yet".to_owned()
}

fn switch_on(socket: &Socket, level: i32, option: i32) -> io::Result<()> {
    let on: libc::c_int = 1;
    let size = libc::socklen_t::try_from(size_of_val(&on)).map_err(io::Error::other)?;
    // SAFETY: the kernel reads an int of that size, which lives.
    match unsafe { libc::setsockopt(socket.as_raw_fd(), level, option, (&raw const on).cast(), size) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

#[cfg(test)]
mod tests;
