//! What a network did, in numbers.

use std::time::Duration;

use crate::sim::{Latencies, Simulation};

/// Of a number of durations, how long most took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Percentiles {
    /// How many there are.
    pub n: u64,
    /// Half take no longer.
    pub p50: Duration,
    /// Nine of ten take no longer.
    pub p90: Duration,
    /// 99 of 100 take no longer.
    pub p99: Duration,
    /// The longest.
    pub max: Duration,
}

impl From<&Latencies> for Percentiles {
    fn from(latencies: &Latencies) -> Self {
        Percentiles {
            n: latencies.len(),
            p50: latencies.percentile(50),
            p90: latencies.percentile(90),
            p99: latencies.percentile(99),
            max: latencies.max(),
        }
    }
}

/// What a network did since it began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NetworkMetrics {
    /// Time that passed.
    pub elapsed: Duration,
    /// Events that happened.
    pub steps: u64,
    /// Nodes that there are.
    pub nodes: u64,
    /// The lowest height of all honest nodes that run.
    pub height_min: u64,
    /// The highest height that any node decided.
    pub height_max: u64,
    /// Rounds that ended without a decision, at any honest node.
    pub view_changes: u64,
    /// Payments that were made.
    pub payments: u64,
    /// Payments that were refused.
    pub payments_refused: u64,
    /// Restarts of nodes.
    pub restarts: u64,
    /// Messages that were sent.
    pub messages_sent: u64,
    /// Their bytes.
    pub bytes_sent: u64,
    /// Messages that arrived.
    pub messages_delivered: u64,
    /// Messages that nodes refused as wrong.
    pub messages_refused: u64,
    /// Masternodes that evidence names.
    pub offenders: u64,
    /// From submission to the first node at which a payment was final.
    pub finality: Percentiles,
    /// From one decision to the next.
    pub block_gap: Percentiles,
}

impl NetworkMetrics {
    /// Those of a simulation.
    pub(super) fn of(sim: &Simulation) -> Self {
        let metrics = sim.metrics();
        NetworkMetrics {
            elapsed: sim.elapsed(),
            steps: sim.step_number(),
            nodes: sim.nodes().len() as u64,
            height_min: sim.height_min().0,
            height_max: sim.archive().height().0,
            view_changes: metrics.view_changes,
            payments: metrics.payments,
            payments_refused: metrics.payments_refused,
            restarts: metrics.restarts,
            messages_sent: metrics.sent.values().sum(),
            bytes_sent: metrics.sent_bytes,
            messages_delivered: metrics.delivered,
            messages_refused: metrics.refused,
            offenders: metrics.offenders.len() as u64,
            finality: metrics.finality().into(),
            block_gap: metrics.block_gaps().into(),
        }
    }
}
