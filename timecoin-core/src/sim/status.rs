//! A node and a transaction at a glance.

use super::{NodeState, Simulation};
use crate::engine::output::Rejection;
use crate::engine::output::TransactionStatus;
use crate::finality::Decision;
use crate::types::chain::{Epoch, Height, Round, Timestamp};
use crate::types::hash::Txid;
use crate::types::keys::PublicKey;

/// A node of a simulation at a glance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SimNodeStatus {
    /// Its number.
    pub node: usize,
    /// Whether it takes part.
    pub state: NodeState,
    /// The height of the last block that it decided and wrote.
    pub height: Height,
    /// The epoch of the next block; 0 while it does not run.
    pub epoch: Epoch,
    /// The round that the next height is in; 0 while it does not run.
    pub round: Round,
    /// Its key, which names it.
    pub key: PublicKey,
    /// Its clock.
    pub now: Timestamp,
    /// Whether it decides in this epoch, and may sign.
    pub is_active_masternode: bool,
    /// Whether it started without the votes that it may have cast.
    pub is_observer: bool,
    /// Whether it follows a strategy of its own, or ever did.
    pub is_byzantine: bool,
    /// Transactions that it knows and that are neither confirmed nor refused.
    pub mempool_transactions: usize,
    /// How often it was started.
    pub starts: u32,
}

impl NodeState {
    /// Its lower-case name, the same in all languages.
    pub const fn name(&self) -> &'static str {
        match self {
            NodeState::Running => "running",
            NodeState::Paused => "paused",
            NodeState::Down => "down",
            NodeState::Halted(_) => "halted",
        }
    }
}

impl Simulation {
    /// A node at a glance; none where there is no such node.
    pub fn node_status(&self, node: usize) -> Option<SimNodeStatus> {
        let sim_node = self.nodes.get(node)?;
        let engine = sim_node.engine();
        Some(SimNodeStatus {
            node,
            state: sim_node.state.clone(),
            height: sim_node.height(),
            epoch: engine.map_or(Epoch::ZERO, |engine| engine.state().epoch(engine.chain())),
            round: engine.map_or(Round(0), |engine| engine.consensus().round()),
            key: sim_node.key(),
            now: sim_node.clock.now(self.now),
            is_active_masternode: engine.is_some_and(|engine| engine.own_index().is_some()),
            is_observer: sim_node.is_observing,
            is_byzantine: sim_node.is_byzantine,
            mempool_transactions: engine
                .map_or(0, |engine| engine.mempool().len() + engine.mempool().waiting_len()),
            starts: sim_node.life,
        })
    }

    /// The node that proposes the next block in round 0.
    pub fn next_proposer(&self) -> usize {
        let last = self.archive.blocks().next_back();
        let set = last.map(|commit| &commit.connected.state.masternodes);
        let set = set.unwrap_or(self.chain.first_set());
        let index = set.proposer(self.archive.height().next(), Round(0));
        let key = set.get(index).map(|masternode| masternode.consensus_key);
        self.nodes.iter().position(|node| Some(node.key()) == key).unwrap_or(0)
    }

    /// How far a transaction is at a node; none where the node does not know it, or does not
    /// run and has no block with it.
    pub fn transaction_status(&self, node: usize, txid: &Txid) -> Option<TransactionStatus> {
        let sim_node = self.nodes.get(node)?;
        let confirmed = self.archive.confirmed_at(txid);
        if let Some(height) = confirmed.filter(|height| *height <= sim_node.height()) {
            return Some(TransactionStatus::Confirmed(height));
        }
        let engine = sim_node.engine()?;
        let is_known = engine.mempool().contains(txid) || engine.mempool().is_waiting(txid);
        let Some(votes) = engine.finality().get(txid) else {
            return if is_known { Some(TransactionStatus::Pending) } else { self.refusal(txid) };
        };
        Some(if votes.is_final() {
            TransactionStatus::Finalized
        } else if votes.is_rejected() {
            TransactionStatus::from(Rejection::RejectedByQuorum)
        } else if votes.is_split() {
            TransactionStatus::Contested
        } else if votes.is_certified() {
            TransactionStatus::Certified
        } else if matches!(votes.own_decision(), Some(Decision::Approved { .. })) {
            TransactionStatus::Approved
        } else {
            TransactionStatus::Pending
        })
    }

    /// The last answer that refused a transaction.
    fn refusal(&self, txid: &Txid) -> Option<TransactionStatus> {
        let about = self.answers.values().rev().find(|submitted| submitted.txid == *txid)?;
        let refused = about.answer.clone()?.err()?;
        Some(TransactionStatus::from(refused))
    }
}
