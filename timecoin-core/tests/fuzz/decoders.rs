//! Decoders: what is accepted has one form, and everything that is asked of it answers.

use std::fmt::Debug;
use std::sync::{Arc, OnceLock};

use borsh::{BorshDeserialize, BorshSerialize};
use timecoin_core::engine::output::Record;
use timecoin_core::engine::verify::{VerifyContext, verify_message};
use timecoin_core::ledger::block::verify_block;
use timecoin_core::ledger::transaction::{decode_transaction, verify_transaction};
use timecoin_core::types::ballot::SignedBallot;
use timecoin_core::types::certificate::{ApproveCertificate, PreparedCertificate};
use timecoin_core::types::encode::{decode, encode, encoded_len};
use timecoin_core::types::evidence::Evidence;
use timecoin_core::types::message::{Message, Proposal, RoundChange};
use timecoin_core::types::vote::VoteBatch;
use timecoin_core::{
    Block, BlockHeader, Chain, CommitCertificate, Epoch, FinalityCertificate, KeyPair, Transaction,
    verify_finality_proof,
};

use super::network;

/// The chain on which signatures of the corpus hold.
pub(crate) fn chain() -> &'static Chain {
    static CHAIN: OnceLock<Chain> = OnceLock::new();
    CHAIN.get_or_init(network::chain)
}

pub(crate) fn canonical<T: BorshSerialize + BorshDeserialize + PartialEq + Debug>(
    bytes: &[u8],
) -> Option<T> {
    let value: T = decode("input", bytes, usize::MAX).ok()?;
    assert_eq!(encode(&value), bytes, "two forms of {value:?}");
    assert_eq!(encoded_len(&value), bytes.len());
    assert!(
        decode::<T>("input", bytes, bytes.len().saturating_sub(1)).is_err() || bytes.is_empty()
    );
    let mut longer = bytes.to_vec();
    longer.push(0);
    assert!(decode::<T>("input", &longer, usize::MAX).is_err(), "a trailing byte is accepted");
    Some(value)
}

pub(crate) fn transaction(bytes: &[u8]) {
    let Some(transaction) = canonical::<Transaction>(bytes) else { return };
    let answer = decode_transaction(bytes, chain().params());
    let bytes_max = chain().params().transaction_bytes_max as usize;
    assert_eq!(answer.is_ok(), bytes.len() <= bytes_max);
    transaction.output_value();
    assert!(transaction.claims().count() >= transaction.inputs.len());
    let txid = transaction.txid();
    let n_signed = transaction.input_signatures(chain().id(), &txid).count();
    assert_eq!(n_signed, transaction.inputs.len());
    if let Ok(verified) = verify_transaction(Arc::new(transaction), chain()) {
        assert_eq!((verified.txid(), verified.bytes()), (txid, bytes.len()));
    }
}

pub(crate) fn header(bytes: &[u8]) {
    if let Some(header) = canonical::<BlockHeader>(bytes) {
        header.hash();
    }
}

pub(crate) fn block(bytes: &[u8]) {
    let Some(block) = canonical::<Block>(bytes) else { return };
    let (hash, root) = (block.hash(), block.merkle_root());
    if let Ok(verified) = verify_block(Arc::new(block), chain(), &|_| None) {
        assert_eq!(verified.hash(), hash);
        assert_eq!(verified.header().merkle_root, root);
    }
}

pub(crate) fn votes(bytes: &[u8]) {
    let Some(batch) = canonical::<VoteBatch>(bytes) else { return };
    let (id, set) = (chain().id(), chain().first_set());
    let is_signed = batch.is_signed(id, set);
    for index in [0, 1, u32::try_from(batch.votes.len()).unwrap_or(u32::MAX)] {
        let Some(proof) = batch.proof(index) else { continue };
        let vote = &batch.votes[index as usize];
        let is_proved = proof.proves(vote, id, batch.epoch, set);
        assert!(is_proved || !is_signed, "a signed vote can't be proved");
    }
}

pub(crate) fn ballot(bytes: &[u8]) {
    if let Some(ballot) = canonical::<SignedBallot>(bytes) {
        ballot.is_signed(chain().id(), chain().first_set());
        ballot.ballot.choice.block();
    }
}

pub(crate) fn proposal(bytes: &[u8]) {
    if let Some(proposal) = canonical::<Proposal>(bytes) {
        verify(Message::Proposal(proposal));
    }
}

pub(crate) fn round_change(bytes: &[u8]) {
    if let Some(change) = canonical::<RoundChange>(bytes) {
        let holds = change.verify(chain().id(), chain().first_set()).is_ok();
        assert_eq!(verify(Message::RoundChange(change.clone())), holds && is_current(&change));
    }
}

fn is_current(change: &RoundChange) -> bool {
    change.ballot.ballot.epoch == Epoch::ZERO
}

/// The first byte says which.
pub(crate) fn certificates(bytes: &[u8]) {
    let Some((kind, bytes)) = bytes.split_first() else { return };
    let (id, set) = (chain().id(), chain().first_set());
    match kind % 3 {
        0 => {
            if let Some(certificate) = canonical::<CommitCertificate>(bytes) {
                let n_signers = certificate.signers().count();
                if certificate.verify(id, set).is_ok() {
                    assert!(n_signers >= set.quorum());
                }
            }
        }
        1 => {
            if let Some(certificate) = canonical::<PreparedCertificate>(bytes) {
                let _ = certificate.verify(id, set);
            }
        }
        _ => {
            if let Some(certificate) = canonical::<ApproveCertificate>(bytes) {
                let _ = certificate.verify(id, set);
            }
        }
    }
}

pub(crate) fn finality_proof(bytes: &[u8]) {
    if let Some(proof) = canonical::<FinalityCertificate>(bytes) {
        let _ = verify_finality_proof(&proof, chain().id(), chain().first_set());
    }
}

pub(crate) fn evidence(bytes: &[u8]) {
    let Some(evidence) = canonical::<Evidence>(bytes) else { return };
    evidence.id();
    if evidence.verify(chain().id(), chain().first_set()).is_ok() {
        assert!(chain().first_set().index_of(&evidence.offender).is_some());
    }
}

pub(crate) fn message(bytes: &[u8]) {
    if let Some(message) = canonical::<Message>(bytes) {
        assert!(!message.kind().is_empty());
        verify(message);
    }
}

pub(crate) fn record(bytes: &[u8]) {
    if let Some(record) = canonical::<Record>(bytes) {
        record.epoch();
    }
}

fn verify(message: Message) -> bool {
    let set = chain().first_set();
    let context = VerifyContext {
        chain: chain(),
        current: (Epoch::ZERO, set),
        tip: (Epoch::ZERO, set),
        known: &|_| None,
    };
    verify_message(message, &context).is_ok()
}

/// An entry of the corpus that is called `valid…` must be accepted, or the target tests nothing.
#[cfg(not(libfuzzer))]
pub(crate) fn assert_corpora_are_accepted() {
    use super::plain::corpus;
    use timecoin_core::network::{Hello, Packet, unpack_frame};
    use timecoin_core::peers::book::AddressBook;
    type Accepts = fn(&[u8]) -> bool;
    let accepts: [(&str, Accepts); 16] = [
        ("transaction", |b| decode::<Transaction>("", b, b.len()).is_ok()),
        ("header", |b| decode::<BlockHeader>("", b, b.len()).is_ok()),
        ("block", |b| decode::<Block>("", b, b.len()).is_ok()),
        ("votes", |b| decode::<VoteBatch>("", b, b.len()).is_ok()),
        ("ballot", |b| decode::<SignedBallot>("", b, b.len()).is_ok()),
        ("proposal", |b| decode::<Proposal>("", b, b.len()).is_ok()),
        ("round_change", |b| decode::<RoundChange>("", b, b.len()).is_ok()),
        ("certificates", |b| decode::<CommitCertificate>("", &b[1..], b.len()).is_ok()),
        ("finality_proof", |b| decode::<FinalityCertificate>("", b, b.len()).is_ok()),
        ("evidence", |b| decode::<Evidence>("", b, b.len()).is_ok()),
        ("message", |b| decode::<Message>("", b, b.len()).is_ok()),
        ("record", |b| decode::<Record>("", b, b.len()).is_ok()),
        ("packet", |b| decode::<Packet>("", b, b.len()).is_ok()),
        ("compressed", |b| unpack_frame(b, 300).is_ok()),
        ("hello", |b| decode::<Hello>("", b, b.len()).is_ok()),
        ("address_book", |b| AddressBook::decode(&b[1..], true).is_ok_and(|book| !book.is_empty())),
    ];
    for (target, accepts) in accepts {
        let n_accepted = corpus(target).iter().filter(|entry| accepts(entry)).count();
        assert!(n_accepted > 0, "nothing in the corpus of {target} is accepted");
    }
}

/// Keys of the masternodes, in the order of the set.
pub(crate) fn masternode_keys() -> Vec<KeyPair> {
    let seeds: [&[u8]; 4] = [b"fuzz 0", b"fuzz 1", b"fuzz 2", b"fuzz 3"];
    let mut keys: Vec<KeyPair> = seeds.iter().map(|seed| KeyPair::from_seed(seed)).collect();
    keys.sort_by_key(KeyPair::public);
    keys
}
