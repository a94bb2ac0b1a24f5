//! Joining and leaving at epoch boundaries: on a chain, and on the registry alone.

use proptest::prelude::*;

use super::*;
use crate::ledger::testkit::{TestChain, masternode_keys};
use crate::types::address::Address;
use crate::types::ballot::{Ballot, Choice, SignedBallot};
use crate::types::chain::Round;
use crate::types::encode::decode;
use crate::types::evidence::{Contradiction, Evidence};
use crate::types::hash::{BlockHash, Txid};
use crate::types::keys::KeyPair;
use crate::types::transaction::{Transaction, TxKind};

const EPOCH_BLOCKS: u64 = 3;

fn kit(n: usize, masternodes_min: u16) -> TestChain {
    TestChain::with(n, |genesis| {
        genesis.params.epoch_blocks = EPOCH_BLOCKS;
        genesis.params.masternodes_min = masternodes_min;
    })
}

/// Decides the rest of this epoch.
fn end_epoch(kit: &mut TestChain) {
    let ends_at = kit.state.tip.height.0 / EPOCH_BLOCKS * EPOCH_BLOCKS + EPOCH_BLOCKS;
    kit.extend_until(ends_at + 1);
}

fn is_member(kit: &TestChain, keys: &KeyPair) -> bool {
    kit.state.masternodes.index_of(&keys.public()).is_some()
}

/// Two Prepares of one round by a masternode of the set that decides the next block.
fn conviction(kit: &TestChain, keys: &KeyPair) -> Transaction {
    let set = &kit.state.masternodes;
    let voter = set.index_of(&keys.public()).unwrap();
    let signed = |block: u8| {
        let choice = Choice::Prepare(BlockHash::from_bytes([block; 32]));
        let (epoch, height) = (kit.state.epoch(&kit.chain), kit.state.next_height());
        let ballot = Ballot { epoch, height, round: Round::ZERO, choice };
        SignedBallot::sign(ballot, voter, kit.chain.id(), &set.hash(), keys)
    };
    let contradiction = Contradiction::Ballots(signed(1), signed(2));
    let evidence = Evidence { offender: keys.public(), set_hash: set.hash(), contradiction };
    Transaction::unsigned(&[], Vec::new(), TxKind::Evidence(Box::new(evidence)))
}

#[test]
fn who_registers_votes_from_the_next_epoch_on() {
    let mut kit = kit(1, 1);
    let newcomer = masternode_keys(9);
    kit.add_keys(&newcomer);
    kit.extend(vec![kit.registration(&newcomer, 0)]);
    for _ in 1..EPOCH_BLOCKS {
        assert!(!is_member(&kit, &newcomer), "height {}", kit.state.next_height());
        kit.extend(Vec::new());
    }
    assert!(is_member(&kit, &newcomer), "height {}", kit.state.next_height());
    assert_eq!(kit.state.tip_masternodes.len(), 1, "the old set decided the last block");
    let last = &kit.decided.last().unwrap().block.header;
    assert_eq!(last.masternode_set, kit.state.tip_masternodes.hash());
    assert_eq!(last.next_masternode_set, kit.state.masternodes.hash(), "named before it decides");
    // The first block of the epoch pays who sealed the last one; the second pays both.
    kit.extend(Vec::new());
    assert_eq!(kit.state.tip_masternodes.len(), 2);
    let connected = kit.extend(Vec::new());
    let coinbase = &connected.connected.block.block().transactions[0];
    assert!(coinbase.outputs.iter().any(|output| output.address == newcomer.address()));
}

#[test]
fn a_registration_in_the_last_block_of_an_epoch_counts_for_the_next() {
    let mut kit = kit(1, 1);
    kit.extend_until(EPOCH_BLOCKS);
    let newcomer = masternode_keys(9);
    kit.extend(vec![kit.registration(&newcomer, 0)]);
    assert!(is_member(&kit, &newcomer));
}

#[test]
fn who_deregisters_leaves_at_the_end_of_the_epoch() {
    let mut kit = kit(4, 1);
    let leaver = masternode_keys(2);
    kit.extend(vec![kit.deregistration(&leaver, 0)]);
    for _ in 1..EPOCH_BLOCKS {
        assert!(is_member(&kit, &leaver));
        kit.extend(Vec::new());
    }
    assert_eq!((is_member(&kit, &leaver), kit.state.masternodes.len()), (false, 3));
    assert_eq!(kit.state.registry.get(&leaver.public()), None);
    // The name is free again.
    kit.extend(vec![kit.registration(&leaver, 1)]);
    end_epoch(&mut kit);
    assert!(is_member(&kit, &leaver));
}

#[test]
fn who_leaves_before_joining_never_votes_and_has_its_collateral_back() {
    let mut kit = kit(1, 1);
    let hasty = masternode_keys(9);
    let registration = kit.registration(&hasty, 0);
    let collateral = OutPoint::new(registration.txid(), 0);
    kit.extend(vec![registration]);
    kit.extend(vec![kit.deregistration(&hasty, 1)]);
    assert!(kit.state.registry.is_collateral(&collateral));
    end_epoch(&mut kit);
    assert!(!is_member(&kit, &hasty));
    assert!(!kit.state.registry.is_collateral(&collateral));
}

#[test]
fn a_proven_fault_removes_at_the_end_of_the_epoch() {
    let mut kit = kit(4, 1);
    let faulty = masternode_keys(1);
    kit.extend(vec![conviction(&kit, &faulty)]);
    assert!(is_member(&kit, &faulty), "until the boundary");
    end_epoch(&mut kit);
    assert_eq!((is_member(&kit, &faulty), kit.state.masternodes.len()), (false, 3));
}

#[test]
fn evidence_of_the_last_block_is_accepted_in_the_next_epoch() {
    let mut kit = kit(4, 1);
    kit.extend_until(EPOCH_BLOCKS);
    let faulty = masternode_keys(1);
    let evidence = conviction(&kit, &faulty);
    kit.extend(vec![kit.deregistration(&masternode_keys(0), 0)]);
    assert_ne!(kit.state.masternodes, kit.state.tip_masternodes);
    assert!(kit.check(evidence.clone()).is_ok());
    kit.extend(vec![evidence]);
    end_epoch(&mut kit);
    assert!(!is_member(&kit, &faulty));
}

#[test]
fn the_minimum_stays_and_the_rest_leaves_when_others_join() {
    let mut kit = kit(4, 3);
    let (first, second) = (masternode_keys(0), masternode_keys(1));
    kit.extend(vec![kit.deregistration(&second, 0), kit.deregistration(&first, 1)]);
    end_epoch(&mut kit);
    let stays: Vec<bool> = [&first, &second].map(|keys| is_member(&kit, keys)).into();
    assert_eq!(kit.state.masternodes.len(), 3);
    assert_eq!(stays.iter().filter(|stays| **stays).count(), 1, "one of the two had to stay");
    let newcomer = masternode_keys(9);
    kit.add_keys(&newcomer);
    kit.extend(vec![kit.registration(&newcomer, 2)]);
    end_epoch(&mut kit);
    assert_eq!(kit.state.masternodes.len(), 3);
    assert!(!is_member(&kit, &first) && !is_member(&kit, &second));
}

#[test]
fn a_proven_fault_goes_before_who_wants_to_leave() {
    let mut kit = kit(4, 3);
    // The one that wants to leave comes first in every order but this one.
    let set = kit.state.masternodes.clone();
    let (leaver, faulty) = (kit.keys_in(&set, 0).clone(), kit.keys_in(&set, 3).clone());
    kit.extend(vec![kit.deregistration(&leaver, 0), conviction(&kit, &faulty)]);
    end_epoch(&mut kit);
    assert!(is_member(&kit, &leaver) && !is_member(&kit, &faulty));
}

/// A registry of `n` members, built without a chain.
fn registry(n: usize) -> (Registry, MasternodeSet) {
    let keys: Vec<PublicKey> = (0..n).map(|i| masternode_keys(i).public()).collect();
    let genesis = Genesis::regtest(&keys, &[]).unwrap();
    (Registry::new(&genesis), genesis.masternode_set().unwrap())
}

fn register(registry: &mut Registry, number: usize) {
    let masternode = Masternode {
        consensus_key: masternode_keys(number).public(),
        payout: Address::from_bytes([0; 20]),
        network_address: String::new(),
    };
    let vout = u32::try_from(number).unwrap();
    registry.register(masternode, OutPoint::new(Txid::ZERO, vout));
}

#[test]
fn the_maximum_makes_newcomers_wait_in_their_order() {
    let (mut registry, first) = registry(MASTERNODES_MAX - 1);
    for number in [500, 501, 502] {
        register(&mut registry, number);
    }
    let is_in =
        |set: &MasternodeSet, number| set.index_of(&masternode_keys(number).public()).is_some();
    let set = registry.begin_epoch(1, &first);
    assert_eq!(set.len(), MASTERNODES_MAX);
    assert_eq!([500, 501, 502].map(|n| is_in(&set, n)), [true, false, false]);
    registry.deregister(&masternode_keys(7).public());
    let set = registry.begin_epoch(1, &set);
    assert_eq!(set.len(), MASTERNODES_MAX);
    assert_eq!([7, 500, 501, 502].map(|n| is_in(&set, n)), [false, true, true, false]);
}

/// The hash of a registry that remembers none.
fn hash_anew(registry: &Registry) -> Hash256 {
    decode::<Registry>("registry", &encode(registry), usize::MAX).unwrap().hash()
}

#[derive(Clone, Copy, Debug)]
enum Change {
    Register(usize),
    Deregister(usize),
    Convict(usize),
    Boundary,
}

fn changes() -> impl Strategy<Value = Vec<Change>> {
    let number = 0usize..9;
    let change = prop_oneof![
        2 => number.clone().prop_map(Change::Register),
        2 => number.clone().prop_map(Change::Deregister),
        2 => number.prop_map(Change::Convict),
        1 => Just(Change::Boundary),
    ];
    prop::collection::vec(change, 0..40)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn the_set_changes_at_boundaries_only_and_stays_within_bounds(
        changes in changes(),
        n in 1usize..6,
        spare in 0usize..3,
    ) {
        let masternodes_min = n.saturating_sub(spare).max(1);
        let (mut registry, mut current) = registry(n);
        let active = |registry: &Registry| -> Vec<PublicKey> {
            let entries = registry.entries().filter(|entry| entry.is_active);
            entries.map(|entry| entry.masternode.consensus_key).collect()
        };
        for change in changes {
            prop_assert_eq!(registry.hash(), hash_anew(&registry));
            let before = active(&registry);
            let key = |number: usize| masternode_keys(number).public();
            match change {
                Change::Register(number) if registry.get(&key(number)).is_none() => {
                    register(&mut registry, number);
                }
                Change::Deregister(number) => registry.deregister(&key(number)),
                Change::Convict(number) if registry.get(&key(number)).is_some() => {
                    let id = EvidenceId::from_bytes([u8::try_from(number).unwrap(); 32]);
                    registry.convict(&key(number), id);
                }
                Change::Boundary => {
                    let wanted: Vec<Entry> = registry.entries().cloned().collect();
                    let set = registry.begin_epoch(masternodes_min, &current);
                    let anew = MasternodeSet::new(set.members().to_vec()).unwrap();
                    prop_assert!((0..9).all(|i| set.voting_key(i) == anew.voting_key(i)));
                    prop_assert_eq!(&set, &anew);
                    current = set.clone();
                    let members: Vec<PublicKey> =
                        set.members().iter().map(|m| m.consensus_key).collect();
                    prop_assert_eq!(&members, &active(&registry));
                    prop_assert!(set.len() >= masternodes_min);
                    // Nobody who wanted to stay was removed; all that wanted in are in.
                    let (leaving, staying): (Vec<_>, Vec<_>) =
                        wanted.iter().partition(|entry| entry.is_leaving());
                    for entry in &staying {
                        prop_assert!(members.contains(&entry.masternode.consensus_key));
                    }
                    // Who wanted out is in only where the minimum needs it.
                    let kept = members.len() - staying.len();
                    let needed = masternodes_min.saturating_sub(staying.len());
                    prop_assert_eq!(kept, needed);
                    for entry in leaving.iter().filter(|entry| !entry.is_active) {
                        prop_assert!(!members.contains(&entry.masternode.consensus_key));
                    }
                    let is_kept = |e: &&&Entry| members.contains(&e.masternode.consensus_key);
                    let honest_left = leaving.iter().filter(|e| !e.is_proven_faulty && e.is_active);
                    let faulty_kept = leaving.iter().filter(|e| e.is_proven_faulty).filter(is_kept);
                    if faulty_kept.count() > 0 {
                        prop_assert!(honest_left.clone().filter(is_kept).count() == honest_left.count());
                    }
                    continue;
                }
                Change::Register(_) | Change::Convict(_) => {}
            }
            prop_assert_eq!(active(&registry), before, "only a boundary changes the set");
            let collaterals = registry.entries().filter_map(|entry| entry.collateral);
            prop_assert_eq!(collaterals.count(), registry.collaterals.len());
        }
        prop_assert_eq!(registry.hash(), hash_anew(&registry));
    }
}
