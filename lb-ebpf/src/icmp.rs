//! ICMP errors about a connection: the real server gets them, for it sent what they are about (`ip_vs_in_icmp`,
//! `ip_vs_in_icmp_v6`). They leave the connection's state and its timer as they are.

use aya_ebpf::bindings::{xdp_action, xdp_md};
use aya_ebpf::helpers::generated::bpf_xdp_load_bytes;
use aya_ebpf::programs::XdpContext;
use lb_common::address::Address;
use lb_common::reason::Reason;
use lb_common::settings::{Settings, flags};
use lb_common::{checksum, icmp, table};
use network_types::ip::{IpProto, Ipv4Hdr, Ipv6Hdr};

use crate::parse::{self, IP, Packet};
use crate::{Refused, Verdict, answer, classify, clock, connections, forward, open, pipeline, reals, settings, stats};

/// Length of an ICMP or ICMPv6 header.
const HEADER: usize = 8;
const TCP: u8 = IpProto::Tcp as u8;
const UDP: u8 = IpProto::Udp as u8;
/// So many extension headers are followed to a quoted packet's ports: one of each kind and one more is what an honest packet
/// has at most (RFC 8200, 4.1).
const EXTENSIONS: u32 = 6;

/// Sends an ICMP error to the real server of the connection that it is about.
#[inline(always)]
pub fn balance(ctx: &XdpContext, packet: &mut Packet) -> Result<Verdict, Refused> {
    let found = lvx_icmp_find(ctx.ctx, packet);
    let real = match found {
        UNKNOWN => return Err(Reason::IcmpError.into()),
        MAY_OPEN => {
            let hash = table::hash(&packet.key, pipeline::seed());
            let Some((real, _)) = open::connection(packet, hash, clock::now())? else {
                return Err(Reason::IcmpError.into());
            };
            real
        }
        real => real,
    };
    match lvx_icmp_forward(ctx.ctx, packet, real) {
        xdp_action::XDP_TX => Ok(Verdict::Transmit),
        refused if refused & REFUSED != 0 => {
            Err(Reason::from_number(refused & !REFUSED).unwrap_or(Reason::Internal).into())
        }
        action => Ok(Verdict::Redirect(action)),
    }
}

/// [`lvx_icmp_find`]: it is about no connection.
const UNKNOWN: u32 = u32::MAX;
/// [`lvx_icmp_find`]: it is about no connection, and may open one.
const MAY_OPEN: u32 = u32::MAX - 1;
/// [`lvx_icmp_forward`]: the rest is the number of a [`Reason`]; else it is the XDP action.
const REFUSED: u32 = 1 << 16;

/// A global function: the verifier looks at it once, and its stack is gone when a connection is opened. Fills the packet's
/// key with the connection that the error is about, and gives the number of that connection's real server.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn lvx_icmp_find(ctx: *mut xdp_md, packet: *mut Packet) -> u32 {
    let ctx = XdpContext::new(ctx);
    // SAFETY: the only caller passes a reference; the verifier demands the check for null all the same.
    let Some(packet) = (unsafe { packet.as_mut() }) else { return UNKNOWN };
    let Ok(settings) = settings::get() else { return UNKNOWN };
    if read(&ctx, packet, settings).is_none() {
        return UNKNOWN;
    }
    match connections::of_error(packet, clock::now()) {
        Some(real) => real,
        None if settings.flags & flags::SCHEDULE_ICMP != 0 => MAY_OPEN,
        None => UNKNOWN,
    }
}

/// A global function, as above. The error goes the way of a data packet; one that is in the way of it is never answered.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn lvx_icmp_forward(ctx: *mut xdp_md, packet: *const Packet, real: u32) -> u32 {
    let ctx = XdpContext::new(ctx);
    // SAFETY: as above.
    let Some(packet) = (unsafe { packet.as_ref() }) else { return REFUSED | Reason::Internal as u32 };
    let Some(server) = reals::get(real) else { return REFUSED | Reason::Internal as u32 };
    // A removed server gets the errors about its connections all the same, uncounted (`ip_vs_in_stats`): only data packets
    // are looked at for that (`ip_vs_in_hook`).
    if reals::is_available(server) {
        stats::traffic(server.service, real, packet.length);
    }
    match forward::to(&ctx, packet, server) {
        Ok(Verdict::Pass) => xdp_action::XDP_PASS,
        Ok(Verdict::Transmit) => xdp_action::XDP_TX,
        Ok(Verdict::Redirect(action)) => action,
        Err(Refused { reason, .. }) => REFUSED | reason as u32,
    }
}

/// Fills the packet from the error and from what it quotes; `None` if that cannot be about a connection.
#[inline(always)]
fn read(ctx: &XdpContext, packet: &mut Packet, settings: &Settings) -> Option<()> {
    packet.about_flow = 1;
    let version: u8 = parse::read(ctx, IP).ok()?;
    let is_v4 = version >> 4 == 4;
    if is_v4 {
        outer_v4(ctx, packet)?;
    } else {
        outer_v6(ctx, packet)?;
    }
    let serves = if is_v4 { flags::SERVES_V4 } else { flags::SERVES_V6 };
    if settings.flags & serves == 0 {
        return None;
    }
    if settings.flags & flags::SCHEDULE_ICMP != 0 && settings.mark_nodes != 0 {
        // The mark that counts is the error's own, not that of the packets of the connection.
        packet.mark = classify::mark(packet, settings);
    }
    let ports = if is_v4 { inner_v4(ctx, packet)? } else { inner_v6(ctx, packet)? };
    if ports + size_of::<u32>() as u32 > IP as u32 + packet.length {
        return None;
    }
    load(ctx, ports, &mut packet.key.ports)?;
    packet.key.ports = packet.key.ports.rotate_left(16);
    Some(())
}

/// What it needs of the error itself: as if it were the packet of a flow, for the mark.
#[inline(always)]
fn outer_v4(ctx: &XdpContext, packet: &mut Packet) -> Option<()> {
    if !icmp::is_about_flow_v4(parse::read(ctx, IP + Ipv4Hdr::LEN).ok()?) {
        return None;
    }
    packet.key.client = Address::from_v4(parse::read(ctx, IP + 12).ok()?);
    packet.key.virtual_address = Address::from_v4(parse::read(ctx, IP + 16).ok()?);
    packet.key.protocol = IpProto::Icmp as u32;
    packet.hop_limit = parse::read(ctx, IP + 8).ok()?;
    packet.length = u32::from(u16::from_be(parse::read(ctx, IP + 2).ok()?));
    // `ip_vs_in_icmp` verifies the checksum, `ip_vs_in_icmp_v6` does not. No router sends an error that is longer.
    let length = packet.length.wrapping_sub(Ipv4Hdr::LEN as u32);
    let is_summed = length <= icmp::MOST_V6 as u32;
    if is_summed && checksum::fold(answer::sum_of(ctx, (IP + Ipv4Hdr::LEN) as u32, length)) != 0 {
        return None;
    }
    Some(())
}

#[inline(always)]
fn outer_v6(ctx: &XdpContext, packet: &mut Packet) -> Option<()> {
    load(ctx, IP as u32 + 8, &mut packet.key.client)?;
    load(ctx, IP as u32 + 24, &mut packet.key.virtual_address)?;
    packet.key.protocol = IpProto::Ipv6Icmp as u32;
    packet.hop_limit = parse::read(ctx, IP + 7).ok()?;
    packet.length = u32::from(u16::from_be(parse::read(ctx, IP + 4).ok()?)) + Ipv6Hdr::LEN as u32;
    if u64::from(packet.length) > parse::behind_ethernet(ctx) {
        return None;
    }
    Some(())
}

/// The addresses and the protocol of the quoted packet, which the real server sent: its destination is the client. Gives
/// the offset of its ports.
#[inline(always)]
fn inner_v4(ctx: &XdpContext, packet: &mut Packet) -> Option<u32> {
    const INNER: usize = IP + Ipv4Hdr::LEN + HEADER;
    let length = u32::from(parse::read::<u8>(ctx, INNER).ok()? & 0xf) * 4;
    let later_fragment = parse::read::<u16>(ctx, INNER + 6).ok()? & 0x1fffu16.to_be() != 0;
    if length < Ipv4Hdr::LEN as u32 || later_fragment {
        return None;
    }
    let protocol: u8 = parse::read(ctx, INNER + 9).ok()?;
    if protocol != TCP && protocol != UDP {
        return None;
    }
    packet.key.virtual_address = Address::from_v4(parse::read(ctx, INNER + 12).ok()?);
    packet.key.client = Address::from_v4(parse::read(ctx, INNER + 16).ok()?);
    packet.key.protocol = u32::from(protocol);
    Some(INNER as u32 + length)
}

/// As [`inner_v4`]. The quoted packet may have extension headers, and be a first fragment (`ipv6_find_hdr`).
#[inline(always)]
fn inner_v6(ctx: &XdpContext, packet: &mut Packet) -> Option<u32> {
    const INNER: usize = IP + Ipv6Hdr::LEN + HEADER;
    let version: u8 = parse::read(ctx, INNER).ok()?;
    if version >> 4 != 6 {
        return None;
    }
    let mut protocol: u8 = parse::read(ctx, INNER + 6).ok()?;
    let mut ports = (INNER + Ipv6Hdr::LEN) as u32;
    for _ in 0..EXTENSIONS {
        if protocol == TCP || protocol == UDP {
            break;
        }
        let mut header = [0u8; 4];
        load(ctx, ports, &mut header)?;
        let [next, length, offset, more] = header;
        ports += match protocol {
            // Hop-by-hop options, routing, destination options.
            0 | 43 | 60 => u32::from(length) * 8 + 8,
            // Authentication.
            51 => u32::from(length) * 4 + 8,
            // A fragment; only the first has ports.
            44 if offset == 0 && more & 0xf8 == 0 => 8,
            _ => return None,
        };
        protocol = next;
    }
    if protocol != TCP && protocol != UDP {
        return None;
    }
    load(ctx, INNER as u32 + 8, &mut packet.key.virtual_address)?;
    load(ctx, INNER as u32 + 24, &mut packet.key.client)?;
    if packet.key.client.is_v4() || packet.key.virtual_address.is_v4() {
        return None;
    }
    packet.key.protocol = u32::from(protocol);
    Some(ports)
}

/// Copies a `T` from `offset` of the frame, by a helper (since 5.18): the offset need not be constant.
#[inline(always)]
fn load<T>(ctx: &XdpContext, offset: u32, to: &mut T) -> Option<()> {
    // SAFETY: the context is valid, and the helper writes the bytes of `to` only; `T` is made of integers.
    let missed = unsafe { bpf_xdp_load_bytes(ctx.ctx, offset, (&raw mut *to).cast(), size_of::<T>() as u32) };
    if missed == 0 { Some(()) } else { None }
}
