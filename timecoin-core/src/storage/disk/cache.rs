//! Hot unspent outputs, so that the usual look-up costs no visit to the tables.

use std::num::NonZeroUsize;
use std::sync::{Mutex, MutexGuard, PoisonError};

use lru::LruCache;

use crate::ledger::view::{Utxo, UtxoDelta};
use crate::types::transaction::OutPoint;

/// The outputs that were used last, of those that the tables hold. The lock is held for a hash
/// look-up at a time, never across I/O.
pub(super) struct UtxoCache(Mutex<Cached>);

struct Cached {
    outputs: LruCache<OutPoint, Utxo>,
    /// Counts the blocks that went into the tables.
    generation: Generation,
}

/// The moment before a read of the tables.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Generation(u64);

impl UtxoCache {
    pub(super) fn new(n_max: usize) -> Self {
        let n_max = NonZeroUsize::new(n_max).unwrap_or(NonZeroUsize::MIN);
        let outputs = LruCache::new(n_max);
        UtxoCache(Mutex::new(Cached { outputs, generation: Generation(0) }))
    }

    /// The output if it is here; otherwise what a later [`UtxoCache::insert`] needs.
    pub(super) fn get(&self, outpoint: &OutPoint) -> Result<Utxo, Generation> {
        let mut cached = self.lock();
        let found = cached.outputs.get(outpoint).copied();
        found.ok_or(cached.generation)
    }

    /// Keeps an output that was read from the tables, unless they changed since before the read:
    /// it may be spent by now.
    pub(super) fn insert(&self, outpoint: OutPoint, utxo: Utxo, before: Generation) {
        let mut cached = self.lock();
        if cached.generation == before {
            cached.outputs.put(outpoint, utxo);
        }
    }

    /// Follows the tables past a block, after they have it. New outputs are kept: they are the
    /// ones most likely to be spent next.
    pub(super) fn follow(&self, delta: &UtxoDelta) {
        let mut cached = self.lock();
        cached.generation.0 += 1;
        for (outpoint, _) in &delta.spent {
            cached.outputs.pop(outpoint);
        }
        for (outpoint, utxo) in &delta.created {
            cached.outputs.put(*outpoint, *utxo);
        }
    }

    /// Forgets everything, and what is being read too.
    pub(super) fn clear(&self) {
        let mut cached = self.lock();
        cached.generation.0 += 1;
        cached.outputs.clear();
    }

    fn lock(&self) -> MutexGuard<'_, Cached> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::view::Origin;
    use crate::types::address::Address;
    use crate::types::amount::Amount;
    use crate::types::chain::Height;
    use crate::types::hash::Txid;
    use crate::types::transaction::TxOutput;

    fn output(vout: u32) -> (OutPoint, Utxo) {
        let output = TxOutput { value: Amount::ZERO, address: Address::from_bytes([1; 20]) };
        let utxo = Utxo { output, height: Height(1), origin: Origin::Transfer };
        (OutPoint::new(Txid::ZERO, vout), utxo)
    }

    #[test]
    fn output_read_before_its_spend_is_not_kept() {
        let cache = UtxoCache::new(10);
        let (outpoint, utxo) = output(0);
        let before = cache.get(&outpoint).unwrap_err();
        cache.follow(&UtxoDelta { spent: vec![(outpoint, utxo)], created: Vec::new() });
        cache.insert(outpoint, utxo, before);
        let now = cache.get(&outpoint).unwrap_err();
        cache.insert(outpoint, utxo, now);
        assert_eq!(cache.get(&outpoint).ok(), Some(utxo));
    }

    #[test]
    fn output_read_before_a_clear_is_not_kept() {
        let cache = UtxoCache::new(10);
        let (outpoint, utxo) = output(0);
        let before = cache.get(&outpoint).unwrap_err();
        cache.insert(outpoint, utxo, before);
        cache.clear();
        assert!(cache.get(&outpoint).is_err());
        cache.insert(outpoint, utxo, before);
        assert!(cache.get(&outpoint).is_err());
    }

    #[test]
    fn bound_is_kept_and_the_oldest_go_first() {
        let cache = UtxoCache::new(3);
        let created = (0..5).map(output).collect();
        cache.follow(&UtxoDelta { spent: Vec::new(), created });
        let found: Vec<u32> = (0..5).filter(|&vout| cache.get(&output(vout).0).is_ok()).collect();
        assert_eq!(found, [2, 3, 4]);
    }
}
