//! Firewall marks: the program that gives a packet its mark.
use crate::address::Address;
pub const END: u32 = u32::MAX;
pub const MAX_MARK_NODES: u32 = 4096;
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct MarkNode { pub a: [u64; 12] }
pub struct MarkPacket { pub source: Address, pub destination: Address, pub protocol: u8, pub source_port: u16, pub destination_port: u16, pub ifindex: u32 }
#[inline(always)]
pub fn step(node: &MarkNode, _packet: &MarkPacket, mark: u32) -> (u32, u32) { (mark ^ node.a[0] as u32, END) }
