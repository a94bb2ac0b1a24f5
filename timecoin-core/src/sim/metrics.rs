//! What a simulation measures, in virtual time.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::Simulation;
use super::clock::SimTime;
use super::random::micros;
use crate::engine::output::BlockCommit;
use crate::types::chain::Height;
use crate::types::hash::Txid;
use crate::types::keys::PublicKey;

/// Durations, to be asked for their middle and their extremes. They are kept rounded up to a
/// tenth of a millisecond, so that a long run takes no more room than a short one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Latencies {
    counts: BTreeMap<u64, u64>,
    len: u64,
    max: Duration,
}

impl Latencies {
    pub(super) fn add(&mut self, duration: Duration) {
        *self.counts.entry(micros(duration).div_ceil(GRAIN_MICROS)).or_default() += 1;
        self.len += 1;
        self.max = self.max.max(duration);
    }

    /// How many there are.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The least duration that so many of a hundred do not exceed; zero where there are none.
    pub fn percentile(&self, percent: u64) -> Duration {
        let rank = (self.len * percent.min(100)).div_ceil(100).max(1);
        let mut n_seen = 0;
        let found = self.counts.iter().find(|(_, count)| {
            n_seen += **count;
            n_seen >= rank
        });
        let grains = found.map_or(0, |(grains, _)| *grains);
        Duration::from_micros(grains * GRAIN_MICROS).min(self.max)
    }

    /// The longest, exactly.
    pub fn max(&self) -> Duration {
        self.max
    }
}

/// Counters and times of one simulation.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    /// Messages that were sent, by kind.
    pub sent: BTreeMap<&'static str, u64>,
    /// Bytes that were sent.
    pub sent_bytes: u64,
    /// Messages that were delivered.
    pub delivered: u64,
    /// Messages that nodes refused as wrong.
    pub refused: u64,
    /// Rounds that ended without a decision, at any honest node.
    pub view_changes: u64,
    /// Payments that were made.
    pub payments: u64,
    /// Payments that were refused when they were submitted.
    pub payments_refused: u64,
    /// Restarts.
    pub restarts: u64,
    /// Masternodes that evidence names, found by any honest node.
    pub offenders: BTreeSet<PublicKey>,
    pending: BTreeMap<Txid, SimTime>,
    finalized: BTreeMap<Txid, Duration>,
    finality: Latencies,
    decided: BTreeMap<Height, SimTime>,
    block_gaps: Latencies,
}

impl Metrics {
    pub(super) fn submit(&mut self, txid: Txid, at: SimTime) {
        self.payments += 1;
        if !self.finalized.contains_key(&txid) {
            self.pending.entry(txid).or_insert(at);
        }
    }

    pub(super) fn finalize(&mut self, txid: Txid, at: SimTime) {
        let Some(submitted) = self.pending.remove(&txid) else { return };
        let latency = at.since(submitted);
        self.finality.add(latency);
        self.finalized.insert(txid, latency);
    }

    pub(super) fn decide(&mut self, height: Height, at: SimTime) {
        if let Some((_, parent)) = self.decided.last_key_value() {
            self.block_gaps.add(at.since(*parent));
        }
        self.decided.insert(height, at);
    }

    pub(super) fn send(&mut self, kind: &'static str, bytes: usize) {
        *self.sent.entry(kind).or_default() += 1;
        self.sent_bytes += bytes as u64;
    }

    pub(super) fn forget_block(&mut self, commit: &BlockCommit, height: Height) {
        for transaction in commit.connected.block.transactions() {
            self.finalized.remove(&transaction.txid());
        }
        self.decided.remove(&height);
    }

    /// From the submission of each payment to the first node at which it was final.
    pub fn finality(&self) -> &Latencies {
        &self.finality
    }

    /// From the submission of one payment to the first node at which it was final, exactly.
    pub fn finality_of(&self, txid: &Txid) -> Option<Duration> {
        self.finalized.get(txid).copied()
    }

    /// The times between decisions.
    pub fn block_gaps(&self) -> &Latencies {
        &self.block_gaps
    }

    /// When a block was first decided.
    pub fn decided_at(&self, height: Height) -> Option<SimTime> {
        self.decided.get(&height).copied()
    }
}

/// What a run came to so far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// Virtual time.
    pub elapsed: Duration,
    /// Events.
    pub steps: u64,
    /// The height of the last block that any node decided.
    pub height: Height,
    /// The height of each node, on its disk.
    pub heights: Vec<Height>,
    /// Rounds that ended without a decision, at any honest node.
    pub view_changes: u64,
    /// Restarts.
    pub restarts: u64,
    /// Payments that were made.
    pub payments: u64,
    /// Payments of which some honest node held the finality certificate or the block.
    pub payments_final: u64,
    /// From submission to the first node at which a payment was final.
    pub finality: Latencies,
    /// Between decisions.
    pub block_gaps: Latencies,
}

impl Simulation {
    /// The height of each node: of the last block on its disk.
    pub fn heights(&self) -> Vec<Height> {
        self.nodes.iter().map(super::SimNode::height).collect()
    }

    /// What the run came to so far.
    pub fn summary(&self) -> Summary {
        let metrics = &self.metrics;
        Summary {
            elapsed: self.elapsed(),
            steps: self.step,
            height: self.archive.height(),
            heights: self.heights(),
            view_changes: metrics.view_changes,
            restarts: metrics.restarts,
            payments: metrics.payments,
            payments_final: metrics.finality.len(),
            finality: metrics.finality.clone(),
            block_gaps: metrics.block_gaps.clone(),
        }
    }
}

/// Durations that differ by less than this count as one.
const GRAIN_MICROS: u64 = 100;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_the_least_that_so_many_do_not_exceed() {
        let mut latencies = Latencies::default();
        assert_eq!((latencies.percentile(50), latencies.max()), (Duration::ZERO, Duration::ZERO));
        for millis in (1..=10).rev() {
            latencies.add(Duration::from_millis(millis));
        }
        let percentile = |percent| latencies.percentile(percent).as_millis();
        let found = [0, 10, 11, 50, 90, 99, 100].map(percentile);
        assert_eq!(found, [1, 1, 2, 5, 9, 10, 10]);
    }

    #[test]
    fn durations_are_rounded_up_and_never_beyond_the_longest() {
        let mut latencies = Latencies::default();
        latencies.add(Duration::from_micros(1_001));
        latencies.add(Duration::from_micros(1_350));
        assert_eq!(latencies.percentile(50), Duration::from_micros(1_100));
        assert_eq!(latencies.percentile(100), Duration::from_micros(1_350));
    }
}
