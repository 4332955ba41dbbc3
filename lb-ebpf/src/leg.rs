//! The programs around the leg of health checks: three classifiers.
//!
//! A check that asks a real server for the VIP cannot be sent by the director's own stack, to which the VIP is local.
//! Its socket is in a network namespace in which it is not, behind a veth pair, the leg. `number` and `send` take its
//! packets from there to the real server, by the MAC address that clients' packets are forwarded to; `lvx_reply` takes
//! the answers into the namespace, which the director's stack would refuse as coming from itself.
#![cfg_attr(target_arch = "bpf", no_std, no_main)]
#![cfg_attr(not(target_arch = "bpf"), allow(dead_code, reason = "on the host the crate is only checked"))]
#![expect(missing_docs, reason = "aya's macros keep the doc comments for the functions that they wrap")]

use aya_ebpf::bindings::{BPF_F_NO_PREALLOC, TC_ACT_OK, TC_ACT_SHOT, TC_ACT_UNSPEC};
use aya_ebpf::helpers::generated::{bpf_redirect, bpf_redirect_peer};
use aya_ebpf::macros::{classifier, map};
use aya_ebpf::maps::HashMap;
use aya_ebpf::programs::TcContext;
use lb_common::address::Address;
use lb_common::leg::{NUMBER, Reply, Way};

/// Offset of the IP header.
const IP: usize = 14;

const IPV4: u32 = 0x0800_u16.to_be() as u32;
const IPV6: u32 = 0x86dd_u16.to_be() as u32;

#[map]
static WAYS: HashMap<u32, Way> = HashMap::with_max_entries(65_536, BPF_F_NO_PREALLOC);

#[map]
static REPLIES: HashMap<Reply, u32> = HashMap::with_max_entries(65_536, BPF_F_NO_PREALLOC);

/// On what leaves the namespace: writes the socket's mark, a real server's number, into the frame.
#[classifier]
pub fn number(ctx: TcContext) -> i32 {
    // SAFETY: the kernel hands the program a valid context.
    let mark = unsafe { (*ctx.skb.skb).mark };
    match ctx.store(NUMBER, &mark, 0) {
        Ok(()) => TC_ACT_OK,
        Err(_) => TC_ACT_SHOT,
    }
}

/// On what comes out of the leg: sends it to the real server of that number. Whatever has none goes nowhere, least of
/// all into the director's stack.
#[classifier]
pub fn send(ctx: TcContext) -> i32 {
    match way(&ctx) {
        // SAFETY: the helper takes no pointers.
        Some(ifindex) => unsafe { bpf_redirect(ifindex, 0) as i32 },
        None => TC_ACT_SHOT,
    }
}

#[inline(always)]
fn way(ctx: &TcContext) -> Option<u32> {
    let number: u32 = ctx.load(NUMBER).ok()?;
    // SAFETY: the value is copied at once, and freed only after this program has ended.
    let way = *unsafe { WAYS.get(number) }?;
    ctx.store(0, &way.macs, 0).ok()?;
    Some(way.ifindex)
}

/// On what comes in by an interface: a real server's answer goes to the namespace, everything else on its way.
#[classifier]
pub fn lvx_reply(ctx: TcContext) -> i32 {
    match leg(&ctx) {
        // SAFETY: the helper takes no pointers.
        Some(ifindex) => unsafe { bpf_redirect_peer(ifindex, 0) as i32 },
        None => TC_ACT_UNSPEC,
    }
}

#[inline(always)]
fn leg(ctx: &TcContext) -> Option<u32> {
    let skb = ctx.skb.skb;
    // SAFETY: the kernel hands the program a valid context.
    let (protocol, tagged) = (unsafe { (*skb).protocol }, unsafe { (*skb).vlan_present });
    // It is for an interface of that VLAN, which has a program of its own.
    if tagged != 0 {
        return None;
    }
    let reply = match protocol {
        IPV4 => {
            let [source, destination] = ctx.load::<[u32; 2]>(IP + 12).ok()?;
            Reply { source: Address::from_v4(source), destination: Address::from_v4(destination) }
        }
        IPV6 => {
            let [a, b, c, d, e, f, g, h] = ctx.load::<[u32; 8]>(IP + 8).ok()?;
            Reply { source: Address([a, b, c, d]), destination: Address([e, f, g, h]) }
        }
        _ => return None,
    };
    // SAFETY: the value is copied at once, and freed only after this program has ended.
    unsafe { REPLIES.get(reply) }.copied()
}

#[cfg(target_arch = "bpf")]
#[panic_handler]
fn panic(_info: &core::panic::PanicInfo<'_>) -> ! {
    // The verifier refuses a program from which this can be reached.
    loop {}
}

#[cfg(target_arch = "bpf")]
#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";

#[cfg(not(target_arch = "bpf"))]
fn main() {}
