//! Real nodes in one process, with the verbs of a simulation.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};
use timecoin_core::localnet::{self, LocalNetConfig};
use timecoin_core::sim::Link;
use timecoin_core::{Network, NodeError};

use crate::block::Block;
use crate::convert::{HeightArg, MasternodesArg, NodeArg, SeedNumber, Timeout};
use crate::duration::DurationArg;
use crate::ending::Inside;
use crate::error::Failure;
use crate::events::{DEFAULT_TIMEOUT, event_to_python};
use crate::guard::{Native, blocking};
use crate::hashes::{ChainId, Txid};
use crate::html::fields;
use crate::info::status_member;
use crate::local_payment::{LocalNodeStatus, LocalWallet};
use crate::node::Node;
use crate::process;
use crate::settings;
use crate::sim_info::NetworkEvent;
use crate::sim_payment::Condition;

/// A network of real nodes in this process, in memory or over sockets: the threads, clocks, stores
/// and checks of production, and the verbs of a `Simulation`, in real time. The same seed and settings
/// make the same chain and the same wallets as there; what happens when is up to the machine.
///
/// A `with` block closes it at its end. Any thread may call anything at any time; every call
/// releases the GIL, and waiting calls end with Ctrl-C. It belongs to the process that made it:
/// after a fork its use raises `RequestError` (`forked_process`).
///
/// `masternodes`: 1 to 200. `seed`: 0 to 2^64 - 1. Settings, all with a default that fits:
///
/// - `latency`, `loss_ppm`, `duplicate_ppm`, `reorder_ppm`, `bandwidth`: of links, as for a
///   `Simulation`; default: at once, without loss.
/// - `observers`: nodes beside the masternodes, without a vote; default 0.
/// - `storage`: "memory", "temporary" for a directory that ends with the net, or the path of one
///   that stays; default "memory".
/// - `transport`: "memory", or "tcp" for encrypted connections on the loopback interface, as nodes
///   on different machines have; default "memory".
/// - `round_timeout`: of round 0; default 2 s.
/// - `wallets`, `coins_per_wallet`: what the genesis funds, in coins of 10,000 TIME; default 4 and
///   16.
/// - `epoch_blocks`: blocks in an epoch; default 20.
/// - `block_interval`: default 1 s.
/// - `shared_verification_cache`: whether a node believes what another one found out about a
///   signature; default false.
/// - `encode_messages`: whether messages travel as bytes; default false.
/// - `sync_writes`: whether a write counts only once the disk has it; default true.
/// - `submit_timeout`: how long a submit waits for its answer; default 30 s.
///
/// Raises `RequestError` (`invalid_config`, `invalid_genesis`), `StorageError`, `InternalError`
/// (`no_threads`).
///
/// >>> with LocalNet(masternodes=4) as net:
/// ...     alice, bob = net.wallet("alice"), net.wallet("bob")
/// ...     tx = alice.pay(bob.address, "5 TIME")
/// ...     net.run_until(tx.finalized, within="30s")
#[pyclass(frozen, module = "timecoin", weakref)]
pub(crate) struct LocalNet {
    net: Native<localnet::LocalNet>,
    began: f64,
}

#[pymethods]
impl LocalNet {
    #[new]
    #[pyo3(signature = (masternodes = MasternodesArg(4), seed = SeedNumber(0), **settings), text_signature = "(masternodes=4, seed=0, **settings)")]
    fn new(
        py: Python<'_>,
        masternodes: MasternodesArg,
        seed: SeedNumber,
        settings: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Self> {
        process::check_open().map_err(|failure| failure.into_pyerr(py))?;
        let texts = settings::texts(LocalNetConfig::SETTINGS, settings)?;
        let began = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let net = blocking(py, || {
            let mut config = LocalNetConfig::new(masternodes.0, seed.0);
            texts.iter().try_for_each(|(name, text)| config.set(name, text))?;
            localnet::LocalNet::start(config)
        })?;
        Ok(LocalNet { net: Native::new(net), began: began.as_secs_f64() })
    }

    /// Ends all nodes in order. Closing again does nothing.
    ///
    /// Raises `timecoin.TimeoutError` where that takes longer than `deadline` seconds: it goes on
    /// behind.
    #[pyo3(signature = (deadline = Timeout(DEFAULT_TIMEOUT)), text_signature = "($self, deadline=30.0)")]
    fn close(&self, py: Python<'_>, deadline: Timeout) -> PyResult<()> {
        self.net.wait(py, deadline, localnet::LocalNet::close)
    }

    fn __enter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    #[pyo3(signature = (*_exception))]
    fn __exit__(&self, py: Python<'_>, _exception: &Bound<'_, PyTuple>) -> PyResult<()> {
        self.close(py, Timeout(DEFAULT_TIMEOUT))
    }

    /// The wallet of a name; a new name takes one of those that the genesis funds.
    ///
    /// Raises `RequestError` (`invalid_argument`) where all have other names.
    fn wallet(slf: &Bound<'_, Self>, name: String) -> PyResult<LocalWallet> {
        let address = slf.get().net.call(slf.py(), |net| Ok(net.wallet(&name)?.address()))?;
        Ok(LocalWallet { net: slf.clone().unbind(), name, address })
    }

    /// Lets so much time pass. Ctrl-C ends the wait.
    ///
    /// Raises `RequestError` (`closed`).
    fn advance(&self, py: Python<'_>, duration: DurationArg) -> PyResult<()> {
        let passed = self.net.try_wait(py, Timeout(duration.0), |net, slice| {
            net.check_open()?;
            std::thread::sleep(slice);
            Err(NodeError::Timeout { what: "time", after: slice })
        });
        match passed {
            Ok(()) | Err(Failure::Node(NodeError::Timeout { .. })) => Ok(()),
            Err(failure) => Err(failure.into_pyerr(py)),
        }
    }

    /// Waits until a condition holds, but no longer than `within`. The condition is one of a
    /// payment, as `tx.finalized`, or anything that can be called with the net and says true or
    /// false, which is done every few milliseconds.
    ///
    /// Raises `timecoin.TimeoutError` where it does not hold in that time; what a node answered
    /// where it refused the payment; what the condition raises; `RequestError` (`closed`).
    #[pyo3(signature = (condition, within = DurationArg(WITHIN)), text_signature = "($self, condition, within=60.0)")]
    fn run_until(
        slf: &Bound<'_, Self>,
        condition: &Bound<'_, PyAny>,
        within: DurationArg,
    ) -> PyResult<()> {
        let py = slf.py();
        let timeout = Timeout(within.0);
        if let Ok(condition) = condition.cast::<Condition>() {
            let goal = condition.get().net_goal()?;
            return slf.get().net.wait(py, timeout, |net, slice| goal.wait(net, slice));
        }
        if !condition.is_callable() {
            let text = "condition: give one of a payment, as tx.finalized, or a callable";
            return Err(PyTypeError::new_err(text));
        }
        let began = std::time::Instant::now();
        loop {
            slf.get().net.call(py, localnet::LocalNet::check_open)?;
            let inside = Inside::enter_or_hold(py);
            if condition.call1((slf,))?.is_truthy()? {
                return Ok(());
            }
            drop(inside);
            if began.elapsed() >= within.0 {
                let error = NodeError::Timeout { what: "the condition", after: within.0 };
                return Err(Failure::Node(error).into_pyerr(py));
            }
            slf.get().advance(py, DurationArg(LOOK_EVERY))?;
        }
    }

    /// Ends a node as the end of its process would: nothing more is written or sent.
    fn crash(&self, py: Python<'_>, node: NodeArg) -> PyResult<()> {
        self.net.call(py, |net| net.crash(node.0))
    }

    /// Starts a crashed node from what its store holds.
    fn restart(&self, py: Python<'_>, node: NodeArg) -> PyResult<()> {
        self.net.call(py, |net| net.restart(node.0))
    }

    /// Lets a node stand still; what is sent to it waits.
    fn pause(&self, py: Python<'_>, node: NodeArg) -> PyResult<()> {
        self.net.call(py, |net| net.pause(node.0))
    }

    /// Lets a node go on that was paused.
    fn resume(&self, py: Python<'_>, node: NodeArg) -> PyResult<()> {
        self.net.call(py, |net| net.resume(node.0))
    }

    /// Cuts the network between groups of nodes; who is in none is alone. In a `with` statement
    /// it is healed at the end of the block.
    ///
    /// Raises `RequestError` (`invalid_argument`, `closed`).
    #[pyo3(signature = (*groups))]
    fn partition(slf: &Bound<'_, Self>, groups: &Bound<'_, PyTuple>) -> PyResult<LocalPartition> {
        let group = |group: Bound<'_, PyAny>| -> PyResult<Vec<usize>> {
            group.try_iter()?.map(|node| Ok(node?.extract::<NodeArg>()?.0)).collect()
        };
        let groups: Vec<Vec<usize>> = groups.iter().map(group).collect::<PyResult<_>>()?;
        let groups: Vec<&[usize]> = groups.iter().map(Vec::as_slice).collect();
        slf.get().net.call(slf.py(), |net| net.partition(&groups))?;
        Ok(LocalPartition(slf.clone().unbind()))
    }

    /// Opens all links that a partition or `block_link` cut.
    fn heal(&self, py: Python<'_>) -> PyResult<()> {
        self.net.call(py, |net| {
            net.heal();
            Ok(())
        })
    }

    /// Makes a node Byzantine: it follows a strategy, with any that it follows already, in this
    /// life and in all that come. What speaks of every node that takes part, or of the first,
    /// leaves it out from now on. The strategies are those of a `Simulation`, without "amnesia"
    /// and "twins", which only virtual time has, and over sockets without "garbage".
    ///
    /// Raises `RequestError` (`invalid_argument`) for a node that is not there, or a strategy that
    /// is not there or that the net can't follow; `closed`.
    fn set_byzantine(&self, py: Python<'_>, node: NodeArg, strategy: &str) -> PyResult<()> {
        self.net.call(py, |net| net.set_byzantine(node.0, strategy))
    }

    /// Lets one direction of a link let nothing through.
    fn block_link(&self, py: Python<'_>, sender: NodeArg, receiver: NodeArg) -> PyResult<()> {
        self.net.call(py, |net| net.block(sender.0, receiver.0))
    }

    /// Changes how links behave: one direction of one link, named by the pair of sender and
    /// receiver, or all that have no behaviour of their own. Settings are `latency`, `loss_ppm`,
    /// `duplicate_ppm`, `reorder_ppm` and `bandwidth`; those not named are as for a new net.
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
        self.net.call(py, |net| {
            let texts = texts.iter().map(|(name, text)| (name.as_str(), text.as_str()));
            net.set_link_texts(between, texts)
        })
    }

    /// Lets everything from and to a node take longer by `extra`; 0 ends it.
    fn slow(&self, py: Python<'_>, node: NodeArg, extra: DurationArg) -> PyResult<()> {
        self.net.call(py, |net| net.set_slow(node.0, extra.0))
    }

    /// Asks every node that takes part for a block now, waits until all have it, and returns its
    /// height.
    ///
    /// Raises `timecoin.TimeoutError`, `RequestError` (`closed`, also where no node takes part).
    #[pyo3(signature = (timeout = Timeout(DEFAULT_TIMEOUT)), text_signature = "($self, timeout=30.0)")]
    fn produce_block(&self, py: Python<'_>, timeout: Timeout) -> PyResult<u64> {
        let asked = Mutex::new(None);
        let produce = |net: &localnet::LocalNet, slice| {
            let mut asked = asked.lock().unwrap_or_else(PoisonError::into_inner);
            // Once asked for, a block is waited for: asking again would make another.
            let height = match *asked {
                Some(height) => height,
                None => *asked.insert(net.ask_for_block(timeout.0)?),
            };
            net.wait_height_everywhere(height, slice).map(|()| height.0)
        };
        self.net.wait(py, timeout, produce)
    }

    /// A node, to be read, paid through, waited for. After a crash it is closed; the one that is
    /// restarted in its place is another.
    ///
    /// Raises `RequestError` (`invalid_argument`) where there is none of that number.
    fn node(&self, py: Python<'_>, node: NodeArg) -> PyResult<Node> {
        self.net.call(py, |net| net.node(node.0)).map(|node| Node::of(node, Network::Regtest))
    }

    /// A node at a glance.
    ///
    /// Raises `RequestError` (`invalid_argument`) where there is none of that number.
    fn status(&self, py: Python<'_>, node: NodeArg) -> PyResult<LocalNodeStatus> {
        self.net.call(py, |net| net.status(node.0)).map(LocalNodeStatus)
    }

    /// All nodes at a glance, in the order of their numbers.
    fn nodes(&self, py: Python<'_>) -> PyResult<Vec<LocalNodeStatus>> {
        let statuses = self.net.call(py, |net| {
            (0..net.n_nodes()).map(|node| net.status(node)).collect::<Result<Vec<_>, _>>()
        })?;
        Ok(statuses.into_iter().map(LocalNodeStatus).collect())
    }

    /// The seed.
    #[getter]
    fn seed(&self, py: Python<'_>) -> PyResult<u64> {
        self.net.call(py, |net| Ok(net.config().seed))
    }

    /// The identity of its chain.
    #[getter]
    fn chain_id(&self, py: Python<'_>) -> PyResult<ChainId> {
        self.net.call(py, |net| Ok(ChainId(*net.chain().id())))
    }

    /// The lowest height of all nodes that take part; 0 where none does.
    #[getter]
    fn height(&self, py: Python<'_>) -> PyResult<u64> {
        self.net.call(py, |net| Ok(net.height_min().0))
    }

    /// The number of the node that proposes the next block in round 0; `None` where no node takes
    /// part.
    #[getter]
    fn proposer(&self, py: Python<'_>) -> PyResult<Option<usize>> {
        self.net.call(py, |net| Ok(net.next_proposer()))
    }

    /// How far a transaction is: at node number `node`, or else at node 0; `None` where that does
    /// not know it.
    #[pyo3(signature = (txid, node = NodeArg(0)), text_signature = "($self, txid, node=0)")]
    fn transaction_status<'py>(
        &self,
        py: Python<'py>,
        txid: Txid,
        node: NodeArg,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        let status = self.net.call(py, |net| net.node(node.0)?.transaction_status(&txid.0))?;
        status.map(|status| status_member(py, &status)).transpose()
    }

    /// The decided block of a height, from 1, as node 0 has it; `None` where there is none.
    fn block(&self, py: Python<'_>, height: HeightArg) -> PyResult<Option<Block>> {
        let height = timecoin_core::Height(height.0);
        let decided = self.net.call(py, |net| net.node(0)?.block(height))?;
        Ok(decided.map(|decided| Block::of(decided, Network::Regtest)))
    }

    /// Subscribes to everything that happens at any node from now on, and returns an iterator. It
    /// ends when the net is closed, or when no event came for `timeout` seconds (`None`: no
    /// limit).
    #[pyo3(signature = (timeout = None))]
    fn events(&self, py: Python<'_>, timeout: Option<Timeout>) -> PyResult<LocalEvents> {
        let events = self.net.call(py, |net| Ok(net.subscribe()))?;
        let timeout = timeout.unwrap_or(Timeout::FOREVER);
        Ok(LocalEvents { events: Native::new(events), timeout, began: self.began })
    }

    fn __repr__(&self, py: Python<'_>) -> String {
        match self.net.call(py, |net| Ok((net.config().masternodes, net.height_min()))) {
            Ok((masternodes, height)) => {
                fields("LocalNet", &[("masternodes", &masternodes), ("height", &height)])
            }
            Err(_) => "LocalNet(of another process)".to_owned(),
        }
    }
}

impl LocalNet {
    pub(crate) fn native(&self) -> &Native<localnet::LocalNet> {
        &self.net
    }
}

/// A partition of a net, for a `with` statement: the net is healed at its end.
#[pyclass(frozen, module = "timecoin")]
pub(crate) struct LocalPartition(Py<LocalNet>);

#[pymethods]
impl LocalPartition {
    fn __enter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    #[pyo3(signature = (*_exception))]
    fn __exit__(&self, py: Python<'_>, _exception: &Bound<'_, PyTuple>) -> PyResult<()> {
        self.0.get().heal(py)
    }

    fn __repr__(&self) -> &'static str {
        "LocalPartition()"
    }
}

/// A receiver of the events of all nodes of a net, from the moment it was made; an iterator.
#[pyclass(frozen, module = "timecoin", weakref)]
pub(crate) struct LocalEvents {
    events: Native<localnet::LocalNetEvents>,
    timeout: Timeout,
    began: f64,
}

#[pymethods]
impl LocalEvents {
    /// The next event. Those of one node are in order. Ctrl-C ends the wait.
    ///
    /// Raises `timecoin.TimeoutError` where none comes within `timeout` seconds (`None`: no
    /// limit), `RequestError` (`closed`) after the last of a closed net.
    #[pyo3(signature = (timeout = Timeout(DEFAULT_TIMEOUT)), text_signature = "($self, timeout=30.0)")]
    fn next_event(&self, py: Python<'_>, timeout: Timeout) -> PyResult<NetworkEvent> {
        let event = self.events.wait(py, timeout, localnet::LocalNetEvents::next_event)?;
        self.to_python(py, event)
    }

    fn __iter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __next__(&self, py: Python<'_>) -> PyResult<Option<NetworkEvent>> {
        match self.events.try_wait(py, self.timeout, localnet::LocalNetEvents::next_event) {
            Ok(event) => self.to_python(py, event).map(Some),
            Err(Failure::Node(NodeError::Timeout { .. } | NodeError::Closed)) => Ok(None),
            Err(failure) => Err(failure.into_pyerr(py)),
        }
    }

    fn __repr__(&self) -> &'static str {
        "LocalEvents()"
    }
}

impl LocalEvents {
    fn to_python(&self, py: Python<'_>, told: localnet::LocalNetEvent) -> PyResult<NetworkEvent> {
        let localnet::LocalNetEvent { node, event } = told;
        let at = Duration::from_millis(event.at.0).as_secs_f64() - self.began;
        let sequence = event.sequence;
        let event = event_to_python(py, event, Network::Regtest)?;
        Ok(NetworkEvent { sequence, at: at.max(0.0), node, event })
    }
}

/// How long conditions are waited for that are not told how long.
const WITHIN: Duration = Duration::from_secs(60);

/// How often a condition of the host is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(2);
