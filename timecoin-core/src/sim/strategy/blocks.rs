//! Misbehaviour about proposals: two at once, invalid ones, wrongly justified ones.

use std::sync::Arc;
use std::time::Duration;

use super::{Actor, Pass, Strategy};
use crate::engine::output::To;
use crate::types::amount::Amount;
use crate::types::ballot::Choice;
use crate::types::block::Block;
use crate::types::certificate::PreparedCertificate;
use crate::types::chain::{Height, Round, Timestamp};
use crate::types::hash::{BlockHash, ChainId, MerkleRoot, SetHash, UtxoCommitment};
use crate::types::message::{Message, Proposal};
use crate::types::transaction::Transaction;

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

/// How many kinds of invalid blocks there are.
const KINDS: u8 = 11;

impl InvalidBlocks {
    fn spoil(&self, block: &mut Block, actor: &mut Actor<'_>) {
        let header = &mut block.header;
        match self.kind {
            0 => header.parent = BlockHash::from_bytes([1; 32]),
            1 => header.height = Height(header.height.0 + 1),
            2 => header.chain_id = ChainId::from_bytes([2; 32]),
            3 => header.merkle_root = MerkleRoot::from_bytes([3; 32]),
            4 => header.utxo_commitment = UtxoCommitment::from_bytes([4; 32]),
            5 => header.masternode_set = SetHash::from_bytes([5; 32]),
            6 => header.timestamp = Timestamp(header.timestamp.0 + 3_600_000),
            7 => header.timestamp = actor.engine.state().tip.timestamp,
            8 => {
                // The coinbase pays its proposer more than there is.
                if let Some(coinbase) = block.transactions.first_mut() {
                    let mut rich = Transaction::clone(coinbase);
                    if let Some(output) = rich.outputs.first_mut() {
                        output.value = output.value.saturating_add(Amount::from_time(1));
                    }
                    *coinbase = Arc::new(rich);
                }
                block.header.merkle_root = block.merkle_root();
            }
            9 => {
                // Every transaction twice: a double spend in one block.
                let again: Vec<_> = block.transactions.iter().skip(1).cloned().collect();
                block.transactions.extend(again);
                block.transactions.extend(actor.transactions(20));
                block.header.merkle_root = block.merkle_root();
            }
            _ => header.parent_certificate = None,
        }
    }
}

impl Strategy for InvalidBlocks {
    fn name(&self) -> &'static str {
        "invalid-blocks"
    }

    fn on_send(&mut self, actor: &mut Actor<'_>, _to: &To, message: &Message) -> Pass {
        let Message::Proposal(proposal) = message else { return Pass::On };
        let mut block = Block::clone(&proposal.block);
        self.spoil(&mut block, actor);
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

/// Justifies proposals with what proves nothing: too few RoundChanges, doubled ones, those of
/// another round or height, none, or the certificate left out.
#[derive(Clone, Default)]
pub(super) struct WrongJustification {
    kind: u8,
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
        let justification = &mut forged.justification;
        self.kind = (self.kind + 1) % 6;
        match self.kind {
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
            _ => {
                let block = proposal.block.hash();
                let (epoch, height) = (actor.epoch(), actor.height());
                let round = Round(proposal.ballot.ballot.round.0.saturating_sub(1));
                let seals = Vec::new();
                justification.prepared =
                    Some(PreparedCertificate { epoch, height, round, block, seals });
            }
        }
        actor.send_all(Message::Proposal(forged));
        Pass::Stop
    }

    /// Proposes out of turn and in rounds that nobody asked for.
    fn on_wake(&mut self, actor: &mut Actor<'_>) {
        let now = actor.now;
        if let Some(connected) = actor.build(Vec::new(), now) {
            let block = Arc::clone(connected.block.block());
            for round in 0..3 {
                let round = Round(actor.round().0 + round);
                let choice = Choice::PrePrepare(block.hash());
                let Some(ballot) = actor.ballot(round, choice) else { break };
                let proposal = Proposal {
                    ballot,
                    block: Arc::clone(&block),
                    justification: Default::default(),
                };
                actor.send_all(Message::Proposal(proposal));
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
