//! Votes: this masternode's own on their way out, everybody's on their way in.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::Engine;
use super::input::PeerId;
use super::output::{Event, Halt, Rejection, To, TransactionStatus};
use crate::finality::{Milestone, TxVotes};
use crate::ledger::view::UtxoView;
use crate::mempool::Mempool;
use crate::types::chain::{Height, Timestamp};
use crate::types::evidence::{Contradiction, Evidence};
use crate::types::hash::Txid;
use crate::types::keys::{KeyPair, Signature};
use crate::types::message::Message;
use crate::types::transaction::OutPoint;
use crate::types::verified::{Verified, VerifiedTransaction};
use crate::types::vote::{RejectReason, Vote, VoteBatch, VoteKind};
use crate::votes::{BatchTrees, VoteRef};

impl Engine {
    /// Signs the votes that were gathered, records them, sends them, and counts them like
    /// anybody's, until none are left (F8, F10).
    pub(super) fn sign_votes(&mut self, now: Timestamp, utxos: &dyn UtxoView) -> Result<(), Halt> {
        while self.finality.has_outbox() {
            let votes = self.finality.take_outbox();
            let mut left = &votes[..];
            while let Some((chunk, rest)) = left.split_at_checked(self.n_recordable(left))
                && !chunk.is_empty()
            {
                left = rest;
                let Some(batch) = self.sign_batch(chunk) else { continue };
                let batch = Arc::new(Verified::vouch(batch));
                let record = self.record_votes(&batch);
                self.persist(record);
                self.send(To::All, Message::Votes(VoteBatch::clone(&batch)));
                self.timers.sent_votes(&batch, now);
                self.notify_approved(&batch);
                let milestones = self.finality.on_votes(&batch);
                self.reach(milestones, None, now, utxos)?;
            }
        }
        self.timers.repeat_soon(now);
        Ok(())
    }

    fn sign_batch(&mut self, votes: &[Vote]) -> Option<VoteBatch> {
        let keys: KeyPair = self.keys.clone()?;
        let (voter, epoch) = (self.finality.own()?, self.finality.epoch());
        let mut allowed = Vec::with_capacity(votes.len());
        for vote in votes {
            let claims = claims_of(&self.mempool, &self.restored, &vote.txid());
            match self.guard.allow_vote(epoch, vote, claims) {
                Ok(()) => allowed.push(*vote),
                Err(refused) => self.refuse(&refused),
            }
        }
        if allowed.is_empty() {
            return None;
        }
        let set_hash = self.finality.set().hash();
        Some(VoteBatch::sign(self.chain.id(), epoch, set_hash, voter, allowed, &keys))
    }

    pub(super) fn claims_of(&self, txid: &Txid) -> impl Iterator<Item = OutPoint> + Clone {
        claims_of(&self.mempool, &self.restored, txid)
    }

    fn notify_approved(&mut self, batch: &VoteBatch) {
        for vote in batch.votes.iter().filter(|vote| vote.kind() == VoteKind::Approve) {
            self.notify_status(&vote.txid(), TransactionStatus::Approved);
        }
    }

    /// Tells how far a transaction is, unless more was told: the votes of others may have made it
    /// certified or final before this masternode signs its own.
    fn notify_status(&mut self, txid: &Txid, status: TransactionStatus) {
        let is_told = self.finality.get(txid).is_some_and(|votes| match status {
            TransactionStatus::Approved => votes.is_certified() || votes.is_final(),
            TransactionStatus::Certified | TransactionStatus::Contested => votes.is_final(),
            _ => false,
        });
        if is_told {
            return;
        }
        if let Some(entry) = self.mempool.get(txid) {
            let transaction = entry.transaction.clone();
            self.notify(Event::Transaction { transaction, status });
        }
    }

    pub(super) fn on_votes(
        &mut self,
        from: PeerId,
        batch: &Arc<Verified<VoteBatch>>,
        now: Timestamp,
        utxos: &dyn UtxoView,
    ) -> Result<(), Halt> {
        if batch.epoch != self.finality.epoch() {
            return Ok(());
        }
        self.recall_votes(batch, now);
        let mut milestones = self.finality.on_votes(batch);
        // Who shows the votes of others answers a question, and asks none.
        let voter = self.finality.set().get(batch.voter).map(|member| member.consensus_key);
        if voter != Some(from) {
            milestones.retain(|milestone| !matches!(milestone, Milestone::Behind(_)));
        }
        self.reach(milestones, Some(from), now, utxos)
    }

    /// Does what votes made possible.
    pub(super) fn reach(
        &mut self,
        milestones: Vec<Milestone>,
        from: Option<PeerId>,
        now: Timestamp,
        utxos: &dyn UtxoView,
    ) -> Result<(), Halt> {
        let mut unknown = Vec::new();
        let mut behind = Vec::new();
        for milestone in milestones {
            match milestone {
                Milestone::Certified(txid) => {
                    self.notify_status(&txid, TransactionStatus::Certified);
                    self.commit(&txid);
                }
                Milestone::Finalized(txid) => self.on_final(txid, now, utxos)?,
                Milestone::RejectedByQuorum(txid) => self.on_rejected_by_quorum(&txid),
                Milestone::Split(txid) => {
                    self.notify_status(&txid, TransactionStatus::Contested);
                    self.timers.contested();
                }
                Milestone::Contradiction { approve, reject } => {
                    self.on_contradicting_votes(&approve, &reject, now)?;
                }
                Milestone::Unknown(txid) => unknown.push(txid),
                Milestone::Behind(txid) => behind.push(txid),
            }
        }
        if let Some(from) = from {
            self.answer_repeated(from, &behind, now);
        }
        self.on_unknown(from, unknown, now, utxos)
    }

    /// Votes on transactions that are not here: a block holds them, or they are to come.
    fn on_unknown(
        &mut self,
        from: Option<PeerId>,
        mut txids: Vec<Txid>,
        now: Timestamp,
        utxos: &dyn UtxoView,
    ) -> Result<(), Halt> {
        txids.sort_unstable();
        txids.dedup();
        let mut missing = Vec::new();
        let mut lowest: Option<Height> = None;
        for txid in txids {
            match self.decided_view(utxos).confirmed_at(&txid)? {
                None if !self.mempool.is_waiting(&txid) => missing.push(txid),
                None => {}
                Some(height) => {
                    self.finality.settle(&txid, std::iter::empty());
                    lowest = Some(lowest.map_or(height, |lowest| lowest.min(height)));
                }
            }
        }
        if let (Some(from), Some(height)) = (from, lowest) {
            self.answer_late_vote(from, height, now);
        }
        if let Some(from) = from {
            self.look_for(from, missing, now);
        }
        Ok(())
    }

    /// The voter has not seen the block that holds what it votes on, or its vote was only under
    /// way when the block was decided: then it does not say it again.
    fn answer_late_vote(&mut self, from: PeerId, height: Height, now: Timestamp) {
        let is_news = self.decided_at.is_some_and(|at| self.told_blocks.is_news(at, now));
        if !is_news && self.told_blocks.may_tell(from, now) {
            self.answer_with_block(Some(from), height);
        }
    }

    /// A voter that says again what is final here lacks Commits: it is shown the batches that hold
    /// a quorum of them, which are few for any number of transactions; or else certificates.
    fn answer_repeated(&mut self, from: PeerId, txids: &[Txid], now: Timestamp) {
        let quorum = self.finality.set().quorum();
        let asker = self.finality.set().index_of(&from);
        let own = self.keys.as_ref().and_then(|keys| self.finality.set().index_of(&keys.public()));
        let mut shown: BTreeSet<Signature> = BTreeSet::new();
        let mut trees = BatchTrees::default();
        for txid in txids {
            if !self.told_finals.has_room(from, now) {
                return;
            }
            let Some(votes) = self.finality.get(txid) else { continue };
            let commits: Vec<_> = votes.tally().votes(VoteKind::Commit).take(quorum).collect();
            let mut answers = Vec::new();
            // A batch of its own that its log has lost is for others to show.
            let is_lost = |vote: &VoteRef| {
                Some(vote.voter()) == own
                    && !self.recorded.batches.contains(&vote.batch().signature)
            };
            if commits.len() < quorum || commits.iter().any(|vote| is_lost(vote)) {
                let certificate = self.finality.finality_certificate(txid, &mut trees);
                answers.extend(certificate.map(|c| Message::FinalityCertificate((*c).clone())));
            } else {
                let others = commits.iter().filter(|vote| Some(vote.voter()) != asker);
                for batch in others.map(|vote| vote.batch()) {
                    if shown.insert(batch.signature) {
                        answers.push(Message::Votes(VoteBatch::clone(batch)));
                    }
                }
            }
            for answer in answers {
                if !self.told_finals.may_tell(from, now) {
                    return;
                }
                self.send(To::Peer(from), answer);
            }
        }
    }

    /// A transaction came for which votes were here before.
    pub(super) fn resume_votes(
        &mut self,
        txid: Txid,
        now: Timestamp,
        utxos: &dyn UtxoView,
    ) -> Result<(), Halt> {
        let votes = self.finality.get(&txid);
        let is_certified = votes.is_some_and(TxVotes::is_certified);
        if self.finality.is_final(&txid) {
            self.on_final(txid, now, utxos)?;
        }
        if is_certified {
            self.commit(&txid);
        }
        Ok(())
    }

    /// Promises a Commit, where the rules allow (F3).
    pub(super) fn commit(&mut self, txid: &Txid) {
        if self.is_silent() {
            return;
        }
        let Some(entry) = self.mempool.get(txid) else { return };
        let in_prepared_block =
            |claim: &OutPoint| self.prepared_claims.spender(&self.consensus, claim);
        let claims = entry.transaction.claims();
        let is_promised = self.finality.try_commit(*txid, claims, in_prepared_block);
        if is_promised && !entry.is_pinned() {
            self.mempool.pin(txid);
        }
    }

    /// A transaction is irreversible: its outputs can be spent at once (F4).
    fn on_final(&mut self, txid: Txid, now: Timestamp, utxos: &dyn UtxoView) -> Result<(), Halt> {
        let Some(entry) = self.mempool.get(&txid) else { return Ok(()) };
        let transaction: VerifiedTransaction = entry.transaction.clone();
        if !entry.is_pinned() {
            self.mempool.pin(&txid);
        }
        self.timers.add_final(transaction.bytes());
        let losers = self.mempool.conflicts(&transaction);
        let status = TransactionStatus::Finalized;
        self.notify(Event::Transaction { transaction, status });
        for (outpoint, loser) in losers {
            let reason = RejectReason::ConflictsWithFinal;
            let rejection = Rejection::Conflict { outpoint, by: txid, reason };
            self.notify_status(&loser, TransactionStatus::from(rejection));
        }
        self.release_waiting(&txid, now, utxos)
    }

    /// It can't be certified in this epoch, so this masternode's Approve of it is free (F6).
    fn on_rejected_by_quorum(&mut self, txid: &Txid) {
        let claims: Vec<OutPoint> = self.claims_of(txid).collect();
        self.finality.release(txid, claims.iter().copied());
        self.guard.release_approve(txid, claims.into_iter());
        self.timers.contested();
        let is_certified = self.finality.get(txid).is_some_and(TxVotes::is_certified);
        if !is_certified {
            let status = TransactionStatus::from(Rejection::RejectedByQuorum);
            self.notify_status(txid, status);
        }
        self.consider_waiting();
    }

    fn on_contradicting_votes(
        &mut self,
        approve: &VoteRef,
        reject: &VoteRef,
        now: Timestamp,
    ) -> Result<(), Halt> {
        let set = self.finality.set().clone();
        let Some(offender) = set.get(approve.voter()) else { return Ok(()) };
        let evidence = Evidence {
            offender: offender.consensus_key,
            set_hash: set.hash(),
            contradiction: Contradiction::Votes {
                epoch: self.finality.epoch(),
                approve: (approve.vote(), approve.proof()),
                reject: (reject.vote(), reject.proof()),
            },
        };
        self.on_evidence(Verified::vouch(evidence), now)
    }
}

/// What a transaction claims that waits or was restored; nothing where it is not known.
fn claims_of<'a>(
    mempool: &'a Mempool,
    restored: &'a BTreeMap<Txid, VerifiedTransaction>,
    txid: &Txid,
) -> impl Iterator<Item = OutPoint> + Clone + use<'a> {
    let entry = mempool.get(txid).map(|entry| &entry.transaction);
    let transaction = entry.or_else(|| restored.get(txid));
    transaction.into_iter().flat_map(|transaction| transaction.claims())
}
