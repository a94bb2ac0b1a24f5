//! How long one payment takes from its submission to its finality, with nothing else to do.

use std::time::{Duration, Instant};

use criterion::Criterion;
use timecoin_core::{Config, Node, Transaction};

use crate::setup::{Payers, PlainFile, running};
use crate::table::{Row, Samples, Table, millis};

/// In memory: threads and signatures only.
pub(crate) fn memory(criterion: &mut Criterion, table: &mut Table) {
    let mut payers = Payers::new(1);
    let samples = measure(criterion, "one payment, memory", &mut payers, None);
    let (p50, p99) = (samples.ours(50), samples.ours(99));
    table.push(Row {
        what: "one payment, submit to final, in memory; p50 (p99)",
        ours: format!("{} ({})", millis(p50), millis(p99)),
        floor: "-".to_owned(),
        ratio: "-".to_owned(),
        target: "p50 < 1 ms",
        is_met: p50 < 0.001,
    });
}

/// On disk: votes are flushed before anybody is told.
pub(crate) fn durable(criterion: &mut Criterion, table: &mut Table) {
    let mut payers = Payers::new(1);
    let folder = crate::setup::folder();
    let samples =
        measure(criterion, "one payment, durable", &mut payers, Some(folder.path().join("node")));
    let (p50, p99, fsync) = (samples.ours(50), samples.ours(99), samples.floor(50));
    table.push(Row {
        what: "the same, durable; floor: fdatasync of an append of that size, p50 (p99)",
        ours: format!("{} ({})", millis(p50), millis(p99)),
        floor: format!("{} ({})", millis(fsync), millis(samples.floor(99))),
        ratio: format!("{:.2}", p50 / fsync),
        target: "p50 < 1 ms + 2 floors",
        is_met: p50 < 0.001 + 2.0 * fsync,
    });
}

fn measure(
    criterion: &mut Criterion,
    name: &str,
    payers: &mut Payers,
    data_dir: Option<std::path::PathBuf>,
) -> Samples {
    let is_durable = data_dir.is_some();
    let node = running(Config { data_dir, ..payers.config() });
    let mut plain = PlainFile::new();
    let mut samples = Samples::default();
    let mut once = || {
        let payment = Transaction::clone(&payers.pay()[0]);
        let ours = pay(&node, payment);
        let floor = if is_durable { plain.append(&[7; RECORD_BYTES]) } else { Duration::ZERO };
        samples.push(ours, floor);
        ours
    };
    criterion.bench_function(name, |bencher| {
        bencher.iter_custom(|n| (0..n).map(|_| once()).sum());
    });
    node.close(PATIENCE).unwrap();
    samples
}

fn pay(node: &Node, payment: Transaction) -> Duration {
    let began = Instant::now();
    let txid = node.submit_transaction(payment).unwrap();
    node.wait_finalized(&txid, PATIENCE).unwrap();
    began.elapsed()
}

/// What the vote log takes for one payment: its bytes, an Approve and a Commit.
const RECORD_BYTES: usize = 700;

const PATIENCE: Duration = Duration::from_secs(60);
