//! A node at a glance: status, mempool, metrics.

use std::sync::Arc;

use super::Node;
use super::config::Config;
use super::metrics::{Metric, to_text};
use super::state::NodeState;
use crate::params::{Chain, Genesis};
use crate::types::address::Network;
use crate::types::chain::{Epoch, Height, Round, Timestamp};
use crate::types::hash::{BlockHash, ChainId};
use crate::types::keys::PublicKey;

/// A node at a glance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeStatus {
    /// Where it is in its life.
    pub state: NodeState,
    /// Why it stopped writing, if it did.
    pub poison_reason: Option<Arc<str>>,
    /// The chain's identity.
    pub chain_id: ChainId,
    /// The kind of network.
    pub network: Network,
    /// The height of the last decided block.
    pub height: Height,
    /// Its hash.
    pub tip_hash: BlockHash,
    /// Its timestamp.
    pub tip_timestamp: Timestamp,
    /// The epoch of the next block.
    pub epoch: Epoch,
    /// The round that the next height is in, as far as it is known here.
    pub round: Round,
    /// How many masternodes decide.
    pub n_masternodes: usize,
    /// How many of them it takes.
    pub quorum: usize,
    /// The masternode key of this node, if it has one.
    pub masternode_key: Option<PublicKey>,
    /// Whether that key decides in this epoch, and may sign.
    pub is_active_masternode: bool,
    /// Whether it signs nothing until the next epoch, since it may have forgotten votes.
    pub is_observer: bool,
    /// Transactions that are neither confirmed nor refused.
    pub mempool_transactions: usize,
    /// Their bytes.
    pub mempool_bytes: usize,
    /// Durable blocks that are not in the derived tables yet.
    pub storage_lag_blocks: usize,
    /// This node's clock.
    pub now: Timestamp,
}

/// How full the mempool is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MempoolInfo {
    /// Transactions that are neither confirmed nor refused, those that wait for inputs included.
    pub transactions: usize,
    /// Their bytes.
    pub bytes: usize,
    /// How many it takes.
    pub transactions_max: usize,
    /// How many bytes it takes.
    pub bytes_max: usize,
}

impl Node {
    /// The chain with its parameters and identity.
    pub fn chain(&self) -> &Chain {
        &self.shared().chain
    }

    /// Where the chain starts.
    pub fn genesis(&self) -> &Genesis {
        self.chain().genesis()
    }

    /// The kind of network, which addresses show.
    pub fn network(&self) -> Network {
        self.chain().network()
    }

    /// What it was opened with.
    pub fn config(&self) -> &Config {
        &self.shared().config
    }

    /// The node at a glance. Any thread may ask often: it asks neither engine nor disk.
    pub fn status(&self) -> NodeStatus {
        let shared = self.shared();
        let (tip, masternodes) = (shared.published.tip(), shared.published.masternodes());
        let (mempool_transactions, mempool_bytes) = shared.published.mempool();
        let masternode_key = shared.config.masternode_key.as_ref().map(|keys| keys.public());
        let is_member = masternode_key.is_some_and(|key| masternodes.index_of(&key).is_some());
        NodeStatus {
            state: self.state(),
            poison_reason: shared.life.poison_reason(),
            chain_id: *shared.chain.id(),
            network: shared.chain.network(),
            height: tip.height,
            tip_hash: tip.hash,
            tip_timestamp: tip.timestamp,
            epoch: shared.chain.params().epoch_of(tip.height.next()),
            round: Round(shared.published.round()),
            n_masternodes: masternodes.len(),
            quorum: masternodes.quorum(),
            masternode_key,
            is_active_masternode: is_member && !self.is_observer(),
            is_observer: self.is_observer(),
            mempool_transactions,
            mempool_bytes,
            storage_lag_blocks: shared.storage.lag(),
            now: shared.clock.now(),
        }
    }

    /// How full the mempool is.
    pub fn mempool_info(&self) -> MempoolInfo {
        let (transactions, bytes) = self.shared().published.mempool();
        let config = self.config();
        MempoolInfo {
            transactions,
            bytes,
            transactions_max: config.mempool_transactions_max,
            bytes_max: config.mempool_bytes_max,
        }
    }

    /// Everything that the node counts.
    pub fn metrics(&self) -> Vec<Metric> {
        let (shared, status) = (self.shared(), self.status());
        shared.metrics.collect(&[
            (
                "timecoin_node_state",
                "0 new, 1 running, 2 closing, 3 closed, 4 poisoned.",
                f64::from(status.state as u8),
            ),
            (
                "timecoin_node_inbox_requests",
                "Requests that wait for the engine.",
                shared.inbox.len() as f64,
            ),
            (
                "timecoin_node_subscribers",
                "Subscriptions to events.",
                shared.hub.n_subscribers() as f64,
            ),
            ("timecoin_consensus_height", "The last decided block.", status.height.0 as f64),
            ("timecoin_consensus_epoch", "The epoch of the next block.", status.epoch.0 as f64),
            (
                "timecoin_consensus_round",
                "The round of the next height.",
                f64::from(status.round.0),
            ),
            (
                "timecoin_consensus_masternodes",
                "Masternodes that decide.",
                status.n_masternodes as f64,
            ),
            (
                "timecoin_mempool_transactions",
                "Transactions neither confirmed nor refused.",
                status.mempool_transactions as f64,
            ),
            ("timecoin_mempool_bytes", "Their bytes.", status.mempool_bytes as f64),
            (
                "timecoin_storage_lag_blocks",
                "Durable blocks not in the derived tables yet.",
                status.storage_lag_blocks as f64,
            ),
        ])
    }

    /// The same in the Prometheus text form.
    pub fn metrics_text(&self) -> String {
        to_text(&self.metrics())
    }
}
