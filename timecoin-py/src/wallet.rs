//! Paying and being paid.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pyo3::exceptions::PyTypeError;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use timecoin_core::NodeError;

use crate::address::Address;
use crate::amount::Amount;
use crate::convert::{AddressArg, PaymentsArg, SeedArg, Timeout};
use crate::events::DEFAULT_TIMEOUT;
use crate::guard::Native;
use crate::hashes::Txid;
use crate::html::{Maybe, fields, table};
use crate::info::Balance;
use crate::keys::KeyPair;
use crate::node::Node;
use crate::signer::PySigner;
use crate::transaction::Transaction;

/// Keys, and the coins that they own on the chain of one node. Many threads may pay from one
/// wallet at once: no two ever pick the same coin.
///
/// `Wallet(node, key_pair)`, `Wallet(node, seed="…")`, or `Wallet(node, signer=…)` with an object
/// of one's own that has `public_key` and `sign(message: bytes) -> bytes` (the 64 bytes of an
/// Ed25519 signature); it is called on the thread that pays, and what it raises is raised there.
/// It may refer to its wallet.
///
/// A wallet keeps nothing on disk: coins are found on the chain, keys are the host's to keep. It
/// keeps its node open as long as it lives.
#[pyclass(frozen, module = "timecoin", weakref)]
pub(crate) struct Wallet {
    wallet: Native<timecoin_core::Wallet>,
    node: Py<Node>,
    /// Those that the host gave, for the collector of cycles: they may refer to this wallet.
    signers: Mutex<Vec<Arc<PySigner>>>,
}

#[pymethods]
impl Wallet {
    #[new]
    #[pyo3(signature = (node, key_pair = None, *, seed = None, signer = None))]
    fn new(
        node: &Bound<'_, Node>,
        key_pair: Option<&KeyPair>,
        seed: Option<SeedArg>,
        signer: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Self> {
        use timecoin_core::Wallet as Core;
        let signer = signer.map(PySigner::new).transpose()?.map(Arc::new);
        let signers = signer.iter().cloned().collect();
        let key_pair = key_pair.map(|key_pair| key_pair.0.clone());
        let make: Box<dyn FnOnce(&timecoin_core::Node) -> Core + Send> =
            match (key_pair, seed, signer) {
                (Some(keys), None, None) => Box::new(move |node| Core::new(node, keys)),
                (None, Some(seed), None) => Box::new(move |node| Core::from_seed(node, &seed.0)),
                (None, None, Some(signer)) => Box::new(move |node| Core::with_signer(node, signer)),
                _ => {
                    let text = "give one of key_pair, seed and signer, or use Wallet.generate()";
                    return Err(PyTypeError::new_err(text));
                }
            };
        Self::made(node, signers, |core| Ok(make(core)))
    }

    /// A wallet of a new key. Export it: it is nowhere else.
    ///
    /// Raises `InternalError` (`no_randomness`).
    #[staticmethod]
    fn generate(node: &Bound<'_, Node>) -> PyResult<Self> {
        Self::made(node, Vec::new(), timecoin_core::Wallet::generate)
    }

    /// The node that it pays through.
    #[getter]
    fn node(&self, py: Python<'_>) -> Py<Node> {
        self.node.clone_ref(py)
    }

    /// The address of its first key, which change goes to.
    #[getter]
    fn address(&self, py: Python<'_>) -> PyResult<Address> {
        let network = self.network();
        self.wallet.call(py, |wallet| Ok(Address { address: wallet.address(), network }))
    }

    /// The addresses of all its keys.
    fn addresses(&self, py: Python<'_>) -> PyResult<Vec<Address>> {
        let addresses = self.wallet.call(py, |wallet| Ok(wallet.addresses()))?;
        let network = self.network();
        Ok(addresses.into_iter().map(|address| Address { address, network }).collect())
    }

    /// Adds a new key and returns its address. Export it: it is nowhere else.
    ///
    /// Raises `InternalError` (`no_randomness`).
    fn new_address(&self, py: Python<'_>) -> PyResult<Address> {
        let network = self.network();
        self.wallet.call(py, |wallet| Ok(Address { address: wallet.new_address()?, network }))
    }

    /// Adds a key and returns its address; its coins are found when they are needed.
    fn add_key(&self, py: Python<'_>, key_pair: &KeyPair) -> PyResult<Address> {
        let (network, keys) = (self.network(), key_pair.0.clone());
        self.wallet.call(py, |wallet| Ok(Address { address: wallet.add_key(keys), network }))
    }

    /// Adds a key whose signatures the host makes, and returns its address.
    fn add_signer(&self, signer: &Bound<'_, PyAny>) -> PyResult<Address> {
        let (network, py) = (self.network(), signer.py());
        let signer = Arc::new(PySigner::new(signer)?);
        self.signers().push(Arc::clone(&signer));
        self.wallet.call(py, |wallet| Ok(Address { address: wallet.add_signer(signer), network }))
    }

    /// The key pair of an address.
    ///
    /// Raises `RequestError` (`unknown_address`) where the wallet has no such key, or the host
    /// signs with it.
    fn export(&self, py: Python<'_>, address: AddressArg) -> PyResult<KeyPair> {
        let network = self.network();
        let secret = self.wallet.call(py, |wallet| wallet.export(&address.on(network)?))?;
        Ok(KeyPair(secret.into()))
    }

    /// The money of all its addresses.
    fn balance(&self, py: Python<'_>) -> PyResult<Balance> {
        self.wallet.call(py, |wallet| wallet.balance().map(Balance))
    }

    /// Pays `amount` to `address`: chooses coins, signs, submits. Returns when the node has taken
    /// it; it is final later, see `Payment.wait_finalized()`.
    ///
    /// Raises `RequestError` (`insufficient_funds`, `too_many_coins`, `transaction_dust`,
    /// `invalid_address`) and what `Node.submit_transaction` raises. Coins are free again after
    /// an error, unless no answer came.
    fn pay(&self, py: Python<'_>, address: AddressArg, amount: Amount) -> PyResult<Payment> {
        let network = self.network();
        let pay = |wallet: &timecoin_core::Wallet| wallet.pay(&address.on(network)?, amount.0);
        self.paid(py, pay)
    }

    /// Pays several at once, in one transaction: a mapping from address to amount, or pairs.
    ///
    /// Raises as `pay`, and `RequestError` (`invalid_argument`) for no payment at all.
    fn pay_many(&self, py: Python<'_>, payments: PaymentsArg) -> PyResult<Payment> {
        let network = self.network();
        let pay = |wallet: &timecoin_core::Wallet| wallet.pay_many(&payments.on(network)?);
        self.paid(py, pay)
    }

    /// What `pay_many(payments)` would cost now. Nothing is reserved.
    ///
    /// Raises as `pay_many`, without what submitting raises.
    fn estimate_fee(&self, py: Python<'_>, payments: PaymentsArg) -> PyResult<Amount> {
        let network = self.network();
        let fee = |wallet: &timecoin_core::Wallet| wallet.estimate_fee(&payments.on(network)?);
        self.wallet.call(py, fee).map(Amount)
    }

    /// Chooses coins and signs, and submits nothing. The coins are reserved until the draft is
    /// submitted or dropped.
    ///
    /// Raises as `pay_many`, without what submitting raises.
    fn build(&self, py: Python<'_>, payments: PaymentsArg) -> PyResult<Draft> {
        let network = self.network();
        let build = |wallet: &timecoin_core::Wallet| wallet.build(&payments.on(network)?);
        let draft = self.wallet.call(py, build)?;
        let transaction = Transaction { transaction: Arc::clone(draft.transaction()), network };
        Ok(Draft {
            transaction,
            fee: draft.fee(),
            draft: Native::new(Mutex::new(Some(draft))),
            node: self.node.clone_ref(py),
        })
    }

    /// The transaction with the inputs signed whose keys the wallet has, and how many those are.
    /// Whether the coins are there is not asked.
    fn sign(&self, py: Python<'_>, transaction: &Transaction) -> PyResult<(Transaction, usize)> {
        let mut signed = transaction.transaction.as_ref().clone();
        let n_signed = self.wallet.call(py, |wallet| wallet.sign(&mut signed))?;
        let network = self.network();
        Ok((Transaction { transaction: Arc::new(signed), network }, n_signed))
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.node)?;
        // The lock is held by threads that have the GIL, which the collector has.
        let signers = self.signers.try_lock();
        signers.iter().flat_map(|signers| signers.iter()).try_for_each(|s| s.traverse(&visit))
    }

    fn __clear__(&self) {
        let signers = std::mem::take(&mut *self.signers());
        signers.iter().for_each(|signer| signer.clear());
    }

    fn __repr__(&self, py: Python<'_>) -> String {
        match self.addresses(py) {
            Ok(addresses) => {
                let first = addresses.first().map(Address::text);
                let others = addresses.len().saturating_sub(1);
                fields(
                    "Wallet",
                    &[("address", &format!("'{}'", Maybe(first))), ("other_addresses", &others)],
                )
            }
            Err(_) => "Wallet(of another process)".to_owned(),
        }
    }
}

impl Wallet {
    fn signers(&self) -> MutexGuard<'_, Vec<Arc<PySigner>>> {
        self.signers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn native(&self) -> &Native<timecoin_core::Wallet> {
        &self.wallet
    }

    pub(crate) fn network(&self) -> timecoin_core::Network {
        self.node.get().network
    }

    fn made(
        node: &Bound<'_, Node>,
        signers: Vec<Arc<PySigner>>,
        make: impl FnOnce(&timecoin_core::Node) -> Result<timecoin_core::Wallet, NodeError> + Send,
    ) -> PyResult<Self> {
        let wallet = node.get().native().call(node.py(), make)?;
        let signers = Mutex::new(signers);
        Ok(Wallet { wallet: Native::new(wallet), node: node.clone().unbind(), signers })
    }

    fn paid(
        &self,
        py: Python<'_>,
        pay: impl FnOnce(&timecoin_core::Wallet) -> Result<timecoin_core::Payment, NodeError> + Send,
    ) -> PyResult<Payment> {
        let payment = self.wallet.call(py, pay)?;
        Ok(Payment { payment, node: self.node.clone_ref(py) })
    }
}

/// A payment that the node took.
#[pyclass(frozen, module = "timecoin", weakref)]
pub(crate) struct Payment {
    payment: timecoin_core::Payment,
    node: Py<Node>,
}

#[pymethods]
impl Payment {
    /// Its transaction's id.
    #[getter]
    fn txid(&self) -> Txid {
        Txid(self.payment.txid)
    }

    /// What it pays the masternodes.
    #[getter]
    fn fee(&self) -> Amount {
        Amount(self.payment.fee)
    }

    /// The transaction.
    #[getter]
    fn transaction(&self) -> Transaction {
        let transaction = Arc::clone(&self.payment.transaction);
        Transaction { transaction, network: self.node.get().network }
    }

    /// How far it is now; `None` where the node has forgotten it.
    #[getter]
    fn status<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        self.node.get().transaction_status(py, self.txid())
    }

    /// Whether it can never be undone: final, or confirmed already.
    #[getter]
    fn finalized(&self, py: Python<'_>) -> PyResult<bool> {
        let status = self.node.get().status_of(py, self.txid())?;
        Ok(status.is_some_and(|status| status.is_final()))
    }

    /// Waits until it can never be undone; see `Node.wait_finalized`.
    #[pyo3(signature = (timeout = Timeout(DEFAULT_TIMEOUT)), text_signature = "($self, timeout=30.0)")]
    fn wait_finalized<'py>(
        &self,
        py: Python<'py>,
        timeout: Timeout,
    ) -> PyResult<Bound<'py, PyAny>> {
        self.node.get().wait_finalized(py, self.txid(), timeout)
    }

    /// Waits until it is in a decided block, and returns the block's height; see
    /// `Node.wait_confirmed`.
    #[pyo3(signature = (timeout = Timeout(DEFAULT_TIMEOUT)), text_signature = "($self, timeout=30.0)")]
    fn wait_confirmed(&self, py: Python<'_>, timeout: Timeout) -> PyResult<u64> {
        self.node.get().wait_confirmed(py, self.txid(), timeout)
    }

    fn __repr__(&self) -> String {
        fields(
            "Payment",
            &[
                ("txid", &format!("'{}'", self.payment.txid)),
                ("fee", &format!("'{}'", self.payment.fee)),
            ],
        )
    }

    fn _repr_html_(&self, py: Python<'_>) -> PyResult<String> {
        let status = self.node.get().status_of(py, self.txid())?;
        Ok(table(
            "Payment",
            &[
                ("txid", &self.payment.txid),
                ("fee", &self.payment.fee),
                ("status", &Maybe(status.map(|status| status.name()))),
            ],
        ))
    }
}

/// A signed payment that is not submitted. Its coins are reserved until it is submitted,
/// discarded or dropped.
#[pyclass(frozen, module = "timecoin")]
pub(crate) struct Draft {
    transaction: Transaction,
    fee: timecoin_core::Amount,
    draft: Native<Mutex<Option<timecoin_core::Draft>>>,
    node: Py<Node>,
}

#[pymethods]
impl Draft {
    /// The signed transaction.
    #[getter]
    fn transaction(&self) -> Transaction {
        self.transaction.clone()
    }

    /// What it pays the masternodes.
    #[getter]
    fn fee(&self) -> Amount {
        Amount(self.fee)
    }

    /// Submits it, once.
    ///
    /// Raises what `Node.submit_transaction` raises, and `RequestError` (`invalid_argument`) for
    /// a draft that was submitted or discarded before.
    fn submit(&self, py: Python<'_>) -> PyResult<Payment> {
        let payment = self.draft.call(py, |draft| match take(draft) {
            Some(draft) => draft.submit(),
            None => {
                let reason = "it was submitted or discarded before".to_owned();
                Err(NodeError::InvalidArgument { what: "draft", reason })
            }
        })?;
        Ok(Payment { payment, node: self.node.clone_ref(py) })
    }

    /// Frees its coins. Does nothing where it was submitted or discarded before.
    fn discard(&self, py: Python<'_>) -> PyResult<()> {
        self.draft.call(py, |draft| {
            drop(take(draft));
            Ok(())
        })
    }

    fn __repr__(&self) -> String {
        fields(
            "Draft",
            &[
                ("txid", &format!("'{}'", self.transaction.transaction.txid())),
                ("fee", &format!("'{}'", self.fee)),
            ],
        )
    }
}

fn take(draft: &Mutex<Option<timecoin_core::Draft>>) -> Option<timecoin_core::Draft> {
    draft.lock().unwrap_or_else(PoisonError::into_inner).take()
}
