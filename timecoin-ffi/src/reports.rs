//! The structs of the header that report something. They begin with `struct_size` and may grow at
//! their end; their fields leave no gaps, so that nothing of this process' stack goes out with them.

#![allow(non_camel_case_types, reason = "names as C writes them")]

use std::ffi::c_char;

use timecoin_core::{Balance, MempoolInfo, Payment, Tip};

use crate::constants::{TC_AGENT_TEXT_BYTES, TC_SOCKET_TEXT_BYTES};
use crate::types::{
    tc_address_t, tc_block_hash_t, tc_chain_id_t, tc_outpoint_t, tc_public_key_t, tc_txid_t,
};

/// A node at a glance.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct tc_node_status_t {
    /// Set it to sizeof(tc_node_status_t) before the call.
    pub struct_size: usize,
    /// The height of the last decided block; 0 for the genesis.
    pub height: u64,
    /// When it was proposed, in ms since 1970.
    pub tip_timestamp_ms: u64,
    /// This node's clock, in ms since 1970.
    pub now_ms: u64,
    /// The epoch of the next block.
    pub epoch: u64,
    /// How many masternodes decide.
    pub n_masternodes: u64,
    /// How many of them it takes.
    pub quorum: u64,
    /// Transactions that are neither confirmed nor refused.
    pub mempool_transactions: u64,
    /// Their bytes.
    pub mempool_bytes: u64,
    /// Durable blocks that are not in the derived tables yet.
    pub storage_lag_blocks: u64,
    /// The identity of the chain.
    pub chain_id: tc_chain_id_t,
    /// The hash of the last decided block.
    pub tip_hash: tc_block_hash_t,
    /// The masternode key of this node; zeros where it has none.
    pub masternode_key: tc_public_key_t,
    /// The round that the next height is in.
    pub round: u32,
    /// TC_NODE_STATE_.
    pub state: i32,
    /// TC_NETWORK_.
    pub network: i32,
    /// 1 where it has a masternode key.
    pub has_masternode_key: u8,
    /// 1 where that key decides in this epoch, and may sign.
    pub is_active_masternode: u8,
    /// 1 where it signs nothing until the next epoch, since it may have forgotten votes.
    pub is_observer: u8,
    /// Always 0.
    pub reserved: u8,
}

/// The last decided block.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct tc_tip_t {
    /// Set it to sizeof(tc_tip_t) before the call.
    pub struct_size: usize,
    /// Its height; 0 for the genesis.
    pub height: u64,
    /// When it was proposed, in ms since 1970.
    pub timestamp_ms: u64,
    /// Its hash.
    pub hash: tc_block_hash_t,
}

/// What a data directory begins with, in the place of blocks.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct tc_bootstrapped_t {
    /// Set it to sizeof(tc_bootstrapped_t) before the call.
    pub struct_size: usize,
    /// The height of the block after which the outputs are unspent.
    pub height: u64,
    /// How many outputs there are.
    pub n_outputs: u64,
    /// Bytes that peers sent in this call.
    pub bytes: u64,
    /// The hash of the block.
    pub hash: tc_block_hash_t,
}

/// How far tc_node_bootstrap is.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct tc_bootstrap_progress_t {
    /// How long this struct is in this version of the library.
    pub struct_size: usize,
    /// The height of the last block that headers prove.
    pub headers: u64,
    /// The height that most is claimed by a peer that answers.
    pub target: u64,
    /// Outputs that came, in earlier calls too.
    pub n_outputs: u64,
    /// Outputs that were checked and written, once all came.
    pub n_written: u64,
    /// Bytes that peers sent in this call.
    pub bytes: u64,
    /// The same for each second of the last while.
    pub bytes_per_second: u64,
    /// Peers that can be asked.
    pub n_peers: u64,
}

/// The money of an address or a wallet, in units.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct tc_balance_t {
    /// Set it to sizeof(tc_balance_t) before the call.
    pub struct_size: usize,
    /// The sum of its unspent outputs after the last decided block.
    pub confirmed: u64,
    /// The same once all final transactions are in a block: what nobody can take back.
    pub finalized: u64,
    /// What a new transaction can spend now.
    pub spendable: u64,
    /// Rewards that are too young to be spent.
    pub immature: u64,
    /// Collateral of masternodes.
    pub locked: u64,
}

/// How full the mempool is.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct tc_mempool_info_t {
    /// Set it to sizeof(tc_mempool_info_t) before the call.
    pub struct_size: usize,
    /// Transactions that are neither confirmed nor refused, those that wait for inputs included.
    pub transactions: u64,
    /// Their bytes.
    pub bytes: u64,
    /// How many it takes.
    pub transactions_max: u64,
    /// How many bytes it takes.
    pub bytes_max: u64,
}

/// An output and how far its spending is.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct tc_utxo_t {
    /// Set it to sizeof(tc_utxo_t) before the call; in an array, in its first element.
    pub struct_size: usize,
    /// In units.
    pub value: u64,
    /// The height of its block, 0 for the genesis; undefined where has_height is 0.
    pub height: u64,
    /// Which.
    pub outpoint: tc_outpoint_t,
    /// Whose key may spend it.
    pub address: tc_address_t,
    /// The transaction that spends it; zeros where has_spent_by is 0.
    pub spent_by: tc_txid_t,
    /// TC_ORIGIN_.
    pub origin: i32,
    /// TC_OUTPOINT_.
    pub state: i32,
    /// 1 where it is in a block; 0 where its transaction is final and in no block yet.
    pub has_height: u8,
    /// 1 where a transaction that is known, and not in a block yet, spends it.
    pub has_spent_by: u8,
    /// Always 0.
    pub reserved: [u8; 6],
}

/// A payment that the node took.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct tc_payment_t {
    /// Set it to sizeof(tc_payment_t) before the call.
    pub struct_size: usize,
    /// What it pays the masternodes, in units.
    pub fee: u64,
    /// Its id, to wait for.
    pub txid: tc_txid_t,
}

/// How far a transaction is.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct tc_transaction_status_t {
    /// Set it to sizeof(tc_transaction_status_t) before the call.
    pub struct_size: usize,
    /// The height of its block; 0 where it is not confirmed.
    pub height: u64,
    /// TC_TRANSACTION_.
    pub status: i32,
    /// Why it was rejected.
    pub rejection: tc_rejection_t,
}

/// A TC_ERROR_ number that says why a transaction was rejected; 0 for not rejected.
pub type tc_rejection_t = i32;

/// What a transaction is made of.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct tc_transaction_info_t {
    /// Set it to sizeof(tc_transaction_info_t) before the call.
    pub struct_size: usize,
    /// The first height whose block may hold it; 0 for any.
    pub lock_time: u64,
    /// Inputs.
    pub n_inputs: u64,
    /// Outputs.
    pub n_outputs: u64,
    /// The length of its canonical bytes.
    pub bytes: u64,
    /// Its id.
    pub txid: tc_txid_t,
    /// TC_TX_KIND_.
    pub kind: i32,
    /// Its format.
    pub version: u32,
}

/// What a block says of itself.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct tc_block_info_t {
    /// Set it to sizeof(tc_block_info_t) before the call.
    pub struct_size: usize,
    /// Its position, from 1.
    pub height: u64,
    /// When it was proposed, in ms since 1970.
    pub timestamp_ms: u64,
    /// Transactions, its reward included.
    pub n_transactions: u64,
    /// The length of its canonical bytes.
    pub bytes: u64,
    /// Masternodes that signed its certificate.
    pub n_signers: u64,
    /// Its id.
    pub hash: tc_block_hash_t,
    /// The block before; for block 1 the chain id.
    pub parent: tc_block_hash_t,
    /// Commits to the transactions.
    pub merkle_root: [u8; 32],
    /// Commits to the unspent outputs after the block.
    pub utxo_commitment: [u8; 32],
    /// Names the masternodes of its epoch.
    pub masternode_set: [u8; 32],
    /// Names the masternodes that decide the next block.
    pub next_masternode_set: [u8; 32],
    /// Commits to the amount issued and all registrations after the block.
    pub registry: [u8; 32],
    /// The consensus key of the first proposer.
    pub proposer: tc_public_key_t,
    /// The chain.
    pub chain_id: tc_chain_id_t,
    /// The round in which it was decided.
    pub round: u32,
    /// Always 0.
    pub reserved: u32,
}

/// What happened. Which fields count depends on the kind; the others are 0.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct tc_event_info_t {
    /// Set it to sizeof(tc_event_info_t) before the call.
    pub struct_size: usize,
    /// Counts every event of the node from 1, whoever subscribes: a gap is an overflow.
    pub sequence: u64,
    /// When it happened, by the node's clock, in ms since 1970.
    pub at_ms: u64,
    /// The height that it is about.
    pub height: u64,
    /// The epoch that began.
    pub epoch: u64,
    /// Events that were lost.
    pub missed: u64,
    /// The transaction.
    pub txid: tc_txid_t,
    /// The block.
    pub block_hash: tc_block_hash_t,
    /// The round that is entered.
    pub round: u32,
    /// TC_EVENT_.
    pub kind: i32,
    /// TC_TRANSACTION_.
    pub transaction_status: i32,
    /// Why the transaction was rejected.
    pub rejection: tc_rejection_t,
    /// Until when a peer is not talked to, by the node's clock, in ms since 1970.
    pub until_ms: u64,
    /// How much the clocks of most masternodes are ahead, in ms; the median.
    pub offset_ms: i64,
    /// The greatest height that a peer says it has.
    pub target_height: u64,
    /// Bytes of blocks that came since the node started.
    pub bytes: u64,
    /// Peers that can be asked.
    pub n_peers: u64,
    /// The node key of the peer.
    pub peer_key: tc_public_key_t,
    /// 1 where the peer dialled this node.
    pub is_inbound: u8,
    /// 1 where the offset is more than the chain allows, so that this node sends nothing that it
    /// signs until its clock is right.
    pub is_withholding: u8,
    /// Always 0.
    pub reserved: [u8; 6],
}

/// A peer that is connected.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct tc_peer_t {
    /// Set it to sizeof(tc_peer_t) before the call; in an array, in its first element.
    pub struct_size: usize,
    /// Since when it is a peer, by this node's clock, in ms since 1970.
    pub since_ms: u64,
    /// The height of the last block that it says is decided there.
    pub height: u64,
    /// The last round trip, in ms; undefined where is_measured is 0.
    pub round_trip_ms: u64,
    /// How much its clock is ahead of this node's, in ms; undefined where is_measured is 0.
    pub clock_offset_ms: i64,
    /// Bytes of frames that came.
    pub bytes_received: u64,
    /// Bytes of frames that went.
    pub bytes_sent: u64,
    /// Frames that came.
    pub frames_received: u64,
    /// Frames that went.
    pub frames_sent: u64,
    /// Frames that came over its rate, and are lost.
    pub frames_over_rate: u64,
    /// Frames that did not fit its queue, and are lost.
    pub frames_unsent: u64,
    /// Its node key, proved.
    pub key: tc_public_key_t,
    /// The other end of the socket, as "127.0.0.1:7000".
    pub address: [c_char; TC_SOCKET_TEXT_BYTES],
    /// What program it says it is.
    pub agent: [c_char; TC_AGENT_TEXT_BYTES],
    /// 1 where it dialled this node.
    pub is_inbound: u8,
    /// 1 where its key is one of the masternodes that decide.
    pub is_masternode: u8,
    /// 1 once it answered a ping.
    pub is_measured: u8,
    /// Always 0.
    pub reserved: [u8; 5],
}

/// A node of a network in virtual time at a glance.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct tc_sim_node_status_t {
    /// Set it to sizeof(tc_sim_node_status_t) before the call.
    pub struct_size: usize,
    /// Its number, from 0.
    pub node: u64,
    /// The height of the last block that it decided and wrote.
    pub height: u64,
    /// The epoch of the next block; 0 while it does not run.
    pub epoch: u64,
    /// Its clock, in ms since 1970.
    pub now_ms: u64,
    /// Transactions that it knows and that are neither confirmed nor refused.
    pub mempool_transactions: u64,
    /// Its key, which names it.
    pub masternode_key: tc_public_key_t,
    /// The round that the next height is in; 0 while it does not run.
    pub round: u32,
    /// How often it was started.
    pub starts: u32,
    /// TC_SIM_NODE_STATE_.
    pub state: i32,
    /// 1 where it decides in this epoch, and may sign.
    pub is_active_masternode: u8,
    /// 1 where it started without the votes that it may have cast.
    pub is_observer: u8,
    /// 1 where it follows a strategy of its own, or ever did.
    pub is_byzantine: u8,
    /// Always 0.
    pub reserved: u8,
}

/// Of a number of durations, how long most took, in microseconds.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct tc_percentiles_t {
    /// How many there are.
    pub n: u64,
    /// Half take no longer.
    pub p50_us: u64,
    /// Nine of ten take no longer.
    pub p90_us: u64,
    /// 99 of 100 take no longer.
    pub p99_us: u64,
    /// The longest.
    pub max_us: u64,
}

/// What a network did since it began.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct tc_network_metrics_t {
    /// Set it to sizeof(tc_network_metrics_t) before the call.
    pub struct_size: usize,
    /// Time that passed, in microseconds.
    pub elapsed_us: u64,
    /// Events that happened.
    pub steps: u64,
    /// Nodes that there are.
    pub nodes: u64,
    /// The lowest height of all honest nodes that run.
    pub height_min: u64,
    /// The highest height that any node decided.
    pub height_max: u64,
    /// Rounds that ended without a decision, at any honest node.
    pub view_changes: u64,
    /// Payments that were made.
    pub payments: u64,
    /// Payments that were refused.
    pub payments_refused: u64,
    /// Restarts of nodes.
    pub restarts: u64,
    /// Messages that were sent.
    pub messages_sent: u64,
    /// Their bytes.
    pub bytes_sent: u64,
    /// Messages that arrived.
    pub messages_delivered: u64,
    /// Messages that nodes refused as wrong.
    pub messages_refused: u64,
    /// Masternodes that evidence names.
    pub offenders: u64,
    /// From submission to the first node at which a payment was final.
    pub finality: tc_percentiles_t,
    /// From one decision to the next.
    pub block_gap: tc_percentiles_t,
}

/// Which node told something, and when.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct tc_network_event_t {
    /// Set it to sizeof(tc_network_event_t) before the call.
    pub struct_size: usize,
    /// Counts all that nodes told, from 1: a gap is what was not kept.
    pub sequence: u64,
    /// When, in microseconds since the network began.
    pub at_us: u64,
    /// Which node.
    pub node: u64,
}

/// An invariant of the protocol that was found broken.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct tc_sim_failure_t {
    /// Set it to sizeof(tc_sim_failure_t) before the call.
    pub struct_size: usize,
    /// The seed of the run.
    pub seed: u64,
    /// The number of the event after which it was found.
    pub step: u64,
    /// How much virtual time had passed, in microseconds.
    pub at_us: u64,
}

impl From<&Tip> for tc_tip_t {
    fn from(tip: &Tip) -> Self {
        let (height, timestamp_ms) = (tip.height.0, tip.timestamp.0);
        tc_tip_t { struct_size: 0, height, timestamp_ms, hash: (&tip.hash).into() }
    }
}

impl From<&Balance> for tc_balance_t {
    fn from(balance: &Balance) -> Self {
        tc_balance_t {
            struct_size: 0,
            confirmed: balance.confirmed.units(),
            finalized: balance.finalized.units(),
            spendable: balance.spendable.units(),
            immature: balance.immature.units(),
            locked: balance.locked.units(),
        }
    }
}

impl From<&MempoolInfo> for tc_mempool_info_t {
    fn from(info: &MempoolInfo) -> Self {
        tc_mempool_info_t {
            struct_size: 0,
            transactions: info.transactions as u64,
            bytes: info.bytes as u64,
            transactions_max: info.transactions_max as u64,
            bytes_max: info.bytes_max as u64,
        }
    }
}

impl From<&Payment> for tc_payment_t {
    fn from(payment: &Payment) -> Self {
        let (fee, txid) = (payment.fee.units(), (&payment.txid).into());
        tc_payment_t { struct_size: 0, fee, txid }
    }
}
