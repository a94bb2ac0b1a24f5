//! A log that is behind what this masternode signed: a restored backup, an emptied disk
//! (PROTOCOL 6). A restarted masternode asks before it signs; where it is shown a signature of its
//! own that its log does not hold, it observes.

use std::time::Duration;

use super::Engine;
use super::output::{Event, Record, To};
use crate::types::ballot::{Ballot, Choice};
use crate::types::certificate::{CommitCertificate, PreparedCertificate, VoteCertificate};
use crate::types::chain::Timestamp;
use crate::types::message::{Message, Request};
use crate::types::vote::{Vote, VoteBatch};

/// How long a restarted masternode signs nothing, so that the others can show it what it signed;
/// where the round timeout is shorter, that is it.
const ASK_FIRST: Duration = Duration::from_secs(1);

impl Engine {
    /// Signs whatever its log allows, and never asks whether the log is whole: a masternode that
    /// is out to contradict itself.
    pub(crate) fn trust_log(&mut self) {
        self.trusts_log = true;
        self.silent_until = None;
        self.consensus.set_silent(false);
    }

    /// Begins the silence after a restart. On a chain that has only begun there is nothing to ask.
    pub(super) fn ask_first(&mut self, is_new: bool, now: Timestamp) {
        let is_alone = self.finality.own().is_none() || self.finality.set().len() == 1;
        if is_new || is_alone || self.trusts_log {
            return;
        }
        self.silent_until = Some(now.after(ASK_FIRST.min(self.round_timeout)));
        self.consensus.set_silent(true);
        let request = Request::Decided(self.state.next_height());
        self.send(To::All, Message::Request(request));
    }

    /// Whether this masternode signs nothing yet.
    pub(super) fn is_silent(&self) -> bool {
        self.silent_until.is_some()
    }

    pub(super) fn end_silence(&mut self, now: Timestamp) {
        if self.silent_until.take_if(|until| *until <= now).is_none() {
            return;
        }
        self.consensus.set_silent(false);
        if self.chain.params().is_epoch_end(self.state.next_height()) {
            self.send_inventory(now);
        }
        self.consider_waiting();
        self.retry_commits();
    }

    /// A decided block's certificate, which may hold this masternode's Commit.
    pub(super) fn recall_commit(&mut self, certificate: &CommitCertificate, now: Timestamp) {
        let CommitCertificate { epoch, height, round, block, .. } = *certificate;
        let Some(own) = self.finality.own() else { return };
        if certificate.signers().any(|voter| voter == own) {
            let choice = Choice::Commit(block);
            self.recall_ballot(&Ballot { epoch, height, round, choice }, now);
        }
    }

    /// A prepared certificate, which may hold this masternode's Prepare.
    pub(super) fn recall_prepare(&mut self, certificate: &PreparedCertificate, now: Timestamp) {
        let PreparedCertificate { epoch, height, round, block, .. } = *certificate;
        let Some(own) = self.finality.own() else { return };
        if certificate.seals.iter().any(|seal| seal.voter == own) {
            let choice = Choice::Prepare(block);
            self.recall_ballot(&Ballot { epoch, height, round, choice }, now);
        }
    }

    /// A ballot of this masternode that came back to it.
    pub(super) fn recall_ballot(&mut self, ballot: &Ballot, now: Timestamp) {
        if !self.guard.has_signed(ballot) {
            let Ballot { height, round, choice, .. } = ballot;
            self.observe(format!("{} at height {height}, {round}", choice.phase()), now);
        }
    }

    /// A certificate of votes of one kind on a transaction, which may hold this masternode's.
    pub(super) fn recall_vote(
        &mut self,
        vote: &Vote,
        certificate: &VoteCertificate,
        now: Timestamp,
    ) {
        let Some(own) = self.finality.own() else { return };
        let is_own = certificate.votes.iter().any(|proof| proof.voter == own);
        if is_own && !self.guard.has_voted_so(vote) {
            self.observe(format!("{:?} of {}", vote.kind(), vote.txid()), now);
        }
    }

    /// Votes of this masternode that came back to it.
    pub(super) fn recall_votes(&mut self, batch: &VoteBatch, now: Timestamp) {
        if Some(batch.voter) != self.finality.own() {
            return;
        }
        let unknown = batch.votes.iter().find(|vote| !self.guard.has_voted_so(vote));
        if let Some(vote) = unknown {
            self.observe(format!("{:?} of {}", vote.kind(), vote.txid()), now);
        }
    }

    /// It signed something that its log does not hold: it may have signed anything, and signs
    /// nothing more until an epoch begins in which it can't have been before.
    fn observe(&mut self, what: String, now: Timestamp) {
        if self.trusts_log {
            return;
        }
        let drift = Duration::from_millis(self.chain.params().clock_drift_ms_max);
        self.observes_past = Some(now.after(drift));
        self.silent_until = None;
        self.guard.observe();
        self.finality.observe();
        self.consensus.observe();
        self.record_observing(format!("its log does not hold what it signed: {what}"));
    }

    /// That it observes must outlast a restart: by then the others may have nothing to show.
    pub(super) fn record_observing(&mut self, reason: String) {
        self.persist(Record::Observing(self.finality.epoch()));
        self.notify(Event::Observing { reason });
    }
}
