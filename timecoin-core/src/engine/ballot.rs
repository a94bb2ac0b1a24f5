//! Prepares, Commits and RoundChanges of other masternodes, and what all of them together make
//! this one do next.

use std::sync::Arc;

use super::Engine;
use super::input::{PeerId, VerifiedMessage};
use super::output::{Event, Halt, Output, Record, To};
use crate::consensus::{Heard, Step};
use crate::ledger::view::UtxoView;
use crate::types::ballot::{Ballot, Choice, SignedBallot};
use crate::types::block::Block;
use crate::types::certificate::PreparedCertificate;
use crate::types::chain::{Height, Round, Timestamp};
use crate::types::evidence::{Contradiction, Evidence};
use crate::types::hash::BlockHash;
use crate::types::message::{Message, Request, RoundChange};
use crate::types::verified::Verified;

/// Where a message stands against the height that is being decided.
pub(super) enum Place {
    /// It is about this height.
    Here,
    /// It is about another height, and was dealt with.
    Elsewhere,
}

impl Engine {
    pub(super) fn on_ballot(
        &mut self,
        from: PeerId,
        signed: SignedBallot,
        now: Timestamp,
        utxos: &dyn UtxoView,
    ) -> Result<(), Halt> {
        let message = VerifiedMessage::Ballot(signed);
        if let Place::Elsewhere = self.place(from, &signed.ballot, message, now) {
            return Ok(());
        }
        if Some(signed.voter) == self.finality.own() {
            self.recall_ballot(&signed.ballot, now);
        }
        if let Heard::Contradiction(earlier) = self.consensus.on_ballot(&signed) {
            self.on_contradicting_ballots(earlier, signed, now)?;
        }
        self.fetch_missing_block();
        self.advance(now, utxos)
    }

    pub(super) fn on_round_change(
        &mut self,
        from: PeerId,
        change: RoundChange,
        now: Timestamp,
        utxos: &dyn UtxoView,
    ) -> Result<(), Halt> {
        let ballot = change.ballot.ballot;
        let message = VerifiedMessage::RoundChange(change.clone());
        if let Place::Elsewhere = self.place(from, &ballot, message, now) {
            return Ok(());
        }
        let signed = change.ballot;
        if Some(signed.voter) == self.finality.own() {
            self.recall_ballot(&signed.ballot, now);
        }
        if let Some(certificate) = &change.certificate {
            self.recall_prepare(certificate, now);
        }
        if let Some(earlier) = self.consensus.on_round_change(change) {
            self.on_contradicting_ballots(earlier, signed, now)?;
        }
        self.fetch_missing_block();
        self.advance(now, utxos)
    }

    /// Answers what is about a decided height, keeps what is about a later one.
    pub(super) fn place(
        &mut self,
        from: PeerId,
        ballot: &Ballot,
        message: VerifiedMessage,
        now: Timestamp,
    ) -> Place {
        let next = self.state.next_height();
        if ballot.height < next {
            self.answer_behind(from, ballot);
            return Place::Elsewhere;
        }
        if ballot.height > next {
            let is_far_ahead = ballot.height > next.next();
            self.timers.ask(from, now, is_far_ahead);
            if !is_far_ahead && ballot.epoch == self.finality.epoch() {
                self.hold(from, message);
            }
            return Place::Elsewhere;
        }
        let fits =
            ballot.epoch == self.finality.epoch() && !self.consensus.is_too_far(ballot.round);
        if fits { Place::Here } else { Place::Elsewhere }
    }

    /// A Prepare or Commit that is only late needs no answer; one that is repeated does.
    pub(super) fn answer_behind(&mut self, from: PeerId, ballot: &Ballot) {
        let is_tip = ballot.height == self.state.tip.height;
        let is_vote = matches!(ballot.choice, Choice::Prepare(_) | Choice::Commit(_));
        let key = (from, ballot.choice.phase());
        if is_tip && is_vote && self.late.insert(key) {
            return;
        }
        self.answer_with_block(Some(from), ballot.height);
    }

    pub(super) fn answer_with_block(&mut self, from: Option<PeerId>, height: Height) {
        if let Some(from) = from {
            self.outputs.push_back(Output::Serve(from, Request::Decided(height)));
        }
    }

    pub(super) fn fetch_missing_block(&mut self) {
        if let Some((block, voter)) = self.consensus.missing_block() {
            let set = self.finality.set();
            let Some(peer) = set.get(voter).map(|m| m.consensus_key) else { return };
            self.send(To::Peer(peer), Message::Request(Request::Block(block)));
        }
    }

    /// Takes every step that is open (B1 to B7).
    pub(super) fn advance(&mut self, now: Timestamp, utxos: &dyn UtxoView) -> Result<(), Halt> {
        if self.is_halted {
            return Ok(());
        }
        self.check_ready_to_build(now);
        while let Some(step) = self.consensus.next_step(now) {
            match step {
                Step::Propose(round, justification) => {
                    self.propose(round, justification, now, utxos)?;
                }
                Step::Prepare(round, block) => self.prepare(round, block, now),
                Step::Commit(certificate) => self.commit_block(certificate, now),
                Step::ChangeRound(round, prepared) => self.change_round(round, prepared, now),
                Step::Decide(certificate) => self.decide(certificate, now, utxos)?,
            }
            self.check_ready_to_build(now);
        }
        Ok(())
    }

    fn prepare(&mut self, round: Round, hash: BlockHash, now: Timestamp) {
        let block = self.consensus.candidate(&hash).map(|c| Arc::clone(c.block.block()));
        self.prepared_claims.forget();
        self.cast(round, Choice::Prepare(hash), block, None, now);
    }

    fn commit_block(&mut self, certificate: PreparedCertificate, now: Timestamp) {
        let PreparedCertificate { round, block, .. } = certificate;
        self.cast(round, Choice::Commit(block), None, Some(certificate), now);
    }

    /// Signs a Prepare or Commit, records it, sends it, and counts it like anybody's.
    fn cast(
        &mut self,
        round: Round,
        choice: Choice,
        block: Option<Arc<Block>>,
        prepared: Option<PreparedCertificate>,
        now: Timestamp,
    ) {
        let Some(signed) = self.sign_ballot(round, choice) else { return };
        self.record_ballot(signed, block, prepared);
        self.send(To::All, Message::Ballot(signed));
        self.consensus.on_ballot(&signed);
        self.timers.repeat_soon(now);
    }

    fn change_round(
        &mut self,
        round: Round,
        prepared: Option<PreparedCertificate>,
        now: Timestamp,
    ) {
        let claim = prepared.as_ref().map(PreparedCertificate::prepared);
        let Some(ballot) = self.sign_ballot(round, Choice::RoundChange(claim)) else { return };
        self.record_ballot(ballot, None, prepared.clone());
        let change = RoundChange { ballot, certificate: prepared };
        self.send(To::All, Message::RoundChange(change.clone()));
        self.consensus.on_round_change(change);
        self.notify(Event::RoundChanged { height: self.consensus.height(), round });
        self.timers.repeat_soon(now);
    }

    pub(super) fn sign_ballot(&mut self, round: Round, choice: Choice) -> Option<SignedBallot> {
        let keys = self.keys.clone()?;
        let voter = self.finality.own()?;
        let (epoch, height) = (self.finality.epoch(), self.consensus.height());
        let ballot = Ballot { epoch, height, round, choice };
        if let Err(refused) = self.guard.allow_ballot(&ballot) {
            self.refuse(&refused);
            return None;
        }
        let set_hash = self.finality.set().hash();
        Some(SignedBallot::sign(ballot, voter, self.chain.id(), &set_hash, &keys))
    }

    /// Blocks and certificates are written once.
    pub(super) fn record_ballot(
        &mut self,
        ballot: SignedBallot,
        block: Option<Arc<Block>>,
        prepared: Option<PreparedCertificate>,
    ) {
        let named = ballot.ballot.choice.block();
        let is_new = named.is_some_and(|hash| block.is_some() && self.recorded.blocks.insert(hash));
        let proven = prepared.as_ref().map(PreparedCertificate::prepared);
        let is_news = proven.is_some() && self.recorded.prepared != proven;
        self.recorded.prepared = proven.or(self.recorded.prepared);
        let block = block.filter(|_| is_new);
        let prepared = prepared.filter(|_| is_news);
        self.persist(Record::Ballot { ballot, block, prepared });
    }

    pub(super) fn on_contradicting_ballots(
        &mut self,
        first: SignedBallot,
        second: SignedBallot,
        now: Timestamp,
    ) -> Result<(), Halt> {
        let set = self.finality.set();
        let Some(offender) = set.get(second.voter).map(|m| m.consensus_key) else { return Ok(()) };
        let set_hash = set.hash();
        let contradiction = Contradiction::Ballots(first, second);
        self.on_evidence(Verified::vouch(Evidence { offender, set_hash, contradiction }), now)
    }
}
