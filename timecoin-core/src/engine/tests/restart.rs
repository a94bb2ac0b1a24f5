//! What a node promised, it promises still after a crash.

use std::time::Duration;

use super::cluster::Cluster;
use crate::engine::output::TransactionStatus;
use crate::params::BlockProduction;
use crate::types::chain::Height;
use crate::types::keys::KeyPair;

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
