//! The events of all nodes of a net, in one stream.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use super::LocalNet;
use crate::node::{Bell, Deadline, Node, NodeError, NodeEvent, Subscription, Waker};

/// An event, and the position of the node that it is of.
#[derive(Clone, Debug)]
pub struct LocalNetEvent {
    /// Which node.
    pub node: usize,
    /// What happened there.
    pub event: NodeEvent,
}

/// Receives the events of all nodes of a net from the moment it was asked for, those of nodes
/// that are restarted included. Those of one node are in order.
///
/// Each node's events are kept until they are fetched, a bounded number of them, as for a
/// [`Subscription`].
///
/// ```
/// # use std::time::Duration;
/// # use timecoin_core::NodeEventKind;
/// # use timecoin_core::localnet::{LocalNet, LocalNetConfig};
/// let net = LocalNet::start(LocalNetConfig::new(1, 7))?;
/// let events = net.subscribe();
/// net.produce_block(Duration::from_secs(30))?;
/// loop {
///     let event = events.next_event(Duration::from_secs(30))?;
///     if let NodeEventKind::BlockConfirmed { .. } = event.event.kind {
///         assert_eq!(event.node, 0);
///         break;
///     }
/// }
/// # Ok::<(), timecoin_core::NodeError>(())
/// ```
pub struct LocalNetEvents(Arc<Merged>);

/// One stream.
struct Merged {
    came: Arc<Bell>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Of each life of each node, until it ended and was fetched.
    subscriptions: Vec<(usize, Subscription)>,
    /// Where to look first, so that no node hides the others.
    next: usize,
    is_closed: bool,
    waker: Option<Waker>,
}

/// All streams of a net.
#[derive(Default)]
pub(super) struct Merger(Mutex<Vec<Weak<Merged>>>);

impl LocalNet {
    /// Receives the events of all nodes from now on.
    pub fn subscribe(&self) -> LocalNetEvents {
        let merged = Arc::new(Merged { came: Arc::default(), state: Mutex::default() });
        // No node begins a new life under this lock, so each life is followed once.
        let mut streams = self.merger.lock();
        for position in 0..self.n_nodes() {
            merged.follow(position, &self.at(position));
        }
        streams.push(Arc::downgrade(&merged));
        merged.lock().is_closed = self.stop.is_cancelled();
        LocalNetEvents(merged)
    }
}

impl Merger {
    /// A node begins a new life, which `begin` shows to the net.
    pub(super) fn follow(&self, position: usize, node: &Node, begin: impl FnOnce()) {
        let mut streams = self.lock();
        streams.retain(|stream| stream.strong_count() > 0);
        let each = streams.iter().filter_map(Weak::upgrade);
        each.for_each(|stream| stream.follow(position, node));
        begin();
    }

    /// Nothing begins any more.
    pub(super) fn close(&self) {
        for stream in self.lock().iter().filter_map(Weak::upgrade) {
            stream.lock().is_closed = true;
            stream.came.ring();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Weak<Merged>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Merged {
    fn follow(&self, position: usize, node: &Node) {
        let subscription = node.subscribe();
        let mut state = self.lock();
        self.wake_by(&subscription, state.waker.clone());
        state.subscriptions.push((position, subscription));
    }

    /// Lets a node's events wake who waits for those of the net.
    fn wake_by(&self, events: &Subscription, waker: Option<Waker>) {
        let came = Arc::clone(&self.came);
        events.set_waker(Some(Arc::new(move || {
            came.ring();
            waker.iter().for_each(|wake| wake());
        })));
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn pop(&mut self) -> Option<LocalNetEvent> {
        for _ in 0..self.subscriptions.len() {
            self.next %= self.subscriptions.len().max(1);
            let (node, subscription) = self.subscriptions.get(self.next)?;
            if let Some(event) = subscription.try_next() {
                let node = *node;
                self.next += 1;
                return Some(LocalNetEvent { node, event });
            }
            if subscription.is_ended() {
                self.subscriptions.remove(self.next);
            } else {
                self.next += 1;
            }
        }
        None
    }
}

impl LocalNetEvents {
    /// The next event.
    ///
    /// # Errors
    /// [`NodeError::Timeout`] where none comes in time; [`NodeError::Closed`] where the net is
    /// closed and all were given.
    pub fn next_event(&self, timeout: Duration) -> Result<LocalNetEvent, NodeError> {
        let deadline = Deadline::after(timeout);
        loop {
            let seen = self.0.came.rings();
            if let Some(event) = self.try_next() {
                return Ok(event);
            }
            if self.is_ended() {
                return Err(NodeError::Closed);
            }
            if !self.0.came.wait(seen, deadline) {
                return Err(NodeError::Timeout { what: "an event", after: timeout });
            }
        }
    }

    /// The next event if one waits.
    pub fn try_next(&self) -> Option<LocalNetEvent> {
        self.0.lock().pop()
    }

    /// Whether the net is closed and all events were given.
    pub fn is_ended(&self) -> bool {
        let state = self.0.lock();
        state.is_closed && state.subscriptions.iter().all(|(_, events)| events.is_ended())
    }

    /// Sets what is called when there may be an event that was not there before, or nothing. It
    /// must be quick and must not call back into the net.
    pub fn set_waker(&self, waker: Option<Waker>) {
        let mut state = self.0.lock();
        state.waker.clone_from(&waker);
        state.subscriptions.iter().for_each(|(_, events)| self.0.wake_by(events, waker.clone()));
    }
}

impl std::fmt::Debug for LocalNetEvents {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let n_followed = self.0.lock().subscriptions.len();
        f.debug_struct("LocalNetEvents").field("n_followed", &n_followed).finish()
    }
}
