//! What a node costs against what cannot be saved: each row is measured beside its floor, in
//! turns, in one run. `docs/benchmarks.md` says what the rows mean.
//!
//! `cargo bench -p timecoin-core --bench node` runs all, `-- rate` the rows with that name.
//! `PAYMENTS=1000000` sets the length of the memory row.

#![allow(clippy::unwrap_used, reason = "a measurement that fails says where")]

mod allocator;
mod blocks;
mod engine;
mod latency;
mod memory;
mod net;
mod rate;
mod setup;
mod table;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use criterion::Criterion;
use table::Table;

/// One row or a few: its name, and what fills it.
type Part = (&'static str, fn(&mut Criterion, &mut Table));

const PARTS: &[Part] = &[
    ("validate", blocks::validate),
    ("commit", blocks::commit),
    ("engine", engine::payments),
    ("rate", rate::solo),
    ("latency", latency::memory),
    ("latency durable", latency::durable),
    ("net rate", net::rate),
    ("net rate shared", net::rate_shared),
    ("net latency", net::latency),
    ("net start", net::start),
    ("pending", memory::pending),
    ("flat", memory::flat),
];

fn main() {
    let wanted: Vec<String> =
        std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    let mut criterion = Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(4))
        .without_plots();
    let mut table = Table::default();
    let mut failed = Vec::new();
    for (name, measure) in PARTS {
        if wanted.is_empty() || wanted.iter().any(|part| name.starts_with(part.as_str())) {
            // A row that fails costs the others nothing; it fails the whole at the end.
            let row = AssertUnwindSafe(|| measure(&mut criterion, &mut table));
            failed.extend(catch_unwind(row).is_err().then_some(*name));
        }
    }
    criterion.final_summary();
    table.print();
    assert!(failed.is_empty(), "not measured: {failed:?}");
}
