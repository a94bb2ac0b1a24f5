//! The waiting room: transactions whose inputs are not known yet. They may come.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use thiserror::Error;

use super::MempoolLimits;
use crate::types::chain::Timestamp;
use crate::types::hash::Txid;
use crate::types::keys::PublicKey;
use crate::types::map::HashMap;
use crate::types::transaction::OutPoint;
use crate::types::verified::VerifiedTransaction;

/// Bytes of all transactions that wait: ten kB for each of 1,000.
pub const WAITING_BYTES_MAX: usize = 10_000_000;

/// Transactions that wait for one parent: as many as it may have outputs by default.
pub const WAITING_PER_PARENT_MAX: usize = 256;

/// Peers that are remembered as having brought one transaction.
const SOURCES_MAX: usize = 4;

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

/// Who brought a transaction: a peer, or none for this node's host and its own records.
pub type Source = Option<PublicKey>;

/// One transaction that waits.
#[derive(Clone, Debug)]
struct Waiting {
    transaction: VerifiedTransaction,
    missing: OutPoint,
    /// Who brought it, the first first: not empty.
    sources: Vec<Source>,
    expires_at: Timestamp,
}

/// What one peer, or the host, has in here.
#[derive(Clone, Debug, Default)]
pub(super) struct Share {
    pub(super) sequences: BTreeSet<u64>,
    bytes: usize,
}

/// All transactions that wait, in the order of their arrival.
///
/// Anybody can sign transactions whose inputs nobody knows, so where there is no room the oldest
/// ones of whoever takes up most make it; what the host or somebody else brought too stays. One
/// peer can fill the room, and keeps nobody out.
#[derive(Clone, Debug, Default)]
pub(super) struct WaitingRoom {
    waiting: BTreeMap<u64, Waiting>,
    /// Asked by key only: its order is never seen.
    sequences: HashMap<Txid, u64>,
    by_parent: BTreeSet<(Txid, u64)>,
    by_expiry: BTreeSet<(Timestamp, u64)>,
    pub(super) shares: BTreeMap<Source, Share>,
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

    /// Takes a transaction in, and says which had to make room for it, with what they waited for.
    pub(super) fn add(
        &mut self,
        transaction: VerifiedTransaction,
        missing: OutPoint,
        source: Source,
        now: Timestamp,
        limits: &MempoolLimits,
    ) -> Result<Vec<(VerifiedTransaction, OutPoint)>, WaitError> {
        let txid = transaction.txid();
        if self.contains(&txid) {
            return Err(WaitError::Known);
        }
        if !self.fits_beside_host(&transaction, &missing.txid, limits) {
            return Err(WaitError::Full);
        }
        let mut evicted = Vec::new();
        while let Some((of, victim)) = self.surplus(&transaction, &missing.txid, source, limits) {
            if let Some(Waiting { transaction, missing, .. }) = self.release(of, victim) {
                evicted.push((transaction, missing));
            }
        }
        let sequence = self.next_sequence;
        self.next_sequence += 1;
        self.bytes += transaction.bytes();
        let expires_at = now.after(Duration::from_millis(limits.waiting_ms_max));
        self.sequences.insert(txid, sequence);
        self.by_parent.insert((missing.txid, sequence));
        self.by_expiry.insert((expires_at, sequence));
        self.give(source, sequence, transaction.bytes());
        let waiting = Waiting { transaction, missing, sources: vec![source], expires_at };
        self.waiting.insert(sequence, waiting);
        Ok(evicted)
    }

    pub(super) fn repeat(&mut self, txid: &Txid, source: Source) {
        let Some(sequence) = self.sequences.get(txid) else { return };
        let waiting = self.waiting.get_mut(sequence).expect("the indexes name what waits");
        let has_room = waiting.sources.len() < SOURCES_MAX || source.is_none();
        if has_room && !waiting.sources.contains(&source) {
            waiting.sources.push(source);
            let (sequence, bytes) = (*sequence, waiting.transaction.bytes());
            self.give(source, sequence, bytes);
        }
    }

    /// Whether there would be room if all that peers brought were gone.
    fn fits_beside_host(
        &self,
        transaction: &VerifiedTransaction,
        parent: &Txid,
        limits: &MempoolLimits,
    ) -> bool {
        let host = self.shares.get(&None);
        let (n, bytes) = host.map_or((0, 0), |host| (host.sequences.len(), host.bytes));
        let is_host = |sequence: &u64| self.waiting[sequence].sources.contains(&None);
        n < limits.waiting_max
            && bytes.saturating_add(transaction.bytes()) <= WAITING_BYTES_MAX
            && self.children(parent).filter(is_host).count() < WAITING_PER_PARENT_MAX
    }

    /// What must go next before a transaction fits, and of whom; nothing once it does.
    fn surplus(
        &self,
        transaction: &VerifiedTransaction,
        parent: &Txid,
        source: Source,
        limits: &MempoolLimits,
    ) -> Option<(Source, u64)> {
        let all = self.shares.iter().map(|(of, share)| (*of, share));
        if self.children(parent).count() >= WAITING_PER_PARENT_MAX {
            let mut siblings: BTreeMap<Source, Share> = BTreeMap::new();
            for sequence in self.children(parent) {
                for of in &self.waiting[&sequence].sources {
                    siblings.entry(*of).or_default().sequences.insert(sequence);
                }
            }
            let siblings = siblings.iter().map(|(of, share)| (*of, share));
            oldest_of_largest(siblings, source, 1, |share| share.sequences.len())
        } else if self.len() >= limits.waiting_max {
            oldest_of_largest(all, source, 1, |share| share.sequences.len())
        } else if self.bytes.saturating_add(transaction.bytes()) > WAITING_BYTES_MAX {
            oldest_of_largest(all, source, transaction.bytes(), |share| share.bytes)
        } else {
            None
        }
    }

    pub(super) fn remove(&mut self, txid: &Txid) -> Option<VerifiedTransaction> {
        let sequence = *self.sequences.get(txid)?;
        Some(self.take(sequence).transaction)
    }

    /// With who brought them.
    pub(super) fn take_children(&mut self, parent: &Txid) -> Vec<(VerifiedTransaction, Source)> {
        let children: Vec<u64> = self.children(parent).collect();
        let taken = children.into_iter().map(|sequence| self.take(sequence));
        taken.map(|waiting| (waiting.transaction, waiting.sources[0])).collect()
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

    #[cfg(test)]
    pub(super) fn n_sources(&self, txid: &Txid) -> usize {
        let waiting = self.sequences.get(txid).map(|sequence| &self.waiting[sequence]);
        waiting.map_or(0, |waiting| waiting.sources.len())
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
        for source in &waiting.sources {
            self.take_back(*source, sequence, waiting.transaction.bytes());
        }
        waiting
    }

    /// Takes a transaction from one of those who brought it; out, if that was the only one.
    fn release(&mut self, source: Source, sequence: u64) -> Option<Waiting> {
        let waiting = self.waiting.get_mut(&sequence).expect("the indexes name what waits");
        if waiting.sources == [source] {
            return Some(self.take(sequence));
        }
        waiting.sources.retain(|of| *of != source);
        let bytes = waiting.transaction.bytes();
        self.take_back(source, sequence, bytes);
        None
    }

    fn give(&mut self, source: Source, sequence: u64, bytes: usize) {
        let share = self.shares.entry(source).or_default();
        share.sequences.insert(sequence);
        share.bytes += bytes;
    }

    fn take_back(&mut self, source: Source, sequence: u64, bytes: usize) {
        let share = self.shares.get_mut(&source).expect("what waits is somebody's");
        share.sequences.remove(&sequence);
        share.bytes -= bytes;
        if share.sequences.is_empty() {
            self.shares.remove(&source);
        }
    }
}

/// The oldest transaction of the peer with the largest share, where `source` is about to have
/// `more`, and makes room itself before one that has as much. Never one of the host.
fn oldest_of_largest<'a>(
    shares: impl Iterator<Item = (Source, &'a Share)>,
    source: Source,
    more: usize,
    size: impl Fn(&Share) -> usize,
) -> Option<(Source, u64)> {
    let peers = shares.filter(|(of, _)| of.is_some());
    let largest = peers.max_by_key(|(of, share)| {
        let is_own = *of == source;
        (size(share) + if is_own { more } else { 0 }, is_own)
    });
    let (of, share) = largest?;
    Some((of, *share.sequences.first()?))
}
