//! Memory over long times and many payments. `PAYMENTS` sets how many payments go through a busy
//! network, `DAYS` for how many days a quiet one runs.

#![allow(clippy::unwrap_used, reason = "a test that fails says where")]
#![allow(clippy::print_stdout, reason = "what was measured is printed")]

#[path = "../benches/node/allocator.rs"]
mod allocator;

use std::sync::Arc;
use std::time::Duration;

use timecoin_core::engine::TableSize;
use timecoin_core::node::SharedSignatures;
use timecoin_core::sim::{Simulation, SimulationConfig, Workload};
use timecoin_core::{Amount, Height};

/// Payments of the busy network where nobody says otherwise.
const PAYMENTS: u64 = 30_000;

/// Of so many parts of a run the first fills caches; the second and the last are compared.
const PARTS: u32 = 5;

/// What may be added between them, in percent.
const GROWTH_MAX: i64 = 5;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().expect("a number"))
}

/// A network whose chain does not grow but by blocks: coins stay as many as they are, because
/// payments give whole coins away and nobody is paid for blocks. Of blocks the last few are kept.
fn network(per_second: u32, interval: Duration) -> SimulationConfig {
    let mut config = SimulationConfig::new(4, 1);
    config.block_interval = interval;
    config.epoch_blocks = 20;
    config.coins_per_wallet = 256;
    config.workload = Workload { is_whole: true, ..Workload::good(per_second) };
    config.history = Some(20);
    config.edit_genesis = |genesis| {
        genesis.params.block_reward = Amount::ZERO;
        genesis.params.min_fee_per_kb = Amount::ZERO;
    };
    config.signatures = Some(Arc::new(SharedSignatures::with_capacity(5_000)));
    config
}

/// Runs for `span`, and compares the most bytes that were allocated in the second and in the
/// last of its parts.
fn check_flat(name: &str, config: SimulationConfig, span: Duration) -> Simulation {
    allocator::count(true);
    let mut sim = Simulation::new(config).unwrap();
    let mut peaks = Vec::new();
    for _ in 0..PARTS {
        let mut peak = 0;
        for _ in 0..SAMPLES {
            sim.advance(span / PARTS / SAMPLES).unwrap();
            peak = peak.max(allocator::live());
        }
        peaks.push(peak);
    }
    allocator::count(false);
    let summary = sim.summary();
    let text = format!(
        "{name}: {:.1} virtual hours, {} payments, {} blocks, bytes allocated at most: {peaks:?}",
        summary.elapsed.as_secs_f64() / 3_600.0,
        summary.payments_final,
        summary.height,
    );
    println!("{text}");
    let (early, late) = (peaks[1], peaks[peaks.len() - 1]);
    assert!(late * 100 <= early * (100 + GROWTH_MAX), "{text}");
    sim
}

#[test]
fn memory_stays_flat() {
    let n_payments = number("PAYMENTS").unwrap_or(PAYMENTS);
    let span = Duration::from_secs(n_payments / 100);
    check_flat("busy", network(100, Duration::from_secs(1)), span);
    // It takes three hours of this until all bounded tables are full, and a second part beyond.
    if let Some(days) = number("DAYS") {
        let span = Duration::from_secs(24 * 3_600 * days);
        check_flat("quiet", network(1, Duration::from_secs(10)), span);
    }
}

/// Whatever was voted on in an epoch, nothing of it is left in the next.
#[test]
fn votes_leave_no_trace_after_their_epoch() {
    let mut config = SimulationConfig::new(4, 2);
    config.epoch_blocks = 10;
    config.coins_per_wallet = 64;
    let mut sim = Simulation::new(config).unwrap();
    for epoch in 1..=5 {
        let n_full: usize = (0..40).map(|number| pay_both_ways(&mut sim, number)).sum();
        assert!(n_full > 0, "the tables are looked at while they are full");
        // A contested coin makes a block due at once, so that nobody knows which epoch it is.
        sim.advance(Duration::from_secs(3)).unwrap();
        let next = Height(sim.archive().height().0 / 10 * 10 + 11);
        let has_begun = |sim: &Simulation| sim.height_min() >= next;
        assert!(sim.run_until(has_begun, Duration::from_secs(60)).unwrap());
        for node in 0..4 {
            let engine = sim.node(node).engine().unwrap();
            assert_eq!(engine.mempool().len(), 0, "every payment is confirmed");
            let left: Vec<TableSize> =
                engine.vote_tables().filter(|table| table.len > table.len_max).collect();
            assert_eq!(left, [], "node {node} in epoch {epoch}");
        }
    }
}

/// A payment, or two of one coin; says how many tables have entries soon after.
fn pay_both_ways(sim: &mut Simulation, number: usize) -> usize {
    let value = Amount::from_units(1_000_000 + number as u64);
    if number.is_multiple_of(5) {
        for (node, payment) in
            sim.conflicting_payments("carol", value, 2).unwrap().into_iter().enumerate()
        {
            sim.submit(node, payment).unwrap();
        }
    } else {
        sim.pay_at(number % 4, "alice", "bob", value).unwrap();
    }
    sim.advance(Duration::from_millis(100)).unwrap();
    sim.node(0).engine().unwrap().vote_tables().filter(|table| table.len > 0).count()
}

/// Looks at what is allocated, in each part of a run.
const SAMPLES: u32 = 400;
