//! What a RoundChange and an inventory must carry.

use super::*;
use crate::types::address::Address;
use crate::types::ballot::PreparedBlock;
use crate::types::certificate::Seal;
use crate::types::chain::Round;
use crate::types::masternode_set::Masternode;

struct Kit {
    chain_id: ChainId,
    keys: Vec<KeyPair>,
    set: MasternodeSet,
}

fn kit() -> Kit {
    let mut keys: Vec<KeyPair> = (0u8..4).map(|n| KeyPair::from_seed(&[n])).collect();
    keys.sort_by_key(KeyPair::public);
    let member = |keys: &KeyPair| Masternode {
        consensus_key: keys.public(),
        payout: Address::from_bytes([0; 20]),
        network_address: String::new(),
    };
    let set = MasternodeSet::new(keys.iter().map(member).collect()).unwrap();
    Kit { chain_id: ChainId::from_bytes([1; 32]), keys, set }
}

const EPOCH: Epoch = Epoch(0);
const HEIGHT: Height = Height(7);
const BLOCK: BlockHash = BlockHash::from_bytes([4; 32]);

impl Kit {
    fn sign(&self, round: u32, choice: Choice) -> SignedBallot {
        let ballot = Ballot { epoch: EPOCH, height: HEIGHT, round: Round(round), choice };
        SignedBallot::sign(ballot, 1, &self.chain_id, &self.set.hash(), &self.keys[1])
    }

    fn prepared(&self, round: u32) -> PreparedCertificate {
        let round = Round(round);
        let ballot = Ballot { epoch: EPOCH, height: HEIGHT, round, choice: Choice::Prepare(BLOCK) };
        let message = ballot.message(&self.chain_id, &self.set.hash());
        let seal = |voter: u16| Seal {
            voter,
            signature: self.keys[usize::from(voter)].sign(message.as_bytes()),
        };
        let seals = [0, 1, 2].map(seal).into();
        PreparedCertificate { epoch: EPOCH, height: HEIGHT, round, block: BLOCK, seals }
    }

    fn verify(&self, round_change: &RoundChange) -> Result<(), CertificateError> {
        round_change.verify(&self.chain_id, &self.set)
    }
}

fn claim(round: u32) -> Choice {
    Choice::RoundChange(Some(PreparedBlock { round: Round(round), block: BLOCK }))
}

#[test]
fn a_round_change_carries_the_certificate_of_its_claim() {
    let kit = kit();
    let other = |change: &dyn Fn(&mut PreparedCertificate)| {
        let mut certificate = kit.prepared(1);
        change(&mut certificate);
        Some(certificate)
    };
    let other_subject = Err(CertificateError::OtherSubject);
    type Row = (&'static str, Choice, Option<PreparedCertificate>, Result<(), CertificateError>);
    let table: [Row; 12] = [
        ("nothing prepared", Choice::RoundChange(None), None, Ok(())),
        ("prepared before", claim(1), Some(kit.prepared(1)), Ok(())),
        ("prepared in round 0", claim(0), Some(kit.prepared(0)), Ok(())),
        ("claim without certificate", claim(1), None, other_subject.clone()),
        (
            "certificate without claim",
            Choice::RoundChange(None),
            Some(kit.prepared(0)),
            other_subject.clone(),
        ),
        ("of another round", claim(1), Some(kit.prepared(0)), other_subject.clone()),
        ("of the round it enters", claim(2), Some(kit.prepared(2)), other_subject.clone()),
        (
            "of another block",
            claim(1),
            other(&|c| c.block = BlockHash::ZERO),
            other_subject.clone(),
        ),
        (
            "k10 of another height",
            claim(1),
            other(&|c| c.height = Height(6)),
            other_subject.clone(),
        ),
        ("k10 of another epoch", claim(1), other(&|c| c.epoch = Epoch(1)), other_subject.clone()),
        (
            "with too few seals",
            claim(1),
            other(&|c| c.seals.truncate(2)),
            Err(CertificateError::TooFewSigners { found: 2, required: 3 }),
        ),
        ("another kind of ballot", Choice::Prepare(BLOCK), None, other_subject),
    ];
    for (desc, choice, certificate, expected) in table {
        let round_change = RoundChange { ballot: kit.sign(2, choice), certificate };
        assert_eq!(kit.verify(&round_change), expected, "{desc}");
    }
    let mut forged = RoundChange { ballot: kit.sign(2, claim(1)), certificate: other(&|_| {}) };
    forged.ballot.voter = 2;
    assert_eq!(kit.verify(&forged), Err(CertificateError::BadSignature { voter: 2 }));
    let first = RoundChange { ballot: kit.sign(0, Choice::RoundChange(None)), certificate: None };
    assert_eq!(kit.verify(&first), Err(CertificateError::OtherSubject), "to round 0");
    let elsewhere = ChainId::from_bytes([9; 32]);
    let good = RoundChange { ballot: kit.sign(2, claim(1)), certificate: other(&|_| {}) };
    assert!(good.verify(&elsewhere, &kit.set).is_err(), "k10 of another chain");
}

#[test]
fn an_inventory_ascends_and_is_signed() {
    let kit = kit();
    let txid = |n: u8| Txid::from_bytes([n; 32]);
    let sign = |txids: Vec<Txid>| {
        CertInventory::sign(&kit.chain_id, EPOCH, kit.set.hash(), 1, txids, &kit.keys[1])
    };
    let is_signed = |inventory: &CertInventory| inventory.is_signed(&kit.chain_id, &kit.set);
    assert!(is_signed(&sign(Vec::new())));
    let good = sign(vec![txid(1), txid(2)]);
    assert!(is_signed(&good));
    assert!(!is_signed(&sign(vec![txid(2), txid(1)])), "descending");
    assert!(!is_signed(&sign(vec![txid(1), txid(1)])), "twice");
    let changed = |change: &dyn Fn(&mut CertInventory)| {
        let mut inventory = good.clone();
        change(&mut inventory);
        is_signed(&inventory)
    };
    assert!(!changed(&|i| i.epoch = Epoch(1)));
    assert!(!changed(&|i| i.set_hash = SetHash::ZERO));
    assert!(!changed(&|i| i.voter = 2));
    assert!(!changed(&|i| i.voter = 4));
    assert!(!changed(&|i| i.txids.truncate(1)));
    assert!(!changed(&|i| i.txids.push(txid(3))));
    let many = |n: usize| {
        let numbered = |i: usize| {
            let mut bytes = [0; 32];
            bytes[..8].copy_from_slice(&i.to_be_bytes());
            Txid::from_bytes(bytes)
        };
        sign((0..n).map(numbered).collect())
    };
    assert!(is_signed(&many(INVENTORY_IDS_MAX)));
    assert!(!is_signed(&many(INVENTORY_IDS_MAX + 1)));
}
