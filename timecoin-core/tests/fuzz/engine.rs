//! The protocol under a schedule read from bytes: delivery, loss, time, crashes, and a fourth
//! masternode that signs whatever it likes.
//!
//! Honest engines never panic, never halt, never sign twice, keep their tables within bounds and
//! agree on blocks; an honest masternode is never accused.

use std::sync::Arc;
use std::time::Duration;

use timecoin_core::engine::input::Input;
use timecoin_core::ledger::block::{Proposer, build_block};
use timecoin_core::ledger::transaction::verify_transaction;
use timecoin_core::types::ballot::{Ballot, Choice, PreparedBlock, SignedBallot};
use timecoin_core::types::encode::encode;
use timecoin_core::types::masternode_set::MasternodeIndex;
use timecoin_core::types::message::{
    CertInventory, DoubleSpend, Justification, Message, Proposal, Request, RoundChange,
};
use timecoin_core::types::vote::{RejectReason, Vote, VoteBatch};
use timecoin_core::{
    Amount, BlockHash, Epoch, Height, KeyPair, OutPoint, Round, Transaction, TxOutput, Txid,
};

use super::decoders::masternode_keys;
use super::network::{HONEST, Network, owner};
use super::tape::Tape;

pub(crate) fn run(bytes: &[u8]) {
    let mut network = Network::new();
    let mut tape = Tape::new(&bytes[..bytes.len().min(BYTES_MAX)]);
    while !tape.is_at_end() {
        step(&mut network, &mut tape);
    }
}

fn step(network: &mut Network, tape: &mut Tape<'_>) {
    match tape.below(16) {
        0 | 1 => network.settle(),
        2 => {
            if let Some((from, to, bytes)) = take_wire(network, tape) {
                network.deliver(from, to, &bytes);
            }
        }
        3 => drop(take_wire(network, tape)),
        4 => network.advance(Duration::from_millis(WAITS_MS[tape.below(WAITS_MS.len())])),
        5 => {
            let (transaction, index) = (payment(network, tape), tape.below(HONEST));
            let txid = transaction.txid();
            let transaction = verify_transaction(Arc::new(transaction), network.chain);
            let transaction = transaction.expect("it is well formed");
            network.input(index, Input::Submit { ticket: 1, transaction });
            network.txids.push(txid);
        }
        6 => {
            let index = tape.below(HONEST);
            network.input(index, Input::ProduceBlock);
        }
        7 => network.restart(tape.below(HONEST)),
        8 => say(network, tape, votes),
        9 => say(network, tape, ballot),
        10 => say(network, tape, round_change),
        11 => say(network, tape, proposal),
        12 => say(network, tape, inventory),
        13 => say(network, tape, transaction),
        14 => say(network, tape, request),
        _ => replay(network, tape),
    }
}

fn take_wire(network: &mut Network, tape: &mut Tape<'_>) -> Option<(usize, usize, Vec<u8>)> {
    match network.wires.len() {
        0 => None,
        n => network.wires.remove(tape.below(n)),
    }
}

/// The fourth masternode says something to those that a byte names.
fn say(
    network: &mut Network,
    tape: &mut Tape<'_>,
    make: fn(&Network, &mut Tape<'_>) -> Option<Message>,
) {
    let whom = tape.byte();
    let Some(message) = make(network, tape) else { return };
    let bytes = encode(&message);
    for index in (0..HONEST).filter(|index| whom & (1 << index) == 0) {
        network.deliver(HONEST, index, &bytes);
    }
}

/// Something that was said before, with a bit changed or not, from whoever.
fn replay(network: &mut Network, tape: &mut Tape<'_>) {
    let Some(bytes) = tape.pick(&network.history) else { return };
    let mut bytes = bytes.clone();
    let at = tape.below(bytes.len().max(1));
    let change = tape.byte();
    if let Some(byte) = bytes.get_mut(at) {
        *byte ^= change;
    }
    let to = tape.below(HONEST);
    network.deliver(HONEST, to, &bytes);
}

/// A payment of a coin of the genesis, or of the first output of a payment, known or not.
fn payment(network: &Network, tape: &mut Tape<'_>) -> Transaction {
    let coin = match tape.below(4) {
        0 => tape.pick(&network.txids).map(|txid| OutPoint::new(*txid, 0)),
        1 => Some(OutPoint::new(Txid::from_bytes([tape.byte(); 32]), 0)),
        _ => None,
    };
    let coin = coin.unwrap_or(network.coins[tape.below(network.coins.len())]);
    let output = |units| TxOutput { value: Amount::from_units(units), address: owner().address() };
    // What is left over is the fee.
    let outputs = vec![output(1_000 + tape.below(4) as u64), output(100_000)];
    let mut transaction = Transaction::transfer(&[(coin, owner().public())], outputs);
    transaction.sign_all(network.chain.id(), &owner());
    transaction
}

fn fourth() -> (KeyPair, MasternodeIndex) {
    let index = MasternodeIndex::try_from(HONEST).expect("it is 3");
    (masternode_keys().remove(HONEST), index)
}

fn epoch(network: &Network, tape: &mut Tape<'_>) -> Epoch {
    let state = network.nodes[0].engine.state();
    let epoch = state.epoch(network.chain);
    match tape.below(8) {
        0 => epoch.next(),
        1 => Epoch(epoch.0.saturating_sub(1)),
        _ => epoch,
    }
}

fn txid(network: &Network, tape: &mut Tape<'_>) -> Txid {
    let known = if tape.below(8) == 0 { None } else { tape.pick(&network.txids).copied() };
    known.unwrap_or_else(|| Txid::from_bytes([tape.byte(); 32]))
}

fn block(network: &Network, tape: &mut Tape<'_>) -> BlockHash {
    let known = if tape.below(8) == 0 { None } else { tape.pick(&network.blocks).copied() };
    known.unwrap_or_else(|| BlockHash::from_bytes([tape.byte(); 32]))
}

fn round(tape: &mut Tape<'_>) -> Round {
    Round([0, 0, 0, 1, 1, 2, 3, 9_999, 10_000, u32::MAX][tape.below(10)])
}

fn votes(network: &Network, tape: &mut Tape<'_>) -> Option<Message> {
    let votes = (0..=tape.below(4)).map(|_| {
        let txid = txid(network, tape);
        match tape.below(3) {
            0 => Vote::Approve(txid),
            1 => Vote::Commit(txid),
            _ => Vote::Reject(txid, RejectReason::ConflictsWithApproved),
        }
    });
    let votes: Vec<Vote> = votes.collect();
    let (keys, index) = fourth();
    let epoch = epoch(network, tape);
    let set_hash = network.chain.first_set().hash();
    let batch = VoteBatch::sign(network.chain.id(), epoch, set_hash, index, votes, &keys);
    Some(Message::Votes(batch))
}

fn signed(network: &Network, tape: &mut Tape<'_>, round: Round, choice: Choice) -> SignedBallot {
    let (keys, index) = fourth();
    let next = network.nodes[tape.below(HONEST)].engine.state().next_height();
    let height = match tape.below(8) {
        0 => next.next(),
        1 => next.previous(),
        2 => Height(u64::MAX),
        _ => next,
    };
    let epoch = network.chain.params().epoch_of(height);
    let ballot = Ballot { epoch, height, round, choice };
    SignedBallot::sign(ballot, index, network.chain.id(), &network.chain.first_set().hash(), &keys)
}

fn ballot(network: &Network, tape: &mut Tape<'_>) -> Option<Message> {
    let (block, round) = (block(network, tape), round(tape));
    let choice = if tape.below(2) == 0 { Choice::Prepare(block) } else { Choice::Commit(block) };
    Some(Message::Ballot(signed(network, tape, round, choice)))
}

fn round_change(network: &Network, tape: &mut Tape<'_>) -> Option<Message> {
    let certificate = if tape.below(2) == 0 { None } else { tape.pick(&network.prepared).cloned() };
    let claim = certificate
        .as_ref()
        .map(|certificate| PreparedBlock { round: certificate.round, block: certificate.block });
    let round = round(tape);
    let ballot = signed(network, tape, round, Choice::RoundChange(claim));
    Some(Message::RoundChange(RoundChange { ballot, certificate }))
}

/// A block that is valid on some node's tip, proposed for any round with what was overheard.
fn proposal(network: &Network, tape: &mut Tape<'_>) -> Option<Message> {
    let node = &network.nodes[tape.below(HONEST)];
    let (_, index) = fourth();
    let mut transactions = Vec::new();
    if tape.below(2) == 1 {
        transactions
            .push(verify_transaction(Arc::new(payment(network, tape)), network.chain).ok()?);
    }
    let proposer = Proposer { index, now: network.now };
    let state = node.engine.state();
    let built = build_block(network.chain, state, &*node.storage, transactions, proposer).ok()?;
    let round = round(tape);
    let mut round_changes: Vec<SignedBallot> = network
        .round_changes
        .iter()
        .filter(|change| {
            (change.ballot.height, change.ballot.round) == (state.next_height(), round)
        })
        .copied()
        .collect();
    if round > Round::ZERO {
        round_changes.push(signed(network, tape, round, Choice::RoundChange(None)));
    }
    round_changes.sort_by_key(|change| change.voter);
    round_changes.dedup_by_key(|change| change.voter);
    let prepared = if tape.below(2) == 0 { None } else { tape.pick(&network.prepared).cloned() };
    let ballot = signed(network, tape, round, Choice::PrePrepare(built.block.hash()));
    let justification = Justification { round_changes, prepared };
    let block = Arc::clone(built.block.block());
    Some(Message::Proposal(Proposal { ballot, block, justification }))
}

fn inventory(network: &Network, tape: &mut Tape<'_>) -> Option<Message> {
    let mut txids: Vec<Txid> = (0..tape.below(3)).map(|_| txid(network, tape)).collect();
    txids.sort_unstable();
    txids.dedup();
    let (keys, index) = fourth();
    let epoch = epoch(network, tape);
    let set_hash = network.chain.first_set().hash();
    let id = network.chain.id();
    Some(Message::CertInventory(CertInventory::sign(id, epoch, set_hash, index, txids, &keys)))
}

fn transaction(network: &Network, tape: &mut Tape<'_>) -> Option<Message> {
    let first = Arc::new(payment(network, tape));
    if tape.below(2) == 0 {
        return Some(Message::Transaction(first));
    }
    let second = Arc::new(payment(network, tape));
    Some(Message::DoubleSpend(DoubleSpend { first, second }))
}

fn request(network: &Network, tape: &mut Tape<'_>) -> Option<Message> {
    Some(Message::Request(match tape.below(3) {
        0 => Request::Transactions(vec![txid(network, tape), txid(network, tape)]),
        1 => Request::Block(block(network, tape)),
        _ => Request::Decided(Height([0, 1, 5, u64::MAX][tape.below(4)])),
    }))
}

/// Longer inputs repeat what shorter ones show.
const BYTES_MAX: usize = 400;

const WAITS_MS: [u64; 6] = [1, 50, 500, 1_000, 2_000, 40_000];
