//! Byte strings of fixed length that name something: ids, hashes, keys.
//!
//! Wherever one is asked for, its hexadecimal text and its bytes are taken too.

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString};

use crate::convert::{bytes, type_error};
use crate::error::invalid;
use crate::guard::pure;

macro_rules! hash_classes {
    ($($(#[$doc:meta])* $class:ident, $n_bytes:literal;)+) => {$(
        $(#[$doc])*
        ///
        /// Made from 64 hexadecimal digits or 32 bytes; `str()` gives the digits, `bytes()` the
        /// bytes. Immutable, hashable, ordered by its bytes, and can be pickled.
        ///
        /// Raises `RequestError`: `malformed` for another text, `invalid_argument` for another number of
        /// bytes.
        #[pyclass(frozen, eq, ord, hash, module = "timecoin")]
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub(crate) struct $class(pub(crate) timecoin_core::$class);

        #[pymethods]
        impl $class {
            #[new]
            fn new(value: Self) -> Self {
                value
            }

            /// Its hexadecimal digits, lower case.
            #[getter]
            fn hex(&self) -> String {
                self.0.to_string()
            }

            fn __str__(&self) -> String {
                self.0.to_string()
            }

            fn __repr__(&self) -> String {
                format!(concat!(stringify!($class), "('{}')"), self.0)
            }

            fn __bytes__<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
                PyBytes::new(py, self.0.as_bytes())
            }

            fn __getnewargs__(&self) -> (String,) {
                (self.0.to_string(),)
            }
        }

        impl<'a, 'py> FromPyObject<'a, 'py> for $class {
            type Error = PyErr;

            fn extract(object: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
                if let Ok(value) = object.cast::<$class>() {
                    return Ok(*value.get());
                }
                if let Ok(text) = object.cast::<PyString>() {
                    let text = text.to_str()?;
                    return pure(|| text.parse()).map($class);
                }
                let expected = concat!("a ", stringify!($class), ", its hex digits or its bytes");
                let bytes = bytes(stringify!($class), object)
                    .map_err(|_| type_error("value", expected, object))?;
                match <[u8; $n_bytes]>::try_from(&*bytes) {
                    Ok(bytes) => Ok($class(timecoin_core::$class::from_bytes(bytes))),
                    Err(_) => {
                        let reason = format!("{} bytes, not {}", bytes.len(), $n_bytes);
                        Err(invalid(object.py(), stringify!($class), reason))
                    }
                }
            }
        }
    )+};
}

hash_classes! {
    /// The id of a transaction: the hash of everything but its signatures.
    Txid, 32;
    /// The id of a transaction's bytes, signatures included.
    Wtxid, 32;
    /// The id of a block: the hash of its header.
    BlockHash, 32;
    /// The id of a chain: the hash of its genesis.
    ChainId, 32;
    /// The public half of a key pair. Nothing is promised of its bytes.
    PublicKey, 32;
}
