//! On request, a line for each packet that is not forwarded: which, and why. Without the request nothing of it is left in
//! the kernel: the switch is constant when the program is verified.

use aya_ebpf::Global;
use aya_log_ebpf::info;
use lb_common::reason::Reason;

use crate::parse::Packet;

/// 1 if packets are to be traced; the loader sets it.
#[unsafe(no_mangle)]
static TRACE: Global<u8> = Global::new(0);

/// Tells of a packet that was not forwarded. What the parser did not get to is 0.
#[inline(always)]
pub fn refused(packet: &Packet, reason: Reason) {
    if TRACE.load() != 0 {
        lvx_trace(packet, reason as u32);
    }
}

/// A global function: its stack is its own.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn lvx_trace(packet: *const Packet, reason: u32) -> u32 {
    // SAFETY: the only caller passes a reference; the verifier demands the check for null all the same.
    let Some(packet) = (unsafe { packet.as_ref() }) else { return 0 };
    let source = u16::from_be(packet.key.source_port());
    let destination = u16::from_be(packet.key.destination_port());
    info!(
        packet,
        "reason {} protocol {} flags {} from {:i} port {} to {:i} port {}",
        reason,
        packet.key.protocol,
        packet.tcp_flags,
        bytes(&packet.key.client.0),
        source,
        bytes(&packet.key.virtual_address.0),
        destination
    );
    0
}

/// An address in the form that the log knows.
#[inline(always)]
fn bytes(words: &[u32; 4]) -> [u8; 16] {
    let mut all = [0u8; 16];
    let (chunks, _) = all.as_chunks_mut::<4>();
    for (to, word) in chunks.iter_mut().zip(words) {
        *to = word.to_ne_bytes();
    }
    all
}
