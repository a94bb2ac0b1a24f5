//! Prepared blocks: nothing forgets one, and nobody can make one up.

use std::time::Duration;

use timecoin_core::sim::strategy::Pass;
use timecoin_core::sim::{Fault, Link};
use timecoin_core::types::ballot::{Choice, Phase, PreparedBlock};
use timecoin_core::types::certificate::PreparedCertificate;
use timecoin_core::types::message::{Message, RoundChange};
use timecoin_core::{BlockHash, Epoch, Height, Round};

use crate::kit::{
    DELAY, FIRST, TIMEOUT, advance, block_at, config, decide, is, network, on_send, only,
    prepared_at, proposer, start, until,
};

/// IBFT unlocked a node whose insertion of the block failed after its Commit; it could then help
/// another block to be decided. Here the disk of the one node that decided is full at that very
/// moment. It stops, and when it returns it is bound to the block, proves it in its RoundChange,
/// and that block is decided.
#[test]
fn k04_failed_insert_after_commit() {
    let mut sim = network(4);
    let tap = only(&mut sim, |_, to, message| {
        let is_for_node_0 = !is(message, Phase::Commit, 0) || to == 0;
        is_for_node_0 && !(is(message, Phase::Prepare, 0) && to == 3)
    });
    until(&mut sim, "node 0 commits", Duration::from_secs(3), |sim| prepared_at(sim, 0).is_some());
    let bound = prepared_at(&sim, 0).expect("looked at above");
    sim.inject(Fault::DiskFull(0)).expect("nothing breaks");
    until(&mut sim, "node 0 can't write the block", Duration::from_secs(1), |sim| {
        sim.node(0).engine().is_none()
    });
    assert_eq!(sim.archive().height(), Height::ZERO);
    sim.inject(Fault::DiskRoom(0)).expect("nothing breaks");
    sim.crash(1).expect("nothing breaks");
    sim.restart(0).expect("nothing breaks");
    assert_eq!(prepared_at(&sim, 0), Some(bound));
    decide(&mut sim, &[0, 2, 3], FIRST, Duration::from_secs(20));
    assert_eq!(block_at(&sim, FIRST), bound.block);
    let claims = tap.choices(0, Phase::RoundChange, 1);
    assert_eq!(claims, [Choice::RoundChange(Some(bound))]);
}

/// Besu #7875: a block that another proposer's round prepared was refused when it was proposed
/// again two rounds later, since its header does not name the proposer of that round. Here it is
/// accepted, decided, and keeps its first proposer.
#[test]
fn k07_block_prepared_two_rounds_ago_is_proposed_again() {
    let mut sim = network(4);
    let tap = only(&mut sim, |_, _, message| {
        !is(message, Phase::Commit, 0) && !is(message, Phase::PrePrepare, 1)
    });
    let [first, third] = [proposer(&sim, 0), proposer(&sim, 2)];
    decide(&mut sim, &[0, 1, 2, 3], FIRST, Duration::from_secs(20));
    let again = tap.proposal(2).expect("round 2 decided");
    let commit = sim.archive().block(FIRST).expect("decided");
    assert_eq!(commit.certificate.round, Round(2));
    assert_eq!(commit.connected.block.header().proposer, sim.node(first).key());
    assert_eq!(again.ballot.voter, u16::try_from(third).expect("a small set"));
    assert_eq!(again.block.hash(), tap.proposal(0).expect("round 0 was tried").block.hash());
}

/// Besu #1807, Charon #540: two RoundChanges claim different blocks of one prepared round, one of
/// them without a certificate that holds; the proposer took the wrong one, or gave up. Here what
/// proves nothing is dropped before anything is chosen, and the block that is prepared is decided.
#[test]
fn k08_two_claims_of_one_round_one_without_certificate() {
    let mut sim = network(4);
    only(&mut sim, |_, to, message| {
        let is_kept = is(message, Phase::Prepare, 0) && to != 0 && to != 2;
        !is_kept && !is(message, Phase::Commit, 0)
    });
    let made_up = PreparedBlock { round: Round::ZERO, block: BlockHash::from_bytes([0xee; 32]) };
    on_send(&mut sim, 3, move |actor, message| {
        // Its Prepare is its own; with it comes what it claims of round 1, before anybody else.
        if is(message, Phase::Prepare, 0) {
            let choice = Choice::RoundChange(Some(made_up));
            let ballot = actor.ballot(Round(1), choice).expect("it is a masternode");
            let PreparedBlock { round, block } = made_up;
            let (epoch, height) = (Epoch::ZERO, FIRST);
            let empty = PreparedCertificate { epoch, height, round, block, seals: Vec::new() };
            for certificate in [None, Some(empty)] {
                actor.send_all(Message::RoundChange(RoundChange { ballot, certificate }));
            }
        }
        if matches!(message, Message::RoundChange(_)) { Pass::Stop } else { Pass::On }
    });
    until(&mut sim, "nodes 0 and 2 are prepared", Duration::from_secs(3), |sim| {
        prepared_at(sim, 0).is_some() && prepared_at(sim, 2).is_some()
    });
    let prepared = prepared_at(&sim, 0).expect("looked at above");
    decide(&mut sim, &[0, 1, 2], FIRST, Duration::from_secs(10));
    assert_eq!(block_at(&sim, FIRST), prepared.block);
    assert!(sim.metrics().refused >= 6, "{} refused", sim.metrics().refused);
}

/// Charon #504: of all RoundChanges one carried the prepared block, and it got lost or its block
/// was not to be had. Here one node of the quorum that is left holds the certificate, the next
/// proposer never saw the block, and every tenth message is lost; that block is decided.
#[test]
fn k09_one_round_change_carries_the_prepared_block() {
    for seed in 0..8 {
        let mut sim = start(config(4, seed));
        let (holder, next) = (3, proposer(&sim, 1));
        assert_eq!((proposer(&sim, 0), next), (1, 2));
        only(&mut sim, move |_, to, message| {
            let is_kept = is(message, Phase::PrePrepare, 0) && to == next
                || is(message, Phase::Prepare, 0) && to != holder;
            !is_kept && !is(message, Phase::Commit, 0)
        });
        until(&mut sim, "one node is prepared", Duration::from_secs(3), |sim| {
            prepared_at(sim, holder).is_some()
        });
        let prepared = prepared_at(&sim, holder).expect("looked at above");
        let others = [0, 1, next];
        assert!(others.iter().all(|node| prepared_at(&sim, *node).is_none()), "seed {seed}");
        sim.crash(0).expect("nothing breaks");
        let lossy = Link { loss_ppm: 100_000, ..Link::constant(DELAY) };
        sim.inject(Fault::Network(lossy)).expect("nothing breaks");
        decide(&mut sim, &[1, 2, 3], FIRST, Duration::from_secs(60));
        assert_eq!(block_at(&sim, FIRST), prepared.block, "seed {seed}");
    }
}

/// The naive view change "increment the round, clear the old votes" forks with no Byzantine node:
/// all Prepare, three Commit, one hears them and decides; the others time out, forget, and decide
/// another block. Here they carry the prepared block over and decide the same one.
#[test]
fn k26_one_node_decided_and_the_others_time_out() {
    let mut sim = network(4);
    let tap = only(&mut sim, |from, to, message| {
        let is_for_node_0 = !is(message, Phase::Commit, 0) || to == 0;
        let is_unprepared = is(message, Phase::Prepare, 0) && to == 3;
        // Node 0 falls silent once it has said Prepare and Commit.
        let is_silent = from == 0 && !is(message, Phase::Prepare, 0);
        is_for_node_0 && !is_unprepared && !is_silent
    });
    decide(&mut sim, &[0], FIRST, Duration::from_secs(3));
    advance(&mut sim, DELAY);
    assert!([1, 2, 3].iter().all(|node| sim.node(*node).height() == Height::ZERO));
    let decided = block_at(&sim, FIRST);
    decide(&mut sim, &[1, 2, 3], FIRST, 3 * TIMEOUT);
    let again = tap.proposal(1).expect("round 1 decided");
    assert_eq!(again.block.hash(), decided);
    assert!(tap.choices(3, Phase::RoundChange, 1) == [Choice::RoundChange(None)]);
    let rounds = [1, 2, 3].map(|node| {
        let tip = &sim.node(node).engine().expect("it runs").state().tip;
        (tip.hash, tip.certificate.as_ref().map(|certificate| certificate.round))
    });
    assert_eq!(rounds, [(decided, Some(Round(1))); 3]);
}
