//! The bounded queue in front of the engine: threads and tasks put in, the driver takes out.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, PoisonError};

use tokio::sync::Notify;

use super::error::NodeError;
use super::parking::Deadline;

/// A bounded queue between plain threads and one task.
#[derive(Debug)]
pub(super) struct Inbox<T> {
    queue: Mutex<Queue<T>>,
    filled: Notify,
    emptied: Condvar,
    n_max: usize,
}

#[derive(Debug)]
struct Queue<T> {
    items: VecDeque<T>,
    is_closed: bool,
}

impl<T> Inbox<T> {
    pub(super) fn new(n_max: usize) -> Self {
        Inbox {
            queue: Mutex::new(Queue { items: VecDeque::new(), is_closed: false }),
            filled: Notify::new(),
            emptied: Condvar::new(),
            n_max,
        }
    }

    /// Puts an item in, waiting for room.
    ///
    /// # Errors
    /// [`NodeError::Closed`], or [`NodeError::Busy`] where there is no room in time.
    pub(super) fn push(&self, item: T, deadline: Deadline) -> Result<(), NodeError> {
        self.push_all(&mut Some(item).into_iter(), deadline)
    }

    /// Puts all items in, in order and together as far as there is room.
    ///
    /// # Errors
    /// As [`Inbox::push`]; what is still in `items` was not put in.
    pub(super) fn push_all(
        &self,
        items: &mut impl ExactSizeIterator<Item = T>,
        deadline: Deadline,
    ) -> Result<(), NodeError> {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if queue.is_closed {
                return Err(NodeError::Closed);
            }
            let room = self.n_max.saturating_sub(queue.items.len());
            if room > 0 {
                queue.items.extend(items.take(room));
                self.filled.notify_one();
            }
            if items.len() == 0 {
                return Ok(());
            }
            let Some(left) = deadline.left() else {
                return Err(NodeError::Busy { queue_max: self.n_max });
            };
            let waited = self.emptied.wait_timeout(queue, left);
            queue = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Takes up to `n_max` items.
    pub(super) fn take(&self, n_max: usize) -> Vec<T> {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        let n_taken = queue.items.len().min(n_max);
        if n_taken == 0 {
            return Vec::new();
        }
        let taken = queue.items.drain(..n_taken).collect();
        if !queue.items.is_empty() {
            self.filled.notify_one();
        }
        drop(queue);
        self.emptied.notify_all();
        taken
    }

    /// Waits until there may be items. One task at a time.
    pub(super) async fn filled(&self) {
        self.filled.notified().await;
    }

    /// Refuses everything from now on and gives out what is left.
    pub(super) fn close(&self) -> Vec<T> {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        queue.is_closed = true;
        let left = queue.items.drain(..).collect();
        drop(queue);
        self.emptied.notify_all();
        self.filled.notify_one();
        left
    }

    pub(super) fn len(&self) -> usize {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner).items.len()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::thread;
    use std::time::Duration;

    use super::*;
    use crate::node::code::ErrorCode;

    const SOON: Duration = Duration::from_millis(5);

    #[test]
    fn a_full_inbox_waits_for_room_and_then_refuses() {
        let inbox = Arc::new(Inbox::new(2));
        let mut items = vec![1, 2, 3].into_iter();
        let refused = inbox.push_all(&mut items, Deadline::after(SOON)).unwrap_err();
        assert_eq!((refused.code(), items.len()), (ErrorCode::Busy, 1));
        let other = Arc::clone(&inbox);
        let pushing = thread::spawn(move || other.push(3, Deadline::after(Duration::MAX)));
        let mut taken = Vec::new();
        while taken.len() < 3 {
            taken.extend(inbox.take(1));
        }
        pushing.join().unwrap().unwrap();
        assert_eq!(taken, [1, 2, 3]);
    }

    #[test]
    fn closing_wakes_and_refuses() {
        let inbox = Arc::new(Inbox::new(1));
        inbox.push(1, Deadline::after(SOON)).unwrap();
        let other = Arc::clone(&inbox);
        let pushing = thread::spawn(move || other.push(2, Deadline::after(Duration::MAX)));
        thread::sleep(SOON);
        assert_eq!(inbox.close(), [1]);
        assert_eq!(pushing.join().unwrap().unwrap_err().code(), ErrorCode::Closed);
    }
}
