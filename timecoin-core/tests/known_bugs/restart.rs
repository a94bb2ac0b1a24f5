//! Crashes, and what comes back: with everything, with less, with nothing.

use std::time::Duration;

use timecoin_core::engine::input::{Input, VerifiedMessage};
use timecoin_core::engine::output::{Event, Output};
use timecoin_core::ledger::block::verify_block;
use timecoin_core::sim::strategy::Pass;
use timecoin_core::sim::{CrashPoint, Fault, Simulation, Workload};
use timecoin_core::types::ballot::{Choice, Phase};
use timecoin_core::types::message::Message;
use timecoin_core::{Amount, Height, Round};

use crate::kit::{
    DELAY, FIRST, TIMEOUT, advance, block_at, config, decide, first_height, is, is_running,
    network, on_receive, on_send, only, prepared_at, proposer, split_proposal, start, until, watch,
};

/// Besu #8307: two of four masternodes came back with empty disks, voted as if they never had, and
/// the chain forked. Here they observe: they sync what is decided and sign nothing. With four the
/// chain waits for its epoch, since two are no quorum; nothing is contradicted.
#[test]
fn k13_two_of_four_return_with_wiped_disks() {
    let mut sim = network(4);
    sim.pay("alice", "bob", Amount::from_time(1)).expect("she has it");
    decide(&mut sim, &[0, 1, 2, 3], Height(6), Duration::from_secs(20));
    wipe(&mut sim, &[2, 3]);
    let tap = watch(&mut sim);
    let tip = sim.archive().height();
    decide(&mut sim, &[2, 3], tip, Duration::from_secs(10));
    advance(&mut sim, Duration::from_secs(30));
    for node in [2, 3] {
        assert!(sim.node(node).engine().expect("it runs").own_index().is_none());
        assert_says_nothing(&tap, node);
    }
    assert!(sim.archive().height() <= tip.next());
}

/// The same with two of seven, which the protocol bears: the others go on, and when an epoch has
/// begun that began after their return, the two vote again.
#[test]
fn k13_two_of_seven_return_with_wiped_disks() {
    let mut sim = network(7);
    decide(&mut sim, &[0, 1, 2, 3, 4, 5, 6], Height(6), Duration::from_secs(20));
    wipe(&mut sim, &[2, 3]);
    let tap = watch(&mut sim);
    decide(&mut sim, &[2, 3], Height(15), Duration::from_secs(60));
    [2, 3].iter().for_each(|node| assert_says_nothing(&tap, *node));
    until(&mut sim, "both vote again", Duration::from_secs(180), |sim| {
        let voter = |node: usize| sim.node(node).engine().and_then(|engine| engine.own_index());
        voter(2).is_some() && voter(3).is_some()
    });
    // Five are a quorum; with two of them gone the returned ones must vote.
    sim.crash(0).expect("nothing breaks");
    sim.crash(1).expect("nothing breaks");
    let goal = Height(sim.archive().height().0 + 5);
    decide(&mut sim, &[2, 3, 4, 5, 6], goal, Duration::from_secs(120));
}

fn wipe(sim: &mut Simulation, nodes: &[usize]) {
    for &node in nodes {
        sim.crash(node).expect("nothing breaks");
        sim.inject(Fault::WipeDisk(node)).expect("nothing breaks");
    }
    nodes.iter().for_each(|node| sim.restart(*node).expect("nothing breaks"));
}

fn assert_says_nothing(tap: &crate::kit::Tap, node: usize) {
    let all = tap.all();
    let said = all.iter().find(|sent| {
        let is_signed = crate::kit::ballot_in(&sent.message).is_some()
            || matches!(sent.message, Message::Votes(_) | Message::CertInventory(_));
        sent.from == node && is_signed
    });
    assert!(said.is_none(), "node {node} signed {:?}", said.map(|sent| &sent.message));
}

/// Tendermint's amnesia attack: a node forgets that it is bound and helps another block. One of
/// four may forget whatever it said, at any moment of a height, and nothing is contradicted.
#[test]
fn k15_one_of_four_forgets() {
    for step in 0..40 {
        let mut sim = start(config(4, step));
        let pair = sim.conflicting_payments("mallory", Amount::from_time(1), 2).expect("a coin");
        for (node, payment) in [0, 2].into_iter().zip(pair) {
            sim.submit(node, payment).expect("it is valid");
        }
        only(&mut sim, |from, to, message| {
            // Round 0 gets as far as Prepare, and one node as far as Commit.
            !(is(message, Phase::Commit, 0) && to != 0 || from == 0 && to == 2)
        });
        advance(&mut sim, Duration::from_millis(900 + 20 * step));
        sim.inject(Fault::Forget(3)).expect("nothing breaks");
        advance(&mut sim, Duration::from_millis(700));
        sim.inject(Fault::Forget(3)).expect("nothing breaks");
        advance(&mut sim, Duration::from_secs(4));
        sim.network().clear_filter();
        decide(&mut sim, &[0, 1, 2], Height(3), Duration::from_secs(60));
    }
}

/// The same with two of four, more than the protocol bears: the block that node 0 decided is
/// forgotten by two of those who made it so, and they make another one so for node 3. That can't
/// be prevented. But the evidence names the two and nobody else; and a node that is shown both
/// certificates stops, names who signed both, and confirms nothing more.
#[test]
fn k15_two_of_four_forget() {
    let mut sim = network(4);
    only(&mut sim, |from, to, message| {
        let is_for_others = match first_height(message) {
            Some((Phase::PrePrepare, 0)) => to != 3,
            Some((Phase::Commit, 0)) => to == 0,
            Some(_) => true,
            None => !matches!(message, Message::Decided(_)),
        };
        is_for_others && (from != 0 || is(message, Phase::Prepare, 0))
    });
    decide(&mut sim, &[0], FIRST, Duration::from_secs(3));
    let first = block_at(&sim, FIRST);
    let tap = only(&mut sim, |from, to, _| from != 0 && to != 0);
    for node in [1, 2] {
        sim.inject(Fault::Forget(node)).expect("nothing breaks");
    }
    let failure = sim.advance(Duration::from_secs(10)).expect_err("node 3 decides another block");
    assert_eq!(failure.check, "I1 agreement", "{failure}");
    let forgetful = [sim.node(1).key(), sim.node(2).key()];
    let found: Vec<_> = sim.metrics().offenders.iter().copied().collect();
    assert_eq!(found, forgetful);

    let other = tap.proposal(0).expect("node 1 proposed again").block;
    assert_ne!(other.hash(), first);
    let tip = sim.node(3).engine().expect("it runs").state().tip.clone();
    assert_eq!((tip.height, tip.hash), (FIRST, other.hash()));
    let block = verify_block(other, sim.chain(), &|_| None).expect("it is valid");
    let certificate = tip.certificate.expect("it is decided");
    let mut engine = sim.node(0).engine().expect("it runs").clone();
    while engine.poll_output().is_some() {}
    let now = sim.node(0).clock().now(sim.time());
    let view = sim.archive().view(FIRST);
    let message = VerifiedMessage::Decided(block, certificate);
    let input = Input::Message { from: sim.node(3).key(), message };
    engine.handle_input(input, now, &view).expect("it goes on to answer");
    let named = std::iter::from_fn(|| engine.poll_output()).find_map(|output| match output {
        Output::Notify(Event::SafetyViolation(violation)) => Some(violation.signed_both),
        _ => None,
    });
    assert_eq!(named.as_deref(), Some(&forgetful[..]));
    engine.handle_timeout(now.after(Duration::from_secs(600)), &view).expect("it goes on");
    assert!(engine.poll_output().is_none() && engine.poll_timeout().is_none());
}

/// Malachite #850: a node that restarts between two proposals of an equivocating proposer votes
/// for both. Here it remembers the first from its disk, signs nothing else in that round, and the
/// others decide in the next.
#[test]
fn k16_restart_under_an_equivocating_proposer() {
    for crash_after in [1_040, 1_055, 1_070, 1_120] {
        let mut sim = network(4);
        assert_eq!(proposer(&sim, 0), 1);
        split_proposal(&mut sim, 1, &[&[0, 2], &[3]]);
        let tap = watch(&mut sim);
        advance(&mut sim, Duration::from_millis(crash_after));
        sim.crash(0).expect("nothing breaks");
        sim.restart(0).expect("nothing breaks");
        // The proposer shows it the other block now.
        let other = tap
            .all()
            .into_iter()
            .find(|sent| sent.to == 3 && is(&sent.message, Phase::PrePrepare, 0));
        let other = other.expect("node 3 was shown one").message;
        on_receive(&mut sim, 1, move |actor, from, _| {
            if from == 0 {
                actor.send(&[0], other.clone());
            }
            Pass::On
        });
        decide(&mut sim, &[0, 2, 3], Height(2), Duration::from_secs(30));
        assert!(tap.choices(0, Phase::Prepare, 0).len() <= 1);
        tap.assert_no_contradiction(&[0, 2, 3]);
    }
}

/// Malachite #364: one node is bound to a block that nobody else knows to be prepared, a hidden
/// lock, and one more is Byzantine and silent; what the others propose it refuses, what it wants
/// they don't have. Here its RoundChange carries the proof, also after a restart, and its block is
/// decided although it isn't the next proposer.
#[test]
fn k16_hidden_lock() {
    let mut sim = network(4);
    let holder = 0;
    only(&mut sim, move |_, to, message| {
        let is_hidden = is(message, Phase::Prepare, 0) && to != holder;
        !is_hidden && !is(message, Phase::Commit, 0)
    });
    on_send(
        &mut sim,
        3,
        |_, message| {
            if is(message, Phase::Prepare, 0) { Pass::On } else { Pass::Stop }
        },
    );
    until(&mut sim, "node 0 is bound", Duration::from_secs(3), |sim| {
        prepared_at(sim, holder).is_some()
    });
    let lock = prepared_at(&sim, holder).expect("looked at above");
    sim.crash(holder).expect("nothing breaks");
    sim.restart(holder).expect("nothing breaks");
    assert_eq!(prepared_at(&sim, holder), Some(lock));
    assert!([1, 2].iter().all(|node| prepared_at(&sim, *node).is_none()));
    assert_ne!(proposer(&sim, 1), holder);
    decide(&mut sim, &[0, 1, 2], FIRST, 4 * TIMEOUT);
    assert_eq!(block_at(&sim, FIRST), lock.block);
}

/// Jepsen on Tendermint: a log cut short, a crash, a clock that jumps and a change of membership
/// at once lost what was acknowledged. Here all of it happens around an epoch's end, thirty times;
/// the simulation checks every promise after every event, and afterwards everything goes on.
#[test]
fn k17_cut_log_crash_clock_and_membership_together() {
    for seed in 0..30 {
        let mut config = config(5, seed);
        config.observers = 1;
        config.epoch_blocks = 4;
        config.workload = Workload::mixed(3);
        config.workload.end = Some(Duration::from_secs(12));
        let mut sim = start(config);
        let registration = sim.registration("carol", 5).expect("she has the collateral");
        let deregistration = sim.deregistration("dave", 4).expect("he has a coin");
        sim.submit(0, registration).expect("it is valid");
        advance(&mut sim, Duration::from_millis(2_000 + 37 * seed));
        sim.submit(1, deregistration).expect("it is valid");
        let nth = u32::try_from(seed % 5).expect("small") + 1;
        sim.crash_at_flush(0, nth, CrashPoint::DuringFlush).expect("nothing breaks");
        sim.inject(Fault::ClockJump(1, 9_000 - 600 * i64::try_from(seed).expect("small")))
            .expect("nothing breaks");
        sim.inject(Fault::ClockDrift(2, 20_000)).expect("nothing breaks");
        advance(&mut sim, Duration::from_millis(900));
        sim.crash(3).expect("nothing breaks");
        sim.inject(Fault::FlipBits(3)).expect("nothing breaks");
        sim.restart(0).expect("nothing breaks");
        sim.restart(3).expect("nothing breaks");
        advance(&mut sim, Duration::from_secs(20));
        let goal = Height(sim.archive().height().0 + 8);
        decide(&mut sim, &[0, 1, 2, 3, 5], goal, Duration::from_secs(120));
        let set =
            sim.archive().blocks().next_back().expect("many").connected.state.masternodes.clone();
        assert!(set.index_of(&sim.node(5).key()).is_some(), "seed {seed}");
        assert!(set.index_of(&sim.node(4).key()).is_none(), "seed {seed}");
        let payment = sim.pay("alice", "bob", Amount::from_units(1_000_000)).expect("she has it");
        until(&mut sim, "a payment is confirmed", Duration::from_secs(30), |sim| {
            sim.confirmed_at(&payment).is_some()
        });
    }
}

/// Telcoin #391: a node sent its digest, crashed before it was written, and sent another one when
/// it came back. Here a proposer crashes before, in and after each of its first flushes, returns,
/// and nobody ever hears a second digest for one phase, height and round from it.
#[test]
fn k18_crash_between_send_and_write() {
    for point in [CrashPoint::BeforeFlush, CrashPoint::DuringFlush, CrashPoint::AfterFlush] {
        for nth in 1..=10 {
            let mut config = config(4, u64::from(nth));
            config.flush_latency = Duration::from_millis(8);
            config.workload = Workload::good(2);
            let mut sim = start(config);
            let tap = watch(&mut sim);
            sim.crash_at_flush(1, nth, point).expect("nothing breaks");
            until(&mut sim, "node 1 crashes", Duration::from_secs(20), |sim| !is_running(sim, 1));
            advance(&mut sim, DELAY / 2);
            sim.restart(1).expect("nothing breaks");
            let goal = Height(sim.archive().height().0 + 3);
            decide(&mut sim, &[0, 1, 2, 3], goal, Duration::from_secs(30));
            tap.assert_no_contradiction(&[0, 1, 2, 3]);
        }
    }
}

/// Telcoin #934, #963: a node was started from an older backup of its disk and signed again what
/// it had signed. Here it asks before it signs; the others show it a block that it helped to
/// decide and does not know, so it observes, says nothing that contradicts what it said, and votes
/// again when an epoch has begun that it can't have been in.
#[test]
fn k18_older_backup_is_restored() {
    for behind in [0, 1, 2, 3, 5] {
        let mut sim = network(4);
        let tap = watch(&mut sim);
        if behind > 0 {
            decide(&mut sim, &[0, 1, 2, 3], Height(behind), Duration::from_secs(20));
        }
        let backup = sim.node(2).disk().clone();
        decide(&mut sim, &[0, 1, 2, 3], Height(8), Duration::from_secs(20));
        sim.crash(2).expect("nothing breaks");
        sim.restore_backup(2, backup);
        sim.restart(2).expect("nothing breaks");
        decide(&mut sim, &[0, 1, 2, 3], Height(10), Duration::from_secs(20));
        tap.assert_no_contradiction(&[0, 1, 2, 3]);
        assert!(sim.node(2).engine().expect("it runs").own_index().is_none(), "{behind}");
        // A second restart does not make it forget that it forgot.
        sim.crash(2).expect("nothing breaks");
        sim.restart(2).expect("nothing breaks");
        advance(&mut sim, Duration::from_secs(4));
        assert!(sim.node(2).engine().expect("it runs").own_index().is_none(), "{behind}");
        until(&mut sim, "it votes again", Duration::from_secs(120), |sim| {
            sim.node(2).engine().is_some_and(|engine| engine.own_index().is_some())
        });
        tap.assert_no_contradiction(&[0, 1, 2, 3]);
        let is_heard = |ballot: &timecoin_core::types::ballot::Ballot| {
            ballot.round == Round::ZERO && matches!(ballot.choice, Choice::Prepare(_))
        };
        advance(&mut sim, Duration::from_secs(3));
        assert!(tap.ballots().iter().rev().take(60).any(|(n, b)| *n == 2 && is_heard(b)));
    }
}

/// The same at many moments of a height and of a payment: of what it signed and has no more, the
/// last round's ballots may be all.
#[test]
fn k18_older_backup_of_any_moment_is_restored() {
    for seed in 0..80 {
        let mut config = config(4, seed);
        config.workload = Workload::good(4);
        let mut sim = start(config);
        let tap = watch(&mut sim);
        let node = (seed % 4) as usize;
        advance(&mut sim, Duration::from_millis(3_000 + 613 * seed % 7_000));
        let backup = sim.node(node).disk().clone();
        advance(&mut sim, Duration::from_millis(37 * seed % 2_900));
        sim.crash(node).expect("nothing breaks");
        advance(&mut sim, Duration::from_millis(911 * seed % 5_000));
        sim.restore_backup(node, backup);
        sim.restart(node).expect("nothing breaks");
        advance(&mut sim, Duration::from_secs(10));
        tap.assert_no_contradiction(&[0, 1, 2, 3]);
    }
}
