//! Paying in a net of real nodes, and its nodes at a glance.

use std::sync::Arc;
use std::time::Duration;

use pyo3::prelude::*;
use timecoin_core::{
    Network, NodeError, Transaction as CoreTransaction, TransactionStatus, localnet,
};

use crate::address::Address;
use crate::amount::Amount;
use crate::convert::{AddressArg, NodeArg};
use crate::enums::Enum;
use crate::hashes::Txid;
use crate::html::{Maybe, fields, truth};
use crate::info::{NodeStatus, status_height, status_member};
use crate::localnet::LocalNet;
use crate::sim_payment::Condition;
use crate::transaction::Transaction;

/// A wallet of a net, funded by its genesis. `LocalNet.wallet` gives it.
#[pyclass(frozen, module = "timecoin", weakref)]
pub(crate) struct LocalWallet {
    pub(crate) net: Py<LocalNet>,
    pub(crate) name: String,
    pub(crate) address: timecoin_core::Address,
}

#[pymethods]
impl LocalWallet {
    /// Its name.
    #[getter]
    fn name(&self) -> &str {
        &self.name
    }

    /// Its address.
    #[getter]
    fn address(&self) -> Address {
        Address { address: self.address, network: Network::Regtest }
    }

    /// What it can spend.
    fn balance(&self, py: Python<'_>) -> PyResult<Amount> {
        let net = self.net.get().native();
        net.call(py, |net| Ok(net.wallet(&self.name)?.balance())).map(Amount)
    }

    /// Pays `amount` to `address`, at node number `node` or else at the first that takes part,
    /// and returns once that has admitted it.
    ///
    /// Raises `RequestError` (`insufficient_funds`, `too_many_coins`, `transaction_dust`,
    /// `invalid_address`, `invalid_argument` for a node that is not there, `closed`), and what
    /// `Node.submit_transaction` raises.
    #[pyo3(signature = (address, amount, node = None))]
    fn pay(
        &self,
        py: Python<'_>,
        address: AddressArg,
        amount: Amount,
        node: Option<NodeArg>,
    ) -> PyResult<LocalPayment> {
        let transaction = self.net.get().native().call(py, |net| {
            net.pay_to(node.map(|node| node.0), &self.name, address.on(Network::Regtest)?, amount.0)
        })?;
        let txid = transaction.txid();
        Ok(LocalPayment { net: self.net.clone_ref(py), transaction, txid })
    }

    fn __repr__(&self) -> String {
        let address = self.address.to_text(Network::Regtest);
        let (name, address) = (format!("'{}'", self.name), format!("'{address}'"));
        fields("LocalWallet", &[("name", &name), ("address", &address)])
    }
}

/// A payment that a node of a net took.
#[pyclass(frozen, module = "timecoin", weakref)]
pub(crate) struct LocalPayment {
    net: Py<LocalNet>,
    transaction: Arc<CoreTransaction>,
    txid: timecoin_core::Txid,
}

#[pymethods]
impl LocalPayment {
    /// Its transaction's id.
    #[getter]
    fn txid(&self) -> Txid {
        Txid(self.txid)
    }

    /// What it pays the masternodes.
    #[getter]
    fn fee(&self) -> Amount {
        Amount(timecoin_core::sim::FEE)
    }

    /// The transaction.
    #[getter]
    fn transaction(&self) -> Transaction {
        let transaction = Arc::clone(&self.transaction);
        Transaction { transaction, network: Network::Regtest }
    }

    /// The condition that it is final or confirmed at every node that takes part: true or false
    /// as things stand, and something to `run_until`.
    #[getter]
    fn finalized(&self, py: Python<'_>) -> Condition {
        let goal = NetGoal { txid: self.txid, is_confirmed: false };
        Condition::of_net(self.net.clone_ref(py), goal)
    }

    /// The condition that it is in a block that every node that takes part has.
    #[getter]
    fn confirmed(&self, py: Python<'_>) -> Condition {
        let goal = NetGoal { txid: self.txid, is_confirmed: true };
        Condition::of_net(self.net.clone_ref(py), goal)
    }

    /// How far it is at node 0; `None` where that does not know it.
    #[getter]
    fn status<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        status(py, &self.net, &self.txid)?.map(|status| status_member(py, &status)).transpose()
    }

    /// The height of the block that holds it, as node 0 knows it; `None` where none does.
    #[getter]
    fn height(&self, py: Python<'_>) -> PyResult<Option<u64>> {
        Ok(status(py, &self.net, &self.txid)?.and_then(|status| status_height(&status)))
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let status = status(py, &self.net, &self.txid)?;
        let status = Maybe(status.map(|status| format!("'{}'", status.name())));
        Ok(fields("LocalPayment", &[("txid", &format!("'{}'", self.txid)), ("status", &status)]))
    }
}

fn status(
    py: Python<'_>,
    net: &Py<LocalNet>,
    txid: &timecoin_core::Txid,
) -> PyResult<Option<TransactionStatus>> {
    net.get().native().call(py, |net| net.node(0)?.transaction_status(txid))
}

/// What to wait for in a net.
#[derive(Clone, Copy)]
pub(crate) struct NetGoal {
    pub(crate) txid: timecoin_core::Txid,
    pub(crate) is_confirmed: bool,
}

impl NetGoal {
    pub(crate) fn wait(self, net: &localnet::LocalNet, timeout: Duration) -> Result<(), NodeError> {
        if self.is_confirmed {
            net.wait_confirmed_everywhere(&self.txid, timeout)
        } else {
            net.wait_final_everywhere(&self.txid, timeout)
        }
    }

    pub(crate) fn is_met(self, net: &localnet::LocalNet) -> bool {
        if self.is_confirmed {
            net.is_confirmed_everywhere(&self.txid)
        } else {
            net.is_final_everywhere(&self.txid)
        }
    }
}

/// A node of a net at a glance.
#[pyclass(frozen, eq, module = "timecoin")]
#[derive(PartialEq)]
pub(crate) struct LocalNodeStatus(pub(crate) localnet::LocalNodeStatus);

#[pymethods]
impl LocalNodeStatus {
    /// Whether it takes part.
    #[getter]
    fn state<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        Enum::SimNodeState.member(py, self.0.state.name())
    }

    /// Whether it was made Byzantine.
    #[getter]
    fn is_byzantine(&self) -> bool {
        self.0.is_byzantine
    }

    /// The node itself; of one that is down, what it was.
    #[getter]
    fn node(&self) -> NodeStatus {
        NodeStatus(self.0.node.clone())
    }

    /// The height of its last decided block.
    #[getter]
    fn height(&self) -> u64 {
        self.0.node.height.0
    }

    fn __repr__(&self) -> String {
        let state = format!("'{}'", self.0.state.name());
        fields(
            "LocalNodeStatus",
            &[
                ("state", &state),
                ("height", &self.0.node.height),
                ("is_byzantine", &truth(self.0.is_byzantine)),
            ],
        )
    }
}
