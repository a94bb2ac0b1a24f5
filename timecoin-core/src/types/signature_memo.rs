//! A memory of signatures for whoever runs many masternodes in one process.

use std::fmt;

use super::keys::{PublicKey, Signature};

/// Remembers signatures that key pairs of this process made, so that each is made once and
/// verified by a look.
///
/// Only [`super::keys::KeyPair::sign`] adds to it: what is in it is valid by construction, and
/// what is not is verified in full. Signing is a function of key and message, and so is
/// verifying: with a memory or without, every answer is the same.
pub trait SignatureMemo: fmt::Debug + Send + Sync {
    /// The signature that the key made of the message, if that is remembered.
    fn find(&self, key: &PublicKey, message: &[u8]) -> Option<Signature>;

    /// Remembers a signature that the key made of the message.
    fn keep(&self, key: &PublicKey, message: &[u8], signature: &Signature);
}
