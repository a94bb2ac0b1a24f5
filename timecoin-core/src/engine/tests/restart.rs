//! What a node promised, it promises still after a crash.

use std::time::Duration;

use super::cluster::Cluster;
use crate::engine::input::Input;
use crate::engine::output::TransactionStatus;
use crate::params::BlockProduction;
use crate::types::amount::Amount;
use crate::types::chain::Height;
use crate::types::encode::encode;
use crate::types::hash::Txid;
use crate::types::keys::KeyPair;
use crate::types::message::Message;
use crate::types::transaction::{OutPoint, Transaction, TxOutput};
use crate::types::vote::{Vote, VoteBatch};

#[test]
fn a_final_payment_survives_a_crash_before_any_block() {
    let mut cluster = Cluster::new(1, |_| {});
    let payment = cluster.payment(0, &KeyPair::from_seed(b"bob"), 5_000_000);
    cluster.submit(0, &payment).unwrap();
    cluster.crash(0);
    cluster.nodes[0].statuses.clear();
    cluster.start(0);
    cluster.settle();
    let status = cluster.last_status(0, &payment.txid());
    assert_eq!(status, Some(TransactionStatus::Finalized));
    cluster.produce();
    let status = cluster.last_status(0, &payment.txid());
    assert_eq!(status, Some(TransactionStatus::Confirmed(Height(1))));
    cluster.check();
}

#[test]
fn a_crash_after_any_record_loses_nothing_and_contradicts_nothing() {
    let mut cluster = Cluster::new(1, |genesis| genesis.params.epoch_blocks = 2);
    for coin in 0..4 {
        let payment = cluster.payment(coin, &KeyPair::from_seed(b"bob"), 5_000_000);
        cluster.submit(0, &payment).unwrap();
        if coin % 2 == 1 {
            cluster.produce();
        }
    }
    let records = cluster.nodes[0].store.records.clone();
    let blocks = cluster.nodes[0].store.blocks.len();
    assert!(blocks >= 2 && records.len() > 10);
    for n_records in 0..=records.len() {
        // The block log is as far as the records allow: a block follows its Commit.
        let mut again = Cluster::new(1, |genesis| genesis.params.epoch_blocks = 2);
        again.crash(0);
        again.nodes[0].store.records = records[..n_records].to_vec();
        again.start(0);
        again.produce();
        again.advance(Duration::from_secs(10));
        again.check();
    }
}

#[test]
fn nodes_that_crash_and_return_agree() {
    for seed in 0..10 {
        let mut cluster = Cluster::new(4, |genesis| {
            genesis.params.block_production = BlockProduction::Interval;
            genesis.params.epoch_blocks = 5;
        });
        cluster.seed(seed);
        cluster.is_shuffled = true;
        cluster.loss_percent = 5;
        for step in 0..12_u64 {
            let coin = u32::try_from(step).unwrap();
            let payment = cluster.payment(coin, &KeyPair::from_seed(b"bob"), 1_000_000);
            let node = usize::try_from((seed + step) % 4).unwrap();
            if cluster.nodes[node].engine.is_some() {
                cluster.submit(node, &payment).unwrap();
            }
            cluster.crash(usize::try_from((seed * 7 + step * 3) % 4).unwrap());
            cluster.advance(Duration::from_millis(1_700));
            for index in 0..4 {
                if cluster.nodes[index].engine.is_none() {
                    cluster.start(index);
                }
            }
            cluster.advance(Duration::from_millis(700));
            cluster.check();
        }
        cluster.loss_percent = 0;
        cluster.advance(Duration::from_secs(120));
        cluster.check();
        let heights: Vec<usize> =
            cluster.nodes.iter().map(|node| node.store.blocks.len()).collect();
        assert!(heights.iter().all(|height| *height > 20), "seed {seed}: {heights:?}");
    }
}

/// F5a across a crash; found as I4 by a soak of random scenarios.
#[test]
fn a_block_prepared_before_a_crash_holds_commits_back_after_it() {
    let mut cluster = Cluster::new(4, |_| {});
    let bob = KeyPair::from_seed(b"bob");
    let settled = cluster.payment(1, &bob, 1_000_000);
    cluster.submit(0, &settled).unwrap();
    cluster.settle();
    let first = cluster.payment(0, &bob, 1_000_000);
    let second = cluster.payment(0, &bob, 2_000_000);
    cluster.cut(&[&[0, 2], &[1, 3]]);
    cluster.submit(0, &first).unwrap();
    cluster.submit(1, &second).unwrap();
    cluster.advance(Duration::from_secs(5));
    cluster.cut_but(1, 0);
    cluster.input(1, Input::ProduceBlock);
    cluster.settle();
    let prepared: Vec<Txid> = (cluster.engine(0).consensus().prepared_blocks())
        .flat_map(|block| block.transactions().iter().map(|tx| tx.txid()))
        .collect();
    assert!(prepared.contains(&second.txid()), "node 0 has Prepared the second payment");

    cluster.crash(0);
    cluster.start(0);
    cluster.settle();
    cluster.advance(Duration::from_millis(1_500));
    for voter in [2, 3] {
        let batch = approve(&cluster, voter, first.txid());
        cluster.deliver(voter, 0, &encode(&Message::Votes(batch)));
    }
    cluster.advance(Duration::from_millis(100));
    let votes = cluster.engine(0).finality().get(&first.txid()).unwrap();
    assert!(votes.is_certified());
    assert!(!votes.own_commit(), "a Prepare stands against the first payment");
}

/// An Approve of one masternode, whatever it has said before.
fn approve(cluster: &Cluster, node: usize, txid: Txid) -> VoteBatch {
    let finality = cluster.engine(0).finality();
    let (set, keys) = (finality.set(), &cluster.nodes[node].keys);
    let voter = set.index_of(&keys.public()).unwrap();
    let votes = vec![Vote::Approve(txid)];
    VoteBatch::sign(cluster.chain.id(), finality.epoch(), set.hash(), voter, votes, keys)
}

/// Its first input is a confirmed coin and its second the output of a payment that is final at the
/// others only: it waits for that payment, and not for the coin.
#[test]
fn a_recorded_payment_waits_for_the_parent_that_is_missing() {
    let mut cluster = Cluster::new(4, |_| {});
    let bob = KeyPair::from_seed(b"bob");
    let parent = cluster.payment(0, &bob, 5_000_000);
    cluster.submit(0, &parent).unwrap();
    cluster.settle();
    let coin = cluster.chain.genesis().outputs().nth(1).unwrap();
    let change = OutPoint::new(parent.txid(), 1);
    let value = coin.1.value.units() + parent.outputs[1].value.units() - 20_000;
    let owner = cluster.owner.public();
    let outputs = vec![TxOutput { value: Amount::from_units(value), address: bob.address() }];
    let mut child = Transaction::transfer(&[(coin.0, owner), (change, owner)], outputs);
    child.sign_all(cluster.chain.id(), &cluster.owner);
    cluster.submit(0, &child).unwrap();
    cluster.settle();
    assert_eq!(cluster.last_status(0, &child.txid()), Some(TransactionStatus::Finalized));
    cluster.crash(0);
    cluster.start(0);
    cluster.settle();
    cluster.advance(Duration::from_secs(5));
    assert!(cluster.engine(0).mempool().contains(&child.txid()));
    assert!(cluster.engine(0).finality().is_final(&child.txid()));
}
