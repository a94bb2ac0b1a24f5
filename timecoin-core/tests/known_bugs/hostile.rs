//! Forgeries, and floods of what is not forged.

use std::collections::BTreeMap;
use std::sync::Arc;

use timecoin_core::consensus::ROUNDS_AHEAD_MAX;
use timecoin_core::engine::input::{Input, VerifiedMessage};
use timecoin_core::engine::verify::MessageError;
use timecoin_core::engine::{Engine, EngineConfig};
use timecoin_core::ledger::block::{Proposer, build_block};
use timecoin_core::ledger::state::LedgerState;
use timecoin_core::mempool::MempoolLimits;
use timecoin_core::sim::Simulation;
use timecoin_core::storage::{MemoryDisk, MemoryStorage};
use timecoin_core::types::ballot::{Ballot, Choice, SignedBallot};
use timecoin_core::types::certificate::{ApproveCertificate, VoteCertificate};
use timecoin_core::types::encode::{decode, encode};
use timecoin_core::types::message::{Decided, Justification, Message, Proposal, RoundChange};
use timecoin_core::types::vote::{Vote, VoteBatch, VoteProof};
use timecoin_core::{
    BlockHash, ChainId, CommitCertificate, Epoch, Height, Masternode, MasternodeSet, Round,
    Signature, Txid,
};

use crate::kit::{FIRST, TIMEOUT, forge, network, proposer, verdict};

/// What a signature is about and for whom, as K10 varies it.
#[derive(Clone, Copy)]
struct Meant {
    chain_id: ChainId,
    epoch: Epoch,
    height: Height,
    round: Round,
}

/// Charon #1923: a justification was accepted whose RoundChanges were of another height, chain or
/// epoch: real signatures, replayed. Here each of them is bound to all of that, so that only the
/// justification that was meant for this very round allows the proposal.
#[test]
fn k10_justification_of_another_height_chain_or_epoch() {
    let sim = network(4);
    let meant =
        Meant { chain_id: *sim.chain().id(), epoch: Epoch::ZERO, height: FIRST, round: Round(1) };
    assert_eq!(verdict(&sim, 0, proposal_in_round_1(&sim, meant)), Ok(()));
    let others = [
        ("height", Meant { height: Height(2), ..meant }),
        ("earlier height", Meant { height: Height(0), ..meant }),
        ("round", Meant { round: Round(2), ..meant }),
        ("epoch", Meant { epoch: Epoch(1), ..meant }),
        ("chain", Meant { chain_id: ChainId::from_bytes([0xc4; 32]), ..meant }),
    ];
    for (what, other) in others {
        let refused = verdict(&sim, 0, proposal_in_round_1(&sim, other));
        let is_expected = matches!(
            refused,
            Err(MessageError::Justification(_) | MessageError::Signature("round change"))
        );
        assert!(is_expected, "another {what}: {refused:?}");
    }
}

fn proposal_in_round_1(sim: &Simulation, meant: Meant) -> Message {
    let set = sim.chain().first_set();
    let sign = |node: usize| {
        let Meant { chain_id, epoch, height, round } = meant;
        let ballot = Ballot { epoch, height, round, choice: Choice::RoundChange(None) };
        let voter = u16::try_from(node).expect("a small set");
        SignedBallot::sign(ballot, voter, &chain_id, &set.hash(), sim.node(node).keys())
    };
    let round_changes = (0..3).map(sign).collect();
    let block = empty_block(sim, proposer(sim, 1));
    let ballot = forge(sim, proposer(sim, 1), 1, Choice::PrePrepare(block.hash()));
    let justification = Justification { round_changes, prepared: None };
    Message::Proposal(Proposal { ballot, block, justification })
}

fn empty_block(sim: &Simulation, node: usize) -> Arc<timecoin_core::Block> {
    let chain = sim.chain();
    let state = LedgerState::genesis(chain);
    let index = u16::try_from(node).expect("a small set");
    let proposer = Proposer { index, now: state.tip.timestamp };
    let view = sim.archive().view(Height::ZERO);
    let built = build_block(chain, &state, &view, Vec::new(), proposer).expect("it is valid");
    Arc::clone(built.block.block())
}

/// Besu #11102: one peer sent RoundChanges for a million future rounds, and each was kept. Here
/// one is kept for each masternode, the highest that is not absurd; and Prepares and Commits of
/// a hundred thousand rounds, heights and blocks leave no more behind than the first few did.
#[test]
fn k14_round_changes_for_a_million_rounds() {
    let sim = network(4);
    let chain = sim.chain();
    let opened = MemoryStorage::open(&MemoryDisk::new(chain), chain).expect("it is new");
    let mut engine = Engine::new(EngineConfig {
        chain: chain.clone(),
        keys: Some(sim.node(0).keys().clone()),
        mempool: MempoolLimits::default(),
        round_timeout: TIMEOUT,
        state: LedgerState::genesis(chain),
        records: Vec::new(),
        must_observe: false,
    });
    let (now, from) = (chain.genesis().timestamp, sim.node(3).key());
    let tell = |engine: &mut Engine, height: u64, round: u32, choice: Choice| {
        let (epoch, round) = (Epoch::ZERO, Round(round));
        let ballot = Ballot { epoch, height: Height(height), round, choice };
        // The engine is given what was verified before.
        let signature = Signature::from_bytes([3; 64]);
        let ballot = SignedBallot { ballot, voter: 3, signature };
        let message = match choice {
            Choice::RoundChange(_) => {
                VerifiedMessage::RoundChange(RoundChange { ballot, certificate: None })
            }
            _ => VerifiedMessage::Ballot(ballot),
        };
        let input = Input::Message { from, message };
        engine.handle_input(input, now, &*opened.storage).expect("it goes on");
        while engine.poll_output().is_some() {}
    };
    let sizes = |engine: &Engine| -> BTreeMap<&'static str, usize> {
        engine.table_sizes().into_iter().map(|table| (table.name, table.len)).collect()
    };
    let block = |round: u32| BlockHash::from_bytes([u8::try_from(round % 251).unwrap_or(0); 32]);
    for round in 1..1_000 {
        tell(&mut engine, 1, round, Choice::RoundChange(None));
        tell(&mut engine, 1, round, Choice::Prepare(block(round)));
        tell(&mut engine, 1, round, Choice::Commit(block(round)));
        tell(&mut engine, u64::from(round) + 1, 0, Choice::Prepare(block(round)));
    }
    let early = sizes(&engine);
    for round in 1_000..1_000_000 {
        tell(&mut engine, 1, round, Choice::RoundChange(None));
    }
    for round in 1_000..100_000 {
        tell(&mut engine, 1, round, Choice::Prepare(block(round)));
        tell(&mut engine, 1, round, Choice::Commit(block(round)));
        tell(&mut engine, u64::from(round) + 1, 0, Choice::Prepare(block(round)));
    }
    assert_eq!(sizes(&engine), early);
    let kept = engine.consensus().round_change_of(3).expect("the last that was not absurd");
    assert_eq!(kept.ballot.ballot.round, Round(ROUNDS_AHEAD_MAX));
    assert_eq!(engine.consensus().round(), Round::ZERO);
}

/// CometBFT GHSA-r3r4: the index in a block part was not compared with the one in its proof. Here
/// parts are votes of a batch and transactions of a block. A vote's path proves one place in one
/// batch, so that no certificate holds with another one; and a block whose transactions change
/// places has another root.
#[test]
fn k20_index_of_a_part_and_of_its_proof_differ() {
    let sim = network(4);
    let (chain, set) = (sim.chain(), sim.chain().first_set());
    let votes: Vec<Vote> = (0..5).map(|n| Vote::Approve(Txid::from_bytes([n; 32]))).collect();
    let proof = |node: usize, index: u32| -> VoteProof {
        let voter = u16::try_from(node).expect("a small set");
        let keys = sim.node(node).keys();
        let batch =
            VoteBatch::sign(chain.id(), Epoch::ZERO, set.hash(), voter, votes.clone(), keys);
        batch.proof(index).expect("it has five")
    };
    let certificate = |last: VoteProof| {
        let votes = vec![proof(0, 2), proof(1, 2), last];
        let votes = VoteCertificate { epoch: Epoch::ZERO, set_hash: set.hash(), votes };
        let txid = Txid::from_bytes([2; 32]);
        Message::ApproveCertificate(ApproveCertificate { txid, votes })
    };
    assert_eq!(verdict(&sim, 3, certificate(proof(2, 2))), Ok(()));
    for other in [0, 1, 3, 4] {
        assert!(verdict(&sim, 3, certificate(proof(2, other))).is_err(), "vote {other}");
        let mut path = proof(2, 2);
        path.path.index = other;
        assert!(verdict(&sim, 3, certificate(path)).is_err(), "index {other}");
        let mut path = proof(2, other);
        path.path.index = 2;
        assert!(verdict(&sim, 3, certificate(path)).is_err(), "path of vote {other}");
    }
    let mut longer = proof(2, 2);
    longer.path.count = 6;
    assert!(verdict(&sim, 3, certificate(longer)).is_err());
}

/// The same of a block: its transactions in another order, one twice, one left out.
#[test]
fn k20_transactions_in_another_place() {
    let mut sim = network(4);
    for _ in 0..3 {
        sim.pay("alice", "bob", timecoin_core::Amount::from_time(1)).expect("she has it");
    }
    crate::kit::decide(&mut sim, &[0, 1, 2, 3], FIRST, TIMEOUT);
    let commit = Arc::clone(sim.archive().block(FIRST).expect("decided"));
    let show = |edit: fn(&mut Vec<Arc<timecoin_core::Transaction>>)| {
        let mut block = timecoin_core::Block::clone(commit.connected.block.block());
        assert_eq!(block.transactions.len(), 4);
        edit(&mut block.transactions);
        let certificate: CommitCertificate = commit.certificate.clone();
        let block = Arc::new(block);
        verdict(&sim, 3, Message::Decided(Decided { block, certificate }))
    };
    assert_eq!(show(|_| {}), Ok(()));
    assert!(show(|transactions| transactions.swap(1, 2)).is_err());
    assert!(show(|transactions| transactions.push(Arc::clone(&transactions[3]))).is_err());
    assert!(show(|transactions| drop(transactions.remove(2))).is_err());
}

/// CometBFT ASA-2024-009: a masternode set whose members were in a forged order passed, and with
/// it another proposer. Here a set is decoded in its one order or not at all, so a position names
/// one masternode, and whatever order it is built from gives one hash.
#[test]
fn k21_forged_order_in_a_masternode_set() {
    let sim = network(5);
    let set = sim.chain().first_set();
    let members: Vec<Masternode> = set.members().to_vec();
    let decoded = |members: &Vec<Masternode>| {
        let bytes = encode(members);
        decode::<MasternodeSet>("masternode set", &bytes, bytes.len())
    };
    assert_eq!(decoded(&members).expect("it is in order").hash(), set.hash());
    for first in 0..5 {
        for second in first + 1..5 {
            let mut forged = members.clone();
            forged.swap(first, second);
            assert!(decoded(&forged).is_err(), "{first} and {second} change places");
            let rebuilt = MasternodeSet::new(forged).expect("the same members");
            assert_eq!(rebuilt.hash(), set.hash());
        }
        let mut doubled = members.clone();
        doubled.insert(first, members[first].clone());
        assert!(decoded(&doubled).is_err(), "{first} twice");
        assert!(MasternodeSet::new(doubled).is_err());
    }
}
