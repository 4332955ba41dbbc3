//! What a pool remembers of a block of its members.

use super::BLOCK;

/// The word of a block: the number of changes in the upper half; in the lower one, in six bits, one more than the place of
/// the best member in the block, and above them the number of changes that this is true for.
///
/// A stale best member would be believed if exactly a multiple of 2^26 changes of one block came between two picks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary(pub u64);

/// Bits of the place.
const PLACE_BITS: u32 = 6;
const PLACE: u32 = (1 << PLACE_BITS) - 1;
/// Place of the best member where none can be picked.
const NONE: u32 = BLOCK;

impl Summary {
    /// What a change adds to the word.
    pub const CHANGE: u64 = 1 << 32;

    /// What is known of the block.
    #[inline(always)]
    pub const fn known(self) -> Known {
        let low = self.0 as u32;
        let changes = (self.0 >> 32) as u32;
        if low & PLACE == 0 || low >> PLACE_BITS != changes & (u32::MAX >> PLACE_BITS) {
            return Known::Nothing;
        }
        let place = (low & PLACE) - 1;
        if place >= NONE { Known::Nobody } else { Known::Best(place) }
    }

    /// The word that says which member is the best at this number of changes; `place` is its place in the block.
    #[inline(always)]
    pub const fn with_best(self, place: u32) -> Self {
        let changes = (self.0 >> 32) as u32;
        let low = changes << PLACE_BITS | (place + 1) & PLACE;
        Self((changes as u64) << 32 | low as u64)
    }

    /// The word that says that none can be picked at this number of changes.
    #[inline(always)]
    pub const fn with_nobody(self) -> Self {
        self.with_best(NONE)
    }
}

/// What a [`Summary`] says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Known {
    /// The block must be looked at.
    Nothing,
    /// None of its members can be picked.
    Nobody,
    /// The place in the block of the member that its scheduler would pick in it.
    Best(u32),
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_new_pool_knows_nothing() {
        assert_eq!(Summary::default().known(), Known::Nothing);
    }

    proptest! {
        #[test]
        fn what_is_known_is_forgotten_with_any_change(word: u64, place in 0..BLOCK, changes in 1..1u64 << 26) {
            for (summary, known) in [
                (Summary(word).with_best(place), Known::Best(place)),
                (Summary(word).with_nobody(), Known::Nobody),
            ] {
                prop_assert_eq!(summary.known(), known);
                let changed = Summary(summary.0.wrapping_add(Summary::CHANGE.wrapping_mul(changes)));
                prop_assert_eq!(changed.known(), Known::Nothing);
            }
        }
    }
}
