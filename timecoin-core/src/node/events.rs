//! Telling subscribers what happened: a bounded queue for each, numbers in order, and an event
//! in place of those that were lost. Costs nothing while nobody subscribes.

use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError, Weak};
use std::time::Duration;

use super::clock::Clock;
use super::error::NodeError;
use super::event::{NodeEvent, NodeEventKind};
use super::parking::Deadline;
use super::readiness::Readiness;

/// Called, from any thread, when a subscription's queue stops being empty. It must be quick and
/// must not call back into the subscription's node.
pub type Waker = Arc<dyn Fn() + Send + Sync>;

/// Gives events to all subscribers.
#[derive(Debug)]
pub(super) struct Hub {
    sequence: AtomicU64,
    n_subscribers: AtomicUsize,
    subscribers: Mutex<Vec<Weak<Queue>>>,
    queue_max: usize,
}

/// One receiver of a node's events, from the moment it subscribed.
///
/// Events are kept until they are fetched, a bounded number of them: where it is exceeded the
/// oldest give way and [`NodeEventKind::Overflow`] says how many. Dropping it ends it.
///
/// ```
/// # use std::time::Duration;
/// # use timecoin_core::{Config, Node, NodeEventKind};
/// let node = Node::open(Config::regtest())?;
/// let events = node.subscribe();
/// node.start()?;
/// node.produce_block(Duration::from_secs(5))?;
/// loop {
///     let event = events.next_event(Duration::from_secs(5))?;
///     if let NodeEventKind::BlockConfirmed { height, .. } = event.kind {
///         assert_eq!(height.0, 1);
///         break;
///     }
/// }
/// # node.close(Duration::from_secs(5))?;
/// # Ok::<(), timecoin_core::NodeError>(())
/// ```
#[derive(Debug)]
pub struct Subscription(Arc<Queue>);

struct Queue {
    state: Mutex<QueueState>,
    came: Condvar,
    queue_max: usize,
}

#[derive(Default)]
struct QueueState {
    events: VecDeque<NodeEvent>,
    missed: u64,
    missed_last: Option<NodeEvent>,
    is_ended: bool,
    waker: Option<Waker>,
    readiness: Option<Readiness>,
}

impl Hub {
    pub(super) fn new(queue_max: usize) -> Self {
        Hub {
            sequence: AtomicU64::new(0),
            n_subscribers: AtomicUsize::new(0),
            subscribers: Mutex::default(),
            queue_max,
        }
    }

    pub(super) fn subscribe(&self) -> Subscription {
        let queue = Arc::new(Queue {
            state: Mutex::default(),
            came: Condvar::new(),
            queue_max: self.queue_max,
        });
        let mut subscribers = self.lock();
        // Where no event comes, those that were dropped go before room is made for more.
        if subscribers.len() == subscribers.capacity() {
            subscribers.retain(|subscriber| subscriber.strong_count() > 0);
        }
        subscribers.push(Arc::downgrade(&queue));
        self.n_subscribers.store(subscribers.len(), Ordering::Release);
        Subscription(queue)
    }

    /// Numbers an event and gives it to all; `kind` is made only if somebody listens.
    pub(super) fn publish(&self, clock: &Clock, kind: impl FnOnce() -> NodeEventKind) {
        if self.n_subscribers.load(Ordering::Acquire) == 0 {
            self.sequence.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let kind = kind();
        let mut subscribers = self.lock();
        let sequence = self.sequence.fetch_add(1, Ordering::Relaxed) + 1;
        let event = NodeEvent { sequence, at: clock.now(), kind };
        let mut wakers = Vec::new();
        subscribers.retain(|subscriber| match subscriber.upgrade() {
            Some(queue) => {
                wakers.extend(queue.push(event.clone()));
                true
            }
            None => false,
        });
        self.n_subscribers.store(subscribers.len(), Ordering::Release);
        drop(subscribers);
        wakers.iter().for_each(|wake| wake());
    }

    pub(super) fn n_subscribers(&self) -> usize {
        self.n_subscribers.load(Ordering::Relaxed)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Weak<Queue>>> {
        self.subscribers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Subscription {
    /// The next event, in order.
    ///
    /// # Errors
    /// [`NodeError::Timeout`] where none comes in time, [`NodeError::Closed`] after
    /// [`NodeEventKind::Closed`] was given.
    pub fn next_event(&self, timeout: Duration) -> Result<NodeEvent, NodeError> {
        let deadline = Deadline::after(timeout);
        let mut state = self.0.lock();
        loop {
            if let Some(event) = state.pop() {
                return Ok(event);
            }
            if state.is_ended {
                return Err(NodeError::Closed);
            }
            let Some(left) = deadline.left() else {
                return Err(NodeError::Timeout { what: "an event", after: timeout });
            };
            let waited = self.0.came.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// The next event if one waits.
    pub fn try_next(&self) -> Option<NodeEvent> {
        self.0.lock().pop()
    }

    /// Whether [`NodeEventKind::Closed`] was given: nothing comes any more.
    pub fn is_ended(&self) -> bool {
        let state = self.0.lock();
        state.is_ended && state.is_empty()
    }

    /// Sets what is called when the queue stops being empty, or nothing. Called at once if
    /// events wait already.
    pub fn set_waker(&self, waker: Option<Waker>) {
        let mut state = self.0.lock();
        state.waker.clone_from(&waker);
        let is_empty = state.is_empty();
        drop(state);
        if let Some(wake) = waker.filter(|_| !is_empty) {
            wake();
        }
    }

    /// A file descriptor that can be read while events wait, for `epoll` or an event loop's
    /// `add_reader`. Don't read or close it: it belongs to the subscription.
    ///
    /// # Errors
    /// [`NodeError::Internal`] where the process has no file descriptors left.
    #[cfg(unix)]
    pub fn readiness_fd(&self) -> Result<std::os::fd::RawFd, NodeError> {
        let mut state = self.0.lock();
        if state.readiness.is_none() {
            let readiness = Readiness::new()
                .map_err(|error| NodeError::Internal { reason: error.to_string() })?;
            if !state.is_empty() {
                readiness.set();
            }
            state.readiness = Some(readiness);
        }
        Ok(state.readiness.as_ref().expect("it was made above").fd())
    }
}

impl Queue {
    /// Adds an event; gives the waker to call if there is one.
    fn push(&self, event: NodeEvent) -> Option<Waker> {
        let mut state = self.lock();
        let was_empty = state.is_empty();
        state.is_ended |= matches!(event.kind, NodeEventKind::Closed);
        if state.events.len() >= self.queue_max {
            state.missed += 1;
            state.missed_last = state.events.pop_front();
        }
        state.events.push_back(event);
        if !was_empty {
            return None;
        }
        if let Some(readiness) = &state.readiness {
            readiness.set();
        }
        self.came.notify_all();
        state.waker.clone()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, QueueState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl QueueState {
    fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    fn pop(&mut self) -> Option<NodeEvent> {
        if let Some(last) = self.missed_last.take() {
            let missed = std::mem::take(&mut self.missed);
            return Some(NodeEvent { kind: NodeEventKind::Overflow { missed }, ..last });
        }
        let event = self.events.pop_front()?;
        if let Some(readiness) = self.readiness.as_ref().filter(|_| self.events.is_empty()) {
            readiness.clear();
        }
        Some(event)
    }
}

impl fmt::Debug for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Queue").field("events", &self.lock().events.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;
    use crate::node::code::ErrorCode;
    use crate::types::chain::Epoch;

    const SOON: Duration = Duration::from_millis(5);

    fn epoch(epoch: u64) -> impl FnOnce() -> NodeEventKind {
        move || NodeEventKind::EpochBegan { epoch: Epoch(epoch) }
    }

    fn epoch_of(event: &NodeEvent) -> u64 {
        match event.kind {
            NodeEventKind::EpochBegan { epoch } => epoch.0,
            _ => panic!("no epoch: {event:?}"),
        }
    }

    #[test]
    fn events_come_in_order_with_their_numbers() {
        let (hub, clock) = (Hub::new(10), Clock::new());
        hub.publish(&clock, || unreachable!("nobody listens"));
        let subscription = hub.subscribe();
        (5..8).for_each(|n| hub.publish(&clock, epoch(n)));
        let events: Vec<_> = std::iter::from_fn(|| subscription.try_next()).collect();
        assert_eq!(events.iter().map(|e| e.sequence).collect::<Vec<_>>(), [2, 3, 4]);
        assert_eq!(events.iter().map(epoch_of).collect::<Vec<_>>(), [5, 6, 7]);
        assert_eq!(subscription.next_event(SOON).unwrap_err().code(), ErrorCode::Timeout);
    }

    #[test]
    fn a_slow_subscriber_is_told_what_it_lost() {
        let (hub, clock) = (Hub::new(3), Clock::new());
        let (slow, quick) = (hub.subscribe(), hub.subscribe());
        for n in 1..=10 {
            hub.publish(&clock, epoch(n));
            assert_eq!(epoch_of(&quick.try_next().unwrap()), n);
        }
        let overflow = slow.try_next().unwrap();
        assert_eq!(overflow.sequence, 7);
        assert!(matches!(overflow.kind, NodeEventKind::Overflow { missed: 7 }));
        let rest: Vec<_> = std::iter::from_fn(|| slow.try_next()).collect();
        assert_eq!(rest.iter().map(epoch_of).collect::<Vec<_>>(), [8, 9, 10]);
        hub.publish(&clock, epoch(11));
        assert_eq!(slow.try_next().unwrap().sequence, 11);
    }

    #[test]
    fn closed_is_the_last_event() {
        let (hub, clock) = (Hub::new(3), Clock::new());
        let subscription = hub.subscribe();
        hub.publish(&clock, || NodeEventKind::Closed);
        assert!(!subscription.is_ended());
        let last = subscription.next_event(SOON).unwrap();
        assert!(matches!(last.kind, NodeEventKind::Closed) && subscription.is_ended());
        assert_eq!(subscription.next_event(SOON).unwrap_err().code(), ErrorCode::Closed);
    }

    #[test]
    fn a_waiting_thread_and_the_waker_are_woken() {
        let (hub, clock) = (Hub::new(3), Clock::new());
        let subscription = Arc::new(hub.subscribe());
        let wakes = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&wakes);
        subscription.set_waker(Some(Arc::new(move || {
            counted.fetch_add(1, Ordering::SeqCst);
        })));
        let other = Arc::clone(&subscription);
        let waiting = thread::spawn(move || other.next_event(Duration::from_secs(60)));
        thread::sleep(SOON);
        hub.publish(&clock, epoch(1));
        assert_eq!(epoch_of(&waiting.join().unwrap().unwrap()), 1);
        hub.publish(&clock, epoch(2));
        hub.publish(&clock, epoch(3));
        assert_eq!(wakes.load(Ordering::SeqCst), 2);
    }

    #[test]
    fn a_dropped_subscription_costs_nothing_more() {
        let (hub, clock) = (Hub::new(3), Clock::new());
        drop(hub.subscribe());
        hub.publish(&clock, epoch(1));
        assert_eq!(hub.n_subscribers(), 0);
        hub.publish(&clock, || unreachable!("nobody listens"));
    }

    #[test]
    fn dropped_subscriptions_go_where_no_event_comes() {
        let hub = Hub::new(3);
        let kept: Vec<_> = (0..10).map(|_| hub.subscribe()).collect();
        (0..1_000).for_each(|_| drop(hub.subscribe()));
        assert!(hub.n_subscribers() <= 2 * kept.len());
    }
}
