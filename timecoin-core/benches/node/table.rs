//! Samples of what is measured and of its floor, and the table that they end in.

use std::time::Duration;

/// Measurements of one thing and of its floor, made in turns.
#[derive(Default)]
pub(crate) struct Samples {
    ours: Vec<f64>,
    floor: Vec<f64>,
}

impl Samples {
    /// Adds one of each, in seconds.
    pub(crate) fn push(&mut self, ours: Duration, floor: Duration) {
        self.ours.push(ours.as_secs_f64());
        self.floor.push(floor.as_secs_f64());
    }

    /// The measurement that so many of a hundred do not exceed, in seconds.
    pub(crate) fn ours(&self, percent: usize) -> f64 {
        percentile(&self.ours, percent)
    }

    /// The same of the floor.
    pub(crate) fn floor(&self, percent: usize) -> f64 {
        percentile(&self.floor, percent)
    }
}

/// What is printed at the end.
#[derive(Default)]
pub(crate) struct Table(Vec<Row>);

/// One line of it.
pub(crate) struct Row {
    /// What was measured.
    pub(crate) what: &'static str,
    /// Our median, with its unit.
    pub(crate) ours: String,
    /// The floor's median, or `-`.
    pub(crate) floor: String,
    /// Ours to the floor, or `-`.
    pub(crate) ratio: String,
    /// What is wanted.
    pub(crate) target: &'static str,
    /// Whether it is met.
    pub(crate) is_met: bool,
}

impl Table {
    /// Adds a line.
    pub(crate) fn push(&mut self, row: Row) {
        self.0.push(row);
    }

    /// Prints all lines, ready for `docs/benchmarks.md`.
    #[expect(clippy::print_stdout, reason = "this is what a benchmark is for")]
    pub(crate) fn print(&self) {
        println!("\n| what | ours | floor | ratio | target | met |");
        println!("|---|---|---|---|---|---|");
        for Row { what, ours, floor, ratio, target, is_met } in &self.0 {
            let met = if *is_met { "yes" } else { "no" };
            println!("| {what} | {ours} | {floor} | {ratio} | {target} | {met} |");
        }
    }
}

/// A time in milliseconds.
pub(crate) fn millis(seconds: f64) -> String {
    format!("{:.3} ms", seconds * 1e3)
}

fn percentile(samples: &[f64], percent: usize) -> f64 {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    let index = (sorted.len() * percent / 100).min(sorted.len().saturating_sub(1));
    sorted.get(index).copied().unwrap_or(f64::NAN)
}
