//! Text forms of amounts, addresses, hashes and outpoints.

#![allow(unsafe_code, reason = "exports keep their name; memory is touched in pointer.rs alone")]

use std::ffi::c_char;
use std::fmt::Display;
use std::str::FromStr;

use timecoin_core::{
    Address, Amount, BlockHash, ChainId, Hash256, NodeError, OutPoint, PublicKey, Txid,
};

use crate::constants::tc_status_t;
use crate::guard::guard;
use crate::numbers;
use crate::pointer::{self, Plain};
use crate::types::{
    tc_address_t, tc_block_hash_t, tc_chain_id_t, tc_digest_t, tc_outpoint_t, tc_public_key_t,
    tc_txid_t,
};

/// Reads an amount: "1.5", "1.5 TIME" or "150000000 units".
///
/// units_out: in units.
///
/// Errors: TC_ERROR_NULL_ARGUMENT; TC_ERROR_INVALID_AMOUNT for anything else, more than 8 decimals
/// and what does not fit 64 bits.
#[unsafe(no_mangle)]
pub extern "C" fn tc_amount_from_text(text: *const c_char, units_out: *mut u64) -> tc_status_t {
    guard(|| {
        let text = pointer::text(text, "text")?;
        let out = pointer::out(units_out, "units_out")?;
        out.write(text.parse::<Amount>().map_err(NodeError::from)?.units());
        Ok(())
    })
}

/// Writes an amount, as "1.5 TIME".
///
/// text_out: room for text_bytes bytes, TC_AMOUNT_TEXT_BYTES are enough. required_out: what it
/// takes; may be null.
///
/// Errors: TC_ERROR_NULL_ARGUMENT, TC_ERROR_BUFFER_TOO_SMALL.
#[unsafe(no_mangle)]
pub extern "C" fn tc_amount_to_text(
    units: u64,
    text_out: *mut c_char,
    text_bytes: usize,
    required_out: *mut usize,
) -> tc_status_t {
    guard(|| {
        let out = pointer::text_out(text_out, text_bytes, required_out, "text_out")?;
        out.write(&Amount::from_units(units).to_string())
    })
}

/// Reads an address of a network, as "rtime1...".
///
/// network: TC_NETWORK_.
///
/// Errors: TC_ERROR_NULL_ARGUMENT, TC_ERROR_INVALID_ARGUMENT for the network,
/// TC_ERROR_INVALID_ADDRESS for what is no address or one of another network.
#[unsafe(no_mangle)]
pub extern "C" fn tc_address_from_text(
    text: *const c_char,
    network: i32,
    address_out: *mut tc_address_t,
) -> tc_status_t {
    guard(|| {
        let text = pointer::text(text, "text")?;
        let network = numbers::network(network)?;
        let out = pointer::out(address_out, "address_out")?;
        out.write((&Address::from_text(&text, network)?).into());
        Ok(())
    })
}

/// Writes an address for a network, as "rtime1...".
///
/// network: TC_NETWORK_. text_out: room for text_bytes bytes, TC_ADDRESS_TEXT_BYTES are enough.
/// required_out: what it takes; may be null.
///
/// Errors: TC_ERROR_NULL_ARGUMENT, TC_ERROR_INVALID_ARGUMENT for the network,
/// TC_ERROR_BUFFER_TOO_SMALL.
#[unsafe(no_mangle)]
pub extern "C" fn tc_address_to_text(
    address: *const tc_address_t,
    network: i32,
    text_out: *mut c_char,
    text_bytes: usize,
    required_out: *mut usize,
) -> tc_status_t {
    guard(|| {
        let address = Address::from(pointer::value(address, "address")?);
        let network = numbers::network(network)?;
        let out = pointer::text_out(text_out, text_bytes, required_out, "text_out")?;
        out.write(&address.to_text(network))
    })
}

/// The address of a public key.
///
/// Errors: TC_ERROR_NULL_ARGUMENT.
#[unsafe(no_mangle)]
pub extern "C" fn tc_address_of(
    public_key: *const tc_public_key_t,
    address_out: *mut tc_address_t,
) -> tc_status_t {
    guard(|| {
        let key = PublicKey::from(pointer::value(public_key, "public_key")?);
        let out = pointer::out(address_out, "address_out")?;
        out.write((&Address::of(&key)).into());
        Ok(())
    })
}

/// Reads an outpoint: "txid:vout".
///
/// Errors: TC_ERROR_NULL_ARGUMENT, TC_ERROR_MALFORMED.
#[unsafe(no_mangle)]
pub extern "C" fn tc_outpoint_from_text(
    text: *const c_char,
    outpoint_out: *mut tc_outpoint_t,
) -> tc_status_t {
    from_text::<OutPoint, _>(text, outpoint_out, "outpoint_out")
}

/// Writes an outpoint: "txid:vout".
///
/// text_out: room for text_bytes bytes, TC_OUTPOINT_TEXT_BYTES are enough. required_out: what it
/// takes; may be null.
///
/// Errors: TC_ERROR_NULL_ARGUMENT, TC_ERROR_BUFFER_TOO_SMALL.
#[unsafe(no_mangle)]
pub extern "C" fn tc_outpoint_to_text(
    outpoint: *const tc_outpoint_t,
    text_out: *mut c_char,
    text_bytes: usize,
    required_out: *mut usize,
) -> tc_status_t {
    to_text::<OutPoint, _>(outpoint, "outpoint", text_out, text_bytes, required_out)
}

/// Reads the id of a transaction: 64 hexadecimal digits.
///
/// Errors: TC_ERROR_NULL_ARGUMENT, TC_ERROR_MALFORMED.
#[unsafe(no_mangle)]
pub extern "C" fn tc_txid_from_text(text: *const c_char, txid_out: *mut tc_txid_t) -> tc_status_t {
    from_text::<Txid, _>(text, txid_out, "txid_out")
}

/// Writes the id of a transaction: 64 hexadecimal digits.
///
/// text_out: room for text_bytes bytes, TC_HEX_TEXT_BYTES are enough. required_out: what it takes;
/// may be null.
///
/// Errors: TC_ERROR_NULL_ARGUMENT, TC_ERROR_BUFFER_TOO_SMALL.
#[unsafe(no_mangle)]
pub extern "C" fn tc_txid_to_text(
    txid: *const tc_txid_t,
    text_out: *mut c_char,
    text_bytes: usize,
    required_out: *mut usize,
) -> tc_status_t {
    to_text::<Txid, _>(txid, "txid", text_out, text_bytes, required_out)
}

/// Reads the id of a block: 64 hexadecimal digits.
///
/// Errors: TC_ERROR_NULL_ARGUMENT, TC_ERROR_MALFORMED.
#[unsafe(no_mangle)]
pub extern "C" fn tc_block_hash_from_text(
    text: *const c_char,
    block_hash_out: *mut tc_block_hash_t,
) -> tc_status_t {
    from_text::<BlockHash, _>(text, block_hash_out, "block_hash_out")
}

/// Writes the id of a block: 64 hexadecimal digits.
///
/// text_out: room for text_bytes bytes, TC_HEX_TEXT_BYTES are enough. required_out: what it takes;
/// may be null.
///
/// Errors: TC_ERROR_NULL_ARGUMENT, TC_ERROR_BUFFER_TOO_SMALL.
#[unsafe(no_mangle)]
pub extern "C" fn tc_block_hash_to_text(
    block_hash: *const tc_block_hash_t,
    text_out: *mut c_char,
    text_bytes: usize,
    required_out: *mut usize,
) -> tc_status_t {
    to_text::<BlockHash, _>(block_hash, "block_hash", text_out, text_bytes, required_out)
}

/// Reads the identity of a chain: 64 hexadecimal digits.
///
/// Errors: TC_ERROR_NULL_ARGUMENT, TC_ERROR_MALFORMED.
#[unsafe(no_mangle)]
pub extern "C" fn tc_chain_id_from_text(
    text: *const c_char,
    chain_id_out: *mut tc_chain_id_t,
) -> tc_status_t {
    from_text::<ChainId, _>(text, chain_id_out, "chain_id_out")
}

/// Writes the identity of a chain: 64 hexadecimal digits.
///
/// text_out: room for text_bytes bytes, TC_HEX_TEXT_BYTES are enough. required_out: what it takes;
/// may be null.
///
/// Errors: TC_ERROR_NULL_ARGUMENT, TC_ERROR_BUFFER_TOO_SMALL.
#[unsafe(no_mangle)]
pub extern "C" fn tc_chain_id_to_text(
    chain_id: *const tc_chain_id_t,
    text_out: *mut c_char,
    text_bytes: usize,
    required_out: *mut usize,
) -> tc_status_t {
    to_text::<ChainId, _>(chain_id, "chain_id", text_out, text_bytes, required_out)
}

/// Reads a public key: 64 hexadecimal digits.
///
/// Errors: TC_ERROR_NULL_ARGUMENT, TC_ERROR_MALFORMED.
#[unsafe(no_mangle)]
pub extern "C" fn tc_public_key_from_text(
    text: *const c_char,
    public_key_out: *mut tc_public_key_t,
) -> tc_status_t {
    from_text::<PublicKey, _>(text, public_key_out, "public_key_out")
}

/// Writes a public key: 64 hexadecimal digits.
///
/// text_out: room for text_bytes bytes, TC_HEX_TEXT_BYTES are enough. required_out: what it takes;
/// may be null.
///
/// Errors: TC_ERROR_NULL_ARGUMENT, TC_ERROR_BUFFER_TOO_SMALL.
#[unsafe(no_mangle)]
pub extern "C" fn tc_public_key_to_text(
    public_key: *const tc_public_key_t,
    text_out: *mut c_char,
    text_bytes: usize,
    required_out: *mut usize,
) -> tc_status_t {
    to_text::<PublicKey, _>(public_key, "public_key", text_out, text_bytes, required_out)
}

/// Reads a digest: 64 hexadecimal digits.
///
/// Errors: TC_ERROR_NULL_ARGUMENT, TC_ERROR_MALFORMED.
#[unsafe(no_mangle)]
pub extern "C" fn tc_digest_from_text(
    text: *const c_char,
    digest_out: *mut tc_digest_t,
) -> tc_status_t {
    from_text::<Hash256, _>(text, digest_out, "digest_out")
}

/// Writes a digest: 64 hexadecimal digits.
///
/// text_out: room for text_bytes bytes, TC_HEX_TEXT_BYTES are enough. required_out: what it takes;
/// may be null.
///
/// Errors: TC_ERROR_NULL_ARGUMENT, TC_ERROR_BUFFER_TOO_SMALL.
#[unsafe(no_mangle)]
pub extern "C" fn tc_digest_to_text(
    digest: *const tc_digest_t,
    text_out: *mut c_char,
    text_bytes: usize,
    required_out: *mut usize,
) -> tc_status_t {
    to_text::<Hash256, _>(digest, "digest", text_out, text_bytes, required_out)
}

fn from_text<Core, C>(text: *const c_char, out: *mut C, what: &str) -> tc_status_t
where
    Core: FromStr<Err: Into<NodeError>>,
    C: Plain + for<'a> From<&'a Core>,
{
    guard(|| {
        let text = pointer::text(text, "text")?;
        let out = pointer::out(out, what)?;
        out.write((&text.parse::<Core>().map_err(Into::<NodeError>::into)?).into());
        Ok(())
    })
}

fn to_text<Core, C>(
    value: *const C,
    what: &str,
    text_out: *mut c_char,
    text_bytes: usize,
    required_out: *mut usize,
) -> tc_status_t
where
    Core: Display + From<C>,
    C: Plain,
{
    guard(|| {
        let value = Core::from(pointer::value(value, what)?);
        let out = pointer::text_out(text_out, text_bytes, required_out, "text_out")?;
        out.write(&value.to_string())
    })
}
