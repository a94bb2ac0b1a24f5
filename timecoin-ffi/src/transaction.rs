//! Transactions as values: read, build, sign, submit.

#![allow(unsafe_code, reason = "exports keep their name; memory is touched in pointer.rs alone")]

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use timecoin_core::ledger::transaction::decode_transaction;
use timecoin_core::types::encode::{encode, encoded_len};
use timecoin_core::{ChainParams, Network, OutPoint, PublicKey, Transaction, TxOutput};

use crate::bytes::Bytes;
use crate::constants::tc_status_t;
use crate::failure::Failure;
use crate::guard::guard;
use crate::handle::{HANDLES, Object};
use crate::node::find;
use crate::numbers::tx_kind_number;
use crate::pointer::{self, Out};
use crate::reports::tc_transaction_info_t;
use crate::types::{
    tc_bytes_t, tc_node_t, tc_transaction_t, tc_tx_output_t, tc_tx_source_t, tc_txid_t,
};

/// A transaction, which signing replaces.
pub(crate) struct TransactionObject(Mutex<Arc<Transaction>>);

impl Object for TransactionObject {
    const KIND: u8 = 5;
    const NAME: &'static str = "transaction";
}

impl TransactionObject {
    /// Gives a transaction to the caller.
    pub(crate) fn give(
        transaction: Arc<Transaction>,
        out: Out<tc_transaction_t>,
    ) -> Result<(), Failure> {
        let id = HANDLES.insert(TransactionObject(Mutex::new(transaction)))?;
        out.write(tc_transaction_t { id });
        Ok(())
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Arc<Transaction>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads the canonical bytes of a transaction. Signatures and inputs are not checked.
///
/// data: data_bytes bytes.
/// transaction_out: owned, free with tc_transaction_free.
///
/// Errors: TC_ERROR_NULL_ARGUMENT; TC_ERROR_TRANSACTION_MALFORMED and other TC_ERROR_TRANSACTION_
/// numbers.
#[unsafe(no_mangle)]
pub extern "C" fn tc_transaction_from_bytes(
    data: *const u8,
    data_bytes: usize,
    transaction_out: *mut tc_transaction_t,
) -> tc_status_t {
    guard(|| {
        let bytes = pointer::values(data, data_bytes, "data")?;
        let out = pointer::out(transaction_out, "transaction_out")?;
        // The size limit is the same on all networks.
        let transaction = decode_transaction(&bytes, &ChainParams::new(Network::Mainnet))?;
        TransactionObject::give(Arc::new(transaction), out)
    })
}

/// Builds a transfer that is not signed: see tc_wallet_sign. What the inputs are worth above the
/// outputs is the fee.
///
/// inputs: n_inputs elements. outputs: n_outputs elements.
/// transaction_out: owned, free with tc_transaction_free.
///
/// Errors: TC_ERROR_NULL_ARGUMENT.
#[unsafe(no_mangle)]
pub extern "C" fn tc_transaction_transfer(
    inputs: *const tc_tx_source_t,
    n_inputs: usize,
    outputs: *const tc_tx_output_t,
    n_outputs: usize,
    transaction_out: *mut tc_transaction_t,
) -> tc_status_t {
    guard(|| {
        let inputs = pointer::values(inputs, n_inputs, "inputs")?;
        let outputs = pointer::values(outputs, n_outputs, "outputs")?;
        let out = pointer::out(transaction_out, "transaction_out")?;
        let source = |input: &tc_tx_source_t| -> (OutPoint, PublicKey) {
            (input.outpoint.into(), input.public_key.into())
        };
        let inputs: Vec<(OutPoint, PublicKey)> = inputs.iter().map(source).collect();
        let outputs: Vec<TxOutput> = outputs.into_iter().map(TxOutput::from).collect();
        TransactionObject::give(Arc::new(Transaction::transfer(&inputs, outputs)), out)
    })
}

/// What a transaction is made of.
///
/// info_out: its struct_size is set by the caller.
///
/// Errors: TC_ERROR_INVALID_HANDLE, TC_ERROR_NULL_ARGUMENT, TC_ERROR_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub extern "C" fn tc_transaction_info(
    transaction: tc_transaction_t,
    info_out: *mut tc_transaction_info_t,
) -> tc_status_t {
    guard(|| {
        let transaction = get(transaction)?;
        let out = pointer::report_out(info_out, "info_out")?;
        out.write((&*transaction).into());
        Ok(())
    })
}

/// What an input of a transaction spends, and with which key.
///
/// index: from 0.
///
/// Errors: TC_ERROR_INVALID_HANDLE, TC_ERROR_NULL_ARGUMENT, TC_ERROR_NOT_FOUND.
#[unsafe(no_mangle)]
pub extern "C" fn tc_transaction_input(
    transaction: tc_transaction_t,
    index: usize,
    input_out: *mut tc_tx_source_t,
) -> tc_status_t {
    guard(|| {
        let transaction = get(transaction)?;
        let out = pointer::out(input_out, "input_out")?;
        let input = transaction.inputs.get(index);
        let input = input.ok_or_else(|| Failure::not_found("an input there"))?;
        let outpoint = (&input.previous_output).into();
        out.write(tc_tx_source_t { outpoint, public_key: (&input.public_key).into() });
        Ok(())
    })
}

/// An output of a transaction.
///
/// index: from 0.
///
/// Errors: TC_ERROR_INVALID_HANDLE, TC_ERROR_NULL_ARGUMENT, TC_ERROR_NOT_FOUND.
#[unsafe(no_mangle)]
pub extern "C" fn tc_transaction_output(
    transaction: tc_transaction_t,
    index: usize,
    output_out: *mut tc_tx_output_t,
) -> tc_status_t {
    guard(|| {
        let transaction = get(transaction)?;
        let out = pointer::out(output_out, "output_out")?;
        let output = transaction.outputs.get(index);
        out.write(output.ok_or_else(|| Failure::not_found("an output there"))?.into());
        Ok(())
    })
}

/// The canonical bytes of a transaction.
///
/// bytes_out: owned, free with tc_bytes_free.
///
/// Errors: TC_ERROR_INVALID_HANDLE, TC_ERROR_NULL_ARGUMENT.
#[unsafe(no_mangle)]
pub extern "C" fn tc_transaction_to_bytes(
    transaction: tc_transaction_t,
    bytes_out: *mut tc_bytes_t,
) -> tc_status_t {
    guard(|| {
        let transaction = get(transaction)?;
        let out = pointer::out(bytes_out, "bytes_out")?;
        Bytes::give(encode(&*transaction), out)
    })
}

/// Submits a transaction, as tc_node_submit_transaction does its bytes.
///
/// txid_out: may be null.
///
/// Errors: as tc_node_submit_transaction.
#[unsafe(no_mangle)]
pub extern "C" fn tc_transaction_submit(
    transaction: tc_transaction_t,
    node: tc_node_t,
    txid_out: *mut tc_txid_t,
) -> tc_status_t {
    guard(|| {
        let (transaction, node) = (get(transaction)?, find(node)?);
        let txid = node.submit_transaction(transaction)?;
        if let Some(out) = pointer::optional_out(txid_out) {
            out.write((&txid).into());
        }
        Ok(())
    })
}

/// Frees a transaction.
///
/// Errors: TC_ERROR_INVALID_HANDLE, also for what was freed already.
#[unsafe(no_mangle)]
pub extern "C" fn tc_transaction_free(transaction: tc_transaction_t) -> tc_status_t {
    guard(|| HANDLES.remove::<TransactionObject>(transaction.id).map(drop))
}

fn get(transaction: tc_transaction_t) -> Result<Arc<Transaction>, Failure> {
    let object = HANDLES.get::<TransactionObject>(transaction.id)?;
    let transaction = Arc::clone(&object.lock());
    Ok(transaction)
}

impl From<&Transaction> for tc_transaction_info_t {
    fn from(transaction: &Transaction) -> Self {
        tc_transaction_info_t {
            struct_size: 0,
            lock_time: transaction.lock_time.0,
            n_inputs: transaction.inputs.len() as u64,
            n_outputs: transaction.outputs.len() as u64,
            bytes: encoded_len(transaction) as u64,
            txid: (&transaction.txid()).into(),
            kind: tx_kind_number(&transaction.kind),
            version: u32::from(transaction.version),
        }
    }
}
