//! Misbehaviour about proposals: two at once, invalid ones, wrongly justified ones.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::spoil::{KINDS, spoil};
use super::{Actor, Pass, Strategy};
use crate::engine::output::To;
use crate::types::ballot::{Ballot, Choice, SignedBallot};
use crate::types::block::Block;
use crate::types::certificate::PreparedCertificate;
use crate::types::chain::{Height, Round, Timestamp};
use crate::types::hash::ChainId;
use crate::types::masternode_set::MasternodeIndex;
use crate::types::message::{Justification, Message, Proposal};

/// Proposes one block to some and another, as valid, to the rest.
#[derive(Clone)]
pub(super) struct EquivocateProposal;

impl Strategy for EquivocateProposal {
    fn name(&self) -> &'static str {
        "equivocate-proposal"
    }

    fn on_send(&mut self, actor: &mut Actor<'_>, _to: &To, message: &Message) -> Pass {
        let Message::Proposal(proposal) = message else { return Pass::On };
        let later = Timestamp(actor.now.0 + 1 + actor.random.below(50));
        let entries = actor.engine.mempool().entries();
        let transactions = entries.map(|entry| entry.transaction.clone()).take(3).collect();
        let second = actor.build(transactions, later).or_else(|| actor.build(Vec::new(), later));
        let Some(second) = second.map(|connected| Arc::clone(connected.block.block())) else {
            return Pass::On;
        };
        let round = proposal.ballot.ballot.round;
        let Some(ballot) = actor.ballot(round, Choice::PrePrepare(second.hash())) else {
            return Pass::On;
        };
        let justification = proposal.justification.clone();
        let forged = Message::Proposal(Proposal { ballot, block: second, justification });
        let [first, others] = actor.halves();
        actor.send(&first, message.clone());
        actor.send(&others, forged);
        Pass::Stop
    }

    fn clone_box(&self) -> Box<dyn Strategy> {
        Box::new(self.clone())
    }
}

/// Proposes blocks that break a rule each, of ten kinds.
#[derive(Clone, Default)]
pub(super) struct InvalidBlocks {
    kind: u8,
}

impl Strategy for InvalidBlocks {
    fn name(&self) -> &'static str {
        "invalid-blocks"
    }

    fn on_send(&mut self, actor: &mut Actor<'_>, _to: &To, message: &Message) -> Pass {
        let Message::Proposal(proposal) = message else { return Pass::On };
        let mut block = Block::clone(&proposal.block);
        let parent_time = actor.engine.state().tip.timestamp;
        spoil(self.kind, &mut block, parent_time, &actor.transactions(20));
        self.kind = (self.kind + 1) % KINDS;
        let round = proposal.ballot.ballot.round;
        let hash = block.hash();
        let Some(ballot) = actor.ballot(round, Choice::PrePrepare(hash)) else { return Pass::On };
        let justification = proposal.justification.clone();
        let forged = Proposal { ballot, block: Arc::new(block), justification };
        actor.send_all(Message::Proposal(forged));
        // It votes for what it proposed.
        for choice in [Choice::Prepare(hash), Choice::Commit(hash)] {
            if let Some(ballot) = actor.ballot(round, choice) {
                actor.send_all(Message::Ballot(ballot));
            }
        }
        Pass::Stop
    }

    fn clone_box(&self) -> Box<dyn Strategy> {
        Box::new(self.clone())
    }
}

/// Justifies proposals with what proves nothing: too few RoundChanges, doubled ones, none, those
/// of another round, height, epoch or chain, or the certificate left out or made up.
#[derive(Clone, Default)]
pub(super) struct WrongJustification {
    kind: u8,
    /// The last RoundChange of each masternode, which is soon about a height that is over.
    heard: BTreeMap<MasternodeIndex, SignedBallot>,
}

impl WrongJustification {
    fn next_kind(&mut self, n_kinds: u8) -> u8 {
        self.kind = (self.kind + 1) % n_kinds;
        self.kind
    }

    /// RoundChanges that others signed for something else, and one of its own.
    fn replayed(&mut self, actor: &Actor<'_>, round: Round) -> Justification {
        let (epoch, height) = (actor.epoch(), actor.height());
        let choice = Choice::RoundChange(None);
        let own = match self.next_kind(3) {
            0 => actor.ballot_at(epoch, height.previous(), round, choice),
            1 => actor.ballot_at(epoch.next(), height, round, choice),
            _ => {
                let ballot = Ballot { epoch, height, round, choice };
                let other = ChainId::from_bytes([0x0c; 32]);
                let set_hash = actor.set().hash();
                let sign = |voter| SignedBallot::sign(ballot, voter, &other, &set_hash, actor.keys);
                actor.voter().map(sign)
            }
        };
        let mut round_changes = self.heard.clone();
        round_changes.extend(own.map(|own| (own.voter, own)));
        let round_changes = round_changes.into_values().collect();
        Justification { round_changes, prepared: None }
    }
}

impl Strategy for WrongJustification {
    fn name(&self) -> &'static str {
        "wrong-justification"
    }

    fn on_start(&mut self, actor: &mut Actor<'_>) {
        actor.wake_after(Duration::from_millis(50));
    }

    fn on_send(&mut self, actor: &mut Actor<'_>, _to: &To, message: &Message) -> Pass {
        let Message::Proposal(proposal) = message else { return Pass::On };
        let mut forged = proposal.clone();
        let round = proposal.ballot.ballot.round;
        let justification = &mut forged.justification;
        match self.next_kind(7) {
            0 => justification.round_changes.clear(),
            1 => {
                justification.round_changes.pop();
            }
            2 => {
                if let Some(last) = justification.round_changes.last().copied() {
                    justification.round_changes.pop();
                    justification.round_changes.insert(0, last);
                }
            }
            3 => {
                if let Some(first) = justification.round_changes.first_mut() {
                    first.ballot.height = Height(first.ballot.height.0 + 1);
                }
            }
            4 => justification.prepared = None,
            5 => *justification = self.replayed(actor, round),
            _ => {
                let block = proposal.block.hash();
                let (epoch, height) = (actor.epoch(), actor.height());
                let round = Round(round.0.saturating_sub(1));
                let seals = Vec::new();
                justification.prepared =
                    Some(PreparedCertificate { epoch, height, round, block, seals });
            }
        }
        actor.send_all(Message::Proposal(forged));
        Pass::Stop
    }

    fn on_receive(&mut self, _actor: &mut Actor<'_>, _from: usize, message: &Message) -> Pass {
        if let Message::RoundChange(change) = message {
            self.heard.insert(change.ballot.voter, change.ballot);
        }
        Pass::On
    }

    /// Proposes out of turn and in rounds that nobody asked for.
    fn on_wake(&mut self, actor: &mut Actor<'_>) {
        let now = actor.now;
        if let Some(connected) = actor.build(Vec::new(), now) {
            let block = Arc::clone(connected.block.block());
            for ahead in 0..3 {
                let round = Round(actor.round().0 + ahead);
                let choice = Choice::PrePrepare(block.hash());
                let Some(ballot) = actor.ballot(round, choice) else { break };
                let justification = match round {
                    Round::ZERO => Justification::default(),
                    _ => self.replayed(actor, round),
                };
                let block = Arc::clone(&block);
                actor.send_all(Message::Proposal(Proposal { ballot, block, justification }));
            }
        }
        actor.wake_after(Duration::from_millis(800));
    }

    fn clone_box(&self) -> Box<dyn Strategy> {
        Box::new(self.clone())
    }
}

/// Proposes a block that leaves out what others are final on, and includes what conflicts.
#[derive(Clone)]
pub(super) struct Censor;

impl Strategy for Censor {
    fn name(&self) -> &'static str {
        "censor"
    }

    fn on_send(&mut self, actor: &mut Actor<'_>, _to: &To, message: &Message) -> Pass {
        let Message::Proposal(proposal) = message else { return Pass::On };
        if proposal.justification.prepared.is_some() {
            return Pass::On;
        }
        let finality = actor.engine.finality();
        let entries = actor.engine.mempool().entries();
        let unwanted = entries.filter(|entry| {
            let votes = finality.get(&entry.transaction.txid());
            votes.is_none_or(|votes| !votes.is_certified() && !votes.is_final())
        });
        let mut transactions = Vec::new();
        let mut taken = std::collections::BTreeSet::new();
        for entry in unwanted {
            if entry.transaction.claims().all(|claim| taken.insert(claim)) {
                transactions.push(entry.transaction.clone());
            }
        }
        let built = actor.build(transactions, actor.now);
        let built = built.or_else(|| actor.build(Vec::new(), actor.now));
        let Some(block) = built.map(|connected| Arc::clone(connected.block.block())) else {
            return Pass::On;
        };
        let (round, hash) = (proposal.ballot.ballot.round, block.hash());
        let Some(ballot) = actor.ballot(round, Choice::PrePrepare(hash)) else { return Pass::On };
        let justification = proposal.justification.clone();
        actor.send_all(Message::Proposal(Proposal { ballot, block, justification }));
        if let Some(ballot) = actor.ballot(round, Choice::Prepare(hash)) {
            actor.send_all(Message::Ballot(ballot));
        }
        Pass::Stop
    }

    fn clone_box(&self) -> Box<dyn Strategy> {
        Box::new(self.clone())
    }
}
