//! A net at a glance.

use std::fmt;

use super::{LinkCounts, LocalNet};
use crate::engine::output::TransactionStatus;
use crate::node::{Node, NodeError, NodeState, NodeStatus};
use crate::types::chain::Height;
use crate::types::hash::Txid;

/// Whether a node of a net takes part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LocalNodeState {
    /// It runs.
    Running,
    /// It stands still; its messages wait.
    Paused,
    /// It is crashed or closed.
    Down,
    /// It stopped by itself: [`NodeStatus::poison_reason`] says why.
    Halted,
}

impl LocalNodeState {
    /// Its lower-case name, the same in all languages.
    pub const fn name(self) -> &'static str {
        match self {
            LocalNodeState::Running => "running",
            LocalNodeState::Paused => "paused",
            LocalNodeState::Down => "down",
            LocalNodeState::Halted => "halted",
        }
    }
}

impl fmt::Display for LocalNodeState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One node of a net at a glance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalNodeStatus {
    /// Whether it takes part.
    pub state: LocalNodeState,
    /// Whether it was made Byzantine.
    pub is_byzantine: bool,
    /// The node itself; of one that is down, what it was.
    pub node: NodeStatus,
}

impl LocalNet {
    /// Whether a node takes part.
    ///
    /// # Errors
    /// [`NodeError::InvalidArgument`] where there is no such node.
    pub fn node_state(&self, node: usize) -> Result<LocalNodeState, NodeError> {
        let node = self.node(node)?;
        Ok(match node.state() {
            NodeState::New | NodeState::Running if node.is_paused() => LocalNodeState::Paused,
            NodeState::New | NodeState::Running => LocalNodeState::Running,
            NodeState::Closing | NodeState::Closed => LocalNodeState::Down,
            NodeState::Poisoned => LocalNodeState::Halted,
        })
    }

    /// One node at a glance.
    ///
    /// # Errors
    /// [`NodeError::InvalidArgument`] where there is no such node.
    pub fn status(&self, node: usize) -> Result<LocalNodeStatus, NodeError> {
        Ok(LocalNodeStatus {
            state: self.node_state(node)?,
            is_byzantine: self.is_byzantine(node)?,
            node: self.node(node)?.status(),
        })
    }

    /// What happened to the messages that one node sent to another.
    ///
    /// # Errors
    /// [`NodeError::InvalidArgument`] where there is no such node.
    pub fn link_counts(&self, from: usize, to: usize) -> Result<LinkCounts, NodeError> {
        self.place(from).and(self.place(to))?;
        Ok(self.switch.counts(from, to))
    }

    /// The height of each node; of one that is down, the one that it had.
    pub fn heights(&self) -> Vec<Height> {
        (0..self.n_nodes()).map(|position| self.at(position).tip().height).collect()
    }

    /// The lowest height of all honest nodes that take part.
    pub fn height_min(&self) -> Height {
        self.running().map(|(_, node)| node.tip().height).min().unwrap_or_default()
    }

    /// Whether a transaction is final or confirmed at a node that is up.
    ///
    /// # Errors
    /// [`NodeError::InvalidArgument`] where there is no such node; [`NodeError::Storage`].
    pub fn is_final(&self, node: usize, txid: &Txid) -> Result<bool, NodeError> {
        if self.node_state(node)? == LocalNodeState::Down {
            return Ok(false);
        }
        match self.node(node)?.transaction_status(txid) {
            Err(NodeError::Closed) => Ok(false),
            status => Ok(status?.is_some_and(|status| status.is_final())),
        }
    }

    /// Whether a transaction is final or confirmed at every honest node that takes part; no where
    /// none does.
    pub fn is_final_everywhere(&self, txid: &Txid) -> bool {
        self.is_everywhere(txid, |status| status.is_final())
    }

    /// Whether a transaction is in a decided block at every honest node that takes part; no where
    /// none does.
    pub fn is_confirmed_everywhere(&self, txid: &Txid) -> bool {
        self.is_everywhere(txid, |status| matches!(status, TransactionStatus::Confirmed(_)))
    }

    fn is_everywhere(&self, txid: &Txid, is_met: impl Fn(&TransactionStatus) -> bool) -> bool {
        let mut nodes = self.running().peekable();
        let has_one = nodes.peek().is_some();
        let is_met_at = |node: Node| match node.transaction_status(txid) {
            Ok(Some(status)) => is_met(&status),
            _ => false,
        };
        has_one && nodes.all(|(_, node)| is_met_at(node))
    }

    /// The honest node that takes part and is furthest on.
    pub(crate) fn furthest(&self) -> Result<Node, NodeError> {
        let nodes = self.running().map(|(_, node)| node);
        nodes.max_by_key(|node| node.tip().height).ok_or_else(|| self.none_takes_part())
    }

    /// The node that proposes the next block in round 0, as the node furthest on sees it; none
    /// where it is no node of this net.
    pub fn next_proposer(&self) -> Option<usize> {
        let furthest = self.furthest().ok()?;
        let (height, masternodes) = (furthest.tip().height.next(), furthest.masternodes());
        let index = masternodes.proposer(height, crate::types::chain::Round::ZERO);
        let proposer = masternodes.get(index)?.consensus_key;
        self.keys.iter().position(|keys| keys.public() == proposer)
    }
}
