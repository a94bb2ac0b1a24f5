//! Ballots beyond a quorum.

use std::time::Duration;

use super::cluster::Cluster;
use crate::engine::Settled;
use crate::types::ballot::{Ballot, Choice, SignedBallot};
use crate::types::chain::{Epoch, Height, Round};
use crate::types::hash::BlockHash;
use crate::types::keys::Signature;
use crate::types::message::{Decided, Message};

fn signed(height: u64, round: u32, choice: Choice) -> SignedBallot {
    let ballot = Ballot { epoch: Epoch::ZERO, height: Height(height), round: Round(round), choice };
    SignedBallot { ballot, voter: 0, signature: Signature::from_bytes([9; 64]) }
}

fn is_taken(settled: &Settled, height: u64, round: u32, choice: Choice) -> bool {
    settled.late(&Message::Ballot(signed(height, round, choice))).is_some()
}

#[test]
fn only_what_repeats_a_quorum_goes_unchecked() {
    let mut cluster = Cluster::new(4, |_| {});
    cluster.produce();
    let engine = cluster.engine(0);
    let (tip, other) = (engine.state().tip.hash, BlockHash::ZERO);
    let settled = engine.settled();
    for round in [0, 1] {
        assert!(is_taken(&settled, 1, round, Choice::Prepare(tip)));
        assert!(is_taken(&settled, 1, round, Choice::Commit(tip)));
        for choice in [Choice::Prepare(other), Choice::Commit(other), Choice::RoundChange(None)] {
            assert!(!is_taken(&settled, 1, round, choice), "{choice:?}");
        }
        for choice in [Choice::Prepare(tip), Choice::Commit(tip), Choice::PrePrepare(tip)] {
            assert!(!is_taken(&settled, 2, round, choice), "{choice:?}");
        }
    }
}

#[test]
fn a_decision_that_is_known_goes_unchecked_and_another_never() {
    let mut cluster = Cluster::new(4, |_| {});
    for _ in 0..6 {
        cluster.produce();
        cluster.advance(Duration::from_secs(1));
    }
    let settled = cluster.engine(0).settled();
    let blocks = &cluster.nodes[0].store.blocks;
    let decided = |height: usize| {
        let commit = &blocks[height - 1];
        let block = commit.connected.block.block().clone();
        Decided { block, certificate: commit.certificate.clone() }
    };
    for height in [3, 4, 5, 6] {
        let known = decided(height);
        assert!(settled.late(&Message::Decided(known.clone())).is_some(), "{height}");
        let mut other = known;
        other.certificate.block = BlockHash::ZERO;
        assert!(settled.late(&Message::Decided(other)).is_none(), "{height}");
    }
    assert!(settled.late(&Message::Decided(decided(2))).is_none());
}
