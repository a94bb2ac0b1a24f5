//! The numbers that stand for core's enums in C.

use timecoin_core::node::{ErrorCategory, rejection_code};
use timecoin_core::params::BlockProduction;
use timecoin_core::{
    Network, NodeEventKind, NodeState, Origin, OutpointState, TransactionStatus, TxKind,
};

use crate::constants::*;
use crate::failure::Failure;
use crate::reports::tc_transaction_status_t;

pub(crate) fn network(number: i32) -> Result<Network, Failure> {
    match number {
        TC_NETWORK_MAINNET => Ok(Network::Mainnet),
        TC_NETWORK_TESTNET => Ok(Network::Testnet),
        TC_NETWORK_REGTEST => Ok(Network::Regtest),
        _ => Err(Failure::argument("network", &format!("{number} is none of TC_NETWORK_"))),
    }
}

pub(crate) fn network_number(network: Network) -> i32 {
    match network {
        Network::Mainnet => TC_NETWORK_MAINNET,
        Network::Testnet => TC_NETWORK_TESTNET,
        Network::Regtest => TC_NETWORK_REGTEST,
    }
}

pub(crate) fn block_production(number: i32) -> Result<BlockProduction, Failure> {
    match number {
        TC_BLOCK_PRODUCTION_INTERVAL => Ok(BlockProduction::Interval),
        TC_BLOCK_PRODUCTION_ON_DEMAND => Ok(BlockProduction::OnDemand),
        _ => {
            let reason = format!("{number} is none of TC_BLOCK_PRODUCTION_");
            Err(Failure::argument("block_production", &reason))
        }
    }
}

pub(crate) fn category_number(category: ErrorCategory) -> i32 {
    match category {
        ErrorCategory::Request => TC_CATEGORY_REQUEST,
        ErrorCategory::Peer => TC_CATEGORY_PEER,
        ErrorCategory::Storage => TC_CATEGORY_STORAGE,
        ErrorCategory::Internal => TC_CATEGORY_INTERNAL,
    }
}

pub(crate) fn state_number(state: NodeState) -> i32 {
    match state {
        NodeState::New => TC_NODE_STATE_NEW,
        NodeState::Running => TC_NODE_STATE_RUNNING,
        NodeState::Closing => TC_NODE_STATE_CLOSING,
        NodeState::Closed => TC_NODE_STATE_CLOSED,
        NodeState::Poisoned => TC_NODE_STATE_POISONED,
    }
}

pub(crate) fn sim_node_state_number(state: &timecoin_core::sim::NodeState) -> i32 {
    use timecoin_core::sim::NodeState;
    match state {
        NodeState::Running => TC_SIM_NODE_STATE_RUNNING,
        NodeState::Paused => TC_SIM_NODE_STATE_PAUSED,
        NodeState::Down => TC_SIM_NODE_STATE_DOWN,
        NodeState::Halted(_) => TC_SIM_NODE_STATE_HALTED,
    }
}

pub(crate) fn outpoint_number(state: OutpointState) -> i32 {
    match state {
        OutpointState::Unspent => TC_OUTPOINT_UNSPENT,
        OutpointState::Locked => TC_OUTPOINT_LOCKED,
        OutpointState::SpentPending => TC_OUTPOINT_SPENT_PENDING,
        OutpointState::SpentFinalized => TC_OUTPOINT_SPENT_FINALIZED,
        OutpointState::Confirmed => TC_OUTPOINT_CONFIRMED,
    }
}

pub(crate) fn origin_number(origin: Origin) -> i32 {
    match origin {
        Origin::Transfer => TC_ORIGIN_TRANSFER,
        Origin::Coinbase => TC_ORIGIN_COINBASE,
        Origin::Collateral => TC_ORIGIN_COLLATERAL,
    }
}

pub(crate) fn tx_kind_number(kind: &TxKind) -> i32 {
    match kind {
        TxKind::Transfer => TC_TX_KIND_TRANSFER,
        TxKind::Coinbase { .. } => TC_TX_KIND_COINBASE,
        TxKind::RegisterMasternode(_) => TC_TX_KIND_REGISTER_MASTERNODE,
        TxKind::DeregisterMasternode { .. } => TC_TX_KIND_DEREGISTER_MASTERNODE,
        TxKind::Evidence(_) => TC_TX_KIND_EVIDENCE,
    }
}

pub(crate) fn event_number(kind: &NodeEventKind) -> i32 {
    match kind {
        NodeEventKind::TransactionStatus { .. } => TC_EVENT_TRANSACTION_STATUS,
        NodeEventKind::BlockConfirmed { .. } => TC_EVENT_BLOCK_CONFIRMED,
        NodeEventKind::RoundChanged { .. } => TC_EVENT_ROUND_CHANGED,
        NodeEventKind::EpochBegan { .. } => TC_EVENT_EPOCH_BEGAN,
        NodeEventKind::EvidenceFound { .. } => TC_EVENT_EVIDENCE_FOUND,
        NodeEventKind::SignatureRefused { .. } => TC_EVENT_SIGNATURE_REFUSED,
        NodeEventKind::SafetyViolation { .. } => TC_EVENT_SAFETY_VIOLATION,
        NodeEventKind::Repaired { .. } => TC_EVENT_REPAIRED,
        NodeEventKind::Observing { .. } => TC_EVENT_OBSERVING,
        NodeEventKind::Poisoned { .. } => TC_EVENT_POISONED,
        NodeEventKind::PeerConnected { .. } => TC_EVENT_PEER_CONNECTED,
        NodeEventKind::PeerDisconnected { .. } => TC_EVENT_PEER_DISCONNECTED,
        NodeEventKind::PeerBanned { .. } => TC_EVENT_PEER_BANNED,
        NodeEventKind::ClockOffset { .. } => TC_EVENT_CLOCK_OFFSET,
        NodeEventKind::SyncProgress { .. } => TC_EVENT_SYNC_PROGRESS,
        NodeEventKind::Overflow { .. } => TC_EVENT_OVERFLOW,
        NodeEventKind::Closed => TC_EVENT_CLOSED,
        _ => TC_EVENT_OTHER,
    }
}

impl From<&TransactionStatus> for tc_transaction_status_t {
    fn from(status: &TransactionStatus) -> Self {
        let (number, height, rejection) = match status {
            TransactionStatus::Pending => (TC_TRANSACTION_PENDING, 0, TC_OK),
            TransactionStatus::Approved => (TC_TRANSACTION_APPROVED, 0, TC_OK),
            TransactionStatus::Certified => (TC_TRANSACTION_CERTIFIED, 0, TC_OK),
            TransactionStatus::Finalized => (TC_TRANSACTION_FINALIZED, 0, TC_OK),
            TransactionStatus::Confirmed(height) => (TC_TRANSACTION_CONFIRMED, height.0, TC_OK),
            TransactionStatus::Rejected(rejection) => {
                (TC_TRANSACTION_REJECTED, 0, rejection_code(rejection).as_i32())
            }
            TransactionStatus::Contested => (TC_TRANSACTION_CONTESTED, 0, TC_OK),
        };
        tc_transaction_status_t { struct_size: 0, height, status: number, rejection }
    }
}

/// The name of a transaction's status, as [`TransactionStatus::name`].
pub(crate) fn transaction_status_name(number: i32) -> Option<&'static str> {
    let status = match number {
        TC_TRANSACTION_PENDING => TransactionStatus::Pending,
        TC_TRANSACTION_APPROVED => TransactionStatus::Approved,
        TC_TRANSACTION_CERTIFIED => TransactionStatus::Certified,
        TC_TRANSACTION_FINALIZED => TransactionStatus::Finalized,
        TC_TRANSACTION_CONFIRMED => TransactionStatus::Confirmed(timecoin_core::Height(0)),
        TC_TRANSACTION_REJECTED => {
            TransactionStatus::from(timecoin_core::Rejection::RejectedByQuorum)
        }
        TC_TRANSACTION_CONTESTED => TransactionStatus::Contested,
        _ => return None,
    };
    Some(status.name())
}

/// The name of a node's state, as [`NodeState::name`].
pub(crate) fn state_name(number: i32) -> Option<&'static str> {
    let states = [
        NodeState::New,
        NodeState::Running,
        NodeState::Closing,
        NodeState::Closed,
        NodeState::Poisoned,
    ];
    states.into_iter().find(|&state| state_number(state) == number).map(NodeState::name)
}
