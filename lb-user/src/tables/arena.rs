//! Where pools live: runs of words in one array map.

use std::collections::BTreeMap;

/// Hands out runs of words. A run that is given back is handed out again only after [`Arena::settle`], so that no
/// packet that is on its way still reads it.
#[derive(Debug)]
pub struct Arena {
    /// First word of each free run, and its length; neighbours are merged.
    free: BTreeMap<u32, u32>,
    /// Runs given back since they settled last.
    resting: Vec<(u32, u32)>,
}

impl Arena {
    /// An arena of `words` words.
    pub fn new(words: u32) -> Self {
        Self { free: BTreeMap::from([(0, words)]), resting: Vec::new() }
    }

    /// The first run that is long enough.
    pub fn take(&mut self, words: u32) -> Option<u32> {
        let (&start, &length) = self.free.iter().find(|(_, length)| **length >= words)?;
        self.free.remove(&start);
        if length > words {
            self.free.insert(start + words, length - words);
        }
        Some(start)
    }

    /// Gives a run back.
    pub fn give(&mut self, start: u32, words: u32) {
        self.resting.push((start, words));
    }

    /// No packet that was on its way when the last run was given back is so any more.
    pub fn settle(&mut self) {
        for (start, words) in std::mem::take(&mut self.resting) {
            self.merge(start, words);
        }
    }

    fn merge(&mut self, mut start: u32, mut words: u32) {
        if let Some((&before, &length)) = self.free.range(..start).next_back()
            && before + length == start
        {
            self.free.remove(&before);
            (start, words) = (before, length + words);
        }
        if let Some(length) = self.free.remove(&(start + words)) {
            words += length;
        }
        self.free.insert(start, words);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_run_rests_until_it_settles() {
        let mut arena = Arena::new(8);
        assert_eq!(arena.take(8), Some(0));
        arena.give(0, 8);
        assert_eq!(arena.take(8), None);
        arena.settle();
        assert_eq!(arena.take(8), Some(0));
    }

    proptest! {
        #[test]
        fn runs_never_overlap_and_all_come_back(sizes in proptest::collection::vec(1u32..20, 1..40)) {
            let mut arena = Arena::new(400);
            let mut taken: Vec<(u32, u32)> = Vec::new();
            for (index, size) in sizes.iter().enumerate() {
                if let Some(start) = arena.take(*size) {
                    prop_assert!(start + size <= 400);
                    for (other, length) in &taken {
                        prop_assert!(start >= other + length || other >= &(start + size));
                    }
                    taken.push((start, *size));
                }
                if index % 3 == 2 && let Some((start, size)) = taken.pop() {
                    arena.give(start, size);
                    arena.settle();
                }
            }
            for (start, size) in taken {
                arena.give(start, size);
            }
            arena.settle();
            prop_assert_eq!(arena.take(400), Some(0));
        }
    }
}
