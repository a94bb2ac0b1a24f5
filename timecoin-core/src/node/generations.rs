//! A bounded table that lets go of what was not asked for lately.

use std::hash::Hash;
use std::mem;

use crate::types::map::HashMap;

/// Two tables: when the younger is full it becomes the older, and the older is dropped. What is
/// found in the older moves to the younger.
#[derive(Debug)]
pub(super) struct Generations<K, V> {
    young: HashMap<K, V>,
    old: HashMap<K, V>,
    n_kept: usize,
}

impl<K: Copy + Eq + Hash, V: Copy> Generations<K, V> {
    /// Keeps the `n_kept` that were put in or asked for last, and at most twice as many.
    pub(super) fn new(n_kept: usize) -> Self {
        Generations { young: HashMap::default(), old: HashMap::default(), n_kept }
    }

    pub(super) fn find(&mut self, key: &K) -> Option<V> {
        if let Some(value) = self.young.get(key) {
            return Some(*value);
        }
        let value = self.old.remove(key)?;
        self.insert(*key, value);
        Some(value)
    }

    pub(super) fn insert(&mut self, key: K, value: V) {
        if self.young.len() >= self.n_kept {
            self.old = mem::take(&mut self.young);
        }
        self.young.insert(key, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_are_kept_and_no_more_than_twice_as_many() {
        let mut table = Generations::new(100);
        (0..250).for_each(|key| table.insert(key, key));
        assert_eq!(table.young.len() + table.old.len(), 150);
        assert!((150..250).rev().all(|key| table.find(&key) == Some(key)));
        assert_eq!(table.find(&99), None);
    }

    #[test]
    fn what_is_asked_for_stays() {
        let mut table = Generations::new(10);
        table.insert(0, "kept");
        for key in 1..1_000 {
            table.insert(key, "passing");
            assert_eq!(table.find(&0), Some("kept"));
        }
        assert_eq!(table.find(&1), None);
    }
}
