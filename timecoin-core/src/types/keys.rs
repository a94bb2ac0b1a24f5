//! Ed25519 keys and signatures, and the two rules by which a signature is valid.
//!
//! *Encoding*, the same for both rules and judged from the bytes alone: the key and the first
//! half R of the signature are canonical encodings of points that are not of small order, and
//! the second half S is below the group order ℓ. Then the *equation*:
//!
//! | rule | used for | equation |
//! |---|---|---|
//! | strict | votes, proposals, handshakes, registrations | bytes(R) = compress(\[S\]B − \[k\]A) |
//! | input | inputs of transactions | \[8\]\[S\]B = \[8\]R + \[8\]\[k\]A, as in ZIP 215 |
//!
//! What is strictly valid is valid as an input. The cofactor makes one signature and a batch
//! agree by definition, and batches are twice as fast: PROTOCOL 9 and
//! `docs/decisions/0002-signatures.md`. Which bytes are signed is decided elsewhere.

use std::fmt;
use std::sync::Arc;

use borsh::{BorshDeserialize, BorshSerialize};
use ed25519_dalek::{Signer, SigningKey, VerifyingKey};
use ed25519_zebra::VerificationKey;
use zeroize::Zeroizing;

use super::address::Address;
use super::hash::{Hash256, Tag, hash, hex_form};
use super::signature_memo::SignatureMemo;

mod batch;

pub use batch::{KeyPoint, KnownKeys, NoKeys, verify_inputs, verify_inputs_of};

/// Bytes that name a key. Nothing is promised of them: 32 bytes can be no point at all, which
/// shows when a signature is verified.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize)]
pub struct PublicKey([u8; 32]);

impl PublicKey {
    /// The key with these bytes, which are not checked.
    pub const fn from_bytes(bytes: [u8; 32]) -> PublicKey {
        PublicKey(bytes)
    }

    /// Its bytes.
    pub const fn to_bytes(self) -> [u8; 32] {
        self.0
    }

    /// Its bytes, borrowed.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

hex_form!(PublicKey);

/// Bytes of a signature: R, then S. Nothing is promised of them.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize)]
pub struct Signature([u8; 64]);

impl Signature {
    /// The signature with these bytes, which are not checked.
    pub const fn from_bytes(bytes: [u8; 64]) -> Signature {
        Signature(bytes)
    }

    /// Its bytes.
    pub const fn to_bytes(self) -> [u8; 64] {
        self.0
    }

    /// Its bytes, borrowed.
    pub const fn as_bytes(&self) -> &[u8; 64] {
        &self.0
    }

    fn r(&self) -> [u8; 32] {
        self.0[..32].try_into().expect("half of 64 bytes is 32")
    }

    fn s(&self) -> [u8; 32] {
        self.0[32..].try_into().expect("half of 64 bytes is 32")
    }
}

hex_form!(Signature);

/// Why a key or a signature is refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum KeyError {
    /// The key encodes its coordinate in another than the shortest way.
    #[error("public key is not canonically encoded")]
    KeyNotCanonical,
    /// The key is one of the eight points that sign anything.
    #[error("public key is of small order")]
    KeySmallOrder,
    /// The key is no point of the curve.
    #[error("public key is not on the curve")]
    KeyNotOnCurve,
    /// R encodes its coordinate in another than the shortest way.
    #[error("signature's R is not canonically encoded")]
    RNotCanonical,
    /// R is one of the eight points of small order.
    #[error("signature's R is of small order")]
    RSmallOrder,
    /// S is not below the group order.
    #[error("signature's S is out of range")]
    SOutOfRange,
    /// The signature was not made by this key for this message.
    #[error("signature does not match key and message")]
    Mismatch,
    /// The operating system has no randomness to give.
    #[error("no randomness from the operating system")]
    NoRandomness,
}

/// The 32 secret bytes that everything else of a key pair follows from. Wiped when dropped,
/// never shown, never serialized.
#[derive(Clone)]
pub struct SecretKey(Zeroizing<[u8; 32]>);

impl SecretKey {
    /// The key with these bytes; any 32 bytes are one.
    pub fn from_bytes(bytes: [u8; 32]) -> SecretKey {
        SecretKey(Zeroizing::new(bytes))
    }

    /// Its bytes, for a key store. The copy is wiped when dropped.
    pub fn to_bytes(&self) -> Zeroizing<[u8; 32]> {
        self.0.clone()
    }

    /// A new key from the operating system's randomness.
    ///
    /// # Errors
    /// [`KeyError::NoRandomness`] if there is none.
    pub fn generate() -> Result<SecretKey, KeyError> {
        let mut bytes = Zeroizing::new([0; 32]);
        getrandom::fill(bytes.as_mut_slice()).map_err(|_| KeyError::NoRandomness)?;
        Ok(SecretKey(bytes))
    }

    /// The key that belongs to `seed`: the same for the same bytes, no stronger than they are.
    pub fn from_seed(seed: &[u8]) -> SecretKey {
        SecretKey(Zeroizing::new(hash(Tag::SecretKey, seed).to_bytes()))
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretKey(hidden)")
    }
}

/// A secret key together with its public key, ready to sign. Wiped when dropped.
#[derive(Clone)]
pub struct KeyPair {
    signing: SigningKey,
    public: PublicKey,
    memo: Option<Arc<dyn SignatureMemo>>,
}

impl KeyPair {
    /// A new pair from the operating system's randomness.
    ///
    /// # Errors
    /// [`KeyError::NoRandomness`].
    pub fn generate() -> Result<KeyPair, KeyError> {
        SecretKey::generate().map(KeyPair::from)
    }

    /// The pair that a seed gives, always the same. Only as secret as the seed.
    pub fn from_seed(seed: &[u8]) -> KeyPair {
        KeyPair::from(SecretKey::from_seed(seed))
    }

    /// The address of the public half.
    pub fn address(&self) -> Address {
        Address::of(&self.public)
    }

    /// The public half.
    pub fn public(&self) -> PublicKey {
        self.public
    }

    /// The secret half, for a key store.
    pub fn secret(&self) -> SecretKey {
        SecretKey::from_bytes(self.signing.to_bytes())
    }

    /// The same pair, which remembers what it signs.
    pub fn with_memo(self, memo: Arc<dyn SignatureMemo>) -> KeyPair {
        KeyPair { memo: Some(memo), ..self }
    }

    /// Signs `message`. The same message always gives the same signature, valid by both rules.
    pub fn sign(&self, message: &[u8]) -> Signature {
        let made = || Signature(self.signing.sign(message).to_bytes());
        let Some(memo) = &self.memo else { return made() };
        memo.find(&self.public, message).unwrap_or_else(|| {
            let signature = made();
            memo.keep(&self.public, message, &signature);
            signature
        })
    }
}

impl From<SecretKey> for KeyPair {
    fn from(secret: SecretKey) -> KeyPair {
        let signing = SigningKey::from_bytes(&secret.0);
        let public = PublicKey(signing.verifying_key().to_bytes());
        KeyPair { signing, public, memo: None }
    }
}

impl fmt::Debug for KeyPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyPair({})", self.public)
    }
}

/// A consensus key, parsed and checked once: canonical, on the curve, not of small order.
#[derive(Clone, Debug)]
pub struct VotingKey {
    key: VerifyingKey,
    memo: Option<Arc<dyn SignatureMemo>>,
}

impl VotingKey {
    /// The bytes that it was made from.
    pub fn public(&self) -> PublicKey {
        PublicKey(self.key.to_bytes())
    }

    /// The same key, which knows the signatures that its own pair remembers.
    pub fn with_memo(self, memo: Arc<dyn SignatureMemo>) -> VotingKey {
        VotingKey { memo: Some(memo), ..self }
    }

    /// Verifies by the strict rule.
    ///
    /// # Errors
    /// Any [`KeyError`] about the signature.
    pub fn verify(&self, message: &[u8], signature: &Signature) -> Result<(), KeyError> {
        let made = self.memo.as_ref().and_then(|memo| memo.find(&self.public(), message));
        if made.as_ref() == Some(signature) {
            return Ok(());
        }
        check_signature_encoding(signature)?;
        let signature = ed25519_dalek::Signature::from_bytes(&signature.0);
        self.key.verify_strict(message, &signature).map_err(|_| KeyError::Mismatch)
    }
}

impl PartialEq for VotingKey {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key
    }
}

impl Eq for VotingKey {}

impl TryFrom<PublicKey> for VotingKey {
    type Error = KeyError;

    fn try_from(key: PublicKey) -> Result<VotingKey, KeyError> {
        check_key_encoding(&key)?;
        let key = VerifyingKey::from_bytes(&key.0).map_err(|_| KeyError::KeyNotOnCurve)?;
        Ok(VotingKey { key, memo: None })
    }
}

/// Verifies by the strict rule a signature whose key is seen once only; see [`VotingKey`].
///
/// # Errors
/// Any [`KeyError`] about the key or the signature.
pub fn verify_strict(
    key: &PublicKey,
    message: &[u8],
    signature: &Signature,
) -> Result<(), KeyError> {
    VotingKey::try_from(*key)?.verify(message, signature)
}

/// One signature of a transaction input.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct InputSignature {
    /// The key that the spent output's address is the hash of.
    pub key: PublicKey,
    /// The sighash of the input.
    pub message: Hash256,
    /// The signature to verify.
    pub signature: Signature,
}

/// Verifies by the input rule.
///
/// # Errors
/// Any [`KeyError`] about the key or the signature.
pub fn verify_input(item: &InputSignature) -> Result<(), KeyError> {
    check_key_encoding(&item.key)?;
    let key = VerificationKey::try_from(item.key.0).map_err(|_| KeyError::KeyNotOnCurve)?;
    check_signature_encoding(&item.signature)?;
    let signature = ed25519_zebra::Signature::from_bytes(&item.signature.0);
    key.verify(&signature, item.message.as_bytes()).map_err(|_| KeyError::Mismatch)
}

fn check_key_encoding(key: &PublicKey) -> Result<(), KeyError> {
    match classify_point(&key.0) {
        PointEncoding::Usual => Ok(()),
        PointEncoding::NotCanonical => Err(KeyError::KeyNotCanonical),
        PointEncoding::SmallOrder => Err(KeyError::KeySmallOrder),
    }
}

fn check_signature_encoding(signature: &Signature) -> Result<(), KeyError> {
    match classify_point(&signature.r()) {
        PointEncoding::Usual => {}
        PointEncoding::NotCanonical => return Err(KeyError::RNotCanonical),
        PointEncoding::SmallOrder => return Err(KeyError::RSmallOrder),
    }
    if !is_below(&signature.s(), &GROUP_ORDER) {
        return Err(KeyError::SOutOfRange);
    }
    Ok(())
}

/// What the bytes of a point tell without any arithmetic on the curve.
enum PointEncoding {
    Usual,
    NotCanonical,
    SmallOrder,
}

/// An encoding is y with the sign of x in the top bit. It is canonical if y is below the field
/// prime, and x = 0 has no sign; x is 0 at y = ±1 only, both of small order.
fn classify_point(bytes: &[u8; 32]) -> PointEncoding {
    let mut y = *bytes;
    y[31] &= 0x7f;
    if !is_below(&y, &FIELD_PRIME) {
        return PointEncoding::NotCanonical;
    }
    if SMALL_ORDER_Y.contains(&y) {
        let has_no_x = y == SMALL_ORDER_Y[0] || y == SMALL_ORDER_Y[1];
        if has_no_x && bytes[31] & 0x80 != 0 {
            return PointEncoding::NotCanonical;
        }
        return PointEncoding::SmallOrder;
    }
    PointEncoding::Usual
}

/// Compares little-endian numbers.
fn is_below(number: &[u8; 32], bound: &[u8; 32]) -> bool {
    number.iter().rev().lt(bound.iter().rev())
}

/// p = 2^255 − 19, little-endian.
const FIELD_PRIME: [u8; 32] = {
    let mut p = [0xff; 32];
    p[0] = 0xed;
    p[31] = 0x7f;
    p
};

/// ℓ = 2^252 + 27742317777372353535851937790883648493, little-endian.
const GROUP_ORDER: [u8; 32] = [
    0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
];

/// y of the eight points of small order: 1, −1, 0 (twice) and the two of order eight (twice
/// each).
const SMALL_ORDER_Y: [[u8; 32]; 5] = [
    {
        let mut one = [0; 32];
        one[0] = 1;
        one
    },
    {
        let mut minus_one = FIELD_PRIME;
        minus_one[0] -= 1;
        minus_one
    },
    [0; 32],
    [
        0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98,
        0xf0, 0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53,
        0xfc, 0x05,
    ],
    [
        0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67,
        0x0f, 0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac,
        0x03, 0x7a,
    ],
];

#[cfg(test)]
mod tests;
