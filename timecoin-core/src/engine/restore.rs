//! Taking up after a restart: what the vote log holds is promised still (PROTOCOL 6).

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::Engine;
use super::output::{Halt, Record};
use crate::consensus::Restored;
use crate::ledger::block::verify_block;
use crate::ledger::transaction::{Spend, SpendError, TransactionError, check_spend};
use crate::ledger::view::UtxoView;
use crate::types::ballot::{Choice, SignedBallot};
use crate::types::block::Block;
use crate::types::certificate::PreparedCertificate;
use crate::types::chain::{Height, Timestamp};
use crate::types::encode::encoded_len;
use crate::types::hash::Txid;
use crate::types::message::RoundChange;
use crate::types::transaction::{OutPoint, Transaction};
use crate::types::verified::{Verified, VerifiedTransaction};
use crate::types::vote::{Vote, VoteBatch, VoteKind};

/// Records that wait for the first call that can read outputs.
#[derive(Clone, Debug)]
pub(super) struct Restore {
    records: Vec<Record>,
}

impl Restore {
    pub(super) fn new(records: Vec<Record>) -> Self {
        Restore { records }
    }
}

impl Engine {
    /// Runs before anything else that this engine does, once.
    pub(super) fn restore_if_needed(
        &mut self,
        now: Timestamp,
        utxos: &dyn UtxoView,
    ) -> Result<(), Halt> {
        let Some(Restore { records }) = self.restore.take().filter(|_| !self.is_halted) else {
            return Ok(());
        };
        if self.guard.is_observing() {
            let drift = Duration::from_millis(self.chain.params().clock_drift_ms_max);
            self.observes_past = Some(now.after(drift));
        }
        let is_new = records.is_empty() && self.state.tip.height == Height::ZERO;
        let mut ballots = Restored::default();
        let mut dead: BTreeSet<Txid> = BTreeSet::new();
        let epoch = self.finality.epoch();
        let is_epoch_end = self.chain.params().is_epoch_end(self.state.next_height());
        if is_epoch_end || records.iter().any(|r| matches!(r, Record::Frozen(e) if *e == epoch)) {
            self.finality.freeze();
            self.guard.freeze();
        }
        // Before anything is counted, which could make a promise due.
        self.ask_first(is_new, now);
        // Ballots first: counting votes makes Commits due, and a block that this masternode has
        // Prepared may stand against them (F5a).
        let of_epoch = records.into_iter().filter(|record| record.epoch() == epoch);
        let (recorded_ballots, others): (Vec<Record>, Vec<Record>) =
            of_epoch.partition(|record| matches!(record, Record::Ballot { .. }));
        for record in recorded_ballots {
            if let Record::Ballot { ballot, block, prepared } = record
                && ballot.ballot.height == self.state.next_height()
            {
                self.restore_ballot(&mut ballots, ballot, block, prepared);
            }
        }
        self.consensus.restore(ballots);
        self.prepared_claims.forget();
        for record in others {
            match record {
                Record::Votes { batch, transactions, supports, certificates } => {
                    for transaction in transactions {
                        let txid = transaction.txid();
                        if !self.restore_transaction(transaction, now, utxos)? {
                            dead.insert(txid);
                        }
                    }
                    for certificate in certificates {
                        let mut milestones = Vec::new();
                        let certificate = Arc::new(Verified::vouch((*certificate).clone()));
                        self.recorded.certificates.insert(certificate.txid);
                        self.finality.on_approve_certificate(certificate, &mut milestones);
                        self.reach(milestones, None, now, utxos)?;
                    }
                    for support in supports {
                        self.count_restored((*support).clone(), now, utxos)?;
                    }
                    self.promise_again(&batch, &dead, utxos)?;
                    self.count_restored(batch, now, utxos)?;
                }
                Record::Ballot { .. }
                | Record::Frozen(_)
                | Record::Observing(_)
                | Record::Violation(_) => {}
            }
        }
        if is_epoch_end && !self.is_silent() {
            self.send_inventory(now);
        }
        self.timers.repeat_soon(now);
        Ok(())
    }

    /// Puts a recorded transaction back into the mempool; its signatures were checked before it
    /// was recorded. False where a block made it impossible: it holds nothing any more (F6).
    fn restore_transaction(
        &mut self,
        transaction: Arc<Transaction>,
        now: Timestamp,
        utxos: &dyn UtxoView,
    ) -> Result<bool, Halt> {
        let (txid, wtxid, bytes) =
            (transaction.txid(), transaction.wtxid(), encoded_len(&*transaction));
        let transaction = VerifiedTransaction::vouch(transaction, txid, wtxid, bytes);
        self.recorded.transactions.insert(txid);
        let view = self.spendable_view(utxos);
        if view.confirmed_at(&txid)?.is_some() {
            return Ok(true);
        }
        let spend: Result<Spend, Option<OutPoint>> =
            match check_spend(&transaction, &self.spend_context(), &view) {
                Ok(spend) => Ok(spend),
                Err(SpendError::View(error)) => return Err(error.into()),
                Err(SpendError::Invalid(error)) if error.is_settled() => return Ok(false),
                Err(SpendError::Invalid(TransactionError::UnknownInput { outpoint })) => {
                    Err(Some(outpoint))
                }
                Err(SpendError::Invalid(_)) => {
                    Err(transaction.inputs.first().map(|input| input.previous_output))
                }
            };
        self.restored.insert(txid, transaction.clone());
        match spend {
            Ok(spend) => {
                self.mempool.admit_pinned(transaction, spend, now);
                self.finality.note_known(txid);
            }
            // Its parent is final, and the proof of that comes again from the others.
            Err(Some(missing)) => {
                self.mempool.wait(transaction, missing, None, now).ok();
            }
            Err(None) => {}
        }
        Ok(true)
    }

    fn count_restored(
        &mut self,
        batch: VoteBatch,
        now: Timestamp,
        utxos: &dyn UtxoView,
    ) -> Result<(), Halt> {
        self.recorded.batches.insert(batch.signature);
        let milestones = self.finality.on_votes(&Arc::new(Verified::vouch(batch)));
        self.reach(milestones, None, now, utxos)
    }

    /// Own votes hold the locks that they held, unless a block has settled them since.
    fn promise_again(
        &mut self,
        batch: &VoteBatch,
        dead: &BTreeSet<Txid>,
        utxos: &dyn UtxoView,
    ) -> Result<(), Halt> {
        for vote in &batch.votes {
            let txid = vote.txid();
            let is_confirmed = self.decided_view(utxos).confirmed_at(&txid)?.is_some();
            let is_settled = is_confirmed || dead.contains(&txid);
            let claims: Vec<OutPoint> =
                if is_settled { Vec::new() } else { self.claims_of(&txid).collect() };
            if vote.kind() == VoteKind::Approve {
                self.release_earlier(&txid, &claims);
            }
            if let Err(refused) = self.guard.note_vote(vote, claims.iter().copied()) {
                return Err(Halt::Invariant(format!("the vote log contradicts itself: {refused}")));
            }
            if is_settled {
                continue;
            }
            let has_voted = self.finality.get(&txid).is_some_and(|v| v.own_decision().is_some());
            match vote {
                Vote::Approve(_) if !has_voted => {
                    let bytes = self.restored.get(&txid).map_or(0, VerifiedTransaction::bytes);
                    self.finality.lock_approve(txid, bytes, claims.into_iter());
                }
                Vote::Commit(_) => self.finality.lock_commit(txid, claims.into_iter()),
                Vote::Reject(..) if !has_voted => self.finality.note_rejected(txid),
                Vote::Approve(_) | Vote::Reject(..) => {}
            }
        }
        Ok(())
    }

    /// An Approve in the log was signed when nothing stood against it: an earlier one of the same
    /// outpoint had been released by then, because a quorum rejected its transaction (F6).
    fn release_earlier(&mut self, txid: &Txid, claims: &[OutPoint]) {
        let held = claims.iter().filter_map(|claim| self.finality.approved_spender(claim));
        let earlier: BTreeSet<Txid> = held.filter(|by| by != txid).collect();
        for released in earlier {
            let claims: Vec<OutPoint> = self.claims_of(&released).collect();
            self.finality.release(&released, claims.iter().copied());
            self.guard.release_approve(&released, claims.into_iter());
        }
    }

    fn restore_ballot(
        &mut self,
        restored: &mut Restored,
        ballot: SignedBallot,
        block: Option<Arc<Block>>,
        prepared: Option<PreparedCertificate>,
    ) {
        if self.guard.note_ballot(&ballot.ballot).is_err() {
            return;
        }
        let block = block.and_then(|block| verify_block(block, &self.chain, &|_| None).ok());
        if let Some(block) = block {
            self.recorded.blocks.insert(block.hash());
            self.consensus.add_block(block, None);
        }
        if let Some(prepared) = prepared {
            self.recorded.prepared = Some(prepared.prepared());
            let known = restored.prepared.take();
            let highest = known.into_iter().chain([prepared]).max_by_key(|p| p.round);
            restored.prepared = highest;
        }
        if let Choice::RoundChange(claim) = ballot.ballot.choice {
            let certificate =
                restored.prepared.clone().filter(|known| Some(known.prepared()) == claim);
            let change = RoundChange { ballot, certificate };
            self.consensus.on_round_change(change);
        }
        restored.ballots.push(ballot);
    }
}
