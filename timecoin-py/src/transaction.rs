//! Transactions and their parts, as values that tests can take apart and put together.

use std::sync::Arc;

use pyo3::prelude::*;
use pyo3::types::PyBytes;
use timecoin_core::ledger::transaction::decode_transaction;
use timecoin_core::types::encode::encode;
use timecoin_core::{ChainParams, Height, Network, Signature, TxKind};

use crate::address::Address;
use crate::amount::Amount;
use crate::convert::{IndexArg, LockTimeArg, NetworkArg, VersionArg, VoutArg, bytes, type_error};
use crate::error::invalid;
use crate::guard::pure;
use crate::hashes::{ChainId, PublicKey, Txid, Wtxid};
use crate::keys::KeyPair;

/// One output of one transaction: its transaction's id and its position in it, from 0.
///
/// Made as `OutPoint(txid, vout)` or from its text, `OutPoint("<txid>:<vout>")`, which `str()`
/// gives. Wherever an outpoint is asked for, its text is taken too. Immutable, hashable, ordered,
/// and can be pickled. Raises `RequestError` (`malformed`).
#[pyclass(frozen, eq, ord, hash, module = "timecoin")]
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct OutPoint(pub(crate) timecoin_core::OutPoint);

#[pymethods]
impl OutPoint {
    #[new]
    #[pyo3(signature = (txid, vout = None))]
    fn new(txid: &Bound<'_, PyAny>, vout: Option<VoutArg>) -> PyResult<Self> {
        match vout {
            None => txid.extract(),
            Some(vout) => {
                let txid: Txid = txid.extract()?;
                Ok(OutPoint(timecoin_core::OutPoint::new(txid.0, vout.0)))
            }
        }
    }

    /// The transaction that made the output.
    #[getter]
    fn txid(&self) -> Txid {
        Txid(self.0.txid)
    }

    /// The position of the output in it, from 0.
    #[getter]
    fn vout(&self) -> u32 {
        self.0.vout
    }

    fn __str__(&self) -> String {
        self.0.to_string()
    }

    fn __repr__(&self) -> String {
        format!("OutPoint('{}')", self.0)
    }

    fn __getnewargs__(&self) -> (String,) {
        (self.0.to_string(),)
    }
}

impl<'a, 'py> FromPyObject<'a, 'py> for OutPoint {
    type Error = PyErr;

    fn extract(object: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        if let Ok(outpoint) = object.cast::<OutPoint>() {
            return Ok(*outpoint.get());
        }
        let Ok(text) = object.extract::<&str>() else {
            return Err(type_error("outpoint", "an OutPoint or its text", object));
        };
        pure(|| text.parse()).map(OutPoint)
    }
}

/// An output that is spent, and the signature that may spend it.
#[pyclass(frozen, eq, module = "timecoin")]
#[derive(Clone, PartialEq)]
pub(crate) struct TxInput(timecoin_core::TxInput);

#[pymethods]
impl TxInput {
    /// An input that spends `previous_output` with the key `public_key`; the signature, 64 bytes,
    /// is zeros where it is left out. Whether it signs anything is not checked here.
    ///
    /// Raises `RequestError` (`invalid_argument`) for another number of bytes.
    #[new]
    #[pyo3(signature = (previous_output, public_key, signature = None))]
    fn new(
        previous_output: OutPoint,
        public_key: PublicKey,
        signature: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Self> {
        let signature = signature.map_or(Ok([0; 64]), signature_bytes)?;
        Ok(TxInput(timecoin_core::TxInput {
            previous_output: previous_output.0,
            public_key: public_key.0,
            signature: Signature::from_bytes(signature),
        }))
    }

    /// The output that is spent.
    #[getter]
    fn previous_output(&self) -> OutPoint {
        OutPoint(self.0.previous_output)
    }

    /// The key whose address owns the output.
    #[getter]
    fn public_key(&self) -> PublicKey {
        PublicKey(self.0.public_key)
    }

    /// Its signature, 64 bytes.
    #[getter]
    fn signature<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, self.0.signature.as_bytes())
    }

    fn __repr__(&self) -> String {
        format!("TxInput({})", self.0.previous_output)
    }
}

/// Money locked to an address.
#[pyclass(frozen, eq, hash, module = "timecoin")]
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct TxOutput {
    value: Amount,
    address: Address,
}

#[pymethods]
impl TxOutput {
    /// An output of `value` to `address`. Whether the rules take it is not checked here.
    #[new]
    fn new(value: Amount, address: Address) -> Self {
        TxOutput { value, address }
    }

    /// How much.
    #[getter]
    fn value(&self) -> Amount {
        self.value
    }

    /// Whose key may spend it.
    #[getter]
    fn address(&self) -> Address {
        self.address
    }

    fn __repr__(&self) -> String {
        format!("TxOutput('{}', '{}')", self.value.0, self.address.text())
    }
}

impl TxOutput {
    pub(crate) fn of(output: timecoin_core::TxOutput, network: Network) -> Self {
        let timecoin_core::TxOutput { value, address } = output;
        TxOutput { value: Amount(value), address: Address { address, network } }
    }

    fn to_core(self) -> timecoin_core::TxOutput {
        timecoin_core::TxOutput { value: self.value.0, address: self.address.address }
    }
}

/// A transfer of money, or a change of the masternode set. Immutable; methods that change
/// something give a new one.
///
/// `Transaction(data)` reads canonical bytes, which `bytes()` gives: every transaction has one
/// form only. Bytes don't say for which kind of network they are; `network` decides how
/// addresses are shown. Can be pickled.
///
/// Raises `RequestError` (`transaction_malformed`) for bytes that are none or too many.
#[pyclass(frozen, eq, module = "timecoin")]
#[derive(Clone, PartialEq)]
pub(crate) struct Transaction {
    pub(crate) transaction: Arc<timecoin_core::Transaction>,
    pub(crate) network: Network,
}

#[pymethods]
impl Transaction {
    #[new]
    #[pyo3(signature = (data, network = NetworkArg(Network::Regtest)), text_signature = "(data, network='regtest')")]
    fn new(data: &Bound<'_, PyAny>, network: NetworkArg) -> PyResult<Self> {
        let bytes = bytes("data", data.as_borrowed())?;
        let params = ChainParams::new(network.0);
        let transaction = pure(|| decode_transaction(&bytes, &params))?;
        Ok(Transaction { transaction: Arc::new(transaction), network: network.0 })
    }

    /// An unsigned transfer: `inputs` are `TxInput`s, or pairs of an outpoint and the public key
    /// that owns it; `outputs` are `TxOutput`s, or pairs of an address and an amount. Whether the
    /// rules take it is not checked here.
    #[staticmethod]
    #[pyo3(signature = (inputs, outputs, lock_time = LockTimeArg(0)), text_signature = "(inputs, outputs, lock_time=0)")]
    fn transfer(
        inputs: Vec<InputArg>,
        outputs: Vec<OutputArg>,
        lock_time: LockTimeArg,
    ) -> PyResult<Self> {
        let network = outputs.first().map_or(Network::Regtest, |output| output.0.address.network);
        let inputs = inputs.into_iter().map(|input| input.0.0).collect();
        let outputs = outputs.into_iter().map(|output| output.0.to_core()).collect();
        let transfer = timecoin_core::Transaction::transfer(&[], outputs);
        let transaction =
            timecoin_core::Transaction { inputs, lock_time: Height(lock_time.0), ..transfer };
        Ok(Transaction { transaction: Arc::new(transaction), network })
    }

    /// The same with some parts replaced: `version`, `inputs`, `outputs`, `lock_time`, as in
    /// `transfer`. Signatures are kept, and hold no more where they covered what changed.
    #[pyo3(signature = (*, version = None, inputs = None, outputs = None, lock_time = None))]
    fn replace(
        &self,
        version: Option<VersionArg>,
        inputs: Option<Vec<InputArg>>,
        outputs: Option<Vec<OutputArg>>,
        lock_time: Option<LockTimeArg>,
    ) -> Self {
        let mut transaction = self.transaction.as_ref().clone();
        if let Some(version) = version {
            transaction.version = version.0;
        }
        if let Some(inputs) = inputs {
            transaction.inputs = inputs.into_iter().map(|input| input.0.0).collect();
        }
        if let Some(outputs) = outputs {
            transaction.outputs = outputs.into_iter().map(|output| output.0.to_core()).collect();
        }
        if let Some(lock_time) = lock_time {
            transaction.lock_time = Height(lock_time.0);
        }
        Transaction { transaction: Arc::new(transaction), network: self.network }
    }

    /// The same with every input signed by `key_pair`, for the chain `chain_id`.
    fn sign(&self, chain_id: ChainId, key_pair: &KeyPair) -> Self {
        let mut transaction = self.transaction.as_ref().clone();
        transaction.sign_all(&chain_id.0, &key_pair.0);
        Transaction { transaction: Arc::new(transaction), network: self.network }
    }

    /// What the signature of input `index` signs, 32 bytes.
    ///
    /// Raises `IndexError` where there is no such input.
    fn sighash<'py>(
        &self,
        py: Python<'py>,
        chain_id: ChainId,
        index: IndexArg,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let index = index.0;
        if index as usize >= self.transaction.inputs.len() {
            return Err(pyo3::exceptions::PyIndexError::new_err("no such input"));
        }
        let (txid, outputs) = (self.transaction.txid(), self.transaction.outputs_hash());
        let hash = timecoin_core::Transaction::sighash(&chain_id.0, &txid, index, &outputs);
        Ok(PyBytes::new(py, hash.as_bytes()))
    }

    /// Its id: the hash of everything but its signatures.
    #[getter]
    fn txid(&self) -> Txid {
        Txid(self.transaction.txid())
    }

    /// The hash of all its bytes, signatures included.
    #[getter]
    fn wtxid(&self) -> Wtxid {
        Wtxid(self.transaction.wtxid())
    }

    /// The version of its form; there is one, 1.
    #[getter]
    fn version(&self) -> u16 {
        self.transaction.version
    }

    /// What it is for: `transfer`, `coinbase`, `register_masternode`, `deregister_masternode` or
    /// `evidence`.
    #[getter]
    fn kind(&self) -> &'static str {
        match self.transaction.kind {
            TxKind::Transfer => "transfer",
            TxKind::Coinbase { .. } => "coinbase",
            TxKind::RegisterMasternode(_) => "register_masternode",
            TxKind::DeregisterMasternode { .. } => "deregister_masternode",
            TxKind::Evidence(_) => "evidence",
        }
    }

    /// The first height whose block may hold it; 0 for any.
    #[getter]
    fn lock_time(&self) -> u64 {
        self.transaction.lock_time.0
    }

    /// What is spent.
    #[getter]
    fn inputs(&self) -> Vec<TxInput> {
        self.transaction.inputs.iter().cloned().map(TxInput).collect()
    }

    /// What is made.
    #[getter]
    fn outputs(&self) -> Vec<TxOutput> {
        let outputs = self.transaction.outputs.iter();
        outputs.map(|output| TxOutput::of(*output, self.network)).collect()
    }

    /// The length of its bytes.
    fn __len__(&self) -> usize {
        timecoin_core::types::encode::encoded_len(self.transaction.as_ref())
    }

    fn __bytes__<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &encode(self.transaction.as_ref()))
    }

    fn __hash__(&self) -> u64 {
        let start = self.transaction.wtxid().to_bytes();
        u64::from_le_bytes([
            start[0], start[1], start[2], start[3], start[4], start[5], start[6], start[7],
        ])
    }

    fn __repr__(&self) -> String {
        let (n_inputs, n_outputs) = (self.transaction.inputs.len(), self.transaction.outputs.len());
        format!(
            "Transaction(txid='{}', kind='{}', inputs={n_inputs}, outputs={n_outputs})",
            self.transaction.txid(),
            self.kind()
        )
    }

    fn __getnewargs__<'py>(&self, py: Python<'py>) -> (Bound<'py, PyBytes>, &'static str) {
        (self.__bytes__(py), self.network.name())
    }
}

/// An input, or an outpoint with the key that owns it.
struct InputArg(TxInput);

impl<'a, 'py> FromPyObject<'a, 'py> for InputArg {
    type Error = PyErr;

    fn extract(object: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        if let Ok(input) = object.cast::<TxInput>() {
            return Ok(InputArg(input.get().clone()));
        }
        let (previous_output, public_key) = object.extract()?;
        Ok(InputArg(TxInput::new(previous_output, public_key, None)?))
    }
}

/// An output, or an address with an amount.
struct OutputArg(TxOutput);

impl<'a, 'py> FromPyObject<'a, 'py> for OutputArg {
    type Error = PyErr;

    fn extract(object: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        if let Ok(output) = object.cast::<TxOutput>() {
            return Ok(OutputArg(*output.get()));
        }
        let (address, value) = object.extract()?;
        Ok(OutputArg(TxOutput { value, address }))
    }
}

fn signature_bytes(signature: &Bound<'_, PyAny>) -> PyResult<[u8; 64]> {
    let bytes = bytes("signature", signature.as_borrowed())?;
    let refuse = |_| {
        let reason = format!("{} bytes, not 64", bytes.len());
        invalid(signature.py(), "signature", reason)
    };
    <[u8; 64]>::try_from(&*bytes).map_err(refuse)
}
