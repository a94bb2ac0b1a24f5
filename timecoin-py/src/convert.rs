//! Arguments as Python gives them.

use std::borrow::Cow;
use std::time::Duration;

use pyo3::exceptions::{PyOverflowError, PyTypeError};
use pyo3::prelude::*;
use pyo3::types::{PyByteArray, PyBytes, PyFloat, PyInt, PyString};
use timecoin_core::{AddressError, BlockId, Height, Network, NodeError};

use crate::address::Address;
use crate::amount::Amount;
use crate::error::invalid;
use crate::guard::pure;
use crate::hashes::BlockHash;

/// Seconds to wait, as an int or a float; `None` waits for as long as it takes.
#[derive(Clone, Copy)]
pub(crate) struct Timeout(pub(crate) Duration);

impl Timeout {
    /// For as long as it takes.
    pub(crate) const FOREVER: Timeout = Timeout(Duration::MAX);

    /// As Python gives it.
    pub(crate) fn seconds(self) -> Option<f64> {
        (self.0 != Duration::MAX).then_some(self.0.as_secs_f64())
    }
}

impl<'a, 'py> FromPyObject<'a, 'py> for Timeout {
    type Error = PyErr;

    fn extract(object: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        if object.is_none() {
            return Ok(Timeout::FOREVER);
        }
        if !object.is_instance_of::<PyInt>() && !object.is_instance_of::<PyFloat>() {
            return Err(type_error("timeout", "seconds as an int or a float, or None", object));
        }
        let seconds: f64 = object.extract()?;
        if seconds.is_nan() || seconds < 0.0 {
            let reason = format!("{seconds} is no time to wait: give seconds from 0 on, or None");
            return Err(invalid(object.py(), "timeout", reason));
        }
        // More than any clock can count is for ever.
        Ok(Timeout(Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)))
    }
}

/// An address as an [`Address`] or as text, which only the chain can judge.
pub(crate) enum AddressArg {
    Value(Address),
    Text(String),
}

impl AddressArg {
    /// The address on the chain of `network`.
    pub(crate) fn on(&self, network: Network) -> Result<timecoin_core::Address, NodeError> {
        match self {
            AddressArg::Value(address) if address.network == network => Ok(address.address),
            AddressArg::Value(address) => {
                let found = address.network;
                Err(AddressError::WrongNetwork { found, expected: network }.into())
            }
            AddressArg::Text(text) => Ok(timecoin_core::Address::from_text(text, network)?),
        }
    }
}

impl<'a, 'py> FromPyObject<'a, 'py> for AddressArg {
    type Error = PyErr;

    fn extract(object: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        if let Ok(address) = object.cast::<Address>() {
            return Ok(AddressArg::Value(*address.get()));
        }
        match object.cast::<PyString>() {
            Ok(text) => Ok(AddressArg::Text(text.to_str()?.to_owned())),
            Err(_) => Err(type_error("address", "an Address or its text", object)),
        }
    }
}

/// Who is paid how much: a mapping, or an iterable of pairs.
pub(crate) struct PaymentsArg(Vec<(AddressArg, Amount)>);

impl PaymentsArg {
    /// The payments on the chain of `network`.
    pub(crate) fn on(
        &self,
        network: Network,
    ) -> Result<Vec<(timecoin_core::Address, timecoin_core::Amount)>, NodeError> {
        self.0.iter().map(|(address, amount)| Ok((address.on(network)?, amount.0))).collect()
    }
}

impl<'a, 'py> FromPyObject<'a, 'py> for PaymentsArg {
    type Error = PyErr;

    fn extract(object: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        let pairs = match object.hasattr("items")? {
            true => object.call_method0("items")?,
            false => object.to_owned(),
        };
        let pairs: PyResult<Vec<_>> = pairs.try_iter()?.map(|pair| pair?.extract()).collect();
        Ok(PaymentsArg(pairs?))
    }
}

/// A block by its height or by its hash.
pub(crate) struct BlockArg(pub(crate) BlockId);

impl<'a, 'py> FromPyObject<'a, 'py> for BlockArg {
    type Error = PyErr;

    fn extract(object: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        if object.is_instance_of::<PyInt>() {
            let height = height(object)?;
            return Ok(BlockArg(BlockId::Height(height)));
        }
        let hash: BlockHash = object.extract()?;
        Ok(BlockArg(BlockId::Hash(hash.0)))
    }
}

/// Where a seed comes from: bytes, or text as UTF-8.
pub(crate) struct SeedArg(pub(crate) Vec<u8>);

impl<'a, 'py> FromPyObject<'a, 'py> for SeedArg {
    type Error = PyErr;

    fn extract(object: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        if let Ok(text) = object.cast::<PyString>() {
            return Ok(SeedArg(text.to_str()?.as_bytes().to_vec()));
        }
        match bytes("seed", object) {
            Ok(bytes) => Ok(SeedArg(bytes.into_owned())),
            Err(_) => Err(type_error("seed", "a text, bytes or bytearray", object)),
        }
    }
}

/// The name of a network, or a member of `timecoin.Network`, which is a text too.
pub(crate) struct NetworkArg(pub(crate) Network);

impl<'a, 'py> FromPyObject<'a, 'py> for NetworkArg {
    type Error = PyErr;

    fn extract(object: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        match object.cast::<PyString>() {
            Ok(text) => {
                let text = text.to_str()?;
                pure(|| text.parse::<Network>()).map(NetworkArg)
            }
            Err(_) => Err(type_error("network", "a Network or its name", object)),
        }
    }
}

/// A height as an int from 0 on.
pub(crate) fn height(object: Borrowed<'_, '_, PyAny>) -> PyResult<Height> {
    whole("height", object).map(Height)
}

/// A whole number in the range of its type.
pub(crate) fn whole<'a, 'py, T>(what: &'static str, object: Borrowed<'a, 'py, PyAny>) -> PyResult<T>
where
    T: FromPyObject<'a, 'py, Error = PyErr> + Bounded,
{
    object.extract().map_err(|error: PyErr| {
        let py = object.py();
        if error.is_instance_of::<PyOverflowError>(py) {
            let reason = format!("give a whole number from {} to {}", T::LEAST, T::MOST);
            return invalid(py, what, reason);
        }
        type_error(what, "a whole number", object)
    })
}

/// A type of numbers with a range.
pub(crate) trait Bounded {
    const LEAST: i128;
    const MOST: i128;
}

macro_rules! bounded {
    ($($number:ty),+) => {$(
        impl Bounded for $number {
            const LEAST: i128 = <$number>::MIN as i128;
            const MOST: i128 = <$number>::MAX as i128;
        }
    )+};
}

bounded!(u16, u32, u64, usize, i32);

/// Numbers as arguments, each under the name that it has in all functions.
macro_rules! number_args {
    ($($class:ident($number:ty) $what:literal;)+) => {$(
        #[doc = concat!("The argument `", $what, "`.")]
        #[derive(Clone, Copy)]
        pub(crate) struct $class(pub(crate) $number);

        impl<'a, 'py> FromPyObject<'a, 'py> for $class {
            type Error = PyErr;

            fn extract(object: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
                whole($what, object).map($class)
            }
        }
    )+};
}

number_args! {
    NodeArg(usize) "node";
    MasternodesArg(usize) "masternodes";
    SeedNumber(u64) "seed";
    PageSizeArg(usize) "page_size";
    HeightArg(u64) "height";
    AfterArg(u64) "after";
    PpmArg(i32) "ppm";
    VoutArg(u32) "vout";
    IndexArg(u32) "index";
    VersionArg(u16) "version";
    LockTimeArg(u64) "lock_time";
}

/// Bytes, borrowed from a `bytes` object or copied from a `bytearray`.
pub(crate) fn bytes<'a>(what: &str, object: Borrowed<'a, '_, PyAny>) -> PyResult<Cow<'a, [u8]>> {
    if !object.is_instance_of::<PyBytes>() && !object.is_instance_of::<PyByteArray>() {
        return Err(type_error(what, "bytes or bytearray", object));
    }
    object.extract()
}

/// Says what is expected and what came.
pub(crate) fn type_error(what: &str, expected: &str, found: Borrowed<'_, '_, PyAny>) -> PyErr {
    let found = found.get_type().qualname().map_or_else(|_| "?".to_owned(), |n| n.to_string());
    PyTypeError::new_err(format!("{what}: give {expected}, not {found}"))
}
