//! Wallets: keys, addresses, payments.

#![allow(unsafe_code, reason = "exports keep their name; memory is touched in pointer.rs alone")]

use std::ffi::c_void;
use std::sync::Arc;

use timecoin_core::{Address, Amount, KeyPair, Node, PublicKey, TxOutput, Wallet};
use zeroize::Zeroizing;

use crate::constants::{tc_release_t, tc_sign_t, tc_status_t};
use crate::failure::Failure;
use crate::guard::guard;
use crate::handle::{HANDLES, Object};
use crate::node::find;
use crate::pointer::{self, HostSigner};
use crate::reports::{tc_balance_t, tc_payment_t};
use crate::secret::{self, secret};
use crate::transaction::TransactionObject;
use crate::types::{
    tc_address_t, tc_node_t, tc_public_key_t, tc_secret_t, tc_transaction_t, tc_tx_output_t,
    tc_wallet_t,
};

impl Object for Wallet {
    const KIND: u8 = 3;
    const NAME: &'static str = "wallet";
}

/// The wallet of a handle.
pub(crate) fn find_wallet(wallet: tc_wallet_t) -> Result<Arc<Wallet>, Failure> {
    HANDLES.get(wallet.id)
}

/// The payments that a caller wants to be made.
pub(crate) fn payments(
    pointer: *const tc_tx_output_t,
    n: usize,
) -> Result<Vec<(Address, Amount)>, Failure> {
    let outputs = pointer::values(pointer, n, "payments")?;
    let payment = |output| {
        let TxOutput { value, address } = TxOutput::from(output);
        (address, value)
    };
    Ok(outputs.into_iter().map(payment).collect())
}

/// A wallet of a new key, from the operating system's randomness. Export it: it is nowhere else.
///
/// wallet_out: owned, free with tc_wallet_free.
///
/// Errors: TC_ERROR_INVALID_HANDLE, TC_ERROR_NULL_ARGUMENT, TC_ERROR_NO_RANDOMNESS.
#[unsafe(no_mangle)]
pub extern "C" fn tc_wallet_generate(node: tc_node_t, wallet_out: *mut tc_wallet_t) -> tc_status_t {
    guard(|| give(node, wallet_out, |node| Ok(Wallet::generate(node)?)))
}

/// A wallet of the key that belongs to a seed: always the same, only as secret as it is.
///
/// seed: seed_bytes bytes.
/// wallet_out: owned, free with tc_wallet_free.
///
/// Errors: TC_ERROR_INVALID_HANDLE, TC_ERROR_NULL_ARGUMENT.
#[unsafe(no_mangle)]
pub extern "C" fn tc_wallet_from_seed(
    node: tc_node_t,
    seed: *const u8,
    seed_bytes: usize,
    wallet_out: *mut tc_wallet_t,
) -> tc_status_t {
    guard(|| {
        let seed = Zeroizing::new(pointer::values(seed, seed_bytes, "seed")?);
        give(node, wallet_out, |node| Ok(Wallet::from_seed(node, &seed)))
    })
}

/// A wallet of a key that the host has kept.
///
/// wallet_out: owned, free with tc_wallet_free.
///
/// Errors: TC_ERROR_INVALID_HANDLE, TC_ERROR_NULL_ARGUMENT.
#[unsafe(no_mangle)]
pub extern "C" fn tc_wallet_import(
    node: tc_node_t,
    secret: *const tc_secret_t,
    wallet_out: *mut tc_wallet_t,
) -> tc_status_t {
    guard(|| {
        let secret = self::secret(secret, "secret")?;
        give(node, wallet_out, |node| Ok(Wallet::import(node, &secret)))
    })
}

/// A wallet whose signatures the host makes, as with a hardware key.
///
/// public_key: the key that the host signs with.
/// sign: called with user for each input that is spent, on the thread of the call that signs.
/// user: handed to sign and release as it is; may be null.
/// release: called with user when the wallet does not need it any more, which may be after
/// tc_wallet_free; null where nothing is to be done. Not called where this function fails.
/// wallet_out: owned, free with tc_wallet_free.
///
/// Errors: TC_ERROR_INVALID_HANDLE, TC_ERROR_NULL_ARGUMENT.
#[unsafe(no_mangle)]
pub extern "C" fn tc_wallet_with_signer(
    node: tc_node_t,
    public_key: *const tc_public_key_t,
    sign: tc_sign_t,
    release: tc_release_t,
    user: *mut c_void,
    wallet_out: *mut tc_wallet_t,
) -> tc_status_t {
    guard(|| {
        let key = PublicKey::from(pointer::value(public_key, "public_key")?);
        let node = find(node)?;
        let out = pointer::out(wallet_out, "wallet_out")?;
        let signer = HostSigner::new(key, sign, release, user)?;
        let signer = Arc::new(signer);
        let wallet = Wallet::with_signer(&node, Arc::clone(&signer) as Arc<_>);
        match HANDLES.insert(wallet) {
            Ok(id) => out.write(tc_wallet_t { id }),
            Err(failure) => {
                if let Some(mut signer) = Arc::into_inner(signer) {
                    signer.disarm();
                }
                return Err(failure);
            }
        }
        Ok(())
    })
}

/// Frees a wallet and wipes its keys. Coins that drafts of it reserve stay reserved.
///
/// Errors: TC_ERROR_INVALID_HANDLE, also for what was freed already.
#[unsafe(no_mangle)]
pub extern "C" fn tc_wallet_free(wallet: tc_wallet_t) -> tc_status_t {
    guard(|| HANDLES.remove::<Wallet>(wallet.id).map(drop))
}

/// The address of its first key, which change goes to.
///
/// Errors: TC_ERROR_INVALID_HANDLE, TC_ERROR_NULL_ARGUMENT.
#[unsafe(no_mangle)]
pub extern "C" fn tc_wallet_address(
    wallet: tc_wallet_t,
    address_out: *mut tc_address_t,
) -> tc_status_t {
    guard(|| {
        let wallet = find_wallet(wallet)?;
        let out = pointer::out(address_out, "address_out")?;
        out.write((&wallet.address()).into());
        Ok(())
    })
}

/// The addresses of all its keys.
///
/// addresses_out: room for addresses_max addresses. n_out: how many there are, also where that is
/// more; may be null.
///
/// Errors: TC_ERROR_INVALID_HANDLE, TC_ERROR_NULL_ARGUMENT, TC_ERROR_BUFFER_TOO_SMALL.
#[unsafe(no_mangle)]
pub extern "C" fn tc_wallet_addresses(
    wallet: tc_wallet_t,
    addresses_out: *mut tc_address_t,
    addresses_max: usize,
    n_out: *mut usize,
) -> tc_status_t {
    guard(|| {
        let wallet = find_wallet(wallet)?;
        let out = pointer::buffer_out(addresses_out, addresses_max, n_out, "addresses_out")?;
        let addresses: Vec<_> = wallet.addresses().iter().map(tc_address_t::from).collect();
        out.write(&addresses)
    })
}

/// Adds a new key. Export it: it is nowhere else.
///
/// Errors: TC_ERROR_INVALID_HANDLE, TC_ERROR_NULL_ARGUMENT, TC_ERROR_NO_RANDOMNESS.
#[unsafe(no_mangle)]
pub extern "C" fn tc_wallet_new_address(
    wallet: tc_wallet_t,
    address_out: *mut tc_address_t,
) -> tc_status_t {
    guard(|| {
        let wallet = find_wallet(wallet)?;
        let out = pointer::out(address_out, "address_out")?;
        out.write((&wallet.new_address()?).into());
        Ok(())
    })
}

/// Adds a key that the host has kept.
///
/// address_out: may be null.
///
/// Errors: TC_ERROR_INVALID_HANDLE, TC_ERROR_NULL_ARGUMENT.
#[unsafe(no_mangle)]
pub extern "C" fn tc_wallet_add_key(
    wallet: tc_wallet_t,
    secret: *const tc_secret_t,
    address_out: *mut tc_address_t,
) -> tc_status_t {
    guard(|| {
        let wallet = find_wallet(wallet)?;
        let keys = KeyPair::from(self::secret(secret, "secret")?);
        let address = wallet.add_key(keys);
        if let Some(out) = pointer::optional_out(address_out) {
            out.write((&address).into());
        }
        Ok(())
    })
}

/// The secret key of an address, for the host to keep. Wipe it with tc_secret_wipe after use.
///
/// Errors: TC_ERROR_INVALID_HANDLE, TC_ERROR_NULL_ARGUMENT; TC_ERROR_UNKNOWN_ADDRESS where the
/// wallet has no such key or the host signs with it.
#[unsafe(no_mangle)]
pub extern "C" fn tc_wallet_export(
    wallet: tc_wallet_t,
    address: *const tc_address_t,
    secret_out: *mut tc_secret_t,
) -> tc_status_t {
    guard(|| {
        let wallet = find_wallet(wallet)?;
        let address = Address::from(pointer::value(address, "address")?);
        let out = pointer::out(secret_out, "secret_out")?;
        secret::give(&wallet.export(&address)?, out);
        Ok(())
    })
}

/// The money of all its addresses.
///
/// balance_out: its struct_size is set by the caller.
///
/// Errors: TC_ERROR_INVALID_HANDLE, TC_ERROR_NULL_ARGUMENT, TC_ERROR_INVALID_ARGUMENT,
/// TC_ERROR_CLOSED, TC_ERROR_STORAGE_ numbers.
#[unsafe(no_mangle)]
pub extern "C" fn tc_wallet_balance(
    wallet: tc_wallet_t,
    balance_out: *mut tc_balance_t,
) -> tc_status_t {
    guard(|| {
        let wallet = find_wallet(wallet)?;
        let out = pointer::report_out(balance_out, "balance_out")?;
        out.write((&wallet.balance()?).into());
        Ok(())
    })
}

/// Pays: chooses coins, signs, submits, and returns when the payment is admitted. Many threads may
/// pay from a wallet at once: no two ever pick the same coin. Where coins that would do are
/// reserved, by a draft or another payment, it waits for them, as long as the node's
/// submit_timeout_ms and 5 s at most, and then lacks them.
///
/// units: in units. payment_out: its struct_size is set by the caller; may be null.
///
/// Errors: TC_ERROR_INVALID_HANDLE, TC_ERROR_NULL_ARGUMENT, TC_ERROR_INVALID_ARGUMENT,
/// TC_ERROR_INSUFFICIENT_FUNDS, TC_ERROR_TOO_MANY_COINS, TC_ERROR_TRANSACTION_DUST,
/// TC_ERROR_INVALID_ARGUMENT also where a signer of the host does not sign, and as
/// tc_node_submit_transaction. Coins are free again after an error, unless no answer came.
#[unsafe(no_mangle)]
pub extern "C" fn tc_wallet_pay(
    wallet: tc_wallet_t,
    address: *const tc_address_t,
    units: u64,
    payment_out: *mut tc_payment_t,
) -> tc_status_t {
    guard(|| {
        let wallet = find_wallet(wallet)?;
        let address = Address::from(pointer::value(address, "address")?);
        let out = pointer::optional_report_out(payment_out, "payment_out")?;
        let payment = wallet.pay(&address, Amount::from_units(units))?;
        if let Some(out) = out {
            out.write((&payment).into());
        }
        Ok(())
    })
}

/// Makes several payments in one transaction.
///
/// payments: n_payments elements, at least 1.
/// payment_out: its struct_size is set by the caller; may be null.
///
/// Errors: as tc_wallet_pay.
#[unsafe(no_mangle)]
pub extern "C" fn tc_wallet_pay_many(
    wallet: tc_wallet_t,
    payments: *const tc_tx_output_t,
    n_payments: usize,
    payment_out: *mut tc_payment_t,
) -> tc_status_t {
    guard(|| {
        let wallet = find_wallet(wallet)?;
        let payments = self::payments(payments, n_payments)?;
        let out = pointer::optional_report_out(payment_out, "payment_out")?;
        let payment = wallet.pay_many(&payments)?;
        if let Some(out) = out {
            out.write((&payment).into());
        }
        Ok(())
    })
}

/// What payments would cost now. Nothing stays reserved. It waits for reserved coins as
/// tc_wallet_pay does.
///
/// payments: n_payments elements, at least 1. fee_out: in units.
///
/// Errors: as tc_wallet_pay, without those of submitting.
#[unsafe(no_mangle)]
pub extern "C" fn tc_wallet_estimate_fee(
    wallet: tc_wallet_t,
    payments: *const tc_tx_output_t,
    n_payments: usize,
    fee_out: *mut u64,
) -> tc_status_t {
    guard(|| {
        let wallet = find_wallet(wallet)?;
        let payments = self::payments(payments, n_payments)?;
        let out = pointer::out(fee_out, "fee_out")?;
        out.write(wallet.estimate_fee(&payments)?.units());
        Ok(())
    })
}

/// Signs the inputs of a transaction whose keys the wallet has. Whether the coins are there is
/// not asked.
///
/// n_signed_out: how many it signed; may be null.
///
/// Errors: TC_ERROR_INVALID_HANDLE; TC_ERROR_INVALID_ARGUMENT where a signer of the host does not
/// sign, whatever number it gives: tc_error_message tells that.
#[unsafe(no_mangle)]
pub extern "C" fn tc_wallet_sign(
    wallet: tc_wallet_t,
    transaction: tc_transaction_t,
    n_signed_out: *mut usize,
) -> tc_status_t {
    guard(|| {
        let wallet = find_wallet(wallet)?;
        let object = HANDLES.get::<TransactionObject>(transaction.id)?;
        let mut signed = (**object.lock()).clone();
        let n_signed = wallet.sign(&mut signed)?;
        *object.lock() = Arc::new(signed);
        if let Some(out) = pointer::optional_out(n_signed_out) {
            out.write(n_signed);
        }
        Ok(())
    })
}

fn give(
    node: tc_node_t,
    wallet_out: *mut tc_wallet_t,
    make: impl FnOnce(&Node) -> Result<Wallet, Failure>,
) -> Result<(), Failure> {
    let node = find(node)?;
    let out = pointer::out(wallet_out, "wallet_out")?;
    let id = HANDLES.insert(make(&node)?)?;
    out.write(tc_wallet_t { id });
    Ok(())
}
