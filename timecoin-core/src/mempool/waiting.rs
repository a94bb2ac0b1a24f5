//! The waiting room: transactions whose inputs are not known yet. They may come.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use thiserror::Error;

use super::MempoolLimits;
use crate::types::chain::Timestamp;
use crate::types::hash::Txid;
use crate::types::map::HashMap;
use crate::types::transaction::OutPoint;
use crate::types::verified::VerifiedTransaction;

/// Bytes of all transactions that wait: ten kB for each of 1,000.
pub const WAITING_BYTES_MAX: usize = 10_000_000;

/// Transactions that wait for one parent: as many as it may have outputs by default.
pub const WAITING_PER_PARENT_MAX: usize = 256;

/// Why a transaction may not wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum WaitError {
    /// It waits already, or is in the mempool.
    #[error("the transaction is known")]
    Known,
    /// Too many wait, in number, in bytes, or for this parent.
    #[error("too many transactions wait for unknown inputs")]
    Full,
}

/// One transaction that waits.
#[derive(Clone, Debug)]
struct Waiting {
    transaction: VerifiedTransaction,
    missing: OutPoint,
    expires_at: Timestamp,
}

/// All transactions that wait, in the order of their arrival.
#[derive(Clone, Debug, Default)]
pub(super) struct WaitingRoom {
    waiting: BTreeMap<u64, Waiting>,
    /// Asked by key only: its order is never seen.
    sequences: HashMap<Txid, u64>,
    by_parent: BTreeSet<(Txid, u64)>,
    by_expiry: BTreeSet<(Timestamp, u64)>,
    bytes: usize,
    next_sequence: u64,
}

impl WaitingRoom {
    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    pub(super) fn contains(&self, txid: &Txid) -> bool {
        self.sequences.contains_key(txid)
    }

    pub(super) fn add(
        &mut self,
        transaction: VerifiedTransaction,
        missing: OutPoint,
        now: Timestamp,
        limits: &MempoolLimits,
    ) -> Result<(), WaitError> {
        let txid = transaction.txid();
        if self.contains(&txid) {
            return Err(WaitError::Known);
        }
        let bytes = self.bytes.saturating_add(transaction.bytes());
        let n_siblings = self.children(&missing.txid).count();
        if self.len() >= limits.waiting_max
            || bytes > WAITING_BYTES_MAX
            || n_siblings >= WAITING_PER_PARENT_MAX
        {
            return Err(WaitError::Full);
        }
        let sequence = self.next_sequence;
        self.next_sequence += 1;
        self.bytes = bytes;
        let expires_at = now.after(Duration::from_millis(limits.waiting_ms_max));
        self.sequences.insert(txid, sequence);
        self.by_parent.insert((missing.txid, sequence));
        self.by_expiry.insert((expires_at, sequence));
        self.waiting.insert(sequence, Waiting { transaction, missing, expires_at });
        Ok(())
    }

    pub(super) fn remove(&mut self, txid: &Txid) -> Option<VerifiedTransaction> {
        let sequence = *self.sequences.get(txid)?;
        Some(self.take(sequence).transaction)
    }

    pub(super) fn take_children(&mut self, parent: &Txid) -> Vec<VerifiedTransaction> {
        let children: Vec<u64> = self.children(parent).collect();
        children.into_iter().map(|sequence| self.take(sequence).transaction).collect()
    }

    pub(super) fn expire(&mut self, now: Timestamp) -> Vec<(VerifiedTransaction, OutPoint)> {
        let mut expired = Vec::new();
        while let Some(&(expires_at, sequence)) = self.by_expiry.first() {
            if expires_at > now {
                break;
            }
            let waiting = self.take(sequence);
            expired.push((waiting.transaction, waiting.missing));
        }
        expired
    }

    pub(super) fn next_expiry(&self) -> Option<Timestamp> {
        self.by_expiry.first().map(|&(expires_at, _)| expires_at)
    }

    fn children(&self, parent: &Txid) -> impl Iterator<Item = u64> + '_ {
        let range = (*parent, 0)..=(*parent, u64::MAX);
        self.by_parent.range(range).map(|&(_, sequence)| sequence)
    }

    fn take(&mut self, sequence: u64) -> Waiting {
        let waiting = self.waiting.remove(&sequence).expect("the indexes name what waits");
        self.sequences.remove(&waiting.transaction.txid());
        self.by_parent.remove(&(waiting.missing.txid, sequence));
        self.by_expiry.remove(&(waiting.expires_at, sequence));
        self.bytes -= waiting.transaction.bytes();
        waiting
    }
}
