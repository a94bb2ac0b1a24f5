//! Signatures made by a Python object of the host, on the thread that called, and nowhere else.

use std::cell::{Cell, RefCell};
use std::sync::{Mutex, MutexGuard, PoisonError};

use pyo3::exceptions::PyRuntimeError;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use timecoin_core::{Hash256, NodeError, Signature};

use crate::ending::Inside;
use crate::hashes::PublicKey;

thread_local! {
    /// Whether this thread is inside a guarded call, so that it may take the GIL.
    static IS_CALLING: Cell<bool> = const { Cell::new(false) };
    /// What the host's code raised in the call.
    static RAISED: RefCell<Option<PyErr>> = const { RefCell::new(None) };
}

/// A guarded call of this thread. They nest: a signer may call the module.
pub(crate) struct Calling {
    was_calling: bool,
}

impl Calling {
    pub(crate) fn begin() -> Self {
        Calling { was_calling: IS_CALLING.replace(true) }
    }

    /// Ends the call; gives what the host's code raised in it.
    pub(crate) fn end(self) -> Option<PyErr> {
        IS_CALLING.set(self.was_calling);
        RAISED.take()
    }
}

/// A Python object with `public_key` and `sign(bytes) -> bytes`.
pub(crate) struct PySigner {
    /// None once the collector of cycles took it: then nothing of Python's refers to its wallet.
    object: Mutex<Option<Py<PyAny>>>,
    public_key: timecoin_core::PublicKey,
}

impl PySigner {
    /// Asks the object for its public key, once.
    pub(crate) fn new(object: &Bound<'_, PyAny>) -> PyResult<Self> {
        let public_key = object.getattr("public_key")?.extract::<PublicKey>()?.0;
        Ok(PySigner { object: Mutex::new(Some(object.clone().unbind())), public_key })
    }

    /// Shows the collector of cycles what it refers to.
    pub(crate) fn traverse(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        // The lock is held by threads that have the GIL, which the collector has.
        self.object.try_lock().map_or(Ok(()), |object| visit.call(object.as_ref()))
    }

    /// Lets go of the object, for the collector.
    pub(crate) fn clear(&self) {
        let object = self.lock().take();
        drop(object);
    }

    fn lock(&self) -> MutexGuard<'_, Option<Py<PyAny>>> {
        self.object.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn call(&self, py: Python<'_>, message: &Hash256) -> PyResult<Signature> {
        let message = PyBytes::new(py, message.as_bytes());
        let object = self.lock().as_ref().map(|object| object.clone_ref(py));
        let object = object.ok_or_else(|| PyRuntimeError::new_err("the signer was collected"))?;
        let signature = object.bind(py).call_method1("sign", (message,))?;
        let bytes: [u8; 64] = signature.extract()?;
        Ok(Signature::from_bytes(bytes))
    }
}

impl timecoin_core::Signer for PySigner {
    fn public_key(&self) -> timecoin_core::PublicKey {
        self.public_key
    }

    fn sign(&self, message: &Hash256) -> Result<Signature, NodeError> {
        let refuse = |reason: &str| {
            Err(NodeError::InvalidArgument { what: "signer", reason: reason.to_owned() })
        };
        if !IS_CALLING.get() {
            return refuse("a Python signer signs on the thread that asks for it only");
        }
        let Some(_inside) = Inside::enter() else {
            return refuse("the interpreter ends");
        };
        match Python::attach(|py| self.call(py, message)) {
            Ok(signature) => Ok(signature),
            Err(error) => {
                RAISED.set(Some(error));
                refuse("it raised")
            }
        }
    }
}
