//! Every check sees what it is there to see: each test plants a violation and names the check.

use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::engine::output::{BlockCommit, Violation};
use crate::ledger::block::{Connected, Proposer, build_block};
use crate::ledger::state::LedgerState;
use crate::sim::strategy::spoil::{KINDS, spoil};
use crate::sim::{Plan, Scenario, Simulation, SimulationConfig};
use crate::types::amount::Amount;
use crate::types::ballot::{Ballot, Choice, PreparedBlock, SignedBallot};
use crate::types::certificate::{CommitCertificate, Seal};
use crate::types::chain::{Height, Round, Timestamp};
use crate::types::evidence::Contradiction;
use crate::types::hash::BlockHash;
use crate::types::keys::Signature;
use crate::types::vote::{RejectReason, Vote, VoteBatch};

fn network(seed: u64) -> Simulation {
    Simulation::new(SimulationConfig::new(4, seed)).unwrap()
}

/// Four masternodes that have decided two blocks, the first with a payment.
fn played() -> Simulation {
    let mut sim = network(5);
    sim.pay("alice", "bob", Amount::from_time(3)).unwrap();
    assert!(sim.run_until(|sim| sim.height_min() >= Height(2), Duration::from_secs(10)).unwrap());
    sim
}

fn broken(result: Result<(), Broken>) -> &'static str {
    result.expect_err("a violation was planted").0
}

fn sign(sim: &Simulation, node: usize, round: u32, choice: Choice) -> SignedBallot {
    let set = sim.chain.first_set();
    let ballot = Ballot { epoch: Epoch::ZERO, height: Height(1), round: Round(round), choice };
    let voter = u16::try_from(node).unwrap();
    SignedBallot::sign(ballot, voter, sim.chain.id(), &set.hash(), &sim.nodes[node].keys)
}

/// A block at height 1 with the seals of three masternodes, decided later than the first.
fn another_first_block(sim: &Simulation) -> Arc<BlockCommit> {
    let state = LedgerState::genesis(&sim.chain);
    let now = Timestamp(state.tip.timestamp.0 + 7_777);
    let view = sim.archive.view(Height::ZERO);
    let proposer = Proposer { index: 1, now };
    commit_of(sim, build_block(&sim.chain, &state, &view, Vec::new(), proposer).unwrap())
}

fn commit_of(sim: &Simulation, connected: Connected) -> Arc<BlockCommit> {
    let block = connected.block.hash();
    let seal = |node| {
        let SignedBallot { voter, signature, .. } = sign(sim, node, 0, Choice::Commit(block));
        Seal { voter, signature }
    };
    let certificate = CommitCertificate {
        epoch: Epoch::ZERO,
        height: Height(1),
        round: Round::ZERO,
        block,
        seals: (0..3).map(seal).collect(),
    };
    let connected = connected.decide(certificate.clone());
    Arc::new(BlockCommit { connected, certificate })
}

fn first_block(sim: &Simulation) -> Arc<BlockCommit> {
    Arc::clone(sim.archive.block(Height(1)).unwrap())
}

#[test]
fn i1_two_blocks_at_one_height() {
    let sim = played();
    let (first, other) = (first_block(&sim), another_first_block(&sim));
    let mut checks = Checks::new(&sim.chain, 4);
    checks.on_block(0, &first, None).unwrap();
    checks.on_block(1, &first, Some(&first)).unwrap();
    assert_eq!(broken(checks.on_block(2, &other, Some(&first))), "I1 agreement");
    let (own, other) = (first.certificate.clone(), other.certificate.clone());
    let violation = Violation { own, other, signed_both: Vec::new() };
    let seen = Event::SafetyViolation(Box::new(violation));
    assert_eq!(broken(checks.on_event(&seen)), "I1 agreement");
}

#[test]
fn i2_every_kind_of_invalid_block() {
    let sim = played();
    let first = first_block(&sim);
    for kind in 0..KINDS {
        // The commitment is I5's; too far ahead is too far for a clock, which no ledger has.
        if kind == 4 || kind == 6 {
            continue;
        }
        let mut block = first.connected.block.block().as_ref().clone();
        let others: Vec<_> = block.transactions.iter().skip(1).cloned().collect();
        spoil(kind, &mut block, sim.chain.genesis().timestamp, &others);
        let verdict = ledger::SlowLedger::new(&sim.chain).apply(&sim.chain, &block);
        // Block 1 has no parent certificate to leave out.
        assert_eq!(verdict.is_ok(), kind == KINDS - 1, "kind {kind}: {verdict:?}");
    }
    let mut again = first.as_ref().clone();
    again.connected = sim.archive.block(Height(2)).unwrap().connected.clone();
    again.certificate = sim.archive.block(Height(2)).unwrap().certificate.clone();
    let mut checks = Checks::new(&sim.chain, 4);
    assert_eq!(broken(checks.on_block(0, &Arc::new(again), None)), "I2 validity");
}

#[test]
fn i3_certificates_that_prove_nothing() {
    let sim = played();
    let first = first_block(&sim);
    let edits: [fn(&mut CommitCertificate); 6] = [
        |certificate| certificate.seals.truncate(2),
        |certificate| certificate.seals[1] = certificate.seals[0],
        |certificate| certificate.seals.swap(0, 1),
        |certificate| certificate.seals[0].signature = Signature::from_bytes([9; 64]),
        |certificate| certificate.round = Round(1),
        |certificate| certificate.block = BlockHash::from_bytes([9; 32]),
    ];
    for edit in edits {
        let mut forged = first.as_ref().clone();
        edit(&mut forged.certificate);
        let mut checks = Checks::new(&sim.chain, 4);
        assert_eq!(broken(checks.on_block(0, &Arc::new(forged), None)), "I3 certificates");
    }
}

#[test]
fn i4_two_final_payments_of_one_coin() {
    let mut sim = network(5);
    let pair = sim.conflicting_payments("mallory", Amount::from_time(1), 2).unwrap();
    let txids = [pair[0].txid(), pair[1].txid()];
    let mut checks = Checks::new(&sim.chain, 4);
    pair.iter().for_each(|payment| checks.known.learn(payment));
    let mut commit = |node: usize, txid: Txid| {
        let message = votes(&sim, node, vec![Vote::Commit(txid)]);
        let Message::Votes(batch) = &message else { return Ok(()) };
        checks.finality.on_votes(batch, &checks.known, &checks.chain_params)
    };
    for (txid, voters) in [(txids[0], [0, 1, 2]), (txids[1], [1, 2, 3])] {
        commit(voters[0], txid).unwrap();
        commit(voters[1], txid).unwrap();
        let third = commit(voters[2], txid);
        if txid == txids[0] {
            third.unwrap();
        } else {
            assert_eq!(broken(third), "I4 conflicting finality");
        }
    }
}

fn votes(sim: &Simulation, node: usize, votes: Vec<Vote>) -> Message {
    let (id, set) = (sim.chain.id(), sim.chain.first_set().hash());
    let voter = u16::try_from(node).unwrap();
    Message::Votes(VoteBatch::sign(id, Epoch::ZERO, set, voter, votes, &sim.nodes[node].keys))
}

#[test]
fn i5_money_from_nowhere() {
    let sim = played();
    let first = first_block(&sim);
    let mut richer = first.as_ref().clone();
    richer.connected.state.issued = Amount::from_time(1);
    let mut checks = Checks::new(&sim.chain, 4);
    assert_eq!(broken(checks.on_block(0, &Arc::new(richer.clone()), None)), "I5 conservation");
    let mut checks = Checks::new(&sim.chain, 4);
    checks.on_block(0, &first, None).unwrap();
    assert_eq!(broken(checks.on_block(1, &Arc::new(richer), Some(&first))), "I5 state");
}

#[test]
fn i5_a_commitment_to_other_outputs() {
    let sim = played();
    let first = first_block(&sim);
    let mut block = first.connected.block.block().as_ref().clone();
    spoil(4, &mut block, sim.chain.genesis().timestamp, &[]);
    let mut state = first.connected.state.clone();
    state.tip.hash = block.hash();
    let mut slow = ledger::SlowLedger::new(&sim.chain);
    slow.apply(&sim.chain, &block).unwrap();
    assert_eq!(slow.compare(&block, &state), Err("commitment differs".to_owned()));
}

#[test]
fn i6_two_blocks_in_one_round() {
    let sim = network(5);
    for phase in [Choice::PrePrepare, Choice::Prepare, Choice::Commit] {
        let mut checks = Checks::new(&sim.chain, 4);
        let mut say = |byte| {
            let ballot = sign(&sim, 2, 3, phase(BlockHash::from_bytes([byte; 32])));
            checks.on_send(2, &Message::Ballot(ballot), |_| true)
        };
        say(1).unwrap();
        say(1).unwrap();
        assert_eq!(broken(say(2)), "I6 contradiction");
    }
}

#[test]
fn i6_a_vote_in_a_round_that_was_given_up() {
    let sim = network(5);
    let block = BlockHash::from_bytes([1; 32]);
    let record = |round, choice| {
        let ballot = sign(&sim, 2, round, choice);
        Record::Ballot { ballot, block: None, prepared: None }
    };
    let claim = PreparedBlock { round: Round::ZERO, block };
    let given_up = record(2, Choice::RoundChange(Some(claim)));
    for vote in [Choice::Prepare(block), Choice::Commit(block)] {
        let mut checks = Checks::new(&sim.chain, 4);
        checks.on_record(2, &record(1, vote), false).unwrap();
        checks.on_record(2, &given_up, false).unwrap();
        checks.on_record(2, &record(2, vote), false).unwrap();
        assert_eq!(broken(checks.on_record(2, &record(1, vote), false)), "I6 round given up");
    }
}

#[test]
fn i6_approve_and_reject_of_one_payment() {
    let sim = network(5);
    let txid = Txid::from_bytes([1; 32]);
    let mut checks = Checks::new(&sim.chain, 4);
    let approve = votes(&sim, 1, vec![Vote::Approve(txid)]);
    let reject = votes(&sim, 1, vec![Vote::Reject(txid, RejectReason::ConflictsWithApproved)]);
    checks.on_send(1, &approve, |_| true).unwrap();
    assert_eq!(broken(checks.on_send(1, &reject, |_| true)), "I6 contradiction");
}

#[test]
fn i6_two_live_votes_on_one_coin() {
    let mut sim = network(5);
    let pair = sim.conflicting_payments("mallory", Amount::from_time(1), 2).unwrap();
    for vote in [Vote::Approve, Vote::Commit] {
        let mut checks = Checks::new(&sim.chain, 4);
        pair.iter().for_each(|payment| checks.known.learn(payment));
        checks.on_send(1, &votes(&sim, 1, vec![vote(pair[0].txid())]), |_| true).unwrap();
        let second = votes(&sim, 1, vec![vote(pair[1].txid())]);
        assert_eq!(broken(checks.on_send(1, &second, |_| true)), "I6 two live votes");
    }
    let mut checks = Checks::new(&sim.chain, 4);
    let refused = Event::SignatureRefused { what: "anything".to_owned() };
    assert_eq!(broken(checks.on_event(&refused)), "I6 sign guard");
}

#[test]
fn i7_final_and_in_no_block_of_the_epoch() {
    let mut config = SimulationConfig::new(4, 5);
    config.epoch_blocks = 1;
    let mut sim = Simulation::new(config).unwrap();
    sim.run_until(|sim| sim.archive.height() >= Height(1), Duration::from_secs(10)).unwrap();
    let first = first_block(&sim);
    let mut checks = Checks::new(&sim.chain, 4);
    let payment = votes(&sim, 0, vec![Vote::Commit(Txid::from_bytes([1; 32]))]);
    for node in 0..3 {
        let Message::Votes(batch) = &payment else { panic!("made above") };
        let mut batch = batch.clone();
        batch.voter = node;
        checks.finality.on_votes(&batch, &checks.known, &checks.chain_params).unwrap();
    }
    assert_eq!(broken(checks.on_block(0, &first, None)), "I7 final in its epoch");
}

#[test]
fn i8_a_table_above_its_bound() {
    let sim = played();
    let mut sizes = sim.nodes[0].engine().unwrap().table_sizes();
    sim.checks.on_sizes(0, &sizes).unwrap();
    for index in 0..sizes.len() {
        let within = sizes[index];
        sizes[index].len = within.len_max + 1;
        assert_eq!(broken(sim.checks.on_sizes(0, &sizes)), "I8 bounds", "{}", within.name);
        sizes[index] = within;
    }
}

/// A scenario without faults on four masternodes.
fn calm() -> Scenario {
    let mut scenario = Scenario::liveness(4);
    scenario.config.masternodes = 4;
    scenario.config.observers = 0;
    scenario.config.late = Vec::new();
    scenario.config.plan = Plan::default();
    scenario.config.link = crate::sim::Link::constant(Duration::from_millis(30));
    scenario
}

fn fails(scenario: &Scenario, spoil: impl Fn(&mut Simulation)) -> Option<&'static str> {
    let mut sim = Simulation::new(scenario.config.clone()).unwrap();
    spoil(&mut sim);
    scenario.play(&mut sim).err().map(|failure| failure.check)
}

#[test]
fn i9_a_healed_network_that_stands_still() {
    assert_eq!(fails(&calm(), |_| {}), None);
    // Payments become final, and no block is ever proposed.
    let no_proposals = |sim: &mut Simulation| {
        sim.network().set_filter(|_, _, message| !matches!(message, Message::Proposal(_)));
    };
    assert_eq!(fails(&calm(), no_proposals), Some("I9 liveness"));
}

#[test]
fn i10_evidence_against_an_honest_masternode() {
    let mut sim = network(5);
    let ballots =
        [1, 2].map(|byte| sign(&sim, 3, 0, Choice::Prepare(BlockHash::from_bytes([byte; 32]))));
    let evidence = Evidence {
        offender: sim.nodes[3].key(),
        set_hash: sim.chain.first_set().hash(),
        contradiction: Contradiction::Ballots(ballots[0], ballots[1]),
    };
    evidence.verify(sim.chain.id(), sim.chain.first_set()).unwrap();
    let found = Event::EvidenceFound(Box::new(evidence));
    assert_eq!(broken(sim.checks.on_event(&found)), "I10 evidence");
    sim.set_byzantine(3, "withhold").unwrap();
    sim.checks.on_event(&found).unwrap();
}

#[test]
fn i11_another_event_is_another_digest() {
    let digest = |spoil: fn(&mut Simulation)| {
        let mut sim = network(5);
        spoil(&mut sim);
        sim.advance(Duration::from_secs(3)).unwrap();
        sim.digest()
    };
    assert_eq!(digest(|_| {}), digest(|_| {}));
    let delayed = |sim: &mut Simulation| {
        sim.network.set_slow(2, Duration::from_micros(1));
    };
    assert_ne!(digest(|_| {}), digest(delayed));
}

#[test]
fn i12_a_contested_coin_that_a_block_leaves() {
    // Masternodes that hear of payments by nothing but blocks leave the contested coin alone.
    let deaf = |sim: &mut Simulation| {
        sim.network().set_filter(|_, _, message| {
            use Message::{DoubleSpend, Transaction, Votes};
            !matches!(message, Transaction(_) | DoubleSpend(_) | Votes(_))
        });
    };
    let settle = |sim: &mut Simulation| {
        let contested = sim.contest("mallory", [0, 3]).expect("she has a coin");
        sim.expect_settled(&contested, &[0, 1, 2, 3], Duration::from_secs(60))
    };
    let mut config = calm().config;
    settle(&mut Simulation::new(config.clone()).unwrap()).unwrap();
    config.edit_genesis = |genesis| genesis.params.contest_grace_ms = 3_600_000;
    let mut sim = Simulation::new(config).unwrap();
    deaf(&mut sim);
    assert_eq!(settle(&mut sim).unwrap_err().check, "I12 contested outpoints");
}

#[test]
fn i13_a_vote_on_the_wire_that_is_on_no_disk() {
    let sim = network(5);
    let mut checks = Checks::new(&sim.chain, 4);
    let ballot = Message::Ballot(sign(&sim, 1, 0, Choice::Prepare(BlockHash::from_bytes([1; 32]))));
    let vote = votes(&sim, 1, vec![Vote::Approve(Txid::from_bytes([1; 32]))]);
    for message in [ballot, vote] {
        assert_eq!(broken(checks.on_send(1, &message, |_| false)), "I13 disk before wire");
    }
}

#[test]
fn i13_a_promise_that_a_restart_forgets() {
    let mut config = SimulationConfig::new(4, 5);
    config.block_interval = Duration::from_secs(600);
    let mut sim = Simulation::new(config).unwrap();
    let payment = sim.pay("alice", "bob", Amount::from_time(3)).unwrap();
    sim.advance(Duration::from_secs(1)).unwrap();
    assert!(sim.is_final_everywhere(&payment));
    sim.crash(2).unwrap();
    sim.restart(2).unwrap();
    sim.crash(2).unwrap();
    sim.nodes[2].disk.forget_votes();
    let failure = sim.restart(2).unwrap_err();
    assert_eq!(failure.check, "I13 promises after a restart");
}

#[test]
fn i13_a_round_that_a_restart_forgets() {
    let mut sim = network(5);
    sim.network().set_filter(|_, _, message| !matches!(message, Message::Proposal(_)));
    let has_changed =
        |sim: &Simulation| sim.nodes[2].engine().unwrap().consensus().round() >= Round(2);
    assert!(sim.run_until(has_changed, Duration::from_secs(60)).unwrap());
    sim.crash(2).unwrap();
    sim.nodes[2].disk.forget_votes();
    let failure = sim.restart(2).unwrap_err();
    assert_eq!(failure.check, "I13 promises after a restart");
}
