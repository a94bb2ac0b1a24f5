//! What was relayed lately, so that nothing goes around twice.
//!
//! Two generations instead of a list ordered by use: when the young one is full it becomes the
//! old one, and what was old is forgotten. Each call takes constant time.

use std::hash::Hash;
use std::mem;

use crate::types::map::HashSet;

/// A set that remembers at least the last `generation_max` of its keys and at most twice as many.
#[derive(Clone, Debug)]
pub struct SeenCache<K> {
    young: HashSet<K>,
    old: HashSet<K>,
    generation_max: usize,
}

impl<K: Eq + Hash> SeenCache<K> {
    /// An empty set with generations of `generation_max` keys, at least one. Memory is taken as
    /// it fills.
    pub fn new(generation_max: usize) -> Self {
        SeenCache {
            young: HashSet::default(),
            old: HashSet::default(),
            generation_max: generation_max.max(1),
        }
    }

    /// Remembers `key`; whether it was not known. A known key is remembered anew.
    pub fn insert(&mut self, key: K) -> bool {
        if self.young.contains(&key) {
            return false;
        }
        let is_new = !self.old.remove(&key);
        if self.young.len() == self.generation_max {
            self.old.clear();
            mem::swap(&mut self.young, &mut self.old);
        }
        self.young.insert(key);
        is_new
    }

    /// Whether `key` is remembered.
    pub fn contains(&self, key: &K) -> bool {
        self.young.contains(key) || self.old.contains(key)
    }

    /// Keys remembered.
    pub fn len(&self) -> usize {
        self.young.len() + self.old.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_key_is_new_once() {
        let mut seen = SeenCache::new(10);
        assert_eq!([seen.insert(7), seen.insert(7), seen.contains(&7)], [true, false, true]);
    }

    #[test]
    fn a_key_told_again_and_again_is_never_forgotten() {
        let mut seen = SeenCache::new(10);
        assert!(seen.insert(u64::MAX));
        for key in 0..1_000 {
            assert!(seen.insert(key));
            assert!(!seen.insert(u64::MAX), "forgotten after {key}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn the_last_generation_is_remembered_and_no_more_than_two(
            generation_max in 1_usize..20,
            keys in prop::collection::vec(0_u8..60, 0..200),
        ) {
            let mut seen = SeenCache::new(generation_max);
            for (position, key) in keys.iter().enumerate() {
                let mut last: Vec<u8> = Vec::new();
                for earlier in keys[..position].iter().rev() {
                    if !last.contains(earlier) && last.len() < generation_max {
                        last.push(*earlier);
                    }
                }
                prop_assert!(last.iter().all(|earlier| seen.contains(earlier)));
                let was_known = seen.contains(key);
                prop_assert_eq!(seen.insert(*key), !was_known);
                prop_assert!(seen.len() <= 2 * generation_max);
            }
        }
    }
}
