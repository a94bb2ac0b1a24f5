//! Whose turn it is to change a simulation: one thread at a time, and that thread again.

use std::process;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError, TryLockError};
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

use crate::node::NodeError;

/// A lock that its owner may take again: a signal handler, or a condition written by the host,
/// may use the simulation that is running it.
#[derive(Debug)]
pub(super) struct Turn {
    owner: Mutex<Owner>,
    freed: Condvar,
    pid: u32,
}

#[derive(Debug, Default)]
struct Owner {
    thread: Option<ThreadId>,
    depth: usize,
}

/// A turn that was taken.
#[derive(Debug)]
pub(super) struct Taken<'a>(&'a Turn);

impl Turn {
    pub(super) fn new() -> Self {
        Turn { owner: Mutex::default(), freed: Condvar::new(), pid: process::id() }
    }

    /// Takes a turn, waiting for whoever has it; `pulse` is asked now and then whether to go on.
    ///
    /// # Errors
    /// [`NodeError::Interrupted`] where `pulse` says no; [`NodeError::Forked`] where a thread had
    /// it that did not follow a fork.
    pub(super) fn take(&self, pulse: &mut dyn FnMut() -> bool) -> Result<Taken<'_>, NodeError> {
        let here = thread::current().id();
        let mut owner = lock(&self.owner, self.pid)?;
        while owner.thread.is_some_and(|thread| thread != here) {
            if process::id() != self.pid {
                return Err(forked(self.pid));
            }
            owner = self.freed.wait_timeout(owner, SLICE).unwrap_or_else(PoisonError::into_inner).0;
            drop(owner);
            if !pulse() {
                return Err(NodeError::Interrupted);
            }
            owner = lock(&self.owner, self.pid)?;
        }
        owner.thread = Some(here);
        owner.depth += 1;
        Ok(Taken(self))
    }
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        let mut owner = self.0.owner.lock().unwrap_or_else(PoisonError::into_inner);
        owner.depth -= 1;
        if owner.depth == 0 {
            owner.thread = None;
            self.0.freed.notify_one();
        }
    }
}

/// Locks what process `pid` made. In a process that was forked from it, the lock may have been
/// held by a thread that is not there: then it is given up on.
///
/// # Errors
/// [`NodeError::Forked`].
pub(super) fn lock<T>(mutex: &Mutex<T>, pid: u32) -> Result<MutexGuard<'_, T>, NodeError> {
    if process::id() == pid {
        return Ok(mutex.lock().unwrap_or_else(PoisonError::into_inner));
    }
    let began = Instant::now();
    loop {
        match mutex.try_lock() {
            Ok(guard) => return Ok(guard),
            Err(TryLockError::Poisoned(poisoned)) => return Ok(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) if began.elapsed() < PATIENCE => {
                thread::sleep(Duration::from_millis(1));
            }
            Err(TryLockError::WouldBlock) => return Err(forked(pid)),
        }
    }
}

fn forked(made_in: u32) -> NodeError {
    NodeError::Forked { made_in, here: process::id() }
}

/// The longest time that `pulse` is not asked.
const SLICE: Duration = Duration::from_millis(50);

/// A lock is held for one slice of a run, 20 ms, by whoever is there to let it go.
const PATIENCE: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_owner_takes_it_again_and_others_wait() {
        let turn = Turn::new();
        let first = turn.take(&mut || true).unwrap();
        let again = turn.take(&mut || true).unwrap();
        thread::scope(|scope| {
            let other = || turn.take(&mut || false).map(drop);
            assert!(matches!(scope.spawn(other).join().unwrap(), Err(NodeError::Interrupted)));
            drop(again);
            assert!(matches!(scope.spawn(other).join().unwrap(), Err(NodeError::Interrupted)));
            let waits = scope.spawn(|| turn.take(&mut || true).map(drop));
            drop(first);
            assert!(waits.join().unwrap().is_ok());
            assert!(scope.spawn(other).join().unwrap().is_ok());
        });
    }
}
