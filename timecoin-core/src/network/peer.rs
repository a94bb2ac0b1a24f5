//! One peer: what waits for it, what is known of it, what it did.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicI64, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, Weak};

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::frame::{Frame, Lane, Splitter};
use super::lock;
use super::packet::{Hello, PeerTip};
use super::shaper::Shaper;
use crate::peers::rate::Class;
use crate::peers::seen::SeenCache;
use crate::peers::slots::{ConnectionId, Direction};
use crate::types::chain::{Height, Timestamp};
use crate::types::hash::Txid;
use crate::types::keys::PublicKey;

/// A peer that said who it is.
pub(super) struct Peer {
    pub(super) id: ConnectionId,
    pub(super) key: PublicKey,
    pub(super) address: SocketAddr,
    pub(super) direction: Direction,
    pub(super) listens: Option<SocketAddr>,
    /// The first block that it has.
    pub(super) first_block: Height,
    pub(super) agent: String,
    pub(super) since: Timestamp,
    /// Ends the connection.
    pub(super) stop: CancellationToken,
    pub(super) counts: Counts,
    outbox: Mutex<Splitter>,
    /// For each connection: something was put into the queue for it.
    filled: [Notify; 2],
    state: Mutex<State>,
    shaper: Option<Arc<dyn Shaper>>,
    /// Itself, for frames that are under way.
    own: Weak<Peer>,
}

/// What a peer's two tasks and the rest of the node share.
pub(super) struct State {
    pub(super) tip: PeerTip,
    /// Transactions that it has or was told of, by the beginnings of their ids: whoever makes two
    /// alike hides one of them from itself.
    known: SeenCache<u64>,
    /// Transactions to tell it of.
    pub(super) announced: Vec<Txid>,
    /// What was pending there when the connection began, as far as it is yet to be asked for.
    pub(super) pending: Vec<Txid>,
    /// The ping that is not answered.
    pub(super) pinged: Option<(u64, Timestamp)>,
    /// Whether it was told of other peers.
    pub(super) has_addresses: bool,
    /// Whether it told of other peers, and of what was pending: once each.
    pub(super) has_told_addresses: bool,
    pub(super) has_told_pending: bool,
    /// The height at which it was last asked for a block that differs from the one here.
    pub(super) questioned: Option<Height>,
}

impl State {
    /// Whether the peer is to be sent a transaction of this node's host: one that it was only
    /// about to be told of goes at once, and is not told of.
    pub(super) fn lacks(&mut self, txid: Txid) -> bool {
        let recent = self.announced.len().saturating_sub(JUST_ANNOUNCED);
        match self.announced[recent..].iter().position(|announced| *announced == txid) {
            Some(position) => {
                self.announced.swap_remove(recent + position);
                true
            }
            None => self.knows(&txid),
        }
    }

    /// The peer has a transaction, or is told of it; whether that is new.
    pub(super) fn knows(&mut self, txid: &Txid) -> bool {
        let start = *txid.as_bytes().first_chunk().expect("32 bytes begin with 8");
        self.known.insert(u64::from_le_bytes(start))
    }
}

/// What went over a connection.
#[derive(Default)]
pub(super) struct Counts {
    pub(super) frames_in: AtomicU64,
    pub(super) bytes_in: AtomicU64,
    pub(super) frames_out: AtomicU64,
    pub(super) bytes_out: AtomicU64,
    /// What did not fit its queue.
    pub(super) dropped_out: AtomicU64,
    /// What was over its rate.
    pub(super) dropped_in: AtomicU64,
    pub(super) round_trip_ms: AtomicU64,
    pub(super) clock_offset_ms: AtomicI64,
    /// How often its clock was measured.
    pub(super) n_pongs: AtomicU64,
    /// Bytes of its frames that are not complete.
    pub(super) unfinished: AtomicUsize,
    /// Its questions that are being answered from the store.
    pub(super) n_serving: AtomicUsize,
    /// Its answers that wait to be looked at by a snapshot.
    pub(super) n_answers: AtomicUsize,
}

/// A peer as the host of the node sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerInfo {
    /// Its node key, proved.
    pub key: PublicKey,
    /// The other end of the socket.
    pub address: SocketAddr,
    /// Whether it dialled this node.
    pub is_inbound: bool,
    /// Whether its key is one of the masternodes that decide.
    pub is_masternode: bool,
    /// What program it says it is.
    pub agent: String,
    /// Since when it is a peer, by this node's clock.
    pub since: Timestamp,
    /// The height of the last block that it says is decided there.
    pub height: Height,
    /// The last round trip, in milliseconds; none before the first answer to a ping.
    pub round_trip_ms: Option<u64>,
    /// How much its clock is ahead of this node's, in milliseconds; none before the first answer.
    pub clock_offset_ms: Option<i64>,
    /// Bytes of frames that came, and that went.
    pub bytes: (u64, u64),
    /// Frames that came, and that went.
    pub frames: (u64, u64),
    /// Frames that came over its rate, and frames that did not fit its queue: both are lost.
    pub dropped: (u64, u64),
}

impl Peer {
    /// A peer that says `hello`, on the connection with that id.
    pub(super) fn new(
        id: ConnectionId,
        hello: &Hello,
        address: SocketAddr,
        direction: Direction,
        since: Timestamp,
        stop: CancellationToken,
        shaper: Option<Arc<dyn Shaper>>,
    ) -> Arc<Self> {
        let state = State {
            tip: hello.tip,
            known: SeenCache::new(KNOWN_MAX),
            announced: Vec::new(),
            pending: Vec::new(),
            pinged: None,
            has_addresses: false,
            has_told_addresses: false,
            has_told_pending: false,
            questioned: None,
        };
        Arc::new_cyclic(|own| Peer {
            id,
            key: hello.node_key,
            address,
            direction,
            listens: hello.listens_at(address),
            first_block: hello.first_block,
            agent: hello.agent.clone(),
            since,
            stop,
            counts: Counts::default(),
            outbox: Mutex::default(),
            filled: [Notify::new(), Notify::new()],
            state: Mutex::new(state),
            shaper,
            own: Weak::clone(own),
        })
    }

    /// Puts a frame into the peer's queue, or loses it.
    pub(super) fn send(&self, class: Class, frame: Frame) {
        let Some(shaper) = &self.shaper else {
            self.put(class, frame);
            return;
        };
        let (own, n_bytes) = (Weak::clone(&self.own), frame.len());
        let put = move || own.upgrade().is_some_and(|peer| peer.put(class, Arc::clone(&frame)));
        shaper.send(self.key, n_bytes, Arc::new(put));
    }

    fn put(&self, class: Class, frame: Frame) -> bool {
        let counts = &self.counts;
        let mut outbox = lock(&self.outbox);
        let (is_put, lane) = (outbox.push(class, frame), outbox.lane(class));
        drop(outbox);
        if is_put {
            counts.frames_out.fetch_add(1, Ordering::Relaxed);
            self.filled[lane as usize].notify_one();
        } else {
            counts.dropped_out.fetch_add(1, Ordering::Relaxed);
        }
        is_put
    }

    pub(super) fn outbox(&self) -> MutexGuard<'_, Splitter> {
        lock(&self.outbox)
    }

    /// Waits until something was put into the queue for a connection.
    pub(super) async fn filled(&self, lane: Lane) {
        self.filled[lane as usize].notified().await;
    }

    /// Sends blocks over a connection of their own from now on. Says whether they were not
    /// before: there is one.
    pub(super) fn part(&self) -> bool {
        let mut outbox = lock(&self.outbox);
        let is_first = outbox.lane(Class::Blocks) == Lane::Main;
        outbox.set_apart(true);
        drop(outbox);
        self.filled.iter().for_each(Notify::notify_one);
        is_first
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    pub(super) fn info(&self, is_masternode: bool) -> PeerInfo {
        let counts = &self.counts;
        let load = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let is_measured = load(&counts.n_pongs) > 0;
        PeerInfo {
            key: self.key,
            address: self.address,
            is_inbound: self.direction == Direction::Inbound,
            is_masternode,
            agent: self.agent.clone(),
            since: self.since,
            height: self.state().tip.height,
            round_trip_ms: is_measured.then(|| load(&counts.round_trip_ms)),
            clock_offset_ms: is_measured.then(|| counts.clock_offset_ms.load(Ordering::Relaxed)),
            bytes: (load(&counts.bytes_in), load(&counts.bytes_out)),
            frames: (load(&counts.frames_in), load(&counts.frames_out)),
            dropped: (load(&counts.dropped_in), load(&counts.dropped_out)),
        }
    }
}

/// A transaction is sent right behind the moment in which it came into the mempool.
const JUST_ANNOUNCED: usize = 64;

/// Transactions that are remembered as known to a peer: two mempools, and as many again, which
/// take less than 1 MB.
const KNOWN_MAX: usize = 20_000;
