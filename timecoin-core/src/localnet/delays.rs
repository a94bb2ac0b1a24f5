//! What is not due yet: messages under way, and what strategies asked for.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use crate::network::Put;
use crate::node::Parcel;
use crate::sim::SimTime;

/// A message under way.
pub(super) struct Delayed {
    pub(super) from: usize,
    pub(super) to: usize,
    pub(super) cargo: Cargo,
}

/// A message on its way, in one of two forms.
#[derive(Clone)]
pub(super) enum Cargo {
    /// To be handed to its receiver.
    Parcel(Arc<Parcel>),
    /// To be put into the queue of a connection.
    Frame(Put),
}

/// What waits for its time. Who puts in keeps the number within bounds.
pub(super) struct Delays<T> {
    queue: Mutex<Queue<T>>,
    sooner: Notify,
}

struct Queue<T> {
    by_time: BTreeMap<(SimTime, u64), T>,
    n_pushed: u64,
}

impl<T> Default for Delays<T> {
    fn default() -> Self {
        let queue = Queue { by_time: BTreeMap::new(), n_pushed: 0 };
        Delays { queue: Mutex::new(queue), sooner: Notify::new() }
    }
}

impl<T> Delays<T> {
    pub(super) fn push(&self, at: SimTime, delayed: T) {
        let mut queue = self.lock();
        let is_first = queue.by_time.first_key_value().is_none_or(|((first, _), _)| at < *first);
        queue.n_pushed += 1;
        let number = queue.n_pushed;
        queue.by_time.insert((at, number), delayed);
        drop(queue);
        if is_first {
            self.sooner.notify_one();
        }
    }

    /// Brings forward what `end` gives an earlier time for. What comes at one moment comes in the
    /// order of sending.
    pub(super) fn hurry(&self, end: impl Fn(&T) -> Option<SimTime>) {
        let mut queue = self.lock();
        let hurried = std::mem::take(&mut queue.by_time).into_iter().map(|((at, number), item)| {
            let at = end(&item).map_or(at, |end| at.min(end));
            ((at, number), item)
        });
        queue.by_time = hurried.collect();
        drop(queue);
        self.sooner.notify_one();
    }

    /// Takes what is due, in order.
    pub(super) fn take_due(&self, now: SimTime) -> Vec<T> {
        let mut queue = self.lock();
        let later = queue.by_time.split_off(&(now.after(Duration::from_micros(1)), 0));
        std::mem::replace(&mut queue.by_time, later).into_values().collect()
    }

    /// Waits until something is due. One task at a time.
    pub(super) async fn wait(&self, now: impl Fn() -> SimTime) {
        loop {
            let first = self.lock().by_time.first_key_value().map(|((at, _), _)| *at);
            let left = first.map(|at| at.since(now()));
            match left {
                Some(Duration::ZERO) => return,
                Some(left) => tokio::select! {
                    () = tokio::time::sleep(left) => return,
                    () = self.sooner.notified() => {}
                },
                None => self.sooner.notified().await,
            }
        }
    }

    /// How many wait.
    pub(super) fn len(&self) -> usize {
        self.lock().by_time.len()
    }

    fn lock(&self) -> MutexGuard<'_, Queue<T>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::chain::Height;
    use crate::types::message::{Message, Request};

    #[test]
    fn what_is_due_comes_in_the_order_of_time_and_then_of_sending() {
        let delays = Delays::default();
        for (to, at) in [(0, 30), (1, 10), (2, 10), (3, 20)] {
            let parcel = Arc::new(Parcel::of(Message::Request(Request::Decided(Height(1)))));
            delays.push(SimTime(at), Delayed { from: 9, to, cargo: Cargo::Parcel(parcel) });
        }
        let due = |at| delays.take_due(SimTime(at)).iter().map(|d| d.to).collect::<Vec<_>>();
        assert_eq!([due(9), due(20), due(29), due(30)], [vec![], vec![1, 2, 3], vec![], vec![0]]);
    }

    #[test]
    fn what_is_hurried_comes_before_what_is_sent_later() {
        let delays = Delays::default();
        for (item, at) in [(0, 5), (1, 900), (2, 800), (3, 1_000)] {
            delays.push(SimTime(at), item);
        }
        delays.hurry(|item| (*item != 3).then_some(SimTime(20)));
        delays.push(SimTime(20), 4);
        assert_eq!(delays.take_due(SimTime(20)), [0, 1, 2, 4]);
        assert_eq!(delays.len(), 1);
    }
}
