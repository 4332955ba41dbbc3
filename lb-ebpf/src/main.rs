//! LVX' data plane: two XDP programs.
//!
//! `lvx` balances; [`pipeline`] is its whole way on one screen. `sweep` never sees the network: the control plane
//! runs it on a piece of a table to remove what expired. This file only turns verdicts into XDP actions.
#![cfg_attr(
    target_arch = "bpf",
    no_std,
    no_main,
    feature(core_intrinsics),
    allow(internal_features, reason = "BPF has its atomics only as intrinsics")
)]
#![cfg_attr(not(target_arch = "bpf"), allow(dead_code, reason = "on the host the crate is only checked"))]
#![expect(missing_docs, reason = "aya's macros keep the doc comments for the functions that they wrap")]

mod answer;
mod atomic;
mod classify;
mod clock;
mod connections;
mod drop_packet;
mod flows;
mod forward;
mod icmp;
mod interfaces;
mod locality;
mod open;
mod parse;
mod pipeline;
mod reals;
mod schedule;
mod settings;
mod stats;
mod sweep;
mod templates;
mod trace;

use aya_ebpf::bindings::xdp_action;
use aya_ebpf::macros::xdp;
use aya_ebpf::programs::XdpContext;
use lb_common::reason::{Disposition, Reason};

use crate::parse::Packet;

/// What becomes of a packet.
#[derive(Clone, Copy)]
pub enum Verdict {
    /// To the director's own stack, untouched: it belongs to no service.
    Pass,
    /// Out of the interface that it came in by.
    Transmit,
    /// Out of another interface; the value is the XDP action.
    Redirect(u32),
}

/// Why a packet was not forwarded.
#[derive(Clone, Copy)]
pub struct Refused {
    /// The reason.
    reason: Reason,
    /// The MTU that the packet is too long for, where that is the reason.
    mtu: u32,
}

impl From<Reason> for Refused {
    #[inline(always)]
    fn from(reason: Reason) -> Self {
        Self { reason, mtu: 0 }
    }
}

/// Balances a packet. Inlined into the entry that the macro makes: a frame less of the 512 bytes of stack, of which
/// Linux 6.1 counts 32 for each function at least.
#[xdp]
#[inline(always)]
pub fn lvx(ctx: XdpContext) -> u32 {
    let mut packet = Packet::default();
    match pipeline::balance(&ctx, &mut packet) {
        Ok(Verdict::Pass) => xdp_action::XDP_PASS,
        Ok(Verdict::Transmit) => xdp_action::XDP_TX,
        Ok(Verdict::Redirect(action)) => action,
        Err(Refused { reason, mtu }) => {
            stats::count(reason);
            trace::refused(&packet, reason);
            match reason.disposition() {
                Disposition::Pass => xdp_action::XDP_PASS,
                Disposition::Answer(answer) => answer::send(&ctx, answer, mtu),
                Disposition::Drop | Disposition::Forward => xdp_action::XDP_DROP,
            }
        }
    }
}

/// Removes what expired in a piece of a table.
#[xdp]
pub fn sweep(ctx: XdpContext) -> u32 {
    match sweep::piece(&ctx) {
        Some(()) => xdp_action::XDP_PASS,
        None => xdp_action::XDP_ABORTED,
    }
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
