//! Who is slow is not given more to do.

use std::time::Duration;

use super::cluster::Cluster;
use crate::engine::output::{Record, TransactionStatus};
use crate::types::encode::encode;
use crate::types::keys::KeyPair;
use crate::types::message::{Message, Request};
use crate::types::transaction::Transaction;

/// Every batch of votes that a node has signed, as it sent them.
fn batches(cluster: &Cluster, node: usize) -> Vec<Vec<u8>> {
    let records = cluster.nodes[node].store.records.iter();
    let batches = records.filter_map(|record| match record {
        Record::Votes { batch, .. } => Some(encode(&Message::Votes(batch.clone()))),
        _ => None,
    });
    batches.collect()
}

fn pay(cluster: &mut Cluster, n_payments: u32) -> Vec<Transaction> {
    let bob = KeyPair::from_seed(b"bob");
    let payments: Vec<_> =
        (0..n_payments).map(|coin| cluster.payment(coin, &bob, 5_000_000)).collect();
    payments.iter().for_each(|payment| {
        cluster.submit(0, payment).unwrap();
    });
    payments
}

#[test]
fn votes_that_come_after_their_block_are_not_answered_with_it_until_they_are_repeated() {
    let mut cluster = Cluster::new(4, |_| {});
    pay(&mut cluster, 10);
    cluster.settle();
    cluster.produce();
    let late = batches(&cluster, 1);
    assert!(late.len() > 1);
    let served_before = cluster.n_served;
    late.iter().for_each(|batch| cluster.deliver(1, 0, batch));
    assert_eq!(cluster.n_served, served_before);
    cluster.advance(Duration::from_secs(1));
    late.iter().for_each(|batch| cluster.deliver(1, 0, batch));
    assert_eq!(cluster.n_served, served_before + 1);
}

#[test]
fn a_voter_that_repeats_itself_is_shown_batches_and_says_nothing_to_them() {
    let mut cluster = Cluster::new(4, |_| {});
    pay(&mut cluster, 10);
    cluster.settle();
    let repeated = batches(&cluster, 1);
    let n_others: usize = [0, 2, 3].map(|node| batches(&cluster, node).len()).iter().sum();
    cluster.deliver(1, 0, &repeated[0]);
    let answers = cluster.under_way(0, 1);
    assert!((1..=n_others).contains(&answers.len()), "{}", answers.len());
    assert!(answers.iter().all(|answer| matches!(answer, Message::Votes(_))));
    cluster.settle();
    assert!(cluster.under_way(1, 0).is_empty());
}

#[test]
fn who_lost_the_votes_of_others_has_them_from_whoever_it_repeats_itself_to() {
    let mut cluster = Cluster::new(4, |_| {});
    let payments = pay(&mut cluster, 0);
    assert!(payments.is_empty());
    cluster.cut(&[&[0, 1, 2], &[3]]);
    let payments = pay(&mut cluster, 10);
    cluster.settle();
    cluster.heal();
    for payment in &payments {
        cluster.submit(3, payment).unwrap();
    }
    cluster.advance(Duration::from_secs(1));
    for payment in &payments {
        let status = cluster.last_status(3, &payment.txid());
        assert_eq!(status, Some(TransactionStatus::Finalized));
    }
    assert!(cluster.nodes.iter().all(|node| node.store.blocks.is_empty()));
}

#[test]
fn a_transaction_that_comes_soon_after_a_vote_on_it_is_not_asked_for() {
    let mut cluster = Cluster::new(4, |_| {});
    cluster.cut(&[&[0, 1, 2], &[3]]);
    let payments = pay(&mut cluster, 2);
    cluster.settle();
    cluster.heal();
    batches(&cluster, 1).iter().for_each(|batch| cluster.deliver(1, 3, batch));
    cluster.submit(3, &payments[0]).unwrap();
    assert!(cluster.under_way(3, 1).iter().all(|sent| !matches!(sent, Message::Request(_))));
    cluster.now = cluster.now.after(Duration::from_millis(100));
    cluster.deliver(1, 3, &batches(&cluster, 1)[0]);
    let asked = cluster.under_way(3, 1).into_iter().find_map(|sent| match sent {
        Message::Request(Request::Transactions(txids)) => Some(txids),
        _ => None,
    });
    assert_eq!(asked, Some(vec![payments[1].txid()]));
}
