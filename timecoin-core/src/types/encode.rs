//! Canonical bytes: one form for everything that is hashed, signed, stored or sent.
//!
//! The codec is `borsh` with strict order. Types derive it and never write it by hand unless
//! the hand-written form is checked by the round-trip property in their tests, so that
//! `decode` then `encode` gives the same bytes or `decode` fails.

use borsh::{BorshDeserialize, BorshSerialize};
use thiserror::Error;

/// Why bytes are not the canonical form of a value.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum DecodeError {
    /// Longer than the caller allows for such a value.
    #[error("{what} of {bytes} bytes is over the limit of {bytes_max}")]
    TooLong {
        /// The kind of value.
        what: &'static str,
        /// Its length.
        bytes: usize,
        /// The limit.
        bytes_max: usize,
    },
    /// Truncated, trailing, or not in canonical form.
    #[error("malformed {what}: {reason}")]
    Malformed {
        /// The kind of value.
        what: &'static str,
        /// What the decoder found.
        reason: String,
    },
}

/// The canonical bytes of `value`.
pub fn encode<T: BorshSerialize + ?Sized>(value: &T) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode_into(value, &mut bytes);
    bytes
}

/// Appends the canonical bytes of `value`.
pub fn encode_into<T: BorshSerialize + ?Sized>(value: &T, bytes: &mut Vec<u8>) {
    value.serialize(bytes).expect("a vector takes all bytes and no collection exceeds 2^32");
}

/// The length of the canonical bytes of `value`.
pub fn encoded_len<T: BorshSerialize + ?Sized>(value: &T) -> usize {
    borsh::object_length(value).expect("no collection exceeds 2^32")
}

/// The value whose canonical form is `bytes`, all of them.
///
/// `what` names the kind of value in errors.
///
/// # Errors
/// [`DecodeError::TooLong`] before anything is read, [`DecodeError::Malformed`] otherwise.
pub fn decode<T: BorshDeserialize>(
    what: &'static str,
    bytes: &[u8],
    bytes_max: usize,
) -> Result<T, DecodeError> {
    if bytes.len() > bytes_max {
        return Err(DecodeError::TooLong { what, bytes: bytes.len(), bytes_max });
    }
    T::try_from_slice(bytes)
        .map_err(|error| DecodeError::Malformed { what, reason: error.to_string() })
}
