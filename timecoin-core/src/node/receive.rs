//! Messages of peers on their way in: gathered, checked in batches on a thread that is nobody's,
//! and given to the engine, each peer's in the order in which they come.
//!
//! Who hands a message over never waits: a peer whose part of the queue is full loses what it
//! sends. Peers take turns, so that nobody waits for all that another one has sent. While nothing
//! waits a message is checked at once; while a batch is being checked the next one gathers, so
//! that load makes batches and idleness none.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use tokio::runtime::Handle;

use super::Node;
use super::driver::Request;
use super::error::NodeError;
use super::life::Living;
use super::parcel::{Opened, Parcel};
use super::parking::Deadline;
use super::shared::Shared;
use super::verify::verify_and_remember;
use crate::engine::input::{PeerId, VerifiedMessage};
use crate::engine::verify::{MessageError, VerifyContext};
use crate::ledger::transaction::TransactionError;
use crate::types::hash::Wtxid;
use crate::types::map::HashMap;
use crate::types::verified::VerifiedTransaction;

/// What waits to be checked at one node.
pub(super) struct Receiver {
    queue: Mutex<Queue>,
    shared: Arc<Shared>,
    handle: Handle,
}

#[derive(Default)]
struct Queue {
    lines: HashMap<Line, Waiting>,
    /// Lines in which something waits, the next one first.
    turns: VecDeque<Line>,
    bytes: usize,
    is_working: bool,
}

/// What is checked in the order in which it came.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Line {
    /// What a peer sends.
    Peer(PeerId),
    /// Blocks that a sync hands on, each of which needs the one before, whoever sent it.
    Sync,
}

/// What of one line waits.
#[derive(Default)]
struct Waiting {
    parcels: VecDeque<(PeerId, Arc<Parcel>)>,
    bytes: usize,
}

impl Node {
    /// Takes a message of another node, to be checked and given to the engine soon, behind what
    /// the same peer sent before. Never waits. What no honest node can have sent is told to
    /// [`super::Peers::on_misbehavior`].
    ///
    /// # Errors
    /// [`NodeError::Busy`] where too much of this peer waits: the message is lost;
    /// [`NodeError::NotRunning`], [`NodeError::Closed`], [`NodeError::Poisoned`].
    pub fn receive(&self, from: PeerId, parcel: impl Into<Arc<Parcel>>) -> Result<(), NodeError> {
        self.0.receiver().receive(Line::Peer(from), from, parcel.into())
    }

    /// A reference that does not keep the node alive.
    pub(crate) fn downgrade(&self) -> WeakNode {
        WeakNode(Arc::downgrade(&self.0))
    }
}

/// A node as those see it who send to it.
#[derive(Clone)]
pub(crate) struct WeakNode(Weak<Living>);

impl WeakNode {
    /// The node, unless it is gone.
    pub(crate) fn upgrade(&self) -> Option<Node> {
        self.0.upgrade().map(Node)
    }

    /// As [`Node::receive`]; a node that is gone is closed.
    pub(crate) fn receive(&self, from: PeerId, parcel: Arc<Parcel>) -> Result<(), NodeError> {
        let living = self.0.upgrade().ok_or(NodeError::Closed)?;
        living.receiver().receive(Line::Peer(from), from, parcel)
    }
}

impl Receiver {
    pub(super) fn new(shared: Arc<Shared>, handle: Handle) -> Arc<Self> {
        Arc::new(Receiver { queue: Mutex::default(), shared, handle })
    }

    pub(super) fn receive(
        self: &Arc<Self>,
        line: Line,
        from: PeerId,
        parcel: Arc<Parcel>,
    ) -> Result<(), NodeError> {
        self.shared.life.check_running()?;
        let mut queue = self.lock();
        if !queue.push(line, from, parcel) {
            drop(queue);
            self.shared.metrics.messages_lost.add(1);
            return Err(NodeError::Busy { queue_max: RECEIVED_MAX });
        }
        if queue.is_working {
            return Ok(());
        }
        queue.is_working = true;
        drop(queue);
        let receiver = Arc::clone(self);
        self.handle.spawn_blocking(move || receiver.work());
        Ok(())
    }

    /// Checks batches until nothing waits. One thread at a time, so that a peer's order is kept.
    fn work(&self) {
        loop {
            let batch = {
                let mut queue = self.lock();
                if queue.turns.is_empty() {
                    queue.is_working = false;
                    return;
                }
                queue.take()
            };
            let check = || check(&self.shared, &batch);
            let Ok(requests) = catch_unwind(AssertUnwindSafe(check)) else {
                tracing::error!("checking messages of peers panicked; they are lost");
                continue;
            };
            let n_requests = requests.len();
            let mut requests = requests.into_iter();
            // Only this node's own engine is waited for, which ends by closing the inbox, and
            // nobody waits for this thread.
            let pushed = self.shared.inbox.push_all(&mut requests, Deadline::NEVER);
            self.shared.metrics.messages_received.add(n_requests - requests.len());
            if pushed.is_err() {
                return self.lock().close();
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Queue {
    /// Nothing is taken or worked on any more.
    fn close(&mut self) {
        *self = Queue { is_working: true, ..Queue::default() };
    }

    /// Puts it in unless too much of this peer waits, which is less where much waits of all.
    fn push(&mut self, line: Line, from: PeerId, parcel: Arc<Parcel>) -> bool {
        let is_crowded = self.bytes > CROWDED_BYTES && line != Line::Sync;
        let bytes_max = if is_crowded { CROWDED_PEER_BYTES_MAX } else { RECEIVED_BYTES_MAX };
        let waiting = self.lines.entry(line).or_default();
        let bytes = waiting.bytes + parcel.bytes_about();
        let is_full = waiting.parcels.len() >= RECEIVED_MAX || bytes > bytes_max;
        if waiting.parcels.is_empty() {
            self.turns.push_back(line);
        } else if is_full {
            return false;
        }
        self.bytes += bytes - waiting.bytes;
        waiting.bytes = bytes;
        waiting.parcels.push_back((from, parcel));
        true
    }

    fn take(&mut self) -> Vec<(PeerId, Arc<Parcel>)> {
        let mut taken = Vec::new();
        while taken.len() < BATCH_MAX {
            let Some(line) = self.turns.pop_front() else { break };
            let waiting = self.lines.get_mut(&line).expect("something waits in it");
            let n_taken = waiting.parcels.len().min(TURN_MAX).min(BATCH_MAX - taken.len());
            for (from, parcel) in waiting.parcels.drain(..n_taken) {
                waiting.bytes -= parcel.bytes_about();
                self.bytes -= parcel.bytes_about();
                taken.push((from, parcel));
            }
            if waiting.parcels.is_empty() {
                self.lines.remove(&line);
            } else {
                self.turns.push_back(line);
            }
        }
        taken
    }
}

/// Checks form and signatures of a batch: first the transactions, all together, so that the
/// blocks of the batch find them known.
fn check(shared: &Shared, batch: &[(PeerId, Arc<Parcel>)]) -> Vec<Request> {
    let state = shared.storage.state();
    let (params, settled) = (shared.chain.params(), shared.settled.load());
    let context = VerifyContext {
        chain: &shared.chain,
        current: (state.epoch(&shared.chain), &state.masternodes),
        tip: (params.epoch_of(state.tip.height), &state.tip_masternodes),
        known: &|wtxid: &Wtxid| shared.verified.get(wtxid),
    };
    let opened: Vec<_> = batch.iter().map(|(_, parcel)| parcel.open(&context)).collect();
    let mut transactions = check_transactions(shared, &opened).into_iter();
    let mut requests = Vec::with_capacity(batch.len());
    for ((from, parcel), opened) in batch.iter().zip(opened) {
        let checked = match opened {
            Err(error) => Err(error),
            Ok(Opened::Believed(message)) => Ok(*message),
            Ok(Opened::Transaction(_)) => {
                let checked = transactions.next().expect("one for each that was not checked");
                checked
                    .map(VerifiedMessage::Transaction)
                    .map_err(MessageError::from)
                    .inspect(|message| parcel.believe(message, &context))
            }
            Ok(Opened::Other(message)) => match settled.late(&message) {
                Some(late) => Ok(late),
                None => parcel.check(*message, &context),
            },
        };
        requests.extend(request(shared, *from, parcel, checked));
    }
    requests
}

/// Checks the transactions of a batch that nobody checked yet, together.
fn check_transactions(
    shared: &Shared,
    opened: &[Result<Opened, MessageError>],
) -> Vec<Result<VerifiedTransaction, TransactionError>> {
    let transactions = opened.iter().filter_map(|opened| match opened {
        Ok(Opened::Transaction(transaction)) => Some(Arc::clone(transaction)),
        _ => None,
    });
    verify_and_remember(shared, transactions.collect())
}

/// What the engine is told of a message, if it is told anything.
fn request(
    shared: &Shared,
    from: PeerId,
    parcel: &Parcel,
    checked: Result<VerifiedMessage, MessageError>,
) -> Option<Request> {
    match checked {
        Ok(message) => {
            if let Some(bytes) = parcel.bytes()
                && !matches!(message, VerifiedMessage::Late(_))
            {
                shared.peers.on_verified(from, bytes);
            }
            Some(Request::Message(from, Box::new(message)))
        }
        Err(MessageError::OtherEpoch { epoch }) => {
            Some(Request::OtherEpoch(from, epoch, Box::new(parcel.message().ok()?)))
        }
        Err(error) if error.is_innocent() => None,
        Err(error) => {
            shared.metrics.messages_refused.add(1);
            tracing::debug!(%error, "a peer sent what no honest node can have sent");
            shared.peers.on_misbehavior(from, &error);
            None
        }
    }
}

/// Messages of one peer that wait; more are lost. As many transactions as a mempool holds, and
/// the votes on them.
const RECEIVED_MAX: usize = 16_384;

/// Their bytes: as many full blocks as one answer to a node that is behind may hold, and more.
const RECEIVED_BYTES_MAX: usize = 64_000_000;

/// Where the messages of all peers take more, a peer may have less: that of the next constant.
const CROWDED_BYTES: usize = 256_000_000;

/// Enough for the votes of a busy moment; a block is taken where nothing else of its sender waits.
const CROWDED_PEER_BYTES_MAX: usize = 1_000_000;

/// Messages of one peer that are taken before the next peer's turn.
const TURN_MAX: usize = 16;

/// Messages checked together.
const BATCH_MAX: usize = 1_024;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::chain::Height;
    use crate::types::keys::KeyPair;
    use crate::types::message::{Message, Request as Question};

    fn parcel(height: usize) -> Arc<Parcel> {
        Arc::new(Parcel::of(Message::Request(Question::Decided(Height(height as u64)))))
    }

    fn height(parcel: &Parcel) -> u64 {
        match parcel.message().unwrap() {
            Message::Request(Question::Decided(height)) => height.0,
            other => panic!("{other:?}"),
        }
    }

    fn push(queue: &mut Queue, from: PeerId, parcel: Arc<Parcel>) -> bool {
        queue.push(Line::Peer(from), from, parcel)
    }

    #[test]
    fn a_peer_fills_its_own_part_only_and_everything_is_in_order() {
        let [loud, quiet] = [b"loud", b"quit"].map(|seed| KeyPair::from_seed(seed).public());
        let mut queue = Queue::default();
        let n_taken = (0..RECEIVED_MAX + 10).filter(|n| push(&mut queue, loud, parcel(*n))).count();
        assert_eq!(n_taken, RECEIVED_MAX);
        assert!(push(&mut queue, quiet, parcel(7)));
        let mut of_loud = Vec::new();
        while !queue.turns.is_empty() {
            let batch = queue.take();
            assert!(batch.len() <= BATCH_MAX);
            of_loud.extend(batch.iter().filter(|(from, _)| *from == loud).map(|(_, p)| height(p)));
        }
        assert_eq!(of_loud, (0..RECEIVED_MAX as u64).collect::<Vec<_>>());
        assert!(queue.lines.is_empty() && queue.bytes == 0 && push(&mut queue, loud, parcel(0)));
    }

    #[test]
    fn peers_take_turns() {
        let [loud, quiet] = [b"loud", b"quit"].map(|seed| KeyPair::from_seed(seed).public());
        let mut queue = Queue::default();
        (0..1_000).for_each(|n| assert!(push(&mut queue, loud, parcel(n))));
        assert!(push(&mut queue, quiet, parcel(7)));
        let position = queue.take().iter().position(|(from, _)| *from == quiet);
        assert_eq!(position, Some(TURN_MAX));
    }

    #[test]
    fn blocks_of_a_sync_keep_their_order_whoever_sent_them() {
        let [loud, quiet] = [b"loud", b"quit"].map(|seed| KeyPair::from_seed(seed).public());
        let mut queue = Queue::default();
        (0..1_000).for_each(|n| assert!(push(&mut queue, loud, parcel(n))));
        for (from, n) in [(loud, 1_001), (quiet, 1_002), (loud, 1_003)] {
            assert!(queue.push(Line::Sync, from, parcel(n)));
        }
        let taken = queue.take();
        let blocks = taken.iter().map(|(_, parcel)| height(parcel)).filter(|n| *n > 1_000);
        assert!(blocks.eq([1_001, 1_002, 1_003]));
    }

    #[test]
    fn where_much_waits_of_all_each_may_have_less() {
        let mut queue = Queue::default();
        let large = Arc::new(Parcel::of_bytes(vec![0; RECEIVED_BYTES_MAX]));
        let peer = |n: u8| KeyPair::from_seed(&[n]).public();
        (0..5).for_each(|n| assert!(push(&mut queue, peer(n), Arc::clone(&large))));
        let block = Arc::new(Parcel::of_bytes(vec![0; 4_000_000]));
        let pushed = [0, 1].map(|_| push(&mut queue, peer(9), Arc::clone(&block)));
        assert_eq!(pushed, [true, false]);
    }

    #[test]
    fn bytes_are_bounded_too_and_one_message_always_fits() {
        let from = KeyPair::from_seed(b"loud").public();
        let mut queue = Queue::default();
        let large = Arc::new(Parcel::of_bytes(vec![0; RECEIVED_BYTES_MAX + 1]));
        assert!(push(&mut queue, from, Arc::clone(&large)));
        assert!(!push(&mut queue, from, large) && !push(&mut queue, from, parcel(1)));
        queue.take();
        assert!(push(&mut queue, from, parcel(1)));
    }
}
