//! A network in virtual time.

use std::time::Duration;

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};
use timecoin_core::harness::SharedSimulation;
use timecoin_core::sim::strategy::STRATEGIES;
use timecoin_core::sim::{Fault, Link, SimulationConfig};
use timecoin_core::{Height, Network, NodeEvent};

use crate::block::{Block, CommitCertificate};
use crate::convert::{AfterArg, HeightArg, MasternodesArg, NodeArg, PpmArg, SeedNumber};
use crate::duration::{DurationArg, ShiftArg};
use crate::events::event_to_python;
use crate::guard::{Raised, blocking, drive, drive_with};
use crate::hashes::{ChainId, Txid};
use crate::html::fields;
use crate::info::status_member;
use crate::settings;
use crate::sim_info::{NetworkEvent, NetworkMetrics, SimNodeStatus, SimSnapshot};
use crate::sim_payment::{Condition, SimWallet};

/// A whole network of masternodes in virtual time: real engines, simulated clocks, disks and
/// links, one seed, and the invariants of the protocol checked after every event. The same
/// settings and calls give the same `digest()` on every machine and in every language.
///
/// Durations are texts ("20ms", "1.5s", "2min", "1h"), seconds as an int or a float, or
/// `timedelta`. Nodes are numbers from 0: the masternodes in the order of their keys, then the
/// observers. Any thread may call anything: one changes the simulation at a time, others wait or
/// read. Long calls end with Ctrl-C; what happened until then did happen. A simulation has no
/// threads or files of its own, so that it goes on in a forked process too.
///
/// `masternodes`: 1 to 200. `seed`: 0 to 2^64 - 1. Settings, all with a default that fits:
///
/// - `latency`: of each message: "50ms", ("20ms", "80ms") for anything between, or
///   "log-normal(40ms, 0.5)"; default ("20ms", "80ms").
/// - `loss_ppm`, `duplicate_ppm`, `reorder_ppm`: messages of a million that are lost, come twice,
///   may be overtaken; default 0.
/// - `bandwidth`: bytes a second of each link; `None`, the default, for no limit.
/// - `observers`: nodes beside the masternodes, without a vote; default 0.
/// - `late`: numbers of nodes that `restart` starts first; default none.
/// - `flush_latency`: how long a flush to disk takes; default 0.
/// - `round_timeout`: of round 0; default 2 s.
/// - `wallets`, `coins_per_wallet`: what the genesis funds, in coins of 10,000 TIME; default 4 and
///   16.
/// - `epoch_blocks`: blocks in an epoch; default 20.
/// - `block_interval`: default 1 s.
/// - `payments_per_kilosecond`: payments that come by themselves in 1,000 seconds; default 0. Of a
///   thousand of them `conflicting_permille` are signed twice, `malformed_permille` not valid,
///   `dust_permille` too small, `chained_permille` spend what is not final yet; default 0.
/// - `faults`: what goes wrong and when, as ["10s crash 2", "20s restart 2"] or pairs of a time
///   and a fault; see `inject`.
/// - `verify_everywhere`: whether each node checks each signature, instead of one for all.
/// - `journal_lines`, `events_max`: what is kept for `journal()` and `events()`; default 0 and
///   1,000.
/// - `replay`: the command that repeats the run, for failures; by default that of this process.
///
/// Raises `RequestError` (`invalid_config`, `invalid_genesis`).
///
/// >>> sim = Simulation(masternodes=4, seed=7, latency=("20ms", "80ms"))
/// >>> alice, bob = sim.wallet("alice"), sim.wallet("bob")
/// >>> tx = alice.pay(bob.address, "5 TIME")
/// >>> sim.run_until(tx.finalized, within="30s")
#[pyclass(frozen, module = "timecoin", weakref)]
pub(crate) struct Simulation {
    pub(crate) sim: SharedSimulation,
}

#[pymethods]
impl Simulation {
    #[new]
    #[pyo3(signature = (masternodes = MasternodesArg(4), seed = SeedNumber(0), **settings), text_signature = "(masternodes=4, seed=0, **settings)")]
    fn new(
        py: Python<'_>,
        masternodes: MasternodesArg,
        seed: SeedNumber,
        settings: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Self> {
        let texts = settings::texts(SimulationConfig::SETTINGS, settings)?;
        let sim = blocking(py, || {
            let mut config = SimulationConfig::new(masternodes.0, seed.0);
            config.events_max = EVENTS_MAX;
            texts.iter().try_for_each(|(name, text)| config.set(name, text))?;
            SharedSimulation::new(config)
        })?;
        Ok(Simulation { sim })
    }

    /// The names of all Byzantine strategies, for `set_byzantine`.
    #[staticmethod]
    fn strategies() -> Vec<&'static str> {
        STRATEGIES.to_vec()
    }

    /// How each fault is written, for `inject`.
    #[staticmethod]
    fn fault_forms() -> Vec<&'static str> {
        Fault::FORMS.to_vec()
    }

    /// The wallet of a name; a new name takes one of those that the genesis funds.
    ///
    /// Raises `RequestError` (`invalid_argument`) where all have other names.
    fn wallet(slf: &Bound<'_, Self>, name: String) -> PyResult<SimWallet> {
        let sim = &slf.get().sim;
        let address = blocking(slf.py(), || sim.wallet(&name))?;
        Ok(SimWallet { sim: slf.clone().unbind(), name, address })
    }

    /// Lets so much virtual time pass.
    ///
    /// Raises `InvariantError` where an invariant of the protocol is found broken, and from then
    /// on.
    fn advance(&self, py: Python<'_>, duration: DurationArg) -> PyResult<()> {
        drive(py, &self.sim, |drive| drive.advance(duration.0))
    }

    /// Lets virtual time pass until a condition holds, looked at after every event, but no longer
    /// than `within`. The condition is one of a payment, as `tx.finalized`, or anything that can
    /// be called with the simulation and says true or false.
    ///
    /// Raises `timecoin.TimeoutError` (`not_reached`) where it does not hold in that time; what
    /// the node answered where it refused the payment; what the condition raises;
    /// `InvariantError`.
    #[pyo3(signature = (condition, within = DurationArg(WITHIN)), text_signature = "($self, condition, within=60.0)")]
    fn run_until(
        slf: &Bound<'_, Self>,
        condition: &Bound<'_, PyAny>,
        within: DurationArg,
    ) -> PyResult<()> {
        let (py, sim) = (slf.py(), &slf.get().sim);
        if let Ok(condition) = condition.cast::<Condition>() {
            let goal = condition.get().sim_goal()?;
            return drive(py, sim, |drive| drive.run_until(goal, within.0));
        }
        if !condition.is_callable() {
            let text = "condition: give one of a payment, as tx.finalized, or a callable";
            return Err(PyTypeError::new_err(text));
        }
        let (condition, this) = (condition.clone().unbind(), slf.clone().unbind());
        drive_with(py, sim, |drive, raised: &Raised| {
            drive.run_until_host(within.0, || {
                raised.catch(|py| condition.call1(py, (&this,))?.is_truthy(py))
            })
        })
    }

    /// Lets the next event happen; false where there is none.
    ///
    /// Raises `InvariantError`.
    fn step(&self, py: Python<'_>) -> PyResult<bool> {
        drive(py, &self.sim, |drive| drive.step())
    }

    /// Lets a node stop at once. What was not flushed to its disk is lost.
    fn crash(&self, py: Python<'_>, node: NodeArg) -> PyResult<()> {
        self.cause(py, Fault::Crash(node.0))
    }

    /// Starts a node from what its disk holds.
    fn restart(&self, py: Python<'_>, node: NodeArg) -> PyResult<()> {
        self.cause(py, Fault::Restart(node.0))
    }

    /// Lets a node stand still; what is sent to it waits.
    fn pause(&self, py: Python<'_>, node: NodeArg) -> PyResult<()> {
        self.cause(py, Fault::Pause(node.0))
    }

    /// Lets a node go on that was paused.
    fn resume(&self, py: Python<'_>, node: NodeArg) -> PyResult<()> {
        self.cause(py, Fault::Resume(node.0))
    }

    /// Cuts the network between groups of nodes; who is in none is alone. In a `with` statement
    /// it is healed at the end of the block.
    #[pyo3(signature = (*groups))]
    fn partition(slf: &Bound<'_, Self>, groups: &Bound<'_, PyTuple>) -> PyResult<Partition> {
        let group = |group: Bound<'_, PyAny>| -> PyResult<Vec<usize>> {
            group.try_iter()?.map(|node| Ok(node?.extract::<NodeArg>()?.0)).collect()
        };
        let groups: PyResult<Vec<_>> = groups.iter().map(group).collect();
        slf.get().cause(slf.py(), Fault::Partition(groups?))?;
        Ok(Partition(slf.clone().unbind()))
    }

    /// Opens all links that a partition or `block_link` cut.
    fn heal(&self, py: Python<'_>) -> PyResult<()> {
        self.cause(py, Fault::Heal)
    }

    /// Lets one direction of a link let nothing through.
    fn block_link(&self, py: Python<'_>, sender: NodeArg, receiver: NodeArg) -> PyResult<()> {
        self.cause(py, Fault::Block(sender.0, receiver.0))
    }

    /// Changes how links behave: one direction of one link, named by the pair of sender and
    /// receiver, or all that have no behaviour of their own. Settings are `latency`, `loss_ppm`,
    /// `duplicate_ppm`, `reorder_ppm` and `bandwidth`; those not named stay as they are.
    ///
    /// Raises `RequestError` (`invalid_config`, `invalid_argument`).
    #[pyo3(signature = (between = None, **settings))]
    fn set_link(
        &self,
        py: Python<'_>,
        between: Option<(NodeArg, NodeArg)>,
        settings: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<()> {
        let texts = settings::texts(Link::SETTINGS, settings)?;
        let between = between.map(|(sender, receiver)| (sender.0, receiver.0));
        let texts = texts.iter().map(|(name, text)| (name.as_str(), text.as_str()));
        drive(py, &self.sim, |drive| drive.set_link(between, texts))
    }

    /// Lets everything from and to a node take longer by `extra`; 0 ends it.
    fn slow(&self, py: Python<'_>, node: NodeArg, extra: DurationArg) -> PyResult<()> {
        self.cause(py, Fault::Slow(node.0, extra.0))
    }

    /// Puts a node's time of day forward, or back where `by` is negative. Its own clock never
    /// goes back: it slows down until they meet.
    fn jump_clock(&self, py: Python<'_>, node: NodeArg, by: ShiftArg) -> PyResult<()> {
        self.cause(py, Fault::ClockJump(node.0, by.0))
    }

    /// Lets a node's clock gain `ppm` millionths, or lose them where it is negative.
    fn drift_clock(&self, py: Python<'_>, node: NodeArg, ppm: PpmArg) -> PyResult<()> {
        self.cause(py, Fault::ClockDrift(node.0, ppm.0))
    }

    /// Makes a node Byzantine: it follows the strategy of this name, with any that it follows
    /// already. "twins" adds a node with the same keys.
    ///
    /// Raises `RequestError` (`invalid_argument`) for a name that is not among `strategies()`.
    fn set_byzantine(&self, py: Python<'_>, node: NodeArg, strategy: &str) -> PyResult<()> {
        drive(py, &self.sim, |drive| drive.set_byzantine(node.0, strategy))
    }

    /// Lets anything go wrong, or puts it right, by its text: one of `fault_forms()`, as
    /// "crash-at-flush 2 1 during" or "clock-jump 1 -5s". Now, or after some virtual time.
    ///
    /// Raises `RequestError` (`invalid_argument`).
    #[pyo3(signature = (fault, after = None))]
    fn inject(&self, py: Python<'_>, fault: &str, after: Option<DurationArg>) -> PyResult<()> {
        drive(py, &self.sim, |drive| match after {
            Some(after) => drive.inject_after(after.0, &fault.parse()?),
            None => drive.inject(&fault.parse()?),
        })
    }

    /// Asks every running masternode for a block, whatever the interval.
    fn produce_block(&self, py: Python<'_>) -> PyResult<()> {
        self.cause(py, Fault::ProduceBlock)
    }

    /// Takes a snapshot of everything: clocks, disks, mempools, messages under way, generators.
    fn snapshot(&self, py: Python<'_>) -> PyResult<SimSnapshot> {
        blocking(py, || self.sim.snapshot()).map(SimSnapshot)
    }

    /// Goes back to a snapshot of this simulation, or of one that it was forked from or into. The
    /// snapshot can be used again.
    ///
    /// Raises `RequestError` (`invalid_argument`) for a snapshot of another simulation.
    fn revert(&self, py: Python<'_>, snapshot: &SimSnapshot) -> PyResult<()> {
        drive(py, &self.sim, |drive| drive.revert(&snapshot.0))
    }

    /// An independent copy that goes on from here. Snapshots of either are good for both.
    fn fork(&self, py: Python<'_>) -> PyResult<Simulation> {
        blocking(py, || self.sim.fork()).map(|sim| Simulation { sim })
    }

    /// The hash of everything that happened, hexadecimal: the same for the same settings and
    /// calls.
    fn digest(&self, py: Python<'_>) -> PyResult<String> {
        blocking(py, || self.sim.digest()).map(|digest| digest.to_string())
    }

    /// The seed.
    #[getter]
    fn seed(&self, py: Python<'_>) -> PyResult<u64> {
        blocking(py, || Ok(self.sim.read()?.config().seed))
    }

    /// The identity of its chain.
    #[getter]
    fn chain_id(&self, py: Python<'_>) -> PyResult<ChainId> {
        blocking(py, || Ok(ChainId(*self.sim.read()?.chain().id())))
    }

    /// Seconds of virtual time that passed.
    #[getter]
    fn elapsed(&self, py: Python<'_>) -> PyResult<f64> {
        blocking(py, || Ok(self.sim.read()?.elapsed().as_secs_f64()))
    }

    /// How many events happened.
    #[getter]
    fn steps(&self, py: Python<'_>) -> PyResult<u64> {
        blocking(py, || Ok(self.sim.read()?.step_number()))
    }

    /// The lowest height of all honest nodes that run; 0 where none does.
    #[getter]
    fn height(&self, py: Python<'_>) -> PyResult<u64> {
        blocking(py, || Ok(self.sim.read()?.height_min().0))
    }

    /// The number of the node that proposes the next block in round 0.
    #[getter]
    fn proposer(&self, py: Python<'_>) -> PyResult<usize> {
        blocking(py, || Ok(self.sim.read()?.next_proposer()))
    }

    /// A node at a glance.
    ///
    /// Raises `RequestError` (`invalid_argument`) where there is none of that number.
    fn status(&self, py: Python<'_>, node: NodeArg) -> PyResult<SimNodeStatus> {
        blocking(py, || self.sim.node_status(node.0)).map(SimNodeStatus)
    }

    /// All nodes at a glance, in the order of their numbers.
    fn nodes(&self, py: Python<'_>) -> PyResult<Vec<SimNodeStatus>> {
        let nodes = blocking(py, || {
            let sim = self.sim.read()?;
            Ok((0..sim.nodes().len()).filter_map(|node| sim.node_status(node)).collect::<Vec<_>>())
        })?;
        Ok(nodes.into_iter().map(SimNodeStatus).collect())
    }

    /// How far a transaction is: at node number `node`, or else at the first honest one that
    /// runs; `None` where that does not know it.
    #[pyo3(signature = (txid, node = None))]
    fn transaction_status<'py>(
        &self,
        py: Python<'py>,
        txid: Txid,
        node: Option<NodeArg>,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        let status =
            blocking(py, || self.sim.transaction_status(&txid.0, node.map(|node| node.0)))?;
        status.map(|status| status_member(py, &status)).transpose()
    }

    /// The decided block of a height, from 1; `None` where there is none.
    fn block(&self, py: Python<'_>, height: HeightArg) -> PyResult<Option<Block>> {
        let commit =
            blocking(py, || Ok(self.sim.read()?.archive().block(Height(height.0)).cloned()))?;
        Ok(commit.map(|commit| Block {
            block: commit.connected.block.block().clone(),
            certificate: CommitCertificate(commit.certificate.clone().into()),
            network: Network::Regtest,
        }))
    }

    /// What nodes told after the event of that sequence number, the oldest first: the last
    /// `events_max` of it.
    #[pyo3(signature = (after = AfterArg(0)), text_signature = "($self, after=0)")]
    fn events(&self, py: Python<'_>, after: AfterArg) -> PyResult<Vec<NetworkEvent>> {
        let events =
            blocking(py, || Ok(self.sim.read()?.events(after.0).cloned().collect::<Vec<_>>()))?;
        let to_python = |told: &std::sync::Arc<timecoin_core::sim::SimEvent>| {
            Ok(NetworkEvent {
                sequence: told.sequence,
                at: told.at.since(timecoin_core::sim::SimTime::ZERO).as_secs_f64(),
                node: told.node,
                event: event_to_python(py, NodeEvent::from(&**told), Network::Regtest)?,
            })
        };
        events.iter().map(to_python).collect()
    }

    /// The last `journal_lines` lines of what happened, in words.
    fn journal(&self, py: Python<'_>) -> PyResult<Vec<String>> {
        blocking(py, || Ok(self.sim.read()?.journal().map(str::to_owned).collect()))
    }

    /// What the network did since it began.
    fn metrics(&self, py: Python<'_>) -> PyResult<NetworkMetrics> {
        blocking(py, || self.sim.metrics()).map(NetworkMetrics)
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let (masternodes, seed, elapsed, height) = blocking(py, || {
            let sim = self.sim.read()?;
            let config = sim.config();
            let elapsed = sim.elapsed().as_secs_f64();
            Ok((config.masternodes, config.seed, elapsed, sim.height_min()))
        })?;
        Ok(fields(
            "Simulation",
            &[
                ("masternodes", &masternodes),
                ("seed", &seed),
                ("elapsed", &elapsed),
                ("height", &height),
            ],
        ))
    }

    fn _repr_html_(&self, py: Python<'_>) -> PyResult<String> {
        Ok(self.metrics(py)?._repr_html_())
    }
}

impl Simulation {
    fn cause(&self, py: Python<'_>, fault: Fault) -> PyResult<()> {
        drive(py, &self.sim, |drive| drive.inject(&fault))
    }
}

/// A partition of a network, for a `with` statement: the network is healed at its end.
#[pyclass(frozen, module = "timecoin")]
pub(crate) struct Partition(Py<Simulation>);

#[pymethods]
impl Partition {
    fn __enter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    #[pyo3(signature = (exception_type, exception, traceback))]
    fn __exit__(
        &self,
        exception_type: &Bound<'_, PyAny>,
        exception: &Bound<'_, PyAny>,
        traceback: &Bound<'_, PyAny>,
    ) -> PyResult<()> {
        let _ = (exception, traceback);
        let healed = self.0.get().heal(exception_type.py());
        // What the block raised tells more than what healing may raise after it.
        if exception_type.is_none() { healed } else { Ok(()) }
    }

    fn __repr__(&self) -> &'static str {
        "Partition()"
    }
}

/// How long conditions are waited for that are not told how long.
const WITHIN: Duration = Duration::from_secs(60);

/// What nodes tell that is kept where nothing else is said.
const EVENTS_MAX: usize = 1_000;
