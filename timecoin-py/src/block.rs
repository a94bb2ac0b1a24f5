//! Blocks and the proof that one is decided.

use std::sync::Arc;

use pyo3::prelude::*;
use pyo3::types::PyBytes;
use timecoin_core::Network;
use timecoin_core::types::encode::{encode, encoded_len};

use crate::hashes::{BlockHash, ChainId, PublicKey, Txid};
use crate::html::{fields, table};
use crate::transaction::Transaction;

/// The proof that a block is decided: a quorum of its epoch's masternodes signed it.
#[pyclass(frozen, eq, module = "timecoin")]
#[derive(Clone, PartialEq)]
pub(crate) struct CommitCertificate(pub(crate) Arc<timecoin_core::CommitCertificate>);

#[pymethods]
impl CommitCertificate {
    /// The epoch of the height.
    #[getter]
    fn epoch(&self) -> u64 {
        self.0.epoch.0
    }

    /// The height that is decided.
    #[getter]
    fn height(&self) -> u64 {
        self.0.height.0
    }

    /// The round in which it was.
    #[getter]
    fn round(&self) -> u32 {
        self.0.round.0
    }

    /// The block.
    #[getter]
    fn block(&self) -> BlockHash {
        BlockHash(self.0.block)
    }

    /// Who signed, as positions in the masternode set, ascending.
    #[getter]
    fn signers(&self) -> Vec<u16> {
        self.0.signers().collect()
    }

    fn __bytes__<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &encode(self.0.as_ref()))
    }

    fn __repr__(&self) -> String {
        fields(
            "CommitCertificate",
            &[
                ("height", &self.0.height),
                ("round", &self.0.round),
                ("block", &self.0.block),
                ("signers", &self.0.seals.len()),
            ],
        )
    }
}

/// A decided block. Its length is the number of its transactions, the coinbase first; it can be
/// iterated over.
#[pyclass(frozen, eq, module = "timecoin")]
#[derive(Clone, PartialEq)]
pub(crate) struct Block {
    pub(crate) block: Arc<timecoin_core::Block>,
    pub(crate) certificate: CommitCertificate,
    pub(crate) network: Network,
}

impl Block {
    pub(crate) fn of(decided: timecoin_core::Decided, network: Network) -> Self {
        let certificate = CommitCertificate(decided.certificate.into());
        Block { block: decided.block, certificate, network }
    }
}

#[pymethods]
impl Block {
    /// Its position, from 1.
    #[getter]
    fn height(&self) -> u64 {
        self.block.header.height.0
    }

    /// Its id: the hash of its header.
    #[getter]
    fn hash(&self) -> BlockHash {
        BlockHash(self.block.hash())
    }

    /// The block before; for block 1 the chain's id.
    #[getter]
    fn parent(&self) -> BlockHash {
        BlockHash(self.block.header.parent)
    }

    /// The chain that it belongs to.
    #[getter]
    fn chain_id(&self) -> ChainId {
        ChainId(self.block.header.chain_id)
    }

    /// When it was first proposed, in milliseconds since the Unix epoch.
    #[getter]
    fn timestamp(&self) -> u64 {
        self.block.header.timestamp.0
    }

    /// The consensus key of its first proposer.
    #[getter]
    fn proposer(&self) -> PublicKey {
        PublicKey(self.block.header.proposer)
    }

    /// Commits to its transactions with their signatures, hexadecimal.
    #[getter]
    fn merkle_root(&self) -> String {
        self.block.header.merkle_root.to_string()
    }

    /// Commits to all unspent outputs after it, hexadecimal.
    #[getter]
    fn utxo_commitment(&self) -> String {
        self.block.header.utxo_commitment.to_string()
    }

    /// Names the masternodes of its epoch, hexadecimal.
    #[getter]
    fn masternode_set(&self) -> String {
        self.block.header.masternode_set.to_string()
    }

    /// Names the masternodes that decide the next block, hexadecimal.
    #[getter]
    fn next_masternode_set(&self) -> String {
        self.block.header.next_masternode_set.to_string()
    }

    /// Commits to the amount issued and all registrations after it, hexadecimal.
    #[getter]
    fn registry(&self) -> String {
        self.block.header.registry.to_string()
    }

    /// Its transactions, parents before children; the first is the coinbase.
    #[getter]
    fn transactions(&self) -> Vec<Transaction> {
        let transaction = |transaction: &Arc<timecoin_core::Transaction>| Transaction {
            transaction: Arc::clone(transaction),
            network: self.network,
        };
        self.block.transactions.iter().map(transaction).collect()
    }

    /// The ids of its transactions.
    #[getter]
    fn txids(&self) -> Vec<Txid> {
        self.block.transactions.iter().map(|transaction| Txid(transaction.txid())).collect()
    }

    /// The proof that it is decided.
    #[getter]
    fn certificate(&self) -> CommitCertificate {
        self.certificate.clone()
    }

    fn __len__(&self) -> usize {
        self.block.transactions.len()
    }

    fn __iter__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.transactions().into_pyobject(py)?.call_method0("__iter__")
    }

    fn __bytes__<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &encode(self.block.as_ref()))
    }

    fn __hash__(&self) -> u64 {
        let start = self.block.hash().to_bytes();
        u64::from_le_bytes([
            start[0], start[1], start[2], start[3], start[4], start[5], start[6], start[7],
        ])
    }

    fn __repr__(&self) -> String {
        fields(
            "Block",
            &[
                ("height", &self.height()),
                ("hash", &self.block.hash()),
                ("transactions", &self.__len__()),
            ],
        )
    }

    fn _repr_html_(&self) -> String {
        table(
            &format!("Block {}", self.height()),
            &[
                ("hash", &self.block.hash()),
                ("parent", &self.block.header.parent),
                ("timestamp (ms)", &self.timestamp()),
                ("proposer", &self.block.header.proposer),
                ("transactions", &self.__len__()),
                ("bytes", &encoded_len(self.block.as_ref())),
                ("signers", &self.certificate.0.seals.len()),
            ],
        )
    }
}

/// The last decided block at a glance.
#[pyclass(frozen, module = "timecoin")]
pub(crate) struct Tip(pub(crate) Arc<timecoin_core::Tip>);

#[pymethods]
impl Tip {
    /// Its height; 0 where there is only the genesis.
    #[getter]
    fn height(&self) -> u64 {
        self.0.height.0
    }

    /// Its id.
    #[getter]
    fn hash(&self) -> BlockHash {
        BlockHash(self.0.hash)
    }

    /// When it was first proposed, in milliseconds since the Unix epoch.
    #[getter]
    fn timestamp(&self) -> u64 {
        self.0.timestamp.0
    }

    /// The proof that it is decided; `None` for the genesis.
    #[getter]
    fn certificate(&self) -> Option<CommitCertificate> {
        self.0.certificate.clone().map(|certificate| CommitCertificate(Arc::new(certificate)))
    }

    fn __repr__(&self) -> String {
        fields(
            "Tip",
            &[("height", &self.0.height), ("hash", &self.0.hash), ("timestamp", &self.0.timestamp)],
        )
    }
}
