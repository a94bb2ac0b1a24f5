//! Masternode sets and the proofs that they verify.

use std::sync::Arc;

use pyo3::exceptions::PyIndexError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyIterator, PyList};
use timecoin_core::types::encode::{decode, encode};
use timecoin_core::{Network, NodeError};

use crate::address::Address;
use crate::convert::{NetworkArg, bytes};
use crate::guard::pure;
use crate::hashes::{ChainId, PublicKey, Txid};
use crate::html::{fields, rows_table};

/// One masternode, as everybody on the chain knows it.
#[pyclass(frozen, eq, module = "timecoin")]
#[derive(Clone, PartialEq)]
pub(crate) struct Masternode {
    masternode: timecoin_core::Masternode,
    network: Network,
}

#[pymethods]
impl Masternode {
    /// The key that signs its votes; it names the masternode.
    #[getter]
    fn consensus_key(&self) -> PublicKey {
        PublicKey(self.masternode.consensus_key)
    }

    /// Where its rewards go.
    #[getter]
    fn payout(&self) -> Address {
        Address { address: self.masternode.payout, network: self.network }
    }

    /// `host:port` where peers find it, or empty.
    #[getter]
    fn network_address(&self) -> &str {
        &self.masternode.network_address
    }

    fn __repr__(&self) -> String {
        fields(
            "Masternode",
            &[
                ("consensus_key", &format!("'{}'", self.masternode.consensus_key)),
                ("network_address", &format!("'{}'", self.masternode.network_address)),
            ],
        )
    }
}

/// The masternodes that decide one epoch, ascending by consensus key: a sequence of `Masternode`.
///
/// `MasternodeSet(data)` reads the bytes that `bytes()` gives, so that a proof can be checked by
/// somebody who has no node. Raises `RequestError` (`malformed`). Can be pickled.
#[pyclass(frozen, eq, module = "timecoin", sequence)]
#[derive(Clone, PartialEq)]
pub(crate) struct MasternodeSet {
    pub(crate) set: timecoin_core::MasternodeSet,
    pub(crate) network: Network,
}

#[pymethods]
impl MasternodeSet {
    #[new]
    #[pyo3(signature = (data, network = NetworkArg(Network::Regtest)), text_signature = "(data, network='regtest')")]
    fn new(data: &Bound<'_, PyAny>, network: NetworkArg) -> PyResult<Self> {
        let bytes = bytes("data", data.as_borrowed())?;
        let set = pure(|| decode("masternode set", &bytes, SET_BYTES_MAX))?;
        Ok(MasternodeSet { set, network: network.0 })
    }

    /// The hash of all members, which every vote names, hexadecimal.
    #[getter]
    fn hash(&self) -> String {
        self.set.hash().to_string()
    }

    /// How many votes decide.
    #[getter]
    fn quorum(&self) -> usize {
        self.set.quorum()
    }

    /// How many members may be Byzantine.
    #[getter]
    fn faulty_max(&self) -> usize {
        self.set.faulty_max()
    }

    /// The position of a masternode, or `None`.
    fn index_of(&self, consensus_key: PublicKey) -> Option<u16> {
        self.set.index_of(&consensus_key.0)
    }

    fn __len__(&self) -> usize {
        self.set.len()
    }

    fn __getitem__(&self, index: isize) -> PyResult<Masternode> {
        let masternode = usize::try_from(index).ok().and_then(|at| self.set.members().get(at));
        let masternode = masternode.ok_or_else(|| PyIndexError::new_err("no such masternode"))?;
        Ok(self.member(masternode))
    }

    fn __iter__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyIterator>> {
        let members = self.set.members().iter().map(|masternode| self.member(masternode));
        PyList::new(py, members)?.try_iter()
    }

    fn __hash__(&self) -> u64 {
        let start = self.set.hash().to_bytes();
        u64::from_le_bytes([
            start[0], start[1], start[2], start[3], start[4], start[5], start[6], start[7],
        ])
    }

    fn __bytes__<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &encode(&self.set))
    }

    fn __getnewargs__<'py>(&self, py: Python<'py>) -> (Bound<'py, PyBytes>, &'static str) {
        (self.__bytes__(py), self.network.name())
    }

    fn __repr__(&self) -> String {
        fields(
            "MasternodeSet",
            &[
                ("masternodes", &self.set.len()),
                ("quorum", &self.set.quorum()),
                ("hash", &self.set.hash()),
            ],
        )
    }

    fn _repr_html_(&self) -> String {
        let row = |(index, masternode): (usize, &timecoin_core::Masternode)| {
            let payout = masternode.payout.to_text(self.network);
            let key = masternode.consensus_key.to_string();
            vec![index.to_string(), key, payout, masternode.network_address.clone()]
        };
        let rows: Vec<_> = self.set.members().iter().enumerate().map(row).collect();
        let caption = format!("{} masternodes, quorum {}", self.set.len(), self.set.quorum());
        rows_table(&caption, &["", "consensus key", "payout", "address"], &rows)
    }
}

impl MasternodeSet {
    fn member(&self, masternode: &timecoin_core::Masternode) -> Masternode {
        Masternode { masternode: masternode.clone(), network: self.network }
    }
}

/// The proof that a transaction is final, for anyone who has the masternodes of its epoch.
///
/// `FinalityCertificate(data)` reads the bytes that `bytes()` gives. Raises `RequestError`
/// (`malformed`). Can be pickled.
#[pyclass(frozen, eq, module = "timecoin")]
#[derive(Clone, PartialEq)]
pub(crate) struct FinalityCertificate(pub(crate) Arc<timecoin_core::FinalityCertificate>);

#[pymethods]
impl FinalityCertificate {
    #[new]
    fn new(data: &Bound<'_, PyAny>) -> PyResult<Self> {
        let bytes = bytes("data", data.as_borrowed())?;
        let proof = pure(|| decode("finality certificate", &bytes, PROOF_BYTES_MAX))?;
        Ok(FinalityCertificate(Arc::new(proof)))
    }

    /// The transaction that it proves final.
    #[getter]
    fn txid(&self) -> Txid {
        Txid(self.0.txid)
    }

    /// The epoch for which its votes count.
    #[getter]
    fn epoch(&self) -> u64 {
        self.0.votes.epoch.0
    }

    /// The masternode set of that epoch, hexadecimal.
    #[getter]
    fn set_hash(&self) -> String {
        self.0.votes.set_hash.to_string()
    }

    /// Who voted, as positions in the masternode set, ascending.
    #[getter]
    fn signers(&self) -> Vec<u16> {
        self.0.votes.votes.iter().map(|proof| proof.voter).collect()
    }

    /// As `verify_finality_proof(self, chain_id, masternodes)`.
    fn verify(&self, chain_id: ChainId, masternodes: &MasternodeSet) -> PyResult<()> {
        verify_finality_proof(self, chain_id, masternodes)
    }

    fn __bytes__<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &encode(self.0.as_ref()))
    }

    fn __getnewargs__<'py>(&self, py: Python<'py>) -> (Bound<'py, PyBytes>,) {
        (self.__bytes__(py),)
    }

    fn __repr__(&self) -> String {
        fields(
            "FinalityCertificate",
            &[
                ("txid", &format!("'{}'", self.0.txid)),
                ("epoch", &self.0.votes.epoch),
                ("signers", &self.0.votes.votes.len()),
            ],
        )
    }
}

/// Checks the proof that a transaction is final against the masternodes of its epoch, and returns
/// nothing where it holds. Needs no node.
///
/// Raises `PeerError` (`proof_other_set`, `proof_too_few_signers`, `proof_signer_order`,
/// `proof_bad_signature`), which says what does not hold.
#[pyfunction]
pub(crate) fn verify_finality_proof(
    proof: &FinalityCertificate,
    chain_id: ChainId,
    masternodes: &MasternodeSet,
) -> PyResult<()> {
    pure(|| -> Result<(), NodeError> {
        timecoin_core::verify_finality_proof(&proof.0, &chain_id.0, &masternodes.set)
    })
}

/// 200 masternodes with the longest network addresses are less.
const SET_BYTES_MAX: usize = 1_000_000;

/// 200 votes with the longest paths are less.
const PROOF_BYTES_MAX: usize = 1_000_000;
