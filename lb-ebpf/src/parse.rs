//! From bytes to a flow key. What LVX cannot forward yet is told apart here, by reason.

use aya_ebpf::programs::XdpContext;
use lb_common::address::Address;
use lb_common::flow::FlowKey;
use lb_common::reason::Reason;
use network_types::eth::EthHdr;
use network_types::ip::{IpProto, Ipv4Hdr, Ipv6Hdr};
use network_types::tcp::TcpHdr;
use network_types::udp::UdpHdr;

use crate::interfaces;

/// Offset of the IP header.
pub const IP: usize = EthHdr::LEN;

const TCP: u8 = IpProto::Tcp as u8;
const UDP: u8 = IpProto::Udp as u8;

/// A TCP or UDP packet that came to one of LVX' interfaces.
#[derive(Clone, Copy)]
pub struct Packet {
    /// Which flow.
    pub key: FlowKey,
    /// IP total length.
    pub length: u32,
    /// Interface that it came in by.
    pub ifindex: u32,
    /// TTL or hop limit.
    pub hop_limit: u8,
    /// TCP's flags; 0 for UDP.
    pub tcp_flags: u8,
}

impl Packet {
    /// Whether it is TCP.
    #[inline(always)]
    pub fn is_tcp(&self) -> bool {
        self.key.protocol == u32::from(TCP)
    }
}

/// A pointer to a `T` at `offset` of the frame, which must be a constant for the verifier to follow.
#[inline(always)]
pub fn at<T>(ctx: &XdpContext, offset: usize) -> Option<*mut T> {
    let start = ctx.data();
    if start + offset + size_of::<T>() > ctx.data_end() {
        return None;
    }
    Some((start + offset) as *mut T)
}

/// Reads a `T` at `offset` of the frame, whatever its alignment.
#[inline(always)]
fn read<T: Copy>(ctx: &XdpContext, offset: usize) -> Result<T, Reason> {
    let pointer = at::<T>(ctx, offset).ok_or(Reason::Truncated)?;
    // SAFETY: `at` checked that the frame holds a `T` there; `T` is made of integers only.
    Ok(unsafe { pointer.read_unaligned() })
}

/// The packet, or `None` if it is none of LVX' business.
#[inline(always)]
pub fn packet(ctx: &XdpContext) -> Result<Option<Packet>, Reason> {
    // SAFETY: the kernel hands the program a valid context.
    let ifindex = unsafe { (*ctx.ctx).ingress_ifindex };
    let Some(mac) = interfaces::mac(ifindex) else { return Ok(None) };
    let start: u64 = read(ctx, 0)?;
    if start & 0xffff_ffff_ffff != mac {
        return Ok(None);
    }
    match u16::from_be(read(ctx, 12)?) {
        0x0800 => ipv4(ctx, ifindex),
        0x86dd => ipv6(ctx, ifindex),
        0x8100 | 0x88a8 | 0x9100 => Err(Reason::Vlan),
        _ => Ok(None),
    }
}

/// How many bytes of the frame lie behind the Ethernet header.
#[inline(always)]
fn behind_ethernet(ctx: &XdpContext) -> u64 {
    (ctx.data_end() as u64).wrapping_sub(ctx.data() as u64).wrapping_sub(IP as u64)
}

#[inline(always)]
fn ipv4(ctx: &XdpContext, ifindex: u32) -> Result<Option<Packet>, Reason> {
    const L4: usize = IP + Ipv4Hdr::LEN;
    let version_and_length: u8 = read(ctx, IP)?;
    if version_and_length >> 4 != 4 || version_and_length & 0xf < 5 {
        return Err(Reason::Malformed);
    }
    let ports_before: u32 = read(ctx, IP + 16)?;
    let protocol: u8 = read(ctx, IP + 9)?;
    if protocol != TCP && protocol != UDP && protocol != IpProto::Icmp as u8 {
        return Ok(None);
    }
    if version_and_length != 0x45 {
        return Err(Reason::IpOptions);
    }
    if read::<u16>(ctx, IP + 6)? & 0x3fffu16.to_be() != 0 {
        return Err(Reason::Fragment);
    }
    let length = u16::from_be(read(ctx, IP + 2)?);
    if u64::from(length) > behind_ethernet(ctx) {
        return Err(Reason::Truncated);
    }
    if protocol == IpProto::Icmp as u8 {
        // Destination unreachable, source quench, time exceeded, parameter problem.
        return match read::<u8>(ctx, L4)? {
            3 | 4 | 11 | 12 => Err(Reason::IcmpError),
            _ => Ok(None),
        };
    }
    let client = Address::from_v4(read(ctx, IP + 12)?);
    let virtual_address = Address::from_v4(ports_before);
    let hop_limit = read(ctx, IP + 8)?;
    let (ports, tcp_flags) = ports::<L4>(ctx, protocol, u32::from(length), Ipv4Hdr::LEN as u32)?;
    let key = FlowKey { client, virtual_address, ports, protocol: u32::from(protocol) };
    Ok(Some(Packet { key, length: u32::from(length), ifindex, hop_limit, tcp_flags }))
}

#[inline(always)]
fn ipv6(ctx: &XdpContext, ifindex: u32) -> Result<Option<Packet>, Reason> {
    const L4: usize = IP + Ipv6Hdr::LEN;
    if read::<u8>(ctx, IP)? >> 4 != 6 {
        return Err(Reason::Malformed);
    }
    let virtual_address = Address(read(ctx, IP + 24)?);
    let protocol: u8 = read(ctx, IP + 6)?;
    match protocol {
        TCP | UDP => {}
        58 => {
            return match read::<u8>(ctx, L4)? {
                // RFC 4443: error messages have the high bit clear.
                0..128 => Err(Reason::IcmpError),
                128.. => Ok(None),
            };
        }
        44 => return Err(Reason::Fragment),
        // Hop-by-hop, routing, authentication, destination options, mobility, HIP, shim6.
        0 | 43 | 51 | 60 | 135 | 139 | 140 => return Err(Reason::ExtensionHeader),
        _ => return Ok(None),
    }
    let length = u32::from(u16::from_be(read(ctx, IP + 4)?)) + Ipv6Hdr::LEN as u32;
    if u64::from(length) > behind_ethernet(ctx) {
        return Err(Reason::Truncated);
    }
    let client = Address(read(ctx, IP + 8)?);
    if client.is_v4() || virtual_address.is_v4() {
        return Err(Reason::Malformed);
    }
    let hop_limit = read(ctx, IP + 7)?;
    let (ports, tcp_flags) = ports::<L4>(ctx, protocol, length, Ipv6Hdr::LEN as u32)?;
    let key = FlowKey { client, virtual_address, ports, protocol: u32::from(protocol) };
    Ok(Some(Packet { key, length, ifindex, hop_limit, tcp_flags }))
}

/// Ports and TCP flags of the header at `L4`, if the packet of `length` bytes holds a whole one.
#[inline(always)]
fn ports<const L4: usize>(ctx: &XdpContext, protocol: u8, length: u32, network: u32) -> Result<(u32, u8), Reason> {
    if protocol == UDP {
        if length < network + UdpHdr::LEN as u32 {
            return Err(Reason::Truncated);
        }
        return Ok((read(ctx, L4)?, 0));
    }
    if length < network + TcpHdr::LEN as u32 {
        return Err(Reason::Truncated);
    }
    let flags = read(ctx, L4 + 13)?;
    Ok((read(ctx, L4)?, flags))
}
