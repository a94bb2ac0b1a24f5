//! A block of 1,000 one-input transactions: to validate it, and to commit it durably.

use std::sync::Arc;
use std::time::Instant;

use criterion::Criterion;
use timecoin_core::engine::output::BlockCommit;
use timecoin_core::ledger::block::{Proposer, build_block, check_block, verify_block};
use timecoin_core::ledger::state::LedgerState;
use timecoin_core::ledger::transaction::verify_transactions;
use timecoin_core::ledger::view::UtxoView;
use timecoin_core::storage::{DiskStorage, MemoryDisk, MemoryStorage, StorageOptions};
use timecoin_core::types::ballot::{Ballot, Choice, SignedBallot};
use timecoin_core::types::certificate::Seal;
use timecoin_core::types::encode::{decode, encode};
use timecoin_core::types::keys::verify_inputs;
use timecoin_core::{Block, CommitCertificate, Config, Decided, Round, Timestamp};

use crate::setup::{Payers, PlainFile, cpu_time, folder, signatures};
use crate::table::{Row, Samples, Table, millis};

/// Processor time of one thread, from bytes to a block that may be voted for.
pub(crate) fn validate(criterion: &mut Criterion, table: &mut Table) {
    let mut payers = Payers::new(BLOCK_PAYMENTS);
    let chain = payers.chain().clone();
    let store = MemoryStorage::open(&MemoryDisk::new(&chain), &chain).unwrap().storage;
    let state = LedgerState::genesis(&chain);
    let payments = payers.pay();
    let items = signatures(chain.id(), &payments);
    let commit = decide(&payers, &state, &*store, payments);
    let bytes = encode(&**commit.connected.block.block());
    let mut samples = Samples::default();
    let mut once = || {
        let began = cpu_time();
        let block: Block = decode("block", &bytes, bytes.len()).unwrap();
        let block = verify_block(Arc::new(block), &chain, &|_| None).unwrap();
        check_block(&chain, &state, &*store, &block).unwrap();
        let ours = cpu_time() - began;
        let began = cpu_time();
        verify_inputs(&items).unwrap();
        samples.push(ours, cpu_time() - began);
        ours
    };
    criterion.bench_function("validate a block of 1,000", |bencher| {
        bencher.iter_custom(|n| (0..n).map(|_| once()).sum());
    });
    let (ours, floor) = (samples.ours(50), samples.floor(50));
    table.push(Row {
        what: "validate a block of 1,000 payments, CPU; floor: its signatures in batches",
        ours: millis(ours),
        floor: millis(floor),
        ratio: format!("{:.2}", ours / floor),
        target: "≤ 1.3, < 100 ms",
        is_met: ours / floor <= 1.3 && ours < 0.1,
    });
}

/// Time on the wall until a block can't be lost, the engine's view of it included.
pub(crate) fn commit(criterion: &mut Criterion, table: &mut Table) {
    let mut payers = Payers::new(BLOCK_PAYMENTS);
    let chain = payers.chain().clone();
    let folder = folder();
    let store =
        DiskStorage::open(folder.path(), &chain, StorageOptions::default()).unwrap().storage;
    let mut state = LedgerState::genesis(&chain);
    let mut plain = PlainFile::new();
    let mut samples = Samples::default();
    let mut once = || {
        let payments = payers.pay();
        let commit = decide(&payers, &state, &*store, payments);
        state = commit.connected.state.clone();
        let block = Arc::clone(commit.connected.block.block());
        let bytes = encode(&Decided { block, certificate: commit.certificate.clone() });
        let began = Instant::now();
        store.stage(Arc::clone(&commit));
        store.persist(&[], &[commit]).unwrap();
        let ours = began.elapsed();
        store.apply().unwrap();
        samples.push(ours, plain.append(&bytes));
        ours
    };
    criterion.bench_function("commit a block of 1,000", |bencher| {
        bencher.iter_custom(|n| (0..n).map(|_| once()).sum());
    });
    store.close().unwrap();
    let (ours, floor) = (samples.ours(50), samples.floor(50));
    table.push(Row {
        what: "commit it durably; floor: append and fdatasync of the same bytes",
        ours: millis(ours),
        floor: millis(floor),
        ratio: format!("{:.2}", ours / floor),
        target: "≤ 2",
        is_met: ours / floor <= 2.0,
    });
}

/// The next block, with the certificate of the one masternode.
fn decide(
    payers: &Payers,
    state: &LedgerState,
    view: &dyn UtxoView,
    payments: Vec<Arc<timecoin_core::Transaction>>,
) -> Arc<BlockCommit> {
    let chain = payers.chain();
    let keys = Config::regtest().masternode_key.unwrap();
    let verified = verify_transactions(payments, chain).into_iter().map(Result::unwrap).collect();
    let proposer = Proposer { index: 0, now: Timestamp(state.tip.timestamp.0 + 1_000) };
    let connected = build_block(chain, state, view, verified, proposer).unwrap();
    let (height, block) = (connected.block.height(), connected.block.hash());
    let (epoch, round) = (chain.params().epoch_of(height), Round::ZERO);
    let ballot = Ballot { epoch, height, round, choice: Choice::Commit(block) };
    let set_hash = state.masternodes.hash();
    let SignedBallot { voter, signature, .. } =
        SignedBallot::sign(ballot, 0, chain.id(), &set_hash, &keys);
    let seals = vec![Seal { voter, signature }];
    let certificate = CommitCertificate { epoch, height, round, block, seals };
    let connected = connected.decide(certificate.clone());
    Arc::new(BlockCommit { connected, certificate })
}

const BLOCK_PAYMENTS: usize = 1_000;
