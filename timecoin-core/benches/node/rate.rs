//! How many payments one masternode makes final in a second, blocks included.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput};
use timecoin_core::types::keys::{InputSignature, verify_inputs};
use timecoin_core::{Node, Transaction};

use crate::setup::{Payers, micros, n_final, process_time, running, signatures};
use crate::table::{Row, Samples, Table};

/// Threads submit signed payments in batches to a node in memory.
pub(crate) fn solo(criterion: &mut Criterion, table: &mut Table) {
    let mut payers = Payers::new(ROUND_PAYMENTS);
    let node = running(payers.config());
    let mut samples = Samples::default();
    let mut cpu = Samples::default();
    let mut once = || {
        let payments = payers.pay();
        let items = signatures(payers.chain().id(), &payments);
        let before = process_time();
        let ours = pay(&node, &payments);
        let between = process_time();
        let floor = verify(&items);
        cpu.push(between - before, process_time() - between);
        samples.push(ours, floor);
        ours
    };
    let mut group = criterion.benchmark_group("rate");
    group.throughput(Throughput::Elements(ROUND_PAYMENTS as u64)).sample_size(10);
    group.bench_function("payments final", |bencher| {
        bencher.iter_custom(|n| (0..n).map(|_| once()).sum());
    });
    group.finish();
    node.close(PATIENCE).unwrap();
    let (ours, floor) = (samples.ours(50), samples.floor(50));
    let n = ROUND_PAYMENTS as f64;
    let rate = |wall: f64, cpu: f64| format!("{:.0}/s, CPU {} each", n / wall, micros(cpu / n));
    table.push(Row {
        what: "payments final, solo, in memory; floor: their signatures in batches, two threads",
        ours: rate(ours, cpu.ours(50)),
        floor: rate(floor, cpu.floor(50)),
        ratio: format!("{:.2}", floor / ours),
        target: "≥ 0.6",
        is_met: floor / ours >= 0.6,
    });
}

/// Until the last is final.
fn pay(node: &Node, payments: &[Arc<Transaction>]) -> Duration {
    let wanted = n_final(node) + payments.len();
    let began = Instant::now();
    thread::scope(|scope| {
        for part in payments.chunks(payments.len().div_ceil(PAYING_THREADS)) {
            scope.spawn(|| {
                for batch in part.chunks(BATCH_PAYMENTS) {
                    let batch = batch.iter().map(|payment| Arc::clone(payment).into()).collect();
                    for answer in node.submit_transactions(batch) {
                        answer.unwrap();
                    }
                }
            });
        }
    });
    while n_final(node) < wanted {
        assert!(began.elapsed() < PATIENCE, "not all payments become final");
        thread::sleep(Duration::from_micros(200));
    }
    let took = began.elapsed();
    for payment in payments {
        let status = node.transaction_status(&payment.txid()).unwrap();
        assert!(status.is_some_and(|status| status.is_final()));
    }
    took
}

fn verify(items: &[InputSignature]) -> Duration {
    let began = Instant::now();
    thread::scope(|scope| {
        for half in items.chunks(items.len().div_ceil(2)) {
            scope.spawn(|| verify_inputs(half).unwrap());
        }
    });
    began.elapsed()
}

/// Enough that ten rounds and the warm-up are over 200,000 payments.
const ROUND_PAYMENTS: usize = 20_000;

/// So many that the engine has work while they wait for its answers.
const PAYING_THREADS: usize = 4;

/// What a busy exchange would hand over at once.
const BATCH_PAYMENTS: usize = 1_000;

const PATIENCE: Duration = Duration::from_secs(60);
