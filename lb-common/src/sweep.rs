//! What the control plane asks of the sweep program, in the packet that it runs on, and what comes back in it.

/// A piece of a table to sweep, and the outcome.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sweep {
    /// [`CONNECTIONS`] or [`TEMPLATES`].
    pub table: u32,
    /// First bucket.
    pub first: u32,
    /// Number of buckets.
    pub buckets: u32,
    /// 1: flows whose real server was removed go too (`ip_vs_expire_nodest_conn_flush`).
    pub homeless: u32,
    /// A number that draws the buckets in which `drop_entry` drops: [`is_drawn`].
    pub lot: u32,
    /// Out: flows that expired.
    pub expired: u32,
    /// Out: flows that are live.
    pub live: u32,
    /// Out: 1, so that an answer is told from a question.
    pub done: u32,
    /// Out: the kernel's jiffies.
    pub now: u64,
}

/// [`Sweep::table`]: the connections.
pub const CONNECTIONS: u32 = 0;
/// [`Sweep::table`]: the templates.
pub const TEMPLATES: u32 = 1;

const _: () = assert!(size_of::<Sweep>() == 40);

/// Whether `drop_entry` looks at a bucket: one in 32, others with another lot; none with lot 0 (`ip_vs_random_dropentry`
/// looks at a random 1/32 of the table each second).
#[inline(always)]
pub const fn is_drawn(bucket: u32, lot: u32) -> bool {
    lot != 0 && mix(bucket ^ lot) >> 27 == 0
}

/// Most renewals that make an idle flow one of few packets.
const FEW: u32 = 8;

/// What the sweep knows of a connection that `drop_entry` looks at.
#[derive(Clone, Copy, Debug)]
pub struct Idle {
    /// When it expires, in jiffies.
    pub expires: u64,
    /// The timeout that its last packet gave it, in jiffies.
    pub timeout: u32,
    /// How often packets renewed it: [`crate::flow::Word::renewals`].
    pub renewals: u32,
}

/// Whether `drop_entry` drops a flow for idleness (`todrop_entry`): it had no packet for `minute` jiffies, and few before
/// that; of those that had `n` one in `n` goes. The kernel counts packets, LVX counts renewals of the expiry, of which
/// there is one for each eighth of a second with packets, because a count a packet would cost each packet a write.
#[inline(always)]
pub const fn drops_idle(flow: Idle, now: u64, minute: u32, slot: u32, lot: u32) -> bool {
    let Idle { expires, timeout, renewals } = flow;
    if now.wrapping_add(timeout as u64) < expires.wrapping_add(minute as u64) {
        return false;
    }
    if renewals == 0 || renewals > FEW {
        return false;
    }
    mix(slot.wrapping_add(lot)).is_multiple_of(renewals)
}

/// A number that looks random (the finisher of MurmurHash3).
#[inline(always)]
const fn mix(word: u32) -> u32 {
    let word = (word ^ word >> 16).wrapping_mul(0x85eb_ca6b);
    let word = (word ^ word >> 13).wrapping_mul(0xc2b2_ae35);
    word ^ word >> 16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lot_draws_one_bucket_in_32_and_another_lot_others() {
        let drawn = |lot| (0..65_536u32).filter(move |bucket| is_drawn(*bucket, lot));
        for lot in [1, 2, 0x1234_5678, u32::MAX] {
            let count = drawn(lot).count();
            assert!((1_800..2_300).contains(&count), "lot {lot} draws {count} of 65536");
        }
        let both = drawn(1).filter(|bucket| is_drawn(*bucket, 2)).count();
        assert!(both < 120, "{both} are drawn twice");
        assert_eq!(drawn(0).count(), 0);
    }

    #[test]
    fn every_bucket_is_drawn_sooner_or_later() {
        for bucket in 0..1_000 {
            assert!((1..2_000).any(|lot| is_drawn(bucket, lot)), "bucket {bucket}");
        }
    }

    #[test]
    fn idle_is_a_minute_without_a_packet() {
        let flow = |expires| Idle { expires, timeout: 900, renewals: 1 };
        for (expires, drops) in [(1_000_900, false), (1_000_841, false), (1_000_840, true), (1_000_001, true)] {
            assert_eq!(drops_idle(flow(expires), 1_000_000, 60, 7, 1), drops, "expires at {expires}");
        }
    }

    #[test]
    fn of_flows_with_n_renewals_one_in_n_goes() {
        for (renewals, least, most) in [(0, 0, 0), (1, 8_000, 8_000), (2, 3_700, 4_300), (8, 850, 1_150), (9, 0, 0)] {
            let flow = Idle { expires: 1_000, timeout: 900, renewals };
            let dropped = (0..8_000).filter(|slot| drops_idle(flow, 1_000, 60, *slot, 99)).count();
            assert!((least..=most).contains(&dropped), "{renewals} renewals: {dropped} of 8000");
        }
    }
}
