//! What subscribers are told.

use std::net::SocketAddr;
use std::sync::Arc;

use crate::engine::output::{TransactionStatus, Violation};
use crate::types::block::Block;
use crate::types::certificate::CommitCertificate;
use crate::types::chain::{Epoch, Height, Round, Timestamp};
use crate::types::evidence::Evidence;
use crate::types::hash::{BlockHash, Txid};
use crate::types::keys::PublicKey;

/// Something that happened in a node, with its place in the order of all that did.
///
/// ```
/// use timecoin_core::{NodeEvent, NodeEventKind};
/// fn show(event: &NodeEvent) -> String {
///     match &event.kind {
///         NodeEventKind::TransactionStatus { txid, status } => format!("{txid} {}", status.name()),
///         NodeEventKind::BlockConfirmed { height, .. } => format!("block {height}"),
///         other => other.name().to_owned(),
///     }
/// }
/// ```
#[derive(Clone, Debug)]
pub struct NodeEvent {
    /// Counts every event of the node from 1, whoever subscribes: a gap is an overflow.
    pub sequence: u64,
    /// When it happened, by the node's clock.
    pub at: Timestamp,
    /// What happened.
    pub kind: NodeEventKind,
}

/// What happened in a node.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum NodeEventKind {
    /// A transaction got further. The confirmed ones of a block come before the block.
    TransactionStatus {
        /// Which.
        txid: Txid,
        /// How far it is.
        status: TransactionStatus,
    },
    /// A block is decided and on disk.
    BlockConfirmed {
        /// Its height.
        height: Height,
        /// Its id.
        hash: BlockHash,
        /// The block.
        block: Arc<Block>,
        /// The proof that it is decided.
        certificate: Arc<CommitCertificate>,
    },
    /// A round ended without a decision.
    RoundChanged {
        /// The height.
        height: Height,
        /// The round that is entered.
        round: Round,
    },
    /// The masternodes that decide changed.
    EpochBegan {
        /// The new epoch.
        epoch: Epoch,
    },
    /// A masternode contradicted itself.
    EvidenceFound {
        /// The proof.
        evidence: Arc<Evidence>,
    },
    /// The sign guard refused to sign: a bug, or a store that was put back in time.
    SignatureRefused {
        /// What was about to be signed.
        what: Arc<str>,
    },
    /// Two certified blocks at one height: too many masternodes are faulty, nothing more is
    /// confirmed here.
    SafetyViolation {
        /// The height.
        height: Height,
        /// The two blocks.
        blocks: [BlockHash; 2],
        /// Who signed for both, ascending.
        signed_both: Arc<[PublicKey]>,
    },
    /// Something was mended when the store was opened.
    Repaired {
        /// What.
        what: Arc<str>,
    },
    /// The node signs nothing until the next epoch, since it may have signed what it forgot.
    Observing {
        /// Why.
        reason: Arc<str>,
    },
    /// The node stopped writing; reads go on.
    Poisoned {
        /// Why.
        reason: Arc<str>,
    },
    /// A peer is connected.
    PeerConnected {
        /// Its node key, proved.
        key: PublicKey,
        /// The other end of the socket.
        address: SocketAddr,
        /// Whether it dialled this node.
        is_inbound: bool,
    },
    /// A peer is gone.
    PeerDisconnected {
        /// Its node key.
        key: PublicKey,
        /// Why.
        reason: Arc<str>,
    },
    /// A peer did what no honest one does; it is not talked to for a while.
    PeerBanned {
        /// Its node key, if it had proved one.
        key: Option<PublicKey>,
        /// The other end of the socket.
        address: SocketAddr,
        /// Until when, by the node's clock.
        until: Timestamp,
    },
    /// The clocks of most masternodes differ from this node's by more than 5 s.
    ClockOffset {
        /// How much they are ahead, in milliseconds; the median.
        offset_ms: i64,
        /// Whether it is more than the chain allows, so that this node sends nothing that it
        /// signs until its clock is right.
        is_withholding: bool,
    },
    /// The node is behind its peers and fetches blocks; told at most once a second.
    SyncProgress {
        /// The height that it has reached.
        height: Height,
        /// The greatest height that a peer says it has.
        target: Height,
        /// Bytes of blocks that came since the node started.
        bytes: u64,
        /// Peers that can be asked.
        n_peers: usize,
    },
    /// This subscriber was slow and lost events; its `sequence` is that of the last one lost.
    Overflow {
        /// How many.
        missed: u64,
    },
    /// The node is closed: the last event.
    Closed,
}

impl From<&Violation> for NodeEventKind {
    fn from(violation: &Violation) -> Self {
        NodeEventKind::SafetyViolation {
            height: violation.height(),
            blocks: violation.blocks(),
            signed_both: violation.signed_both.as_slice().into(),
        }
    }
}

impl NodeEventKind {
    /// Its name in lower case, the same in all languages.
    pub const fn name(&self) -> &'static str {
        match self {
            NodeEventKind::TransactionStatus { .. } => "transaction_status",
            NodeEventKind::BlockConfirmed { .. } => "block_confirmed",
            NodeEventKind::RoundChanged { .. } => "round_changed",
            NodeEventKind::EpochBegan { .. } => "epoch_began",
            NodeEventKind::EvidenceFound { .. } => "evidence_found",
            NodeEventKind::SignatureRefused { .. } => "signature_refused",
            NodeEventKind::SafetyViolation { .. } => "safety_violation",
            NodeEventKind::Repaired { .. } => "repaired",
            NodeEventKind::Observing { .. } => "observing",
            NodeEventKind::Poisoned { .. } => "poisoned",
            NodeEventKind::PeerConnected { .. } => "peer_connected",
            NodeEventKind::PeerDisconnected { .. } => "peer_disconnected",
            NodeEventKind::PeerBanned { .. } => "peer_banned",
            NodeEventKind::ClockOffset { .. } => "clock_offset",
            NodeEventKind::SyncProgress { .. } => "sync_progress",
            NodeEventKind::Overflow { .. } => "overflow",
            NodeEventKind::Closed => "closed",
        }
    }
}
