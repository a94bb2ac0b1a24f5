//! Which transactions wait: admission, conflicts, fee-rate order, eviction (PROTOCOL 8).
//!
//! Pure: the time is an argument, and no order depends on a hash map. Whether a transaction is
//! valid was asked before ([`crate::ledger::transaction::check_spend`]); what becomes of it is
//! decided by votes, elsewhere. Conflicting transactions are held side by side, because which
//! of them the masternodes approve is not known in advance.
//!
//! A transaction with one input takes at most 420 bytes here beside its own 580; see
//! `tests::a_pending_transaction_takes_less_than_a_kilobyte`.

mod fee_rate;
mod waiting;

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::collections::hash_map::Entry as HashEntry;

use thiserror::Error;

pub use self::fee_rate::FeeRate;
use self::waiting::WaitingRoom;
pub use self::waiting::{Source, WAITING_BYTES_MAX, WAITING_PER_PARENT_MAX, WaitError};
use crate::ledger::transaction::Spend;
use crate::types::amount::Amount;
use crate::types::chain::Timestamp;
use crate::types::hash::Txid;
use crate::types::map::HashMap;
use crate::types::transaction::OutPoint;
use crate::types::verified::VerifiedTransaction;

/// Transactions that may claim one outpoint at a time: two prove a double spend, the others
/// let masternodes vote on what reached them first.
pub const CLAIMANTS_MAX: usize = 4;

/// The bounds of a mempool; see PROTOCOL 8 for the defaults.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MempoolLimits {
    /// Transactions.
    pub transactions_max: usize,
    /// Bytes of their encodings.
    pub bytes_max: usize,
    /// Transactions that wait for unknown inputs.
    pub waiting_max: usize,
    /// How long they wait, in milliseconds.
    pub waiting_ms_max: u64,
}

impl Default for MempoolLimits {
    /// PROTOCOL 8: 10,000 transactions, 300 MB; 1,000 waiting for 60 s.
    fn default() -> Self {
        MempoolLimits {
            transactions_max: 10_000,
            bytes_max: 300_000_000,
            waiting_max: 1_000,
            waiting_ms_max: 60_000,
        }
    }
}

/// A pending transaction and what is known of it.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The transaction.
    pub transaction: VerifiedTransaction,
    /// What it leaves for the masternodes.
    pub fee: Amount,
    /// When it was admitted.
    pub added_at: Timestamp,
    /// Its place in the order of admission.
    pub sequence: u64,
    is_pinned: bool,
}

impl Entry {
    /// What it pays for the room it takes.
    pub fn fee_rate(&self) -> FeeRate {
        FeeRate::new(self.fee, self.transaction.bytes())
    }

    /// Whether it is approved, committed or final here, and so never evicted.
    pub const fn is_pinned(&self) -> bool {
        self.is_pinned
    }
}

/// A transaction is in; these had to make room for it, lowest fee rate first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Admitted {
    /// What was evicted.
    pub evicted: Vec<VerifiedTransaction>,
}

/// Why a transaction is not admitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum AdmitError {
    /// It is in the mempool.
    #[error("the transaction is in the mempool")]
    Known,
    /// No room, and nothing to evict that pays less and is not pinned.
    #[error("the mempool is full and its lowest fee rate is not lower")]
    Full,
    /// Too many transactions spend the same.
    #[error("{CLAIMANTS_MAX} pending transactions spend {outpoint}")]
    TooManyClaimants {
        /// What they spend.
        outpoint: OutPoint,
    },
}

/// The pending transactions of a node, and those that wait for unknown inputs.
#[derive(Clone, Debug)]
pub struct Mempool {
    limits: MempoolLimits,
    /// Their order is never seen, nor that of the next.
    entries: HashMap<Txid, Entry>,
    /// Who claimed an outpoint first, of those that do.
    claims: HashMap<OutPoint, Txid>,
    /// Who else claims an outpoint, oldest first.
    rivals: BTreeMap<OutPoint, Vec<Txid>>,
    /// Ascending: what is evicted first comes first.
    unpinned: BTreeMap<(FeeRate, Reverse<u64>), Txid>,
    bytes: usize,
    next_sequence: u64,
    waiting: WaitingRoom,
}

impl Mempool {
    /// An empty mempool.
    pub fn new(limits: MempoolLimits) -> Self {
        Mempool {
            limits,
            entries: HashMap::default(),
            claims: HashMap::default(),
            rivals: BTreeMap::new(),
            unpinned: BTreeMap::new(),
            bytes: 0,
            next_sequence: 0,
            waiting: WaitingRoom::default(),
        }
    }

    /// How many transactions are pending, those that wait for inputs apart.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether nothing is pending.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Bytes of the pending transactions' encodings.
    pub const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Its bounds.
    pub const fn limits(&self) -> &MempoolLimits {
        &self.limits
    }

    /// How many transactions wait for unknown inputs.
    pub fn waiting_len(&self) -> usize {
        self.waiting.len()
    }

    /// A pending transaction.
    pub fn get(&self, txid: &Txid) -> Option<&Entry> {
        self.entries.get(txid)
    }

    /// Whether a transaction is pending.
    pub fn contains(&self, txid: &Txid) -> bool {
        self.entries.contains_key(txid)
    }

    /// All pending transactions in the order of admission, which costs sorting them.
    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        let mut entries: Vec<&Entry> = self.entries.values().collect();
        entries.sort_unstable_by_key(|entry| entry.sequence);
        entries.into_iter()
    }

    /// Pending transactions that are not pinned: fee rate descending, then oldest first.
    pub fn best_unpinned(&self) -> impl Iterator<Item = &Entry> {
        self.unpinned.values().rev().map(|txid| self.entry(txid))
    }

    /// The pending transactions that claim `outpoint`, oldest first; [`CLAIMANTS_MAX`] at most,
    /// but for pinned ones.
    pub fn claimants<'a>(&'a self, outpoint: &OutPoint) -> impl Iterator<Item = Txid> + use<'a> {
        let first = self.claims.get(outpoint);
        let rivals = first.and_then(|_| self.rivals.get(outpoint));
        first.into_iter().chain(rivals.into_iter().flatten()).copied()
    }

    /// Other pending transactions that claim what `transaction` claims, in the order of its
    /// claims, then oldest first.
    pub fn conflicts(&self, transaction: &VerifiedTransaction) -> Vec<(OutPoint, Txid)> {
        let own = transaction.txid();
        let others =
            |outpoint: OutPoint| self.claimants(&outpoint).map(move |txid| (outpoint, txid));
        transaction.claims().flat_map(others).filter(|&(_, txid)| txid != own).collect()
    }

    /// Admits a valid transaction that spends what `spend` says. Where there is no room, evicts
    /// those that pay the lowest fee rate, the newest first, as long as they pay less.
    ///
    /// # Errors
    /// [`AdmitError`]; then nothing has changed.
    pub fn admit(
        &mut self,
        transaction: VerifiedTransaction,
        spend: Spend,
        now: Timestamp,
    ) -> Result<Admitted, AdmitError> {
        if self.contains(&transaction.txid()) {
            return Err(AdmitError::Known);
        }
        let is_crowded = |outpoint: &OutPoint| self.claimants(outpoint).count() >= CLAIMANTS_MAX;
        if let Some(outpoint) = transaction.claims().find(is_crowded) {
            return Err(AdmitError::TooManyClaimants { outpoint });
        }
        let rate = FeeRate::new(spend.fee, transaction.bytes());
        let pays_less = |entry: &Entry| entry.fee_rate() < rate;
        let victims = self.make_room(transaction.bytes(), pays_less).ok_or(AdmitError::Full)?;
        let evicted = victims.into_iter().filter_map(|victim| self.take(&victim)).collect();
        self.insert(transaction, spend, now, false);
        Ok(Admitted { evicted })
    }

    /// Admits and pins a transaction that others have certified: it must be kept whatever it
    /// pays and whatever it conflicts with. Evicts what is not pinned, lowest fee rate first;
    /// where everything is pinned the bounds give way, since half a block bounds what can be
    /// certified and unconfirmed (F9).
    ///
    /// A known transaction is pinned where it is.
    pub fn admit_pinned(
        &mut self,
        transaction: VerifiedTransaction,
        spend: Spend,
        now: Timestamp,
    ) -> Admitted {
        if self.contains(&transaction.txid()) {
            self.pin(&transaction.txid());
            return Admitted::default();
        }
        let mut evicted = Vec::new();
        let crowded: Vec<Txid> =
            transaction.claims().filter_map(|outpoint| self.surplus_claimant(&outpoint)).collect();
        // One transaction may be the surplus claimant of several outpoints.
        evicted.extend(crowded.iter().filter_map(|txid| self.take(txid)));
        let bytes = transaction.bytes();
        while !self.has_room(self.len(), self.bytes, bytes) {
            let Some((_, &txid)) = self.unpinned.first_key_value() else { break };
            evicted.extend(self.take(&txid));
        }
        self.insert(transaction, spend, now, true);
        Admitted { evicted }
    }

    /// Keeps a transaction whatever comes: it is approved, committed or final here.
    pub fn pin(&mut self, txid: &Txid) {
        self.set_pinned(txid, true);
    }

    /// Lets a transaction be evicted again.
    pub fn unpin(&mut self, txid: &Txid) {
        self.set_pinned(txid, false);
    }

    /// Lets every transaction be evicted again: the epoch is over, and its promises are void.
    pub fn unpin_all(&mut self) {
        let pinned: Vec<Txid> = self
            .entries
            .values()
            .filter(|entry| entry.is_pinned)
            .map(|entry| entry.transaction.txid())
            .collect();
        for txid in pinned {
            self.unpin(&txid);
        }
    }

    /// Takes a transaction out, pinned or not.
    pub fn remove(&mut self, txid: &Txid) -> Option<Entry> {
        let entry = self.entries.remove(txid)?;
        self.bytes -= entry.transaction.bytes();
        for outpoint in entry.transaction.claims() {
            self.unclaim(outpoint, txid);
        }
        if !entry.is_pinned {
            self.unpinned.remove(&order_key(&entry));
        }
        Some(entry)
    }

    /// Lets a transaction wait until the parent of `missing` is known, but not for ever. Where
    /// there is no room, the oldest of whichever peer has brought most must go, `source` itself
    /// before one that has brought as much; what this node's host brought stays. They are given
    /// back with what they waited for.
    ///
    /// # Errors
    /// [`WaitError`]; then nothing is lost.
    pub fn wait(
        &mut self,
        transaction: VerifiedTransaction,
        missing: OutPoint,
        source: Source,
        now: Timestamp,
    ) -> Result<Vec<(VerifiedTransaction, OutPoint)>, WaitError> {
        if self.contains(&transaction.txid()) {
            return Err(WaitError::Known);
        }
        self.waiting.add(transaction, missing, source, now, &self.limits)
    }

    /// Notes that a transaction that waits was brought again: it stays as long as one of those who
    /// brought it does not have to make room, so it does not go with the flood of a peer that was
    /// first.
    pub fn repeat_waiting(&mut self, txid: &Txid, source: Source) {
        self.waiting.repeat(txid, source);
    }

    /// Whether a transaction waits for an unknown input.
    pub fn is_waiting(&self, txid: &Txid) -> bool {
        self.waiting.contains(txid)
    }

    /// Takes out the transactions that wait for an output of `parent`, in order of arrival, with
    /// who brought them.
    pub fn take_waiting(&mut self, parent: &Txid) -> Vec<(VerifiedTransaction, Source)> {
        self.waiting.take_children(parent)
    }

    /// Takes out what has waited too long, with what it waited for, in the order of expiry.
    pub fn expire(&mut self, now: Timestamp) -> Vec<(VerifiedTransaction, OutPoint)> {
        self.waiting.expire(now)
    }

    /// When [`Mempool::expire`] has something to do.
    pub fn next_expiry(&self) -> Option<Timestamp> {
        self.waiting.next_expiry()
    }

    fn entry(&self, txid: &Txid) -> &Entry {
        self.entries.get(txid).expect("the indexes name what is pending")
    }

    /// What must go for one more claimant: nothing, or the one that pays least.
    fn surplus_claimant(&self, outpoint: &OutPoint) -> Option<Txid> {
        if self.claimants(outpoint).count() < CLAIMANTS_MAX {
            return None;
        }
        let claimants = self.claimants(outpoint);
        let unpinned = claimants.filter(|txid| !self.entry(txid).is_pinned);
        unpinned.min_by_key(|txid| order_key(self.entry(txid)))
    }

    fn claim(&mut self, outpoint: OutPoint, txid: Txid) {
        match self.claims.entry(outpoint) {
            HashEntry::Vacant(place) => {
                place.insert(txid);
            }
            HashEntry::Occupied(_) => self.rivals.entry(outpoint).or_default().push(txid),
        }
    }

    fn unclaim(&mut self, outpoint: OutPoint, txid: &Txid) {
        let HashEntry::Occupied(mut first) = self.claims.entry(outpoint) else { return };
        let Some(rivals) = self.rivals.get_mut(&outpoint) else {
            first.remove();
            return;
        };
        if first.get() == txid {
            first.insert(rivals.remove(0));
        } else {
            rivals.retain(|rival| rival != txid);
        }
        if rivals.is_empty() {
            self.rivals.remove(&outpoint);
        }
    }

    fn take(&mut self, txid: &Txid) -> Option<VerifiedTransaction> {
        self.remove(txid).map(|entry| entry.transaction)
    }

    /// The fewest transactions from the low end of the order that make room for `bytes` more;
    /// none if one of them may not be evicted or all are not enough.
    fn make_room(&self, bytes: usize, may_evict: impl Fn(&Entry) -> bool) -> Option<Vec<Txid>> {
        if bytes > self.limits.bytes_max {
            return None;
        }
        let mut victims = Vec::new();
        let (mut n_left, mut bytes_left) = (self.len(), self.bytes);
        let mut lowest = self.unpinned.values();
        while !self.has_room(n_left, bytes_left, bytes) {
            let txid = lowest.next()?;
            let victim = self.entry(txid);
            if !may_evict(victim) {
                return None;
            }
            n_left -= 1;
            bytes_left -= victim.transaction.bytes();
            victims.push(*txid);
        }
        Some(victims)
    }

    fn has_room(&self, n_pending: usize, bytes_pending: usize, bytes: usize) -> bool {
        n_pending < self.limits.transactions_max
            && bytes_pending.saturating_add(bytes) <= self.limits.bytes_max
    }

    fn insert(
        &mut self,
        transaction: VerifiedTransaction,
        spend: Spend,
        now: Timestamp,
        is_pinned: bool,
    ) {
        let sequence = self.next_sequence;
        self.next_sequence += 1;
        self.waiting.remove(&transaction.txid());
        self.bytes += transaction.bytes();
        let txid = transaction.txid();
        transaction.claims().for_each(|outpoint| self.claim(outpoint, txid));
        let fee = spend.fee;
        let entry = Entry { transaction, fee, added_at: now, sequence, is_pinned };
        if !is_pinned {
            self.unpinned.insert(order_key(&entry), txid);
        }
        self.entries.insert(txid, entry);
    }

    fn set_pinned(&mut self, txid: &Txid, is_pinned: bool) {
        let Some(entry) = self.entries.get_mut(txid) else { return };
        if std::mem::replace(&mut entry.is_pinned, is_pinned) == is_pinned {
            return;
        }
        if is_pinned {
            self.unpinned.remove(&order_key(entry));
        } else {
            self.unpinned.insert(order_key(entry), *txid);
        }
    }
}

/// Ascending: the lowest fee rate first, of equal ones the newest.
fn order_key(entry: &Entry) -> (FeeRate, Reverse<u64>) {
    (entry.fee_rate(), Reverse(entry.sequence))
}

#[cfg(test)]
mod tests;
