//! Waiting for what a node will do, and asking it for a block.

#![allow(unsafe_code, reason = "exports keep their name; memory is touched in pointer.rs alone")]

use std::time::Duration;

use timecoin_core::{Height, Txid};

use crate::constants::tc_status_t;
use crate::guard::guard;
use crate::node::find;
use crate::pointer;
use crate::reports::tc_transaction_status_t;
use crate::types::{tc_node_t, tc_txid_t};

/// Waits until a transaction can never be undone: it is final, or confirmed already. One that is
/// not known yet is waited for.
///
/// timeout_ms: up to TC_FOREVER. A host that must stay responsive waits in slices.
/// status_out: its struct_size is set by the caller; may be null.
///
/// Errors: TC_ERROR_TIMEOUT where it takes longer, and it can be waited for again; the number of
/// its rejection where it was refused; TC_ERROR_INVALID_HANDLE, TC_ERROR_NULL_ARGUMENT,
/// TC_ERROR_INVALID_ARGUMENT, TC_ERROR_CLOSED, TC_ERROR_POISONED, TC_ERROR_STORAGE_ numbers.
#[unsafe(no_mangle)]
pub extern "C" fn tc_node_wait_finalized(
    node: tc_node_t,
    txid: *const tc_txid_t,
    timeout_ms: u64,
    status_out: *mut tc_transaction_status_t,
) -> tc_status_t {
    guard(|| {
        let node = find(node)?;
        let txid = Txid::from(pointer::value(txid, "txid")?);
        let out = pointer::optional_report_out(status_out, "status_out")?;
        let status = node.wait_finalized(&txid, Duration::from_millis(timeout_ms))?;
        if let Some(out) = out {
            out.write((&status).into());
        }
        Ok(())
    })
}

/// Waits until a transaction is in a decided block.
///
/// timeout_ms: up to TC_FOREVER. height_out: the block's; may be null.
///
/// Errors: as tc_node_wait_finalized.
#[unsafe(no_mangle)]
pub extern "C" fn tc_node_wait_confirmed(
    node: tc_node_t,
    txid: *const tc_txid_t,
    timeout_ms: u64,
    height_out: *mut u64,
) -> tc_status_t {
    guard(|| {
        let node = find(node)?;
        let txid = Txid::from(pointer::value(txid, "txid")?);
        let height = node.wait_confirmed(&txid, Duration::from_millis(timeout_ms))?;
        write_height(height, height_out);
        Ok(())
    })
}

/// Waits until the block at a height is decided.
///
/// timeout_ms: up to TC_FOREVER. height_out: the tip's, which may be higher; may be null.
///
/// Errors: TC_ERROR_INVALID_HANDLE, TC_ERROR_TIMEOUT, TC_ERROR_CLOSED, TC_ERROR_POISONED.
#[unsafe(no_mangle)]
pub extern "C" fn tc_node_wait_height(
    node: tc_node_t,
    height: u64,
    timeout_ms: u64,
    height_out: *mut u64,
) -> tc_status_t {
    guard(|| {
        let tip = find(node)?.wait_height(Height(height), Duration::from_millis(timeout_ms))?;
        write_height(tip, height_out);
        Ok(())
    })
}

/// Asks for a block now, whatever the interval, and waits until it is decided.
///
/// timeout_ms: up to TC_FOREVER. height_out: the block's; may be null.
///
/// Errors: TC_ERROR_INVALID_HANDLE; TC_ERROR_CANNOT_PRODUCE_BLOCK where this node is no masternode
/// of this epoch or may not sign; TC_ERROR_TIMEOUT where no block is decided in time;
/// TC_ERROR_NOT_RUNNING, TC_ERROR_CLOSED, TC_ERROR_POISONED.
#[unsafe(no_mangle)]
pub extern "C" fn tc_node_produce_block(
    node: tc_node_t,
    timeout_ms: u64,
    height_out: *mut u64,
) -> tc_status_t {
    guard(|| {
        let height = find(node)?.produce_block(Duration::from_millis(timeout_ms))?;
        write_height(height, height_out);
        Ok(())
    })
}

fn write_height(height: Height, height_out: *mut u64) {
    if let Some(out) = pointer::optional_out(height_out) {
        out.write(height.0);
    }
}
