//! Each strategy does what its name says, as those see it who receive its messages.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::spoil::{KINDS, spoil};
use crate::ledger::block::{Proposer, build_block, check_block, check_clock, verify_block};
use crate::sim::{Fault, Simulation, SimulationConfig, Workload};
use crate::types::amount::Amount;
use crate::types::ballot::{Ballot, Choice, Phase, SignedBallot};
use crate::types::chain::{Epoch, Height, Round};
use crate::types::hash::Txid;
use crate::types::message::Message;
use crate::types::vote::VoteKind;

/// The masternode that misbehaves; it proposes at height 1.
const LIAR: usize = 1;

/// What the liar put onto links, and to whom.
type Sent = Vec<(usize, Message)>;

/// A network in which the liar follows a strategy from the start.
struct Stage {
    sim: Simulation,
    sent: Arc<Mutex<Vec<(usize, usize, Message)>>>,
}

impl Stage {
    fn new(name: &str) -> Self {
        let mut config = SimulationConfig::new(4, 9);
        config.workload = Workload { conflicting_permille: 300, ..Workload::good(4) };
        config.epoch_blocks = 6;
        let mut sim = Simulation::new(config).unwrap();
        let sent = Arc::new(Mutex::new(Vec::new()));
        let tap = Arc::clone(&sent);
        sim.network().set_filter(move |from, to, message| {
            tap.lock().unwrap().push((from, to, message.clone()));
            true
        });
        sim.set_byzantine(LIAR, name).unwrap();
        Stage { sim, sent }
    }

    /// Lets time pass, and gives what the liar sent in it.
    fn play(&mut self, time: Duration) -> Sent {
        self.sent.lock().unwrap().clear();
        self.sim.advance(time).unwrap();
        let sent = self.sent.lock().unwrap();
        let from_liar = sent.iter().filter(|(from, ..)| *from == LIAR || *from == 4);
        from_liar.map(|(_, to, message)| (*to, message.clone())).collect()
    }
}

fn played(name: &str) -> (Stage, Sent) {
    let mut stage = Stage::new(name);
    let sent = stage.play(Duration::from_secs(30));
    (stage, sent)
}

fn ballots(sent: &Sent) -> impl Iterator<Item = &SignedBallot> {
    sent.iter().filter_map(|(_, message)| match message {
        Message::Ballot(signed) => Some(signed),
        Message::Proposal(proposal) => Some(&proposal.ballot),
        Message::RoundChange(change) => Some(&change.ballot),
        _ => None,
    })
}

/// How many rounds there are in which it said two things of this kind.
fn n_contradicted(sent: &Sent, phase: Phase) -> usize {
    let mut said: BTreeMap<(Height, Round), BTreeSet<Choice>> = BTreeMap::new();
    for SignedBallot { ballot: Ballot { height, round, choice, .. }, .. } in ballots(sent) {
        if choice.phase() == phase {
            said.entry((*height, *round)).or_default().insert(*choice);
        }
    }
    said.values().filter(|choices| choices.len() > 1).count()
}

/// Everything that it said about transactions: epoch, id, kind.
fn votes(sent: &Sent) -> BTreeSet<(Epoch, Txid, u8)> {
    let batches = sent.iter().filter_map(|(_, message)| match message {
        Message::Votes(batch) => Some(batch),
        _ => None,
    });
    let kind = |kind| match kind {
        VoteKind::Approve => 0,
        VoteKind::Commit => 1,
        VoteKind::Reject => 2,
    };
    batches.flat_map(|b| b.votes.iter().map(move |v| (b.epoch, v.txid(), kind(v.kind())))).collect()
}

#[test]
fn equivocate_proposal_names_two_blocks_in_a_round() {
    let (stage, sent) = played("equivocate-proposal");
    assert!(n_contradicted(&sent, Phase::PrePrepare) > 0);
    assert_eq!(n_contradicted(&sent, Phase::Prepare), 0);
    assert!(stage.sim.height_min() > Height(5));
}

#[test]
fn equivocate_ballots_says_prepare_and_commit_for_two_blocks() {
    let (stage, sent) = played("equivocate-ballots");
    assert!(n_contradicted(&sent, Phase::Prepare) > 0);
    assert!(n_contradicted(&sent, Phase::Commit) > 0);
    assert!(stage.sim.metrics().offenders.contains(&stage.sim.node(LIAR).key()));
}

#[test]
fn equivocate_votes_approves_and_rejects_one_payment() {
    let (stage, sent) = played("equivocate-votes");
    let votes = votes(&sent);
    let both = votes.iter().filter(|(e, txid, kind)| *kind == 0 && votes.contains(&(*e, *txid, 2)));
    assert!(both.count() > 0);
    assert!(stage.sim.metrics().offenders.contains(&stage.sim.node(LIAR).key()));
}

#[test]
fn withhold_says_nothing() {
    let (stage, sent) = played("withhold");
    assert!(sent.iter().all(|(_, message)| matches!(message, Message::Decided(_))));
    assert!(stage.sim.metrics().view_changes > 0);
}

#[test]
fn reveal_late_keeps_votes_back() {
    let mut stage = Stage::new("reveal-late");
    let payment = stage.sim.pay_at(0, "alice", "bob", Amount::from_time(1)).unwrap();
    let heard = |sent: &Sent| -> BTreeSet<usize> {
        let about = |message: &Message| match message {
            Message::Votes(batch) => batch.votes.iter().any(|vote| vote.txid() == payment),
            _ => false,
        };
        sent.iter().filter(|(_, m)| about(m)).map(|(to, _)| *to).collect()
    };
    let early = heard(&stage.play(Duration::from_millis(450)));
    assert!(early.len() < 3, "{early:?}");
    assert!(stage.sim.is_final(0, &payment));
    let late = heard(&stage.play(Duration::from_secs(6)));
    assert!(!late.is_empty() && early.union(&late).count() == 3, "{early:?}, {late:?}");
}

#[test]
fn vote_for_all_approves_and_commits_whatever_conflicts() {
    let mut stage = Stage::new("vote-for-all");
    let pair = stage.sim.conflicting_payments("mallory", Amount::from_time(1), 2).unwrap();
    let txids = [pair[0].txid(), pair[1].txid()];
    for (node, payment) in [0, 2].into_iter().zip(pair) {
        stage.sim.submit(node, payment).unwrap();
    }
    let votes = votes(&stage.play(Duration::from_secs(2)));
    for txid in txids {
        assert!([0, 1].iter().all(|kind| votes.contains(&(Epoch::ZERO, txid, *kind))));
    }
}

#[test]
fn vote_for_nothing_votes_for_what_does_not_exist() {
    let (stage, sent) = played("vote-for-nothing");
    let exists = |txid: &Txid| stage.sim.checks.known.claims.contains_key(txid);
    let made_up = votes(&sent).into_iter().filter(|(_, txid, _)| !exists(txid)).count();
    assert!(made_up > 500, "{made_up}");
}

#[test]
fn invalid_blocks_come_in_ten_kinds_and_one_more() {
    let mut config = SimulationConfig::new(4, 9);
    config.block_interval = Duration::from_secs(3);
    let mut sim = Simulation::new(config).unwrap();
    sim.run_until(|sim| sim.height_min() >= Height(2), Duration::from_secs(20)).unwrap();
    sim.pay("alice", "bob", Amount::from_time(1)).unwrap();
    sim.advance(Duration::from_secs(1)).unwrap();
    let engine = sim.node(0).engine().unwrap();
    let (chain, state) = (sim.chain(), engine.state());
    let view = sim.archive().view(state.tip.height);
    let entries = engine.mempool().entries().map(|entry| entry.transaction.clone());
    let now = sim.node(0).clock().now(sim.time());
    let proposer = Proposer { index: 1, now };
    let valid = build_block(chain, state, &view, entries.collect(), proposer).unwrap();
    assert_eq!(valid.block.transactions().len(), 1);
    const { assert!(KINDS >= 10) };
    for kind in 0..=KINDS {
        let mut block = valid.block.block().as_ref().clone();
        if kind < KINDS {
            spoil(kind, &mut block, state.tip.timestamp, &[]);
        }
        let checked = verify_block(Arc::new(block), chain, &|_| None).and_then(|block| {
            check_clock(chain, block.header().timestamp, now)?;
            check_block(chain, state, &view, &block)
        });
        assert_eq!(checked.is_ok(), kind == KINDS, "kind {kind}");
    }
}

#[test]
fn invalid_blocks_are_proposed_and_never_decided() {
    let (stage, sent) = played("invalid-blocks");
    let proposed: BTreeSet<_> = ballots(&sent)
        .filter(|signed| signed.ballot.choice.phase() == Phase::PrePrepare)
        .filter_map(|signed| signed.ballot.choice.block())
        .collect();
    assert!(proposed.len() > 3, "{} blocks", proposed.len());
    let decided = stage.sim.archive().blocks();
    assert!(!decided.map(|c| c.connected.block.hash()).any(|hash| proposed.contains(&hash)));
}

#[test]
fn bogus_claims_prove_nothing() {
    let mut stage = Stage::new("bogus-claims");
    // Only where somebody is missing are there rounds above 0 to claim anything in.
    stage.sim.inject(Fault::Crash(3)).unwrap();
    let sent = stage.play(Duration::from_secs(30));
    let claims = ballots(&sent).filter(|s| matches!(s.ballot.choice, Choice::RoundChange(Some(_))));
    assert!(claims.count() > 0);
    assert!(stage.sim.metrics().refused > 0);
}

#[test]
fn wrong_justification_is_refused() {
    let (stage, sent) = played("wrong-justification");
    let out_of_turn = ballots(&sent).filter(|signed| {
        let ballot = signed.ballot;
        let proposer = stage.sim.chain().first_set().proposer(ballot.height, ballot.round);
        ballot.choice.phase() == Phase::PrePrepare && proposer != signed.voter
    });
    assert!(out_of_turn.count() > 10);
    assert!(stage.sim.metrics().refused > 10);
    let foreign = sent.iter().any(|(_, message)| match message {
        Message::Proposal(proposal) => {
            let ballot = proposal.ballot.ballot;
            let changes = proposal.justification.round_changes.iter();
            changes.clone().any(|c| c.ballot.height != ballot.height) && ballot.round > Round::ZERO
        }
        _ => false,
    });
    assert!(foreign);
}

#[test]
fn rounds_ahead_claims_a_million_rounds() {
    let (stage, sent) = played("rounds-ahead");
    let rounds = ballots(&sent).map(|signed| signed.ballot.round.0);
    assert!(rounds.max().unwrap() >= 1_000_000);
    let heights: BTreeSet<_> = ballots(&sent).map(|signed| signed.ballot.height).collect();
    assert!(heights.iter().any(|height| height.0 > 1_000));
    let round = |node: usize| stage.sim.node(node).engine().unwrap().consensus().round();
    assert!([0, 2, 3].iter().all(|node| round(*node) < Round(4)));
}

#[test]
fn replay_sends_what_others_signed() {
    let (_, sent) = played("replay");
    let foreign = ballots(&sent).filter(|signed| usize::from(signed.voter) != LIAR);
    assert!(foreign.count() > 10);
}

#[test]
fn selective_leaves_some_out() {
    let (_, sent) = played("selective");
    let mut heard: BTreeMap<(Height, Round, Choice), BTreeSet<usize>> = BTreeMap::new();
    for (to, message) in &sent {
        let Message::Ballot(signed) = message else { continue };
        let Ballot { height, round, choice, .. } = signed.ballot;
        heard.entry((height, round, choice)).or_default().insert(*to);
    }
    let n_partly = heard.values().filter(|nodes| nodes.len() < 3).count();
    assert!(n_partly > 5 && heard.values().any(|nodes| !nodes.is_empty()), "{n_partly}");
}

#[test]
fn amnesia_forgets_and_starts_again() {
    let mut stage = Stage::new("amnesia");
    let n_records = |stage: &Stage| stage.sim.node(LIAR).disk().records().len();
    let n_lost = (0..100).filter(|_| {
        let n_before = n_records(&stage);
        stage.play(Duration::from_millis(300));
        n_records(&stage) < n_before
    });
    let n_lost = n_lost.count();
    // Until evidence of what it said twice removes it from the set, it has something to forget.
    assert!(n_lost > 2, "{n_lost}");
    assert!(stage.sim.metrics().offenders.contains(&stage.sim.node(LIAR).key()));
    assert!(stage.sim.metrics().restarts > 5);
}

#[test]
fn twins_are_two_with_one_key() {
    let (stage, sent) = played("twins");
    let sim = &stage.sim;
    assert_eq!(sim.nodes().len(), 5);
    assert_eq!(sim.node(4).key(), sim.node(LIAR).key());
    assert!(n_contradicted(&sent, Phase::PrePrepare) > 0);
    assert!(sim.metrics().offenders.contains(&sim.node(LIAR).key()));
}

#[test]
fn censor_leaves_out_what_is_final() {
    let mut stage = Stage::new("censor");
    stage.sim.advance(Duration::from_secs(1)).unwrap();
    let payment = stage.sim.pay_at(0, "alice", "bob", Amount::from_time(1)).unwrap();
    let sent = stage.play(Duration::from_secs(20));
    let first = sent.iter().find_map(|(_, message)| match message {
        Message::Proposal(proposal) if proposal.justification.prepared.is_none() => Some(proposal),
        _ => None,
    });
    let holds = first.unwrap().block.transactions.iter().any(|tx| tx.txid() == payment);
    assert!(!holds && stage.sim.confirmed_at(&payment).is_some());
}

#[test]
fn false_inventory_names_what_it_has_not_committed() {
    let (stage, sent) = played("false-inventory");
    let inventories: Vec<_> = sent
        .iter()
        .filter_map(|(_, message)| match message {
            Message::CertInventory(inventory) => Some(inventory.txids.clone()),
            _ => None,
        })
        .collect();
    assert!(inventories.contains(&vec![Txid::from_bytes([5; 32])]));
    assert!(stage.sim.height_min() > Height(6));
}

#[test]
fn garbage_is_no_message() {
    let (stage, _) = played("garbage");
    assert!(stage.sim.metrics().sent.get("garbage").is_some_and(|n| *n > 50));
    assert!(stage.sim.metrics().refused > 50);
}
