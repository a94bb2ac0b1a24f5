//! Signatures of inputs in batches: one equation for all of them, which costs half.
//!
//! Each item's equation, times a random z of its own and the cofactor, and all of them added:
//! \[8\]\[Σ zS\]B = Σ \[8\]\[z\]R + Σ \[8\]\[zk\]A, with one term for each key. Two thirds of that is to
//! find the points A and R from their bytes; those of keys that pay again can be remembered.

use curve25519_dalek::EdwardsPoint;
use curve25519_dalek::constants::ED25519_BASEPOINT_POINT;
use curve25519_dalek::edwards::CompressedEdwardsY;
use curve25519_dalek::scalar::Scalar;
use curve25519_dalek::traits::{IsIdentity, VartimeMultiscalarMul};
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};
use sha2::{Digest, Sha512};

use super::{
    InputSignature, KeyError, PublicKey, check_key_encoding, check_signature_encoding, verify_input,
};
use crate::types::hash::{Hasher, Tag};
use crate::types::map::HashMap;

/// The point that the bytes of a key stand for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct KeyPoint(EdwardsPoint);

impl KeyPoint {
    /// `None` where the bytes are no key by the input rule.
    fn of(key: &PublicKey) -> Option<KeyPoint> {
        check_key_encoding(key).ok()?;
        CompressedEdwardsY(key.0).decompress().map(KeyPoint)
    }
}

/// Remembers the points of keys. The point is a function of the key: with a memory or without,
/// every answer is the same.
pub trait KnownKeys: Sync {
    /// The point of the key, if it is remembered.
    fn find(&self, key: &PublicKey) -> Option<KeyPoint>;

    /// A signature of the key was valid, and this is its point.
    fn keep(&self, key: &PublicKey, point: &KeyPoint);
}

/// Remembers none.
#[derive(Clone, Copy, Debug)]
pub struct NoKeys;

impl KnownKeys for NoKeys {
    fn find(&self, _: &PublicKey) -> Option<KeyPoint> {
        None
    }

    fn keep(&self, _: &PublicKey, _: &KeyPoint) {}
}

/// Verifies every item by the input rule, in batches. The answer is always the one that
/// [`verify_input`] gives for one after the other. Runs on the calling thread; callers with more
/// threads give each a part.
///
/// # Errors
/// The index of the first invalid item, and what [`verify_input`] says of it.
pub fn verify_inputs(items: &[InputSignature]) -> Result<(), (usize, KeyError)> {
    verify_inputs_of(items, &NoKeys)
}

/// The same, and the points of keys that are known need not be found again.
///
/// # Errors
/// Those of [`verify_inputs`].
pub fn verify_inputs_of(
    items: &[InputSignature],
    known: &dyn KnownKeys,
) -> Result<(), (usize, KeyError)> {
    let n_batches = items.len().div_ceil(BATCH_MAX).max(1);
    let batch_len = items.len().div_ceil(n_batches).max(1);
    for (position, batch) in items.chunks(batch_len).enumerate() {
        if !is_batch_valid(batch, known) {
            let (index, error) = first_invalid(batch, known);
            return Err((position * batch_len + index, error));
        }
    }
    Ok(())
}

/// Whether every item is valid by the input rule.
fn is_batch_valid(items: &[InputSignature], known: &dyn KnownKeys) -> bool {
    if items.len() < BATCH_MIN {
        return items.iter().all(|item| verify_input(item).is_ok());
    }
    let Some(sum) = Sum::of(items, known) else { return false };
    let is_valid = sum.is_zero();
    if is_valid {
        sum.found.iter().for_each(|(key, point)| known.keep(key, point));
    }
    is_valid
}

/// The difference of both sides of the equation, as factors and points.
struct Sum {
    /// Of B, then of the keys, then of the R's.
    factors: Vec<Scalar>,
    keys: Vec<EdwardsPoint>,
    rs: Vec<EdwardsPoint>,
    /// Those of the keys that were not known.
    found: Vec<(PublicKey, KeyPoint)>,
}

impl Sum {
    /// `None` where an item is invalid by its bytes alone.
    fn of(items: &[InputSignature], known: &dyn KnownKeys) -> Option<Sum> {
        let mut coefficients = batch_coefficients(items);
        let mut of_base = Scalar::ZERO;
        let mut of_keys: Vec<Scalar> = Vec::with_capacity(items.len());
        let mut of_rs = Vec::with_capacity(items.len());
        let mut keys = Vec::with_capacity(items.len());
        let mut rs = Vec::with_capacity(items.len());
        let mut found = Vec::new();
        let mut positions: HashMap<PublicKey, usize> = HashMap::default();
        for item in items {
            check_signature_encoding(&item.signature).ok()?;
            rs.push(CompressedEdwardsY(item.signature.r()).decompress()?);
            let s = Scalar::from_canonical_bytes(item.signature.s()).into_option()?;
            let z = random_factor(&mut coefficients);
            of_base -= z * s;
            of_rs.push(z);
            let position = *positions.entry(item.key).or_insert(keys.len());
            if position == keys.len() {
                let point = match known.find(&item.key) {
                    Some(point) => point,
                    None => {
                        let point = KeyPoint::of(&item.key)?;
                        found.push((item.key, point));
                        point
                    }
                };
                keys.push(point.0);
                of_keys.push(Scalar::ZERO);
            }
            of_keys[position] += z * challenge(item);
        }
        let mut factors = vec![of_base];
        factors.append(&mut of_keys);
        factors.append(&mut of_rs);
        Some(Sum { factors, keys, rs, found })
    }

    fn is_zero(&self) -> bool {
        let points = std::iter::once(&ED25519_BASEPOINT_POINT).chain(&self.keys).chain(&self.rs);
        EdwardsPoint::vartime_multiscalar_mul(&self.factors, points).mul_by_cofactor().is_identity()
    }
}

/// k of an item: SHA-512 of R, A and the message, modulo ℓ.
fn challenge(item: &InputSignature) -> Scalar {
    let hasher = Sha512::new_with_prefix(item.signature.r());
    let digest = hasher.chain_update(item.key.0).chain_update(item.message.as_bytes()).finalize();
    Scalar::from_bytes_mod_order_wide(&digest.into())
}

/// 128 bits.
fn random_factor(coefficients: &mut ChaCha20Rng) -> Scalar {
    let low = u128::from(coefficients.next_u64());
    Scalar::from(low | u128::from(coefficients.next_u64()) << 64)
}

/// The source of a batch's random coefficients, seeded by a hash of all that is verified.
///
/// A batch with an invalid item passes only if the coefficients satisfy one linear equation
/// that the items fix, which 128-bit coefficients do with probability 2^-128. Whoever chooses
/// the items must fix them before the coefficients are known, as with a transcript of
/// Fiat and Shamir: each change of an item draws all coefficients anew, so the best attack is
/// to try 2^128 batches. No secret and no system randomness is needed.
pub(super) fn batch_coefficients(items: &[InputSignature]) -> ChaCha20Rng {
    let mut hasher = Hasher::new(Tag::SignatureBatch);
    for item in items {
        hasher.update(&item.key.0).update(item.message.as_bytes()).update(&item.signature.0);
    }
    ChaCha20Rng::from_seed(hasher.finish().to_bytes())
}

/// The first invalid item of a batch that holds one, found by halving: a half is verified
/// whole, and tells which half to go on with. Costs about one more batch in all.
fn first_invalid(items: &[InputSignature], known: &dyn KnownKeys) -> (usize, KeyError) {
    let (mut start, mut end) = (0, items.len());
    while end - start >= BATCH_MIN {
        let middle = start + (end - start) / 2;
        if is_batch_valid(&items[start..middle], known) {
            start = middle;
        } else {
            end = middle;
        }
    }
    (start..end)
        .find_map(|index| Some((index, verify_input(&items[index]).err()?)))
        .expect("a batch fails only if one of its items does")
}

/// Fewer items than this are verified one by one, which is then faster.
const BATCH_MIN: usize = 2;

/// Most items in one batch. The cost of one falls by 4 % more up to 768, while that of finding
/// a bad one grows with the batch.
pub(super) const BATCH_MAX: usize = 256;
