//! Several masternodes: leaderless finality, faulty wires, crashed proposers, epochs.

use std::sync::Arc;
use std::time::Duration;

use super::cluster::Cluster;
use crate::engine::input::{Input, VerifiedMessage};
use crate::engine::output::{Halt, TransactionStatus};
use crate::ledger::block::{Proposer, build_block};
use crate::ledger::transaction::verify_transaction;
use crate::params::BlockProduction;
use crate::types::ballot::{Ballot, Choice, SignedBallot};
use crate::types::certificate::{CommitCertificate, Seal};
use crate::types::chain::{Epoch, Height, Round};
use crate::types::encode::encode;
use crate::types::keys::KeyPair;
use crate::types::message::Message;
use crate::types::vote::{Vote, VoteBatch};

fn bob() -> KeyPair {
    KeyPair::from_seed(b"bob")
}

#[test]
fn a_payment_is_final_everywhere_then_confirmed_everywhere() {
    for n in [2, 3, 4, 5, 7, 10] {
        let mut cluster = Cluster::new(n, |_| {});
        let payment = cluster.payment(0, &bob(), 5_000_000);
        cluster.submit(0, &payment).unwrap();
        cluster.settle();
        for index in 0..n {
            let status = cluster.last_status(index, &payment.txid());
            assert_eq!(status, Some(TransactionStatus::Finalized), "n = {n}, node {index}");
        }
        cluster.produce();
        for index in 0..n {
            let status = cluster.last_status(index, &payment.txid());
            let confirmed = Some(TransactionStatus::Confirmed(Height(1)));
            assert_eq!(status, confirmed, "n = {n}, node {index}");
        }
        cluster.check();
    }
}

#[test]
fn finality_does_not_need_the_proposer() {
    let mut cluster = Cluster::new(4, |_| {});
    let proposer = cluster.engine(0).state().masternodes.proposer(Height(1), 0.into());
    cluster.crash(usize::from(proposer));
    let node = (usize::from(proposer) + 1) % 4;
    let payment = cluster.payment(0, &bob(), 5_000_000);
    cluster.submit(node, &payment).unwrap();
    cluster.settle();
    let status = cluster.last_status(node, &payment.txid());
    assert_eq!(status, Some(TransactionStatus::Finalized));
    cluster.produce();
    cluster.advance(Duration::from_secs(3));
    let status = cluster.last_status(node, &payment.txid());
    assert_eq!(status, Some(TransactionStatus::Confirmed(Height(1))));
    cluster.start(usize::from(proposer));
    cluster.produce();
    cluster.advance(Duration::from_secs(60));
    assert!(!cluster.nodes[usize::from(proposer)].store.blocks.is_empty());
    cluster.check();
}

#[test]
fn a_split_double_spend_is_settled_by_the_next_block() {
    let mut cluster = Cluster::new(4, |_| {});
    let first = cluster.payment(0, &bob(), 5_000_000);
    let second = cluster.payment(0, &KeyPair::from_seed(b"carol"), 5_000_000);
    let other = cluster.payment(1, &bob(), 5_000_000);
    cluster.cut(&[&[0, 1], &[2, 3]]);
    cluster.submit(0, &first).unwrap();
    cluster.submit(2, &second).unwrap();
    cluster.settle();
    cluster.heal();
    cluster.submit(1, &other).unwrap();
    cluster.advance(Duration::from_secs(20));
    let winners: Vec<bool> = (0..4)
        .map(|index| {
            let statuses = [&first, &second].map(|tx| cluster.last_status(index, &tx.txid()));
            let confirmed =
                |s: &Option<TransactionStatus>| matches!(s, Some(TransactionStatus::Confirmed(_)));
            assert_eq!(statuses.iter().filter(|s| confirmed(s)).count(), 1, "{statuses:?}");
            confirmed(&statuses[0])
        })
        .collect();
    assert!(winners.iter().all(|winner| *winner == winners[0]));
    assert!(cluster.last_status(3, &other.txid()).is_some_and(|status| status.is_final()));
    cluster.check();
}

#[test]
fn a_partition_heals_without_two_blocks_at_a_height() {
    let mut cluster = Cluster::new(4, |genesis| {
        genesis.params.block_production = BlockProduction::Interval;
    });
    cluster.advance(Duration::from_secs(5));
    cluster.cut(&[&[0, 1], &[2, 3]]);
    let payment = cluster.payment(0, &bob(), 5_000_000);
    cluster.submit(0, &payment).unwrap();
    cluster.advance(Duration::from_secs(60));
    assert!(!cluster.last_status(0, &payment.txid()).unwrap().is_final());
    cluster.heal();
    cluster.advance(Duration::from_secs(120));
    for index in 0..4 {
        let status = cluster.last_status(index, &payment.txid());
        assert!(matches!(status, Some(TransactionStatus::Confirmed(_))), "{index}: {status:?}");
    }
    cluster.check();
}

#[test]
fn lossy_shuffled_wires_stop_nothing() {
    for seed in 0..20 {
        let mut cluster = Cluster::new(4, |genesis| {
            genesis.params.block_production = BlockProduction::Interval;
            genesis.params.epoch_blocks = 4;
        });
        cluster.seed(seed);
        cluster.is_shuffled = true;
        cluster.loss_percent = 15;
        let payments: Vec<_> =
            (0..8).map(|coin| cluster.payment(coin, &bob(), 1_000_000)).collect();
        for (index, payment) in payments.iter().enumerate() {
            cluster.submit(index % 4, payment).unwrap();
            cluster.advance(Duration::from_secs(3));
            cluster.check();
        }
        cluster.loss_percent = 0;
        cluster.advance(Duration::from_secs(120));
        cluster.check();
        for (index, payment) in payments.iter().enumerate() {
            let status = cluster.last_status((index + 1) % 4, &payment.txid());
            let is_confirmed = matches!(status, Some(TransactionStatus::Confirmed(_)));
            assert!(is_confirmed, "seed {seed}, payment {index}: {status:?}");
        }
        let heights: Vec<usize> =
            cluster.nodes.iter().map(|node| node.store.blocks.len()).collect();
        let (least, most) = (heights.iter().min().unwrap(), heights.iter().max().unwrap());
        assert!(most - least <= 1, "seed {seed}: {heights:?}");
    }
}

/// Its client gave it to others first, and their votes were quicker than the client.
#[test]
fn a_payment_submitted_after_its_votes_is_final_at_once() {
    let mut cluster = Cluster::new(4, |_| {});
    let payment = cluster.payment(0, &bob(), 1_000_000);
    let (txid, set_hash) = (payment.txid(), cluster.engine(3).finality().set().hash());
    cluster.cut(&[&[0, 1, 2], &[3]]);
    for vote in [Vote::Approve(txid), Vote::Commit(txid)] {
        for voter in 0..3u16 {
            let (chain_id, keys) = (cluster.chain.id(), &cluster.nodes[usize::from(voter)].keys);
            let batch = VoteBatch::sign(chain_id, Epoch::ZERO, set_hash, voter, vec![vote], keys);
            let message = encode(&Message::Votes(batch));
            cluster.deliver(usize::from(voter), 3, &message);
        }
    }
    cluster.submit(3, &payment).unwrap();
    assert_eq!(cluster.last_status(3, &txid), Some(TransactionStatus::Finalized));
    cluster.advance(Duration::from_secs(1));
    assert!(cluster.engine(3).finality().get(&txid).unwrap().own_commit());
}

/// So many that one of them is not admitted anywhere: telling of it comes to an end.
#[test]
fn many_payments_of_one_output_are_told_of_a_bounded_number_of_times() {
    let mut cluster = Cluster::new(4, |_| {});
    cluster.now = cluster.now.after(Duration::from_secs(1));
    for nth in 0..6 {
        let payment = cluster.payment(0, &bob(), 1_000_000 + nth);
        let verified = verify_transaction(Arc::new(payment), &cluster.chain).unwrap();
        for node in 0..if nth < 4 { 4 } else { 1 } {
            let message = VerifiedMessage::Transaction(verified.clone());
            cluster.input(node, Input::Message { from: bob().public(), message });
        }
        cluster.settle();
    }
}

/// More than `f` masternodes are faulty: the node does not confirm what it can't believe.
#[test]
fn a_decided_block_that_takes_what_is_final_stops_the_node() {
    let mut cluster = Cluster::new(4, |_| {});
    let payment = cluster.payment(0, &bob(), 1_000_000);
    let other = cluster.payment(0, &bob(), 2_000_000);
    cluster.submit(0, &payment).unwrap();
    cluster.settle();
    let other = verify_transaction(Arc::new(other), &cluster.chain).unwrap();
    let state = cluster.engine(2).state().clone();
    let proposer = Proposer { index: 1, now: cluster.now };
    let store = &cluster.nodes[2].store;
    let block = build_block(&cluster.chain, &state, store, vec![other], proposer).unwrap().block;
    let (epoch, height, round) = (Epoch::ZERO, Height(1), Round::ZERO);
    let ballot = Ballot { epoch, height, round, choice: Choice::Commit(block.hash()) };
    let seal = |voter: u16| {
        let (chain_id, keys) = (cluster.chain.id(), &cluster.nodes[usize::from(voter)].keys);
        let signed = SignedBallot::sign(ballot, voter, chain_id, &state.masternodes.hash(), keys);
        Seal { voter, signature: signed.signature }
    };
    let seals = [0, 1, 3].map(seal).to_vec();
    let certificate = CommitCertificate { epoch, height, round, block: block.hash(), seals };
    let (from, now) = (cluster.nodes[1].keys.public(), cluster.now);
    let message = VerifiedMessage::Decided(block, certificate);
    let node = &mut cluster.nodes[2];
    let engine = node.engine.as_mut().unwrap();
    let halted = engine.handle_input(Input::Message { from, message }, now, &node.store);
    let Err(Halt::Invariant(reason)) = halted else { panic!("{halted:?}") };
    assert!(reason.contains(&payment.txid().to_string()), "{reason}");
}
