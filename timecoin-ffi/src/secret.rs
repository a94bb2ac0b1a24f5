//! Keys. The library wipes its own copies; the caller wipes its copies with `tc_secret_wipe`.

#![allow(unsafe_code, reason = "exports keep their name; memory is touched in pointer.rs alone")]

use std::ffi::c_char;

use timecoin_core::{KeyPair, SecretKey, secret_from_text, secret_to_text};
use zeroize::{Zeroize, Zeroizing};

use crate::constants::tc_status_t;
use crate::failure::Failure;
use crate::guard::guard;
use crate::pointer::{self, Out};
use crate::types::{tc_public_key_t, tc_secret_t, tc_signature_t};

/// A copy of the caller's secret key.
pub(crate) fn secret(pointer: *const tc_secret_t, what: &str) -> Result<SecretKey, Failure> {
    let mut secret = pointer::value(pointer, what)?;
    let key = SecretKey::from_bytes(secret.bytes);
    secret.bytes.zeroize();
    Ok(key)
}

/// Gives a secret key to the caller.
pub(crate) fn give(secret: &SecretKey, out: Out<tc_secret_t>) {
    let mut copy = tc_secret_t { bytes: *secret.to_bytes() };
    out.write(copy);
    copy.bytes.zeroize();
}

/// Makes a new secret key from the operating system's randomness.
///
/// Errors: TC_ERROR_NULL_ARGUMENT, TC_ERROR_NO_RANDOMNESS.
#[unsafe(no_mangle)]
pub extern "C" fn tc_secret_generate(secret_out: *mut tc_secret_t) -> tc_status_t {
    guard(|| {
        let out = pointer::out(secret_out, "secret_out")?;
        give(&SecretKey::generate()?, out);
        Ok(())
    })
}

/// The secret key that belongs to a seed of any length: always the same, only as secret as it is.
///
/// Errors: TC_ERROR_NULL_ARGUMENT.
#[unsafe(no_mangle)]
pub extern "C" fn tc_secret_from_seed(
    seed: *const u8,
    seed_bytes: usize,
    secret_out: *mut tc_secret_t,
) -> tc_status_t {
    guard(|| {
        let seed = Zeroizing::new(pointer::values(seed, seed_bytes, "seed")?);
        let out = pointer::out(secret_out, "secret_out")?;
        give(&SecretKey::from_seed(&seed), out);
        Ok(())
    })
}

/// The secret key with these 64 hexadecimal digits.
///
/// Errors: TC_ERROR_NULL_ARGUMENT, TC_ERROR_MALFORMED.
#[unsafe(no_mangle)]
pub extern "C" fn tc_secret_from_text(
    text: *const c_char,
    secret_out: *mut tc_secret_t,
) -> tc_status_t {
    guard(|| {
        let text = Zeroizing::new(pointer::text(text, "text")?);
        let out = pointer::out(secret_out, "secret_out")?;
        give(&secret_from_text(&text)?, out);
        Ok(())
    })
}

/// The 64 hexadecimal digits of a secret key, for a key store. Wipe the buffer after use.
///
/// text_out: room for text_bytes bytes, TC_HEX_TEXT_BYTES are enough. required_out: what it takes;
/// may be null.
///
/// Errors: TC_ERROR_NULL_ARGUMENT, TC_ERROR_BUFFER_TOO_SMALL.
#[unsafe(no_mangle)]
pub extern "C" fn tc_secret_to_text(
    secret: *const tc_secret_t,
    text_out: *mut c_char,
    text_bytes: usize,
    required_out: *mut usize,
) -> tc_status_t {
    guard(|| {
        let secret = self::secret(secret, "secret")?;
        let out = pointer::text_out(text_out, text_bytes, required_out, "text_out")?;
        out.write(&secret_to_text(&secret))
    })
}

/// The public key of a secret key.
///
/// Errors: TC_ERROR_NULL_ARGUMENT.
#[unsafe(no_mangle)]
pub extern "C" fn tc_secret_public_key(
    secret: *const tc_secret_t,
    public_key_out: *mut tc_public_key_t,
) -> tc_status_t {
    guard(|| {
        let keys = KeyPair::from(self::secret(secret, "secret")?);
        let out = pointer::out(public_key_out, "public_key_out")?;
        out.write((&keys.public()).into());
        Ok(())
    })
}

/// Signs a message of any length. The same message always gives the same signature.
///
/// Errors: TC_ERROR_NULL_ARGUMENT.
#[unsafe(no_mangle)]
pub extern "C" fn tc_secret_sign(
    secret: *const tc_secret_t,
    message: *const u8,
    message_bytes: usize,
    signature_out: *mut tc_signature_t,
) -> tc_status_t {
    guard(|| {
        let keys = KeyPair::from(self::secret(secret, "secret")?);
        let message = pointer::values(message, message_bytes, "message")?;
        let out = pointer::out(signature_out, "signature_out")?;
        out.write(tc_signature_t { bytes: keys.sign(&message).to_bytes() });
        Ok(())
    })
}

/// Overwrites a secret key of the caller so that no compiler leaves it out. Null is fine.
#[unsafe(no_mangle)]
pub extern "C" fn tc_secret_wipe(secret: *mut tc_secret_t) -> tc_status_t {
    // No guard: a secret must go also after a fork.
    pointer::wipe(secret);
    crate::constants::TC_OK
}
