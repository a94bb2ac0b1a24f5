//! What makes a proof worthless, one small change each.

use super::*;
use crate::types::address::Address;
use crate::types::hash::{ChainId, Tag, hash};
use crate::types::keys::KeyPair;
use crate::types::masternode_set::Masternode;
use crate::types::merkle::MerklePath;
use crate::types::vote::{BATCH_VOTES_MAX, RejectReason, VoteBatch};

const N: usize = 5;

/// Five masternodes, so that the quorum is four; keys in the order of the set.
struct Kit {
    chain_id: ChainId,
    keys: Vec<KeyPair>,
    set: MasternodeSet,
}

fn kit() -> Kit {
    of(N)
}

fn of(n: usize) -> Kit {
    let mut keys: Vec<KeyPair> = (0..n).map(|i| KeyPair::from_seed(&i.to_le_bytes())).collect();
    keys.sort_by_key(KeyPair::public);
    let member = |keys: &KeyPair| Masternode {
        consensus_key: keys.public(),
        payout: Address::from_bytes([0; 20]),
        network_address: String::new(),
    };
    let set = MasternodeSet::new(keys.iter().map(member).collect()).unwrap();
    Kit { chain_id: ChainId::from_bytes([1; 32]), keys, set }
}

fn txid() -> Txid {
    Txid::from_bytes([2; 32])
}

impl Kit {
    fn seals(&self, ballot: &Ballot, voters: &[MasternodeIndex]) -> Vec<Seal> {
        let message = ballot.message(&self.chain_id, &self.set.hash());
        let seal = |&voter: &MasternodeIndex| {
            let signature = self.keys[usize::from(voter)].sign(message.as_bytes());
            Seal { voter, signature }
        };
        voters.iter().map(seal).collect()
    }

    fn prepared(&self, voters: &[MasternodeIndex]) -> PreparedCertificate {
        let (epoch, height, round, block) = subject();
        let choice = Choice::Prepare(block);
        let seals = self.seals(&Ballot { epoch, height, round, choice }, voters);
        PreparedCertificate { epoch, height, round, block, seals }
    }

    fn committed(&self, voters: &[MasternodeIndex]) -> CommitCertificate {
        let (epoch, height, round, block) = subject();
        let choice = Choice::Commit(block);
        let seals = self.seals(&Ballot { epoch, height, round, choice }, voters);
        CommitCertificate { epoch, height, round, block, seals }
    }

    /// The vote at a place of a batch of its own for each voter, among others.
    fn proofs(&self, vote: Vote, voters: &[MasternodeIndex]) -> Vec<VoteProof> {
        let proof = |&voter: &MasternodeIndex| {
            let mut votes: Vec<Vote> = (10..17).map(other).collect();
            votes[usize::from(voter)] = vote;
            let keys = &self.keys[usize::from(voter)];
            let batch =
                VoteBatch::sign(&self.chain_id, Epoch(3), self.set.hash(), voter, votes, keys);
            batch.proof(u32::from(voter)).unwrap()
        };
        voters.iter().map(proof).collect()
    }

    fn approved(&self, voters: &[MasternodeIndex]) -> ApproveCertificate {
        let votes = self.proofs(Vote::Approve(txid()), voters);
        let votes = VoteCertificate { epoch: Epoch(3), set_hash: self.set.hash(), votes };
        ApproveCertificate { txid: txid(), votes }
    }

    fn verify(&self, certificate: &ApproveCertificate) -> Result<(), CertificateError> {
        certificate.verify(&self.chain_id, &self.set)
    }
}

fn subject() -> (Epoch, Height, Round, BlockHash) {
    (Epoch(3), Height(61), Round(1), BlockHash::from_bytes([4; 32]))
}

fn other(n: u8) -> Vote {
    Vote::Approve(Txid::from_bytes([n; 32]))
}

#[test]
fn a_quorum_of_the_set_proves() {
    let kit = kit();
    for voters in [&[0, 1, 2, 3][..], &[1, 2, 3, 4], &[0, 1, 2, 3, 4]] {
        assert_eq!(kit.prepared(voters).verify(&kit.chain_id, &kit.set), Ok(()));
        assert_eq!(kit.committed(voters).verify(&kit.chain_id, &kit.set), Ok(()));
        assert_eq!(kit.verify(&kit.approved(voters)), Ok(()));
    }
    let three = [0, 1, 2];
    let too_few = Err(CertificateError::TooFewSigners { found: 3, required: 4 });
    assert_eq!(kit.prepared(&three).verify(&kit.chain_id, &kit.set), too_few);
    assert_eq!(kit.committed(&three).verify(&kit.chain_id, &kit.set), too_few);
    assert_eq!(kit.verify(&kit.approved(&three)), too_few);
}

#[test]
fn seals_that_were_verified_before_are_not_verified_again() {
    let kit = kit();
    let mut certificate = kit.committed(&[0, 1, 2, 3]);
    certificate.seals[2].signature = Signature::from_bytes([5; 64]);
    let bad = Err(CertificateError::BadSignature { voter: 2 });
    let verify = |known: &[Seal]| certificate.verify_unknown(known, &kit.chain_id, &kit.set);
    assert_eq!(verify(&[]), bad);
    assert_eq!(verify(&kit.committed(&[0, 1, 2, 3]).seals), bad, "another signature is known");
    assert_eq!(verify(&certificate.seals[2..3]), Ok(()));
    certificate.seals.pop();
    let too_few = Err(CertificateError::TooFewSigners { found: 3, required: 4 });
    assert_eq!(certificate.verify_unknown(&certificate.seals, &kit.chain_id, &kit.set), too_few);
}

#[test]
fn k5_a_signer_counts_once() {
    let kit = kit();
    for voters in [&[0, 1, 2, 2][..], &[0, 0, 0, 0], &[0, 1, 2, 3, 3], &[0, 2, 1, 3]] {
        let refused = |answer: Result<(), CertificateError>| {
            matches!(answer, Err(CertificateError::SignerOrder { .. }))
        };
        assert!(refused(kit.prepared(voters).verify(&kit.chain_id, &kit.set)), "{voters:?}");
        assert!(refused(kit.committed(voters).verify(&kit.chain_id, &kit.set)), "{voters:?}");
        assert!(refused(kit.verify(&kit.approved(voters))), "{voters:?}");
    }
}

#[test]
fn a_signer_outside_the_set_does_not_count() {
    let kit = kit();
    let mut certificate = kit.prepared(&[0, 1, 2, 3]);
    certificate.seals[3].voter = 5;
    let bad = Err(CertificateError::BadSignature { voter: 5 });
    assert_eq!(certificate.verify(&kit.chain_id, &kit.set), bad);
    let mut certificate = kit.approved(&[0, 1, 2, 3]);
    certificate.votes.votes[3].voter = 5;
    assert_eq!(kit.verify(&certificate), bad);
}

#[test]
fn seals_bind_everything_that_is_said() {
    let kit = kit();
    let good = kit.prepared(&[0, 1, 2, 3]);
    let bad = |certificate: PreparedCertificate| {
        let found = certificate.verify(&kit.chain_id, &kit.set);
        assert_eq!(found, Err(CertificateError::BadSignature { voter: 0 }));
    };
    bad(PreparedCertificate { epoch: Epoch(4), ..good.clone() });
    bad(PreparedCertificate { height: Height(62), ..good.clone() });
    bad(PreparedCertificate { round: Round(2), ..good.clone() });
    bad(PreparedCertificate { block: BlockHash::ZERO, ..good.clone() });
    // A Prepare is no Commit.
    bad(PreparedCertificate { seals: kit.committed(&[0, 1, 2, 3]).seals, ..good.clone() });
    let elsewhere = ChainId::from_bytes([9; 32]);
    let found = good.verify(&elsewhere, &kit.set);
    assert_eq!(found, Err(CertificateError::BadSignature { voter: 0 }));
    // Another set with the same first members: signatures name the set.
    let mut members = kit.set.members().to_vec();
    members[4].network_address.push('x');
    let other_set = MasternodeSet::new(members).unwrap();
    let found = good.verify(&kit.chain_id, &other_set);
    assert_eq!(found, Err(CertificateError::BadSignature { voter: 0 }));
}

#[test]
fn votes_bind_everything_that_is_said() {
    let kit = kit();
    let good = kit.approved(&[0, 1, 2, 3]);
    let bad = Err(CertificateError::BadSignature { voter: 0 });
    let changed = |change: &dyn Fn(&mut ApproveCertificate)| {
        let mut certificate = good.clone();
        change(&mut certificate);
        kit.verify(&certificate)
    };
    assert_eq!(changed(&|_| {}), Ok(()));
    assert_eq!(changed(&|c| c.txid = Txid::ZERO), bad);
    assert_eq!(changed(&|c| c.votes.epoch = Epoch(4)), bad);
    assert_eq!(good.verify(&ChainId::from_bytes([9; 32]), &kit.set), bad);
    let other_set =
        Err(CertificateError::OtherSet { found: SetHash::ZERO, expected: kit.set.hash() });
    assert_eq!(changed(&|c| c.votes.set_hash = SetHash::ZERO), other_set);
    // An Approve is no Commit.
    let finality = FinalityCertificate { txid: txid(), votes: good.votes.clone() };
    assert_eq!(finality.verify(&kit.chain_id, &kit.set), bad);
    let votes = kit.proofs(Vote::Commit(txid()), &[0, 1, 2, 3]);
    let votes = VoteCertificate { votes, ..good.votes.clone() };
    let finality = FinalityCertificate { txid: txid(), votes };
    assert_eq!(finality.verify(&kit.chain_id, &kit.set), Ok(()));
}

#[test]
fn k20_a_path_of_another_place_proves_nothing() {
    let kit = kit();
    let good = kit.approved(&[0, 1, 2, 3]);
    let changed = |change: &dyn Fn(&mut MerklePath)| {
        let mut certificate = good.clone();
        change(&mut certificate.votes.votes[1].path);
        kit.verify(&certificate)
    };
    let bad = Err(CertificateError::BadSignature { voter: 1 });
    assert_eq!(changed(&|_| {}), Ok(()));
    for index in [0, 2, 3, 6, 7, u32::MAX] {
        assert_eq!(changed(&|path| path.index = index), bad, "index {index}");
    }
    for count in [0, 1, 6, 8, u32::MAX] {
        assert_eq!(changed(&|path| path.count = count), bad, "count {count}");
    }
    assert_eq!(changed(&|path| path.siblings.swap(0, 1)), bad);
    assert_eq!(changed(&|path| path.siblings.truncate(1)), bad);
    assert_eq!(changed(&|path| path.siblings.push(path.siblings[0])), bad);
}

#[test]
fn a_batch_has_1_to_1024_votes() {
    let kit = of(1);
    let signed = |n: usize| {
        let txids = (0..n).map(|k| Txid::from(hash(Tag::Message, &k.to_le_bytes())));
        let votes = txids.map(Vote::Approve).collect();
        VoteBatch::sign(&kit.chain_id, Epoch(3), kit.set.hash(), 0, votes, &kit.keys[0])
    };
    let is_signed = |batch: &VoteBatch| batch.is_signed(&kit.chain_id, &kit.set);
    assert_eq!(
        [0, 1, BATCH_VOTES_MAX, BATCH_VOTES_MAX + 1].map(|n| is_signed(&signed(n))),
        [false, true, true, false]
    );
    let proves = |batch: &VoteBatch| {
        let proof = batch.proof(0).unwrap();
        proof.proves(&batch.votes[0], &kit.chain_id, Epoch(3), &kit.set)
    };
    assert_eq!(
        [1, BATCH_VOTES_MAX, BATCH_VOTES_MAX + 1].map(|n| proves(&signed(n))),
        [true, true, false]
    );
    assert_eq!(signed(2).proof(2), None);
}

#[test]
fn a_batch_binds_everything_that_is_said() {
    let kit = kit();
    let votes = vec![other(1), other(2), other(3)];
    let good = VoteBatch::sign(&kit.chain_id, Epoch(3), kit.set.hash(), 2, votes, &kit.keys[2]);
    let is_signed = |change: &dyn Fn(&mut VoteBatch)| {
        let mut batch = good.clone();
        change(&mut batch);
        batch.is_signed(&kit.chain_id, &kit.set)
    };
    assert!(is_signed(&|_| {}));
    assert!(!is_signed(&|batch| batch.epoch = Epoch(4)));
    assert!(!is_signed(&|batch| batch.set_hash = SetHash::ZERO));
    assert!(!is_signed(&|batch| batch.voter = 3));
    assert!(!is_signed(&|batch| batch.voter = 5));
    assert!(!is_signed(&|batch| batch.votes.swap(0, 1)));
    assert!(!is_signed(&|batch| batch.votes.truncate(2)));
    assert!(!is_signed(&|batch| batch.votes.push(other(3))));
    assert!(!is_signed(&|batch| batch.votes[0] = Vote::Commit(batch.votes[0].txid())));
    assert!(!good.is_signed(&ChainId::from_bytes([9; 32]), &kit.set));
}

#[test]
fn signed_messages_of_different_kinds_share_no_bytes() {
    let kit = kit();
    let (epoch, height, round, block) = subject();
    let prepared = PreparedBlock { round: Round::ZERO, block };
    let choices = [
        Choice::PrePrepare(block),
        Choice::Prepare(block),
        Choice::Commit(block),
        Choice::RoundChange(None),
        Choice::RoundChange(Some(prepared)),
    ];
    let ballots = choices.map(|choice| Ballot { epoch, height, round, choice });
    let mut messages: Vec<_> =
        ballots.iter().map(|b| b.message(&kit.chain_id, &kit.set.hash())).collect();
    let root = hash(Tag::VoteNode, b"root");
    messages.push(crate::types::vote::batch_message(&kit.chain_id, epoch, &kit.set.hash(), &root));
    messages.sort_unstable();
    messages.dedup();
    assert_eq!(messages.len(), 6);
}

#[test]
fn a_batch_that_says_something_twice_is_refused() {
    let kit = kit();
    let [txid, other] = [1, 2].map(|n| Txid::from_bytes([n; 32]));
    let reject = |reason| Vote::Reject(txid, reason);
    let reasons = [RejectReason::ConflictsWithFinal, RejectReason::ConflictsWithApproved];
    let table = [
        (vec![Vote::Approve(txid), Vote::Commit(txid), Vote::Approve(other)], true),
        (vec![Vote::Approve(txid), Vote::Commit(other), Vote::Approve(txid)], false),
        (vec![Vote::Approve(txid); BATCH_VOTES_MAX], false),
        (reasons.map(reject).to_vec(), false),
    ];
    for (votes, is_taken) in table {
        let (set_hash, keys) = (kit.set.hash(), &kit.keys[0]);
        let batch = VoteBatch::sign(&kit.chain_id, Epoch(3), set_hash, 0, votes, keys);
        assert_eq!(batch.is_signed(&kit.chain_id, &kit.set), is_taken);
    }
}
