//! Threads that wait for a transaction to get further.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering, fence};
use std::sync::{Arc, Mutex, PoisonError};

use super::parking::Bell;
use crate::types::hash::Txid;

/// Who waits for which transaction; asking costs nothing while nobody does.
#[derive(Debug, Default)]
pub(super) struct Waiters {
    bells: Mutex<HashMap<Txid, (Arc<Bell>, usize)>>,
    n_waiting: AtomicUsize,
}

/// A thread that waits, until it is dropped.
pub(super) struct Waiting<'a> {
    waiters: &'a Waiters,
    txid: Txid,
    pub(super) bell: Arc<Bell>,
}

impl Waiters {
    /// From now on each change of the transaction rings the bell. Look at it after this.
    pub(super) fn register(&self, txid: Txid) -> Waiting<'_> {
        let mut bells = self.bells.lock().unwrap_or_else(PoisonError::into_inner);
        let (bell, n_holders) = bells.entry(txid).or_default();
        *n_holders += 1;
        let bell = Arc::clone(bell);
        self.n_waiting.fetch_add(1, Ordering::SeqCst);
        drop(bells);
        // Orders the count before the look at the transaction, as `wake` does the other way.
        fence(Ordering::SeqCst);
        Waiting { waiters: self, txid, bell }
    }

    /// Call after the change is published.
    pub(super) fn wake(&self, txid: &Txid) {
        fence(Ordering::SeqCst);
        if self.n_waiting.load(Ordering::SeqCst) == 0 {
            return;
        }
        let bells = self.bells.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((bell, _)) = bells.get(txid) {
            bell.ring();
        }
    }

    #[expect(clippy::iter_over_hash_type, reason = "every bell rings, in whatever order")]
    pub(super) fn wake_all(&self) {
        let bells = self.bells.lock().unwrap_or_else(PoisonError::into_inner);
        for (bell, _) in bells.values() {
            bell.ring();
        }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let mut bells = self.waiters.bells.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, n_holders)) = bells.get_mut(&self.txid) {
            *n_holders -= 1;
            if *n_holders == 0 {
                bells.remove(&self.txid);
            }
        }
        self.waiters.n_waiting.fetch_sub(1, Ordering::SeqCst);
    }
}
