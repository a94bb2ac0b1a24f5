//! Canonical bytes: one form for everything that is hashed, signed, stored or sent.
//!
//! The codec is `borsh` with strict order. Types derive it and never write it by hand unless
//! the hand-written form is checked by the round-trip property in their tests, so that
//! `decode` then `encode` gives the same bytes or `decode` fails.

use borsh::{BorshDeserialize, BorshSerialize};
use thiserror::Error;

/// Why bytes are not the canonical form of a value.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum DecodeError {
    /// Longer than the caller allows for such a value.
    #[error("{what} of {bytes} bytes is over the limit of {bytes_max}")]
    TooLong {
        /// The kind of value.
        what: &'static str,
        /// Its length.
        bytes: usize,
        /// The limit.
        bytes_max: usize,
    },
    /// Truncated, trailing, or not in canonical form.
    #[error("malformed {what}: {reason}")]
    Malformed {
        /// The kind of value.
        what: &'static str,
        /// What the decoder found.
        reason: String,
    },
}

/// The canonical bytes of `value`.
pub fn encode<T: BorshSerialize + ?Sized>(value: &T) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(USUAL_BYTES);
    encode_into(value, &mut bytes);
    bytes
}

/// Appends the canonical bytes of `value`.
pub fn encode_into<T: BorshSerialize + ?Sized>(value: &T, bytes: &mut Vec<u8>) {
    value.serialize(bytes).expect("a vector takes all bytes and no collection exceeds 2^32");
}

/// The length of the canonical bytes of `value`.
pub fn encoded_len<T: BorshSerialize + ?Sized>(value: &T) -> usize {
    borsh::object_length(value).expect("no collection exceeds 2^32")
}

/// The value whose canonical form is `bytes`, all of them.
///
/// `what` names the kind of value in errors.
///
/// # Errors
/// [`DecodeError::TooLong`] before anything is read, [`DecodeError::Malformed`] otherwise.
pub fn decode<T: BorshDeserialize>(
    what: &'static str,
    bytes: &[u8],
    bytes_max: usize,
) -> Result<T, DecodeError> {
    if bytes.len() > bytes_max {
        return Err(DecodeError::TooLong { what, bytes: bytes.len(), bytes_max });
    }
    T::try_from_slice(bytes)
        .map_err(|error| DecodeError::Malformed { what, reason: error.to_string() })
}

/// Room for a ballot, a small batch of votes or a payment, so that encoding one allocates once.
const USUAL_BYTES: usize = 256;

#[cfg(test)]
mod tests {
    use super::super::address::Address;
    use super::super::arbitrary::{self, codec_tests};
    use super::super::keys::{KeyPair, PublicKey};
    use super::super::masternode_set::{MASTERNODES_MAX, Masternode, MasternodeSet};
    use super::super::message::Message;
    use super::*;

    codec_tests! {
        transactions: arbitrary::transaction(),
        blocks: arbitrary::block(),
        headers: arbitrary::header(),
        decided_blocks: arbitrary::decided(),
        vote_batches: arbitrary::vote_batch(),
        vote_proofs: arbitrary::vote_proof(),
        ballots: arbitrary::signed_ballot(),
        commit_certificates: arbitrary::commit_certificate(),
        prepared_certificates: arbitrary::prepared_certificate(),
        approve_certificates: arbitrary::approve_certificate(),
        finality_certificates: arbitrary::finality_certificate(),
        evidence: arbitrary::evidence(),
        masternode_sets: arbitrary::masternode_set(),
        messages: arbitrary::message(),
        networks: arbitrary::network(),
    }

    /// The reader would take minutes and gigabytes if it believed what it reads.
    #[test]
    fn a_claimed_length_reserves_no_memory() {
        let block = [&[6u8][..], &[0xff; 4]].concat();
        for bytes in
            [block, vec![12, 0, 0xff, 0xff, 0xff, 0xff], vec![0, 1, 0, 0xff, 0xff, 0xff, 0x7f]]
        {
            assert!(decode::<Message>("message", &bytes, 100).is_err());
        }
        assert!(decode::<MasternodeSet>("set", &[0xff; 4], 100).is_err());
        assert!(decode::<String>("text", &[0xff; 4], 100).is_err());
    }

    fn member(key: PublicKey) -> Masternode {
        Masternode {
            consensus_key: key,
            payout: Address::from_bytes([0; 20]),
            network_address: String::new(),
        }
    }

    #[test]
    fn k21_a_masternode_set_in_forged_order_is_refused() {
        let keys = |n: usize| KeyPair::from_seed(&n.to_le_bytes()).public();
        let mut members: Vec<Masternode> = (0..4).map(|n| member(keys(n))).collect();
        members.sort_by_key(|m| m.consensus_key);
        let read = |members: &Vec<Masternode>| {
            decode::<MasternodeSet>("set", &encode(members), usize::MAX)
        };
        assert_eq!(read(&members), MasternodeSet::new(members.clone()).map_err(|_| unreachable!()));
        let mut swapped = members.clone();
        swapped.swap(1, 2);
        let mut twice = members.clone();
        twice.insert(1, members[1].clone());
        let mut unusable = members.clone();
        unusable[3].consensus_key = PublicKey::from_bytes([0xff; 32]);
        let mut many: Vec<Masternode> = (0..=MASTERNODES_MAX).map(|n| member(keys(n))).collect();
        many.sort_by_key(|m| m.consensus_key);
        let table = [
            ("swapped", swapped, "masternode 2 is out of order"),
            ("twice", twice, "is there twice"),
            ("unusable key", unusable, "the consensus key of masternode 3 is not usable"),
            ("nobody", Vec::new(), "0 masternodes"),
            ("too many", many, "201 masternodes"),
        ];
        for (desc, members, expected) in table {
            let error = read(&members).unwrap_err().to_string();
            assert!(error.contains(expected), "{desc}: {error}");
        }
    }
}
