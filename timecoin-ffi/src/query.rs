//! Reading transactions, outputs, balances and masternodes.

#![allow(unsafe_code, reason = "exports keep their name; memory is touched in pointer.rs alone")]

use serde_json::json;
use timecoin_core::{Address, Network, Node, OutPoint, Txid, UtxoInfo};

use crate::bytes::Bytes;
use crate::constants::tc_status_t;
use crate::failure::Failure;
use crate::guard::guard;
use crate::node::find;
use crate::numbers::{origin_number, outpoint_number};
use crate::pointer;
use crate::reports::{tc_balance_t, tc_transaction_status_t, tc_utxo_t};
use crate::transaction::TransactionObject;
use crate::types::{
    tc_address_t, tc_bytes_t, tc_node_t, tc_outpoint_t, tc_transaction_t, tc_txid_t,
};

/// How far a transaction is. Asks neither the engine nor, for what is not confirmed, the disk.
///
/// status_out: its struct_size is set by the caller.
///
/// Errors: TC_ERROR_INVALID_HANDLE, TC_ERROR_NULL_ARGUMENT, TC_ERROR_INVALID_ARGUMENT,
/// TC_ERROR_NOT_FOUND, TC_ERROR_CLOSED, TC_ERROR_STORAGE_ numbers.
#[unsafe(no_mangle)]
pub extern "C" fn tc_node_transaction_status(
    node: tc_node_t,
    txid: *const tc_txid_t,
    status_out: *mut tc_transaction_status_t,
) -> tc_status_t {
    guard(|| {
        let node = find(node)?;
        let txid = Txid::from(pointer::value(txid, "txid")?);
        let out = pointer::report_out(status_out, "status_out")?;
        let status = node.transaction_status(&txid)?;
        let status = status.ok_or_else(|| Failure::not_found("the transaction"))?;
        out.write((&status).into());
        Ok(())
    })
}

/// A transaction and how far it is.
///
/// transaction_out: owned, free with tc_transaction_free.
/// status_out: its struct_size is set by the caller; may be null.
///
/// Errors: TC_ERROR_INVALID_HANDLE, TC_ERROR_NULL_ARGUMENT, TC_ERROR_INVALID_ARGUMENT,
/// TC_ERROR_NOT_FOUND, TC_ERROR_CLOSED, TC_ERROR_STORAGE_ numbers.
#[unsafe(no_mangle)]
pub extern "C" fn tc_node_transaction(
    node: tc_node_t,
    txid: *const tc_txid_t,
    transaction_out: *mut tc_transaction_t,
    status_out: *mut tc_transaction_status_t,
) -> tc_status_t {
    guard(|| {
        let node = find(node)?;
        let txid = Txid::from(pointer::value(txid, "txid")?);
        let out = pointer::out(transaction_out, "transaction_out")?;
        let status_out = pointer::optional_report_out(status_out, "status_out")?;
        let info = node.transaction(&txid)?;
        let info = info.ok_or_else(|| Failure::not_found("the transaction"))?;
        TransactionObject::give(info.transaction, out)?;
        if let Some(status_out) = status_out {
            status_out.write((&info.status).into());
        }
        Ok(())
    })
}

/// An output and how far its spending is.
///
/// utxo_out: its struct_size is set by the caller.
///
/// Errors: TC_ERROR_INVALID_HANDLE, TC_ERROR_NULL_ARGUMENT, TC_ERROR_INVALID_ARGUMENT,
/// TC_ERROR_CLOSED, TC_ERROR_STORAGE_ numbers; TC_ERROR_NOT_FOUND where its transaction is neither
/// confirmed nor final, or never had it.
#[unsafe(no_mangle)]
pub extern "C" fn tc_node_utxo(
    node: tc_node_t,
    outpoint: *const tc_outpoint_t,
    utxo_out: *mut tc_utxo_t,
) -> tc_status_t {
    guard(|| {
        let node = find(node)?;
        let outpoint = OutPoint::from(pointer::value(outpoint, "outpoint")?);
        let out = pointer::report_out(utxo_out, "utxo_out")?;
        let info = node.utxo(&outpoint)?.ok_or_else(|| Failure::not_found("the output"))?;
        out.write((&info).into());
        Ok(())
    })
}

/// A page of the outputs of an address, ascending by outpoint: those that no block has spent, and
/// those of final transactions that are in no block yet.
///
/// after: the outpoint that the page begins after, the last one of the page before; null for the
/// first page.
/// utxos_out: an array of utxos_max elements, 1 to TC_UTXOS_PAGE_MAX; the caller sets struct_size
/// of the first.
/// n_out: how many were written. 0 ends the pages.
///
/// Errors: TC_ERROR_INVALID_HANDLE, TC_ERROR_NULL_ARGUMENT, TC_ERROR_INVALID_ARGUMENT,
/// TC_ERROR_CLOSED, TC_ERROR_STORAGE_ numbers.
#[unsafe(no_mangle)]
pub extern "C" fn tc_node_utxos_of(
    node: tc_node_t,
    address: *const tc_address_t,
    after: *const tc_outpoint_t,
    utxos_out: *mut tc_utxo_t,
    utxos_max: usize,
    n_out: *mut usize,
) -> tc_status_t {
    guard(|| {
        let node = find(node)?;
        let address = Address::from(pointer::value(address, "address")?);
        let after = pointer::optional_value(after).map(OutPoint::from);
        let out = pointer::reports_out(utxos_out, utxos_max, "utxos_out")?;
        let n_out = pointer::out(n_out, "n_out")?;
        let page = node.utxos_of(&address, after.as_ref(), utxos_max)?;
        out.write(page.iter().map(Into::into));
        n_out.write(page.len());
        Ok(())
    })
}

/// The money of an address. Reads all its outputs.
///
/// balance_out: its struct_size is set by the caller.
///
/// Errors: TC_ERROR_INVALID_HANDLE, TC_ERROR_NULL_ARGUMENT, TC_ERROR_INVALID_ARGUMENT,
/// TC_ERROR_CLOSED, TC_ERROR_STORAGE_ numbers.
#[unsafe(no_mangle)]
pub extern "C" fn tc_node_balance(
    node: tc_node_t,
    address: *const tc_address_t,
    balance_out: *mut tc_balance_t,
) -> tc_status_t {
    guard(|| {
        let node = find(node)?;
        let address = Address::from(pointer::value(address, "address")?);
        let out = pointer::report_out(balance_out, "balance_out")?;
        out.write((&node.balance(&address)?).into());
        Ok(())
    })
}

/// The masternodes that decide the next block, as JSON: an array of objects with consensus_key,
/// payout and network_address, ascending by key.
///
/// json_out: a text; owned, free with tc_bytes_free.
///
/// Errors: TC_ERROR_INVALID_HANDLE, TC_ERROR_NULL_ARGUMENT.
#[unsafe(no_mangle)]
pub extern "C" fn tc_node_masternodes(node: tc_node_t, json_out: *mut tc_bytes_t) -> tc_status_t {
    guard(|| {
        let node = find(node)?;
        let out = pointer::out(json_out, "json_out")?;
        Bytes::give(masternodes_json(&node, node.network()), out)
    })
}

fn masternodes_json(node: &Node, network: Network) -> String {
    let masternodes = node.masternodes();
    let members = masternodes.members().iter().map(|masternode| {
        json!({
            "consensus_key": masternode.consensus_key.to_string(),
            "payout": masternode.payout.to_text(network),
            "network_address": masternode.network_address,
        })
    });
    serde_json::Value::Array(members.collect()).to_string()
}

impl From<&UtxoInfo> for tc_utxo_t {
    fn from(info: &UtxoInfo) -> Self {
        tc_utxo_t {
            struct_size: 0,
            value: info.output.value.units(),
            height: info.height.map_or(0, |height| height.0),
            outpoint: (&info.outpoint).into(),
            address: (&info.output.address).into(),
            spent_by: (&info.spent_by.unwrap_or(Txid::ZERO)).into(),
            origin: origin_number(info.origin),
            state: outpoint_number(info.state),
            has_height: info.height.is_some().into(),
            has_spent_by: info.spent_by.is_some().into(),
            reserved: [0; 6],
        }
    }
}
