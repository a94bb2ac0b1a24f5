//! What four masternodes in one process cost: payments per second, one payment, a start.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput};
use timecoin_core::localnet::{LocalNet, LocalNetConfig};
use timecoin_core::params::BlockProduction;
use timecoin_core::types::keys::{InputSignature, verify_inputs};
use timecoin_core::{Amount, Node, Transaction};

use crate::setup::{Payers, counter, micros, signatures};
use crate::table::{Row, Samples, Table, millis};

/// Every node checks every signature for itself.
pub(crate) fn rate(criterion: &mut Criterion, table: &mut Table) {
    let Rate { ours, floor, cpu, floor_cpu } =
        measure_rate(criterion, "net payments final", config());
    table.push(Row {
        what: "payments final at all of 4 masternodes, in memory; floor: their signatures four times, two threads",
        ours: per_second(ours, cpu),
        floor: per_second(4.0 * floor, 4.0 * floor_cpu),
        ratio: format!("{:.2}", 4.0 * floor / ours),
        target: "≥ 15,000/s",
        is_met: ROUND_PAYMENTS as f64 / ours >= 15_000.0,
    });
}

/// What one node found out, the others believe.
pub(crate) fn rate_shared(criterion: &mut Criterion, table: &mut Table) {
    let config = LocalNetConfig { shared_verification_cache: true, ..config() };
    let Rate { ours, floor, cpu, floor_cpu } =
        measure_rate(criterion, "net payments final, shared cache", config);
    table.push(Row {
        what: "the same with a shared cache of verified signatures; floor: their signatures once",
        ours: per_second(ours, cpu),
        floor: per_second(floor, floor_cpu),
        ratio: format!("{:.2}", floor / ours),
        target: "≥ 30,000/s",
        is_met: ROUND_PAYMENTS as f64 / ours >= 30_000.0,
    });
}

/// From its submission at one node until it is final at all four, with nothing else to do.
pub(crate) fn latency(criterion: &mut Criterion, table: &mut Table) {
    let net = LocalNet::start(LocalNetConfig { wallets: 1, coins_per_wallet: 1, ..config() });
    let net = net.unwrap();
    let mut payers = payers(&net);
    let mut samples = Samples::default();
    let mut once = || {
        let payment = Transaction::clone(&payers.pay()[0]);
        let began = Instant::now();
        let txid = net.submit(0, payment).unwrap();
        net.wait_final_everywhere(&txid, PATIENCE).unwrap();
        let ours = began.elapsed();
        samples.push(ours, Duration::ZERO);
        ours
    };
    criterion.bench_function("net latency, one payment", |bencher| {
        bencher.iter_custom(|n| (0..n).map(|_| once()).sum());
    });
    net.close(PATIENCE).unwrap();
    let (p50, p99) = (samples.ours(50), samples.ours(99));
    table.push(Row {
        what: "one payment, submit to final at all of 4 masternodes, in memory; p50 (p99)",
        ours: format!("{} ({})", millis(p50), millis(p99)),
        floor: "-".to_owned(),
        ratio: "-".to_owned(),
        target: "p50 < 2 ms",
        is_met: p50 < 0.002,
    });
}

/// From nothing to the first final payment: CPU time of the whole process.
pub(crate) fn start(_: &mut Criterion, table: &mut Table) {
    let mut samples = Samples::default();
    for seed in 0..STARTS {
        let (began, cpu) = (Instant::now(), cpu_time());
        let net = LocalNet::start(LocalNetConfig::new(4, seed)).unwrap();
        let txid = net.pay("alice", "bob", "1".parse().unwrap()).unwrap();
        net.wait_final_everywhere(&txid, PATIENCE).unwrap();
        samples.push(cpu_time() - cpu, began.elapsed());
        net.close(PATIENCE).unwrap();
    }
    let (cpu, wall) = (samples.ours(50), samples.floor(50));
    table.push(Row {
        what: "start of 4 masternodes until a payment is final at all, CPU (wall time)",
        ours: format!("{} ({})", millis(cpu), millis(wall)),
        floor: "-".to_owned(),
        ratio: "-".to_owned(),
        target: "< 100 ms CPU",
        is_met: cpu < 0.1,
    });
}

/// Seconds that a round of payments takes until all are final everywhere, and that their
/// signatures take in batches on two threads, by the clock and of the processors: medians.
struct Rate {
    ours: f64,
    floor: f64,
    cpu: f64,
    floor_cpu: f64,
}

fn measure_rate(criterion: &mut Criterion, name: &str, config: LocalNetConfig) -> Rate {
    let net = LocalNet::start(config).unwrap();
    let mut payers = payers(&net);
    let (mut samples, mut cpu) = (Samples::default(), Samples::default());
    let mut once = || {
        let payments = payers.pay();
        let items = signatures(payers.chain().id(), &payments);
        let before = cpu_time();
        let ours = pay(&net, &payments);
        let between = cpu_time();
        samples.push(ours, verify(&items));
        cpu.push(between - before, cpu_time() - between);
        ours
    };
    let mut group = criterion.benchmark_group("net");
    group.throughput(Throughput::Elements(ROUND_PAYMENTS as u64)).sample_size(10);
    group.bench_function(name, |bencher| {
        bencher.iter_custom(|n| (0..n).map(|_| once()).sum());
    });
    group.finish();
    let nodes = nodes(&net);
    for name in ["timecoin_node_messages_lost_total", "timecoin_node_messages_refused_total"] {
        assert!(nodes.iter().all(|node| counter(node, name) == 0), "{name}");
    }
    net.close(PATIENCE).unwrap();
    Rate {
        ours: samples.ours(50),
        floor: samples.floor(50),
        cpu: cpu.ours(50),
        floor_cpu: cpu.floor(50),
    }
}

/// Two threads submit batches, at two nodes, as long as not too much is on its way; ends when
/// the last payment is final at the last node.
fn pay(net: &LocalNet, payments: &[Arc<Transaction>]) -> Duration {
    let nodes = nodes(net);
    let before = nodes.iter().map(n_final).min().unwrap_or_default();
    let final_everywhere = || nodes.iter().map(n_final).min().unwrap_or_default() - before;
    let n_submitted = AtomicUsize::new(0);
    let began = Instant::now();
    thread::scope(|scope| {
        let halves = payments.chunks(payments.len().div_ceil(2));
        for (half, node) in halves.zip(&nodes) {
            scope.spawn(|| {
                for batch in half.chunks(BATCH_PAYMENTS) {
                    while n_submitted.load(Ordering::SeqCst) > final_everywhere() + AHEAD_MAX {
                        thread::sleep(LOOK_EVERY);
                    }
                    let batch: Vec<_> =
                        batch.iter().map(|payment| Arc::clone(payment).into()).collect();
                    n_submitted.fetch_add(batch.len(), Ordering::SeqCst);
                    node.submit_transactions(batch).into_iter().for_each(|answer| {
                        answer.unwrap();
                    });
                }
            });
        }
    });
    while final_everywhere() < payments.len() {
        assert!(began.elapsed() < PATIENCE, "not all payments become final");
        thread::sleep(LOOK_EVERY);
    }
    began.elapsed()
}

/// Enough wallets, and blocks only as there is something to confirm.
fn config() -> LocalNetConfig {
    LocalNetConfig {
        wallets: ROUND_PAYMENTS,
        coins_per_wallet: 1,
        block_production: BlockProduction::OnDemand,
        round_timeout: Duration::from_secs(30),
        epoch_blocks: 1_000,
        edit_genesis: |genesis| {
            let each = Amount::from_time(1_000);
            genesis.allocations.iter_mut().for_each(|allocation| allocation.value = each);
        },
        ..LocalNetConfig::new(4, 7)
    }
}

/// The wallets of a net, each with its one coin.
fn payers(net: &LocalNet) -> Payers {
    let keys = (0..net.config().wallets).map(|n| net.wallet(&format!("payer {n}")).unwrap().keys);
    Payers::of(net.chain().clone(), keys.collect())
}

fn nodes(net: &LocalNet) -> Vec<Node> {
    (0..net.n_nodes()).map(|node| net.node(node).unwrap()).collect()
}

/// How many payments are final at a node, by votes or by a block.
fn n_final(node: &Node) -> usize {
    counter(node, "timecoin_finality_transactions_total")
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

fn per_second(seconds: f64, cpu: f64) -> String {
    let n = ROUND_PAYMENTS as f64;
    format!("{:.0}/s, CPU {} each", n / seconds, micros(cpu / n))
}

/// CPU time of all threads of this process.
fn cpu_time() -> Duration {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(now.tv_sec.unsigned_abs(), u32::try_from(now.tv_nsec).unwrap_or(0))
}

const ROUND_PAYMENTS: usize = 20_000;

/// What a busy exchange would hand over at once.
const BATCH_PAYMENTS: usize = 500;

/// Payments on their way at a time: less than masternodes approve ahead of blocks.
const AHEAD_MAX: usize = 3_000;

const LOOK_EVERY: Duration = Duration::from_millis(2);

const STARTS: u64 = 20;

const PATIENCE: Duration = Duration::from_secs(60);
