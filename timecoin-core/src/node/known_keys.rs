//! The points of keys whose signatures were valid more than once.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::generations::Generations;
use crate::types::keys::{KeyPoint, KnownKeys, PublicKey};

/// A bounded memory, in shards. A key is kept from its second batch on, so that keys which pay
/// once, as those of one who floods, neither take room nor push others out.
#[derive(Debug)]
pub(super) struct KnownPoints {
    shards: Vec<Mutex<Shard>>,
}

#[derive(Debug)]
struct Shard {
    points: Generations<PublicKey, KeyPoint>,
    /// By four bytes of the key; of two that agree in them the second is kept a batch early.
    seen_once: Generations<[u8; 4], ()>,
}

impl KnownPoints {
    /// Knows none yet, and the latest 28,000 at least later: 13 MB at most.
    pub(super) fn new() -> Self {
        KnownPoints::with_capacity(KEPT_USUAL)
    }

    fn with_capacity(n_kept: usize) -> Self {
        let n_kept = n_kept.div_ceil(N_SHARDS);
        let shard = || {
            let (points, seen_once) = (Generations::new(n_kept), Generations::new(n_kept));
            Mutex::new(Shard { points, seen_once })
        };
        KnownPoints { shards: (0..N_SHARDS).map(|_| shard()).collect() }
    }

    fn shard(&self, key: &PublicKey) -> MutexGuard<'_, Shard> {
        let index = usize::from(key.as_bytes()[0]) % N_SHARDS;
        self.shards[index].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl KnownKeys for KnownPoints {
    fn find(&self, key: &PublicKey) -> Option<KeyPoint> {
        self.shard(key).points.find(key)
    }

    fn keep(&self, key: &PublicKey, point: &KeyPoint) {
        let [_, a, b, c, d, ..] = *key.as_bytes();
        let tag = [a, b, c, d];
        let mut shard = self.shard(key);
        if shard.points.find(key).is_some() {
            return;
        }
        if shard.seen_once.find(&tag).is_some() {
            shard.points.insert(*key, *point);
        } else {
            shard.seen_once.insert(tag, ());
        }
    }
}

/// One for each of many threads that check.
const N_SHARDS: usize = 16;

/// As many as fill tables of a power of two.
const KEPT_USUAL: usize = 28_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::hash::{Tag, hash};
    use crate::types::keys::{InputSignature, KeyPair, verify_inputs_of};

    fn batch(keys: std::ops::Range<u64>) -> Vec<InputSignature> {
        let signed = |index: u64| {
            let keys = KeyPair::from_seed(&index.to_le_bytes());
            let message = hash(Tag::Sighash, b"a payment");
            InputSignature { key: keys.public(), message, signature: keys.sign(message.as_bytes()) }
        };
        keys.map(signed).collect()
    }

    #[test]
    fn a_key_is_kept_from_its_second_valid_batch_on() {
        let known = KnownPoints::new();
        let items = batch(0..5);
        for n_known in [0, 5, 5] {
            verify_inputs_of(&items, &known).unwrap();
            let n_found = items.iter().filter(|item| known.find(&item.key).is_some()).count();
            assert_eq!(n_found, n_known);
        }
    }

    #[test]
    fn invalid_signatures_make_no_key_known() {
        let known = KnownPoints::new();
        let mut items = batch(0..2);
        items[1].message = hash(Tag::Sighash, b"another");
        for _ in 0..3 {
            assert_eq!(verify_inputs_of(&items, &known).unwrap_err().0, 1);
        }
        assert!(items.iter().all(|item| known.find(&item.key).is_none()));
    }

    #[test]
    fn a_flood_of_new_keys_pushes_none_out() {
        let known = KnownPoints::with_capacity(16 * 4);
        let regular = batch(0..4);
        verify_inputs_of(&regular, &known).unwrap();
        verify_inputs_of(&regular, &known).unwrap();
        verify_inputs_of(&batch(100..1_000), &known).unwrap();
        assert!(regular.iter().all(|item| known.find(&item.key).is_some()));
    }
}
