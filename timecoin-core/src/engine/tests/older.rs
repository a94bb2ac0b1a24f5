//! A masternode that comes back with an older copy of its disk: it is shown what it signed, and
//! signs nothing before that.

use std::time::Duration;

use super::cluster::Cluster;
use crate::engine::output::{Record, TransactionStatus};
use crate::params::BlockProduction;
use crate::types::ballot::SignedBallot;
use crate::types::chain::{Epoch, Height};
use crate::types::encode::encode;
use crate::types::hash::SetHash;
use crate::types::keys::KeyPair;
use crate::types::message::Message;
use crate::types::transaction::Transaction;
use crate::types::vote::{Vote, VoteBatch};

fn set_hash(cluster: &Cluster) -> SetHash {
    cluster.engine(0).finality().set().hash()
}

fn votes(cluster: &Cluster, voter: u16, vote: Vote) -> Message {
    let keys = &cluster.nodes[usize::from(voter)].keys;
    let chain_id = cluster.chain.id();
    let batch = VoteBatch::sign(chain_id, Epoch::ZERO, set_hash(cluster), voter, vec![vote], keys);
    Message::Votes(batch)
}

/// Node 0 sends its Commit to a payment, with node 2 and the Byzantine node 1, loses it, and comes
/// back. Gives the payment and the batch with the Commit.
fn with_a_lost_commit() -> (Cluster, Transaction, VoteBatch) {
    let mut cluster = Cluster::new(4, |_| {});
    cluster.crash(1);
    cluster.cut(&[&[0, 2], &[3]]);
    let payment = cluster.payment(0, &KeyPair::from_seed(b"bob"), 1_000_000);
    let txid = payment.txid();
    cluster.submit(0, &payment).unwrap();
    cluster.settle();
    let backup = cluster.nodes[0].store.records.clone();
    let approve = encode(&votes(&cluster, 1, Vote::Approve(txid)));
    cluster.deliver(1, 0, &approve);
    cluster.deliver(1, 2, &approve);
    cluster.settle();
    let commit = encode(&votes(&cluster, 1, Vote::Commit(txid)));
    cluster.deliver(1, 2, &commit);
    cluster.settle();
    assert_eq!(cluster.last_status(2, &txid), Some(TransactionStatus::Finalized));
    let lost = cluster.nodes[0].store.records.iter().find_map(|record| match record {
        Record::Votes { batch, .. } if batch.votes == [Vote::Commit(txid)] => Some(batch.clone()),
        _ => None,
    });
    cluster.crash(0);
    cluster.nodes[0].store.records = backup;
    // Nobody is there to answer what it asks first.
    cluster.cut(&[&[0], &[2], &[3]]);
    cluster.start(0);
    cluster.settle();
    assert!(cluster.engine(0).own_index().is_some());
    (cluster, payment, lost.expect("node 0 sent it"))
}

#[test]
fn a_lost_commit_that_is_shown_makes_it_observe() {
    let (mut cluster, _, lost) = with_a_lost_commit();
    cluster.deliver(2, 0, &encode(&Message::Votes(lost)));
    assert_eq!(cluster.engine(0).own_index(), None);
}

#[test]
fn a_lost_commit_in_a_certificate_makes_it_observe() {
    let (mut cluster, payment, _) = with_a_lost_commit();
    let certificate = cluster.engine(2).finality_certificate(&payment.txid()).unwrap();
    let message = Message::FinalityCertificate((*certificate).clone());
    cluster.deliver(2, 0, &encode(&message));
    assert_eq!(cluster.engine(0).own_index(), None);
}

/// What it signed and has is no reason.
#[test]
fn its_own_votes_shown_to_one_that_has_them_change_nothing() {
    let mut cluster = Cluster::new(4, |_| {});
    let payment = cluster.payment(0, &KeyPair::from_seed(b"bob"), 1_000_000);
    cluster.submit(0, &payment).unwrap();
    cluster.settle();
    let batches: Vec<VoteBatch> = cluster.nodes[0]
        .store
        .records
        .iter()
        .filter_map(|record| match record {
            Record::Votes { batch, .. } => Some(batch.clone()),
            _ => None,
        })
        .collect();
    assert!(batches.len() > 1);
    let show_all = |cluster: &mut Cluster| {
        for batch in &batches {
            cluster.deliver(2, 0, &encode(&Message::Votes(batch.clone())));
        }
        assert!(cluster.engine(0).own_index().is_some());
    };
    show_all(&mut cluster);
    cluster.produce();
    cluster.settle();
    assert!(cluster.engine(0).state().tip.height >= Height(1));
    // A block has settled it.
    show_all(&mut cluster);
    cluster.crash(0);
    cluster.start(0);
    show_all(&mut cluster);
}

/// Block 2 is decided without node 3, which proposes block 3 and then comes back with its disk as
/// it was after block 1. It is shown block 2, whose certificate does not hold its Commit, and it is
/// the proposer of block 3, which is long due.
#[test]
fn a_block_that_comes_in_the_silence_does_not_end_it() {
    let mut cluster = Cluster::new(4, |genesis| {
        genesis.params.block_production = BlockProduction::Interval;
        genesis.params.block_gap_ms_min = 0;
    });
    let interval = Duration::from_millis(cluster.chain.params().block_interval_ms);
    let reach = |cluster: &mut Cluster, node: usize, height: u64| {
        while cluster.engine(node).state().tip.height < Height(height) {
            cluster.step_time(Duration::from_millis(50));
        }
    };
    reach(&mut cluster, 3, 1);
    let backup = cluster.nodes[3].store.clone();
    cluster.cut(&[&[0, 1, 2], &[3]]);
    reach(&mut cluster, 0, 2);
    cluster.heal();
    reach(&mut cluster, 0, 3);
    let third = cluster.nodes[0].store.blocks[2].connected.block.clone();
    assert_eq!(third.header().proposer, cluster.nodes[3].keys.public());
    cluster.crash(3);
    cluster.nodes[3].store = backup;
    cluster.now = cluster.now.after(interval);
    cluster.start(3);
    cluster.settle();
    let signed: Vec<SignedBallot> = cluster.nodes[3]
        .store
        .records
        .iter()
        .filter_map(|record| match record {
            Record::Ballot { ballot, .. } if ballot.ballot.height == Height(3) => Some(*ballot),
            _ => None,
        })
        .collect();
    assert!(signed.is_empty(), "it signed in its silence: {signed:?}");
}
