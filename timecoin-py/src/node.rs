//! The node in the host's process.

use std::sync::Mutex;
use std::sync::PoisonError;

use pyo3::prelude::*;
use pyo3::types::PyDict;
use timecoin_core::{NodeError, SubmittedTransaction, TransactionStatus};

use crate::block::{Block, Tip};
use crate::bootstrap::{BootstrapProgress, Bootstrapped};
use crate::config::Config;
use crate::convert::{AddressArg, BlockArg, PageSizeArg, Timeout, bytes, height, type_error};
use crate::enums::Enum;
use crate::error::exception_of;
use crate::events::{DEFAULT_TIMEOUT, Subscription};
use crate::guard::{Native, blocking, blocking_with};
use crate::hashes::{ChainId, PublicKey, Txid};
use crate::html::fields;
use crate::info::{Balance, MempoolInfo, NodeStatus, TransactionInfo, UtxoInfo, status_member};
use crate::masternodes::{FinalityCertificate, MasternodeSet};
use crate::peer_info::PeerInfo;
use crate::process;
use crate::transaction::{OutPoint, Transaction};

/// A TimeCoin node in this process, running from when it is made until it is closed.
///
/// `Node(config)` opens the store and starts; with `start=False` it waits for `start()`, and
/// reads answer meanwhile. A `with` block closes it at its end. Any thread may call anything at
/// any time; every call releases the GIL, and waiting calls end with Ctrl-C.
///
/// A node belongs to the process that opened it: after a fork its use raises `RequestError`
/// (`forked_process`).
///
/// Raises `RequestError` (`invalid_config`, `invalid_genesis`, `cannot_listen`), `StorageError`
/// (locked by another node, of another chain, damaged, not writable), `InternalError`
/// (`no_threads`).
///
/// >>> with Node(Config.regtest()) as node:
/// ...     alice = Wallet(node, Config.regtest_wallet())
/// ...     payment = alice.pay(KeyPair.from_seed("bob").address(), "5 TIME")
/// ...     payment.wait_finalized()
#[pyclass(frozen, module = "timecoin", weakref)]
pub(crate) struct Node {
    node: Native<timecoin_core::Node>,
    pub(crate) network: timecoin_core::Network,
}

#[pymethods]
impl Node {
    #[new]
    #[pyo3(signature = (config, *, start = true))]
    fn new(py: Python<'_>, config: &Config, start: bool) -> PyResult<Self> {
        process::check_open().map_err(|failure| failure.into_pyerr(py))?;
        let config = config.0.clone();
        let network = config.genesis.network;
        let node = blocking(py, || {
            let node = timecoin_core::Node::open(config)?;
            if start {
                node.start()?;
            }
            Ok(node)
        })?;
        Ok(Node { node: Native::new(node), network })
    }

    /// Fills an empty data directory with the unspent outputs of the chain, from `config.peers`, so
    /// that `Node(config)` goes on from there and fetches only later blocks. Nothing is believed
    /// but what the headers from the genesis on prove.
    ///
    /// It returns when it is done, at most after `timeout` seconds (`None`: no limit). Where it ends
    /// early, also with its process or by Ctrl-C, what came is kept, and the next call goes on with
    /// it. `on_progress` is called with a `BootstrapProgress` several times a second; what it raises
    /// ends the call and is raised.
    ///
    /// Blocks up to that height are not in the directory afterwards, and neither transactions in
    /// them nor outputs that they spent are known. At least one peer must have all headers. A
    /// masternode observes for the rest of the epoch. A directory that was filled and never opened
    /// is left as it is, and described.
    ///
    /// Raises `RequestError` (`invalid_argument` without `data_dir` or peers, `chain_exists` where
    /// a node was opened in the directory), `timecoin.TimeoutError`, and as `Node`.
    ///
    /// >>> based = Node.bootstrap(config, on_progress=print)
    /// >>> node = Node(config)
    #[staticmethod]
    #[pyo3(
        signature = (config, timeout = Timeout::FOREVER, on_progress = None),
        text_signature = "(config, timeout=None, on_progress=None)"
    )]
    fn bootstrap(
        py: Python<'_>,
        config: &Config,
        timeout: Timeout,
        on_progress: Option<Py<PyAny>>,
    ) -> PyResult<Bootstrapped> {
        process::check_open().map_err(|failure| failure.into_pyerr(py))?;
        let config = config.0.clone();
        let bootstrapped = blocking_with(py, |raised| {
            timecoin_core::Node::bootstrap(&config, timeout.0, |progress| {
                let told = raised.catch(|py| {
                    py.check_signals()?;
                    match &on_progress {
                        Some(call) => call.call1(py, (BootstrapProgress(*progress),)).map(drop),
                        None => Ok(()),
                    }
                });
                told.is_ok()
            })
        })?;
        Ok(Bootstrapped(bootstrapped))
    }

    /// Takes part: proposes, votes, takes transactions. Only for a node made with `start=False`.
    ///
    /// Raises `RequestError` (`already_started`, `closed`).
    fn start(&self, py: Python<'_>) -> PyResult<()> {
        self.node.call(py, timecoin_core::Node::start)
    }

    /// Ends the node: nothing new is taken, what was begun is finished and flushed, the directory
    /// is let go of, waiting calls raise `RequestError` (`closed`). Closing again does nothing.
    ///
    /// Raises `timecoin.TimeoutError` where that takes longer than `deadline` seconds: it goes on
    /// behind.
    #[pyo3(signature = (deadline = Timeout(DEFAULT_TIMEOUT)), text_signature = "($self, deadline=30.0)")]
    fn close(&self, py: Python<'_>, deadline: Timeout) -> PyResult<()> {
        self.node.wait(py, deadline, timecoin_core::Node::close)
    }

    fn __enter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    #[pyo3(signature = (*_exception))]
    fn __exit__(
        &self,
        py: Python<'_>,
        _exception: &Bound<'_, pyo3::types::PyTuple>,
    ) -> PyResult<()> {
        self.close(py, Timeout(DEFAULT_TIMEOUT))
    }

    /// Where it is in its life.
    #[getter]
    fn state<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let state = self.node.call(py, |node| Ok(node.state()))?;
        Enum::NodeState.member(py, state.name())
    }

    /// The chain's identity: the hash of its genesis.
    #[getter]
    fn chain_id(&self, py: Python<'_>) -> PyResult<ChainId> {
        self.node.call(py, |node| Ok(ChainId(*node.chain().id())))
    }

    /// The kind of network, which addresses show.
    #[getter]
    fn network<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        Enum::Network.member(py, self.network.name())
    }

    /// What it was opened with.
    #[getter]
    fn config(&self, py: Python<'_>) -> PyResult<Config> {
        self.node.call(py, |node| Ok(Config(node.config().clone())))
    }

    /// Submits a transaction, given as a `Transaction` or its bytes, and returns its id once it
    /// is admitted. It is final later: see `wait_finalized`.
    ///
    /// Submitting again what is known already gives its id again. A transaction whose inputs are
    /// not known yet is admitted and waits for them.
    ///
    /// Raises `RequestError`: `transaction_…` where it is not valid, `conflicts_with_…`,
    /// `mempool_full` and the like where it is refused as things stand, `busy`, `not_running`,
    /// `closed`; `timecoin.TimeoutError` where no answer came in `Config.submit_timeout_ms`: it
    /// may still be admitted, and can be submitted again; `InternalError` (`poisoned`).
    fn submit_transaction(&self, py: Python<'_>, transaction: SubmitArg) -> PyResult<Txid> {
        self.node.call(py, |node| node.submit_transaction(transaction.0).map(Txid))
    }

    /// Submits many transactions, their signatures checked on all cores, and returns for each, in
    /// order, its id or the `TimeCoinError` that says why it was refused. A child may follow its
    /// parent.
    fn submit_transactions(
        &self,
        py: Python<'_>,
        transactions: Vec<SubmitArg>,
    ) -> PyResult<Vec<Py<PyAny>>> {
        let transactions = transactions.into_iter().map(|transaction| transaction.0).collect();
        let answers = self.node.call(py, |node| Ok(node.submit_transactions(transactions)))?;
        let to_python = |answer: Result<timecoin_core::Txid, NodeError>| match answer {
            Ok(txid) => Ok(Py::new(py, Txid(txid))?.into_any()),
            Err(error) => Ok(exception_of(py, &error).into_value(py).into_any()),
        };
        answers.into_iter().map(to_python).collect()
    }

    /// Asks for a block now, whatever the interval, waits until it is decided, and returns its
    /// height.
    ///
    /// Raises `RequestError` (`cannot_produce_block`, `not_running`, `closed`),
    /// `timecoin.TimeoutError`, `InternalError` (`poisoned`).
    #[pyo3(signature = (timeout = Timeout(DEFAULT_TIMEOUT)), text_signature = "($self, timeout=30.0)")]
    fn produce_block(&self, py: Python<'_>, timeout: Timeout) -> PyResult<u64> {
        let asked = Mutex::new(None);
        let produce = |node: &timecoin_core::Node, slice| {
            let mut asked = asked.lock().unwrap_or_else(PoisonError::into_inner);
            // Once asked for, a block is waited for: asking again would make another.
            if let Some(next) = *asked {
                return node.wait_height(next, slice).map(|_| next.0);
            }
            let next = node.tip().height.next();
            let made = node.produce_block(slice).map(|height| height.0);
            if let Err(NodeError::Timeout { .. }) = made {
                *asked = Some(next);
            }
            made
        };
        self.node.wait(py, timeout, produce)
    }

    /// Waits until a transaction can never be undone, and returns its status: final, or confirmed
    /// already. A transaction that is not known yet is waited for. Ctrl-C ends the wait.
    ///
    /// Raises `timecoin.TimeoutError` where it takes longer than `timeout` seconds (`None`: no
    /// limit), and it can be waited for again; what `submit_transaction` raises where it was
    /// refused; `RequestError` (`closed`), `InternalError` (`poisoned`), `StorageError`.
    #[pyo3(signature = (txid, timeout = Timeout(DEFAULT_TIMEOUT)), text_signature = "($self, txid, timeout=30.0)")]
    pub(crate) fn wait_finalized<'py>(
        &self,
        py: Python<'py>,
        txid: Txid,
        timeout: Timeout,
    ) -> PyResult<Bound<'py, PyAny>> {
        let wait = |node: &timecoin_core::Node, slice| node.wait_finalized(&txid.0, slice);
        status_member(py, &self.node.wait(py, timeout, wait)?)
    }

    /// Waits until a transaction is in a decided block, and returns the block's height.
    ///
    /// Raises as `wait_finalized`.
    #[pyo3(signature = (txid, timeout = Timeout(DEFAULT_TIMEOUT)), text_signature = "($self, txid, timeout=30.0)")]
    pub(crate) fn wait_confirmed(
        &self,
        py: Python<'_>,
        txid: Txid,
        timeout: Timeout,
    ) -> PyResult<u64> {
        let wait = |node: &timecoin_core::Node, slice| node.wait_confirmed(&txid.0, slice);
        self.node.wait(py, timeout, wait).map(|height| height.0)
    }

    /// Waits until the block at `height` is decided, and returns the height of the tip.
    ///
    /// Raises `timecoin.TimeoutError`, `RequestError` (`closed`), `InternalError` (`poisoned`).
    #[pyo3(signature = (height, timeout = Timeout(DEFAULT_TIMEOUT)), text_signature = "($self, height, timeout=30.0)")]
    fn wait_height(&self, height: &Bound<'_, PyAny>, timeout: Timeout) -> PyResult<u64> {
        let py = height.py();
        let at = self::height(height.as_borrowed())?;
        let wait = |node: &timecoin_core::Node, slice| node.wait_height(at, slice);
        self.node.wait(py, timeout, wait).map(|height| height.0)
    }

    /// How far a transaction is; `None` where it is not known here. Asks neither engine nor disk
    /// for a transaction that is not confirmed.
    pub(crate) fn transaction_status<'py>(
        &self,
        py: Python<'py>,
        txid: Txid,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        let status = self.status_of(py, txid)?;
        status.map(|status| status_member(py, &status)).transpose()
    }

    /// A transaction and how far it is; `None` where it is not known here.
    fn transaction(&self, py: Python<'_>, txid: Txid) -> PyResult<Option<TransactionInfo>> {
        let info = self.node.call(py, |node| node.transaction(&txid.0))?;
        Ok(info.map(|info| TransactionInfo::of(info, self.network)))
    }

    /// The last decided block: height, hash, timestamp, certificate.
    fn tip(&self, py: Python<'_>) -> PyResult<Tip> {
        self.node.call(py, |node| Ok(Tip(node.tip())))
    }

    /// A decided block by height (from 1) or hash; `None` where there is none.
    fn block(&self, py: Python<'_>, id: BlockArg) -> PyResult<Option<Block>> {
        let decided = self.node.call(py, |node| match id.0 {
            timecoin_core::BlockId::Height(height) => node.block(height),
            timecoin_core::BlockId::Hash(hash) => node.block(hash),
        })?;
        Ok(decided.map(|decided| Block::of(decided, self.network)))
    }

    /// An output and how far its spending is; `None` where it is not known here.
    fn utxo(&self, py: Python<'_>, outpoint: OutPoint) -> PyResult<Option<UtxoInfo>> {
        let info = self.node.call(py, |node| node.utxo(&outpoint.0))?;
        Ok(info.map(|info| UtxoInfo { info, network: self.network }))
    }

    /// An iterator over the outputs of an address that no block has spent, with how far their
    /// spending is, ascending by outpoint. They are read in pages of `page_size` (1 to 10,000) as
    /// the iteration goes on, never all at once.
    #[pyo3(signature = (address, page_size = PageSizeArg(1_000)), text_signature = "($self, address, page_size=1000)")]
    fn utxos_of(
        &self,
        py: Python<'_>,
        address: AddressArg,
        page_size: PageSizeArg,
    ) -> PyResult<UtxoIterator> {
        let (network, page_size) = (self.network, page_size.0);
        let pages = self.node.call(py, |node| {
            let address = address.on(network)?;
            let first = node.utxos_of(&address, None, page_size)?;
            let page = Mutex::new(Page { after: None, rest: first.into_iter() });
            Ok(Pages { node: node.clone(), address, page_size, page })
        })?;
        Ok(UtxoIterator { pages: Native::new(pages), network })
    }

    /// The money of an address. Reads all its outputs.
    fn balance(&self, py: Python<'_>, address: AddressArg) -> PyResult<Balance> {
        let network = self.network;
        self.node.call(py, |node| node.balance(&address.on(network)?).map(Balance))
    }

    /// The masternodes that decide the next block.
    fn masternodes(&self, py: Python<'_>) -> PyResult<MasternodeSet> {
        let set = self.node.call(py, |node| Ok(node.masternodes()))?;
        Ok(MasternodeSet { set, network: self.network })
    }

    /// The proof that a transaction is final, for anyone who has the masternodes of its epoch.
    ///
    /// Raises `RequestError` (`no_proof`) where it is not final, or its proof is not kept any
    /// more: for a confirmed transaction its block and certificate prove as much.
    fn finality_proof(&self, py: Python<'_>, txid: Txid) -> PyResult<FinalityCertificate> {
        let proof = self.node.call(py, |node| node.finality_proof(&txid.0))?;
        Ok(FinalityCertificate(proof))
    }

    /// Where it listens for other nodes, `address:port` with the port that it got; `None` where it
    /// does not listen.
    #[getter]
    fn listen_address(&self, py: Python<'_>) -> PyResult<Option<String>> {
        let address = self.node.call(py, |node| Ok(node.listen_address()))?;
        Ok(address.map(|address| address.to_string()))
    }

    /// Its node key, by which peers know it: a masternode's is its consensus key. `None` where it
    /// has no network.
    #[getter]
    fn node_key(&self, py: Python<'_>) -> PyResult<Option<PublicKey>> {
        self.node.call(py, |node| Ok(node.node_key().map(PublicKey)))
    }

    /// The peers that are connected, ascending by key. Asks neither engine nor disk.
    fn peers(&self, py: Python<'_>) -> PyResult<Vec<PeerInfo>> {
        let peers = self.node.call(py, |node| Ok(node.peers()))?;
        Ok(peers.into_iter().map(PeerInfo).collect())
    }

    /// Dials a peer, now and whenever its connection ends: `key@host:port`, with an address for a
    /// host. It returns at once; `peers()` and a `PeerConnectedEvent` say when it is connected.
    ///
    /// Raises `RequestError` (`invalid_argument`) where the text is no such peer, or the node has
    /// no network: neither `listen` nor `peers` is set in its `Config`.
    fn connect(&self, py: Python<'_>, peer: &str) -> PyResult<()> {
        self.node.call(py, |node| node.connect(peer))
    }

    /// Ends the connection to the peer with this node key, and says whether there was one. It may
    /// come again.
    fn disconnect(&self, py: Python<'_>, key: PublicKey) -> PyResult<bool> {
        self.node.call(py, |node| Ok(node.disconnect(&key.0)))
    }

    /// How full the mempool is.
    fn mempool_info(&self, py: Python<'_>) -> PyResult<MempoolInfo> {
        self.node.call(py, |node| Ok(MempoolInfo(node.mempool_info())))
    }

    /// The node at a glance. Asks neither engine nor disk.
    fn status(&self, py: Python<'_>) -> PyResult<NodeStatus> {
        self.node.call(py, |node| Ok(NodeStatus(node.status())))
    }

    /// Everything that it counts, by name, in base units; a histogram's buckets have their
    /// largest observation in the name: `…_bucket{le="0.001"}`.
    fn metrics<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let metrics = self.node.call(py, |node| Ok(node.metrics()))?;
        let counted = PyDict::new(py);
        for metric in metrics {
            let name = match metric.bucket {
                Some(most) if most.is_infinite() => format!("{}{{le=\"+Inf\"}}", metric.name),
                Some(most) => format!("{}{{le=\"{most}\"}}", metric.name),
                None => metric.name,
            };
            counted.set_item(name, metric.value)?;
        }
        Ok(counted)
    }

    /// The same in Prometheus' text form.
    fn metrics_text(&self, py: Python<'_>) -> PyResult<String> {
        self.node.call(py, |node| Ok(node.metrics_text()))
    }

    /// Subscribes to everything that happens from now on, and returns an iterator. It ends when
    /// the node is closed, or when no event came for `timeout` seconds (`None`: no limit).
    #[pyo3(signature = (timeout = None))]
    fn events(&self, py: Python<'_>, timeout: Option<Timeout>) -> PyResult<Subscription> {
        let subscription = self.node.call(py, |node| Ok(node.subscribe()))?;
        let timeout = timeout.unwrap_or(Timeout::FOREVER);
        Ok(Subscription::new(subscription, timeout, self.network))
    }

    /// As `events()`, for `async for`. It waits on the loop that runs it, whichever that is, and
    /// needs no thread.
    fn events_async<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let subscription = self.events(py, None)?;
        py.import("timecoin._aio")?.getattr("AsyncSubscription")?.call1((subscription,))
    }

    /// As `wait_finalized`, to be awaited: waits on the loop that runs it, and needs no thread.
    #[pyo3(signature = (txid, timeout = Timeout(DEFAULT_TIMEOUT)), text_signature = "($self, txid, timeout=30.0)")]
    fn wait_finalized_async<'py>(
        slf: &Bound<'py, Self>,
        txid: Txid,
        timeout: Timeout,
    ) -> PyResult<Bound<'py, PyAny>> {
        let wait = slf.py().import("timecoin._aio")?.getattr("wait_finalized")?;
        wait.call1((slf, txid, timeout.seconds()))
    }

    fn __repr__(&self, py: Python<'_>) -> String {
        match self.node.call(py, |node| Ok((node.state(), node.tip().height))) {
            Ok((state, height)) => fields(
                "Node",
                &[
                    ("network", &format!("'{}'", self.network)),
                    ("state", &format!("'{state}'")),
                    ("height", &height),
                ],
            ),
            Err(_) => "Node(of another process)".to_owned(),
        }
    }

    fn _repr_html_(&self, py: Python<'_>) -> PyResult<String> {
        Ok(self.status(py)?._repr_html_())
    }
}

impl Node {
    /// A node that runs already.
    pub(crate) fn of(node: timecoin_core::Node, network: timecoin_core::Network) -> Self {
        Node { node: Native::new(node), network }
    }

    pub(crate) fn native(&self) -> &Native<timecoin_core::Node> {
        &self.node
    }

    pub(crate) fn status_of(
        &self,
        py: Python<'_>,
        txid: Txid,
    ) -> PyResult<Option<TransactionStatus>> {
        self.node.call(py, |node| node.transaction_status(&txid.0))
    }
}

/// A transaction, or its bytes, which are decoded and checked by the node.
pub(crate) struct SubmitArg(SubmittedTransaction);

impl<'a, 'py> FromPyObject<'a, 'py> for SubmitArg {
    type Error = PyErr;

    fn extract(object: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        if let Ok(transaction) = object.cast::<Transaction>() {
            let transaction = &transaction.get().transaction;
            return Ok(SubmitArg(std::sync::Arc::clone(transaction).into()));
        }
        match bytes("transaction", object) {
            Ok(bytes) => Ok(SubmitArg(bytes.into_owned().into())),
            Err(_) => Err(type_error("transaction", "a Transaction or its bytes", object)),
        }
    }
}

struct Pages {
    node: timecoin_core::Node,
    address: timecoin_core::Address,
    page_size: usize,
    page: Mutex<Page>,
}

struct Page {
    after: Option<timecoin_core::OutPoint>,
    rest: std::vec::IntoIter<timecoin_core::UtxoInfo>,
}

impl Pages {
    fn next(&self) -> Result<Option<timecoin_core::UtxoInfo>, NodeError> {
        let mut page = self.page.lock().unwrap_or_else(PoisonError::into_inner);
        if page.rest.len() == 0 && page.after.is_some() {
            let next = self.node.utxos_of(&self.address, page.after.as_ref(), self.page_size)?;
            page.rest = next.into_iter();
        }
        let info = page.rest.next();
        page.after = info.as_ref().map(|info| info.outpoint);
        Ok(info)
    }
}

/// Outputs of an address, read in pages as they are needed.
#[pyclass(frozen, module = "timecoin")]
pub(crate) struct UtxoIterator {
    pages: Native<Pages>,
    network: timecoin_core::Network,
}

#[pymethods]
impl UtxoIterator {
    fn __iter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __next__(&self, py: Python<'_>) -> PyResult<Option<UtxoInfo>> {
        let info = self.pages.call(py, Pages::next)?;
        Ok(info.map(|info| UtxoInfo { info, network: self.network }))
    }
}
