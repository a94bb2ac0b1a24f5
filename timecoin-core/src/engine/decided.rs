//! A height is decided, here or by somebody who shows the certificate.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::input::PeerId;
use super::output::{
    BlockCommit, Event, Halt, Output, Record, Rejection, To, TransactionStatus, Violation,
};
use super::{Engine, own_index};
use crate::consensus::Consensus;
use crate::ledger::block::{Connected, VerifiedBlock};
use crate::ledger::view::UtxoView;
use crate::types::block::Block;
use crate::types::certificate::CommitCertificate;
use crate::types::chain::{Height, Timestamp};
use crate::types::hash::Txid;
use crate::types::message::{Decided, Message};
use crate::types::transaction::{OutPoint, TxKind};
use crate::types::verified::VerifiedTransaction;
use crate::types::vote::RejectReason;

impl Engine {
    pub(super) fn on_decided(
        &mut self,
        from: PeerId,
        block: VerifiedBlock,
        certificate: CommitCertificate,
        now: Timestamp,
        utxos: &dyn UtxoView,
    ) -> Result<(), Halt> {
        let next = self.state.next_height();
        if block.height() > next {
            self.timers.ask(from, now, true);
            return Ok(());
        }
        if block.height() < next {
            return self.check_same_chain(block.height(), certificate, utxos);
        }
        if let Some(other) = self.other_tip(&block) {
            return self.check_same_chain(other.height, other, utxos);
        }
        self.sign_votes(now, utxos)?;
        self.consensus.add_block(block, None);
        self.decide(certificate, now, utxos)?;
        self.advance(now, utxos)
    }

    /// The proof that another block than this node's tip is decided at its height, where the next
    /// decided block has one.
    fn other_tip(&self, next: &VerifiedBlock) -> Option<CommitCertificate> {
        let tip = &self.state.tip;
        let (epoch, set) = (self.chain.params().epoch_of(tip.height), &self.state.tip_masternodes);
        let certificate = next.header().parent_certificate.as_ref()?;
        let is_of_parent = (certificate.epoch, certificate.height, certificate.block)
            == (epoch, tip.height, next.header().parent);
        let is_other = is_of_parent && certificate.block != tip.hash;
        let is_proof = is_other && certificate.verify(self.chain.id(), set).is_ok();
        is_proof.then(|| certificate.clone())
    }

    /// Two certified blocks at one height prove that more than `f` masternodes are faulty: this
    /// node confirms nothing more, in this life and in every later one (PROTOCOL 5, fork
    /// resolution).
    fn check_same_chain(
        &mut self,
        height: Height,
        other: CommitCertificate,
        utxos: &dyn UtxoView,
    ) -> Result<(), Halt> {
        let Some(own) = self.certificate_at(height, utxos)? else { return Ok(()) };
        if own.block == other.block {
            return Ok(());
        }
        let signers: BTreeSet<u16> = other.signers().collect();
        let both = own.signers().filter(|voter| signers.contains(voter));
        let is_current = other.epoch == self.finality.epoch();
        let set = if is_current { &self.state.masternodes } else { &self.state.tip_masternodes };
        let signed_both = both.filter_map(|v| set.get(v).map(|m| m.consensus_key)).collect();
        let violation = Violation { own, other, signed_both };
        self.is_halted = true;
        self.persist(Record::Violation(Box::new(violation.clone())));
        self.notify(Event::SafetyViolation(Box::new(violation)));
        Ok(())
    }

    fn certificate_at(
        &self,
        height: Height,
        utxos: &dyn UtxoView,
    ) -> Result<Option<CommitCertificate>, Halt> {
        if height == self.state.tip.height {
            return Ok(self.state.tip.certificate.clone());
        }
        Ok(self.decided_view(utxos).certificate_at(height)?)
    }

    /// Applies the block that a quorum committed to.
    pub(super) fn decide(
        &mut self,
        certificate: CommitCertificate,
        now: Timestamp,
        utxos: &dyn UtxoView,
    ) -> Result<(), Halt> {
        let hash = certificate.block;
        self.recall_commit(&certificate, now);
        let connected = self.connected_for_decision(&certificate, utxos)?;
        let losers = self.settle(&connected.block)?;
        let connected = connected.decide(certificate.clone());
        self.tip_seals = self.consensus.commit_seals(certificate.round, hash).to_vec();
        self.tip_seals.extend(&certificate.seals);
        let commit = Arc::new(BlockCommit { connected, certificate });
        self.unstaged.push(Arc::clone(&commit));
        self.outputs.push_back(Output::Commit(Arc::clone(&commit)));
        self.tell_those_not_heard(&commit);
        self.notify(Event::Block(Arc::clone(&commit)));
        for (loser, rejection) in losers {
            let status = TransactionStatus::from(rejection);
            self.notify(Event::Transaction { transaction: loser, status });
        }
        debug_assert_eq!(hash, commit.connected.block.hash());
        self.begin_height(&commit, now, utxos)
    }

    /// A quorum committed, so the block is valid for every correct node: anything else is a
    /// fault of this one, and it must not go on.
    fn connected_for_decision(
        &mut self,
        certificate: &CommitCertificate,
        utxos: &dyn UtxoView,
    ) -> Result<Connected, Halt> {
        if let Some(connected) = self.consensus.take_connected(&certificate.block) {
            return Ok(connected);
        }
        let candidate = self.consensus.candidate(&certificate.block);
        let block = candidate.map(|candidate| candidate.block.clone()).ok_or_else(|| {
            Halt::Invariant(format!("decided block {} is not in hand", certificate.block))
        })?;
        self.connect(&block, utxos)?.ok_or_else(|| {
            Halt::Invariant(format!("decided block {} is not valid here", certificate.block))
        })
    }

    /// Masternodes whose Commit is not in the certificate may not have decided.
    fn tell_those_not_heard(&mut self, commit: &BlockCommit) {
        let signers: BTreeSet<u16> = commit.certificate.signers().collect();
        let is_signer = self.finality.own().is_some_and(|own| signers.contains(&own));
        if !is_signer {
            return;
        }
        let block: &Arc<Block> = commit.connected.block.block();
        let members = self.finality.set().members().iter();
        let absent: Vec<PeerId> = (0u16..)
            .zip(members)
            .filter(|(index, _)| !signers.contains(index))
            .map(|(_, member)| member.consensus_key)
            .collect();
        for peer in absent {
            let certificate = commit.certificate.clone();
            let decided = Decided { block: Arc::clone(block), certificate };
            self.send(To::Peer(peer), Message::Decided(decided));
        }
    }

    /// Releases every lock that the block settles, and lets go of what it makes impossible (F6).
    /// Nothing final is, but where more than `f` masternodes are faulty: then this node confirms
    /// nothing more.
    fn settle(
        &mut self,
        block: &VerifiedBlock,
    ) -> Result<Vec<(VerifiedTransaction, Rejection)>, Halt> {
        let mut losers = Vec::new();
        for transaction in block.transactions() {
            let txid = transaction.txid();
            if let TxKind::Evidence(evidence) = &transaction.kind {
                self.evidence.remove(&evidence.id());
            }
            for outpoint in transaction.claims() {
                for loser in self.claimants_but(&outpoint, &txid) {
                    if self.finality.is_final(&loser) {
                        let (height, hash) = (block.height(), block.hash());
                        return Err(Halt::Invariant(format!(
                            "block {hash} is decided at height {height} and spends {outpoint}, \
                             which the final transaction {loser} spends"
                        )));
                    }
                    let transaction = self.forget_transaction(&loser);
                    let reason = RejectReason::ConflictsWithConfirmed;
                    let rejection = Rejection::Conflict { outpoint, by: txid, reason };
                    losers.extend(transaction.map(|transaction| (transaction, rejection)));
                }
            }
            self.finality.settle(&txid, transaction.claims());
            self.guard.settle(&txid, transaction.claims());
            self.mempool.remove(&txid);
            self.recorded.transactions.remove(&txid);
            self.restored.remove(&txid);
        }
        Ok(losers)
    }

    fn claimants_but(&self, outpoint: &OutPoint, txid: &Txid) -> Vec<Txid> {
        let [locked, committed] = self.finality.spenders(outpoint);
        let mut others: Vec<Txid> = self
            .mempool
            .claimants(outpoint)
            .chain(locked)
            .chain(committed)
            .filter(|by| by != txid)
            .collect();
        others.dedup();
        others
    }

    /// A transaction can never be confirmed: its other inputs are free at once.
    pub(super) fn forget_transaction(&mut self, txid: &Txid) -> Option<VerifiedTransaction> {
        let claims: Vec<OutPoint> = self.claims_of(txid).collect();
        self.finality.settle(txid, claims.iter().copied());
        self.guard.settle(txid, claims.into_iter());
        self.recorded.transactions.remove(txid);
        let restored = self.restored.remove(txid);
        self.mempool.remove(txid).map(|entry| entry.transaction).or(restored)
    }

    fn begin_height(
        &mut self,
        commit: &BlockCommit,
        now: Timestamp,
        utxos: &dyn UtxoView,
    ) -> Result<(), Halt> {
        self.state = commit.connected.state.clone();
        self.latest_blocks.push(self.state.tip.height, self.state.tip.hash);
        let epoch = self.state.epoch(&self.chain);
        let was_observing = self.guard.is_observing();
        let may_have_signed = self.observes_past.is_some_and(|t| self.state.tip.timestamp <= t);
        self.guard.decide(self.state.tip.height, epoch, may_have_signed);
        let has_new_epoch = epoch != self.finality.epoch();
        if has_new_epoch {
            self.begin_epoch(epoch, was_observing)?;
            self.drop_impossible_changes(utxos)?;
            if self.guard.is_observing() && self.keys.is_some() {
                self.record_observing("it may have signed in this epoch already".to_owned());
            }
        }
        let own = own_index(self.keys.as_ref(), &self.state.masternodes, self.guard.is_observing());
        let set = self.state.masternodes.clone();
        let height = self.state.next_height();
        self.consensus = Consensus::new(height, epoch, set, own, self.round_timeout);
        self.consensus.set_silent(self.is_silent());
        self.drop_stale_evidence();
        self.prepared_claims.forget();
        self.late.clear();
        self.decided_at = Some(now);
        self.last_proposal = None;
        self.recorded.blocks.clear();
        self.recorded.prepared = None;
        let is_contested = self.timers.is_contested() && self.is_still_split();
        self.timers.begin_height(is_contested, self.final_bytes());
        self.release_children(&commit.connected.block, now, utxos)?;
        if self.chain.params().is_epoch_end(height) {
            self.freeze(now, utxos)?;
        }
        self.consider_waiting();
        self.retry_commits();
        for (from, message) in std::mem::take(&mut self.held) {
            self.on_message(from, message, now, utxos)?;
        }
        if has_new_epoch { self.take_held_unverified(now, utxos) } else { Ok(()) }
    }

    fn is_still_split(&self) -> bool {
        let mut entries = self.mempool.entries();
        entries.any(|entry| {
            let votes = self.finality.get(&entry.transaction.txid());
            votes.is_some_and(|votes| votes.is_split() && !votes.is_final())
        })
    }

    fn final_bytes(&self) -> usize {
        let finals = self.finality.finals().filter_map(|txid| self.mempool.get(txid));
        finals.map(|entry| entry.transaction.bytes()).sum()
    }

    fn release_children(
        &mut self,
        block: &VerifiedBlock,
        now: Timestamp,
        utxos: &dyn UtxoView,
    ) -> Result<(), Halt> {
        if self.mempool.waiting_len() == 0 {
            return Ok(());
        }
        for transaction in block.block().transactions.iter() {
            self.release_waiting(&transaction.txid(), now, utxos)?;
        }
        Ok(())
    }

    /// Commits that a prepared block stood against may be open now (F5a).
    pub(super) fn retry_commits(&mut self) {
        let pending = self.finality.certified().chain(self.finality.finals());
        let is_open = |txid: &&Txid| self.finality.get(txid).is_some_and(|v| !v.own_commit());
        let certified: Vec<Txid> = pending.filter(is_open).copied().collect();
        for txid in certified {
            self.commit(&txid);
        }
    }
}
