//! Key pairs.

use pyo3::prelude::*;
use pyo3::types::PyBytes;
use timecoin_core::{secret_from_text, secret_to_text};

use crate::address::Address;
use crate::convert::{NetworkArg, SeedArg, bytes};
use crate::guard::pure;
use crate::hashes::PublicKey;

/// A secret key with its public key, ready to sign.
///
/// Made by `KeyPair.generate()`, `KeyPair.from_seed()` or `KeyPair.from_secret()`. Its secret is
/// never shown unless asked for with `secret()`, and it can't be pickled.
#[pyclass(frozen, module = "timecoin")]
#[derive(Clone)]
pub(crate) struct KeyPair(pub(crate) timecoin_core::KeyPair);

#[pymethods]
impl KeyPair {
    /// A new pair from the operating system's randomness.
    ///
    /// Raises `InternalError` (`no_randomness`).
    #[staticmethod]
    fn generate() -> PyResult<Self> {
        pure(timecoin_core::KeyPair::generate).map(KeyPair)
    }

    /// The pair that belongs to `seed` (bytes, or a text as UTF-8), always the same: only as
    /// secret as the seed.
    #[staticmethod]
    fn from_seed(seed: SeedArg) -> Self {
        KeyPair(timecoin_core::KeyPair::from_seed(&seed.0))
    }

    /// The pair of an exported secret key: 64 hexadecimal digits.
    ///
    /// Raises `RequestError` (`malformed`), without repeating the text.
    #[staticmethod]
    fn from_secret(secret: &str) -> PyResult<Self> {
        pure(|| secret_from_text(secret)).map(|secret| KeyPair(secret.into()))
    }

    /// The public half.
    #[getter]
    fn public_key(&self) -> PublicKey {
        PublicKey(self.0.public())
    }

    /// The secret half, 64 hexadecimal digits: whoever reads them owns its coins.
    fn secret(&self) -> String {
        secret_to_text(&self.0.secret()).to_string()
    }

    /// The address of the public half on `network`.
    #[pyo3(signature = (network = NetworkArg(timecoin_core::Network::Regtest)), text_signature = "($self, network='regtest')")]
    fn address(&self, network: NetworkArg) -> Address {
        Address { address: self.0.address(), network: network.0 }
    }

    /// The Ed25519 signature of `message`, 64 bytes. The same message always gives the same.
    fn sign<'py>(&self, message: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyBytes>> {
        let bytes = bytes("message", message.as_borrowed())?;
        Ok(PyBytes::new(message.py(), self.0.sign(&bytes).as_bytes()))
    }

    fn __repr__(&self) -> String {
        format!("KeyPair(public_key='{}')", self.0.public())
    }

    fn __eq__(&self, other: &Self) -> bool {
        self.0.public() == other.0.public()
    }

    fn __hash__(&self) -> u64 {
        let start = self.0.public().to_bytes();
        u64::from_le_bytes([
            start[0], start[1], start[2], start[3], start[4], start[5], start[6], start[7],
        ])
    }
}
