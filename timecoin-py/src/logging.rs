//! Log records on their way to Python's `logging`.
//!
//! A node's threads put records into a bounded queue and never take the GIL; the host's thread
//! empties it after each call. Nothing is collected before `enable_logging()`.

use std::collections::VecDeque;
use std::fmt::{self, Write as _};
use std::process;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::SystemTime;

use pyo3::exceptions::PyException;
use pyo3::prelude::*;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record as SpanRecord};
use tracing::subscriber::{Interest, Subscriber, set_global_default};
use tracing::{Level, Metadata};

use crate::ending::Inside;

/// One record: seconds since the Unix epoch, level from 1 (error) to 5 (trace), module, text.
type Record = (f64, usize, String, String);

struct Queue {
    records: VecDeque<Record>,
    n_lost: usize,
}

static QUEUE: Mutex<Queue> = Mutex::new(Queue { records: VecDeque::new(), n_lost: 0 });

/// Whether the queue holds anything: all that a call looks at in most cases.
static IS_WAITING: AtomicBool = AtomicBool::new(false);

/// The process that collects. A forked child must not touch the queue, whose lock may have been
/// held by a thread that the child does not have.
static PROCESS: OnceLock<u32> = OnceLock::new();

/// The finest level that is collected, from 0 (nothing) to 5 (trace).
static LEVEL: AtomicUsize = AtomicUsize::new(0);

/// Collects records up to this level from now on: 0 nothing, 1 errors, to 5 everything. Hidden
/// behind `timecoin.enable_logging()`.
#[pyfunction]
pub(crate) fn _set_log_level(level: usize) {
    LEVEL.store(level, Ordering::Relaxed);
    if level > 0 && *PROCESS.get_or_init(process::id) == process::id() {
        // An error says that it is in place already.
        let _ = set_global_default(Collector);
    }
}

/// Hands the records that wait to Python's `logging` now. Every call into the module does so
/// too; this is for a host that makes none for a while.
#[pyfunction]
pub(crate) fn drain_logs(py: Python<'_>) -> PyResult<()> {
    deliver(py)
}

/// Hands the records that wait to Python's `logging`, on this thread.
///
/// A handler that fails does not fail the call that it runs in; what is no failure, as Ctrl-C,
/// is raised.
pub(crate) fn deliver(py: Python<'_>) -> PyResult<()> {
    if !IS_WAITING.load(Ordering::Relaxed) || PROCESS.get() != Some(&process::id()) {
        return Ok(());
    }
    let _inside = Inside::enter_or_hold(py);
    let (records, n_lost) = {
        let mut queue = lock();
        IS_WAITING.store(false, Ordering::Relaxed);
        (Vec::from(std::mem::take(&mut queue.records)), std::mem::take(&mut queue.n_lost))
    };
    let delivered = py
        .import("timecoin._logging")
        .and_then(|module| module.getattr("deliver"))
        .and_then(|deliver| deliver.call1((records, n_lost)));
    match delivered {
        Err(error) if !error.is_instance_of::<PyException>(py) => return Err(error),
        Err(error) => error.write_unraisable(py, None),
        Ok(_) => {}
    }
    Ok(())
}

fn lock() -> MutexGuard<'static, Queue> {
    QUEUE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Puts events into the queue. Spans are not kept: records carry their own fields.
struct Collector;

impl Subscriber for Collector {
    fn register_callsite(&self, _: &'static Metadata<'static>) -> Interest {
        Interest::sometimes()
    }

    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("timecoin")
            && number(*metadata.level()) <= LEVEL.load(Ordering::Relaxed)
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &SpanRecord<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &tracing::Event<'_>) {
        let mut text = Text::default();
        event.record(&mut text);
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let metadata = event.metadata();
        let module = metadata.target().replace("::", ".");
        let record = (now.as_secs_f64(), number(*metadata.level()), module, text.0 + &text.1);
        let mut queue = lock();
        if queue.records.len() >= RECORDS_MAX {
            queue.records.pop_front();
            queue.n_lost += 1;
        }
        queue.records.push_back(record);
        IS_WAITING.store(true, Ordering::Relaxed);
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

/// The message, then the fields as ` name=value`.
#[derive(Default)]
struct Text(String, String);

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let _ = match field.name() {
            "message" => write!(self.0, "{value:?}"),
            name => write!(self.1, " {name}={value:?}"),
        };
    }
}

fn number(level: Level) -> usize {
    match level {
        Level::ERROR => 1,
        Level::WARN => 2,
        Level::INFO => 3,
        Level::DEBUG => 4,
        Level::TRACE => 5,
    }
}

/// Records kept for a host that makes no calls; then the oldest give way, and are counted.
const RECORDS_MAX: usize = 10_000;
