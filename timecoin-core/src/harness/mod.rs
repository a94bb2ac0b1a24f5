//! Networks for tests as hosts drive them, from any thread and in any language: conditions to
//! wait for, waits that can be interrupted, and everything that may go wrong with the stable
//! number that C returns and Python exposes.
//!
//! The simulator itself is pure and single-threaded ([`crate::sim`]); this module adds the lock,
//! and nothing that a run depends on: the same settings and calls give the same digest as there.

mod error;
mod events;
mod metrics;
mod simulation;
mod snapshot;
mod turn;

pub use error::BrokenInvariant;
pub use metrics::{NetworkMetrics, Percentiles};
pub use simulation::{Drive, Goal, SharedSimulation, SimPayment, Submission};
pub use snapshot::SharedSnapshot;
