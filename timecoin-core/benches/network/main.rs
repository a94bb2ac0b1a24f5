//! What sockets cost: masternodes in processes of their own on the loopback interface, links with
//! delays, and a node that is behind. `docs/benchmarks.md` says what the rows mean.
//!
//! `cargo bench -p timecoin-core --bench network` runs all, `-- sync` the rows with that name.

#![allow(clippy::unwrap_used, reason = "a measurement that fails says where")]
#![allow(dead_code, reason = "the other bench uses more of what both share")]

mod far;
mod nodes;
mod processes;
#[path = "../node/setup.rs"]
mod setup;
mod snapshot;
mod sync;
#[path = "../node/table.rs"]
mod table;

use table::Table;

/// A row or two: its name, and what fills it.
type Part = (&'static str, fn(&mut Table));

const PARTS: &[Part] = &[
    ("processes", processes::measure),
    ("far", far::measure),
    ("sync", sync::measure),
    ("snapshot", snapshot::measure),
];

fn main() {
    if let Ok(position) = std::env::var(processes::POSITION) {
        return processes::masternode(position.parse().unwrap());
    }
    let wanted: Vec<String> =
        std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    let mut table = Table::default();
    for (name, measure) in PARTS {
        if wanted.is_empty() || wanted.iter().any(|part| name.starts_with(part.as_str())) {
            measure(&mut table);
        }
    }
    table.print();
}
