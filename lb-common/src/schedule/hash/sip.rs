//! The kernel's hsiphash of one 32-bit number on a 64-bit machine: SipHash-1-3 with two equal halves of a key
//! (`hsiphash`, `ip_vs_mh_hashkey`; SipHash: Aumasson and Bernstein, 2012).

/// Key of a slot, and of where a member's permutation begins (`hash1`).
pub const FIRST: u64 = 2_654_435_761;
/// Key of the steps of a member's permutation (`hash2`).
#[cfg(not(target_arch = "bpf"))]
pub const SECOND: u64 = 2_654_446_892;

struct State([u64; 4]);

impl State {
    #[inline(always)]
    const fn round(self) -> Self {
        let Self([mut a, mut b, mut c, mut d]) = self;
        a = a.wrapping_add(b);
        b = b.rotate_left(13) ^ a;
        a = a.rotate_left(32);
        c = c.wrapping_add(d);
        d = d.rotate_left(16) ^ c;
        a = a.wrapping_add(d);
        d = d.rotate_left(21) ^ a;
        c = c.wrapping_add(b);
        b = b.rotate_left(17) ^ c;
        c = c.rotate_left(32);
        Self([a, b, c, d])
    }
}

/// The hash of a number.
#[inline(always)]
pub const fn hash(value: u32, key: u64) -> u32 {
    // The last block: the number, and its length in the highest byte.
    let block = value as u64 | 4 << 56;
    let State([a, b, c, d]) = State([
        key ^ 0x736f_6d65_7073_6575,
        key ^ 0x646f_7261_6e64_6f6d,
        key ^ 0x6c79_6765_6e65_7261,
        key ^ 0x7465_6462_7974_6573 ^ block,
    ])
    .round();
    let State([a, b, c, d]) = State([a ^ block, b, c ^ 0xff, d]).round().round().round();
    (a ^ b ^ c ^ d) as u32
}
