//! Places where a caller's thread waits: standard library only, so that a wait works on any
//! thread, also on one of somebody's async runtime.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// When a wait gives up.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadline(Option<Instant>);

impl Deadline {
    /// Does not pass.
    pub(super) const NEVER: Deadline = Deadline(None);

    /// So long from now; never where that does not fit the clock.
    pub(crate) fn after(timeout: Duration) -> Self {
        Deadline(Instant::now().checked_add(timeout))
    }

    /// What is left, nothing where it has passed.
    pub(crate) fn left(&self) -> Option<Duration> {
        match self.0 {
            None => Some(WAIT_MAX),
            Some(end) => {
                let left = end.saturating_duration_since(Instant::now());
                (!left.is_zero()).then(|| left.min(WAIT_MAX))
            }
        }
    }
}

/// A value that one thread leaves and another waits for.
#[derive(Debug)]
pub(super) struct Answer<T> {
    value: Mutex<Option<T>>,
    came: Condvar,
}

impl<T> Answer<T> {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Answer { value: Mutex::new(None), came: Condvar::new() })
    }

    /// Leaves the value and wakes the waiting thread.
    pub(super) fn set(&self, value: T) {
        *self.value.lock().unwrap_or_else(PoisonError::into_inner) = Some(value);
        self.came.notify_all();
    }

    /// Takes the value; nothing where it does not come in time.
    pub(super) fn wait(&self, deadline: Deadline) -> Option<T> {
        let mut value = self.value.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(value) = value.take() {
                return Some(value);
            }
            let left = deadline.left()?;
            let waited = self.came.wait_timeout(value, left);
            value = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

/// Something that changes now and then, with threads that wait for a change.
#[derive(Debug, Default)]
pub(crate) struct Bell {
    rings: Mutex<u64>,
    rang: Condvar,
}

impl Bell {
    /// How often it rang: to be asked before looking at what it tells of.
    pub(crate) fn rings(&self) -> u64 {
        *self.rings.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn ring(&self) {
        *self.rings.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        self.rang.notify_all();
    }

    /// Waits until it rang more often than `seen`; says whether it did.
    pub(crate) fn wait(&self, seen: u64, deadline: Deadline) -> bool {
        let mut rings = self.rings.lock().unwrap_or_else(PoisonError::into_inner);
        while *rings == seen {
            let Some(left) = deadline.left() else { return false };
            let waited = self.rang.wait_timeout(rings, left);
            rings = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }
}

/// No single wait is longer, so that sums of times stay within the clock.
const WAIT_MAX: Duration = Duration::from_secs(3_600);

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn an_answer_comes_once_and_a_deadline_passes() {
        let answer = Answer::new();
        assert_eq!(answer.wait(Deadline::after(Duration::from_millis(1))), None::<u32>);
        let other = Arc::clone(&answer);
        let thread = thread::spawn(move || other.set(7));
        assert_eq!(answer.wait(Deadline::after(Duration::MAX)), Some(7));
        thread.join().unwrap();
        assert_eq!(answer.wait(Deadline::after(Duration::ZERO)), None);
    }

    #[test]
    fn a_ring_before_the_wait_is_not_missed() {
        let bell = Bell::default();
        let seen = bell.rings();
        bell.ring();
        assert!(bell.wait(seen, Deadline::after(Duration::ZERO)));
        assert!(!bell.wait(bell.rings(), Deadline::after(Duration::from_millis(1))));
    }
}
