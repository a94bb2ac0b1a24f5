//! Finality of transactions by two rounds of votes, before any block (PROTOCOL 4).
//!
//! Owns the votes of one epoch and this masternode's locks. It knows transactions by id and by
//! the outpoints they claim; bodies are the mempool's. Rules are tagged F1 to F11.

mod inventory;
mod locks;
mod unknown_votes;
mod votes;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

pub use inventory::Inventories;
pub use locks::Locks;
pub(crate) use unknown_votes::{UNKNOWN_BYTES_PER_VOTER_MAX, UNKNOWN_PER_VOTER_MAX};
pub use votes::{Decision, Milestone, TxVotes};

use crate::types::certificate::{ApproveCertificate, FinalityCertificate};
use crate::types::chain::Epoch;
use crate::types::hash::Txid;
use crate::types::keys::Signature;
use crate::types::map::HashMap;
use crate::types::masternode_set::{MasternodeIndex, MasternodeSet};
use crate::types::transaction::OutPoint;
use crate::types::verified::Verified;
use crate::types::vote::{RejectReason, Vote, VoteBatch, VoteKind};
use crate::votes::{BatchTrees, VoteRef};
use unknown_votes::UnknownVotes;

/// How much this masternode may have approved and not seen confirmed (F9).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Backlog {
    /// Transactions.
    pub transactions: usize,
    /// Bytes of their encodings.
    pub bytes: usize,
}

/// What a masternode that knows a transaction should say about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing stands against it (F1).
    Approve,
    /// It conflicts for good (F2).
    Reject(RejectReason),
    /// Not now: the backlog is full (F9), a prepared block conflicts (F5a), votes are closed, or
    /// it has been voted on.
    Wait,
}

/// The votes of an epoch, and what this masternode has promised in it.
#[derive(Clone, Debug)]
pub struct Finality {
    epoch: Epoch,
    set: MasternodeSet,
    own: Option<MasternodeIndex>,
    is_frozen: bool,
    votes: HashMap<Txid, TxVotes>,
    locks: Locks,
    includable: Includable,
    backlog: Backlog,
    backlog_max: Backlog,
    outbox: Vec<Vote>,
    /// By voter.
    unknown: Vec<UnknownVotes>,
}

impl Finality {
    /// Nothing voted yet in `epoch`. `own` is this node's position, if it may vote.
    pub fn new(
        epoch: Epoch,
        set: MasternodeSet,
        own: Option<MasternodeIndex>,
        backlog_max: Backlog,
    ) -> Self {
        let unknown = vec![UnknownVotes::default(); set.len()];
        Finality {
            epoch,
            set,
            own,
            is_frozen: false,
            votes: HashMap::default(),
            locks: Locks::default(),
            includable: Includable::default(),
            backlog: Backlog::default(),
            backlog_max,
            outbox: Vec::new(),
            unknown,
        }
    }

    /// The epoch whose votes these are.
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// The masternodes whose votes count.
    pub fn set(&self) -> &MasternodeSet {
        &self.set
    }

    /// This node's position, if it may vote.
    pub fn own(&self) -> Option<MasternodeIndex> {
        self.own
    }

    /// This node votes no more in this epoch; what it has not signed yet it never will.
    pub fn observe(&mut self) {
        self.own = None;
        self.outbox.clear();
    }

    /// Whether the votes of the epoch are closed here.
    pub fn is_frozen(&self) -> bool {
        self.is_frozen
    }

    /// Closes the votes: no new Approve or Commit in this epoch.
    pub fn freeze(&mut self) {
        self.is_frozen = true;
    }

    /// What is known of the votes on a transaction.
    pub fn get(&self, txid: &Txid) -> Option<&TxVotes> {
        self.votes.get(txid)
    }

    /// Of how many transactions votes are kept.
    pub fn n_transactions(&self) -> usize {
        self.votes.len()
    }

    /// Bytes of the batches that are kept for their votes on transactions that are not here.
    pub(crate) fn unknown_bytes(&self) -> usize {
        self.unknown.iter().map(UnknownVotes::bytes).sum()
    }

    /// What is kept of the votes of the epoch, by name.
    pub(crate) fn tables(&self) -> [(&'static str, usize); 5] {
        [
            ("votes", self.votes.len()),
            ("locked outpoints", self.locks.len()),
            ("final", self.includable.finals.len()),
            ("certified", self.includable.certified.len()),
            ("votes to sign", self.outbox.len()),
        ]
    }

    /// Whether a transaction has its finality certificate here.
    pub fn is_final(&self, txid: &Txid) -> bool {
        self.votes.get(txid).is_some_and(|votes| votes.is_final())
    }

    /// What this masternode should say about a valid transaction that claims `claims`.
    ///
    /// `in_prepared_block` says which transaction of a block that this masternode has Prepared
    /// takes an outpoint (F5a).
    pub fn judge(
        &self,
        txid: &Txid,
        bytes: usize,
        claims: impl Iterator<Item = OutPoint>,
        in_prepared_block: impl Fn(&OutPoint) -> Option<Txid>,
    ) -> Verdict {
        let voted = self.votes.get(txid).is_some_and(|votes| votes.own_decision().is_some());
        if self.own.is_none() || voted {
            return Verdict::Wait;
        }
        let mut is_blocked = self.is_frozen || self.is_full(bytes);
        for claim in claims {
            let lock = self.locks.get(&claim).copied().unwrap_or_default();
            if let Some(by) = lock.approve.filter(|by| by != txid) {
                let is_final = self.is_final(&by);
                return Verdict::Reject(if is_final {
                    RejectReason::ConflictsWithFinal
                } else {
                    RejectReason::ConflictsWithApproved
                });
            }
            if lock.commit.is_some_and(|by| by != *txid) {
                return Verdict::Reject(RejectReason::ConflictsWithFinal);
            }
            is_blocked |= in_prepared_block(&claim).is_some_and(|by| by != *txid);
        }
        if is_blocked { Verdict::Wait } else { Verdict::Approve }
    }

    fn is_full(&self, bytes: usize) -> bool {
        self.backlog.transactions >= self.backlog_max.transactions
            || self.backlog.bytes + bytes > self.backlog_max.bytes
    }

    /// Whether the backlog has no room for a transaction of usual size (F9).
    pub fn is_backlog_full(&self) -> bool {
        self.is_full(USUAL_BYTES)
    }

    /// Promises an Approve: locks the claims and queues the vote (F1, F2).
    pub fn approve(&mut self, txid: Txid, bytes: usize, claims: impl Iterator<Item = OutPoint>) {
        self.lock_approve(txid, bytes, claims);
        self.outbox.push(Vote::Approve(txid));
    }

    /// Locks the claims of an Approve that is recorded already.
    pub fn lock_approve(
        &mut self,
        txid: Txid,
        bytes: usize,
        claims: impl Iterator<Item = OutPoint>,
    ) {
        claims.for_each(|claim| self.locks.approve(claim, txid));
        self.backlog.transactions += 1;
        self.backlog.bytes += bytes;
        let votes = self.votes.entry(txid).or_default();
        votes.set_approved(bytes);
    }

    /// Promises a Reject and queues it (F2).
    pub fn reject(&mut self, txid: Txid, reason: RejectReason) {
        self.votes.entry(txid).or_default().set_rejected();
        self.outbox.push(Vote::Reject(txid, reason));
    }

    /// Remembers a Reject that is recorded already.
    pub fn note_rejected(&mut self, txid: Txid) {
        self.votes.entry(txid).or_default().set_rejected();
    }

    /// Promises a Commit where F3 and F5a allow: there is an approve certificate, no conflicting
    /// live Commit, no conflicting prepared block, and votes are open.
    pub fn try_commit(
        &mut self,
        txid: Txid,
        claims: impl Iterator<Item = OutPoint> + Clone,
        in_prepared_block: impl Fn(&OutPoint) -> Option<Txid>,
    ) -> bool {
        let is_due = self.votes.get(&txid).is_some_and(|v| v.is_certified() && !v.own_commit());
        if self.own.is_none() || self.is_frozen || !is_due {
            return false;
        }
        let conflicts = |claim: OutPoint| {
            let by_commit = self.committed_spender(&claim).is_some_and(|by| by != txid);
            by_commit || in_prepared_block(&claim).is_some_and(|by| by != txid)
        };
        if claims.clone().any(conflicts) {
            return false;
        }
        self.lock_commit(txid, claims);
        self.outbox.push(Vote::Commit(txid));
        true
    }

    /// Locks the claims of a Commit that is recorded already.
    pub fn lock_commit(&mut self, txid: Txid, claims: impl Iterator<Item = OutPoint>) {
        claims.for_each(|claim| self.locks.commit(claim, txid));
        self.votes.entry(txid).or_default().set_committed();
    }

    /// The votes to sign next; the caller signs them all.
    pub fn take_outbox(&mut self) -> Vec<Vote> {
        std::mem::take(&mut self.outbox)
    }

    /// Whether votes wait to be signed.
    pub fn has_outbox(&self) -> bool {
        !self.outbox.is_empty()
    }

    /// Who holds this masternode's live Approve on an outpoint.
    pub fn approved_spender(&self, outpoint: &OutPoint) -> Option<Txid> {
        self.locks.get(outpoint)?.approve
    }

    /// Who holds this masternode's live Approve on an outpoint, and who its live Commit.
    pub fn spenders(&self, outpoint: &OutPoint) -> [Option<Txid>; 2] {
        self.locks.get(outpoint).map_or([None, None], |lock| [lock.approve, lock.commit])
    }

    /// Who holds this masternode's live Commit on an outpoint.
    pub fn committed_spender(&self, outpoint: &OutPoint) -> Option<Txid> {
        self.locks.get(outpoint)?.commit
    }

    /// What this masternode has Committed and not seen confirmed, ascending.
    pub fn open_commits(&self) -> BTreeSet<Txid> {
        let open = self.votes.iter().filter(|(_, votes)| votes.own_commit());
        open.map(|(txid, _)| *txid).collect()
    }

    /// Final transactions that no block holds, in the order in which they became final here:
    /// parents before children.
    pub fn finals(&self) -> impl ExactSizeIterator<Item = &Txid> {
        self.includable.finals.values()
    }

    /// Certified transactions that are not final here and that no block holds, in order.
    pub fn certified(&self) -> impl Iterator<Item = &Txid> {
        self.includable.certified.values()
    }

    /// Batches that hold own votes on transactions that are not final here, each once.
    pub fn undecided_batches(
        &self,
        own: MasternodeIndex,
        batches_max: usize,
    ) -> Vec<Arc<Verified<VoteBatch>>> {
        let mut batches: BTreeMap<Signature, Arc<Verified<VoteBatch>>> = BTreeMap::new();
        let is_open = |votes: &TxVotes| !votes.is_final() && votes.has_promise();
        let open: BTreeMap<&Txid, &TxVotes> =
            self.votes.iter().filter(|(_, votes)| is_open(votes)).collect();
        for votes in open.into_values() {
            let own_votes = [VoteKind::Approve, VoteKind::Commit].map(|k| votes.tally().of(k, own));
            for batch in own_votes.into_iter().flatten().map(VoteRef::batch) {
                if batches.len() >= batches_max {
                    return batches.into_values().collect();
                }
                batches.entry(batch.signature).or_insert_with(|| Arc::clone(batch));
            }
        }
        batches.into_values().collect()
    }

    /// Releases this masternode's Approve of a transaction (F6). The caller knows why it may.
    pub fn release(&mut self, txid: &Txid, claims: impl Iterator<Item = OutPoint>) {
        claims.for_each(|claim| self.locks.release_approve(claim, txid));
        let bytes = self.votes.get_mut(txid).and_then(TxVotes::take_backlog);
        self.leave_backlog(bytes);
    }

    fn leave_backlog(&mut self, bytes: Option<usize>) {
        if let Some(bytes) = bytes {
            self.backlog.transactions -= 1;
            self.backlog.bytes -= bytes;
        }
    }

    /// Forgets a transaction that is in a decided block, or that such a block made impossible:
    /// all its locks are released (F6).
    pub fn settle(&mut self, txid: &Txid, claims: impl Iterator<Item = OutPoint>) {
        claims.for_each(|claim| self.locks.settle(claim, txid));
        if let Some(mut votes) = self.votes.remove(txid) {
            self.leave_backlog(votes.take_backlog());
            self.includable.forget(&votes);
        }
    }

    /// The approve certificate of a transaction, if there is one.
    pub fn approve_certificate(
        &self,
        txid: &Txid,
        trees: &mut BatchTrees,
    ) -> Option<Arc<ApproveCertificate>> {
        self.votes.get(txid)?.approve_certificate(*txid, self.epoch, &self.set, trees)
    }

    /// The finality certificate of a transaction, if there is one.
    pub fn finality_certificate(
        &self,
        txid: &Txid,
        trees: &mut BatchTrees,
    ) -> Option<Arc<FinalityCertificate>> {
        self.votes.get(txid)?.finality_certificate(*txid, self.epoch, &self.set, trees)
    }
}

/// What the next block should hold, in the order in which it got so far here.
#[derive(Clone, Debug, Default)]
struct Includable {
    finals: BTreeMap<u64, Txid>,
    certified: BTreeMap<u64, Txid>,
    next_order: u64,
}

impl Includable {
    fn next_order(&mut self) -> u64 {
        self.next_order += 1;
        self.next_order
    }

    fn forget(&mut self, votes: &TxVotes) {
        if let Some(order) = votes.order() {
            let ordered = if votes.is_final() { &mut self.finals } else { &mut self.certified };
            ordered.remove(&order);
        }
    }
}

/// The size that decides whether the backlog counts as full.
const USUAL_BYTES: usize = 1_000;
