//! What a decision costs all masternodes together, against the signatures that the protocol
//! needs: both measured in turns, in one run. `docs/benchmarks.md` says what the rows mean.
//!
//! `cargo bench -p timecoin-core --bench consensus` prints the table.

#![allow(clippy::unwrap_used, reason = "a benchmark that fails says where")]

mod decision;
mod network;
#[path = "../node/table.rs"]
mod table;

use std::time::Duration;

use criterion::Criterion;
use table::Table;

fn main() {
    let mut criterion = Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(3))
        .without_plots();
    let mut table = Table::default();
    for row in decision::ROWS {
        decision::measure(&mut criterion, &mut table, row);
    }
    criterion.final_summary();
    table.print();
}
