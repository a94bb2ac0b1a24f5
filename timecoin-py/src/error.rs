//! Errors of core as exceptions of `timecoin`; the classes are in `python/timecoin/_errors.py`.

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use timecoin_core::node::BrokenInvariant;
use timecoin_core::{ErrorCode, NodeError};

use crate::ending::Inside;

/// Why a guarded call gave nothing.
pub(crate) enum Failure {
    /// Core said no.
    Node(NodeError),
    /// The object was made in another process.
    Forked {
        /// The process that made it.
        made_in: u32,
        /// This process.
        here: u32,
    },
    /// A panic was caught.
    Panic(String),
    /// The host's own Python code raised, in a signer.
    Python(PyErr),
}

impl Failure {
    /// The exception to raise.
    pub(crate) fn into_pyerr(self, py: Python<'_>) -> PyErr {
        match self {
            Failure::Node(error) => exception_of(py, &error),
            Failure::Forked { made_in, here } => {
                let text = format!(
                    "this belongs to process {made_in}, and this is {here}, forked from it: \
                     threads and files do not follow a fork; open nodes in the process that uses \
                     them, or start processes with `spawn` or `forkserver`"
                );
                exception(py, ErrorCode::ForkedProcess, &text)
            }
            Failure::Panic(text) => {
                exception(py, ErrorCode::Internal, &format!("internal: panic: {text}"))
            }
            Failure::Python(error) => error,
        }
    }
}

/// The exception object of an error of core, to hand out instead of raising it.
pub(crate) fn exception_of(py: Python<'_>, error: &NodeError) -> PyErr {
    let _inside = Inside::enter_or_hold(py);
    match error {
        NodeError::Invariant(broken) => invariant_error(py, broken),
        _ => exception(py, error.code(), &error.to_string()),
    }
}

fn invariant_error(py: Python<'_>, broken: &BrokenInvariant) -> PyErr {
    let BrokenInvariant { check, message, seed, step, at, replay, text } = broken;
    let made = py.import("timecoin._errors").and_then(|errors| {
        let (at, code) = (at.as_secs_f64(), ErrorCode::InvariantBroken.as_i32());
        let fields = (text, code, *check, message, *seed, *step, at, replay.as_deref());
        errors.getattr("InvariantError")?.call1(fields)
    });
    match made {
        Ok(exception) => PyErr::from_value(exception),
        Err(error) => error,
    }
}

/// An argument whose type is right and whose value never is.
pub(crate) fn invalid(py: Python<'_>, what: &'static str, reason: impl Into<String>) -> PyErr {
    exception_of(py, &NodeError::InvalidArgument { what, reason: reason.into() })
}

fn exception(py: Python<'_>, code: ErrorCode, message: &str) -> PyErr {
    static MAKE: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let made = MAKE
        .import(py, "timecoin._errors", "error_of")
        .and_then(|make| make.call1((code.as_i32(), message)));
    match made {
        Ok(exception) => PyErr::from_value(exception),
        Err(error) => error,
    }
}

/// Number, name, category and whether trying again may help, of every error code.
pub(crate) fn codes() -> Vec<(i32, &'static str, &'static str, bool)> {
    let row = |code: &ErrorCode| {
        (code.as_i32(), code.name(), code.category().name(), code.is_retryable())
    };
    ErrorCode::ALL.iter().map(row).collect()
}
