//! One decision about an empty block: processor time of all masternodes.

use std::time::Duration;

use criterion::Criterion;
use rustix::time::{ClockId, clock_gettime};
use timecoin_core::KeyPair;
use timecoin_core::types::keys::VotingKey;
use timecoin_core::types::quorum::quorum;

use crate::network::Network;
use crate::table::{Row, Samples, Table, millis};

/// How many masternodes, and the line of the table.
pub(crate) const ROWS: [(usize, &str, f64); 3] = [
    (4, "decide an empty block, n = 4, CPU of all; floor: 9 signatures, 19 verifications", 1.2e-3),
    (7, "the same, n = 7; floor: 15 signatures, 62 verifications", f64::INFINITY),
    (13, "the same, n = 13; floor: 27 signatures, 220 verifications", f64::INFINITY),
];

/// Signatures that a decision needs: one proposal, and a Prepare and a Commit of each.
fn n_signed(n: usize) -> usize {
    1 + 2 * n
}

/// Verifications that it needs: the proposal by all others; and each masternode's own Prepare
/// with those of `q - 1` others are a quorum, and likewise its Commit.
fn n_verified(n: usize) -> usize {
    (n - 1) + 2 * n * (quorum(n) - 1)
}

pub(crate) fn measure(
    criterion: &mut Criterion,
    table: &mut Table,
    (n, what, seconds_max): (usize, &'static str, f64),
) {
    assert!(what.contains(&format!("{} signatures, {} ver", n_signed(n), n_verified(n))));
    let mut network = Network::new(n);
    let floor = Floor::new();
    let mut samples = Samples::default();
    let mut once = || {
        let height = network.height();
        let began = cpu_time();
        network.decide();
        let ours = cpu_time() - began;
        assert_eq!(network.height(), height.next());
        samples.push(ours, floor.time(n_signed(n), n_verified(n)));
        ours
    };
    criterion.bench_function(&format!("decide an empty block, n = {n}"), |bencher| {
        bencher.iter_custom(|count| (0..count).map(|_| once()).sum());
    });
    let (ours, floor) = (samples.ours(50), samples.floor(50));
    table.push(Row {
        what,
        ours: millis(ours),
        floor: millis(floor),
        ratio: format!("{:.2}", ours / floor),
        target: if seconds_max.is_finite() { "≤ 1.3, < 1.2 ms" } else { "≤ 1.3" },
        is_met: ours / floor <= 1.3 && ours < seconds_max,
    });
}

/// Signatures and verifications alone.
struct Floor {
    keys: KeyPair,
    voting: VotingKey,
}

impl Floor {
    fn new() -> Self {
        let keys = KeyPair::from_seed(b"floor");
        let voting = VotingKey::try_from(keys.public()).unwrap();
        Floor { keys, voting }
    }

    fn time(&self, n_signed: usize, n_verified: usize) -> Duration {
        let began = cpu_time();
        let message = |index: usize| [u8::try_from(index % 256).unwrap(); 32];
        let signatures: Vec<_> = (0..n_signed).map(|i| self.keys.sign(&message(i))).collect();
        for index in (0..n_verified).map(|index| index % n_signed) {
            self.voting.verify(&message(index), &signatures[index]).unwrap();
        }
        cpu_time() - began
    }
}

/// Processor time of this thread.
fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap())
}
