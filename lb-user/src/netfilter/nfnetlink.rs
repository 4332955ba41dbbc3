//! What tables nf_tables holds, and whether anything in them has changed: asked over netlink, so that programs need be
//! run only after a change.

use std::io;

use rtnetlink::packet_core::{
    ErrorBuffer, NLM_F_DUMP, NLM_F_REQUEST, NLMSG_DONE, NLMSG_ERROR, NetlinkBuffer, NlasIterator,
};
use rtnetlink::sys::{Socket, SocketAddr, protocols::NETLINK_NETFILTER};

/// The tables of nf_tables in the current network namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NftTables {
    /// Changes with every change of any rule.
    pub generation: u32,
    /// Family and name of each table, as nft writes them: `ip mangle`.
    pub tables: Vec<String>,
}

// linux/netfilter/nfnetlink.h and nf_tables.h
const NFNL_SUBSYS_NFTABLES: u16 = 10 << 8;
const NFT_MSG_NEWTABLE: u16 = NFNL_SUBSYS_NFTABLES;
const NFT_MSG_GETTABLE: u16 = NFNL_SUBSYS_NFTABLES | 1;
const NFT_MSG_NEWGEN: u16 = NFNL_SUBSYS_NFTABLES | 15;
const NFT_MSG_GETGEN: u16 = NFNL_SUBSYS_NFTABLES | 16;
const NFTA_GEN_ID: u16 = 1;
const NFTA_TABLE_NAME: u16 = 1;

/// struct nlmsghdr, and struct nfgenmsg after it.
const HEADER: usize = 16;
const GENERIC_HEADER: usize = 4;

/// Asks the kernel; a kernel without nf_tables has no tables.
pub(super) fn tables() -> io::Result<NftTables> {
    let socket = match Socket::new(NETLINK_NETFILTER) {
        Ok(socket) => socket,
        Err(error) if error.raw_os_error() == Some(libc::EPROTONOSUPPORT) => return Ok(NftTables::default()),
        Err(error) => return Err(error),
    };
    socket.connect(&SocketAddr::new(0, 0))?;
    // The kernel answers while it is asked, so there is nothing to wait for.
    socket.set_non_blocking(true)?;

    let mut found = NftTables::default();
    let generation = ask(&socket, NFT_MSG_GETGEN, NLM_F_REQUEST, |answer| {
        if let (NFT_MSG_NEWGEN, Some(id)) = (answer.message_type(), attribute(answer, NFTA_GEN_ID)) {
            found.generation = id.try_into().map(u32::from_be_bytes).unwrap_or_default();
        }
    });
    match generation {
        // nfnetlink knows no such subsystem.
        Err(error) if error.raw_os_error() == Some(libc::EINVAL) => return Ok(found),
        answered => answered?,
    }
    ask(&socket, NFT_MSG_GETTABLE, NLM_F_REQUEST | NLM_F_DUMP, |answer| {
        if let (NFT_MSG_NEWTABLE, Some(name)) = (answer.message_type(), attribute(answer, NFTA_TABLE_NAME)) {
            let family = answer.payload().first().copied().unwrap_or_default();
            let name = String::from_utf8_lossy(name);
            found.tables.push(format!("{} {}", family_name(family), name.trim_end_matches('\0')));
        }
    })?;
    Ok(found)
}

/// NFPROTO_... as nft writes it.
fn family_name(family: u8) -> &'static str {
    match family {
        1 => "inet",
        2 => "ip",
        3 => "arp",
        5 => "netdev",
        7 => "bridge",
        10 => "ip6",
        _ => "unknown",
    }
}

/// Sends one request about all families, and hands over every message of the answer.
fn ask(socket: &Socket, kind: u16, flags: u16, mut take: impl FnMut(&NetlinkBuffer<&[u8]>)) -> io::Result<()> {
    let mut request = [0; HEADER + GENERIC_HEADER];
    let mut header = NetlinkBuffer::new(&mut request);
    header.set_length((HEADER + GENERIC_HEADER) as u32);
    header.set_message_type(kind);
    header.set_flags(flags);
    socket.send(&request, 0)?;
    loop {
        let mut received = Vec::with_capacity(1 << 16);
        socket.recv(&mut received, 0)?;
        let mut rest = received.as_slice();
        while !rest.is_empty() {
            let message = NetlinkBuffer::new_checked(rest).map_err(io::Error::other)?;
            let length = (message.length() as usize).next_multiple_of(4);
            match message.message_type() {
                NLMSG_DONE => return Ok(()),
                NLMSG_ERROR => return refused(message.payload()),
                _ => take(&message),
            }
            rest = rest.get(length..).unwrap_or_default();
        }
        if flags & NLM_F_DUMP == 0 {
            return Ok(());
        }
    }
}

fn refused(payload: &[u8]) -> io::Result<()> {
    let error = ErrorBuffer::new_checked(payload).map_err(io::Error::other)?;
    match error.code() {
        Some(code) => Err(io::Error::from_raw_os_error(code.get().saturating_neg())),
        None => Ok(()),
    }
}

fn attribute<'a>(message: &NetlinkBuffer<&'a [u8]>, kind: u16) -> Option<&'a [u8]> {
    let attributes = message.payload().get(GENERIC_HEADER..)?;
    NlasIterator::new(attributes).flatten().find(|attribute| attribute.kind() == kind).map(|found| {
        let length = found.value_length();
        found.into_inner().get(4..4 + length).unwrap_or_default()
    })
}
