//! Catching up: with whoever answers, and to wherever the others are.

use std::sync::Arc;
use std::time::Duration;

use timecoin_core::sim::strategy::{Actor, Pass, Strategy};
use timecoin_core::types::ballot::Choice;
use timecoin_core::types::message::{Decided, Message, Request};
use timecoin_core::{Amount, BlockHash, Height, Round};

use crate::kit::{FIRST, config, decide, network, only, round_of, start, until};

/// A masternode that says all the time that it is just ahead of one node, and answers that node's
/// questions with the tip, then with ever lower blocks, of which none is the one it lacks.
#[derive(Clone)]
struct GoesBack {
    late: usize,
    /// From the tip down.
    answers: Vec<Message>,
    n_asked: usize,
    asked_for: Height,
}

impl Strategy for GoesBack {
    fn name(&self) -> &'static str {
        "goes-back"
    }

    fn on_start(&mut self, actor: &mut Actor<'_>) {
        actor.wake_after(PESTER_EVERY);
    }

    fn on_wake(&mut self, actor: &mut Actor<'_>) {
        let choice = Choice::Prepare(BlockHash::from_bytes([0x19; 32]));
        let ahead = self.asked_for.next();
        let ballot = actor.ballot_at(actor.epoch(), ahead, Round::ZERO, choice);
        actor.send(&[self.late], Message::Ballot(ballot.expect("it is a masternode")));
        actor.wake_after(PESTER_EVERY);
    }

    fn on_receive(&mut self, actor: &mut Actor<'_>, from: usize, message: &Message) -> Pass {
        let Message::Request(Request::Decided(height)) = message else { return Pass::On };
        if from == self.late {
            self.asked_for = *height;
            actor.send(&[from], self.answers[self.n_asked % self.answers.len()].clone());
            self.n_asked += 1;
        }
        Pass::On
    }

    fn clone_box(&self) -> Box<dyn Strategy> {
        Box::new(self.clone())
    }
}

/// CometBFT CVE-2025-24371: a sync peer reports height X, then less; the node waits for it for
/// ever. Here such a masternode makes sure that the late node, which has no vote and hears of the
/// others now and then only, always has a reason to ask it. That gets it nowhere; so it turns to
/// the others, and is synced.
#[test]
fn k19_peer_reports_less_than_before() {
    let mut config = config(4, 19);
    config.observers = 1;
    config.late = vec![4];
    config.epoch_blocks = 1_000;
    let mut sim = start(config);
    let late = 4;
    decide(&mut sim, &[0, 1, 2, 3], Height(12), Duration::from_secs(30));
    let blocks: Vec<_> = sim.archive().blocks().cloned().collect();
    let useless = blocks.iter().skip(1).rev();
    let answers: Vec<Message> = useless
        .map(|commit| {
            let block = Arc::clone(commit.connected.block.block());
            Message::Decided(Decided { block, certificate: commit.certificate.clone() })
        })
        .collect();
    // What its store would answer it keeps to itself.
    let forged = answers.clone();
    only(&mut sim, move |from, to, message| {
        let is_answer = matches!(message, Message::Decided(_)) && (from, to) == (3, late);
        !is_answer || forged.contains(message)
    });
    let strategy = GoesBack { late, answers, n_asked: 0, asked_for: FIRST };
    sim.set_strategy(3, Box::new(strategy));
    sim.restart(late).expect("nothing breaks");
    decide(&mut sim, &[late], Height(12), Duration::from_secs(30));
    let goal = Height(sim.archive().height().0 + 3);
    decide(&mut sim, &[late], goal, Duration::from_secs(30));
}

/// snarkOS #2984: a node that synced past the round it was in stood still. Here a node is cut off
/// in round 1 of a height that the others decide, and comes back ten blocks later; then another
/// one leaves, so that nothing is decided without it, and the chain goes on.
#[test]
fn k23_node_synced_past_its_round() {
    let mut sim = network(4);
    decide(&mut sim, &[0, 1, 2, 3], Height(2), Duration::from_secs(10));
    sim.partition(&[&[0, 1, 2], &[3]]).expect("nothing breaks");
    until(&mut sim, "node 3 is in round 1", Duration::from_secs(20), |sim| {
        round_of(sim, 3).is_some_and(|round| round > Round::ZERO)
    });
    let goal = Height(sim.archive().height().0 + 10);
    decide(&mut sim, &[0, 1, 2], goal, Duration::from_secs(120));
    assert!(sim.node(3).height() < Height(5));
    sim.heal().expect("nothing breaks");
    let tip = sim.archive().height();
    decide(&mut sim, &[3], tip, Duration::from_secs(10));
    sim.crash(0).expect("nothing breaks");
    let payment = sim.pay_at(3, "alice", "bob", Amount::from_time(1)).expect("she has it");
    let goal = Height(sim.archive().height().0 + 6);
    decide(&mut sim, &[1, 2, 3], goal, Duration::from_secs(60));
    assert!(sim.confirmed_at(&payment).is_some());
}

/// Ten times in each delay.
const PESTER_EVERY: Duration = Duration::from_millis(5);
