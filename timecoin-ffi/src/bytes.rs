//! Bytes and texts of any length that the library gives.

#![allow(unsafe_code, reason = "exports keep their name; memory is touched in pointer.rs alone")]

use crate::constants::tc_status_t;
use crate::failure::Failure;
use crate::guard::guard;
use crate::handle::{HANDLES, Object};
use crate::pointer::{self, Out};
use crate::types::tc_bytes_t;

/// Bytes with a NUL behind them, so that a text is also a C string.
pub(crate) struct Bytes(Vec<u8>);

impl Object for Bytes {
    const KIND: u8 = 9;
    const NAME: &'static str = "bytes";
}

impl Bytes {
    /// Gives bytes to the caller.
    pub(crate) fn give(bytes: impl Into<Vec<u8>>, out: Out<tc_bytes_t>) -> Result<(), Failure> {
        let mut bytes: Vec<u8> = bytes.into();
        bytes.push(0);
        let id = HANDLES.insert(Bytes(bytes))?;
        out.write(tc_bytes_t { id });
        Ok(())
    }
}

/// Where the bytes are and how many. Behind them stands a NUL that is not counted, so that a text
/// can be used as a C string.
///
/// data_out: borrowed from `bytes`, valid until they are freed. length_out: may be null.
///
/// Errors: TC_ERROR_INVALID_HANDLE, TC_ERROR_NULL_ARGUMENT.
#[unsafe(no_mangle)]
pub extern "C" fn tc_bytes_view(
    bytes: tc_bytes_t,
    data_out: *mut *const u8,
    length_out: *mut usize,
) -> tc_status_t {
    guard(|| {
        let bytes = HANDLES.get::<Bytes>(bytes.id)?;
        let data_out = pointer::out(data_out, "data_out")?;
        data_out.write(bytes.0.as_ptr());
        if let Some(length_out) = pointer::optional_out(length_out) {
            length_out.write(bytes.0.len() - 1);
        }
        Ok(())
    })
}

/// Frees bytes.
///
/// Errors: TC_ERROR_INVALID_HANDLE, also for what was freed already.
#[unsafe(no_mangle)]
pub extern "C" fn tc_bytes_free(bytes: tc_bytes_t) -> tc_status_t {
    guard(|| HANDLES.remove::<Bytes>(bytes.id).map(drop))
}
