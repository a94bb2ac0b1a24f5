//! One masternode: the quorum is one, the way is the same.

use std::sync::Arc;
use std::time::Duration;

use super::cluster::Cluster;
use crate::engine::input::{Input, VerifiedMessage};
use crate::engine::output::{Record, Rejection, TransactionStatus};
use crate::ledger::transaction::verify_transaction;
use crate::mempool::MempoolLimits;
use crate::params::BlockProduction;
use crate::types::amount::Amount;
use crate::types::chain::Height;
use crate::types::hash::Txid;
use crate::types::keys::KeyPair;
use crate::types::transaction::{OutPoint, Transaction, TxOutput};

#[test]
fn a_payment_is_final_before_any_block_then_confirmed() {
    let mut cluster = Cluster::new(1, |_| {});
    let payment = cluster.payment(0, &KeyPair::from_seed(b"bob"), 5_000_000);
    let txid = payment.txid();
    assert_eq!(cluster.submit(0, &payment), Ok(txid));
    assert_eq!(
        cluster.nodes[0].statuses[&txid],
        [
            TransactionStatus::Pending,
            TransactionStatus::Approved,
            TransactionStatus::Certified,
            TransactionStatus::Finalized
        ]
    );
    assert_eq!(cluster.nodes[0].store.blocks.len(), 0);
    cluster.produce();
    assert_eq!(cluster.last_status(0, &txid), Some(TransactionStatus::Confirmed(Height(1))));
    cluster.check();
}

#[test]
fn a_double_spend_is_refused_and_changes_nothing() {
    let mut cluster = Cluster::new(1, |_| {});
    let first = cluster.payment(0, &KeyPair::from_seed(b"bob"), 5_000_000);
    let second = cluster.payment(0, &KeyPair::from_seed(b"carol"), 5_000_000);
    cluster.submit(0, &first).unwrap();
    let refused = cluster.submit(0, &second).unwrap_err();
    assert!(matches!(refused, Rejection::Conflict { by, .. } if by == first.txid()), "{refused}");
    cluster.produce();
    let refused = cluster.submit(0, &second).unwrap_err();
    assert!(matches!(refused, Rejection::Invalid(_)), "{refused}");
    assert_eq!(cluster.submit(0, &first), Ok(first.txid()));
    cluster.check();
}

#[test]
fn a_child_waits_for_its_parent_and_follows_it() {
    let mut cluster = Cluster::new(1, |_| {});
    let bob = KeyPair::from_seed(b"bob");
    let parent = cluster.payment(0, &bob, 5_000_000);
    let coin = OutPoint::new(parent.txid(), 0);
    let output = TxOutput { value: Amount::from_units(4_000_000), address: bob.address() };
    let mut child = Transaction::transfer(&[(coin, bob.public())], vec![output]);
    child.sign_all(cluster.chain.id(), &bob);
    cluster.submit(0, &child).unwrap();
    assert_eq!(cluster.last_status(0, &child.txid()), Some(TransactionStatus::Pending));
    cluster.submit(0, &parent).unwrap();
    assert_eq!(cluster.last_status(0, &child.txid()), Some(TransactionStatus::Finalized));
    cluster.produce();
    assert_eq!(
        cluster.last_status(0, &child.txid()),
        Some(TransactionStatus::Confirmed(Height(1)))
    );
    cluster.check();
}

/// A payment of an output that nobody knows.
fn orphan(cluster: &Cluster, owner: &KeyPair, parent: u64) -> Transaction {
    let parent = Txid::from_bytes(std::array::from_fn(|i| parent.to_le_bytes()[i % 8]));
    let output = TxOutput { value: Amount::from_units(5_000), address: owner.address() };
    let coin = OutPoint::new(parent, 0);
    let mut transaction = Transaction::transfer(&[(coin, owner.public())], vec![output]);
    transaction.sign_all(cluster.chain.id(), owner);
    transaction
}

#[test]
fn a_flood_of_one_peer_does_not_keep_an_honest_orphan_out() {
    let mut cluster =
        Cluster::with_mempool(1, MempoolLimits { waiting_max: 20, ..MempoolLimits::default() });
    let (attacker, bob) = (KeyPair::from_seed(b"attacker"), KeyPair::from_seed(b"bob"));
    let peer = KeyPair::from_seed(b"peer").public();
    let receive = |cluster: &mut Cluster, from, transaction: &Transaction| {
        let verified = verify_transaction(Arc::new(transaction.clone()), &cluster.chain).unwrap();
        let message = VerifiedMessage::Transaction(verified);
        cluster.input(0, Input::Message { from, message });
    };
    for n in 0..30 {
        let junk = orphan(&cluster, &attacker, n);
        receive(&mut cluster, attacker.public(), &junk);
    }
    let parent = cluster.payment(0, &bob, 5_000_000);
    let coin = OutPoint::new(parent.txid(), 0);
    let output = TxOutput { value: Amount::from_units(4_000_000), address: bob.address() };
    let mut child = Transaction::transfer(&[(coin, bob.public())], vec![output]);
    child.sign_all(cluster.chain.id(), &bob);
    receive(&mut cluster, peer, &child);
    for n in 30..90 {
        let junk = orphan(&cluster, &attacker, n);
        receive(&mut cluster, attacker.public(), &junk);
    }
    let first = orphan(&cluster, &attacker, 0).txid();
    let refused = cluster.last_status(0, &first);
    let room_full = |rejection: &Rejection| matches!(rejection, Rejection::WaitingRoomFull { .. });
    assert!(
        matches!(&refused, Some(TransactionStatus::Rejected(r)) if room_full(r)),
        "{refused:?}"
    );
    cluster.submit(0, &parent).unwrap();
    assert_eq!(cluster.last_status(0, &child.txid()), Some(TransactionStatus::Finalized));
    cluster.check();
}

#[test]
fn epochs_pass_and_payments_with_them() {
    let mut cluster = Cluster::new(1, |genesis| {
        genesis.params.block_production = BlockProduction::Interval;
        genesis.params.epoch_blocks = 3;
    });
    for coin in 0..10 {
        let payment = cluster.payment(coin, &KeyPair::from_seed(b"bob"), 5_000_000);
        cluster.submit(0, &payment).unwrap();
        cluster.advance(Duration::from_millis(1_500));
        assert!(matches!(
            cluster.last_status(0, &payment.txid()),
            Some(TransactionStatus::Confirmed(_))
        ));
    }
    assert!(cluster.nodes[0].store.blocks.len() >= 12);
    cluster.check();
}

/// A masternode that runs twice decides two chains. Who has a block of the one and is shown the
/// next of the other stops, and names it; so it does where it is shown the other block itself.
#[test]
fn a_decided_block_on_another_tip_is_a_safety_violation() {
    let mut twin = Cluster::new(1, |_| {});
    twin.produce();
    twin.produce();
    for height in [1, 2] {
        let mut cluster = Cluster::new(1, |_| {});
        let payment = cluster.payment(0, &KeyPair::from_seed(b"bob"), 5_000_000);
        cluster.submit(0, &payment).unwrap();
        cluster.produce();
        let commit = &twin.nodes[0].store.blocks[height - 1];
        let block = commit.connected.block.clone();
        let message = VerifiedMessage::Decided(block, commit.certificate.clone());
        let from = KeyPair::from_seed(b"peer").public();
        cluster.input(0, Input::Message { from, message });
        let violation = cluster.nodes[0].store.records.iter().find_map(|record| match record {
            Record::Violation(violation) => Some(violation),
            _ => None,
        });
        let violation = violation.expect("it is recorded");
        let [own, other] = [&cluster, &twin].map(|c| c.nodes[0].store.blocks[0].certificate.block);
        assert_eq!((violation.own.block, violation.other.block), (own, other), "{height}");
        assert_eq!(violation.signed_both, [cluster.nodes[0].keys.public()]);
    }
}
