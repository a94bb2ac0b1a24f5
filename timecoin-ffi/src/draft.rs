//! Payments that are signed and not submitted.

#![allow(unsafe_code, reason = "exports keep their name; memory is touched in pointer.rs alone")]

use std::sync::{Arc, Mutex, PoisonError};

use timecoin_core::Draft;

use crate::constants::tc_status_t;
use crate::failure::Failure;
use crate::guard::guard;
use crate::handle::{HANDLES, Object};
use crate::pointer;
use crate::reports::tc_payment_t;
use crate::transaction::TransactionObject;
use crate::types::{tc_draft_t, tc_transaction_t, tc_tx_output_t, tc_wallet_t};
use crate::wallet::{find_wallet, payments};

/// A draft until it is submitted.
pub(crate) struct DraftObject(Mutex<Option<Draft>>);

impl Object for DraftObject {
    const KIND: u8 = 4;
    const NAME: &'static str = "draft";
}

/// Chooses coins for payments and signs. The coins are reserved until the draft is submitted or
/// freed. It waits for coins that are reserved already as tc_wallet_pay does.
///
/// payments: n_payments elements, at least 1.
/// draft_out: owned; tc_draft_submit or tc_draft_free ends it.
///
/// Errors: as tc_wallet_pay, without those of submitting.
#[unsafe(no_mangle)]
pub extern "C" fn tc_wallet_build(
    wallet: tc_wallet_t,
    payments: *const tc_tx_output_t,
    n_payments: usize,
    draft_out: *mut tc_draft_t,
) -> tc_status_t {
    guard(|| {
        let wallet = find_wallet(wallet)?;
        let payments = self::payments(payments, n_payments)?;
        let out = pointer::out(draft_out, "draft_out")?;
        let draft = wallet.build(&payments)?;
        let id = HANDLES.insert(DraftObject(Mutex::new(Some(draft))))?;
        out.write(tc_draft_t { id });
        Ok(())
    })
}

/// What a draft pays the masternodes, in units.
///
/// Errors: TC_ERROR_INVALID_HANDLE, TC_ERROR_NULL_ARGUMENT.
#[unsafe(no_mangle)]
pub extern "C" fn tc_draft_fee(draft: tc_draft_t, fee_out: *mut u64) -> tc_status_t {
    guard(|| {
        let fee = with(draft, |draft| draft.fee().units())?;
        pointer::out(fee_out, "fee_out")?.write(fee);
        Ok(())
    })
}

/// The signed transaction of a draft.
///
/// transaction_out: owned, free with tc_transaction_free.
///
/// Errors: TC_ERROR_INVALID_HANDLE, TC_ERROR_NULL_ARGUMENT.
#[unsafe(no_mangle)]
pub extern "C" fn tc_draft_transaction(
    draft: tc_draft_t,
    transaction_out: *mut tc_transaction_t,
) -> tc_status_t {
    guard(|| {
        let transaction = with(draft, |draft| Arc::clone(draft.transaction()))?;
        TransactionObject::give(transaction, pointer::out(transaction_out, "transaction_out")?)
    })
}

/// Submits a draft and frees it, whether it is admitted or refused.
///
/// payment_out: its struct_size is set by the caller; may be null.
///
/// Errors: TC_ERROR_INVALID_ARGUMENT and TC_ERROR_INVALID_HANDLE, which leave a draft as it is;
/// and as tc_node_submit_transaction.
#[unsafe(no_mangle)]
pub extern "C" fn tc_draft_submit(
    draft: tc_draft_t,
    payment_out: *mut tc_payment_t,
) -> tc_status_t {
    guard(|| {
        let out = pointer::optional_report_out(payment_out, "payment_out")?;
        let object = HANDLES.remove::<DraftObject>(draft.id)?;
        let draft = object.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        let payment = draft.ok_or_else(submitted)?.submit()?;
        if let Some(out) = out {
            out.write((&payment).into());
        }
        Ok(())
    })
}

/// Frees a draft and the coins that it reserved.
///
/// Errors: TC_ERROR_INVALID_HANDLE, also for what was submitted or freed already.
#[unsafe(no_mangle)]
pub extern "C" fn tc_draft_free(draft: tc_draft_t) -> tc_status_t {
    guard(|| HANDLES.remove::<DraftObject>(draft.id).map(drop))
}

fn with<T>(draft: tc_draft_t, read: impl FnOnce(&Draft) -> T) -> Result<T, Failure> {
    let object = HANDLES.get::<DraftObject>(draft.id)?;
    let draft = object.0.lock().unwrap_or_else(PoisonError::into_inner);
    draft.as_ref().map(read).ok_or_else(submitted)
}

/// Another thread submits it right now.
fn submitted() -> Failure {
    let text = "the draft handle is submitted already";
    Failure::new(timecoin_core::ErrorCode::InvalidHandle, text)
}
