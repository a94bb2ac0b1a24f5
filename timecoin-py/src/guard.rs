//! The one guard that every export goes through: process check, panics caught, errors converted.
//!
//! What belongs to a node (threads, files, locks) is kept in a [`Native`]. It is reached only
//! through [`Native::call`] and [`Native::wait`], which release the GIL: a node's threads never
//! take it, and whatever they wait for must not be held up by it. Values that belong to nobody
//! are computed by [`pure`], and work in any process.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use pyo3::prelude::*;
use timecoin_core::NodeError;
use timecoin_core::harness::{Drive, SharedSimulation};

use crate::convert::Timeout;
use crate::ending::{self, Inside};
use crate::error::Failure;
use crate::{logging, signer};

/// Something that lives in the process that made it, and may block.
///
/// Dropping it releases the GIL, since closing a node waits. In a process that was forked from
/// the one that made it, it is forgotten: its threads are not there, so that nothing in it works.
pub(crate) struct Native<T: Send> {
    value: Option<T>,
    pid: u32,
}

impl<T: Send> Native<T> {
    pub(crate) fn new(value: T) -> Self {
        Native { value: Some(value), pid: process::id() }
    }

    fn get(&self) -> Result<&T, Failure> {
        let here = process::id();
        match &self.value {
            Some(value) if self.pid == here => Ok(value),
            _ => Err(Failure::Forked { made_in: self.pid, here }),
        }
    }
}

impl<T: Send + Sync> Native<T> {
    /// One call of core, with the GIL released.
    pub(crate) fn call<R: Send>(
        &self,
        py: Python<'_>,
        call: impl FnOnce(&T) -> Result<R, NodeError> + Send,
    ) -> PyResult<R> {
        self.attempt(py, call).map_err(|failure| failure.into_pyerr(py))
    }

    /// A call of core that waits: in slices, with a look at Python's signals after each, so that
    /// Ctrl-C and Jupyter's interrupt end it.
    pub(crate) fn wait<R: Send>(
        &self,
        py: Python<'_>,
        timeout: Timeout,
        call: impl Fn(&T, Duration) -> Result<R, NodeError> + Send + Sync,
    ) -> PyResult<R> {
        self.try_wait(py, timeout, call).map_err(|failure| failure.into_pyerr(py))
    }

    /// As [`Native::wait`], for callers that look at the failure themselves.
    pub(crate) fn try_wait<R: Send>(
        &self,
        py: Python<'_>,
        timeout: Timeout,
        call: impl Fn(&T, Duration) -> Result<R, NodeError> + Send + Sync,
    ) -> Result<R, Failure> {
        let start = Instant::now();
        loop {
            let left = timeout.0.saturating_sub(start.elapsed());
            let slice = left.min(SLICE);
            match self.attempt(py, |value| call(value, slice)) {
                Err(Failure::Node(NodeError::Timeout { what, .. })) => {
                    py.check_signals().map_err(Failure::Python)?;
                    if slice == left {
                        let timeout = NodeError::Timeout { what, after: timeout.0 };
                        return Err(Failure::Node(timeout));
                    }
                }
                result => return result,
            }
        }
    }

    fn attempt<R: Send>(
        &self,
        py: Python<'_>,
        call: impl FnOnce(&T) -> Result<R, NodeError> + Send,
    ) -> Result<R, Failure> {
        let value = self.get()?;
        let result = detached(py, || call(value));
        logging::deliver(py).map_err(Failure::Python)?;
        result
    }
}

impl<T: Send> Drop for Native<T> {
    fn drop(&mut self) {
        let mut value = self.value.take();
        if self.pid != process::id() {
            std::mem::forget(value);
            return;
        }
        let mut release = || {
            // A panic while something is dropped has no caller to be told.
            let _ = catch_unwind(AssertUnwindSafe(|| drop(value.take())));
        };
        // None while the interpreter ends: then nobody else waits for the GIL.
        if Python::try_attach(|py| py.detach(&mut release)).is_none() {
            release();
        }
    }
}

/// A call that neither blocks nor belongs to a node: values, texts, bytes.
pub(crate) fn pure<T, E: Into<NodeError>>(call: impl FnOnce() -> Result<T, E>) -> PyResult<T> {
    let result = contained(|| call().map_err(Into::into));
    result.map_err(|failure| Python::attach(|py| failure.into_pyerr(py)))
}

/// A call that blocks and belongs to no node yet: opening one.
pub(crate) fn blocking<R: Send>(
    py: Python<'_>,
    call: impl FnOnce() -> Result<R, NodeError> + Send,
) -> PyResult<R> {
    let result = detached(py, call);
    logging::deliver(py)?;
    result.map_err(|failure| failure.into_pyerr(py))
}

/// The same, for calls that let Python's code run now and then.
pub(crate) fn blocking_with<R: Send>(
    py: Python<'_>,
    call: impl FnOnce(&Raised) -> Result<R, NodeError> + Send,
) -> PyResult<R> {
    let raised = Raised(Mutex::new(None));
    let result = py.detach(|| contained(|| call(&raised)));
    ending::hold(py);
    let logged = logging::deliver(py);
    let raised = raised.0.into_inner().unwrap_or_else(PoisonError::into_inner);
    match (result, raised) {
        (Ok(value), _) => logged.map(|()| value),
        (Err(_), Some(error)) => Err(error),
        (Err(failure), None) => logged.and(Err(failure.into_pyerr(py))),
    }
}

/// A call of core that changes a simulation: without the GIL, once it is this thread's turn, with
/// a look at Python's signals now and then.
pub(crate) fn drive<R: Send>(
    py: Python<'_>,
    sim: &SharedSimulation,
    call: impl FnOnce(&mut Drive<'_>) -> Result<R, NodeError> + Send,
) -> PyResult<R> {
    drive_with(py, sim, |drive, _| call(drive))
}

/// As [`drive`], for calls that let Python's code run.
pub(crate) fn drive_with<R: Send>(
    py: Python<'_>,
    sim: &SharedSimulation,
    call: impl FnOnce(&mut Drive<'_>, &Raised) -> Result<R, NodeError> + Send,
) -> PyResult<R> {
    blocking_with(py, |raised| {
        let mut pulse = || raised.catch(|py| py.check_signals()).is_ok();
        call(&mut sim.drive(&mut pulse)?, raised)
    })
}

/// What Python's code raised during a call of core.
pub(crate) struct Raised(Mutex<Option<PyErr>>);

impl Raised {
    /// Lets Python's code run on this thread. What it raises ends the call of core.
    pub(crate) fn catch<T>(
        &self,
        run: impl FnOnce(Python<'_>) -> PyResult<T>,
    ) -> Result<T, NodeError> {
        // Both are none while the interpreter ends.
        let inside = Inside::enter();
        match inside.as_ref().and_then(|_| Python::try_attach(run)) {
            Some(Ok(value)) => Ok(value),
            Some(Err(error)) => {
                *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                Err(NodeError::Interrupted)
            }
            None => Err(NodeError::Interrupted),
        }
    }
}

/// Calls core without the GIL. A signer of the host may take it again, on this thread.
fn detached<R: Send>(
    py: Python<'_>,
    call: impl FnOnce() -> Result<R, NodeError> + Send,
) -> Result<R, Failure> {
    let calling = signer::Calling::begin();
    let result = py.detach(|| contained(call));
    ending::hold(py);
    match calling.end() {
        Some(error) if result.is_err() => Err(Failure::Python(error)),
        _ => result,
    }
}

fn contained<R>(call: impl FnOnce() -> Result<R, NodeError>) -> Result<R, Failure> {
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(result) => result.map_err(Failure::Node),
        Err(panic) => Err(Failure::Panic(panic_text(&*panic).to_owned())),
    }
}

fn panic_text(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no text")
}

/// The longest time that Ctrl-C goes unnoticed.
const SLICE: Duration = Duration::from_millis(50);
