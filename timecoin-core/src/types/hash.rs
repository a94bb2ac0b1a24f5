//! Hashes: one keyed BLAKE3 function per kind of object, the types its results have, and the
//! hexadecimal form that every fixed-length byte string of the protocol is shown in.
//!
//! What is hashed, and in which order, is decided where the object is defined. Follows
//! PROTOCOL 2 (domain separation); `docs/decisions/0001-hash-function.md` says why BLAKE3.

use std::io;
use std::sync::LazyLock;

use borsh::{BorshDeserialize, BorshSerialize};

macro_rules! tags {
    ($($(#[$doc:meta])* $variant:ident = $name:literal,)+) => {
        /// What a hash is of. Each tag selects its own function, so that the bytes of one kind
        /// of object can never stand for another.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub enum Tag {
            $($(#[$doc])* $variant,)+
        }

        impl Tag {
            /// Every tag, in the order of declaration.
            pub const ALL: &'static [Tag] = &[$(Tag::$variant,)+];

            /// The text that the key of this tag is the BLAKE3 hash of. It never changes.
            pub fn name(self) -> &'static str {
                match self {
                    $(Tag::$variant => concat!("timecoin/", $name, "/v1"),)+
                }
            }
        }

        /// The key of each tag, at the position of its declaration.
        static KEYS: LazyLock<[[u8; 32]; Tag::ALL.len()]> = LazyLock::new(|| {
            [$(*blake3::hash(Tag::$variant.name().as_bytes()).as_bytes(),)+]
        });
    };
}

tags! {
    /// A transaction without its signatures.
    Txid = "txid",
    /// All bytes of a transaction.
    Wtxid = "wtxid",
    /// What the signature of one input signs.
    Sighash = "sighash",
    /// All outputs of a transaction, as the sighash binds them.
    Outputs = "outputs",
    /// A block header.
    BlockHeader = "block-header",
    /// A leaf of the transactions' Merkle tree.
    MerkleLeaf = "merkle-leaf",
    /// A node or the root of the transactions' Merkle tree.
    MerkleNode = "merkle-node",
    /// A masternode set.
    MasternodeSet = "masternode-set",
    /// The genesis, whose hash is the chain id.
    Genesis = "genesis",
    /// A public key, to make its address.
    Address = "address",
    /// What the signature of a vote batch signs.
    Vote = "vote",
    /// A leaf of a vote batch's Merkle tree.
    VoteLeaf = "vote-leaf",
    /// A node or the root of a vote batch's Merkle tree.
    VoteNode = "vote-node",
    /// What the signature of a consensus message signs.
    Consensus = "consensus",
    /// The proof that the consensus key of a registration is held.
    Registration = "registration",
    /// One unspent output, before it enters the set hash.
    UtxoElement = "utxo-element",
    /// The state of the UTXO set hash.
    UtxoCommitment = "utxo-commitment",
    /// All registrations of masternodes.
    Registrations = "registrations",
    /// The amount issued, and the hash of all registrations.
    Registry = "registry",
    /// Two contradicting signed messages.
    Evidence = "evidence",
    /// What the signature of a certificate inventory signs.
    Inventory = "inventory",
    /// What a peer signs to prove its node key.
    Handshake = "handshake",
    /// A configuration, to tell whether two nodes run the same.
    ConfigDigest = "config-digest",
    /// The trace of a run.
    Trace = "trace",
    /// A message, to tell whether it was passed on.
    Message = "message",
    /// One entry of the derived tables, before it enters their checksum.
    TableEntry = "table-entry",
    /// The unspent outputs that a store begins from, as they are in their file.
    BaseOutputs = "base-outputs",
    /// A secret key derived from a seed.
    SecretKey = "secret-key",
    /// The signatures of a batch, to derive its coefficients.
    SignatureBatch = "signature-batch",
}

impl Tag {
    fn key(self) -> &'static [u8; 32] {
        &KEYS[self as usize]
    }
}

/// The hash of `bytes` as an object of the kind `tag`.
pub fn hash(tag: Tag, bytes: &[u8]) -> Hash256 {
    Hash256(*blake3::keyed_hash(tag.key(), bytes).as_bytes())
}

/// Hashes in pieces. It is an [`io::Write`], so that borsh can encode straight into it.
#[derive(Clone)]
pub struct Hasher(blake3::Hasher);

impl Hasher {
    /// Starts the hash of an object of the kind `tag`.
    pub fn new(tag: Tag) -> Hasher {
        Hasher(blake3::Hasher::new_keyed(tag.key()))
    }

    /// Appends `bytes`. Pieces are not delimited: only their concatenation counts.
    pub fn update(&mut self, bytes: &[u8]) -> &mut Hasher {
        self.0.update(bytes);
        self
    }

    /// The hash of everything appended.
    pub fn finish(&self) -> Hash256 {
        Hash256(*self.0.finalize().as_bytes())
    }

    /// As many bytes of output as `output` holds, of which [`Hasher::finish`] is the first 32.
    pub fn finish_into(&self, output: &mut [u8]) {
        self.0.finalize_xof().fill(output);
    }
}

impl io::Write for Hasher {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Why a text is not the hexadecimal form of a value.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum HexError {
    /// The text has another length than the value's.
    #[error("expected {expected} hexadecimal digits, found {found} bytes")]
    Length {
        /// Digits that the value has.
        expected: usize,
        /// Bytes that the text has.
        found: usize,
    },
    /// Something other than 0-9, a-f or A-F.
    #[error("no hexadecimal digit at position {position}")]
    Digit {
        /// Byte position of the first bad digit.
        position: usize,
    },
}

/// Two lower-case digits for each byte, in order.
pub(crate) fn encode_hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |nibble: u8| char::from(DIGITS[usize::from(nibble)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// The inverse of [`encode_hex`]; upper-case digits are read too.
pub(crate) fn decode_hex<const N: usize>(text: &str) -> Result<[u8; N], HexError> {
    let digits = text.as_bytes();
    if digits.len() != 2 * N {
        return Err(HexError::Length { expected: 2 * N, found: digits.len() });
    }
    let mut bytes = [0; N];
    for (position, digit) in digits.iter().enumerate() {
        let nibble = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            b'A'..=b'F' => digit - b'A' + 10,
            _ => return Err(HexError::Digit { position }),
        };
        bytes[position / 2] = bytes[position / 2] << 4 | nibble;
    }
    Ok(bytes)
}

/// Gives a type with `from_bytes` and `as_bytes` its text form: `Display`, `FromStr` and serde
/// are hexadecimal, `Debug` is the name and the first four bytes.
macro_rules! hex_form {
    ($name:ident) => {
        impl ::std::fmt::Display for $name {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                f.pad(&$crate::types::hash::encode_hex(self.as_bytes()))
            }
        }

        impl ::std::fmt::Debug for $name {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                let start = $crate::types::hash::encode_hex(&self.as_bytes()[..4]);
                write!(f, concat!(stringify!($name), "({}…)"), start)
            }
        }

        impl ::std::str::FromStr for $name {
            type Err = $crate::types::hash::HexError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                $crate::types::hash::decode_hex(text).map(Self::from_bytes)
            }
        }

        impl ::serde::Serialize for $name {
            fn serialize<S: ::serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> ::serde::Deserialize<'de> for $name {
            fn deserialize<D: ::serde::Deserializer<'de>>(
                deserializer: D,
            ) -> Result<Self, D::Error> {
                let text = <String as ::serde::Deserialize>::deserialize(deserializer)?;
                text.parse().map_err(::serde::de::Error::custom)
            }
        }
    };
}
pub(crate) use hex_form;

/// 32 bytes of hash, not yet said to be of what.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, BorshSerialize, BorshDeserialize)]
pub struct Hash256(pub [u8; 32]);

/// Half of the bytes tell hashes apart as well as all of them do, and most look-ups are by hash.
impl std::hash::Hash for Hash256 {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        let half = self.0.first_chunk().expect("half of 32 bytes is 16");
        state.write_u128(u128::from_le_bytes(*half));
    }
}

impl Hash256 {
    /// All zeros: the place of a hash where there is none.
    pub const ZERO: Hash256 = Hash256([0; 32]);

    /// The hash with these bytes.
    pub const fn from_bytes(bytes: [u8; 32]) -> Hash256 {
        Hash256(bytes)
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

impl AsRef<[u8]> for Hash256 {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

hex_form!(Hash256);

/// Declares types that are a [`Hash256`] of one kind of object.
macro_rules! hash_newtype {
    ($($(#[$doc:meta])* $name:ident;)+) => {$(
        $(#[$doc])*
        #[derive(
            Clone,
            Copy,
            PartialEq,
            Eq,
            PartialOrd,
            Ord,
            Hash,
            ::borsh::BorshSerialize,
            ::borsh::BorshDeserialize,
        )]
        pub struct $name($crate::types::hash::Hash256);

        impl $name {
            /// All zeros: the place of a hash where there is none.
            pub const ZERO: $name = $name($crate::types::hash::Hash256::ZERO);

            /// The hash with these bytes.
            pub const fn from_bytes(bytes: [u8; 32]) -> $name {
                $name($crate::types::hash::Hash256(bytes))
            }

            /// Its bytes.
            pub const fn to_bytes(self) -> [u8; 32] {
                self.0.0
            }

            /// Its bytes, borrowed.
            pub const fn as_bytes(&self) -> &[u8; 32] {
                &self.0.0
            }
        }

        impl From<$crate::types::hash::Hash256> for $name {
            fn from(hash: $crate::types::hash::Hash256) -> $name {
                $name(hash)
            }
        }

        impl From<$name> for $crate::types::hash::Hash256 {
            fn from(hash: $name) -> $crate::types::hash::Hash256 {
                hash.0
            }
        }

        $crate::types::hash::hex_form!($name);
    )+};
}
#[allow(unused_imports, reason = "for modules that declare hashes of their own")]
pub(crate) use hash_newtype;

hash_newtype! {
    /// Identity of a transaction: everything except its signatures.
    Txid;
    /// Identity of a transaction's bytes, signatures included.
    Wtxid;
    /// Identity of a block: the hash of its header.
    BlockHash;
    /// Identity of a chain: the hash of its genesis.
    ChainId;
    /// Root of a Merkle tree.
    MerkleRoot;
    /// Identity of a masternode set.
    SetHash;
    /// Commitment to the set of unspent outputs.
    UtxoCommitment;
    /// Commitment to the amount issued and all registrations.
    RegistryHash;
    /// Identity of two contradicting signed messages.
    EvidenceId;
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::io::Write;

    use super::*;

    #[test]
    fn tags_are_distinct_functions() {
        let hashes: BTreeSet<_> = Tag::ALL.iter().map(|tag| hash(*tag, b"same")).collect();
        assert_eq!(hashes.len(), Tag::ALL.len());
    }

    #[test]
    fn tag_selects_the_key_of_its_name() {
        for tag in Tag::ALL {
            let key = blake3::hash(tag.name().as_bytes());
            let expected = blake3::keyed_hash(key.as_bytes(), b"bytes");
            assert_eq!(hash(*tag, b"bytes").as_bytes(), expected.as_bytes());
        }
    }

    #[test]
    fn pieces_writes_and_whole_agree() {
        let whole = hash(Tag::Txid, b"one two three");
        let mut pieces = Hasher::new(Tag::Txid);
        pieces.update(b"one ").update(b"two ");
        pieces.write_all(b"three").unwrap();
        let mut longer = [0; 80];
        pieces.clone().finish_into(&mut longer);
        assert_eq!(longer[..32], whole.0);
        assert_eq!(pieces.finish(), whole);
    }

    #[test]
    fn first_txid_never_changes() {
        let expected = "b29490b4211a168233ce175f39ae51db6831e873a3a279921b3a22ab112eee31";
        assert_eq!(hash(Tag::Txid, b"").to_string(), expected);
    }

    #[test]
    fn hexadecimal_is_read_back() {
        let txid = Txid::from(hash(Tag::Txid, b"x"));
        assert_eq!(txid.to_string().parse(), Ok(txid));
        assert_eq!(txid.to_string().to_uppercase().parse(), Ok(txid));
        let json = serde_json::to_string(&txid).unwrap();
        assert_eq!(json, format!("\"{txid}\""));
        assert_eq!(serde_json::from_str::<Txid>(&json).unwrap(), txid);
        assert_eq!(format!("{:?}", Txid::ZERO), "Txid(00000000…)");
    }

    #[test]
    fn bad_hexadecimal_is_named() {
        let length = HexError::Length { expected: 64, found: 3 };
        assert_eq!("abc".parse::<Txid>(), Err(length));
        let text = format!("{}g{}", "0".repeat(10), "0".repeat(53));
        assert_eq!(text.parse::<Txid>(), Err(HexError::Digit { position: 10 }));
        let multibyte = "é".repeat(32);
        assert_eq!(multibyte.parse::<Txid>(), Err(HexError::Digit { position: 0 }));
    }

    #[test]
    fn borsh_is_the_32_bytes() {
        let txid = Txid::from_bytes([7; 32]);
        assert_eq!(borsh::to_vec(&txid).unwrap(), [7; 32]);
        assert_eq!(borsh::from_slice::<Txid>(&[7; 32]).unwrap(), txid);
        assert!(borsh::from_slice::<Txid>(&[7; 33]).is_err());
        assert!(borsh::from_slice::<Txid>(&[7; 31]).is_err());
    }
}
