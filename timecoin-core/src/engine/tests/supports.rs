//! What is recorded with a Commit, when others sign as much as they may.

use super::cluster::Cluster;
use crate::engine::output::Record;
use crate::engine::supports::SUPPORT_BYTES_MAX;
use crate::types::chain::Epoch;
use crate::types::encode::{encode, encoded_len};
use crate::types::hash::{Tag, Txid, hash};
use crate::types::keys::KeyPair;
use crate::types::message::Message;
use crate::types::vote::{BATCH_VOTES_MAX, Vote, VoteBatch};

/// An Approve in a batch of its own, with as many more votes as fit.
fn padded(cluster: &Cluster, voter: usize, txid: Txid) -> Vec<u8> {
    let nothing = (1..BATCH_VOTES_MAX).map(|n| {
        let bytes = encode(&(voter as u64, txid, n as u64));
        Vote::Commit(Txid::from(hash(Tag::Message, &bytes)))
    });
    let votes = [Vote::Approve(txid)].into_iter().chain(nothing).collect();
    let set_hash = cluster.engine(0).finality().set().hash();
    let (chain_id, keys) = (cluster.chain.id(), &cluster.nodes[voter].keys);
    let voter = u16::try_from(voter).unwrap();
    encode(&Message::Votes(VoteBatch::sign(chain_id, Epoch::ZERO, set_hash, voter, votes, keys)))
}

fn records_of(cluster: &Cluster) -> impl Iterator<Item = &Record> {
    let records = cluster.nodes[0].store.records.iter();
    records.filter(|record| matches!(record, Record::Votes { .. }))
}

#[test]
fn a_commit_leans_on_a_quorum_and_on_the_shortest_batches() {
    let mut cluster = Cluster::new(4, |_| {});
    cluster.cut(&[&[0], &[1], &[2], &[3]]);
    let payment = cluster.payment(0, &KeyPair::from_seed(b"bob"), 1_000_000);
    cluster.submit(0, &payment).unwrap();
    for voter in [1, 2, 3] {
        let batch = padded(&cluster, voter, payment.txid());
        cluster.deliver(voter, 0, &batch);
    }
    let supports: usize = records_of(&cluster)
        .map(|record| match record {
            Record::Votes { supports, .. } => supports.len(),
            _ => 0,
        })
        .sum();
    assert_eq!(supports, 2, "its own Approve is the third of a quorum");
}

#[test]
fn votes_are_signed_in_batches_whose_support_fits_a_record() {
    let mut cluster = Cluster::new(34, |_| {});
    let all: Vec<Vec<usize>> = (0..34).map(|node| vec![node]).collect();
    cluster.cut(&all.iter().map(Vec::as_slice).collect::<Vec<_>>());
    let bob = KeyPair::from_seed(b"bob");
    let payments: Vec<_> = (0..20).map(|coin| cluster.payment(coin, &bob, 1_000_000)).collect();
    for payment in &payments {
        cluster.submit(0, payment).unwrap();
        for voter in 1..22 {
            let batch = padded(&cluster, voter, payment.txid());
            cluster.deliver(voter, 0, &batch);
        }
    }
    // The last Approve that each of them needs comes for all at once, and so do the Commits.
    let votes: Vec<Vote> = payments.iter().map(|p| Vote::Approve(p.txid())).collect();
    let set_hash = cluster.engine(0).finality().set().hash();
    let keys = &cluster.nodes[22].keys;
    let last = VoteBatch::sign(cluster.chain.id(), Epoch::ZERO, set_hash, 22, votes, keys);
    cluster.deliver(22, 0, &encode(&Message::Votes(last)));
    let n_commits: usize = records_of(&cluster)
        .map(|record| match record {
            Record::Votes { batch, .. } => {
                assert!(encoded_len(record) <= SUPPORT_BYTES_MAX + 100_000);
                batch.votes.iter().filter(|vote| matches!(vote, Vote::Commit(_))).count()
            }
            _ => 0,
        })
        .sum();
    assert_eq!(n_commits, payments.len());
}
