//! What a simulation answers, as values.

use pyo3::prelude::*;
use timecoin_core::harness;
use timecoin_core::sim::{NodeState, SimNodeStatus as Core};

use crate::enums::Enum;
use crate::hashes::PublicKey;
use crate::html::{fields, table, truth};

/// A node of a simulation at a glance.
#[pyclass(frozen, eq, module = "timecoin")]
#[derive(PartialEq)]
pub(crate) struct SimNodeStatus(pub(crate) Core);

#[pymethods]
impl SimNodeStatus {
    /// Its number, from 0.
    #[getter]
    fn node(&self) -> usize {
        self.0.node
    }

    /// Whether it takes part.
    #[getter]
    fn state<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        Enum::SimNodeState.member(py, self.0.state.name())
    }

    /// Why it stopped by itself, if it did.
    #[getter]
    fn halt_reason(&self) -> Option<&str> {
        match &self.0.state {
            NodeState::Halted(reason) => Some(reason),
            _ => None,
        }
    }

    /// The height of the last block that it decided and wrote.
    #[getter]
    fn height(&self) -> u64 {
        self.0.height.0
    }

    /// The epoch of the next block; 0 while it does not run.
    #[getter]
    fn epoch(&self) -> u64 {
        self.0.epoch.0
    }

    /// The round that the next height is in; 0 while it does not run.
    #[getter]
    fn round(&self) -> u32 {
        self.0.round.0
    }

    /// Its key, which names it.
    #[getter]
    fn masternode_key(&self) -> PublicKey {
        PublicKey(self.0.key)
    }

    /// Its clock, in milliseconds since the Unix epoch.
    #[getter]
    fn now(&self) -> u64 {
        self.0.now.0
    }

    /// Whether it decides in this epoch, and may sign.
    #[getter]
    fn is_active_masternode(&self) -> bool {
        self.0.is_active_masternode
    }

    /// Whether it started without the votes that it may have cast.
    #[getter]
    fn is_observer(&self) -> bool {
        self.0.is_observer
    }

    /// Whether it follows a strategy of its own, or ever did.
    #[getter]
    fn is_byzantine(&self) -> bool {
        self.0.is_byzantine
    }

    /// Transactions that it knows and that are neither confirmed nor refused.
    #[getter]
    fn mempool_transactions(&self) -> usize {
        self.0.mempool_transactions
    }

    /// How often it was started.
    #[getter]
    fn starts(&self) -> u32 {
        self.0.starts
    }

    fn __repr__(&self) -> String {
        fields(
            "SimNodeStatus",
            &[
                ("node", &self.0.node),
                ("state", &format!("'{}'", self.0.state.name())),
                ("height", &self.0.height),
                ("round", &self.0.round),
                ("is_byzantine", &truth(self.0.is_byzantine)),
            ],
        )
    }
}

/// Of a number of durations, in seconds, how long most took.
#[pyclass(frozen, eq, module = "timecoin")]
#[derive(PartialEq)]
pub(crate) struct Percentiles(harness::Percentiles);

#[pymethods]
impl Percentiles {
    /// How many there are.
    #[getter]
    fn n(&self) -> u64 {
        self.0.n
    }

    /// Half take no longer.
    #[getter]
    fn p50(&self) -> f64 {
        self.0.p50.as_secs_f64()
    }

    /// Nine of ten take no longer.
    #[getter]
    fn p90(&self) -> f64 {
        self.0.p90.as_secs_f64()
    }

    /// 99 of 100 take no longer.
    #[getter]
    fn p99(&self) -> f64 {
        self.0.p99.as_secs_f64()
    }

    /// The longest.
    #[getter]
    fn max(&self) -> f64 {
        self.0.max.as_secs_f64()
    }

    fn __repr__(&self) -> String {
        let harness::Percentiles { n, p50, p90, p99, max } = self.0;
        let seconds = [p50, p90, p99, max].map(|duration| duration.as_secs_f64());
        let [p50, p90, p99, max] = &seconds;
        fields("Percentiles", &[("n", &n), ("p50", p50), ("p90", p90), ("p99", p99), ("max", max)])
    }
}

/// What a network did since it began.
#[pyclass(frozen, eq, module = "timecoin")]
#[derive(PartialEq)]
pub(crate) struct NetworkMetrics(pub(crate) harness::NetworkMetrics);

#[pymethods]
impl NetworkMetrics {
    /// Seconds that passed.
    #[getter]
    fn elapsed(&self) -> f64 {
        self.0.elapsed.as_secs_f64()
    }

    /// Events that happened.
    #[getter]
    fn steps(&self) -> u64 {
        self.0.steps
    }

    /// Nodes that there are.
    #[getter]
    fn nodes(&self) -> u64 {
        self.0.nodes
    }

    /// The lowest height of all honest nodes that run.
    #[getter]
    fn height_min(&self) -> u64 {
        self.0.height_min
    }

    /// The highest height that any node decided.
    #[getter]
    fn height_max(&self) -> u64 {
        self.0.height_max
    }

    /// Rounds that ended without a decision, at any honest node.
    #[getter]
    fn view_changes(&self) -> u64 {
        self.0.view_changes
    }

    /// Payments that were made.
    #[getter]
    fn payments(&self) -> u64 {
        self.0.payments
    }

    /// Payments that were refused.
    #[getter]
    fn payments_refused(&self) -> u64 {
        self.0.payments_refused
    }

    /// Restarts of nodes.
    #[getter]
    fn restarts(&self) -> u64 {
        self.0.restarts
    }

    /// Messages that were sent.
    #[getter]
    fn messages_sent(&self) -> u64 {
        self.0.messages_sent
    }

    /// Their bytes.
    #[getter]
    fn bytes_sent(&self) -> u64 {
        self.0.bytes_sent
    }

    /// Messages that arrived.
    #[getter]
    fn messages_delivered(&self) -> u64 {
        self.0.messages_delivered
    }

    /// Messages that nodes refused as wrong.
    #[getter]
    fn messages_refused(&self) -> u64 {
        self.0.messages_refused
    }

    /// Masternodes that evidence names.
    #[getter]
    fn offenders(&self) -> u64 {
        self.0.offenders
    }

    /// From submission to the first node at which a payment was final.
    #[getter]
    fn finality(&self) -> Percentiles {
        Percentiles(self.0.finality)
    }

    /// From one decision to the next.
    #[getter]
    fn block_gap(&self) -> Percentiles {
        Percentiles(self.0.block_gap)
    }

    fn __repr__(&self) -> String {
        fields(
            "NetworkMetrics",
            &[
                ("elapsed", &self.0.elapsed.as_secs_f64()),
                ("height_min", &self.0.height_min),
                ("view_changes", &self.0.view_changes),
                ("payments", &self.0.payments),
            ],
        )
    }

    pub(crate) fn _repr_html_(&self) -> String {
        let metrics = &self.0;
        let percentiles = |of: &harness::Percentiles| {
            format!("{:?} half, {:?} 99 of 100, {:?} longest ({})", of.p50, of.p99, of.max, of.n)
        };
        table(
            "Network",
            &[
                ("elapsed", &format!("{:?}", metrics.elapsed)),
                ("heights", &format!("{} to {}", metrics.height_min, metrics.height_max)),
                ("view changes", &metrics.view_changes),
                (
                    "payments",
                    &format!("{}, {} refused", metrics.payments, metrics.payments_refused),
                ),
                ("finality", &percentiles(&metrics.finality)),
                ("block gap", &percentiles(&metrics.block_gap)),
                ("messages", &format!("{}, {} bytes", metrics.messages_sent, metrics.bytes_sent)),
            ],
        )
    }
}

/// The state of a simulation at one moment, to go back to as often as one likes.
#[pyclass(frozen, module = "timecoin", weakref)]
pub(crate) struct SimSnapshot(pub(crate) harness::SharedSnapshot);

#[pymethods]
impl SimSnapshot {
    /// The digest of the simulation when it was taken, hexadecimal.
    #[getter]
    fn digest(&self) -> String {
        self.0.digest().to_string()
    }

    /// Seconds of virtual time that had passed.
    #[getter]
    fn elapsed(&self) -> f64 {
        self.0.elapsed().as_secs_f64()
    }

    /// The height of the last block that was decided.
    #[getter]
    fn height(&self) -> u64 {
        self.0.height()
    }

    fn __repr__(&self) -> String {
        fields(
            "SimSnapshot",
            &[
                ("elapsed", &self.elapsed()),
                ("height", &self.height()),
                ("digest", &format!("'{}'", self.0.digest())),
            ],
        )
    }
}

/// Something that a node of a network told.
#[pyclass(frozen, module = "timecoin")]
pub(crate) struct NetworkEvent {
    pub(crate) sequence: u64,
    pub(crate) at: f64,
    pub(crate) node: usize,
    pub(crate) event: Py<PyAny>,
}

#[pymethods]
impl NetworkEvent {
    /// Counts all that nodes told, from 1: a gap is what was not kept.
    #[getter]
    fn sequence(&self) -> u64 {
        self.sequence
    }

    /// When, in seconds since the network began.
    #[getter]
    fn at(&self) -> f64 {
        self.at
    }

    /// Which node.
    #[getter]
    fn node(&self) -> usize {
        self.node
    }

    /// What it told.
    #[getter]
    fn event(&self, py: Python<'_>) -> Py<PyAny> {
        self.event.clone_ref(py)
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let event = self.event.bind(py).repr()?;
        let event = event.to_str()?;
        Ok(fields("NetworkEvent", &[("at", &self.at), ("node", &self.node), ("event", &event)]))
    }
}
