//! Everything that touches the caller's memory, and the only file with `unsafe`.
//!
//! What C promises, and no code can check: a pointer that is not null points to as many values
//! as the header says, which nobody changes during the call. Inputs are copied before anything
//! else happens, so that a body works on values of its own. Outputs are checked for null first
//! and written last, so that a call that fails leaves them as they were.

#![allow(unsafe_code, reason = "this file is where the caller's memory is read and written")]

use std::ffi::{CStr, c_char, c_void};
use std::mem::{offset_of, size_of};
use std::ptr::NonNull;
use std::slice;

use timecoin_core::{ErrorCode, Hash256, NodeError, PublicKey, Signature, Signer};
use zeroize::Zeroize;

use crate::constants::{TC_OK, tc_on_bootstrap_t, tc_release_t, tc_sign_t, tc_status_t};
use crate::failure::Failure;
use crate::reports::*;
use crate::types::*;

/// A value that C may hand over by address.
///
/// # Safety
/// Every pattern of bits is a value, so that whatever the caller left there can be read.
pub(crate) unsafe trait Plain: Copy {}

/// A struct that grows at its end in later versions, and says how long the caller's is.
///
/// # Safety
/// It is `repr(C)` and its first field is the `usize` called `struct_size`.
pub(crate) unsafe trait Report: Plain {
    /// Its size in the first version of the ABI: no caller has a shorter one.
    const BYTES_MIN: usize;
}

macro_rules! plain {
    ($($type:ty)+) => {$(
        // SAFETY: integers, pointers and arrays of them.
        unsafe impl Plain for $type {}
    )+};
}

macro_rules! report {
    ($($type:ty)+) => {$( report!($type: size_of::<$type>()); )+};
    ($type:ty: $bytes_min:expr) => {
        // SAFETY: integers and arrays of them.
        unsafe impl Plain for $type {}
        // SAFETY: declared so in `reports.rs`; `struct_size_comes_first` compares the offsets.
        unsafe impl Report for $type {
            const BYTES_MIN: usize = $bytes_min;
        }
    };
}

plain! {
    u8 i32 u32 u64 usize [u8; 32] [u8; 64] *const u8
    tc_config_t tc_node_t tc_wallet_t tc_draft_t tc_transaction_t tc_block_t tc_subscription_t
    tc_event_t tc_bytes_t tc_sim_t tc_sim_snapshot_t tc_localnet_t tc_localnet_events_t
    tc_txid_t tc_block_hash_t tc_chain_id_t tc_public_key_t tc_secret_t tc_signature_t tc_address_t
    tc_outpoint_t tc_tx_output_t tc_tx_source_t tc_digest_t tc_setting_t
}

report! {
    tc_node_status_t tc_tip_t tc_balance_t tc_mempool_info_t tc_utxo_t tc_payment_t
    tc_transaction_status_t tc_transaction_info_t tc_block_info_t tc_peer_t
    tc_sim_node_status_t tc_network_metrics_t tc_network_event_t tc_sim_failure_t
    tc_bootstrapped_t
}

report! { tc_event_info_t: offset_of!(tc_event_info_t, until_ms) }

/// A copy of a NUL-terminated UTF-8 text.
pub(crate) fn text(pointer: *const c_char, what: &str) -> Result<String, Failure> {
    if pointer.is_null() {
        return Err(null(what));
    }
    // SAFETY: not null, and the caller promises a NUL-terminated string.
    let bytes = unsafe { CStr::from_ptr(pointer) }.to_bytes();
    match std::str::from_utf8(bytes) {
        Ok(text) => Ok(text.to_owned()),
        Err(_) => Err(Failure::argument(what, "not UTF-8")),
    }
}

/// A copy of `n` values; null is fine for none.
pub(crate) fn values<T: Plain>(pointer: *const T, n: usize, what: &str) -> Result<Vec<T>, Failure> {
    if n == 0 {
        return Ok(Vec::new());
    }
    if pointer.is_null() {
        return Err(null(what));
    }
    if n > isize::MAX as usize / size_of::<T>() {
        return Err(Failure::argument(what, "longer than the address space"));
    }
    if pointer.is_aligned() {
        // SAFETY: not null, aligned, of a length that fits, and the caller promises `n` values.
        return Ok(unsafe { slice::from_raw_parts(pointer, n) }.to_vec());
    }
    // SAFETY: the caller promises `n` values, so each of these is within them.
    Ok((0..n).map(|index| unsafe { pointer.add(index).read_unaligned() }).collect())
}

/// A copy of a value.
pub(crate) fn value<T: Plain>(pointer: *const T, what: &str) -> Result<T, Failure> {
    optional_value(pointer).ok_or_else(|| null(what))
}

/// A copy of a value that may be left out.
pub(crate) fn optional_value<T: Plain>(pointer: *const T) -> Option<T> {
    // SAFETY: not null, and the caller promises a value; alignment is not needed.
    (!pointer.is_null()).then(|| unsafe { pointer.read_unaligned() })
}

/// Where a result goes.
#[must_use]
pub(crate) struct Out<T>(NonNull<T>);

/// A place for a result.
pub(crate) fn out<T: Plain>(pointer: *mut T, what: &str) -> Result<Out<T>, Failure> {
    NonNull::new(pointer).map(Out).ok_or_else(|| null(what))
}

/// A place for a result that the caller may not want.
pub(crate) fn optional_out<T: Plain>(pointer: *mut T) -> Option<Out<T>> {
    NonNull::new(pointer).map(Out)
}

impl<T: Plain> Out<T> {
    pub(crate) fn write(self, value: T) {
        // SAFETY: not null, and the caller promises room for a value; alignment is not needed.
        unsafe { self.0.as_ptr().write_unaligned(value) }
    }
}

/// Where a report goes, and how long it is there.
#[must_use]
pub(crate) struct ReportOut<T> {
    place: NonNull<T>,
    bytes: usize,
}

/// A place for a report, whose `struct_size` the caller has set.
pub(crate) fn report_out<T: Report>(pointer: *mut T, what: &str) -> Result<ReportOut<T>, Failure> {
    let place = NonNull::new(pointer).ok_or_else(|| null(what))?;
    // SAFETY: not null, and the first field is a `usize`, as `Report` demands.
    let bytes = unsafe { place.cast::<usize>().read_unaligned() };
    if (T::BYTES_MIN..=REPORT_BYTES_MAX).contains(&bytes) {
        return Ok(ReportOut { place, bytes });
    }
    let reason = format!("struct_size is {bytes}: set it to the size of the struct");
    Err(Failure::argument(what, &reason))
}

/// The same where null means that the caller does not want it.
pub(crate) fn optional_report_out<T: Report>(
    pointer: *mut T,
    what: &str,
) -> Result<Option<ReportOut<T>>, Failure> {
    if pointer.is_null() { Ok(None) } else { report_out(pointer, what).map(Some) }
}

impl<T: Report> ReportOut<T> {
    /// Writes what the caller's struct has room for. Fields of a later version become 0.
    pub(crate) fn write(self, value: T) {
        write_report(self.place.as_ptr().cast(), self.bytes, &value);
    }
}

/// An array of reports; the first one's `struct_size` holds for all.
#[must_use]
pub(crate) struct ReportsOut<T> {
    first: ReportOut<T>,
    n_max: usize,
}

/// A place for up to `n_max` reports.
pub(crate) fn reports_out<T: Report>(
    pointer: *mut T,
    n_max: usize,
    what: &str,
) -> Result<ReportsOut<T>, Failure> {
    let first = report_out(pointer, what)?;
    if n_max > isize::MAX as usize / first.bytes {
        return Err(Failure::argument(what, "longer than the address space"));
    }
    Ok(ReportsOut { first, n_max })
}

impl<T: Report> ReportsOut<T> {
    /// Writes the values that there is room for.
    pub(crate) fn write(self, values: impl Iterator<Item = T>) {
        let (place, bytes) = (self.first.place.as_ptr().cast::<u8>(), self.first.bytes);
        for (index, value) in values.take(self.n_max).enumerate() {
            // SAFETY: the caller promises `n_max` structs of `bytes` each.
            write_report(unsafe { place.add(index * bytes) }, bytes, &value);
        }
    }
}

fn write_report<T: Report>(place: *mut u8, bytes: usize, value: &T) {
    let known = bytes.min(size_of::<T>());
    // SAFETY: the caller promises `bytes` bytes there, of which `known` are also in `value`; the
    // size comes first, as `Report` demands, and both structs are different memory.
    unsafe {
        std::ptr::copy_nonoverlapping(std::ptr::from_ref(value).cast::<u8>(), place, known);
        place.add(known).write_bytes(0, bytes - known);
        place.cast::<usize>().write_unaligned(bytes);
    }
}

/// A caller's buffer for `n_max` values, and where their number goes.
#[must_use]
pub(crate) struct BufferOut<T> {
    buffer: *mut T,
    n_max: usize,
    n_out: Option<Out<usize>>,
    what: &'static str,
}

/// A caller's buffer; it may be null where it has no room.
pub(crate) fn buffer_out<T: Plain>(
    buffer: *mut T,
    n_max: usize,
    n_out: *mut usize,
    what: &'static str,
) -> Result<BufferOut<T>, Failure> {
    if buffer.is_null() && n_max > 0 {
        return Err(null(what));
    }
    Ok(BufferOut { buffer, n_max, n_out: optional_out(n_out), what })
}

impl<T: Plain> BufferOut<T> {
    /// Writes all values or none. How many there are is told in both cases.
    pub(crate) fn write(self, values: &[T]) -> Result<(), Failure> {
        if let Some(n_out) = self.n_out {
            n_out.write(values.len());
        }
        if values.len() > self.n_max {
            let (n, n_max, what) = (values.len(), self.n_max, self.what);
            let text = format!("{what}: {n} are needed, there is room for {n_max}");
            return Err(Failure::new(ErrorCode::BufferTooSmall, text));
        }
        // SAFETY: the caller promises room for `n_max` values, which are no fewer; a null buffer
        // has room for none, and copying none is fine; bytes are copied, so alignment is none.
        unsafe {
            let (from, n) = (values.as_ptr().cast::<u8>(), std::mem::size_of_val(values));
            if n > 0 {
                std::ptr::copy_nonoverlapping(from, self.buffer.cast::<u8>(), n);
            }
        }
        Ok(())
    }
}

/// A caller's buffer for a text and its NUL.
#[must_use]
pub(crate) struct TextOut(BufferOut<u8>);

/// A caller's buffer for a text; it may be null where it has no room.
pub(crate) fn text_out(
    buffer: *mut c_char,
    bytes_max: usize,
    required_out: *mut usize,
    what: &'static str,
) -> Result<TextOut, Failure> {
    buffer_out(buffer.cast::<u8>(), bytes_max, required_out, what).map(TextOut)
}

impl TextOut {
    /// Writes the text and a NUL, or nothing.
    pub(crate) fn write(self, text: &str) -> Result<(), Failure> {
        let mut bytes = Vec::with_capacity(text.len() + 1);
        bytes.extend_from_slice(text.as_bytes());
        bytes.push(0);
        self.0.write(&bytes)
    }
}

/// Overwrites a caller's secret.
pub(crate) fn wipe(pointer: *mut tc_secret_t) {
    if let Some(place) = NonNull::new(pointer) {
        // SAFETY: not null, and the caller promises a secret; bytes need no alignment.
        unsafe { &mut *place.as_ptr().cast::<[u8; 32]>() }.zeroize();
    }
}

/// Whom a bootstrap tells how far it is.
pub(crate) struct OnBootstrap {
    call: tc_on_bootstrap_t,
    user: *mut c_void,
}

impl OnBootstrap {
    pub(crate) fn new(call: tc_on_bootstrap_t, user: *mut c_void) -> Self {
        OnBootstrap { call, user }
    }

    /// Whether it is to go on.
    pub(crate) fn call(&self, progress: &tc_bootstrap_progress_t) -> bool {
        let Some(call) = self.call else { return true };
        // SAFETY: a function of this type, called as the header says, with `user` as it came, on
        // the thread that the host made its call on.
        unsafe { call(self.user, progress) != 0 }
    }
}

/// A signer that calls the host back.
pub(crate) struct HostSigner {
    public_key: PublicKey,
    sign: tc_sign_t,
    release: tc_release_t,
    user: *mut c_void,
}

// SAFETY: the header demands that `sign` and `release` may be called with `user` on any thread.
unsafe impl Send for HostSigner {}
// SAFETY: the header demands that `sign` may be called with `user` by several threads at once.
unsafe impl Sync for HostSigner {}

impl HostSigner {
    pub(crate) fn new(
        public_key: PublicKey,
        sign: tc_sign_t,
        release: tc_release_t,
        user: *mut c_void,
    ) -> Result<Self, Failure> {
        if sign.is_none() {
            return Err(null("sign"));
        }
        Ok(HostSigner { public_key, sign, release, user })
    }

    /// The wallet that it was made for did not come to be: `user` stays the caller's.
    pub(crate) fn disarm(&mut self) {
        self.release = None;
    }

    fn call(&self, hash: &[u8; 32], signature: &mut [u8; 64]) -> tc_status_t {
        let Some(sign) = self.sign else { return ErrorCode::NullArgument.as_i32() };
        // SAFETY: a function of this type, called as the header says, with `user` as it came.
        unsafe { sign(self.user, hash.as_ptr(), signature.as_mut_ptr()) }
    }
}

impl Signer for HostSigner {
    fn public_key(&self) -> PublicKey {
        self.public_key
    }

    fn sign(&self, message: &Hash256) -> Result<Signature, NodeError> {
        let mut signature = [0; 64];
        match self.call(message.as_bytes(), &mut signature) {
            TC_OK => Ok(Signature::from_bytes(signature)),
            status => {
                let reason = format!("the host's sign function returned {status}");
                Err(NodeError::InvalidArgument { what: "signer", reason })
            }
        }
    }
}

impl Drop for HostSigner {
    fn drop(&mut self) {
        if let Some(release) = self.release {
            // SAFETY: a function of this type, called once with `user` as it came.
            unsafe { release(self.user) }
        }
    }
}

fn null(what: &str) -> Failure {
    Failure::new(ErrorCode::NullArgument, format!("{what} is null"))
}

/// No report comes near: more is memory that was not initialised.
const REPORT_BYTES_MAX: usize = 4096;

#[cfg(test)]
mod tests;
