//! A node's life, and what it is at a glance.

#![allow(unsafe_code, reason = "exports keep their name; memory is touched in pointer.rs alone")]

use std::time::Duration;

use timecoin_core::{Node, NodeStatus};

use crate::bytes::Bytes;
use crate::config::ConfigObject;
use crate::constants::tc_status_t;
use crate::failure::Failure;
use crate::guard::guard;
use crate::handle::{HANDLES, Object};
use crate::numbers::{network_number, state_number};
use crate::pointer;
use crate::reports::{tc_mempool_info_t, tc_node_status_t, tc_tip_t};
use crate::types::{tc_bytes_t, tc_config_t, tc_node_t, tc_public_key_t, tc_txid_t};

impl Object for Node {
    const KIND: u8 = 2;
    const NAME: &'static str = "node";
}

/// The node of a handle.
pub(crate) fn find(node: tc_node_t) -> Result<std::sync::Arc<Node>, Failure> {
    HANDLES.get(node.id)
}

/// Opens a node: its store is read, and reads answer. Start it with tc_node_start.
///
/// config: copied; it can be freed, or used for the next node.
/// node_out: owned, free with tc_node_free.
///
/// Errors: TC_ERROR_INVALID_HANDLE, TC_ERROR_NULL_ARGUMENT, TC_ERROR_INVALID_CONFIG,
/// TC_ERROR_INVALID_GENESIS, TC_ERROR_NO_THREADS; TC_ERROR_CANNOT_LISTEN where the address to
/// listen on is taken or not this machine's; TC_ERROR_STORAGE_LOCKED where another node has the
/// directory, TC_ERROR_STORAGE_WRONG_CHAIN where it is of another chain, and other
/// TC_ERROR_STORAGE_ numbers.
#[unsafe(no_mangle)]
pub extern "C" fn tc_node_open(config: tc_config_t, node_out: *mut tc_node_t) -> tc_status_t {
    guard(|| {
        let config = HANDLES.get::<ConfigObject>(config.id)?.lock().clone();
        let out = pointer::out(node_out, "node_out")?;
        let id = HANDLES.insert(Node::open(config)?)?;
        out.write(tc_node_t { id });
        Ok(())
    })
}

/// Takes part: proposes, votes, takes transactions. A node starts once.
///
/// Errors: TC_ERROR_INVALID_HANDLE, TC_ERROR_ALREADY_STARTED, TC_ERROR_CLOSED.
#[unsafe(no_mangle)]
pub extern "C" fn tc_node_start(node: tc_node_t) -> tc_status_t {
    guard(|| Ok(find(node)?.start()?))
}

/// Ends a node: nothing new is taken, what was begun is finished and flushed, the directory is
/// let go of, waiting calls return TC_ERROR_CLOSED. Closing a closed node is fine. The handle
/// stays valid until tc_node_free.
///
/// timeout_ms: how long this call waits for that.
///
/// Errors: TC_ERROR_INVALID_HANDLE; TC_ERROR_TIMEOUT where it takes longer: it goes on behind.
#[unsafe(no_mangle)]
pub extern "C" fn tc_node_close(node: tc_node_t, timeout_ms: u64) -> tc_status_t {
    guard(|| Ok(find(node)?.close(Duration::from_millis(timeout_ms))?))
}

/// Frees a node. It is closed with that, unless a wallet or a draft of it is still there or another
/// thread is in a call with it: that call goes on, and a wait is not ended by this. Close the node
/// with tc_node_close first, which ends waits with TC_ERROR_CLOSED.
///
/// Errors: TC_ERROR_INVALID_HANDLE, also for what was freed already.
#[unsafe(no_mangle)]
pub extern "C" fn tc_node_free(node: tc_node_t) -> tc_status_t {
    guard(|| HANDLES.remove::<Node>(node.id).map(drop))
}

/// The node at a glance. Any thread may ask often: it asks neither engine nor disk.
///
/// status_out: its struct_size is set by the caller.
///
/// Errors: TC_ERROR_INVALID_HANDLE, TC_ERROR_NULL_ARGUMENT, TC_ERROR_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub extern "C" fn tc_node_status(
    node: tc_node_t,
    status_out: *mut tc_node_status_t,
) -> tc_status_t {
    guard(|| {
        let node = find(node)?;
        let out = pointer::report_out(status_out, "status_out")?;
        out.write((&node.status()).into());
        Ok(())
    })
}

/// The last decided block.
///
/// tip_out: its struct_size is set by the caller.
///
/// Errors: TC_ERROR_INVALID_HANDLE, TC_ERROR_NULL_ARGUMENT, TC_ERROR_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub extern "C" fn tc_node_tip(node: tc_node_t, tip_out: *mut tc_tip_t) -> tc_status_t {
    guard(|| {
        let node = find(node)?;
        let out = pointer::report_out(tip_out, "tip_out")?;
        out.write((&*node.tip()).into());
        Ok(())
    })
}

/// How full the mempool is.
///
/// info_out: its struct_size is set by the caller.
///
/// Errors: TC_ERROR_INVALID_HANDLE, TC_ERROR_NULL_ARGUMENT, TC_ERROR_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub extern "C" fn tc_node_mempool_info(
    node: tc_node_t,
    info_out: *mut tc_mempool_info_t,
) -> tc_status_t {
    guard(|| {
        let node = find(node)?;
        let out = pointer::report_out(info_out, "info_out")?;
        out.write((&node.mempool_info()).into());
        Ok(())
    })
}

/// Everything that the node counts, in the Prometheus text form.
///
/// text_out: a text; owned, free with tc_bytes_free.
///
/// Errors: TC_ERROR_INVALID_HANDLE, TC_ERROR_NULL_ARGUMENT.
#[unsafe(no_mangle)]
pub extern "C" fn tc_node_metrics_text(node: tc_node_t, text_out: *mut tc_bytes_t) -> tc_status_t {
    guard(|| {
        let node = find(node)?;
        let out = pointer::out(text_out, "text_out")?;
        Bytes::give(node.metrics_text(), out)
    })
}

/// Submits the canonical bytes of a transaction and returns when it is admitted or refused. It is
/// final later: see tc_node_wait_finalized. Submitting again what is known gives its id again.
///
/// transaction: transaction_bytes bytes.
/// txid_out: may be null.
///
/// Errors: TC_ERROR_INVALID_HANDLE, TC_ERROR_NULL_ARGUMENT; TC_ERROR_TRANSACTION_ numbers where it
/// is not valid, 1200 to 1299 where it is refused as things stand; TC_ERROR_TIMEOUT where no
/// answer came in submit_timeout_ms: it can be submitted again; TC_ERROR_BUSY,
/// TC_ERROR_NOT_RUNNING, TC_ERROR_CLOSED, TC_ERROR_POISONED.
#[unsafe(no_mangle)]
pub extern "C" fn tc_node_submit_transaction(
    node: tc_node_t,
    transaction: *const u8,
    transaction_bytes: usize,
    txid_out: *mut tc_txid_t,
) -> tc_status_t {
    guard(|| {
        let node = find(node)?;
        let transaction = pointer::values(transaction, transaction_bytes, "transaction")?;
        let txid = node.submit_transaction(transaction)?;
        if let Some(out) = pointer::optional_out(txid_out) {
            out.write((&txid).into());
        }
        Ok(())
    })
}

impl From<&NodeStatus> for tc_node_status_t {
    fn from(status: &NodeStatus) -> Self {
        let no_key = tc_public_key_t { bytes: [0; 32] };
        tc_node_status_t {
            struct_size: 0,
            height: status.height.0,
            tip_timestamp_ms: status.tip_timestamp.0,
            now_ms: status.now.0,
            epoch: status.epoch.0,
            n_masternodes: status.n_masternodes as u64,
            quorum: status.quorum as u64,
            mempool_transactions: status.mempool_transactions as u64,
            mempool_bytes: status.mempool_bytes as u64,
            storage_lag_blocks: status.storage_lag_blocks as u64,
            chain_id: (&status.chain_id).into(),
            tip_hash: (&status.tip_hash).into(),
            masternode_key: status.masternode_key.as_ref().map_or(no_key, Into::into),
            round: status.round.0,
            state: state_number(status.state),
            network: network_number(status.network),
            has_masternode_key: status.masternode_key.is_some().into(),
            is_active_masternode: status.is_active_masternode.into(),
            is_observer: status.is_observer.into(),
            reserved: 0,
        }
    }
}
