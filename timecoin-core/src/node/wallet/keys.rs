//! What a wallet signs with.

use std::sync::Arc;

use zeroize::Zeroizing;

use crate::node::error::NodeError;
use crate::types::address::Address;
use crate::types::hash::{ChainId, Hash256, Txid, decode_hex, encode_hex};
use crate::types::keys::{KeyPair, PublicKey, SecretKey, Signature};
use crate::types::transaction::Transaction;

/// Signs for one key: a [`KeyPair`], or whatever the host keeps its keys in.
///
/// ```
/// use timecoin_core::{Hash256, KeyPair, NodeError, PublicKey, Signature, Signer};
///
/// /// Asks somebody before each signature.
/// struct Asking(KeyPair);
///
/// impl Signer for Asking {
///     fn public_key(&self) -> PublicKey {
///         self.0.public()
///     }
///
///     fn sign(&self, message: &Hash256) -> Result<Signature, NodeError> {
///         Ok(self.0.sign(message.as_bytes()))
///     }
/// }
/// ```
pub trait Signer: Send + Sync {
    /// The key whose address is paid.
    fn public_key(&self) -> PublicKey;

    /// The Ed25519 signature of the 32 bytes of `message`.
    ///
    /// # Errors
    /// Whatever keeps it from signing; the payment fails with it.
    fn sign(&self, message: &Hash256) -> Result<Signature, NodeError>;
}

impl Signer for KeyPair {
    fn public_key(&self) -> PublicKey {
        self.public()
    }

    fn sign(&self, message: &Hash256) -> Result<Signature, NodeError> {
        Ok(KeyPair::sign(self, message.as_bytes()))
    }
}

/// A key of a wallet.
pub(super) struct Key {
    pub(super) address: Address,
    pub(super) public_key: PublicKey,
    signer: Arc<dyn Signer>,
    pair: Option<KeyPair>,
}

impl Key {
    pub(super) fn from_pair(pair: KeyPair) -> Self {
        let (address, public_key) = (pair.address(), pair.public());
        Key { address, public_key, signer: Arc::new(pair.clone()), pair: Some(pair) }
    }

    pub(super) fn from_signer(signer: Arc<dyn Signer>) -> Self {
        let public_key = signer.public_key();
        Key { address: Address::of(&public_key), public_key, signer, pair: None }
    }

    /// Its secret, unless the host keeps that.
    pub(super) fn secret(&self) -> Option<SecretKey> {
        self.pair.as_ref().map(KeyPair::secret)
    }
}

/// Signs every input whose key is among `keys`, and tells how many those are.
pub(super) fn sign(
    transaction: &mut Transaction,
    chain_id: &ChainId,
    txid: &Txid,
    keys: &[Key],
) -> Result<usize, NodeError> {
    let outputs = transaction.outputs_hash();
    let mut n_signed = 0;
    for (index, input) in (0u32..).zip(&mut transaction.inputs) {
        let Some(key) = keys.iter().find(|key| key.public_key == input.public_key) else {
            continue;
        };
        let message = Transaction::sighash(chain_id, txid, index, &outputs);
        input.signature = key.signer.sign(&message)?;
        n_signed += 1;
    }
    Ok(n_signed)
}

/// The bytes of a transfer: every field of it has a fixed size.
pub(super) const fn transfer_bytes(n_inputs: usize, n_outputs: usize) -> usize {
    const EMPTY: usize = 2 + 4 + 4 + 8 + 1;
    const INPUT: usize = 32 + 4 + 32 + 64;
    const OUTPUT: usize = 8 + 20;
    EMPTY + n_inputs * INPUT + n_outputs * OUTPUT
}

/// The 64 hexadecimal digits of a secret key, for the host to keep. Wiped when dropped.
pub fn secret_to_text(secret: &SecretKey) -> Zeroizing<String> {
    Zeroizing::new(encode_hex(secret.to_bytes().as_slice()))
}

/// The secret key with these 64 hexadecimal digits.
///
/// # Errors
/// [`NodeError::Hex`], which does not repeat the text.
///
/// ```
/// use timecoin_core::{KeyPair, secret_from_text, secret_to_text};
/// let keys = KeyPair::from_seed(b"alice");
/// let text = secret_to_text(&keys.secret());
/// assert_eq!(KeyPair::from(secret_from_text(&text)?).address(), keys.address());
/// # Ok::<(), timecoin_core::NodeError>(())
/// ```
pub fn secret_from_text(text: &str) -> Result<SecretKey, NodeError> {
    let bytes = Zeroizing::new(decode_hex::<32>(text)?);
    Ok(SecretKey::from_bytes(*bytes))
}
