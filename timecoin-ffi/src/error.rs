//! Versions, and what went wrong.

#![allow(unsafe_code, reason = "exports keep their name; memory is touched in pointer.rs alone")]

use std::collections::BTreeMap;
use std::ffi::{CString, c_char};
use std::sync::OnceLock;

use timecoin_core::ErrorCode;
use timecoin_core::sim::strategy::STRATEGIES;

use crate::constants::{TC_ABI_VERSION, TC_OK, tc_status_t};
use crate::failure::{Failure, last_text};
use crate::guard::guard;
use crate::numbers::{category_number, state_name, transaction_status_name};
use crate::pointer;

/// The ABI version of the library that is loaded. Compare it with TC_ABI_VERSION, which is that
/// of the header, or call tc_abi_check.
#[unsafe(no_mangle)]
pub extern "C" fn tc_abi_version() -> u32 {
    TC_ABI_VERSION
}

/// Whether the library that is loaded fits a header: pass TC_ABI_VERSION.
///
/// Errors: TC_ERROR_INVALID_ARGUMENT where it does not.
#[unsafe(no_mangle)]
pub extern "C" fn tc_abi_check(abi_version: u32) -> tc_status_t {
    guard(|| {
        if abi_version == TC_ABI_VERSION {
            return Ok(());
        }
        let reason = format!("the header has {abi_version}, the library has {TC_ABI_VERSION}");
        Err(Failure::argument("abi_version", &reason))
    })
}

/// The version of the library as text, as "0.1.0". Borrowed from the library, valid forever.
#[unsafe(no_mangle)]
pub extern "C" fn tc_version() -> *const c_char {
    VERSION.as_ptr().cast()
}

/// What the last failing call of this thread says about its error, in a sentence. It stays until
/// another call of this thread fails; empty where none did.
///
/// text_out: room for text_bytes bytes, the NUL included. required_out: what it takes, also where
/// that is more; may be null.
///
/// Errors: TC_ERROR_BUFFER_TOO_SMALL, which leaves the text as it is; TC_ERROR_NULL_ARGUMENT.
#[unsafe(no_mangle)]
pub extern "C" fn tc_error_message(
    text_out: *mut c_char,
    text_bytes: usize,
    required_out: *mut usize,
) -> tc_status_t {
    // No guard: it must work after a fork, and must not replace the text that it gives.
    let written = pointer::text_out(text_out, text_bytes, required_out, "text_out")
        .and_then(|text| text.write(&last_text()));
    written.map_or_else(|failure| failure.code().as_i32(), |()| TC_OK)
}

/// The name of a TC_ERROR_ number in lower case, as "timeout"; "ok" for TC_OK and "unknown" for
/// what is none. Borrowed from the library, valid forever.
#[unsafe(no_mangle)]
pub extern "C" fn tc_error_name(status: tc_status_t) -> *const c_char {
    match ErrorCode::from_i32(status) {
        Some(code) => forever(code.name()),
        None if status == TC_OK => c"ok".as_ptr(),
        None => c"unknown".as_ptr(),
    }
}

/// The TC_CATEGORY_ of a TC_ERROR_ number; 0 for TC_OK and for what is none.
#[unsafe(no_mangle)]
pub extern "C" fn tc_error_category(status: tc_status_t) -> i32 {
    ErrorCode::from_i32(status).map_or(0, |code| category_number(code.category()))
}

/// 1 where the very same request may succeed later, else 0.
#[unsafe(no_mangle)]
pub extern "C" fn tc_error_is_retryable(status: tc_status_t) -> u8 {
    u8::from(ErrorCode::from_i32(status).is_some_and(ErrorCode::is_retryable))
}

/// The name of a TC_TRANSACTION_ number in lower case, as "finalized"; "unknown" for what is none.
/// Borrowed from the library, valid forever.
#[unsafe(no_mangle)]
pub extern "C" fn tc_transaction_status_name(transaction_status: i32) -> *const c_char {
    transaction_status_name(transaction_status).map_or(c"unknown".as_ptr(), forever)
}

/// The name of a TC_NODE_STATE_ number in lower case, as "running"; "unknown" for what is none.
/// Borrowed from the library, valid forever.
#[unsafe(no_mangle)]
pub extern "C" fn tc_node_state_name(state: i32) -> *const c_char {
    state_name(state).map_or(c"unknown".as_ptr(), forever)
}

/// A name of core with a NUL behind it.
pub(crate) fn forever(name: &'static str) -> *const c_char {
    static NAMES: OnceLock<BTreeMap<&'static str, CString>> = OnceLock::new();
    let names = NAMES.get_or_init(|| {
        let codes = ErrorCode::ALL.iter().map(|code| code.name());
        let names = codes.chain((0..=255).filter_map(transaction_status_name));
        let names = names.chain((0..=255).filter_map(state_name));
        let names = names.chain(STRATEGIES.iter().copied());
        names.filter_map(|name| Some((name, CString::new(name).ok()?))).collect()
    });
    names.get(name).map_or(c"unknown".as_ptr(), |name| name.as_ptr())
}

const VERSION: &[u8] = concat!(env!("CARGO_PKG_VERSION"), "\0").as_bytes();
