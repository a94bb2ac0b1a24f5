//! Strategies for every type that is hashed, signed, stored or sent, and the one check of a
//! codec. Values are of the right shape and otherwise random: most would be refused by a rule.

use std::fmt::Debug;
use std::sync::Arc;

use borsh::{BorshDeserialize, BorshSerialize};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::Index;

use super::address::{Address, Network};
use super::amount::Amount;
use super::ballot::{Ballot, Choice, PreparedBlock, SignedBallot};
use super::block::{Block, BlockHeader};
use super::certificate::{
    ApproveCertificate, CommitCertificate, FinalityCertificate, PreparedCertificate, Seal,
    VoteCertificate,
};
use super::chain::{Epoch, Height, Round, Timestamp};
use super::encode::{DecodeError, decode, encode, encoded_len};
use super::evidence::{Contradiction, Evidence};
use super::hash::Hash256;
use super::keys::{KeyPair, PublicKey, Signature};
use super::masternode_set::{Masternode, MasternodeSet};
use super::merkle::MerklePath;
use super::message::{
    CertInventory, Decided, DoubleSpend, Justification, Message, Proposal, Request, RoundChange,
};
use super::transaction::{OutPoint, Registration, Transaction, TxInput, TxKind, TxOutput};
use super::vote::{RejectReason, Vote, VoteBatch, VoteProof};

/// What is done to the bytes of a value to see whether its decoder notices.
#[derive(Clone, Debug)]
pub(crate) struct Noise {
    random: Vec<u8>,
    flips: Vec<(Index, u8)>,
    length_at: Index,
    inserted: (Index, u8),
}

pub(crate) fn noise() -> impl Strategy<Value = Noise> {
    let flips = vec((any::<Index>(), 0u8..8), 16);
    (vec(any::<u8>(), 0..300), flips, any::<Index>(), any::<(Index, u8)>()).prop_map(
        |(random, flips, length_at, inserted)| Noise { random, flips, length_at, inserted },
    )
}

/// Checks all that is promised of the codec of a type, on one value and on damaged forms of it.
pub(crate) fn check_codec<T>(value: &T, noise: &Noise) -> Result<(), TestCaseError>
where
    T: BorshSerialize + BorshDeserialize + PartialEq + Debug,
{
    let bytes = encode(value);
    let read = |bytes: &[u8]| decode::<T>("value", bytes, bytes.len());
    prop_assert_eq!(&read(&bytes).map_err(|e| TestCaseError::fail(e.to_string()))?, value);
    prop_assert_eq!(encoded_len(value), bytes.len());
    for cut in 0..bytes.len() {
        prop_assert!(read(&bytes[..cut]).is_err(), "cut to {} of {} bytes", cut, bytes.len());
    }
    let longer = [&bytes[..], &[0]].concat();
    prop_assert!(read(&longer).is_err(), "a trailing byte");
    let too_long = DecodeError::TooLong { what: "value", bytes: longer.len(), bytes_max: 1 };
    prop_assert_eq!(decode::<T>("value", &longer, 1), Err(too_long));

    let has_second_form = |damaged: &[u8]| read(damaged).is_ok_and(|v| encode(&v) != damaged);
    prop_assert!(!has_second_form(&noise.random), "random bytes have a second form");
    if bytes.is_empty() {
        return Ok(());
    }
    for (at, bit) in &noise.flips {
        let mut damaged = bytes.clone();
        damaged[at.index(bytes.len())] ^= 1 << bit;
        prop_assert!(!has_second_form(&damaged), "a flipped bit gives a second form");
        prop_assert!(read(&damaged).as_ref() != Ok(value), "a flipped bit goes unnoticed");
    }
    let mut damaged = bytes.clone();
    let at = noise.length_at.index(bytes.len());
    for byte in damaged.iter_mut().skip(at).take(4) {
        *byte = 0xff;
    }
    prop_assert!(!has_second_form(&damaged), "a huge length gives a second form");
    let mut damaged = bytes.clone();
    damaged.insert(noise.inserted.0.index(bytes.len()), noise.inserted.1);
    prop_assert!(read(&damaged).as_ref() != Ok(value), "an inserted byte goes unnoticed");
    Ok(())
}

/// Declares one test of [`check_codec`] for each strategy.
macro_rules! codec_tests {
    ($($name:ident: $strategy:expr,)+) => {
        ::proptest::proptest! {
            #![proptest_config(::proptest::prelude::ProptestConfig::with_cases(48))]
            $(
                #[test]
                fn $name(value in $strategy, noise in $crate::types::arbitrary::noise()) {
                    $crate::types::arbitrary::check_codec(&value, &noise)?;
                }
            )+
        }
    };
}
pub(crate) use codec_tests;

/// Any of the 32-byte hashes.
pub(crate) fn hash<T: From<Hash256> + Debug>() -> impl Strategy<Value = T> + Clone {
    any::<[u8; 32]>().prop_map(|bytes| Hash256(bytes).into())
}

pub(crate) fn public_key() -> impl Strategy<Value = PublicKey> + Clone {
    any::<[u8; 32]>().prop_map(PublicKey::from_bytes)
}

pub(crate) fn signature() -> impl Strategy<Value = Signature> + Clone {
    any::<([u8; 32], [u8; 32])>().prop_map(|(r, s)| {
        let mut bytes = [0; 64];
        bytes[..32].copy_from_slice(&r);
        bytes[32..].copy_from_slice(&s);
        Signature::from_bytes(bytes)
    })
}

pub(crate) fn address() -> impl Strategy<Value = Address> + Clone {
    any::<[u8; 20]>().prop_map(Address::from_bytes)
}

pub(crate) fn amount() -> impl Strategy<Value = Amount> + Clone {
    any::<u64>().prop_map(Amount::from_units)
}

pub(crate) fn height() -> impl Strategy<Value = Height> + Clone {
    any::<u64>().prop_map(Height)
}

pub(crate) fn round() -> impl Strategy<Value = Round> + Clone {
    any::<u32>().prop_map(Round)
}

pub(crate) fn epoch() -> impl Strategy<Value = Epoch> + Clone {
    any::<u64>().prop_map(Epoch)
}

pub(crate) fn timestamp() -> impl Strategy<Value = Timestamp> + Clone {
    any::<u64>().prop_map(Timestamp)
}

pub(crate) fn network() -> impl Strategy<Value = Network> + Clone {
    prop_oneof![Just(Network::Mainnet), Just(Network::Testnet), Just(Network::Regtest)]
}

pub(crate) fn outpoint() -> impl Strategy<Value = OutPoint> + Clone {
    (hash(), any::<u32>()).prop_map(|(txid, vout)| OutPoint { txid, vout })
}

pub(crate) fn output() -> impl Strategy<Value = TxOutput> + Clone {
    (amount(), address()).prop_map(|(value, address)| TxOutput { value, address })
}

pub(crate) fn masternode() -> impl Strategy<Value = Masternode> + Clone {
    // A set checks its keys, so these are usable ones.
    let keys = any::<u64>().prop_map(|seed| KeyPair::from_seed(&seed.to_le_bytes()).public());
    (keys, address(), ".{0,20}").prop_map(|(consensus_key, payout, network_address)| Masternode {
        consensus_key,
        payout,
        network_address,
    })
}

pub(crate) fn masternode_set() -> impl Strategy<Value = MasternodeSet> + Clone {
    vec(masternode(), 1..6).prop_map(|mut members| {
        members.sort_by_key(|member| member.consensus_key);
        members.dedup_by_key(|member| member.consensus_key);
        MasternodeSet::new(members).unwrap()
    })
}

fn input() -> impl Strategy<Value = TxInput> {
    (outpoint(), public_key(), signature()).prop_map(|(previous_output, public_key, signature)| {
        TxInput { previous_output, public_key, signature }
    })
}

fn kind() -> impl Strategy<Value = TxKind> {
    let registration = (public_key(), address(), ".{0,30}", any::<u32>(), signature()).prop_map(
        |(consensus_key, payout, network_address, collateral_vout, proof)| Registration {
            consensus_key,
            payout,
            network_address,
            collateral_vout,
            proof,
        },
    );
    prop_oneof![
        Just(TxKind::Transfer),
        height().prop_map(|height| TxKind::Coinbase { height }),
        registration.prop_map(|registration| TxKind::RegisterMasternode(Box::new(registration))),
        (public_key(), signature()).prop_map(|(consensus_key, proof)| {
            TxKind::DeregisterMasternode { consensus_key, proof: Box::new(proof) }
        }),
        evidence().prop_map(|evidence| TxKind::Evidence(Box::new(evidence))),
    ]
}

pub(crate) fn transaction() -> impl Strategy<Value = Transaction> {
    (any::<u16>(), vec(input(), 0..4), vec(output(), 0..4), height(), kind()).prop_map(
        |(version, inputs, outputs, lock_time, kind)| Transaction {
            version,
            inputs,
            outputs,
            lock_time,
            kind,
        },
    )
}

fn shared_transaction() -> impl Strategy<Value = Arc<Transaction>> {
    transaction().prop_map(Arc::new)
}

fn choice() -> impl Strategy<Value = Choice> + Clone {
    let prepared = (round(), hash()).prop_map(|(round, block)| PreparedBlock { round, block });
    prop_oneof![
        hash().prop_map(Choice::PrePrepare),
        hash().prop_map(Choice::Prepare),
        hash().prop_map(Choice::Commit),
        option::of(prepared).prop_map(Choice::RoundChange),
    ]
}

pub(crate) fn ballot() -> impl Strategy<Value = Ballot> + Clone {
    (epoch(), height(), round(), choice()).prop_map(|(epoch, height, round, choice)| Ballot {
        epoch,
        height,
        round,
        choice,
    })
}

pub(crate) fn signed_ballot() -> impl Strategy<Value = SignedBallot> + Clone {
    (ballot(), any::<u16>(), signature()).prop_map(|(ballot, voter, signature)| SignedBallot {
        ballot,
        voter,
        signature,
    })
}

fn seals() -> impl Strategy<Value = Vec<Seal>> + Clone {
    vec((any::<u16>(), signature()).prop_map(|(voter, signature)| Seal { voter, signature }), 0..4)
}

pub(crate) fn commit_certificate() -> impl Strategy<Value = CommitCertificate> + Clone {
    (epoch(), height(), round(), hash(), seals()).prop_map(
        |(epoch, height, round, block, seals)| CommitCertificate {
            epoch,
            height,
            round,
            block,
            seals,
        },
    )
}

pub(crate) fn prepared_certificate() -> impl Strategy<Value = PreparedCertificate> + Clone {
    (epoch(), height(), round(), hash(), seals()).prop_map(
        |(epoch, height, round, block, seals)| PreparedCertificate {
            epoch,
            height,
            round,
            block,
            seals,
        },
    )
}

pub(crate) fn vote() -> impl Strategy<Value = Vote> + Clone {
    let reason = prop_oneof![
        Just(RejectReason::ConflictsWithApproved),
        Just(RejectReason::ConflictsWithFinal),
        Just(RejectReason::ConflictsWithConfirmed),
    ];
    prop_oneof![
        hash().prop_map(Vote::Approve),
        hash().prop_map(Vote::Commit),
        (hash(), reason).prop_map(|(txid, reason)| Vote::Reject(txid, reason)),
    ]
}

pub(crate) fn vote_batch() -> impl Strategy<Value = VoteBatch> + Clone {
    (epoch(), hash(), any::<u16>(), vec(vote(), 0..6), signature()).prop_map(
        |(epoch, set_hash, voter, votes, signature)| VoteBatch {
            epoch,
            set_hash,
            voter,
            votes,
            signature,
        },
    )
}

pub(crate) fn vote_proof() -> impl Strategy<Value = VoteProof> + Clone {
    let siblings = vec(any::<[u8; 32]>().prop_map(Hash256), 0..4);
    let path = (any::<u32>(), any::<u32>(), siblings)
        .prop_map(|(index, count, siblings)| MerklePath { index, count, siblings });
    (any::<u16>(), path, signature()).prop_map(|(voter, path, signature)| VoteProof {
        voter,
        path,
        signature,
    })
}

fn vote_certificate() -> impl Strategy<Value = VoteCertificate> + Clone {
    (epoch(), hash(), vec(vote_proof(), 0..3))
        .prop_map(|(epoch, set_hash, votes)| VoteCertificate { epoch, set_hash, votes })
}

pub(crate) fn approve_certificate() -> impl Strategy<Value = ApproveCertificate> + Clone {
    (hash(), vote_certificate()).prop_map(|(txid, votes)| ApproveCertificate { txid, votes })
}

pub(crate) fn finality_certificate() -> impl Strategy<Value = FinalityCertificate> + Clone {
    (hash(), vote_certificate()).prop_map(|(txid, votes)| FinalityCertificate { txid, votes })
}

pub(crate) fn evidence() -> impl Strategy<Value = Evidence> {
    let votes = (epoch(), (vote(), vote_proof()), (vote(), vote_proof()));
    let contradiction = prop_oneof![
        (signed_ballot(), signed_ballot()).prop_map(|(a, b)| Contradiction::Ballots(a, b)),
        votes.prop_map(|(epoch, approve, reject)| Contradiction::Votes { epoch, approve, reject }),
    ];
    (public_key(), hash(), contradiction).prop_map(|(offender, set_hash, contradiction)| Evidence {
        offender,
        set_hash,
        contradiction,
    })
}

pub(crate) fn header() -> impl Strategy<Value = BlockHeader> {
    let named = (any::<u16>(), hash(), height(), hash(), hash());
    let after = (hash(), hash(), hash(), hash());
    let rest = (timestamp(), public_key(), option::of(commit_certificate()));
    (named, after, rest).prop_map(|(named, after, rest)| {
        let (version, chain_id, height, parent, merkle_root) = named;
        let (utxo_commitment, masternode_set, next_masternode_set, registry) = after;
        let (timestamp, proposer, parent_certificate) = rest;
        BlockHeader {
            version,
            chain_id,
            height,
            parent,
            merkle_root,
            utxo_commitment,
            masternode_set,
            next_masternode_set,
            registry,
            timestamp,
            proposer,
            parent_certificate,
        }
    })
}

pub(crate) fn block() -> impl Strategy<Value = Arc<Block>> {
    (header(), vec(shared_transaction(), 0..3))
        .prop_map(|(header, transactions)| Arc::new(Block { header, transactions }))
}

pub(crate) fn decided() -> impl Strategy<Value = Decided> {
    (block(), commit_certificate()).prop_map(|(block, certificate)| Decided { block, certificate })
}

fn proposal() -> impl Strategy<Value = Proposal> {
    let justification = (vec(signed_ballot(), 0..3), option::of(prepared_certificate()))
        .prop_map(|(round_changes, prepared)| Justification { round_changes, prepared });
    (signed_ballot(), block(), justification).prop_map(|(ballot, block, justification)| Proposal {
        ballot,
        block,
        justification,
    })
}

fn inventory() -> impl Strategy<Value = CertInventory> {
    (epoch(), hash(), any::<u16>(), vec(hash(), 0..4), signature()).prop_map(
        |(epoch, set_hash, voter, txids, signature)| CertInventory {
            epoch,
            set_hash,
            voter,
            txids,
            signature,
        },
    )
}

fn round_change() -> impl Strategy<Value = RoundChange> {
    (signed_ballot(), option::of(prepared_certificate()))
        .prop_map(|(ballot, certificate)| RoundChange { ballot, certificate })
}

fn request() -> impl Strategy<Value = Request> {
    prop_oneof![
        vec(hash(), 0..4).prop_map(Request::Transactions),
        hash().prop_map(Request::Block),
        height().prop_map(Request::Decided),
    ]
}

/// Every kind of message; the match below keeps the list complete.
pub(crate) fn message() -> impl Strategy<Value = Message> {
    let double_spend = (shared_transaction(), shared_transaction())
        .prop_map(|(first, second)| DoubleSpend { first, second });
    let message = prop_oneof![
        shared_transaction().prop_map(Message::Transaction),
        vote_batch().prop_map(Message::Votes),
        approve_certificate().prop_map(Message::ApproveCertificate),
        finality_certificate().prop_map(Message::FinalityCertificate),
        inventory().prop_map(Message::CertInventory),
        double_spend.prop_map(Message::DoubleSpend),
        proposal().prop_map(Message::Proposal),
        signed_ballot().prop_map(Message::Ballot),
        round_change().prop_map(Message::RoundChange),
        decided().prop_map(Message::Decided),
    ];
    let others = prop_oneof![
        block().prop_map(Message::Block),
        evidence().prop_map(Message::Evidence),
        request().prop_map(Message::Request),
    ];
    prop_oneof![10 => message, 3 => others].prop_map(|message| match &message {
        Message::Transaction(_)
        | Message::Votes(_)
        | Message::ApproveCertificate(_)
        | Message::FinalityCertificate(_)
        | Message::CertInventory(_)
        | Message::DoubleSpend(_)
        | Message::Proposal(_)
        | Message::Ballot(_)
        | Message::RoundChange(_)
        | Message::Decided(_)
        | Message::Block(_)
        | Message::Evidence(_)
        | Message::Request(_) => message,
    })
}
