//! What a simulation measures, in virtual time.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::clock::SimTime;
use crate::types::hash::Txid;
use crate::types::keys::PublicKey;

/// Durations, to be asked for their middle and their extremes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Latencies {
    sorted: Vec<Duration>,
}

impl Latencies {
    fn new(mut durations: Vec<Duration>) -> Self {
        durations.sort_unstable();
        Latencies { sorted: durations }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.sorted.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.sorted.is_empty()
    }

    /// The duration that so many of a hundred do not exceed; zero where there are none.
    pub fn percentile(&self, percent: usize) -> Duration {
        let last = self.sorted.len().saturating_sub(1);
        self.sorted.get(last * percent.min(100) / 100).copied().unwrap_or_default()
    }

    /// The longest.
    pub fn max(&self) -> Duration {
        self.sorted.last().copied().unwrap_or_default()
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
    submitted: BTreeMap<Txid, SimTime>,
    finalized: BTreeMap<Txid, SimTime>,
    decided: Vec<SimTime>,
}

impl Metrics {
    pub(super) fn submit(&mut self, txid: Txid, at: SimTime) {
        self.payments += 1;
        self.submitted.entry(txid).or_insert(at);
    }

    pub(super) fn finalize(&mut self, txid: Txid, at: SimTime) {
        if self.submitted.contains_key(&txid) {
            self.finalized.entry(txid).or_insert(at);
        }
    }

    pub(super) fn decide(&mut self, at: SimTime) {
        self.decided.push(at);
    }

    pub(super) fn send(&mut self, kind: &'static str, bytes: usize) {
        *self.sent.entry(kind).or_default() += 1;
        self.sent_bytes += bytes as u64;
    }

    /// From the submission of each payment to the first node at which it was final.
    pub fn finality(&self) -> Latencies {
        let times = self.finalized.iter();
        let latency = |(txid, at): (&Txid, &SimTime)| Some(at.since(*self.submitted.get(txid)?));
        Latencies::new(times.filter_map(latency).collect())
    }

    /// From the submission of one payment to the first node at which it was final.
    pub fn finality_of(&self, txid: &Txid) -> Option<Duration> {
        Some(self.finalized.get(txid)?.since(*self.submitted.get(txid)?))
    }

    /// The times between decisions.
    pub fn block_gaps(&self) -> Latencies {
        let gaps = self.decided.windows(2).map(|pair| pair[1].since(pair[0]));
        Latencies::new(gaps.collect())
    }

    /// When each block was first decided, from height 1.
    pub fn decided(&self) -> &[SimTime] {
        &self.decided
    }
}
