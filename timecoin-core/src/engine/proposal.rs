//! A proposal from another masternode, and blocks that were asked for.

use std::cell::OnceCell;

use super::Engine;
use super::ballot::Place;
use super::input::{PeerId, VerifiedMessage, VerifiedProposal};
use super::output::{Halt, To};
use crate::consensus::Consensus;
use crate::ledger::block::{BlockError, Connected, VerifiedBlock, check_block_after, check_clock};
use crate::ledger::view::UtxoView;
use crate::types::ballot::SignedBallot;
use crate::types::chain::Timestamp;
use crate::types::hash::Txid;
use crate::types::map::HashMap;
use crate::types::masternode_set::MasternodeIndex;
use crate::types::message::Message;
use crate::types::transaction::OutPoint;
use crate::types::verified::VerifiedTransaction;
use crate::votes::BatchTrees;

/// Certificates that answer one refused proposal. None is kept.
pub(super) const REASONS_MAX: usize = 32;

/// Which transactions of blocks that this masternode has Prepared take which outpoints (F5a);
/// built when it is first asked for.
#[derive(Clone, Debug, Default)]
pub(super) struct PreparedClaims(OnceCell<HashMap<OutPoint, Txid>>);

impl PreparedClaims {
    /// Another block was Prepared, or the height is decided.
    pub(super) fn forget(&mut self) {
        self.0 = OnceCell::new();
    }

    /// The transaction of a prepared block that takes an outpoint. Two blocks of different
    /// rounds may disagree; then it is no transaction's id, which conflicts with all.
    pub(super) fn spender(&self, consensus: &Consensus, outpoint: &OutPoint) -> Option<Txid> {
        let claims = self.0.get_or_init(|| {
            let mut claims: HashMap<OutPoint, Txid> = HashMap::default();
            for transaction in consensus.prepared_blocks().flat_map(VerifiedBlock::transactions) {
                let txid = transaction.txid();
                for claim in transaction.claims() {
                    let known = claims.entry(claim).or_insert(txid);
                    if *known != txid {
                        *known = Txid::ZERO;
                    }
                }
            }
            claims
        });
        claims.get(outpoint).copied()
    }
}

impl Engine {
    pub(super) fn on_proposal(
        &mut self,
        from: PeerId,
        proposal: VerifiedProposal,
        now: Timestamp,
        utxos: &dyn UtxoView,
    ) -> Result<(), Halt> {
        let ballot = proposal.ballot.ballot;
        let message = VerifiedMessage::Proposal(proposal.clone());
        if let Place::Elsewhere = self.place(from, &ballot, message, now) {
            return Ok(());
        }
        let justification = &proposal.justification;
        let own = self.finality.own();
        let is_own = |signed: &&SignedBallot| Some(signed.voter) == own;
        for signed in justification.round_changes.iter().chain([&proposal.ballot]).filter(is_own) {
            self.recall_ballot(&signed.ballot, now);
        }
        if let Some(certificate) = &justification.prepared {
            self.recall_prepare(certificate, now);
        }
        if proposal.ballot.voter != self.finality.set().proposer(ballot.height, ballot.round) {
            return Ok(());
        }
        if let Some(earlier) = self.consensus.on_proposal(proposal.ballot) {
            return self.on_contradicting_ballots(earlier, proposal.ballot, now);
        }
        // Votes that were promised before count before: a Prepare closes what conflicts (F5).
        self.sign_votes(now, utxos)?;
        // What is promised when the silence ends would not be weighed against a block that was
        // accepted before (F5b): its proposer says it again.
        if self.is_silent() || !self.consensus.accepts(ballot.round) {
            self.consensus.add_block(proposal.block, None);
            return self.advance(now, utxos);
        }
        let hash = proposal.block.hash();
        let Some(connected) = self.connect(&proposal.block, utxos)? else { return Ok(()) };
        let is_fresh = proposal.justification.prepared.is_none();
        if is_fresh && !self.accepts_fresh(&proposal.block, proposal.ballot.voter, now, utxos)? {
            return Ok(());
        }
        self.consensus.add_block(proposal.block, Some(connected));
        self.consensus.offer(ballot.round, hash);
        self.advance(now, utxos)
    }

    pub(super) fn on_block(
        &mut self,
        block: VerifiedBlock,
        now: Timestamp,
        utxos: &dyn UtxoView,
    ) -> Result<(), Halt> {
        let was_asked =
            self.consensus.missing_block().is_some_and(|(hash, _)| hash == block.hash());
        if was_asked {
            self.consensus.add_block(block, None);
        }
        self.advance(now, utxos)
    }

    /// The state after a block, or nothing where the block is not valid.
    pub(super) fn connect(
        &self,
        block: &VerifiedBlock,
        utxos: &dyn UtxoView,
    ) -> Result<Option<Connected>, Halt> {
        let known = self.consensus.candidate(&block.hash());
        if let Some(connected) = known.and_then(|known| known.connected.clone()) {
            return Ok(Some(connected));
        }
        let view = self.decided_view(utxos);
        match check_block_after(&self.tip_seals, &self.chain, &self.state, &view, block) {
            Ok(connected) => Ok(Some(connected)),
            Err(BlockError::View(error)) => Err(error.into()),
            Err(_) => Ok(None),
        }
    }

    /// What a fresh proposal must pass beside validity: its proposer's name and clock, no conflict
    /// with what this masternode committed to (F5b), and at the end of an epoch everything that it
    /// committed to. Where it does not, the others are shown why.
    fn accepts_fresh(
        &mut self,
        block: &VerifiedBlock,
        proposer: MasternodeIndex,
        now: Timestamp,
        utxos: &dyn UtxoView,
    ) -> Result<bool, Halt> {
        let proposer = self.finality.set().get(proposer).map(|member| member.consensus_key);
        let is_own = proposer == Some(block.header().proposer);
        if !is_own || check_clock(&self.chain, block.header().timestamp, now).is_err() {
            return Ok(false);
        }
        let mut reasons = self.commits_against(block.transactions());
        if self.chain.params().is_epoch_end(block.height()) {
            let held: std::collections::BTreeSet<Txid> =
                block.transactions().iter().map(VerifiedTransaction::txid).collect();
            for txid in self.finality.open_commits() {
                if !held.contains(&txid) && self.decided_view(utxos).confirmed_at(&txid)?.is_none()
                {
                    reasons.push(txid);
                }
            }
        }
        self.tell_reasons(&reasons);
        Ok(reasons.is_empty())
    }

    /// Shows the others why a proposal is refused: once in a round, since the same one may
    /// come again and again, and not more than a few of very many reasons, since making a
    /// certificate takes a while.
    fn tell_reasons(&mut self, reasons: &[Txid]) {
        let place = (self.consensus.height(), self.consensus.round());
        if reasons.is_empty() || self.reasons_told == Some(place) {
            return;
        }
        self.reasons_told = Some(place);
        let mut trees = BatchTrees::default();
        for txid in reasons.iter().take(REASONS_MAX) {
            if let Some(certificate) = self.finality.approve_certificate(txid, &mut trees) {
                self.send(To::All, Message::ApproveCertificate((*certificate).clone()));
            }
        }
    }

    /// What this masternode committed to and these transactions contradict.
    fn commits_against(&self, transactions: &[VerifiedTransaction]) -> Vec<Txid> {
        let spender = |claim: OutPoint| self.finality.committed_spender(&claim);
        let against = transactions.iter().filter_map(|transaction| {
            let txid = transaction.txid();
            transaction.claims().filter_map(spender).find(|by| *by != txid)
        });
        against.collect()
    }
}
