//! Misbehaviour about transactions: Approve, Commit, Reject, and their certificates.

use std::time::Duration;

use super::{Actor, Pass, Strategy, Target};
use crate::engine::output::To;
use crate::types::hash::Txid;
use crate::types::message::Message;
use crate::types::vote::{RejectReason, Vote, VoteBatch};

/// Says Approve to some and Reject to others, of everything that it votes on.
#[derive(Clone)]
pub(super) struct EquivocateVotes;

impl EquivocateVotes {
    fn opposite(vote: &Vote) -> Vote {
        match *vote {
            Vote::Approve(txid) => Vote::Reject(txid, RejectReason::ConflictsWithApproved),
            Vote::Reject(txid, _) => Vote::Approve(txid),
            Vote::Commit(txid) => Vote::Reject(txid, RejectReason::ConflictsWithFinal),
        }
    }
}

impl Strategy for EquivocateVotes {
    fn name(&self) -> &'static str {
        "equivocate-votes"
    }

    fn on_send(&mut self, actor: &mut Actor<'_>, _to: &To, message: &Message) -> Pass {
        let Message::Votes(VoteBatch { votes, .. }) = message else { return Pass::On };
        let opposite = votes.iter().map(Self::opposite).collect();
        let Some(forged) = actor.votes(opposite) else { return Pass::On };
        let [first, second] = actor.halves();
        actor.send(&first, message.clone());
        actor.send(&second, forged);
        Pass::Stop
    }

    fn clone_box(&self) -> Box<dyn Strategy> {
        Box::new(self.clone())
    }
}

/// Approves and commits everything that it hears of, conflicting or not, certified or not.
#[derive(Clone, Default)]
pub(super) struct VoteForAll {
    voted: Vec<Txid>,
}

impl Strategy for VoteForAll {
    fn name(&self) -> &'static str {
        "vote-for-all"
    }

    fn on_receive(&mut self, actor: &mut Actor<'_>, _from: usize, message: &Message) -> Pass {
        let txids: Vec<Txid> = match message {
            Message::Transaction(transaction) => vec![transaction.txid()],
            Message::DoubleSpend(pair) => vec![pair.first.txid(), pair.second.txid()],
            Message::Votes(batch) => batch.votes.iter().map(Vote::txid).collect(),
            _ => return Pass::On,
        };
        let fresh: Vec<Txid> = txids.into_iter().filter(|t| !self.voted.contains(t)).collect();
        if fresh.is_empty() {
            return Pass::On;
        }
        let votes = fresh.iter().flat_map(|&txid| [Vote::Approve(txid), Vote::Commit(txid)]);
        if let Some(message) = actor.votes(votes.collect()) {
            actor.send_all(message);
        }
        self.voted.extend(fresh);
        let surplus = self.voted.len().saturating_sub(VOTED_MAX);
        self.voted.drain(..surplus);
        Pass::On
    }

    fn on_send(&mut self, _actor: &mut Actor<'_>, _to: &To, message: &Message) -> Pass {
        if matches!(message, Message::Votes(_)) { Pass::Stop } else { Pass::On }
    }

    fn clone_box(&self) -> Box<dyn Strategy> {
        Box::new(self.clone())
    }
}

/// Keeps its votes and certificates back, and shows them seconds later to some.
#[derive(Clone)]
pub(super) struct RevealLate;

impl Strategy for RevealLate {
    fn name(&self) -> &'static str {
        "reveal-late"
    }

    fn on_send(&mut self, actor: &mut Actor<'_>, _to: &To, message: &Message) -> Pass {
        let is_kept = matches!(
            message,
            Message::Votes(_)
                | Message::ApproveCertificate(_)
                | Message::FinalityCertificate(_)
                | Message::CertInventory(_)
        );
        if !is_kept {
            return Pass::On;
        }
        let [some, others] = actor.halves();
        let delay = actor.random.duration(Duration::from_millis(500), Duration::from_secs(5));
        actor.send_after(Target::Nodes(others), message.clone(), delay);
        if actor.random.below(2) == 0 {
            actor.send(&some, message.clone());
        }
        Pass::Stop
    }

    fn on_receive(&mut self, actor: &mut Actor<'_>, _from: usize, message: &Message) -> Pass {
        // The certificate that its engine just came to hold goes to one node, late.
        let Message::Votes(batch) = message else { return Pass::On };
        for vote in batch.votes.iter().take(4) {
            let txid = vote.txid();
            let Some(certificate) = actor.engine.approve_certificate(&txid) else { continue };
            let others = actor.others();
            let Some(&node) = actor.random.choose(&others) else { continue };
            let delay = actor.random.duration(Duration::from_millis(100), Duration::from_secs(4));
            let message = Message::ApproveCertificate((*certificate).clone());
            actor.send_after(Target::Nodes(vec![node]), message, delay);
        }
        Pass::On
    }

    fn clone_box(&self) -> Box<dyn Strategy> {
        Box::new(self.clone())
    }
}

/// Votes for thousands of transactions that do not exist.
#[derive(Clone, Default)]
pub(super) struct VoteForNothing {
    n_sent: u64,
}

impl Strategy for VoteForNothing {
    fn name(&self) -> &'static str {
        "vote-for-nothing"
    }

    fn on_start(&mut self, actor: &mut Actor<'_>) {
        actor.wake_after(Duration::from_millis(100));
    }

    fn on_wake(&mut self, actor: &mut Actor<'_>) {
        let votes = (0..32).map(|_| {
            self.n_sent += 1;
            let mut id = [0; 32];
            id[..8].copy_from_slice(&self.n_sent.to_le_bytes());
            let txid = Txid::from_bytes(id);
            match self.n_sent % 3 {
                0 => Vote::Approve(txid),
                1 => Vote::Commit(txid),
                _ => Vote::Reject(txid, RejectReason::ConflictsWithApproved),
            }
        });
        if let Some(message) = actor.votes(votes.collect()) {
            actor.send_all(message);
        }
        actor.wake_after(Duration::from_millis(900));
    }

    fn clone_box(&self) -> Box<dyn Strategy> {
        Box::new(self.clone())
    }
}

/// Names transactions in its inventory that do not exist, or none at all.
#[derive(Clone)]
pub(super) struct FalseInventory;

impl Strategy for FalseInventory {
    fn name(&self) -> &'static str {
        "false-inventory"
    }

    fn on_send(&mut self, actor: &mut Actor<'_>, _to: &To, message: &Message) -> Pass {
        let Message::CertInventory(inventory) = message else { return Pass::On };
        let txids = [Vec::new(), vec![Txid::from_bytes([5; 32])], inventory.txids.clone()];
        let [first, second] = actor.halves();
        for nodes in [first, second] {
            let Some(txids) = actor.random.choose(&txids).cloned() else { continue };
            let forged = crate::types::message::CertInventory::sign(
                actor.chain().id(),
                inventory.epoch,
                inventory.set_hash,
                inventory.voter,
                txids,
                actor.keys,
            );
            actor.send(&nodes, Message::CertInventory(forged));
        }
        Pass::Stop
    }

    fn clone_box(&self) -> Box<dyn Strategy> {
        Box::new(self.clone())
    }
}

/// Transactions that it remembers having voted for.
const VOTED_MAX: usize = 4_096;
