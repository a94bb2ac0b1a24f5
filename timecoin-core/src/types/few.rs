//! An ordered map that nearly always holds one entry: what one address has.

use std::collections::BTreeMap;
use std::ops::Bound;

/// Some entries, at least one.
#[derive(Clone, Debug)]
pub(crate) enum Few<K, V> {
    /// A tree takes twelve times as much for one.
    One(K, V),
    /// More than one, now or earlier.
    Many(BTreeMap<K, V>),
}

impl<K: Copy + Ord, V: Copy> Few<K, V> {
    pub(crate) fn insert(&mut self, key: K, value: V) {
        match self {
            Few::One(only, before) if *only == key => *before = value,
            Few::One(first, before) => {
                *self = Few::Many(BTreeMap::from([(*first, *before), (key, value)]));
            }
            Few::Many(entries) => {
                entries.insert(key, value);
            }
        }
    }

    /// Takes an entry out; says whether none is left, which is the end of the whole.
    pub(crate) fn remove(&mut self, key: &K) -> bool {
        match self {
            Few::One(only, _) => only == key,
            Few::Many(entries) => {
                entries.remove(key);
                entries.is_empty()
            }
        }
    }

    /// At most so many, ascending, after a key.
    pub(crate) fn page(&self, after: Option<&K>, limit: usize) -> Vec<(K, V)> {
        match self {
            Few::One(only, value) => {
                let is_asked = limit > 0 && after.is_none_or(|after| only > after);
                is_asked.then_some((*only, *value)).into_iter().collect()
            }
            Few::Many(entries) => {
                let from = after.map_or(Bound::Unbounded, Bound::Excluded);
                let page = entries.range((from, Bound::Unbounded)).take(limit);
                page.map(|(key, value)| (*key, *value)).collect()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_and_many_give_the_same_pages() {
        let mut few = Few::One(5, 'a');
        let page = |few: &Few<u32, char>, after: Option<u32>, limit| -> Vec<u32> {
            few.page(after.as_ref(), limit).into_iter().map(|(key, _)| key).collect()
        };
        assert_eq!(page(&few, None, 9), [5]);
        assert_eq!(page(&few, Some(4), 9), [5]);
        assert_eq!(page(&few, Some(5), 9), [0; 0]);
        assert_eq!(page(&few, None, 0), [0; 0]);
        assert!(!few.remove(&6));
        few.insert(5, 'b');
        assert_eq!(few.page(None, 9), [(5, 'b')]);
        few.insert(7, 'c');
        few.insert(3, 'd');
        assert_eq!(page(&few, None, 2), [3, 5]);
        assert_eq!(page(&few, Some(3), 9), [5, 7]);
        assert!(!few.remove(&3) && !few.remove(&7));
        assert_eq!(page(&few, None, 9), [5]);
        assert!(few.remove(&5));
        assert!(Few::One(1, 'e').remove(&1));
    }
}
