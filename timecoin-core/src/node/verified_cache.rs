//! Transactions whose signatures were verified, so that a block that holds them, or a second
//! peer that sends them, costs no second verification.

use std::borrow::Borrow;
use std::collections::VecDeque;
use std::hash::{Hash, Hasher};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::types::hash::Wtxid;
use crate::types::map::HashSet;
use crate::types::verified::VerifiedTransaction;

/// A bounded map from the hash of all bytes to the verified transaction, in shards.
#[derive(Debug)]
pub(crate) struct VerifiedCache {
    shards: Vec<Mutex<Shard>>,
    shard_bytes_max: usize,
    is_shared: bool,
}

#[derive(Debug, Default)]
struct Shard {
    by_wtxid: HashSet<ByWtxid>,
    oldest_first: VecDeque<Wtxid>,
    bytes: usize,
}

/// A transaction that is found by the hash of all its bytes, which it holds itself.
#[derive(Debug)]
struct ByWtxid(VerifiedTransaction);

impl Borrow<Wtxid> for ByWtxid {
    fn borrow(&self) -> &Wtxid {
        self.0.wtxid_ref()
    }
}

impl Hash for ByWtxid {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.wtxid_ref().hash(state);
    }
}

impl PartialEq for ByWtxid {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl Eq for ByWtxid {}

impl VerifiedCache {
    pub(crate) fn new(bytes_max: usize) -> Self {
        VerifiedCache {
            shards: (0..N_SHARDS).map(|_| Mutex::default()).collect(),
            shard_bytes_max: bytes_max / N_SHARDS,
            is_shared: false,
        }
    }

    /// One for several nodes of a process: a transaction that one of them has seen confirmed may
    /// still come to another, so only newer ones push it out.
    pub(crate) fn shared(bytes_max: usize) -> Self {
        VerifiedCache { is_shared: true, ..VerifiedCache::new(bytes_max) }
    }

    pub(super) fn get(&self, wtxid: &Wtxid) -> Option<VerifiedTransaction> {
        self.shard(wtxid).by_wtxid.get(wtxid).map(|known| known.0.clone())
    }

    pub(super) fn insert(&self, transaction: &VerifiedTransaction) {
        let wtxid = transaction.wtxid();
        let mut shard = self.shard(&wtxid);
        if !shard.by_wtxid.insert(ByWtxid(transaction.clone())) {
            return;
        }
        shard.oldest_first.push_back(wtxid);
        shard.bytes += charge(transaction);
        while shard.bytes > self.shard_bytes_max || shard.is_sparse() {
            shard.drop_oldest();
        }
    }

    /// Its block is confirmed: it won't be seen again.
    pub(super) fn forget(&self, transaction: &VerifiedTransaction) {
        if self.is_shared {
            return;
        }
        let wtxid = transaction.wtxid();
        let mut shard = self.shard(&wtxid);
        if shard.by_wtxid.remove(&wtxid) {
            shard.bytes -= charge(transaction);
        }
        // Once nothing is held, nothing needs an order.
        if shard.by_wtxid.is_empty() {
            shard.oldest_first.clear();
        }
    }

    fn shard(&self, wtxid: &Wtxid) -> MutexGuard<'_, Shard> {
        let index = usize::from(wtxid.as_bytes()[0]) % N_SHARDS;
        self.shards[index].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shard {
    /// Whether most of the order is of transactions that were forgotten.
    fn is_sparse(&self) -> bool {
        self.oldest_first.len() > 2 * self.by_wtxid.len() + SPARSE_MIN
    }

    fn drop_oldest(&mut self) {
        let Some(wtxid) = self.oldest_first.pop_front() else { return };
        if let Some(ByWtxid(transaction)) = self.by_wtxid.take(&wtxid) {
            self.bytes -= charge(&transaction);
        }
    }
}

/// What a transaction counts for: its bytes and what holding it takes beside.
fn charge(transaction: &VerifiedTransaction) -> usize {
    transaction.bytes() + 512
}

/// Enough that two verifying threads rarely meet.
const N_SHARDS: usize = 16;

/// An order shorter than this is never swept.
const SPARSE_MIN: usize = 64;

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::types::hash::Txid;
    use crate::types::transaction::{OutPoint, Transaction};

    fn transaction(n: u32) -> VerifiedTransaction {
        let input = (OutPoint::new(Txid::ZERO, n), crate::KeyPair::from_seed(b"a").public());
        let transaction = Arc::new(Transaction::transfer(&[input], Vec::new()));
        let (txid, wtxid) = (transaction.txid(), transaction.wtxid());
        VerifiedTransaction::vouch(transaction, txid, wtxid, 200)
    }

    #[test]
    fn memory_is_bounded_with_and_without_confirmation() {
        let cache = VerifiedCache::new(N_SHARDS * 10 * 712);
        for n in 0..5_000 {
            let transaction = transaction(n);
            cache.insert(&transaction);
            assert!(cache.get(&transaction.wtxid()).is_some());
            if n % 3 == 0 {
                cache.forget(&transaction);
                assert!(cache.get(&transaction.wtxid()).is_none());
            }
        }
        for shard in &cache.shards {
            let shard = shard.lock().unwrap();
            assert!(shard.by_wtxid.len() <= 10 && shard.bytes == shard.by_wtxid.len() * 712);
            assert!(shard.oldest_first.len() <= 2 * 10 + SPARSE_MIN);
        }
    }
}
