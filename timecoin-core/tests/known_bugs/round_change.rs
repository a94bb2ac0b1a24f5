//! Changing rounds: when, to which, and with what in hand.

use std::time::Duration;

use timecoin_core::consensus::{Consensus, Step};
use timecoin_core::params::BlockProduction;
use timecoin_core::types::ballot::{Choice, Phase, PreparedBlock};
use timecoin_core::types::message::RoundChange;
use timecoin_core::{Epoch, Height, Round, Timestamp};

use crate::kit::{
    FIRST, TIMEOUT, advance, config, decide, forge, is, network, only, prepared_at, proposer,
    round_of, start, until, watch,
};

/// Besu #2095: the round timer ran from the start of the height, so a long block interval made
/// everybody change rounds before the block was due. Here the timer starts when it is due, and
/// where blocks come on demand only, never.
#[test]
fn k11_timer_before_the_block_is_due() {
    let mut slow = config(4, 11);
    slow.block_interval = Duration::from_secs(60);
    let mut sim = start(slow);
    let tap = watch(&mut sim);
    advance(&mut sim, Duration::from_millis(59_900));
    decide(&mut sim, &[0, 1, 2, 3], FIRST, Duration::from_secs(1));
    advance(&mut sim, Duration::from_secs(300));
    assert_eq!(sim.metrics().view_changes, 0);
    let is_round_change =
        |b: &timecoin_core::types::ballot::Ballot| b.choice.phase() == Phase::RoundChange;
    assert!(!tap.ballots().iter().any(|(_, ballot)| is_round_change(ballot)));

    let mut on_demand = config(4, 11);
    on_demand.edit_genesis = |genesis| genesis.params.block_production = BlockProduction::OnDemand;
    let mut sim = start(on_demand);
    let tap = watch(&mut sim);
    advance(&mut sim, Duration::from_secs(3_600));
    assert_eq!((sim.archive().height(), tap.ballots().len()), (Height::ZERO, 0));
    sim.produce_block().expect("nothing breaks");
    decide(&mut sim, &[0, 1, 2, 3], FIRST, TIMEOUT);
    assert_eq!(sim.metrics().view_changes, 0);
}

/// Besu #7642: after a long outage four nodes are in rounds 10, 6, 10 and 9, each waits for its
/// own long timeout, and they meet hours later. Here f+1 RoundChanges take a node along at once:
/// all are in one round and decide within two timeouts of round 0.
#[test]
fn k12_rounds_apart_after_an_outage() {
    let mut sim = network(4);
    only(&mut sim, |_, _, message| {
        crate::kit::first_height(message).is_none_or(|(phase, _)| phase != Phase::PrePrepare)
    });
    let is_in = |sim: &timecoin_core::sim::Simulation, nodes: &[usize], round: u32| {
        nodes.iter().all(|node| round_of(sim, *node) == Some(Round(round)))
    };
    let long = Duration::from_secs(300);
    until(&mut sim, "all are in round 6", long, |sim| is_in(sim, &[0, 1, 2, 3], 6));
    advance(&mut sim, Duration::from_secs(1));
    sim.crash(1).expect("nothing breaks");
    until(&mut sim, "three are in round 9", long, |sim| is_in(sim, &[0, 2, 3], 9));
    advance(&mut sim, Duration::from_secs(1));
    sim.crash(3).expect("nothing breaks");
    until(&mut sim, "two are in round 10", long, |sim| is_in(sim, &[0, 2], 10));
    advance(&mut sim, long);
    sim.crash(0).expect("nothing breaks");
    sim.crash(2).expect("nothing breaks");
    advance(&mut sim, long);
    sim.network().clear_filter();
    (0..4).for_each(|node| sim.restart(node).expect("nothing breaks"));
    let rounds: Vec<u32> = (0..4).filter_map(|node| round_of(&sim, node)).map(|r| r.0).collect();
    assert_eq!(rounds, [10, 6, 10, 9]);
    decide(&mut sim, &[0, 1, 2, 3], FIRST, 2 * TIMEOUT);
    let commit = sim.archive().block(FIRST).expect("decided");
    assert_eq!(commit.certificate.round, Round(10));
}

/// GoQuorum joined a higher round when exactly f+1 had: where more were stored before it looked,
/// it never did. And it took "prepared in round 0" for "never prepared". Here any number from f+1
/// on is enough, the lowest of their rounds is joined, and round 0 is a round like any other.
#[test]
fn k22_more_than_f_plus_one_round_changes_are_stored() {
    let sim = network(7);
    let set = sim.chain().first_set().clone();
    let own = Some(u16::from(6_u8));
    let mut consensus = Consensus::new(FIRST, Epoch::ZERO, set, own, TIMEOUT);
    let now = Timestamp(1_000_000);
    let change = |node, round| {
        let ballot = forge(&sim, node, round, Choice::RoundChange(None));
        RoundChange { ballot, certificate: None }
    };
    for (node, round) in [(0, 9), (1, 7), (2, 9)] {
        assert!(consensus.next_step(now).is_none());
        assert!(consensus.on_round_change(change(node, round)).is_none());
    }
    assert!(consensus.on_round_change(change(3, 8)).is_none());
    let step = consensus.next_step(now);
    assert!(matches!(step, Some(Step::ChangeRound(Round(7), None))), "{step:?}");
    assert!(consensus.on_round_change(change(4, 9)).is_none());
    let step = consensus.next_step(now);
    assert!(matches!(step, Some(Step::ChangeRound(Round(8), None))), "{step:?}");
}

/// The other half of K22, in a network: all are prepared in round 0, no Commit arrives.
#[test]
fn k22_prepared_in_round_zero_is_not_never_prepared() {
    let mut sim = network(4);
    let tap = only(&mut sim, |_, _, message| !is(message, Phase::Commit, 0));
    until(&mut sim, "all are prepared", Duration::from_secs(3), |sim| {
        (0..4).all(|node| prepared_at(sim, node).is_some())
    });
    let block = prepared_at(&sim, 0).expect("looked at above").block;
    let claim = PreparedBlock { round: Round::ZERO, block };
    decide(&mut sim, &[0, 1, 2, 3], FIRST, Duration::from_secs(10));
    for node in 0..4 {
        let claims = tap.choices(node, Phase::RoundChange, 1);
        assert_eq!(claims, [Choice::RoundChange(Some(claim))], "node {node}");
    }
    let again = tap.proposal(1).expect("round 1 decided");
    assert_eq!(again.justification.prepared.as_ref().map(|p| p.prepared()), Some(claim));
    assert_eq!(usize::from(again.ballot.voter), proposer(&sim, 1));
    assert_eq!(again.block.hash(), block);
}
