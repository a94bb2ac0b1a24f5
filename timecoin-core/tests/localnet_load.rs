//! Real nodes in one process with more to do than one block holds.

#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use timecoin_core::localnet::{LocalNet, LocalNetConfig};
use timecoin_core::params::BlockProduction;
use timecoin_core::{Amount, Node, Transaction};

/// Long enough for any machine that is busy with something else.
const PATIENCE: Duration = Duration::from_secs(300);

const PAYMENTS: usize = 6_000;

/// Payments on their way at a time: less than masternodes approve ahead of blocks.
const AHEAD_MAX: usize = 1_500;

/// What a busy exchange would hand over at once.
const BATCH_PAYMENTS: usize = 500;

/// Blocks of 4,000 payments, due once 1,000 are final, and a round that never times out:
/// whoever waits for a timeout does not end.
fn config() -> LocalNetConfig {
    LocalNetConfig {
        wallets: PAYMENTS + 1,
        coins_per_wallet: 1,
        block_production: BlockProduction::OnDemand,
        round_timeout: Duration::from_secs(3_600),
        epoch_blocks: 1_000,
        edit_genesis: |genesis| {
            let each = Amount::from_time(1_000);
            genesis.allocations.iter_mut().for_each(|allocation| allocation.value = each);
            genesis.params.block_transactions_max = 4_000;
        },
        ..LocalNetConfig::new(4, 7)
    }
}

#[expect(clippy::cast_possible_truncation, reason = "a count")]
fn counter(node: &Node, name: &str) -> usize {
    let metric = node.metrics().into_iter().find(|metric| metric.name == name);
    metric.unwrap_or_else(|| panic!("no metric {name}")).value as usize
}

fn payments(net: &LocalNet) -> Vec<Arc<Transaction>> {
    let to = net.wallet("to").unwrap().address();
    let payment = |n| net.payment(&format!("payer {n}"), to, Amount::from_time(1)).unwrap();
    (0..PAYMENTS).map(|n| Arc::new(payment(n))).collect()
}

/// At two nodes at once, as long as not too much is on its way.
fn submit(nodes: &[Node], payments: &[Arc<Transaction>], n_final: &(impl Fn() -> usize + Sync)) {
    let n_submitted = AtomicUsize::new(0);
    let began = Instant::now();
    thread::scope(|scope| {
        for (half, node) in payments.chunks(payments.len().div_ceil(2)).zip(nodes) {
            scope.spawn(|| {
                for batch in half.chunks(BATCH_PAYMENTS) {
                    while n_submitted.load(Ordering::SeqCst) > n_final() + AHEAD_MAX {
                        assert!(began.elapsed() < PATIENCE, "payments do not become final");
                        thread::sleep(Duration::from_millis(1));
                    }
                    let batch: Vec<_> = batch.iter().map(|one| Arc::clone(one).into()).collect();
                    n_submitted.fetch_add(batch.len(), Ordering::SeqCst);
                    node.submit_transactions(batch).into_iter().for_each(|answer| {
                        answer.unwrap();
                    });
                }
            });
        }
    });
}

#[test]
fn a_burst_is_final_everywhere_without_a_timeout_or_a_lost_message() {
    let net = LocalNet::start(config()).unwrap();
    let payments = payments(&net);
    let nodes: Vec<Node> = (0..net.n_nodes()).map(|node| net.node(node).unwrap()).collect();
    let of = |node: &Node| counter(node, "timecoin_finality_transactions_total");
    let n_final = || nodes.iter().map(of).min().unwrap_or_default();
    submit(&nodes, &payments, &n_final);
    for payment in &payments {
        net.wait_final_everywhere(&payment.txid(), PATIENCE).unwrap();
    }
    for node in &nodes {
        for name in [
            "timecoin_node_messages_lost_total",
            "timecoin_node_messages_refused_total",
            "timecoin_consensus_rounds_changed_total",
        ] {
            assert_eq!(counter(node, name), 0, "{name}");
        }
    }
    net.close(PATIENCE).unwrap();
}
