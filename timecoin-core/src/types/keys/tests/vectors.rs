//! How `tests/vectors/ed25519.json` is constructed.
//!
//! Each verdict is stated from how the signature was made, not by running the code under test.
//! The small-order matrix is the one of ZIP 215: 14 encodings of the 8 points as key and as R,
//! with S = 0.

use curve25519_dalek::constants::EIGHT_TORSION;
use curve25519_dalek::edwards::{CompressedEdwardsY, EdwardsPoint};
use curve25519_dalek::scalar::Scalar;
use curve25519_dalek::traits::IsIdentity;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha512};

use super::super::{FIELD_PRIME, GROUP_ORDER, InputSignature, KeyError, PublicKey, Signature};
use crate::types::hash::{Hash256, encode_hex};

pub(super) const VECTORS_JSON: &str = include_str!("../../../../tests/vectors/ed25519.json");

/// A signature and what each rule says of it.
#[derive(Serialize, Deserialize)]
pub(super) struct Vector {
    pub(super) name: String,
    pub(super) key: PublicKey,
    message: String,
    pub(super) signature: Signature,
    /// "valid", or the name of the [`KeyError`].
    pub(super) strict: String,
    /// The same by the input rule; none where the message is not the 32 bytes of a sighash.
    pub(super) input: Option<String>,
    /// Whether plain ZIP 215 accepts it.
    pub(super) zip215: bool,
}

impl Vector {
    fn new(name: String, key: [u8; 32], message: &[u8], signature: [u8; 64]) -> Vector {
        Vector {
            name,
            key: PublicKey(key),
            message: encode_hex(message),
            signature: Signature(signature),
            strict: String::new(),
            input: None,
            zip215: false,
        }
    }

    fn judged(self, strict: &str, input: &str, zip215: bool) -> Vector {
        Vector {
            strict: strict.to_owned(),
            input: (self.message.len() == 64).then(|| input.to_owned()),
            zip215,
            ..self
        }
    }

    pub(super) fn message(&self) -> Vec<u8> {
        let digits = self.message.as_bytes().chunks(2);
        digits
            .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
            .collect()
    }

    pub(super) fn item(&self) -> Option<InputSignature> {
        Some(InputSignature {
            key: self.key,
            message: Hash256(self.message().try_into().ok()?),
            signature: self.signature,
        })
    }

    pub(super) fn strict(&self) -> Result<(), KeyError> {
        verdict(&self.strict)
    }

    pub(super) fn input(&self) -> Option<Result<(), KeyError>> {
        self.input.as_deref().map(verdict)
    }
}

fn verdict(name: &str) -> Result<(), KeyError> {
    Err(match name {
        "valid" => return Ok(()),
        "KeyNotCanonical" => KeyError::KeyNotCanonical,
        "KeySmallOrder" => KeyError::KeySmallOrder,
        "KeyNotOnCurve" => KeyError::KeyNotOnCurve,
        "RNotCanonical" => KeyError::RNotCanonical,
        "RSmallOrder" => KeyError::RSmallOrder,
        "SOutOfRange" => KeyError::SOutOfRange,
        "Mismatch" => KeyError::Mismatch,
        other => panic!("no verdict is called {other}"),
    })
}

/// One vector a line.
pub(super) fn to_json(vectors: &[Vector]) -> String {
    let lines: Vec<_> =
        vectors.iter().map(|vector| serde_json::to_string(vector).unwrap()).collect();
    format!("[\n{}\n]\n", lines.join(",\n"))
}

pub(super) fn construct() -> Vec<Vector> {
    let mut vectors: Vec<_> = rfc_8032().into_iter().map(|(.., vector)| vector).collect();
    vectors.extend(small_order_matrix());
    vectors.extend(odd_r());
    vectors.extend(mixed_order());
    vectors.extend(large_encodings());
    vectors.extend(odd_s());
    vectors.extend(off_the_curve());
    vectors
}

/// Name, secret and vector of the examples of RFC 8032, section 7.1.
pub(super) fn rfc_8032() -> Vec<(&'static str, [u8; 32], Vector)> {
    let abc = Sha512::digest(b"abc");
    let examples: [(&str, &str, &str, &[u8], &str); 4] = [
        (
            "rfc 8032 test 1",
            "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
            "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
            b"",
            "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155\
             5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
        ),
        (
            "rfc 8032 test 2",
            "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
            "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
            b"\x72",
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da\
             085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
        ),
        (
            "rfc 8032 test 3",
            "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
            "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
            b"\xaf\x82",
            "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac\
             18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
        ),
        (
            "rfc 8032 test sha(abc)",
            "833fe62409237b9d62ec77587520911e9a759cec1d19755b7da901b96dca3d42",
            "ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf",
            &abc,
            "dc2a4459e7369633a52b1bf277839a00201009a3efbf3ecb69bea2186c26b589\
             09351fc9ac90b3ecfdfbc7c66431e0303dca179c138ac17ad9bef1177331a704",
        ),
    ];
    examples
        .map(|(name, secret, key, message, signature)| {
            let secret: Hash256 = secret.parse().unwrap();
            let key: PublicKey = key.parse().unwrap();
            let signature: Signature = signature.parse().unwrap();
            let vector = Vector::new(name.to_owned(), key.0, message, signature.0);
            (name, secret.0, vector.judged("valid", "valid", true))
        })
        .into()
}

/// The 8 points of small order as they should be encoded.
fn small_order() -> [[u8; 32]; 8] {
    EIGHT_TORSION.map(|point| point.compress().to_bytes())
}

/// The 6 other encodings of points of small order: a sign on x = 0, or y not below the prime.
fn small_order_not_canonical() -> [[u8; 32]; 6] {
    let with_sign = |mut bytes: [u8; 32]| {
        bytes[31] |= 0x80;
        bytes
    };
    let (mut one, mut minus_one, mut one_more) = ([0; 32], FIELD_PRIME, FIELD_PRIME);
    one[0] = 1;
    minus_one[0] -= 1;
    one_more[0] += 1;
    [
        with_sign(one),
        with_sign(minus_one),
        FIELD_PRIME,
        with_sign(FIELD_PRIME),
        one_more,
        with_sign(one_more),
    ]
}

fn small_order_encodings() -> impl Iterator<Item = ([u8; 32], bool)> {
    let canonical = small_order().into_iter().map(|bytes| (bytes, true));
    let other = small_order_not_canonical().into_iter();
    canonical.chain(other.map(|bytes| (bytes, false)))
}

fn small_order_matrix() -> Vec<Vector> {
    let mut vectors = Vec::new();
    for (i, (key, canonical)) in small_order_encodings().enumerate() {
        for (j, (r, _)) in small_order_encodings().enumerate() {
            let name = format!("zip 215: key of small order {i}, R of small order {j}, S = 0");
            let message = message_of(&name);
            let vector = Vector::new(name, key, &message, join(r, Scalar::ZERO.to_bytes()));
            let verdict = if canonical { "KeySmallOrder" } else { "KeyNotCanonical" };
            vectors.push(vector.judged(verdict, verdict, true));
        }
    }
    vectors
}

/// An ordinary key whose owner takes a small-order point for R.
fn odd_r() -> Vec<Vector> {
    let a = scalar("key");
    let key = EdwardsPoint::mul_base(&a).compress().to_bytes();
    let encodings = small_order_encodings().enumerate();
    encodings
        .map(|(i, (r, canonical))| {
            let name = format!("R of small order {i}");
            let message = message_of(&name);
            let s = challenge(&r, &key, &message) * a;
            let verdict = if canonical { "RSmallOrder" } else { "RNotCanonical" };
            Vector::new(name, key, &message, join(r, s.to_bytes())).judged(verdict, verdict, true)
        })
        .collect()
}

/// Keys and R's to which a small-order point is added. The strict rule sees the point, except
/// where that of R and k times that of the key cancel; the cofactor removes both.
fn mixed_order() -> Vec<Vector> {
    let mut vectors = Vec::new();
    for (i, key_extra) in EIGHT_TORSION.iter().enumerate() {
        for (j, r_extra) in EIGHT_TORSION.iter().enumerate() {
            let name = format!("small order {i} added to the key, {j} added to R");
            let message = message_of(&name);
            let (a, r) = (scalar("key"), scalar(&name));
            let key = (EdwardsPoint::mul_base(&a) + key_extra).compress();
            let r_point = (EdwardsPoint::mul_base(&r) + r_extra).compress();
            let k = challenge(r_point.as_bytes(), key.as_bytes(), &message);
            let signature = join(r_point.to_bytes(), (r + k * a).to_bytes());
            let cancels = (r_extra + key_extra * k).is_identity();
            let strict = if cancels { "valid" } else { "Mismatch" };
            let vector = Vector::new(name, key.to_bytes(), &message, signature);
            vectors.push(vector.judged(strict, "valid", true));
        }
    }
    vectors
}

/// Every y from the prime to 2^255 − 1, with both signs, as key and as R.
fn large_encodings() -> Vec<Vector> {
    let mut vectors = Vec::new();
    for above in 0..19 {
        for sign in [0, 0x80] {
            let mut encoding = FIELD_PRIME;
            encoding[0] += above;
            encoding[31] |= sign;
            let honest = honest();
            let name = format!("key y = p + {above}, sign {}", sign >> 7);
            let vector = Vector::new(name, encoding, &honest.message(), honest.signature.0);
            vectors.push(vector.judged("KeyNotCanonical", "KeyNotCanonical", false));
            let name = format!("R y = p + {above}, sign {}", sign >> 7);
            let signature = join(encoding, honest.signature.s());
            let vector = Vector::new(name, honest.key.0, &honest.message(), signature);
            vectors.push(vector.judged("RNotCanonical", "RNotCanonical", false));
        }
    }
    vectors
}

fn odd_s() -> Vec<Vector> {
    let honest = honest();
    let mut below = GROUP_ORDER;
    below[0] -= 1;
    let mut times = vec![honest.signature.s()];
    for n in 1..8 {
        times.push(add(&times[n - 1], &GROUP_ORDER));
    }
    let mut cases: Vec<(String, [u8; 32], &str)> = vec![
        ("S = order".to_owned(), GROUP_ORDER, "SOutOfRange"),
        ("S = order - 1".to_owned(), below, "Mismatch"),
        ("S = 2^256 - 1".to_owned(), [0xff; 32], "SOutOfRange"),
    ];
    for (n, s) in times.into_iter().enumerate().skip(1) {
        cases.push((format!("valid S + {n} orders"), s, "SOutOfRange"));
    }
    cases
        .into_iter()
        .map(|(name, s, verdict)| {
            let signature = join(honest.signature.r(), s);
            Vector::new(name, honest.key.0, &honest.message(), signature)
                .judged(verdict, verdict, false)
        })
        .collect()
}

fn off_the_curve() -> Vec<Vector> {
    let honest = honest();
    let candidates = (2..).map(|y| {
        let mut bytes = [0; 32];
        bytes[0] = y;
        bytes
    });
    let mut off = candidates.filter(|bytes| CompressedEdwardsY(*bytes).decompress().is_none());
    let bytes = off.next().unwrap();
    let message = honest.message();
    let key = Vector::new("key off the curve".to_owned(), bytes, &message, honest.signature.0);
    let r = Vector::new(
        "R off the curve".to_owned(),
        honest.key.0,
        &message,
        join(bytes, honest.signature.s()),
    );
    vec![
        key.judged("KeyNotOnCurve", "KeyNotOnCurve", false),
        r.judged("Mismatch", "Mismatch", false),
    ]
}

/// A valid signature to start from.
fn honest() -> Vector {
    let (a, r) = (scalar("key"), scalar("honest"));
    let message = message_of("honest");
    let key = EdwardsPoint::mul_base(&a).compress().to_bytes();
    let r_bytes = EdwardsPoint::mul_base(&r).compress().to_bytes();
    let s = r + challenge(&r_bytes, &key, &message) * a;
    Vector::new("honest".to_owned(), key, &message, join(r_bytes, s.to_bytes()))
}

fn scalar(label: &str) -> Scalar {
    Scalar::from_bytes_mod_order_wide(&Sha512::digest(label).into())
}

fn message_of(name: &str) -> [u8; 32] {
    Sha512::digest(format!("message of {name}"))[..32].try_into().unwrap()
}

fn challenge(r: &[u8; 32], key: &[u8; 32], message: &[u8]) -> Scalar {
    let bytes = [&r[..], key, message].concat();
    Scalar::from_bytes_mod_order_wide(&Sha512::digest(bytes).into())
}

fn join(r: [u8; 32], s: [u8; 32]) -> [u8; 64] {
    [r, s].concat().try_into().unwrap()
}

/// The sum of two little-endian numbers that fits.
fn add(left: &[u8; 32], right: &[u8; 32]) -> [u8; 32] {
    let mut carry = 0;
    let mut sum = [0; 32];
    for (byte, (l, r)) in sum.iter_mut().zip(left.iter().zip(right)) {
        carry += u16::from(*l) + u16::from(*r);
        *byte = carry.to_le_bytes()[0];
        carry >>= 8;
    }
    sum
}
