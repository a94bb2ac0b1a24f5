//! What a node answers, as values.

use std::sync::Arc;

use pyo3::exceptions::PyBaseException;
use pyo3::prelude::*;
use timecoin_core::{Network, TransactionStatus};

use crate::address::Address;
use crate::amount::Amount;
use crate::enums::Enum;
use crate::error::exception_of;
use crate::hashes::{BlockHash, ChainId, PublicKey, Txid};
use crate::html::{Maybe, fields, table, truth};
use crate::transaction::{OutPoint, Transaction};

/// The money of an address or a wallet.
#[pyclass(frozen, eq, module = "timecoin")]
#[derive(Clone, PartialEq)]
pub(crate) struct Balance(pub(crate) timecoin_core::Balance);

#[pymethods]
impl Balance {
    /// The sum of its unspent outputs after the last decided block.
    #[getter]
    fn confirmed(&self) -> Amount {
        Amount(self.0.confirmed)
    }

    /// The same once all final transactions are in a block: what nobody can take back.
    #[getter]
    fn finalized(&self) -> Amount {
        Amount(self.0.finalized)
    }

    /// What a new transaction can spend now.
    #[getter]
    fn spendable(&self) -> Amount {
        Amount(self.0.spendable)
    }

    /// Rewards that are too young to be spent.
    #[getter]
    fn immature(&self) -> Amount {
        Amount(self.0.immature)
    }

    /// Collateral of masternodes.
    #[getter]
    fn locked(&self) -> Amount {
        Amount(self.0.locked)
    }

    fn __repr__(&self) -> String {
        let balance = &self.0;
        fields(
            "Balance",
            &[
                ("confirmed", &format!("'{}'", balance.confirmed)),
                ("finalized", &format!("'{}'", balance.finalized)),
                ("spendable", &format!("'{}'", balance.spendable)),
                ("immature", &format!("'{}'", balance.immature)),
                ("locked", &format!("'{}'", balance.locked)),
            ],
        )
    }

    fn _repr_html_(&self) -> String {
        let balance = &self.0;
        table(
            "Balance",
            &[
                ("confirmed", &balance.confirmed),
                ("finalized", &balance.finalized),
                ("spendable", &balance.spendable),
                ("immature", &balance.immature),
                ("locked", &balance.locked),
            ],
        )
    }
}

/// An output, and how far its spending is.
#[pyclass(frozen, eq, module = "timecoin")]
#[derive(Clone, PartialEq)]
pub(crate) struct UtxoInfo {
    pub(crate) info: timecoin_core::UtxoInfo,
    pub(crate) network: Network,
}

#[pymethods]
impl UtxoInfo {
    /// Which.
    #[getter]
    fn outpoint(&self) -> OutPoint {
        OutPoint(self.info.outpoint)
    }

    /// How much.
    #[getter]
    fn value(&self) -> Amount {
        Amount(self.info.output.value)
    }

    /// Whose it is.
    #[getter]
    fn address(&self) -> Address {
        Address { address: self.info.output.address, network: self.network }
    }

    /// The height of its block, 0 for the genesis; `None` where its transaction is final and not
    /// in a block yet.
    #[getter]
    fn height(&self) -> Option<u64> {
        self.info.height.map(|height| height.0)
    }

    /// Where it comes from.
    #[getter]
    fn origin<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        Enum::Origin.member(py, origin_name(self.info.origin))
    }

    /// How far its spending is.
    #[getter]
    fn state<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        Enum::OutpointState.member(py, self.info.state.name())
    }

    /// The transaction that spends it, where that is known and not in a block yet.
    #[getter]
    fn spent_by(&self) -> Option<Txid> {
        self.info.spent_by.map(Txid)
    }

    fn __repr__(&self) -> String {
        fields(
            "UtxoInfo",
            &[
                ("outpoint", &format!("'{}'", self.info.outpoint)),
                ("value", &format!("'{}'", self.info.output.value)),
                ("height", &Maybe(self.info.height)),
                ("state", &format!("'{}'", self.info.state.name())),
            ],
        )
    }
}

/// A transaction, and how far it is.
#[pyclass(frozen, module = "timecoin")]
pub(crate) struct TransactionInfo {
    pub(crate) txid: timecoin_core::Txid,
    pub(crate) transaction: Transaction,
    pub(crate) status: TransactionStatus,
}

#[pymethods]
impl TransactionInfo {
    /// Its id.
    #[getter]
    fn txid(&self) -> Txid {
        Txid(self.txid)
    }

    /// The transaction.
    #[getter]
    fn transaction(&self) -> Transaction {
        self.transaction.clone()
    }

    /// How far it is.
    #[getter]
    fn status<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        status_member(py, &self.status)
    }

    /// The height of its block, where it is confirmed.
    #[getter]
    fn height(&self) -> Option<u64> {
        status_height(&self.status)
    }

    /// Why it was rejected, as a `TimeCoinError`, where it was.
    #[getter]
    fn error(&self, py: Python<'_>) -> Option<Py<PyBaseException>> {
        status_error(py, &self.status)
    }

    fn __repr__(&self) -> String {
        fields(
            "TransactionInfo",
            &[
                ("txid", &format!("'{}'", self.txid)),
                ("status", &format!("'{}'", self.status.name())),
                ("height", &Maybe(self.height())),
            ],
        )
    }
}

/// How full the mempool is.
#[pyclass(frozen, eq, module = "timecoin")]
#[derive(PartialEq)]
pub(crate) struct MempoolInfo(pub(crate) timecoin_core::MempoolInfo);

#[pymethods]
impl MempoolInfo {
    /// Transactions that are neither confirmed nor refused, those that wait for inputs included.
    #[getter]
    fn transactions(&self) -> usize {
        self.0.transactions
    }

    /// Their bytes.
    #[getter]
    fn bytes(&self) -> usize {
        self.0.bytes
    }

    /// How many it takes.
    #[getter]
    fn transactions_max(&self) -> usize {
        self.0.transactions_max
    }

    /// How many bytes it takes.
    #[getter]
    fn bytes_max(&self) -> usize {
        self.0.bytes_max
    }

    fn __repr__(&self) -> String {
        fields(
            "MempoolInfo",
            &[
                ("transactions", &self.0.transactions),
                ("bytes", &self.0.bytes),
                ("transactions_max", &self.0.transactions_max),
                ("bytes_max", &self.0.bytes_max),
            ],
        )
    }
}

/// A node at a glance.
#[pyclass(frozen, eq, module = "timecoin")]
#[derive(PartialEq)]
pub(crate) struct NodeStatus(pub(crate) timecoin_core::NodeStatus);

#[pymethods]
impl NodeStatus {
    /// Where it is in its life.
    #[getter]
    fn state<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        Enum::NodeState.member(py, self.0.state.name())
    }

    /// Why it stopped writing, if it did.
    #[getter]
    fn poison_reason(&self) -> Option<&str> {
        self.0.poison_reason.as_deref()
    }

    /// The chain's identity.
    #[getter]
    fn chain_id(&self) -> ChainId {
        ChainId(self.0.chain_id)
    }

    /// The kind of network.
    #[getter]
    fn network<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        Enum::Network.member(py, self.0.network.name())
    }

    /// The height of the last decided block.
    #[getter]
    fn height(&self) -> u64 {
        self.0.height.0
    }

    /// Its hash.
    #[getter]
    fn tip_hash(&self) -> BlockHash {
        BlockHash(self.0.tip_hash)
    }

    /// When it was first proposed, in milliseconds since the Unix epoch.
    #[getter]
    fn tip_timestamp(&self) -> u64 {
        self.0.tip_timestamp.0
    }

    /// The epoch of the next block.
    #[getter]
    fn epoch(&self) -> u64 {
        self.0.epoch.0
    }

    /// The round that the next height is in, as far as it is known here.
    #[getter]
    fn round(&self) -> u32 {
        self.0.round.0
    }

    /// How many masternodes decide.
    #[getter]
    fn n_masternodes(&self) -> usize {
        self.0.n_masternodes
    }

    /// How many of them it takes.
    #[getter]
    fn quorum(&self) -> usize {
        self.0.quorum
    }

    /// The masternode key of this node, if it has one.
    #[getter]
    fn masternode_key(&self) -> Option<PublicKey> {
        self.0.masternode_key.map(PublicKey)
    }

    /// Whether that key decides in this epoch, and may sign.
    #[getter]
    fn is_active_masternode(&self) -> bool {
        self.0.is_active_masternode
    }

    /// Whether it signs nothing until the next epoch, since it may have forgotten votes.
    #[getter]
    fn is_observer(&self) -> bool {
        self.0.is_observer
    }

    /// Transactions that are neither confirmed nor refused.
    #[getter]
    fn mempool_transactions(&self) -> usize {
        self.0.mempool_transactions
    }

    /// Their bytes.
    #[getter]
    fn mempool_bytes(&self) -> usize {
        self.0.mempool_bytes
    }

    /// Durable blocks that are not in the derived tables yet.
    #[getter]
    fn storage_lag_blocks(&self) -> usize {
        self.0.storage_lag_blocks
    }

    /// This node's clock, in milliseconds since the Unix epoch.
    #[getter]
    fn now(&self) -> u64 {
        self.0.now.0
    }

    fn __repr__(&self) -> String {
        fields(
            "NodeStatus",
            &[
                ("state", &format!("'{}'", self.0.state)),
                ("height", &self.0.height),
                ("epoch", &self.0.epoch),
                ("masternodes", &self.0.n_masternodes),
                ("mempool_transactions", &self.0.mempool_transactions),
            ],
        )
    }

    pub(crate) fn _repr_html_(&self) -> String {
        let status = &self.0;
        table(
            "Node",
            &[
                ("state", &status.state),
                ("network", &status.network),
                ("chain", &status.chain_id),
                ("height", &status.height),
                ("tip", &status.tip_hash),
                ("epoch", &status.epoch),
                ("round", &status.round),
                ("masternodes", &format!("{}, quorum {}", status.n_masternodes, status.quorum)),
                ("is active masternode", &truth(status.is_active_masternode)),
                (
                    "mempool",
                    &format!(
                        "{} transactions, {} bytes",
                        status.mempool_transactions, status.mempool_bytes
                    ),
                ),
            ],
        )
    }
}

impl TransactionInfo {
    pub(crate) fn of(info: timecoin_core::TransactionInfo, network: Network) -> Self {
        let timecoin_core::TransactionInfo { txid, transaction, status } = info;
        let transaction = Transaction { transaction: Arc::clone(&transaction), network };
        TransactionInfo { txid, transaction, status }
    }
}

/// The member of `timecoin.TransactionStatus`.
pub(crate) fn status_member<'py>(
    py: Python<'py>,
    status: &TransactionStatus,
) -> PyResult<Bound<'py, PyAny>> {
    Enum::TransactionStatus.member(py, status.name())
}

/// The height of a confirmed transaction.
pub(crate) fn status_height(status: &TransactionStatus) -> Option<u64> {
    match status {
        TransactionStatus::Confirmed(height) => Some(height.0),
        _ => None,
    }
}

/// Why a transaction was rejected.
pub(crate) fn status_error(
    py: Python<'_>,
    status: &TransactionStatus,
) -> Option<Py<PyBaseException>> {
    match status {
        TransactionStatus::Rejected(rejection) => Some(
            exception_of(py, &timecoin_core::Rejection::clone(rejection).into()).into_value(py),
        ),
        _ => None,
    }
}

fn origin_name(origin: timecoin_core::Origin) -> &'static str {
    match origin {
        timecoin_core::Origin::Transfer => "transfer",
        timecoin_core::Origin::Coinbase => "coinbase",
        timecoin_core::Origin::Collateral => "collateral",
    }
}
