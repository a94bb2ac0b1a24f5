//! How the answer to a submitted transaction finds its caller, whatever becomes of the node.

use std::sync::{Arc, Condvar, Mutex, PoisonError};

use super::error::NodeError;
use super::parking::Deadline;
use crate::types::hash::Txid;

/// What became of one submitted transaction; nothing where the node ended before it could say.
pub(super) type SubmitAnswer = Option<Result<Txid, NodeError>>;

/// The answers to the transactions of one call, each at its place.
#[derive(Debug)]
pub(super) struct Answers {
    state: Mutex<State>,
    done: Condvar,
}

#[derive(Debug)]
struct State {
    answers: Vec<SubmitAnswer>,
    n_open: usize,
}

/// The promise of one answer: dropped without one, it leaves none and wakes the caller all the
/// same.
#[derive(Debug)]
pub(super) struct Reply {
    answers: Arc<Answers>,
    index: usize,
    is_set: bool,
}

impl Answers {
    pub(super) fn new(n: usize) -> Arc<Self> {
        let state = State { answers: (0..n).map(|_| None).collect(), n_open: n };
        Arc::new(Answers { state: Mutex::new(state), done: Condvar::new() })
    }

    /// The promise of the answer at `index`; one for each place.
    pub(super) fn reply(self: &Arc<Self>, index: usize) -> Reply {
        Reply { answers: Arc::clone(self), index, is_set: false }
    }

    /// Waits until all promises are kept or dropped; nothing where that takes too long.
    pub(super) fn wait(&self, deadline: Deadline) -> Option<Vec<SubmitAnswer>> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        while state.n_open > 0 {
            let left = deadline.left()?;
            let waited = self.done.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        Some(std::mem::take(&mut state.answers))
    }

    fn put(&self, index: usize, answer: SubmitAnswer) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(place) = state.answers.get_mut(index) {
            *place = answer;
        }
        state.n_open -= 1;
        if state.n_open == 0 {
            self.done.notify_all();
        }
    }
}

impl Reply {
    /// Gives the answer.
    pub(super) fn set(mut self, answer: Result<Txid, NodeError>) {
        self.is_set = true;
        self.answers.put(self.index, Some(answer));
    }
}

impl Drop for Reply {
    fn drop(&mut self) {
        if !self.is_set {
            self.answers.put(self.index, None);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn dropped_promises_wake_the_caller_without_an_answer() {
        let answers = Answers::new(2);
        let (first, second) = (answers.reply(0), answers.reply(1));
        assert!(answers.wait(Deadline::after(Duration::ZERO)).is_none());
        drop(second);
        first.set(Ok(Txid::ZERO));
        let all = answers.wait(Deadline::after(Duration::ZERO)).unwrap();
        assert!(matches!(all[..], [Some(Ok(Txid::ZERO)), None]));
    }
}
