//! What a node counts: `timecoin_<module>_<quantity>_<unit>`, base units, counters end in
//! `_total`. Declared here and nowhere else.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// How a metric behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetricKind {
    /// Only grows.
    Counter,
    /// Goes up and down.
    Gauge,
    /// How many observations were at most so large; with `_sum` and `_count`.
    Histogram,
}

impl MetricKind {
    /// Its name in the Prometheus text form.
    pub const fn name(self) -> &'static str {
        match self {
            MetricKind::Counter => "counter",
            MetricKind::Gauge => "gauge",
            MetricKind::Histogram => "histogram",
        }
    }
}

/// One number that a node counts.
///
/// ```
/// # use timecoin_core::{Config, Node};
/// let node = Node::open(Config::regtest())?;
/// let height = node.metrics().into_iter().find(|m| m.name == "timecoin_consensus_height");
/// assert_eq!(height.map(|m| m.value), Some(0.0));
/// assert!(node.metrics_text().contains("# TYPE timecoin_consensus_height gauge"));
/// # Ok::<(), timecoin_core::NodeError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Metric {
    /// Its name; in a histogram with `_bucket`, `_sum` or `_count`.
    pub name: String,
    /// What it counts, in a sentence.
    pub help: &'static str,
    /// How it behaves.
    pub kind: MetricKind,
    /// In a histogram's bucket: the largest observation counted, in base units.
    pub bucket: Option<f64>,
    /// The number.
    pub value: f64,
}

/// A number that only grows.
#[derive(Debug, Default)]
pub(super) struct Counter(AtomicU64);

impl Counter {
    pub(super) fn add(&self, n: usize) {
        self.0.fetch_add(n as u64, Ordering::Relaxed);
    }

    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Durations, sorted into buckets.
#[derive(Debug, Default)]
pub(super) struct Durations {
    buckets: [AtomicU64; BUCKET_MICROS.len()],
    n: AtomicU64,
    sum_micros: AtomicU64,
}

impl Durations {
    pub(super) fn observe(&self, duration: Duration) {
        let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        if let Some(bucket) = BUCKET_MICROS.iter().position(|&most| micros <= most) {
            self.buckets[bucket].fetch_add(1, Ordering::Relaxed);
        }
        self.sum_micros.fetch_add(micros, Ordering::Relaxed);
        self.n.fetch_add(1, Ordering::Relaxed);
    }
}

macro_rules! metrics {
    ($($kind:ident $field:ident: $type:ty = $name:literal, $help:literal;)+) => {
        /// Everything that a node counts as it goes.
        #[derive(Debug, Default)]
        pub(super) struct Metrics {
            $(pub(super) $field: $type,)+
        }

        impl Metrics {
            fn collect_into(&self, list: &mut Vec<Metric>) {
                $(self.$field.collect(list, $name, $help);)+
            }
        }
    };
}

metrics! {
    counter submitted: Counter = "timecoin_node_submitted_total",
        "Transactions that callers submitted.";
    counter refused: Counter = "timecoin_node_refused_total",
        "Submitted transactions that were refused.";
    counter verified: Counter = "timecoin_node_verified_total",
        "Transactions whose signatures were verified.";
    counter verify_batches: Counter = "timecoin_node_verify_batches_total",
        "Batches in which signatures were verified.";
    counter inputs: Counter = "timecoin_engine_inputs_total",
        "Inputs that the engine was given.";
    counter batches: Counter = "timecoin_engine_batches_total",
        "Batches of inputs that the engine was given.";
    counter messages_sent: Counter = "timecoin_node_messages_sent_total",
        "Messages handed to the network.";
    counter messages_received: Counter = "timecoin_node_messages_received_total",
        "Messages of peers that were checked and given to the engine.";
    counter messages_refused: Counter = "timecoin_node_messages_refused_total",
        "Messages that no honest peer can have sent.";
    counter messages_lost: Counter = "timecoin_node_messages_lost_total",
        "Messages of peers for which there was no room.";
    counter records: Counter = "timecoin_storage_records_total",
        "Vote records written.";
    counter flushes: Counter = "timecoin_storage_flushes_total",
        "Writes of records and blocks, each with its flush.";
    histogram flush: Durations = "timecoin_storage_flush_seconds",
        "How long a write with its flush took.";
    counter finalized: Counter = "timecoin_finality_transactions_total",
        "Transactions that became final.";
    histogram finality: Durations = "timecoin_finality_seconds",
        "From first sight of a transaction to its finality.";
    counter confirmed: Counter = "timecoin_consensus_transactions_total",
        "Transactions confirmed in blocks, coinbases not counted.";
    counter blocks: Counter = "timecoin_consensus_blocks_total",
        "Blocks decided.";
    counter rounds: Counter = "timecoin_consensus_rounds_changed_total",
        "Rounds that ended without a decision.";
    counter evidence: Counter = "timecoin_consensus_evidence_total",
        "Masternodes seen to contradict themselves.";
    counter signatures_refused: Counter = "timecoin_consensus_signatures_refused_total",
        "Signatures that the sign guard refused.";
}

impl Metrics {
    /// Everything counted, then `gauges`: name, help, value.
    pub(super) fn collect(&self, gauges: &[(&str, &'static str, f64)]) -> Vec<Metric> {
        let mut list = Vec::new();
        self.collect_into(&mut list);
        list.extend(gauges.iter().map(|&(name, help, value)| {
            let (name, kind) = (name.to_owned(), MetricKind::Gauge);
            Metric { name, help, kind, bucket: None, value }
        }));
        list
    }
}

/// The Prometheus text form.
pub(super) fn to_text(metrics: &[Metric]) -> String {
    let mut text = String::new();
    let mut family = String::new();
    for metric in metrics {
        let base = match metric.kind {
            MetricKind::Histogram => {
                let name = metric.name.as_str();
                let ends = ["_bucket", "_sum", "_count"];
                ends.iter().find_map(|end| name.strip_suffix(end)).unwrap_or(name)
            }
            _ => metric.name.as_str(),
        };
        if base != family {
            let (help, kind) = (metric.help, metric.kind.name());
            let _ = write!(text, "# HELP {base} {help}\n# TYPE {base} {kind}\n");
            base.clone_into(&mut family);
        }
        let _ = match metric.bucket {
            Some(most) if most.is_infinite() => {
                writeln!(text, "{}{{le=\"+Inf\"}} {}", metric.name, metric.value)
            }
            Some(most) => writeln!(text, "{}{{le=\"{most}\"}} {}", metric.name, metric.value),
            None => writeln!(text, "{} {}", metric.name, metric.value),
        };
    }
    text
}

impl Counter {
    fn collect(&self, list: &mut Vec<Metric>, name: &str, help: &'static str) {
        let (name, value) = (name.to_owned(), self.get() as f64);
        list.push(Metric { name, help, kind: MetricKind::Counter, bucket: None, value });
    }
}

impl Durations {
    fn collect(&self, list: &mut Vec<Metric>, name: &str, help: &'static str) {
        let kind = MetricKind::Histogram;
        let mut push = |end: &str, bucket, value| {
            list.push(Metric { name: format!("{name}{end}"), help, kind, bucket, value });
        };
        let mut below = 0;
        for (bucket, micros) in self.buckets.iter().zip(BUCKET_MICROS) {
            below += bucket.load(Ordering::Relaxed);
            push("_bucket", Some(micros as f64 / 1e6), below as f64);
        }
        let n = self.n.load(Ordering::Relaxed) as f64;
        push("_bucket", Some(f64::INFINITY), n);
        push("_sum", None, self.sum_micros.load(Ordering::Relaxed) as f64 / 1e6);
        push("_count", None, n);
    }
}

/// Upper ends of the buckets, in microseconds: from a step in memory to a slow network.
const BUCKET_MICROS: [u64; 14] = [
    100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000,
    1_000_000, 10_000_000,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_form_groups_buckets_under_one_family() {
        let metrics = Metrics::default();
        metrics.blocks.add(3);
        metrics.finality.observe(Duration::from_micros(700));
        metrics.finality.observe(Duration::from_secs(60));
        let text = to_text(&metrics.collect(&[("timecoin_mempool_bytes", "Bytes.", 12.0)]));
        assert!(text.contains("# TYPE timecoin_consensus_blocks_total counter\n"));
        assert!(text.contains("timecoin_consensus_blocks_total 3\n"));
        assert!(text.contains("timecoin_finality_seconds_bucket{le=\"0.0005\"} 0\n"));
        assert!(text.contains("timecoin_finality_seconds_bucket{le=\"0.001\"} 1\n"));
        assert!(text.contains("timecoin_finality_seconds_bucket{le=\"+Inf\"} 2\n"));
        assert!(text.contains("timecoin_finality_seconds_count 2\n"));
        assert!(text.ends_with("# TYPE timecoin_mempool_bytes gauge\ntimecoin_mempool_bytes 12\n"));
        assert_eq!(text.matches("# TYPE timecoin_finality_seconds ").count(), 1);
    }

    #[test]
    fn names_follow_the_rule() {
        for metric in Metrics::default().collect(&[]) {
            assert!(metric.name.starts_with("timecoin_"));
            let is_counter = metric.kind == MetricKind::Counter;
            assert_eq!(metric.name.ends_with("_total"), is_counter, "{}", metric.name);
        }
    }
}
