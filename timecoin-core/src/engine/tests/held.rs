//! Messages that come before their height or epoch.

use std::sync::Arc;

use super::cluster::Cluster;
use crate::engine::held::{HELD_BYTES_MAX, HELD_MAX, HELD_PER_PEER_MAX, HELD_PROPOSALS_MAX};
use crate::engine::input::{Input, VerifiedMessage, VerifiedProposal};
use crate::ledger::block::{Proposer, build_block};
use crate::types::ballot::{Ballot, Choice, SignedBallot};
use crate::types::chain::{Epoch, Height, Round};
use crate::types::hash::{BlockHash, Txid};
use crate::types::keys::{KeyPair, PublicKey};
use crate::types::message::{Justification, Message};
use crate::types::vote::{Vote, VoteBatch};

fn size(cluster: &Cluster, name: &str) -> usize {
    let sizes = cluster.engine(0).table_sizes();
    let table = sizes.iter().find(|table| table.name == name).unwrap();
    assert!(table.len <= table.len_max, "{table:?}");
    table.len
}

fn strangers(n: usize) -> impl Iterator<Item = PublicKey> {
    (0..n).map(|k| KeyPair::from_seed(format!("stranger {k}").as_bytes()).public())
}

fn votes_of_next_epoch(cluster: &Cluster, n_votes: usize) -> Message {
    let keys = KeyPair::from_seed(b"eve");
    let set_hash = cluster.engine(0).finality().set().hash();
    let votes = vec![Vote::Approve(Txid::ZERO); n_votes];
    let chain_id = cluster.chain.id();
    Message::Votes(VoteBatch::sign(chain_id, Epoch(1), set_hash, 0, votes, &keys))
}

fn tell_of_next_epoch(cluster: &mut Cluster, from: PublicKey, message: &Message) {
    let message = Box::new(message.clone());
    cluster.input(0, Input::OtherEpoch { from, epoch: Epoch(1), message });
}

fn ballot(cluster: &Cluster, height: u64, round: u32, choice: Choice) -> SignedBallot {
    let ballot = Ballot { epoch: Epoch::ZERO, height: Height(height), round: Round(round), choice };
    let set = cluster.engine(0).finality().set();
    let voter = set.proposer(ballot.height, ballot.round);
    let keys = &cluster.nodes[usize::from(voter)].keys;
    SignedBallot::sign(ballot, voter, cluster.chain.id(), &set.hash(), keys)
}

#[test]
fn strangers_of_any_number_of_keys_share_the_room_of_one_member() {
    let mut cluster = Cluster::new(4, |_| {});
    let message = votes_of_next_epoch(&cluster, 1_000);
    for stranger in strangers(100) {
        (0..9).for_each(|_| tell_of_next_epoch(&mut cluster, stranger, &message));
    }
    assert_eq!(size(&cluster, "held unverified"), HELD_PER_PEER_MAX);
    let member = cluster.nodes[1].keys.public();
    (0..99).for_each(|_| tell_of_next_epoch(&mut cluster, member, &message));
    assert_eq!(size(&cluster, "held unverified"), 2 * HELD_PER_PEER_MAX);
    assert!(size(&cluster, "held unverified bytes") <= HELD_BYTES_MAX / 5 * 2);
}

#[test]
fn blocks_of_the_next_epoch_are_not_kept_without_a_check() {
    let mut cluster = Cluster::new(4, |_| {});
    let (_, proposal) = proposal(&cluster, 0);
    let VerifiedProposal { ballot, block, justification } = proposal;
    let block = Arc::clone(block.block());
    let message =
        Message::Proposal(crate::types::message::Proposal { ballot, block, justification });
    let member = cluster.nodes[1].keys.public();
    tell_of_next_epoch(&mut cluster, member, &message);
    assert_eq!(size(&cluster, "held unverified"), 0);
}

#[test]
fn nobody_fills_the_queues_for_others_by_bytes_either() {
    let mut cluster = Cluster::new(60, |_| {});
    let message = votes_of_next_epoch(&cluster, 1_024);
    let members: Vec<PublicKey> = cluster.nodes.iter().map(|node| node.keys.public()).collect();
    for member in members {
        let before = size(&cluster, "held unverified");
        (0..HELD_PER_PEER_MAX).for_each(|_| tell_of_next_epoch(&mut cluster, member, &message));
        let n_kept = size(&cluster, "held unverified") - before;
        assert!((1..HELD_PER_PEER_MAX).contains(&n_kept), "{n_kept}");
    }
    assert!(size(&cluster, "held unverified") <= HELD_MAX);
}

#[test]
fn a_ballot_is_kept_for_the_next_height_and_for_none_further_on() {
    let mut cluster = Cluster::new(4, |_| {});
    let from = cluster.nodes[1].keys.public();
    for (height, n_held) in [(3, 0), (4, 0), (2, 1)] {
        let signed = ballot(&cluster, height, 0, Choice::Prepare(BlockHash::ZERO));
        let message = VerifiedMessage::Ballot(signed);
        cluster.input(0, Input::Message { from, message });
        assert_eq!(size(&cluster, "held"), n_held, "height {height}");
    }
}

/// A proposal for height 2 in some round.
fn proposal(cluster: &Cluster, round: u32) -> (PublicKey, VerifiedProposal) {
    let proposer = Proposer { index: 1, now: cluster.now };
    let state = cluster.engine(0).state().clone();
    let store = &cluster.nodes[0].store;
    let built = build_block(&cluster.chain, &state, store, Vec::new(), proposer).unwrap();
    let ballot = ballot(cluster, 2, round, Choice::PrePrepare(built.block.hash()));
    let justification = Justification::default();
    let from = cluster.nodes[usize::from(ballot.voter)].keys.public();
    (from, VerifiedProposal { ballot, block: built.block, justification })
}

#[test]
fn of_the_proposals_of_the_next_height_one_of_a_round_is_kept_and_few_in_all() {
    let mut cluster = Cluster::new(4, |_| {});
    for round in [0, 0, 0, 1, 1, 2, 3, 4] {
        let (from, proposal) = proposal(&cluster, round);
        let mut false_one = proposal.clone();
        false_one.ballot.voter = (false_one.ballot.voter + 1) % 4;
        for proposal in [false_one, proposal] {
            let message = VerifiedMessage::Proposal(proposal);
            cluster.input(0, Input::Message { from, message });
        }
        assert!(size(&cluster, "held") <= HELD_PROPOSALS_MAX.min(round as usize + 1));
    }
    assert_eq!(size(&cluster, "held"), HELD_PROPOSALS_MAX);
    assert_eq!(size(&cluster, "held proposals"), HELD_PROPOSALS_MAX);
}
