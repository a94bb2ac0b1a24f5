//! What a node is opened with.

use std::path::{Path, PathBuf};

use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyInt, PyString};
use timecoin_core::{Genesis, Network, NodeError, secret_to_text};

use crate::convert::{AddressArg, type_error};
use crate::guard::pure;
use crate::hashes::PublicKey;
use crate::html::{Maybe, fields, truth};
use crate::keys::KeyPair;

/// What a node is opened with: the genesis, which all nodes of a chain agree on, and what one
/// operator may choose. Immutable: `replace()` gives another one.
///
/// `Config(genesis_json, **fields)` follows the chain of that genesis; `Config.regtest()` is the
/// one masternode of a chain of its own. Fields, all with a default that fits:
///
/// - `data_dir`: the directory where everything is kept; `None` or "" for memory.
/// - `masternode_key`: a `KeyPair` or its secret, for a masternode; `None` to follow only.
/// - `mempool_transactions_max`: default 10,000.
/// - `mempool_bytes_max`: default 300,000,000.
/// - `waiting_transactions_max`: transactions that wait for unknown inputs; default 1,000.
/// - `waiting_ms_max`: for how many milliseconds; default 60,000.
/// - `utxo_cache_entries`: outputs kept in memory by a store on disk; default 10,000.
/// - `store_cache_bytes`: memory for its tables; `None` for a share of what there is.
/// - `sync_writes`: whether a write counts only once the disk has it; default true.
/// - `round_timeout_ms`: the timeout of round 0; default 30,000.
/// - `submit_timeout_ms`: how long a submit waits for its answer; default 30,000.
/// - `listen`: the address to listen on, `address:port`, port 0 for any free one; `None` where
///   nobody can dial this node.
/// - `peers`: whom to dial, now and whenever the connection ends, a list of `host:port` or
///   `key@host:port`. A node with neither this nor `listen` has no network.
/// - `node_key`: a `KeyPair` or its secret, by which peers know a node that is no masternode;
///   `None` for one that is made, and kept in `data_dir`.
/// - `inbound_max`: nodes that dial this one at a time, besides masternodes; default 125.
/// - `outbound_max`: nodes that this one dials, besides masternodes; default 16.
/// - `private_addresses`: whether loopback and private addresses are dialled and passed on; `None`
///   for on regtest only.
/// - `event_queue_max`: events kept for a subscriber that does not fetch them; default 16,384.
/// - `runtime_threads`: threads of this node's own; 0, the default, shares those of the process.
///
/// Raises `RequestError` (`invalid_config`, which names field and range; `invalid_genesis`).
#[pyclass(frozen, module = "timecoin")]
#[derive(Clone)]
pub(crate) struct Config(pub(crate) timecoin_core::Config);

#[pymethods]
impl Config {
    #[new]
    #[pyo3(signature = (genesis_json, **fields))]
    fn new(genesis_json: &str, fields: Option<&Bound<'_, PyDict>>) -> PyResult<Self> {
        let genesis = pure(|| Genesis::from_json(genesis_json))?;
        Config(timecoin_core::Config::new(genesis)).with(fields)
    }

    /// The one masternode of a regtest chain of its own, with well-known keys: the key pair of
    /// `Config.regtest_wallet()` owns its coins. In memory where there is no `data_dir`.
    #[staticmethod]
    #[pyo3(signature = (data_dir = None, **fields))]
    fn regtest(data_dir: Option<PathBuf>, fields: Option<&Bound<'_, PyDict>>) -> PyResult<Self> {
        let mut config = timecoin_core::Config::regtest();
        config.data_dir = data_dir.filter(|dir| is_directory(dir));
        Config(config).with(fields)
    }

    /// The key that owns the coins of `Config.regtest()`. Everybody knows it.
    #[staticmethod]
    fn regtest_wallet() -> KeyPair {
        KeyPair(timecoin_core::Config::regtest_wallet())
    }

    /// The genesis of a regtest chain with these masternodes, as JSON for `Config()`, the same for
    /// all nodes of the chain: votes for `masternodes`, consensus keys in any order, whose rewards
    /// go to the addresses of their keys; 1,000,000 TIME for each of `wallets`, addresses of
    /// regtest, of which one that is there twice owns two coins.
    ///
    /// Raises `RequestError` (`invalid_genesis` for no masternode, too many or one twice;
    /// `invalid_address`).
    #[staticmethod]
    fn regtest_genesis(masternodes: Vec<PublicKey>, wallets: Vec<AddressArg>) -> PyResult<String> {
        let masternodes: Vec<_> = masternodes.into_iter().map(|key| key.0).collect();
        pure(|| {
            let wallets = wallets.iter().map(|wallet| wallet.on(Network::Regtest));
            let wallets = wallets.collect::<Result<Vec<_>, _>>()?;
            Ok::<_, NodeError>(Genesis::regtest(&masternodes, &wallets)?.to_json())
        })
    }

    /// The same with these fields changed.
    #[pyo3(signature = (**fields))]
    fn replace(&self, fields: Option<&Bound<'_, PyDict>>) -> PyResult<Self> {
        self.clone().with(fields)
    }

    /// For `copy.replace()`.
    #[pyo3(signature = (**fields))]
    fn __replace__(&self, fields: Option<&Bound<'_, PyDict>>) -> PyResult<Self> {
        self.clone().with(fields)
    }

    /// The genesis as JSON, to change and to give to `Config()`.
    #[getter]
    fn genesis_json(&self) -> String {
        self.0.genesis.to_json()
    }

    /// The directory where everything is kept; `None` for memory.
    #[getter]
    fn data_dir(&self) -> Option<&PathBuf> {
        self.0.data_dir.as_ref()
    }

    /// The consensus keys of a masternode; `None` for a node that only follows.
    #[getter]
    fn masternode_key(&self) -> Option<KeyPair> {
        self.0.masternode_key.clone().map(KeyPair)
    }

    /// Transactions in the mempool.
    #[getter]
    fn mempool_transactions_max(&self) -> usize {
        self.0.mempool_transactions_max
    }

    /// Bytes of the transactions in the mempool.
    #[getter]
    fn mempool_bytes_max(&self) -> usize {
        self.0.mempool_bytes_max
    }

    /// Transactions that wait for unknown inputs.
    #[getter]
    fn waiting_transactions_max(&self) -> usize {
        self.0.waiting_transactions_max
    }

    /// How long they wait, in milliseconds.
    #[getter]
    fn waiting_ms_max(&self) -> u64 {
        self.0.waiting_ms_max
    }

    /// Unspent outputs kept in memory by a store on disk.
    #[getter]
    fn utxo_cache_entries(&self) -> usize {
        self.0.utxo_cache_entries
    }

    /// Bytes of tables kept in memory by a store on disk; `None` for a share of what there is.
    #[getter]
    fn store_cache_bytes(&self) -> Option<u64> {
        self.0.store_cache_bytes
    }

    /// Whether a write counts only once the disk has it.
    #[getter]
    fn sync_writes(&self) -> bool {
        self.0.sync_writes
    }

    /// The timeout of round 0, in milliseconds.
    #[getter]
    fn round_timeout_ms(&self) -> u64 {
        self.0.round_timeout_ms
    }

    /// How long a submit waits for its answer, in milliseconds.
    #[getter]
    fn submit_timeout_ms(&self) -> u64 {
        self.0.submit_timeout_ms
    }

    /// The address to listen on, `address:port`; `None` where nobody can dial this node.
    #[getter]
    fn listen(&self) -> Option<String> {
        self.0.listen.map(|address| address.to_string())
    }

    /// Whom to dial, `host:port` or `key@host:port`.
    #[getter]
    fn peers(&self) -> Vec<String> {
        self.0.peers.iter().map(ToString::to_string).collect()
    }

    /// By which peers know a node that is no masternode; `None` for one that is made.
    #[getter]
    fn node_key(&self) -> Option<KeyPair> {
        self.0.node_key.clone().map(KeyPair)
    }

    /// Nodes that dial this one at a time, besides masternodes.
    #[getter]
    fn inbound_max(&self) -> usize {
        self.0.inbound_max
    }

    /// Nodes that this one dials at a time, besides masternodes.
    #[getter]
    fn outbound_max(&self) -> usize {
        self.0.outbound_max
    }

    /// Whether loopback and private addresses are dialled and passed on; `None` for on regtest
    /// only.
    #[getter]
    fn private_addresses(&self) -> Option<bool> {
        self.0.private_addresses
    }

    /// Events kept for a subscriber that does not fetch them.
    #[getter]
    fn event_queue_max(&self) -> usize {
        self.0.event_queue_max
    }

    /// Threads of this node's own; 0 for those that nodes of a process share.
    #[getter]
    fn runtime_threads(&self) -> usize {
        self.0.runtime_threads
    }

    fn __repr__(&self) -> String {
        let dir = self.0.data_dir.as_ref().map(|dir| format!("'{}'", dir.display()));
        fields(
            "Config",
            &[
                ("network", &self.0.genesis.network),
                ("chain_id", &self.0.genesis.chain_id()),
                ("data_dir", &Maybe(dir)),
                ("is_masternode", &truth(self.0.masternode_key.is_some())),
            ],
        )
    }
}

impl Config {
    fn with(mut self, fields: Option<&Bound<'_, PyDict>>) -> PyResult<Self> {
        for (name, value) in fields.iter().flat_map(|fields| fields.iter()) {
            let name: String = name.extract()?;
            if name == "data_dir" {
                let data_dir: Option<PathBuf> = value.extract()?;
                self.0.data_dir = data_dir.filter(|dir| is_directory(dir));
                continue;
            }
            let text = field_text(&name, &value)?;
            pure(|| self.0.set(&name, &text))?;
        }
        Ok(self)
    }
}

/// As in core, an empty text stands for memory.
fn is_directory(path: &Path) -> bool {
    !path.as_os_str().is_empty()
}

/// The text that core reads a field from.
fn field_text(name: &str, value: &Bound<'_, PyAny>) -> PyResult<String> {
    if value.is_none() {
        return Ok(String::new());
    }
    if let Ok(is) = value.cast::<PyBool>() {
        return Ok(is.is_true().to_string());
    }
    if value.is_instance_of::<PyInt>() || value.is_instance_of::<PyString>() {
        return Ok(value.str()?.to_str()?.to_owned());
    }
    if name == "peers"
        && let Ok(peers) = value.extract::<Vec<Bound<'_, PyString>>>()
    {
        let peers: PyResult<Vec<&str>> = peers.iter().map(|peer| peer.to_str()).collect();
        return Ok(peers?.join(","));
    }
    if let Ok(keys) = value.cast::<KeyPair>() {
        return Ok(secret_to_text(&keys.get().0.secret()).to_string());
    }
    let expected = match name {
        "peers" => "a list of str, a str or None",
        _ => "an int, a bool, a str, a KeyPair or None",
    };
    Err(type_error(name, expected, value.as_borrowed()))
}

/// Name and range of every field but the genesis.
pub(crate) fn config_fields() -> Vec<(&'static str, &'static str)> {
    timecoin_core::Config::FIELDS.iter().map(|field| (field.name, field.range)).collect()
}
