//! Direct routing: another Ethernet header, one hop less, and out (`ip_vs_dr_xmit`).

use aya_ebpf::macros::map;
use aya_ebpf::maps::DevMapHash;
use aya_ebpf::programs::XdpContext;
use lb_common::checksum;
use lb_common::real_server::{RealServer, flags};
use lb_common::reason::Reason;
use network_types::ip::{Ipv4Hdr, Ipv6Hdr};

use crate::parse::{self, IP, Packet};
use crate::{Refused, Verdict};

#[map]
static DEVICES: DevMapHash = DevMapHash::with_max_entries(256, 0);

/// Sends the packet to a real server.
#[inline(always)]
pub fn to(ctx: &XdpContext, packet: &Packet, server: &RealServer) -> Result<Verdict, Refused> {
    if server.flags & (flags::LOCAL | flags::REACHABLE) != flags::REACHABLE {
        let local = server.flags & flags::LOCAL != 0;
        return Err(if local { Reason::LocalServer } else { Reason::NoNeighbour }.into());
    }
    if packet.hop_limit <= 1 {
        return Err(Reason::TtlExceeded.into());
    }
    decrement_hop_limit(ctx, packet).ok_or(Reason::Internal)?;
    // Behind the decrement, as in the kernel: the error quotes the packet as it would have left.
    if packet.length > server.mtu {
        return Err(Refused { reason: Reason::TooBig, mtu: server.mtu });
    }
    address_frame(ctx, server.destination_mac, server.source_mac).ok_or(Reason::Internal)?;
    if server.ifindex == packet.ifindex {
        return Ok(Verdict::Transmit);
    }
    // The flags are the action where the interface is unknown: XDP_DROP.
    match DEVICES.redirect(server.ifindex, u64::from(aya_ebpf::bindings::xdp_action::XDP_DROP)) {
        Ok(action) => Ok(Verdict::Redirect(action)),
        Err(_) => Err(Reason::NoNeighbour.into()),
    }
}

/// Writes both MAC addresses, each in the low six bytes of a word ([`lb_common::real_server::mac_word`]).
#[inline(always)]
pub fn address_frame(ctx: &XdpContext, destination: u64, source: u64) -> Option<()> {
    const _: () = assert!(cfg!(target_endian = "little"), "the words are put together for little-endian machines");
    let header = parse::at::<[u32; 3]>(ctx, 0)?;
    let words =
        [destination as u32, (destination >> 32 & 0xffff) as u32 | (source << 16) as u32, (source >> 16) as u32];
    // SAFETY: `at` checked that the frame holds twelve bytes there.
    unsafe { header.write_unaligned(words) };
    Some(())
}

#[inline(always)]
fn decrement_hop_limit(ctx: &XdpContext, packet: &Packet) -> Option<()> {
    let hop_limit = packet.hop_limit.wrapping_sub(1);
    if !packet.key.virtual_address.is_v4() {
        let header = parse::at::<Ipv6Hdr>(ctx, IP)?;
        // SAFETY: `at` checked that the frame holds the header; the field is a byte.
        unsafe { (*header).hop_limit = hop_limit };
        return Some(());
    }
    let header = parse::at::<Ipv4Hdr>(ctx, IP)?;
    // SAFETY: `at` checked that the frame holds the header; the field is a byte.
    unsafe { (*header).ttl = hop_limit };
    // SAFETY: as above; the checksum is two bytes.
    let check = unsafe { (&raw mut (*header).check).cast::<u16>() };
    // SAFETY: as above.
    let old = unsafe { check.read_unaligned() };
    // SAFETY: as above.
    unsafe { check.write_unaligned(checksum::after_ttl_decrement(old)) };
    Some(())
}
