//! How many payments one masternode makes final in a second, blocks included.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput};
use timecoin_core::types::keys::{InputSignature, verify_inputs};
use timecoin_core::{Node, Transaction};

use crate::setup::{Payers, micros, n_final, process_time, running, signatures};
use crate::table::{Row, Samples, Table};

/// Threads submit signed payments in batches to a node in memory. Each payer pays again and again,
/// so that the node knows the keys, which the floor does not.
pub(crate) fn solo(criterion: &mut Criterion, table: &mut Table) {
    let mut payers = Payers::new(PAYERS);
    let node = running(payers.config());
    let mut samples = Samples::default();
    let mut cpu = Samples::default();
    let mut once = || {
        let payments: Vec<_> = (0..ROUND_PAYMENTS / PAYERS).map(|_| payers.pay()).collect();
        let items: Vec<_> =
            payments.iter().flat_map(|paid| signatures(payers.chain().id(), paid)).collect();
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

/// Payments of all payers, several times, until the last is final.
fn pay(node: &Node, payments: &[Vec<Arc<Transaction>>]) -> Duration {
    let wanted = n_final(node) + ROUND_PAYMENTS;
    let began = Instant::now();
    thread::scope(|scope| {
        for thread in 0..PAYING_THREADS {
            let n_own = PAYERS / PAYING_THREADS;
            let own = payments.iter().map(move |paid| &paid[thread * n_own..][..n_own]);
            scope.spawn(move || {
                for batch in own.flat_map(|own| own.chunks(BATCH_PAYMENTS)) {
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
    for payment in payments.iter().flatten() {
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

/// Those who pay, each with a key of its own.
const PAYERS: usize = 20_000;

/// So many that what is under way at both ends of a round hardly counts.
const ROUND_PAYMENTS: usize = 3 * PAYERS;

/// So many that the engine has work while they wait for its answers.
const PAYING_THREADS: usize = 4;

/// What a busy exchange would hand over at once.
const BATCH_PAYMENTS: usize = 1_000;

const PATIENCE: Duration = Duration::from_secs(60);
