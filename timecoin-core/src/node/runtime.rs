//! The threads that nodes run on: a tokio runtime of the library's own, never the caller's.

use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread;
use std::time::Duration;

use tokio::runtime::{Builder, Handle};

use super::error::NodeError;

/// A runtime that lives as long as somebody holds it.
///
/// All nodes that ask for none of their own share one for the whole process; it starts with the
/// first of them and its threads end with the last.
///
/// Tasks must never hold it: the last holder waits for the tasks' threads to end.
#[derive(Clone, Debug)]
pub struct Runtime(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    runtime: Option<tokio::runtime::Runtime>,
    handle: Handle,
}

impl Runtime {
    /// The runtime that nodes of this process share: as many threads as there are cores.
    ///
    /// # Errors
    /// [`NodeError::NoThreads`].
    pub fn shared() -> Result<Self, NodeError> {
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(inner) = shared.upgrade() {
            return Ok(Runtime(inner));
        }
        let n_cores = thread::available_parallelism().map_or(1, usize::from);
        let runtime = Self::new(n_cores.max(2))?;
        *shared = Arc::downgrade(&runtime.0);
        Ok(runtime)
    }

    /// A runtime with so many threads, at least 1, besides those that wait for disks.
    ///
    /// # Errors
    /// [`NodeError::NoThreads`].
    pub fn new(threads: usize) -> Result<Self, NodeError> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(threads.max(1))
            .thread_name_fn(|| {
                static NEXT: AtomicUsize = AtomicUsize::new(0);
                format!("timecoin-{}", NEXT.fetch_add(1, Ordering::Relaxed))
            })
            .thread_keep_alive(BLOCKING_KEEP_ALIVE)
            .on_thread_start(|| IS_OURS.with(|ours| ours.set(true)))
            .enable_all()
            .build()
            .map_err(|error| NodeError::NoThreads { reason: error.to_string() })?;
        let handle = runtime.handle().clone();
        Ok(Runtime(Arc::new(Inner { runtime: Some(runtime), handle })))
    }

    pub(crate) fn handle(&self) -> &Handle {
        &self.0.handle
    }
}

/// Whether this thread belongs to a runtime of ours, so that it must not wait for one to end.
pub(super) fn is_own_thread() -> bool {
    IS_OURS.with(Cell::get)
}

/// Threads are joined on a thread of their own: the one that drops the last handle may be inside
/// another runtime, where tokio refuses to wait.
impl Drop for Inner {
    fn drop(&mut self) {
        let Some(runtime) = self.runtime.take() else { return };
        let joined = thread::Builder::new()
            .name("timecoin-end".to_owned())
            .spawn(move || runtime.shutdown_timeout(SHUTDOWN_MAX));
        match joined {
            Ok(thread) if !is_own_thread() => {
                let _ = thread.join();
            }
            Ok(_) => {}
            Err(error) => tracing::warn!(%error, "runtime left to the process's end"),
        }
    }
}

thread_local! {
    static IS_OURS: Cell<bool> = const { Cell::new(false) };
}

static SHARED: Mutex<Weak<Inner>> = Mutex::new(Weak::new());

/// How long the end of a runtime may take; nodes are closed before, so that it takes no time.
const SHUTDOWN_MAX: Duration = Duration::from_secs(10);

/// How long an idle thread for disk operations is kept.
const BLOCKING_KEEP_ALIVE: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shared_runtime_is_one_and_ends_with_its_last_holder() {
        let (first, second) = (Runtime::shared().unwrap(), Runtime::shared().unwrap());
        assert!(Arc::ptr_eq(&first.0, &second.0));
    }

    #[test]
    fn a_runtime_may_be_dropped_inside_another() {
        let outer = tokio::runtime::Builder::new_current_thread().build().unwrap();
        outer.block_on(async {
            let inner = Runtime::new(1).unwrap();
            inner.handle().spawn(async {});
            drop(inner);
        });
    }

    #[test]
    fn a_runtime_may_be_dropped_on_its_own_thread() {
        let runtime = Runtime::new(1).unwrap();
        let handle = runtime.handle().clone();
        let (sender, receiver) = std::sync::mpsc::channel();
        handle.spawn_blocking(move || {
            drop(runtime);
            sender.send(()).unwrap();
        });
        receiver.recv_timeout(Duration::from_secs(5)).unwrap();
    }
}
