//! How many message delays things take, exactly: every message takes the same time, and
//! everything else none.

#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

use std::sync::Arc;
use std::time::Duration;

use timecoin_core::node::SharedSignatures;
use timecoin_core::sim::{Link, Simulation, SimulationConfig};
use timecoin_core::types::chain::millis;
use timecoin_core::{Amount, Height, Txid};

const DELAY: Duration = Duration::from_millis(50);

/// Sizes of networks; the last ones are as large as a masternode set may be.
const SIZES: [usize; 9] = [1, 3, 4, 7, 10, 13, 31, 100, 200];

fn network(n: usize) -> Simulation {
    let mut config = SimulationConfig::new(n, n as u64);
    config.link = Link::constant(DELAY);
    config.signatures = Some(Arc::new(SharedSignatures::new()));
    Simulation::new(config).unwrap()
}

/// What a protocol step costs where there is anybody to wait for.
fn delays(n: usize, count: u32) -> Duration {
    if n == 1 { Duration::ZERO } else { DELAY * count }
}

/// How long it takes from now until a transaction is final at every honest node that runs.
fn until_final(sim: &mut Simulation, txid: &Txid) -> Duration {
    let began = sim.elapsed();
    assert!(sim.run_until(|sim| sim.is_final_everywhere(txid), 100 * DELAY).unwrap());
    sim.elapsed() - began
}

/// How long after it was due a block was decided by the first node.
fn after_due(sim: &Simulation, height: Height) -> Duration {
    let archive = sim.archive();
    let timestamp = |height: Height| match archive.block(height) {
        Some(commit) => commit.connected.block.header().timestamp.0,
        None => sim.chain().genesis().timestamp.0,
    };
    let due = timestamp(Height(height.0 - 1)) + millis(sim.config().block_interval);
    let due = Duration::from_millis(due - sim.chain().genesis().timestamp.0);
    Duration::from_micros(sim.metrics().decided_at(height).unwrap().0) - due
}

#[test]
fn without_faults_a_payment_is_final_everywhere_after_three_delays() {
    for n in SIZES {
        let mut sim = network(n);
        for node in [0, n / 2, n - 1] {
            let txid = sim.pay_at(node, "alice", "bob", Amount::from_time(5)).unwrap();
            assert_eq!(until_final(&mut sim, &txid), delays(n, 3), "n = {n}, at {node}");
            assert_eq!(sim.metrics().finality_of(&txid), Some(delays(n, 3)), "n = {n}");
        }
    }
}

#[test]
fn without_faults_a_block_is_decided_three_delays_after_it_is_due() {
    for n in SIZES {
        let mut sim = network(n);
        sim.advance(Duration::from_millis(3_500)).unwrap();
        assert_eq!(sim.height_min(), Height(3), "n = {n}");
        for height in 1..=3 {
            assert_eq!(after_due(&sim, Height(height)), delays(n, 3), "n = {n}, {height}");
        }
        assert_eq!(sim.metrics().view_changes, 0);
    }
}

/// Finality has no leader, so that a crashed one changes nothing for it. The block takes a
/// timeout, one delay for the RoundChanges to reach the next proposer, and its three delays.
#[test]
fn a_crashed_proposer_delays_its_block_by_a_timeout_and_no_payment_at_all() {
    for n in [4, 7, 10, 13, 31, 100] {
        let mut sim = network(n);
        sim.advance(Duration::from_millis(1_500)).unwrap();
        let height = sim.height_min().next();
        let proposer = usize::try_from(height.0).unwrap() % n;
        sim.crash(proposer).unwrap();
        let txid = sim.pay("alice", "bob", Amount::from_time(5)).unwrap();
        assert_eq!(until_final(&mut sim, &txid), delays(n, 3), "n = {n}");
        assert!(sim.run_until(|sim| sim.archive().height() >= height, 20 * DELAY * 4).unwrap());
        let expected = sim.config().round_timeout + 4 * DELAY;
        assert_eq!(after_due(&sim, height), expected, "n = {n}");
        let certificate = &sim.archive().block(height).unwrap().certificate;
        assert_eq!(certificate.round.0, 1);
    }
}
