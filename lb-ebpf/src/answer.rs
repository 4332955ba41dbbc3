//! The ICMP and ICMPv6 errors that LVX sends in the place of a service: from the VIP, to the client, out of the
//! interface that the packet came in by. What they say is in [`lb_common::icmp`].

use core::mem::MaybeUninit;

use aya_ebpf::bindings::{xdp_action, xdp_md};
use aya_ebpf::helpers::generated::bpf_xdp_load_bytes;
use aya_ebpf::macros::map;
use aya_ebpf::maps::PerCpuArray;
use aya_ebpf::programs::XdpContext;
use lb_common::address::Address;
use lb_common::checksum;
use lb_common::icmp::{self, Error};
use lb_common::reason::{Answer, Reason};
use network_types::eth::EthHdr;
use network_types::ip::{IpProto, Ipv4Hdr, Ipv6Hdr};

use crate::parse::{self, IP};
use crate::{clock, stats};

/// Length of an ICMP or ICMPv6 header.
const ICMP: usize = 8;
const TTL: u8 = 64;

/// Turns the packet into the error that answers it, and sends that back; `mtu` is what [`Answer::TooBig`] tells.
/// The packet passed the parser: it is TCP or UDP without options, or an ICMP error.
#[inline(always)]
pub fn send(ctx: &XdpContext, answer: Answer, mtu: u32) -> u32 {
    lvx_answer(ctx.ctx, answer as u32, mtu)
}

/// A global function: the verifier looks at it once, and its stack is its own.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn lvx_answer(ctx: *mut xdp_md, answer: u32, mtu: u32) -> u32 {
    let ctx = XdpContext::new(ctx);
    if is_icmp(&ctx) {
        return xdp_action::XDP_DROP;
    }
    if !may_send() {
        stats::count(Reason::AnswerSuppressed);
        return xdp_action::XDP_DROP;
    }
    let Some(answer) = Answer::from_number(answer) else { return xdp_action::XDP_DROP };
    let built = match parse::at::<EthHdr>(&ctx, 0) {
        // SAFETY: `at` checked that the frame holds the header.
        Some(header) if unsafe { (*header).ether_type } == 0x0800u16.to_be() => v4(&ctx, icmp::v4(answer, mtu)),
        Some(_) => v6(&ctx, icmp::v6(answer, mtu)),
        None => None,
    };
    if built.is_some() { xdp_action::XDP_TX } else { xdp_action::XDP_DROP }
}

/// Whether the packet itself is an ICMP error, which none may answer (RFC 1122, 3.2.2; RFC 4443, 2.4 e).
#[inline(always)]
fn is_icmp(ctx: &XdpContext) -> bool {
    match read::<u16>(ctx, 12) {
        Some(kind) if kind == 0x0800u16.to_be() => read::<u8>(ctx, IP + 9) == Some(IpProto::Icmp as u8),
        Some(_) => read::<u8>(ctx, IP + 6) == Some(IpProto::Ipv6Icmp as u8),
        None => false,
    }
}

/// The second in which this CPU sent its last errors, and how many.
#[map]
static ANSWERS: PerCpuArray<[u64; 2]> = PerCpuArray::with_max_entries(1, 0);

/// Errors a second and CPU: `net.ipv4.icmp_msgs_per_sec` of the kernel.
const ANSWERS_PER_SECOND: u64 = 1000;

/// Whether this CPU may send another error in this second (RFC 4443, 2.4 f).
#[inline(always)]
fn may_send() -> bool {
    let Some(sent) = ANSWERS.get_ptr_mut(0) else { return false };
    // SAFETY: the value is this CPU's own, and XDP on a CPU is not interrupted by XDP.
    let [second, count] = unsafe { &mut *sent };
    let now = clock::now() / u64::from(clock::seconds(1)).max(1);
    if *second != now {
        [*second, *count] = [now, 0];
    }
    *count += 1;
    *count <= ANSWERS_PER_SECOND
}

/// The sum of `length` bytes at `offset`, as 32-bit words as they lie in memory, the last one filled up with zeros. Piece by
/// piece by way of the stack: the verifier follows no length that is not constant into a packet.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn lvx_sum(ctx: *mut xdp_md, offset: u32, length: u32) -> u64 {
    let mut sum = 0u64;
    let mut at = offset;
    let mut rest = length;
    let mut left = (icmp::MOST_V6 / CHUNK) as u64;
    while left != 0 {
        // Opaque, as in `flows::make_room`: for Linux 6.1.
        left = core::hint::black_box(left - 1);
        if rest < CHUNK as u32 {
            break;
        }
        let Some(words) = load::<[u64; CHUNK / 8]>(ctx, &mut at) else { return sum };
        for word in words {
            sum += (word & 0xffff_ffff) + (word >> 32);
        }
        rest -= CHUNK as u32;
    }
    if rest & 16 != 0 {
        let Some([a, b, c, d]) = load::<[u32; 4]>(ctx, &mut at) else { return sum };
        sum += u64::from(a) + u64::from(b) + u64::from(c) + u64::from(d);
    }
    if rest & 8 != 0 {
        let Some([a, b]) = load::<[u32; 2]>(ctx, &mut at) else { return sum };
        sum += u64::from(a) + u64::from(b);
    }
    if rest & 4 != 0 {
        let Some(word) = load::<u32>(ctx, &mut at) else { return sum };
        sum += u64::from(word);
    }
    if rest & 2 != 0 {
        let Some(half) = load::<u16>(ctx, &mut at) else { return sum };
        sum += u64::from(half);
    }
    if rest & 1 != 0 {
        let Some(byte) = load::<u8>(ctx, &mut at) else { return sum };
        sum += u64::from(byte);
    }
    sum
}

/// Bytes that [`lvx_sum`] takes at a time.
const CHUNK: usize = 32;

/// The `T` at `at` of the frame, which moves behind it. Starting from a number that the verifier does not know, it is the same
/// to it in each round of a loop.
#[inline(always)]
fn load<T: Copy>(ctx: *mut xdp_md, at: &mut u32) -> Option<T> {
    let mut value = MaybeUninit::<T>::uninit();
    let length = size_of::<T>() as u32;
    // SAFETY: the context is valid, and the helper writes `length` bytes.
    if unsafe { bpf_xdp_load_bytes(ctx, *at, value.as_mut_ptr().cast(), length) } != 0 {
        return None;
    }
    *at += length;
    // SAFETY: the helper wrote all of it; `T` is made of integers only.
    Some(unsafe { value.assume_init() })
}

/// Sums the 16-bit words of `N` 32-bit words at `offset`, as they lie in memory.
#[inline(always)]
fn sum<const N: usize>(ctx: &XdpContext, offset: usize) -> Option<u64> {
    let words = parse::at::<[u32; N]>(ctx, offset)?;
    // SAFETY: `at` checked that the frame holds them.
    let words = unsafe { words.read_unaligned() };
    let mut sum = 0u64;
    for word in words {
        sum += u64::from(word);
    }
    Some(sum)
}

/// The sum of up to [`icmp::MOST_V6`] bytes at `offset`, for [`checksum::fold`].
#[inline(always)]
pub fn sum_of(ctx: &XdpContext, offset: u32, length: u32) -> u64 {
    lvx_sum(ctx.ctx, offset, length)
}

#[inline(always)]
fn write<T>(ctx: &XdpContext, offset: usize, value: T) -> Option<()> {
    let to = parse::at::<T>(ctx, offset)?;
    // SAFETY: `at` checked that the frame holds a `T` there.
    unsafe { to.write_unaligned(value) };
    Some(())
}

#[inline(always)]
fn read<T: Copy>(ctx: &XdpContext, offset: usize) -> Option<T> {
    let from = parse::at::<T>(ctx, offset)?;
    // SAFETY: `at` checked that the frame holds a `T` there; `T` is made of integers only.
    Some(unsafe { from.read_unaligned() })
}

/// Writes the Ethernet header of the answer: that of the packet, which begins at `packet` now, with the addresses swapped.
#[inline(always)]
fn address_back(ctx: &XdpContext, packet: usize) -> Option<()> {
    for (from, to) in [(6, 0), (8, 2), (10, 4), (0, 6), (2, 8), (4, 10), (12, 12)] {
        write(ctx, to, read::<u16>(ctx, packet + from)?)?;
    }
    Some(())
}

/// Copies an IPv6 address, word by word: as a whole it would pass by the stack.
#[inline(always)]
fn copy_address(ctx: &XdpContext, from: usize, to: usize) -> Option<()> {
    for word in [0, 4, 8, 12] {
        write(ctx, to + word, read::<u32>(ctx, from + word)?)?;
    }
    Some(())
}

/// Makes room for `front` bytes before the quoted packet, and cuts off what lies behind `keep` bytes of the frame.
#[inline(always)]
fn resize(ctx: &XdpContext, front: usize, keep: usize) -> Option<()> {
    let length = ctx.data_end().wrapping_sub(ctx.data()) as i32;
    // SAFETY: the context is valid; all pointers into the packet are made anew afterwards.
    if unsafe { aya_ebpf::helpers::generated::bpf_xdp_adjust_tail(ctx.ctx, keep as i32 - length) } != 0 {
        return None;
    }
    // SAFETY: as above.
    if unsafe { aya_ebpf::helpers::generated::bpf_xdp_adjust_head(ctx.ctx, -(front as i32)) } != 0 {
        return None;
    }
    Some(())
}

// What the answers need of the packet is read where it is quoted: nothing else lies on the stack meanwhile.

#[inline(always)]
fn v4(ctx: &XdpContext, error: Error) -> Option<()> {
    const OUTER: usize = IP;
    const HEADER: usize = OUTER + Ipv4Hdr::LEN;
    const INNER: usize = HEADER + ICMP;
    const FRONT: usize = INNER - OUTER;
    if !icmp::may_answer(&Address::from_v4(read(ctx, IP + 12)?), &Address::from_v4(read(ctx, IP + 16)?)) {
        return None;
    }
    let quoted = usize::from(u16::from_be(read(ctx, IP + 2)?)).min(icmp::MOST_V4 - FRONT);
    resize(ctx, FRONT, IP + quoted)?;
    address_back(ctx, FRONT)?;
    let length = FRONT + quoted;
    let tos = icmp::tos(read(ctx, INNER + 1)?);
    let first = u32::from_be_bytes([0x45, tos, (length >> 8) as u8, length as u8]).to_be();
    let third = u32::from_be_bytes([TTL, IpProto::Icmp as u8, 0, 0]).to_be();
    write(ctx, OUTER, [first, 0, third, read(ctx, INNER + 16)?, read(ctx, INNER + 12)?])?;
    let check = checksum::fold(sum::<5>(ctx, OUTER)?);
    write(ctx, OUTER + 10, check)?;
    write(ctx, HEADER, [kind(error), error.mtu.to_be()])?;
    let sum = lvx_sum(ctx.ctx, HEADER as u32, (ICMP + quoted) as u32);
    write(ctx, HEADER + 2, checksum::fold(sum))
}

#[inline(always)]
fn v6(ctx: &XdpContext, error: Error) -> Option<()> {
    const OUTER: usize = IP;
    const HEADER: usize = OUTER + Ipv6Hdr::LEN;
    const INNER: usize = HEADER + ICMP;
    const FRONT: usize = INNER - OUTER;
    const ADDRESS: u32 = size_of::<Address>() as u32;
    const ICMPV6: u8 = IpProto::Ipv6Icmp as u8;
    if !icmp::may_answer(&Address(read(ctx, IP + 8)?), &Address(read(ctx, IP + 24)?)) {
        return None;
    }
    let quoted = (usize::from(u16::from_be(read(ctx, IP + 4)?)) + Ipv6Hdr::LEN).min(icmp::MOST_V6 - FRONT);
    resize(ctx, FRONT, IP + quoted)?;
    address_back(ctx, FRONT)?;
    let payload = ICMP + quoted;
    let second = u32::from_be_bytes([(payload >> 8) as u8, payload as u8, ICMPV6, TTL]).to_be();
    write(ctx, OUTER, [0x6000_0000u32.to_be(), second])?;
    copy_address(ctx, INNER + 24, OUTER + 8)?;
    copy_address(ctx, INNER + 8, OUTER + 24)?;
    write(ctx, HEADER, [kind(error), error.mtu.to_be()])?;
    // RFC 8200, 8.1: the pseudo-header is the addresses, which lie in front of the message, the length and the protocol.
    let sum = lvx_sum(ctx.ctx, OUTER as u32 + 8, 2 * ADDRESS + payload as u32);
    let pseudo = u64::from((payload as u32).to_be()) + u64::from(u32::from(ICMPV6).to_be());
    write(ctx, HEADER + 2, checksum::fold(pseudo + sum))
}

/// Type and code as the first word of the header, the checksum 0.
#[inline(always)]
const fn kind(error: Error) -> u32 {
    u32::from_be_bytes([error.kind, error.code, 0, 0]).to_be()
}
