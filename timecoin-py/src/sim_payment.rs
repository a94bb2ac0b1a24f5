//! Paying in a simulation, and what can be waited for.

use std::sync::Arc;

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use timecoin_core::Network;
use timecoin_core::harness::{Goal, SharedSimulation, SimPayment as Core};

use crate::address::Address;
use crate::amount::Amount;
use crate::convert::{AddressArg, NodeArg};
use crate::guard::{blocking, drive};
use crate::hashes::Txid;
use crate::html::{Maybe, fields};
use crate::info::status_member;
use crate::local_payment::NetGoal;
use crate::localnet::LocalNet;
use crate::simulation::Simulation;
use crate::transaction::Transaction;

/// A wallet of a simulation, funded by its genesis. `Simulation.wallet` gives it.
///
/// After a `revert` to before its name was given it may belong to another name: then its use raises
/// `RequestError` (`invalid_argument`), and `Simulation.wallet` gives the one of its name.
#[pyclass(frozen, module = "timecoin", weakref)]
pub(crate) struct SimWallet {
    pub(crate) sim: Py<Simulation>,
    pub(crate) name: String,
    pub(crate) address: timecoin_core::Address,
}

#[pymethods]
impl SimWallet {
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
        let sim = self.core();
        let balance = blocking(py, || {
            sim.check_wallet(&self.name, &self.address)?;
            sim.balance(&self.name)
        });
        balance.map(Amount)
    }

    /// Pays `amount` to `address`, at node number `node` or else at the first honest one that
    /// runs. The node gets it, and answers, once virtual time passes.
    ///
    /// Raises `RequestError` (`insufficient_funds`, `too_many_coins`, `transaction_dust`,
    /// `invalid_address`, `invalid_argument` for a node that is not there).
    #[pyo3(signature = (address, amount, node = None))]
    fn pay(
        &self,
        py: Python<'_>,
        address: AddressArg,
        amount: Amount,
        node: Option<NodeArg>,
    ) -> PyResult<SimPayment> {
        let sim = self.core();
        let payment = drive(py, sim, |drive| {
            sim.check_wallet(&self.name, &self.address)?;
            drive.pay(&self.name, address.on(Network::Regtest)?, amount.0, node.map(|node| node.0))
        })?;
        Ok(SimPayment { sim: self.sim.clone_ref(py), payment })
    }

    fn __repr__(&self) -> String {
        let address = self.address.to_text(Network::Regtest);
        let (name, address) = (format!("'{}'", self.name), format!("'{address}'"));
        fields("SimWallet", &[("name", &name), ("address", &address)])
    }
}

impl SimWallet {
    fn core(&self) -> &SharedSimulation {
        &self.sim.get().sim
    }
}

/// A payment that a node of a simulation was given.
#[pyclass(frozen, module = "timecoin", weakref)]
pub(crate) struct SimPayment {
    sim: Py<Simulation>,
    payment: Core,
}

#[pymethods]
impl SimPayment {
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
        Transaction { transaction, network: Network::Regtest }
    }

    /// The condition that it is final or confirmed at every honest node that runs: true or false
    /// as things stand, and something to `run_until`.
    #[getter]
    fn finalized(&self, py: Python<'_>) -> Condition {
        Condition::of_sim(self.sim.clone_ref(py), Goal::Finalized(self.payment.submission()))
    }

    /// The condition that it is in a block that every honest node that runs has.
    #[getter]
    fn confirmed(&self, py: Python<'_>) -> Condition {
        Condition::of_sim(self.sim.clone_ref(py), Goal::Confirmed(self.payment.submission()))
    }

    /// How far it is at the first honest node that runs; `None` where it does not know it. See
    /// `Simulation.transaction_status` for other nodes.
    #[getter]
    fn status<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let (sim, txid) = (&self.sim.get().sim, self.payment.txid);
        let status = blocking(py, || sim.transaction_status(&txid, None))?;
        status.map(|status| status_member(py, &status)).transpose()
    }

    /// The height of the block that holds it; `None` where none was decided yet.
    #[getter]
    fn height(&self, py: Python<'_>) -> PyResult<Option<u64>> {
        let (sim, txid) = (&self.sim.get().sim, self.payment.txid);
        let height = blocking(py, || Ok(sim.read()?.confirmed_at(&txid)))?;
        Ok(height.map(|height| height.0))
    }

    /// Seconds of virtual time from its submission to the first node at which it was final;
    /// `None` where it is not yet.
    #[getter]
    fn latency(&self, py: Python<'_>) -> PyResult<Option<f64>> {
        let (sim, txid) = (&self.sim.get().sim, self.payment.txid);
        let latency = blocking(py, || Ok(sim.read()?.metrics().finality_of(&txid)))?;
        Ok(latency.map(|latency| latency.as_secs_f64()))
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let (sim, txid) = (&self.sim.get().sim, self.payment.txid);
        let status = blocking(py, || sim.transaction_status(&txid, None))?;
        let status = Maybe(status.map(|status| format!("'{}'", status.name())));
        Ok(fields("SimPayment", &[("txid", &format!("'{txid}'")), ("status", &status)]))
    }
}

/// Something that comes true in a network, as `SimPayment.finalized`. As a truth value it says
/// whether it is true as things stand; `run_until` waits for it.
#[pyclass(frozen, module = "timecoin")]
pub(crate) struct Condition(What);

enum What {
    Sim(Py<Simulation>, Goal),
    Net(Py<LocalNet>, NetGoal),
}

#[pymethods]
impl Condition {
    /// Raises what the node answered where it refused the payment.
    fn __bool__(&self, py: Python<'_>) -> PyResult<bool> {
        match &self.0 {
            What::Sim(sim, goal) => {
                let sim = &sim.get().sim;
                blocking(py, || goal.is_met(&*sim.read()?))
            }
            What::Net(net, goal) => net.get().native().call(py, |net| Ok(goal.is_met(net))),
        }
    }

    fn __repr__(&self) -> String {
        let (name, txid) = match &self.0 {
            What::Sim(_, Goal::Finalized(payment)) => ("finalized", Some(payment.txid)),
            What::Sim(_, Goal::Confirmed(payment)) => ("confirmed", Some(payment.txid)),
            What::Sim(_, Goal::Height(_)) => ("height", None),
            What::Net(_, goal) if goal.is_confirmed => ("confirmed", Some(goal.txid)),
            What::Net(_, goal) => ("finalized", Some(goal.txid)),
        };
        let txid = Maybe(txid.map(|txid| format!("'{txid}'")));
        fields("Condition", &[("what", &format!("'{name}'")), ("txid", &txid)])
    }
}

impl Condition {
    pub(crate) fn of_sim(sim: Py<Simulation>, goal: Goal) -> Self {
        Condition(What::Sim(sim, goal))
    }

    pub(crate) fn of_net(net: Py<LocalNet>, goal: NetGoal) -> Self {
        Condition(What::Net(net, goal))
    }

    /// What a simulation can run until.
    pub(crate) fn sim_goal(&self) -> PyResult<&Goal> {
        match &self.0 {
            What::Sim(_, goal) => Ok(goal),
            What::Net(..) => Err(PyTypeError::new_err("condition: it is of a LocalNet")),
        }
    }

    /// What a net can wait for.
    pub(crate) fn net_goal(&self) -> PyResult<NetGoal> {
        match &self.0 {
            What::Net(_, goal) => Ok(*goal),
            What::Sim(..) => Err(PyTypeError::new_err("condition: it is of a Simulation")),
        }
    }
}
