//! A hash of everything that happens, for comparing runs.

use crate::types::hash::ChainId;

/// The hash so far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Trace {
    digest: [u8; 32],
}

impl Trace {
    pub(super) fn new(chain_id: &ChainId) -> Self {
        Trace { digest: *chain_id.as_bytes() }
    }

    pub(super) fn digest(&self) -> [u8; 32] {
        self.digest
    }

    /// Something happened: where, what, and the hash of the bytes that tell of it.
    pub(super) fn add(&mut self, what: &'static str, numbers: [u64; 2], id: &[u8]) {
        let mut hasher = blake3::Hasher::new_keyed(&self.digest);
        hasher.update(&numbers[0].to_le_bytes());
        hasher.update(&numbers[1].to_le_bytes());
        hasher.update(what.as_bytes());
        hasher.update(id);
        self.digest = *hasher.finalize().as_bytes();
    }
}
