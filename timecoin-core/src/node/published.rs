//! What readers see without asking the engine: one writer, any number of readers, no lock held
//! beyond one access.
//!
//! It holds what is not confirmed yet, and a bounded memory of what was refused; the store
//! answers for the rest. A reader looks here first and in the store after, so that nothing
//! slips between the two when a block is confirmed.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use dashmap::DashMap;
use dashmap::mapref::entry::Entry as MapEntry;
use foldhash::fast::RandomState;

use super::parking::Bell;
use super::waiters::Waiters;
use crate::engine::output::{BlockCommit, TransactionStatus};
use crate::ledger::state::{LedgerState, Tip};
use crate::types::address::Address;
use crate::types::chain::Height;
use crate::types::few::Few;
use crate::types::hash::Txid;
use crate::types::masternode_set::MasternodeSet;
use crate::types::transaction::{OutPoint, Transaction, TxOutput};
use crate::types::verified::VerifiedTransaction;

/// How far the spending of an output is (PROTOCOL 4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum OutpointState {
    /// Nothing spends it.
    Unspent,
    /// This masternode has recorded its Approve for the spending transaction.
    Locked,
    /// A quorum approved the spending transaction.
    SpentPending,
    /// A quorum committed to the spending transaction: irreversible.
    SpentFinalized,
    /// The spending transaction is in a decided block.
    Confirmed,
}

impl OutpointState {
    /// Its lower-case name, the same in all languages.
    pub const fn name(self) -> &'static str {
        match self {
            OutpointState::Unspent => "unspent",
            OutpointState::Locked => "locked",
            OutpointState::SpentPending => "spent_pending",
            OutpointState::SpentFinalized => "spent_finalized",
            OutpointState::Confirmed => "confirmed",
        }
    }

    fn of(status: &TransactionStatus) -> Self {
        match status {
            TransactionStatus::Approved => OutpointState::Locked,
            TransactionStatus::Certified => OutpointState::SpentPending,
            TransactionStatus::Finalized => OutpointState::SpentFinalized,
            TransactionStatus::Confirmed(_) => OutpointState::Confirmed,
            _ => OutpointState::Unspent,
        }
    }
}

/// What spends an output that is not spent in a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Spending {
    pub(super) by: Txid,
    pub(super) state: OutpointState,
}

/// What the driver publishes and everybody reads.
#[derive(Debug)]
pub(super) struct Published {
    tip: ArcSwap<Tip>,
    masternodes: ArcSwap<MasternodeSet>,
    round: AtomicU32,
    durable: AtomicU64,
    transactions: DashMap<Txid, Entry, RandomState>,
    spendings: DashMap<OutPoint, Spending, RandomState>,
    final_outputs: DashMap<Address, Few<OutPoint, TxOutput>, RandomState>,
    refused: Mutex<VecDeque<(Txid, u64)>>,
    n_transactions: AtomicUsize,
    bytes: AtomicUsize,
    pub(super) waiters: Waiters,
    pub(super) tip_bell: Bell,
}

#[derive(Debug)]
struct Entry {
    transaction: VerifiedTransaction,
    status: TransactionStatus,
    seen_at: Instant,
    /// Which of the refusals this is; 0 while it is not refused.
    refusal: u64,
}

impl Published {
    pub(super) fn new(state: &LedgerState) -> Self {
        Published {
            tip: ArcSwap::from_pointee(state.tip.clone()),
            masternodes: ArcSwap::from_pointee(state.masternodes.clone()),
            round: AtomicU32::new(0),
            durable: AtomicU64::new(state.tip.height.0),
            transactions: DashMap::default(),
            spendings: DashMap::default(),
            final_outputs: DashMap::default(),
            refused: Mutex::default(),
            n_transactions: AtomicUsize::new(0),
            bytes: AtomicUsize::new(0),
            waiters: Waiters::default(),
            tip_bell: Bell::default(),
        }
    }

    pub(super) fn tip(&self) -> Arc<Tip> {
        self.tip.load_full()
    }

    /// The height of the last block that is on disk; never behind what is forgotten here.
    pub(super) fn durable(&self) -> Height {
        Height(self.durable.load(Ordering::Acquire))
    }

    pub(super) fn masternodes(&self) -> MasternodeSet {
        MasternodeSet::clone(&self.masternodes.load())
    }

    /// The round that the next height is in.
    pub(super) fn round(&self) -> u32 {
        self.round.load(Ordering::Relaxed)
    }

    /// Transactions that are neither confirmed nor refused, and their bytes.
    pub(super) fn mempool(&self) -> (usize, usize) {
        (self.n_transactions.load(Ordering::Relaxed), self.bytes.load(Ordering::Relaxed))
    }

    pub(super) fn status(&self, txid: &Txid) -> Option<TransactionStatus> {
        self.transactions.get(txid).map(|entry| entry.status.clone())
    }

    /// Whether it is known and neither refused nor confirmed.
    pub(super) fn is_live(&self, txid: &Txid) -> bool {
        self.transactions.get(txid).is_some_and(|entry| entry.refusal == 0)
    }

    pub(super) fn transaction(&self, txid: &Txid) -> Option<(Arc<Transaction>, TransactionStatus)> {
        let entry = self.transactions.get(txid)?;
        Some((Arc::clone(entry.transaction.transaction()), entry.status.clone()))
    }

    /// Some of the transactions that are neither confirmed nor refused.
    pub(super) fn pending(&self, n_max: usize) -> Vec<Txid> {
        let live = self.transactions.iter().filter(|entry| entry.refusal == 0);
        live.map(|entry| *entry.key()).take(n_max).collect()
    }

    pub(super) fn spending(&self, outpoint: &OutPoint) -> Option<Spending> {
        self.spendings.get(outpoint).map(|spending| *spending)
    }

    /// The output of a final transaction that is not in a block yet.
    pub(super) fn final_output(&self, outpoint: &OutPoint) -> Option<TxOutput> {
        let entry = self.transactions.get(&outpoint.txid)?;
        let vout = usize::try_from(outpoint.vout).ok()?;
        let is_final = entry.status == TransactionStatus::Finalized;
        entry.transaction.outputs.get(vout).copied().filter(|_| is_final)
    }

    /// Outputs of final transactions to an address that are not in a block yet, ascending.
    pub(super) fn final_outputs(
        &self,
        address: &Address,
        after: Option<&OutPoint>,
        limit: usize,
    ) -> Vec<(OutPoint, TxOutput)> {
        let Some(outputs) = self.final_outputs.get(address) else { return Vec::new() };
        outputs.page(after, limit)
    }

    /// A transaction, first seen at `now` if not before, got further. Gives how long it took to
    /// become final where it just did.
    pub(super) fn on_transaction(
        &self,
        transaction: &VerifiedTransaction,
        status: &TransactionStatus,
        now: Instant,
    ) -> Option<Duration> {
        let txid = transaction.txid();
        let is_refused = matches!(status, TransactionStatus::Rejected(_));
        let refusal = if is_refused { self.remember_refused(txid) } else { 0 };
        let (before, seen_at) = self.replace(transaction, status, refusal, now);
        let was_live = before.as_ref().is_some_and(|before| !is_rejected(before));
        self.count(transaction, was_live, !is_refused);
        self.publish_spendings(transaction, status);
        let was_final = before == Some(TransactionStatus::Finalized);
        let is_final = *status == TransactionStatus::Finalized;
        if is_final && !was_final {
            self.add_outputs(transaction);
        } else if was_final && !is_final {
            self.remove_outputs(transaction);
        }
        self.waiters.wake(&txid);
        (is_final && !was_final).then(|| seen_at.elapsed())
    }

    /// A block is confirmed, and the store shows it. Gives how many of its transactions were not
    /// final before.
    pub(super) fn on_block(&self, commit: &BlockCommit) -> usize {
        let mut n_newly_final = commit.connected.block.transactions().len();
        self.durable.store(commit.height().0, Ordering::Release);
        for transaction in commit.connected.block.transactions() {
            let txid = transaction.txid();
            if let Some((_, entry)) = self.transactions.remove(&txid) {
                self.count(transaction, entry.refusal == 0, false);
                if entry.status == TransactionStatus::Finalized {
                    n_newly_final -= 1;
                    self.remove_outputs(transaction);
                }
            }
            for claim in transaction.claims() {
                self.spendings.remove(&claim);
            }
        }
        let state = &commit.connected.state;
        self.round.store(0, Ordering::Relaxed);
        if **self.masternodes.load() != state.masternodes {
            self.masternodes.store(Arc::new(state.masternodes.clone()));
        }
        self.tip.store(Arc::new(state.tip.clone()));
        for transaction in commit.connected.block.transactions() {
            self.waiters.wake(&transaction.txid());
        }
        self.tip_bell.ring();
        n_newly_final
    }

    pub(super) fn on_round(&self, round: u32) {
        self.round.store(round, Ordering::Relaxed);
    }

    /// Nothing more will come: whoever waits shall look why.
    pub(super) fn wake_all(&self) {
        self.waiters.wake_all();
        self.tip_bell.ring();
    }

    /// Puts the status in place; gives the one before and when the transaction was first seen.
    fn replace(
        &self,
        transaction: &VerifiedTransaction,
        status: &TransactionStatus,
        refusal: u64,
        now: Instant,
    ) -> (Option<TransactionStatus>, Instant) {
        match self.transactions.entry(transaction.txid()) {
            MapEntry::Occupied(mut entry) => {
                let entry = entry.get_mut();
                entry.refusal = refusal;
                let before = std::mem::replace(&mut entry.status, status.clone());
                (Some(before), entry.seen_at)
            }
            MapEntry::Vacant(place) => {
                let (transaction, status) = (transaction.clone(), status.clone());
                place.insert(Entry { transaction, status, seen_at: now, refusal });
                (None, now)
            }
        }
    }

    fn count(&self, transaction: &VerifiedTransaction, was_live: bool, is_live: bool) {
        match (was_live, is_live) {
            (false, true) => {
                self.n_transactions.fetch_add(1, Ordering::Relaxed);
                self.bytes.fetch_add(transaction.bytes(), Ordering::Relaxed);
            }
            (true, false) => {
                self.n_transactions.fetch_sub(1, Ordering::Relaxed);
                self.bytes.fetch_sub(transaction.bytes(), Ordering::Relaxed);
            }
            _ => {}
        }
    }

    /// Of two transactions that claim one output, readers see the one that is further.
    fn publish_spendings(&self, transaction: &VerifiedTransaction, status: &TransactionStatus) {
        let (by, state) = (transaction.txid(), OutpointState::of(status));
        if matches!(status, TransactionStatus::Contested) {
            return;
        }
        for claim in transaction.claims() {
            if state == OutpointState::Unspent {
                self.spendings.remove_if(&claim, |_, spending| spending.by == by);
                continue;
            }
            match self.spendings.entry(claim) {
                MapEntry::Occupied(mut entry) => {
                    let spending = entry.get_mut();
                    if spending.by == by || spending.state <= state {
                        *spending = Spending { by, state };
                    }
                }
                MapEntry::Vacant(place) => {
                    place.insert(Spending { by, state });
                }
            }
        }
    }

    fn add_outputs(&self, transaction: &VerifiedTransaction) {
        let txid = transaction.txid();
        for (vout, output) in (0u32..).zip(&transaction.outputs) {
            let outpoint = OutPoint { txid, vout };
            match self.final_outputs.entry(output.address) {
                MapEntry::Occupied(mut entry) => entry.get_mut().insert(outpoint, *output),
                MapEntry::Vacant(place) => {
                    place.insert(Few::One(outpoint, *output));
                }
            }
        }
    }

    fn remove_outputs(&self, transaction: &VerifiedTransaction) {
        let txid = transaction.txid();
        for (vout, output) in (0u32..).zip(&transaction.outputs) {
            if let MapEntry::Occupied(mut entry) = self.final_outputs.entry(output.address)
                && entry.get_mut().remove(&OutPoint { txid, vout })
            {
                entry.remove();
            }
        }
    }

    /// Numbers the refusal, and forgets the oldest where there are too many.
    fn remember_refused(&self, txid: Txid) -> u64 {
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        let number = refused.back().map_or(1, |(_, number)| number + 1);
        refused.push_back((txid, number));
        let oldest = (refused.len() > REFUSED_MAX).then(|| refused.pop_front()).flatten();
        drop(refused);
        if let Some((txid, number)) = oldest {
            self.transactions.remove_if(&txid, |_, entry| entry.refusal == number);
        }
        number
    }
}

fn is_rejected(status: &TransactionStatus) -> bool {
    matches!(status, TransactionStatus::Rejected(_))
}

/// How many refused transactions are remembered with their reasons.
const REFUSED_MAX: usize = 1_024;

#[cfg(test)]
mod tests;
