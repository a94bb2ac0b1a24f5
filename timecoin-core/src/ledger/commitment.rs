//! The UTXO set hash: one commitment to the whole set, kept up to date at the cost of the
//! outputs that change.
//!
//! LtHash (Bellare and Micciancio; Lewi, Kim, Maykov and Weis): each element is stretched to
//! 1,024 numbers of 16 bits by BLAKE3, and the state is the sum of them, lane by lane, modulo
//! 2^16. So order does not matter, and to remove is to subtract. What an element's bytes are is
//! decided by the ledger. `docs/decisions/0004-utxo-commitment.md` compares it with MuHash.
//!
//! It is a hash of a set, not of a list: an element that is in the set must not be inserted
//! again, nor one removed that is not in it. The state cannot tell, and 2^16 insertions of one
//! element cancel out. An outpoint exists once, which gives that.

use std::fmt;
use std::io::{self, Read, Write};

use borsh::{BorshDeserialize, BorshSerialize};

use crate::types::hash::{Hasher, Tag, UtxoCommitment, hash};

/// Numbers in the state.
const LANES: usize = 1024;

/// Bytes of the state.
pub const STATE_BYTES: usize = 2 * LANES;

/// The state of the set hash: 2,048 bytes, all zeros for the empty set. Borsh is the lanes in
/// order, each little-endian, without a length.
#[derive(Clone, PartialEq, Eq)]
pub struct UtxoSetHash {
    lanes: Box<[u16; LANES]>,
}

impl UtxoSetHash {
    /// The hash of the empty set.
    pub fn new() -> UtxoSetHash {
        UtxoSetHash { lanes: Box::new([0; LANES]) }
    }

    /// Adds an element that is not in the set.
    pub fn insert(&mut self, element: &[u8]) {
        self.combine(&expand(element), u16::wrapping_add);
    }

    /// Takes away an element that is in the set.
    pub fn remove(&mut self, element: &[u8]) {
        self.combine(&expand(element), u16::wrapping_sub);
    }

    /// Adds all elements of another set that shares none with this one, so that parts of a set
    /// can be hashed apart.
    pub fn merge(&mut self, other: &UtxoSetHash) {
        for (lane, other) in self.lanes.iter_mut().zip(other.lanes.iter()) {
            *lane = lane.wrapping_add(*other);
        }
    }

    /// What a block header says of the set.
    pub fn commitment(&self) -> UtxoCommitment {
        hash(Tag::UtxoCommitment, &self.to_bytes()).into()
    }

    /// The state, to be kept beside the set.
    pub fn to_bytes(&self) -> [u8; STATE_BYTES] {
        let mut bytes = [0; STATE_BYTES];
        for (pair, lane) in bytes.chunks_exact_mut(2).zip(self.lanes.iter()) {
            pair.copy_from_slice(&lane.to_le_bytes());
        }
        bytes
    }

    /// The inverse of [`UtxoSetHash::to_bytes`]; all bytes are the state of some set.
    pub fn from_bytes(bytes: &[u8; STATE_BYTES]) -> UtxoSetHash {
        UtxoSetHash { lanes: Box::new(to_lanes(bytes)) }
    }

    fn combine(&mut self, bytes: &[u8; STATE_BYTES], combine: impl Fn(u16, u16) -> u16) {
        // Arrays, and not slices of two: so the loop becomes vector instructions at every level
        // of optimisation, and it is what a block costs beside its signatures.
        let (pairs, _) = bytes.as_chunks::<2>();
        for (lane, pair) in self.lanes.iter_mut().zip(pairs) {
            *lane = combine(*lane, u16::from_le_bytes(*pair));
        }
    }
}

impl Default for UtxoSetHash {
    fn default() -> UtxoSetHash {
        UtxoSetHash::new()
    }
}

impl fmt::Debug for UtxoSetHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "UtxoSetHash({})", self.commitment())
    }
}

impl BorshSerialize for UtxoSetHash {
    fn serialize<W: Write>(&self, writer: &mut W) -> io::Result<()> {
        writer.write_all(&self.to_bytes())
    }
}

impl BorshDeserialize for UtxoSetHash {
    fn deserialize_reader<R: Read>(reader: &mut R) -> io::Result<UtxoSetHash> {
        let bytes = <[u8; STATE_BYTES]>::deserialize_reader(reader)?;
        Ok(UtxoSetHash::from_bytes(&bytes))
    }
}

/// The numbers that an element adds to the lanes, each little-endian.
fn expand(element: &[u8]) -> [u8; STATE_BYTES] {
    let mut hasher = Hasher::new(Tag::UtxoElement);
    hasher.update(element);
    let mut bytes = [0; STATE_BYTES];
    hasher.finish_into(&mut bytes);
    bytes
}

fn to_lanes(bytes: &[u8; STATE_BYTES]) -> [u16; LANES] {
    let mut lanes = [0; LANES];
    for (lane, pair) in lanes.iter_mut().zip(bytes.chunks_exact(2)) {
        *lane = u16::from_le_bytes([pair[0], pair[1]]);
    }
    lanes
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    type Element = Vec<u8>;

    fn elements() -> impl Strategy<Value = BTreeSet<Element>> {
        prop::collection::btree_set(prop::collection::vec(any::<u8>(), 0..100), 0..30)
    }

    fn hash_of<'a>(elements: impl IntoIterator<Item = &'a Element>) -> UtxoSetHash {
        let mut state = UtxoSetHash::new();
        elements.into_iter().for_each(|element| state.insert(element));
        state
    }

    #[test]
    fn lanes_are_the_documented_sum() {
        let mut expected = [0u16; LANES];
        for element in [b"a", b"b"] {
            let key = blake3::hash(Tag::UtxoElement.name().as_bytes());
            let mut bytes = [0; STATE_BYTES];
            let mut hasher = blake3::Hasher::new_keyed(key.as_bytes());
            hasher.update(element).finalize_xof().fill(&mut bytes);
            for i in 0..LANES {
                let lane = u16::from(bytes[2 * i]) + 256 * u16::from(bytes[2 * i + 1]);
                expected[i] = expected[i].wrapping_add(lane);
            }
        }
        assert_eq!(hash_of([&b"a".to_vec(), &b"b".to_vec()]).lanes[..], expected);
    }

    #[test]
    fn commitment_of_the_empty_set_never_changes() {
        let expected = "bc26c5bd9f4372c4c2153da8839db492e5fdd60add03c04f6918461176cda862";
        assert_eq!(UtxoSetHash::new().commitment().to_string(), expected);
    }

    #[test]
    fn state_of_another_length_is_refused() {
        for length in [0, STATE_BYTES - 1, STATE_BYTES + 1] {
            assert!(borsh::from_slice::<UtxoSetHash>(&vec![0; length]).is_err());
        }
    }

    proptest! {
        #[test]
        fn order_is_irrelevant(
            (sorted, shuffled) in elements().prop_flat_map(|set| {
                let list: Vec<_> = set.into_iter().collect();
                (Just(list.clone()), Just(list).prop_shuffle())
            })
        ) {
            prop_assert_eq!(hash_of(&sorted), hash_of(&shuffled));
        }

        #[test]
        fn removing_undoes_inserting(kept in elements(), passing in elements()) {
            let passing: Vec<_> = passing.difference(&kept).collect();
            let mut state = hash_of(kept.iter().chain(passing.iter().copied()));
            passing.iter().for_each(|element| state.remove(element));
            prop_assert_eq!(state, hash_of(&kept));
        }

        #[test]
        fn merging_is_inserting_all(left in elements(), right in elements()) {
            let mut state = hash_of(&left);
            state.merge(&hash_of(right.difference(&left)));
            prop_assert_eq!(state, hash_of(left.union(&right)));
        }

        #[test]
        fn different_sets_have_different_commitments(left in elements(), right in elements()) {
            let same = hash_of(&left).commitment() == hash_of(&right).commitment();
            prop_assert_eq!(same, left == right);
        }

        #[test]
        fn state_is_decoded_as_encoded(set in elements()) {
            let state = hash_of(&set);
            let bytes = borsh::to_vec(&state).unwrap();
            prop_assert_eq!(&bytes[..], &state.to_bytes()[..]);
            prop_assert_eq!(borsh::from_slice::<UtxoSetHash>(&bytes).unwrap(), state);
        }
    }
}
