//! What a pending payment takes, and whether a node that runs for long grows.

use std::sync::Arc;
use std::time::Duration;

use criterion::Criterion;
use timecoin_core::types::encode::encode;
use timecoin_core::{Config, Node, Transaction};

use crate::allocator;
use crate::setup::{Payers, folder, n_final, on_demand, running};
use crate::table::{Row, Table};

/// Bytes for each payment that waits: in a node that follows, and in a masternode, where it is
/// final already and waits for its block.
pub(crate) fn pending(_: &mut Criterion, table: &mut Table) {
    let mut payers = Payers::new(PENDING_PAYMENTS).with_params(|params| {
        on_demand(params);
        params.block_transactions_max = 100_000;
        params.block_bytes_max = 7_000_000;
    });
    let payments = payers.pay();
    let follower =
        bytes_each(payers.follower(), &payments, |node| node.mempool_info().transactions);
    let folder = folder();
    let durable = payers.config().with_data_dir(folder.path().join("node"));
    let masternode = bytes_each(durable, &payments, n_final);
    for (what, bytes) in [
        ("memory for a pending payment, node that follows", follower),
        ("memory for a final payment without a block, masternode", masternode),
    ] {
        table.push(Row {
            what,
            ours: format!("{bytes:.0} bytes"),
            floor: "-".to_owned(),
            ratio: "-".to_owned(),
            target: "≤ 1,000 bytes",
            is_met: bytes <= 1_000.0,
        });
    }
}

fn bytes_each(
    config: Config,
    payments: &[Arc<Transaction>],
    n_done: impl Fn(&Node) -> usize,
) -> f64 {
    let node = running(config);
    allocator::count(true);
    for batch in payments.chunks(100) {
        let batch = batch.iter().map(|payment| encode(&**payment).into()).collect();
        for answer in node.submit_transactions(batch) {
            answer.unwrap();
        }
    }
    while n_done(&node) < payments.len() {
        std::thread::sleep(Duration::from_millis(1));
    }
    let bytes = allocator::live();
    allocator::count(false);
    assert_eq!(node.mempool_info().transactions, payments.len(), "some are in a block");
    node.close(PATIENCE).unwrap();
    bytes as f64 / payments.len() as f64
}

/// The most that a durable node holds in the second and in the last tenth of many payments. What
/// is cached fills its bound in the first.
pub(crate) fn flat(_: &mut Criterion, table: &mut Table) {
    let n_payments = std::env::var("PAYMENTS").ok().and_then(|n| n.parse().ok());
    let n_rounds = n_payments.unwrap_or(PAYMENTS_USUAL).div_ceil(ROUND_PAYMENTS).max(20);
    let mut payers = Payers::new(ROUND_PAYMENTS);
    let folder = folder();
    let mut config = payers.config().with_data_dir(folder.path().join("node"));
    config.store_cache_bytes = Some(8_000_000);
    let node = running(config);
    allocator::count(true);
    let tenth = n_rounds / 10;
    let (mut early, mut late) = (Peak::default(), Peak::default());
    for round in 0..n_rounds {
        pay(&node, &payers.pay());
        if (tenth..2 * tenth).contains(&round) {
            early.see();
        } else if round >= n_rounds - tenth {
            late.see();
        }
    }
    allocator::count(false);
    node.close(PATIENCE).unwrap();
    let ratio = late.live as f64 / early.live as f64;
    let n_between = n_rounds * ROUND_PAYMENTS * 8 / 10;
    let each = (late.live - early.live) as f64 / n_between as f64;
    table.push(Row {
        what: "memory after all payments; floor: after a tenth to a fifth of them (resident)",
        ours: late.text(),
        floor: early.text(),
        ratio: format!("{ratio:.2} over {}: {each:.0} bytes each", n_rounds * ROUND_PAYMENTS),
        target: "≤ 1.1",
        is_met: ratio <= 1.1,
    });
}

/// Pays once from each payer, and waits for the last to be in a block.
fn pay(node: &Node, payments: &[Arc<Transaction>]) {
    let batch = payments.iter().map(|payment| Arc::clone(payment).into()).collect();
    for answer in node.submit_transactions(batch) {
        answer.unwrap();
    }
    for payment in payments.iter().rev() {
        node.wait_confirmed(&payment.txid(), PATIENCE).unwrap();
    }
}

/// The most that was seen.
#[derive(Default)]
struct Peak {
    live: i64,
    resident: usize,
}

impl Peak {
    fn see(&mut self) {
        self.live = self.live.max(allocator::live());
        self.resident = self.resident.max(resident_bytes());
    }

    fn text(&self) -> String {
        let mb = |bytes: f64| bytes / 1e6;
        format!("{:.1} MB ({:.0} MB)", mb(self.live as f64), mb(self.resident as f64))
    }
}

/// What the process holds of the machine's memory.
fn resident_bytes() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = statm.split(' ').nth(1).and_then(|pages| pages.parse::<usize>().ok());
    pages.unwrap_or(0) * rustix::param::page_size()
}

/// Less than a quarter of the largest block's bytes, so that no block is due.
const PENDING_PAYMENTS: usize = 7_000;

const ROUND_PAYMENTS: usize = 2_500;

const PAYMENTS_USUAL: usize = 100_000;

const PATIENCE: Duration = Duration::from_secs(60);
