//! Both signature rules on every odd encoding, and batches against single verification.

mod vectors;

use std::sync::Mutex;

use ed25519_zebra::{VerificationKey, VerificationKeyBytes};
use proptest::prelude::*;

use super::batch::{BATCH_MAX, batch_coefficients};
use super::*;
use crate::types::map::HashMap;
use vectors::{VECTORS_JSON, Vector};

fn pair(seed: u64) -> KeyPair {
    KeyPair::from(SecretKey::from_seed(&seed.to_le_bytes()))
}

fn signed(seed: u64) -> InputSignature {
    let pair = pair(seed % 5);
    let message = hash(Tag::Sighash, &seed.to_le_bytes());
    InputSignature { key: pair.public(), message, signature: pair.sign(message.as_bytes()) }
}

fn strict(item: &InputSignature) -> Result<(), KeyError> {
    verify_strict(&item.key, item.message.as_bytes(), &item.signature)
}

/// What another implementation of batches says, which takes R of small order too.
fn zip_215_batch(items: &[InputSignature]) -> Result<(), ed25519_zebra::Error> {
    let mut verifier = ed25519_zebra::batch::Verifier::new();
    for item in items {
        let signature = ed25519_zebra::Signature::from_bytes(item.signature.as_bytes());
        let key = VerificationKeyBytes::from(item.key.to_bytes());
        verifier.queue((key, signature, item.message.as_bytes()));
    }
    verifier.verify(batch_coefficients(items))
}

fn one_by_one(items: &[InputSignature]) -> Result<(), (usize, KeyError)> {
    for (index, item) in items.iter().enumerate() {
        verify_input(item).map_err(|error| (index, error))?;
    }
    Ok(())
}

/// Remembers every key at once.
#[derive(Default)]
struct Memory(Mutex<HashMap<PublicKey, KeyPoint>>);

impl KnownKeys for Memory {
    fn find(&self, key: &PublicKey) -> Option<KeyPoint> {
        self.0.lock().unwrap().get(key).copied()
    }

    fn keep(&self, key: &PublicKey, point: &KeyPoint) {
        self.0.lock().unwrap().insert(*key, *point);
    }
}

fn vectors() -> Vec<Vector> {
    serde_json::from_str(VECTORS_JSON).unwrap()
}

/// The vectors that an input can be, and whether they are valid.
fn odd_items() -> Vec<(InputSignature, Result<(), KeyError>)> {
    let items = vectors().into_iter().filter_map(|vector| {
        let expected = vector.input()?;
        Some((vector.item()?, expected))
    });
    items.collect()
}

#[test]
fn vectors_are_judged_as_they_say() {
    for vector in vectors() {
        let (key, message, signature) = (vector.key, vector.message(), vector.signature);
        let name = &vector.name;
        assert_eq!(verify_strict(&key, &message, &signature), vector.strict(), "{name}");
        if let Some(expected) = vector.input() {
            let item = vector.item().unwrap();
            assert_eq!(verify_input(&item), expected, "{name}");
            assert_eq!(verify_inputs(&[item]), expected.map_err(|error| (0, error)), "{name}");
        }
    }
}

#[test]
fn zip_215_accepts_the_vectors_that_only_our_checks_refuse() {
    for vector in vectors() {
        let signature = ed25519_zebra::Signature::from_bytes(vector.signature.as_bytes());
        let valid = VerificationKey::try_from(vector.key.to_bytes())
            .and_then(|key| key.verify(&signature, &vector.message()))
            .is_ok();
        assert_eq!(valid, vector.zip215, "{}", vector.name);
    }
}

#[test]
fn vectors_are_as_constructed() {
    assert_eq!(vectors::to_json(&vectors::construct()), VECTORS_JSON);
}

#[test]
#[ignore = "writes tests/vectors/ed25519.json"]
fn write_vectors() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors/ed25519.json");
    std::fs::write(path, vectors::to_json(&vectors::construct())).unwrap();
}

#[test]
fn vectors_hold_every_verdict() {
    let vectors = vectors();
    let count = |verdict: &str| vectors.iter().filter(|v| v.strict == verdict).count();
    for verdict in [
        "valid",
        "KeyNotCanonical",
        "KeySmallOrder",
        "KeyNotOnCurve",
        "RNotCanonical",
        "RSmallOrder",
        "SOutOfRange",
        "Mismatch",
    ] {
        assert!(count(verdict) > 0, "{verdict}");
    }
    let apart = |v: &&Vector| v.strict == "Mismatch" && v.input.as_deref() == Some("valid");
    assert!(vectors.iter().filter(apart).count() > 40);
}

#[test]
fn rfc_8032_secrets_give_keys_and_signatures() {
    for (name, secret, vector) in vectors::rfc_8032() {
        let pair = KeyPair::from(SecretKey::from_bytes(secret));
        assert_eq!(pair.public(), vector.key, "{name}");
        assert_eq!(pair.sign(&vector.message()), vector.signature, "{name}");
    }
}

#[test]
fn one_odd_signature_in_a_batch_is_found() {
    for (nth, (odd, expected)) in odd_items().into_iter().enumerate() {
        let seed = nth as u64 * 1_000;
        let mut items: Vec<_> = (0..2 + seed % 37).map(|i| signed(seed + i)).collect();
        let position = nth % items.len();
        items[position] = odd;
        let expected = expected.map_err(|error| (position, error));
        assert_eq!(verify_inputs(&items), expected, "vector {nth} at {position}");
    }
}

#[test]
fn batch_of_odd_but_valid_signatures_is_valid() {
    let odd = odd_items();
    let valid = odd.into_iter().filter(|(_, expected)| expected.is_ok());
    let items: Vec<_> = valid.map(|(item, _)| item).collect();
    assert!(items.iter().filter(|item| strict(item).is_err()).count() > 40);
    for n in 0..=items.len() {
        assert_eq!(verify_inputs(&items[..n]), Ok(()), "the first {n}");
    }
}

#[test]
fn errors_that_cancel_out_are_found() {
    let (mut left, mut right) = (signed(1), signed(6));
    assert_eq!(left.key, right.key);
    let add_to_s = |item: &mut InputSignature, difference: i8| {
        let mut bytes = item.signature.to_bytes();
        bytes[40] = bytes[40].checked_add_signed(difference).unwrap();
        item.signature = Signature::from_bytes(bytes);
    };
    add_to_s(&mut left, 1);
    add_to_s(&mut right, -1);
    for position in 0..20 {
        let mut items: Vec<_> = (0..position).map(signed).collect();
        let position = items.len();
        items.extend([left, right]);
        assert_eq!(verify_inputs(&items), Err((position, KeyError::Mismatch)));
    }
}

#[test]
fn first_of_many_bad_items_is_named_across_batches() {
    let n = 2 * BATCH_MAX + 1;
    let items: Vec<_> = (0..n as u64).map(signed).collect();
    assert_eq!(verify_inputs(&items), Ok(()));
    assert_eq!(verify_inputs(&[]), Ok(()));
    for first in [0, 1, n / 3, n / 2, n - 2, n - 1] {
        let mut items = items.clone();
        for item in items[first..].iter_mut().step_by(7) {
            item.message = Hash256::ZERO;
        }
        assert_eq!(verify_inputs(&items), Err((first, KeyError::Mismatch)));
    }
}

#[test]
fn every_flipped_bit_is_refused() {
    let good = signed(1);
    assert_eq!((strict(&good), verify_input(&good)), (Ok(()), Ok(())));
    for bit in 0..8 * 128 {
        let mut item = good;
        let flip = 1 << (bit % 8);
        match bit / 8 {
            at @ 0..32 => item.key.0[at] ^= flip,
            at @ 32..64 => item.message.0[at - 32] ^= flip,
            at => item.signature.0[at - 64] ^= flip,
        }
        assert!(strict(&item).is_err(), "bit {bit}");
        assert!(verify_input(&item).is_err(), "bit {bit}");
        assert!(verify_inputs(&[good, good, item]).is_err(), "bit {bit}");
    }
}

#[test]
fn batch_coefficients_change_with_every_part_of_every_item() {
    let items = [signed(1), signed(2)];
    let start = |items: &[InputSignature]| batch_coefficients(items).get_seed();
    let mut seeds = vec![start(&items)];
    for index in 0..2 {
        let mut key = items;
        key[index].key.0[0] ^= 1;
        let mut message = items;
        message[index].message.0[0] ^= 1;
        let mut r = items;
        r[index].signature.0[0] ^= 1;
        let mut s = items;
        s[index].signature.0[63] ^= 1;
        seeds.extend([key, message, r, s].map(|items| start(&items)));
    }
    seeds.sort_unstable();
    seeds.dedup();
    assert_eq!(seeds.len(), 9);
}

#[test]
fn small_order_table_is_the_eight_points() {
    use curve25519_dalek::constants::EIGHT_TORSION;
    let mut expected = EIGHT_TORSION.map(|point| {
        let mut y = point.compress().to_bytes();
        y[31] &= 0x7f;
        y
    });
    expected.sort_unstable();
    let mut table = SMALL_ORDER_Y.to_vec();
    table.sort_unstable();
    let mut expected = expected.to_vec();
    expected.dedup();
    assert_eq!(table, expected);
}

#[test]
fn secrets_are_never_shown() {
    let secret = SecretKey::from_bytes([0xab; 32]);
    let pair = KeyPair::from(secret.clone());
    assert_eq!(format!("{secret:?}"), "SecretKey(hidden)");
    assert_eq!(format!("{pair:?}"), format!("KeyPair({})", pair.public()));
}

#[test]
fn generated_secrets_differ_and_seeded_ones_do_not() {
    let bytes = || SecretKey::generate().unwrap().to_bytes();
    assert_ne!(bytes(), bytes());
    assert_eq!(pair(1).public(), pair(1).public());
    assert_ne!(pair(1).public(), pair(2).public());
    assert_eq!(*pair(1).secret().to_bytes(), *SecretKey::from_seed(&1u64.to_le_bytes()).to_bytes());
}

#[test]
fn keys_and_signatures_are_read_back() {
    let item = signed(3);
    let json = serde_json::to_string(&(item.key, item.signature)).unwrap();
    assert_eq!(json, format!("[\"{}\",\"{}\"]", item.key, item.signature));
    let read: (PublicKey, Signature) = serde_json::from_str(&json).unwrap();
    assert_eq!(read, (item.key, item.signature));
    assert_eq!(borsh::to_vec(&item.key).unwrap(), item.key.0);
    assert_eq!(borsh::to_vec(&item.signature).unwrap(), item.signature.0);
    assert_eq!(borsh::from_slice::<Signature>(&item.signature.0).unwrap(), item.signature);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn batch_and_single_agree(
        n in 0u64..40,
        odd in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>()), 0..4),
    ) {
        let pool = odd_items();
        let mut items: Vec<_> = (0..n).map(signed).collect();
        for (from, to) in odd.iter().filter(|_| n > 0) {
            let position = to.index(items.len());
            items[position] = pool[from.index(pool.len())].0;
        }
        let expected = one_by_one(&items);
        prop_assert_eq!(verify_inputs(&items), expected);
        prop_assert_eq!(zip_215_batch(&items).is_ok() || expected.is_err(), true);
        let memory = Memory::default();
        for _ in 0..2 {
            prop_assert_eq!(verify_inputs_of(&items, &memory), expected);
        }
        let kept = memory.0.lock().unwrap();
        prop_assert!(items.iter().all(|item| kept.contains_key(&item.key)) || expected.is_err() || n < 2);
    }

    #[test]
    fn random_bytes_are_refused_alike(key: [u8; 32], signature in prop::array::uniform32(any::<[u8; 2]>())) {
        let signature = Signature::from_bytes(signature.concat().try_into().unwrap());
        let item = InputSignature { key: PublicKey(key), message: Hash256::ZERO, signature };
        prop_assert!(verify_input(&item).is_err());
        prop_assert_eq!(strict(&item).is_err(), verify_input(&item).is_err());
        prop_assert_eq!(verify_inputs(&[signed(0), item]), one_by_one(&[signed(0), item]));
    }

    #[test]
    fn own_signatures_are_valid_by_both_rules(seed: [u8; 32], message: [u8; 32]) {
        let pair = KeyPair::from(SecretKey::from_bytes(seed));
        let signature = pair.sign(&message);
        let item = InputSignature { key: pair.public(), message: Hash256(message), signature };
        prop_assert_eq!(strict(&item), Ok(()));
        prop_assert_eq!(verify_input(&item), Ok(()));
    }
}
