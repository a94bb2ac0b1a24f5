//! Whom one pays.

use std::hash::{Hash, Hasher};

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString};

use crate::convert::{NetworkArg, type_error};
use crate::enums::Enum;
use crate::guard::pure;
use crate::hashes::PublicKey;

/// Whom one pays: the hash of a public key, on one kind of network.
///
/// Made from its bech32m text (`rtime1…` on regtest, `ttime1…` on testnet, `time1…` on mainnet)
/// or from another address. Wherever an address is asked for, its text is taken too.
///
/// Immutable, hashable, and can be pickled. Raises `RequestError` (`invalid_address`) for a text
/// that is none.
#[pyclass(frozen, eq, hash, module = "timecoin")]
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Address {
    pub(crate) address: timecoin_core::Address,
    pub(crate) network: timecoin_core::Network,
}

#[pymethods]
impl Address {
    #[new]
    fn new(value: Self) -> Self {
        value
    }

    /// The address of a public key on `network`.
    #[staticmethod]
    #[pyo3(signature = (public_key, network = NetworkArg(timecoin_core::Network::Regtest)), text_signature = "(public_key, network='regtest')")]
    fn of(public_key: PublicKey, network: NetworkArg) -> Self {
        Address { address: timecoin_core::Address::of(&public_key.0), network: network.0 }
    }

    /// The kind of network that it is for.
    #[getter]
    fn network<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        Enum::Network.member(py, self.network.name())
    }

    /// Its bech32m text.
    #[getter]
    pub(crate) fn text(&self) -> String {
        self.address.to_text(self.network)
    }

    fn __str__(&self) -> String {
        self.text()
    }

    fn __repr__(&self) -> String {
        format!("Address('{}')", self.text())
    }

    /// The 20 bytes of the hash.
    fn __bytes__<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, self.address.as_bytes())
    }

    fn __getnewargs__(&self) -> (String,) {
        (self.text(),)
    }
}

impl Hash for Address {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.address.hash(state);
    }
}

impl<'a, 'py> FromPyObject<'a, 'py> for Address {
    type Error = PyErr;

    fn extract(object: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        if let Ok(address) = object.cast::<Address>() {
            return Ok(*address.get());
        }
        let Ok(text) = object.cast::<PyString>() else {
            return Err(type_error("address", "an Address or its text", object));
        };
        let text = text.to_str()?;
        let (network, address) = pure(|| timecoin_core::Address::parse(text))?;
        Ok(Address { address, network })
    }
}
