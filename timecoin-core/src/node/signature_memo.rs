//! Signatures that masternodes of this process made, remembered in a bounded table.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::generations::Generations;
use crate::types::keys::{PublicKey, Signature};
use crate::types::signature_memo::SignatureMemo;

/// Remembers the latest signatures of all key pairs that share it: for simulations, where one
/// thread plays every masternode. Two of them that run one after the other may share it too.
#[derive(Debug)]
pub struct SharedSignatures {
    made: Mutex<Generations<Made, Signature>>,
}

type Made = (PublicKey, [u8; MESSAGE_BYTES]);

impl SharedSignatures {
    /// Remembers nothing yet, and 40,000 at least later: 14 MB at most.
    pub fn new() -> Self {
        SharedSignatures::with_capacity(KEPT_USUAL)
    }

    /// Remembers the latest `n_kept`, and at most twice as many.
    pub fn with_capacity(n_kept: usize) -> Self {
        SharedSignatures { made: Mutex::new(Generations::new(n_kept)) }
    }

    fn made(&self) -> MutexGuard<'_, Generations<Made, Signature>> {
        self.made.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for SharedSignatures {
    fn default() -> Self {
        SharedSignatures::new()
    }
}

impl SignatureMemo for SharedSignatures {
    fn find(&self, key: &PublicKey, message: &[u8]) -> Option<Signature> {
        let name = (*key, message.try_into().ok()?);
        self.made().find(&name)
    }

    fn keep(&self, key: &PublicKey, message: &[u8], signature: &Signature) {
        let Ok(message) = message.try_into() else { return };
        self.made().insert((*key, message), *signature);
    }
}

/// Everything that masternodes sign is a hash; what is longer or shorter is not remembered.
const MESSAGE_BYTES: usize = 32;

/// As many as a network of ten signs in some minutes.
const KEPT_USUAL: usize = 40_000;

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::types::keys::{KeyPair, VotingKey};

    fn pair(memo: &Arc<SharedSignatures>) -> (KeyPair, VotingKey) {
        let keys = KeyPair::from_seed(b"memo").with_memo(Arc::clone(memo) as _);
        let voting = VotingKey::try_from(keys.public()).unwrap().with_memo(Arc::clone(memo) as _);
        (keys, voting)
    }

    #[test]
    fn remembered_signatures_are_those_that_would_be_made() {
        let memo = Arc::new(SharedSignatures::new());
        let (keys, voting) = pair(&memo);
        let message = [7; MESSAGE_BYTES];
        let signature = keys.sign(&message);
        assert_eq!(memo.find(&keys.public(), &message), Some(signature));
        assert_eq!(signature, KeyPair::from_seed(b"memo").sign(&message));
        assert_eq!(keys.sign(&message), signature);
        assert!(voting.verify(&message, &signature).is_ok());
    }

    #[test]
    fn what_is_not_remembered_is_verified_in_full() {
        let memo = Arc::new(SharedSignatures::new());
        let (keys, voting) = pair(&memo);
        let made = keys.sign(&[1; MESSAGE_BYTES]);
        assert!(voting.verify(&[2; MESSAGE_BYTES], &made).is_err());
        let mut forged = made.to_bytes();
        forged[40] ^= 1;
        assert!(voting.verify(&[1; MESSAGE_BYTES], &Signature::from_bytes(forged)).is_err());
        let elsewhere = KeyPair::from_seed(b"memo").sign(&[2; MESSAGE_BYTES]);
        assert!(voting.verify(&[2; MESSAGE_BYTES], &elsewhere).is_ok());
        assert_eq!(memo.find(&keys.public(), &[2; MESSAGE_BYTES]), None);
    }
}
