//! The end of the interpreter, at which no other thread may be in Python code that Rust called.
//!
//! Before 3.14 CPython ends a daemon thread that wants the GIL back by unwinding its stack, which
//! Rust's frames in it do not survive. So a hook of `atexit` lets no thread into Python's code any
//! more and waits for those that are in it; whoever comes out of a call of core after that stands
//! still until the process ends, as threads do from 3.14 on.

use std::cell::Cell;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

use pyo3::prelude::*;

/// The thread that ends the interpreter, once it does: that one goes on as ever.
static ENDED_BY: OnceLock<ThreadId> = OnceLock::new();

static N_INSIDE: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    /// How deep this thread is in it. Who is in it is waited for, and goes on until it is out.
    static DEPTH: Cell<usize> = const { Cell::new(0) };
}

/// A thread is in Python code that Rust called.
pub(crate) struct Inside(());

impl Inside {
    /// None where the interpreter ends.
    pub(crate) fn enter() -> Option<Inside> {
        N_INSIDE.fetch_add(1, Ordering::SeqCst);
        // Looked at after it was counted: the hook sees this thread, or this thread the hook.
        let may_enter = !is_over();
        DEPTH.set(DEPTH.get() + 1);
        let inside = Inside(());
        may_enter.then_some(inside)
    }

    /// For callers that hold nothing another thread may wait for: where the interpreter ends,
    /// they stand still.
    pub(crate) fn enter_or_hold(py: Python<'_>) -> Inside {
        loop {
            match Inside::enter() {
                Some(inside) => return inside,
                None => hold(py),
            }
        }
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        DEPTH.set(DEPTH.get() - 1);
        N_INSIDE.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Where the interpreter ends, stands still.
pub(crate) fn hold(py: Python<'_>) {
    while is_over() {
        py.detach(thread::park);
    }
}

fn is_over() -> bool {
    let is_other = |thread: &ThreadId| *thread != thread::current().id();
    DEPTH.get() == 0 && ENDED_BY.get().is_some_and(is_other)
}

/// Registers the hook.
pub(crate) fn watch(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let hook = wrap_pyfunction!(end, module)?;
    module.py().import("atexit")?.call_method1("register", (hook,)).map(drop)
}

#[pyfunction]
fn end(py: Python<'_>) {
    let _ = ENDED_BY.set(thread::current().id());
    py.detach(|| {
        let began = Instant::now();
        while N_INSIDE.load(Ordering::SeqCst) > 0 && began.elapsed() < PATIENCE {
            thread::sleep(LOOK_EVERY);
        }
    });
}

/// How long the end of the process waits for code of the host that does not come back.
const PATIENCE: Duration = Duration::from_secs(5);

const LOOK_EVERY: Duration = Duration::from_millis(1);
