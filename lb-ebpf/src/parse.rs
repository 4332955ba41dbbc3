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

/// A TCP or UDP packet that came to one of LVX' interfaces, or an ICMP error about one that left a real server.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct Packet {
    /// Which flow; of an ICMP error that one that it is about.
    pub key: FlowKey,
    /// IP total length.
    pub length: u32,
    /// Interface that it came in by.
    pub ifindex: u32,
    /// TTL or hop limit.
    pub hop_limit: u8,
    /// TCP's flags; 0 for UDP.
    pub tcp_flags: u8,
    /// 1 for an ICMP error about a flow.
    pub about_flow: u8,
    /// 0: a function of the program may only be handed memory without holes.
    pub reserved: u8,
    /// Its firewall mark, if it is an ICMP error; those of others are asked for when they are needed.
    pub mark: u32,
    /// Number of the slot of the connection that this packet puts an end to, plus 1; else 0.
    pub replaces: u64,
}

const _: () = assert!(size_of::<Packet>() == 64);

impl Packet {
    /// Whether it is an ICMP error about a flow.
    #[inline(always)]
    pub fn is_about_flow(&self) -> bool {
        self.about_flow != 0
    }

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
pub fn read<T: Copy>(ctx: &XdpContext, offset: usize) -> Result<T, Reason> {
    let pointer = at::<T>(ctx, offset).ok_or(Reason::Truncated)?;
    // SAFETY: `at` checked that the frame holds a `T` there; `T` is made of integers only.
    Ok(unsafe { pointer.read_unaligned() })
}

/// Reads the packet; `false` if it is none of LVX' business.
#[inline(always)]
pub fn packet(ctx: &XdpContext, packet: &mut Packet) -> Result<bool, Reason> {
    match read_packet(ctx, packet) {
        OURS => Ok(true),
        NOT_OURS => Ok(false),
        number => Err(Reason::from_number(number).unwrap_or(Reason::Internal)),
    }
}

/// [`read_packet`]: the packet was read.
const OURS: u32 = u32::MAX;
/// [`read_packet`]: the packet is none of LVX' business.
const NOT_OURS: u32 = u32::MAX - 1;

/// Not inlined, so that the packet lies in memory once: in pieces and copies it would take a third of all the stack that a
/// BPF program has.
#[inline(never)]
fn read_packet(ctx: &XdpContext, packet: &mut Packet) -> u32 {
    match frame(ctx, packet) {
        Ok(true) => OURS,
        Ok(false) => NOT_OURS,
        Err(reason) => reason as u32,
    }
}

#[inline(always)]
fn frame(ctx: &XdpContext, packet: &mut Packet) -> Result<bool, Reason> {
    // SAFETY: the kernel hands the program a valid context.
    let ifindex = unsafe { (*ctx.ctx).ingress_ifindex };
    let Some(mac) = interfaces::mac(ifindex) else { return Ok(false) };
    let start: u64 = read(ctx, 0)?;
    if start & 0xffff_ffff_ffff != mac {
        return Ok(false);
    }
    packet.ifindex = ifindex;
    match u16::from_be(read(ctx, 12)?) {
        0x0800 => ipv4(ctx, packet),
        0x86dd => ipv6(ctx, packet),
        0x8100 | 0x88a8 | 0x9100 => Err(Reason::Vlan),
        _ => Ok(false),
    }
}

/// How many bytes of the frame lie behind the Ethernet header.
#[inline(always)]
pub fn behind_ethernet(ctx: &XdpContext) -> u64 {
    (ctx.data_end() as u64).wrapping_sub(ctx.data() as u64).wrapping_sub(IP as u64)
}

#[inline(always)]
fn ipv4(ctx: &XdpContext, packet: &mut Packet) -> Result<bool, Reason> {
    const L4: usize = IP + Ipv4Hdr::LEN;
    let version_and_length: u8 = read(ctx, IP)?;
    if version_and_length >> 4 != 4 || version_and_length & 0xf < 5 {
        return Err(Reason::Malformed);
    }
    let protocol: u8 = read(ctx, IP + 9)?;
    if protocol != TCP && protocol != UDP && protocol != IpProto::Icmp as u8 {
        return Ok(false);
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
            _ => Ok(false),
        };
    }
    packet.key.client = Address::from_v4(read(ctx, IP + 12)?);
    packet.key.virtual_address = Address::from_v4(read(ctx, IP + 16)?);
    packet.hop_limit = read(ctx, IP + 8)?;
    packet.length = u32::from(length);
    transport::<L4>(ctx, packet, protocol, Ipv4Hdr::LEN as u32)
}

#[inline(always)]
fn ipv6(ctx: &XdpContext, packet: &mut Packet) -> Result<bool, Reason> {
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
                128.. => Ok(false),
            };
        }
        44 => return Err(Reason::Fragment),
        // Hop-by-hop, routing, authentication, destination options, mobility, HIP, shim6.
        0 | 43 | 51 | 60 | 135 | 139 | 140 => return Err(Reason::ExtensionHeader),
        _ => return Ok(false),
    }
    let length = u32::from(u16::from_be(read(ctx, IP + 4)?)) + Ipv6Hdr::LEN as u32;
    if u64::from(length) > behind_ethernet(ctx) {
        return Err(Reason::Truncated);
    }
    let client = Address(read(ctx, IP + 8)?);
    if client.is_v4() || virtual_address.is_v4() {
        return Err(Reason::Malformed);
    }
    packet.key.client = client;
    packet.key.virtual_address = virtual_address;
    packet.hop_limit = read(ctx, IP + 7)?;
    packet.length = length;
    transport::<L4>(ctx, packet, protocol, Ipv6Hdr::LEN as u32)
}

/// Ports and TCP flags of the header at `L4`, which must be whole; `network` is the length of the IP header.
#[inline(always)]
fn transport<const L4: usize>(
    ctx: &XdpContext,
    packet: &mut Packet,
    protocol: u8,
    network: u32,
) -> Result<bool, Reason> {
    let header = if protocol == UDP { UdpHdr::LEN } else { TcpHdr::LEN };
    if packet.length < network + header as u32 {
        return Err(Reason::Truncated);
    }
    packet.tcp_flags = if protocol == UDP { 0 } else { read(ctx, L4 + 13)? };
    packet.key.ports = read(ctx, L4)?;
    packet.key.protocol = u32::from(protocol);
    Ok(true)
}
