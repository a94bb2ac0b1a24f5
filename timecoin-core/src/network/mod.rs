//! A node's connections to others: [`Network`]. The only module that knows sockets and
//! encryption.
//!
//! It decides nothing that the pure cores [`crate::peers`] and [`crate::sync`] can decide: whom
//! to dial, take, ban, ask. It carries what the engine says, tells of transactions and blocks,
//! and never waits for a peer: what does not fit a peer's queue is lost and counted, and the
//! protocol repeats what matters. `docs/network.md` describes the wire.

mod book;
mod clocks;
mod compact;
mod compression;
mod connection;
mod dispatch;
mod error;
mod frame;
mod host;
mod noise;
mod packet;
mod peer;
mod proxy;
mod relay;
mod resolver;
mod serve;
mod settings;
mod shaper;
mod snapshot;
mod sockets;
mod syncing;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use arc_swap::ArcSwapOption;
use dashmap::DashMap;
use foldhash::fast::RandomState;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

#[doc(hidden)]
pub use compression::unpack as unpack_frame;
pub use error::PeerError;
#[doc(hidden)]
pub use frame::join_records;
pub use host::{Host, NetworkEvent};
pub use packet::{
    AGENT_BYTES_MAX, Attach, BLOCKS_MAX, Blocks, CompactProposal, GetBlocks, GetHeaders,
    GetOutputs, HEADERS_MAX, Headers, Hello, OUTPUTS_MAX, Outputs, Packet, PeerTip, Ping, Pong,
    Refusal, VERSIONS,
};
pub use peer::PeerInfo;
pub use proxy::{FaultProxy, ProxyFaults};
pub use settings::{NetworkSettings, PeerTarget, PeerTargetError};
pub use shaper::{Put, Shaper};
pub use snapshot::{PeerAnswer, SnapshotAnswer};

use crate::engine::input::PeerId;
use crate::peers::book::AddressBook;
use crate::peers::dial::DialSchedule;
use crate::peers::rate::Class;
use crate::peers::score::Scores;
use crate::peers::slots::{Admission, ConnectionId, Direction, Slots};
use crate::sync::Sync;
use crate::types::encode::encode;
use crate::types::hash::ChainId;
use crate::types::keys::{KeyPair, PublicKey};
use crate::types::message::Decided;
use compact::Compact;
use frame::Frame;
use peer::Peer;
use relay::Relay;

/// The connections of one node. All clones of the `Arc` are the same.
pub struct Network(Arc<Shared>);

/// What all tasks of a network share.
struct Shared {
    settings: NetworkSettings,
    chain_id: ChainId,
    keys: KeyPair,
    shaper: Option<Arc<dyn Shaper>>,
    host: OnceLock<Arc<dyn Host>>,
    listener: Mutex<Option<std::net::TcpListener>>,
    /// Where this node listens.
    listens: Option<SocketAddr>,
    /// Where others see this node, as the last that it dialled said.
    seen_as: ArcSwapOption<SocketAddr>,
    peers: DashMap<PeerId, Arc<Peer>, RandomState>,
    core: Mutex<Core>,
    relay: Mutex<Relay>,
    compact: Mutex<Compact>,
    sync: Mutex<Sync<Decided>>,
    /// Where answers go in a network that fetches a snapshot instead of blocks.
    answers: OnceLock<SyncSender<PeerAnswer>>,
    /// There is something to dial, to tell of, to fetch.
    dialling: Notify,
    telling: Notify,
    fetching: Notify,
    unfinished_bytes: AtomicUsize,
    n_serving: AtomicUsize,
    next_id: AtomicU64,
    /// This node's clock is too far from the others': it sends nothing that it signs.
    is_withholding: AtomicBool,
    stop: CancellationToken,
    tasks: TaskTracker,
}

/// The pure cores that decide about connections.
struct Core {
    slots: Slots,
    book: AddressBook,
    dials: DialSchedule,
    scores: Scores,
    rng: ChaCha20Rng,
    /// Masternodes and others that are always to be connected, with their addresses.
    reserved: Vec<(PublicKey, SocketAddr)>,
}

impl Core {
    /// Has a peer always connected, at the last address that was given for it.
    fn reserve(&mut self, key: PublicKey, address: SocketAddr) {
        self.reserved.retain(|(known, _)| *known != key);
        self.reserved.push((key, address));
    }
}

impl Network {
    /// Takes the port to listen on. Nobody is answered before [`Network::start`]. What is sent
    /// goes through `shaper`, if there is one.
    ///
    /// # Errors
    /// Where the port can't be listened on.
    pub fn bind(
        settings: NetworkSettings,
        chain_id: ChainId,
        keys: KeyPair,
        shaper: Option<Arc<dyn Shaper>>,
    ) -> std::io::Result<Self> {
        let listener = settings.listen.map(std::net::TcpListener::bind).transpose()?;
        let listens = listener.as_ref().map(std::net::TcpListener::local_addr).transpose()?;
        if let Some(listener) = &listener {
            listener.set_nonblocking(true)?;
        }
        let mut seeds = [[0; 32]; 2];
        for seed in &mut seeds {
            getrandom::fill(seed).map_err(|error| std::io::Error::other(error.to_string()))?;
        }
        let limits = &settings.limits;
        let core = Core {
            slots: Slots::new(keys.public(), limits),
            book: book::load(&settings, seeds[0]),
            dials: DialSchedule::new(limits),
            scores: Scores::new(limits),
            rng: ChaCha20Rng::from_seed(seeds[1]),
            reserved: Vec::new(),
        };
        Ok(Network(Arc::new(Shared {
            sync: Mutex::new(Sync::new(settings.sync.clone(), Default::default())),
            answers: OnceLock::new(),
            core: Mutex::new(core),
            chain_id,
            keys,
            shaper,
            host: OnceLock::new(),
            listener: Mutex::new(listener),
            listens,
            seen_as: ArcSwapOption::empty(),
            peers: DashMap::default(),
            relay: Mutex::default(),
            compact: Mutex::default(),
            dialling: Notify::new(),
            telling: Notify::new(),
            fetching: Notify::new(),
            unfinished_bytes: AtomicUsize::new(0),
            n_serving: AtomicUsize::new(0),
            next_id: AtomicU64::new(1),
            is_withholding: AtomicBool::new(false),
            stop: CancellationToken::new(),
            tasks: TaskTracker::new(),
            settings,
        })))
    }

    /// Listens, dials, and serves `host` on a runtime, until [`Network::stop`]. Once only.
    pub fn start(&self, host: Arc<dyn Host>, handle: &Handle) {
        let shared = &self.0;
        lock(&shared.sync).on_tip(host.tip().height, host.now());
        if shared.host.set(host).is_err() {
            return;
        }
        let listener = lock(&shared.listener).take();
        if let Some(listener) = listener {
            shared.spawn(handle, sockets::accept(Arc::clone(shared), listener));
        }
        shared.spawn(handle, sockets::dial(Arc::clone(shared)));
        shared.spawn(handle, relay::tell(Arc::clone(shared)));
        if !shared.fetches_snapshot() {
            shared.spawn(handle, syncing::fetch(Arc::clone(shared)));
        }
        shared.spawn(handle, clocks::ping(Arc::clone(shared)));
    }

    /// Ends all connections and keeps the addresses of peers.
    pub fn stop(&self) {
        self.0.stop.cancel();
        self.0.tasks.close();
        lock(&self.0.listener).take();
        book::keep(&self.0);
    }

    /// Waits until nothing of a stopped network runs any more and its port is free.
    pub async fn ended(&self) {
        self.0.tasks.wait().await;
    }

    /// Where it listens, with the port that it got.
    pub fn listens(&self) -> Option<SocketAddr> {
        self.0.listens
    }

    /// Where others see this node, as far as one that it dialled said.
    pub fn seen_as(&self) -> Option<SocketAddr> {
        self.0.seen_as.load().as_deref().copied()
    }

    /// Its node key.
    pub fn key(&self) -> PublicKey {
        self.0.keys.public()
    }

    /// Those that are connected, ascending by key.
    pub fn peers(&self) -> Vec<PeerInfo> {
        let masternodes = self.0.host.get().map(|host| host.masternodes());
        let is_masternode =
            |key: &PublicKey| masternodes.as_ref().is_some_and(|set| set.index_of(key).is_some());
        let mut peers: Vec<PeerInfo> =
            self.0.all_peers().iter().map(|peer| peer.info(is_masternode(&peer.key))).collect();
        peers.sort_by_key(|peer| peer.key);
        peers
    }

    /// Ends the connection to a peer, if there is one. It may come again.
    pub fn disconnect(&self, key: &PublicKey) -> bool {
        self.0.peer(key).map(|peer| peer.stop.cancel()).is_some()
    }

    /// Where a peer is that is dialled already: a changed address replaces the old one.
    pub fn expect(&self, address: SocketAddr, key: PublicKey) {
        for (known, there) in &mut self.0.core().reserved {
            if *known == key {
                *there = address;
            }
        }
    }

    /// Has an address dialled, now and whenever its connection ends.
    pub fn connect(&self, address: SocketAddr, key: PublicKey) {
        let shared = &self.0;
        shared.core().reserve(key, address);
        shared.dialling.notify_one();
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        self.0.stop.cancel();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    fn host(&self) -> &Arc<dyn Host> {
        self.host.get().expect("no task runs before the host is set")
    }

    fn spawn(&self, handle: &Handle, task: impl Future<Output = ()> + Send + 'static) {
        let stop = self.stop.clone();
        self.tasks.spawn_on(
            async move {
                stop.run_until_cancelled(task).await;
            },
            handle,
        );
    }

    fn core(&self) -> MutexGuard<'_, Core> {
        lock(&self.core)
    }

    fn is_masternode(&self, key: &PublicKey) -> bool {
        self.host().masternodes().index_of(key).is_some()
    }

    fn next_id(&self) -> u64 {
        self.next_id.fetch_add(1, Ordering::Relaxed)
    }

    fn peer(&self, key: &PeerId) -> Option<Arc<Peer>> {
        self.peers.get(key).map(|peer| Arc::clone(&peer))
    }

    fn all_peers(&self) -> Vec<Arc<Peer>> {
        self.peers.iter().map(|peer| Arc::clone(&peer)).collect()
    }

    fn say(&self, peer: &Peer, class: Class, packet: &Packet) {
        peer.send(class, encode(packet).into());
    }

    /// The same to many, who share its bytes.
    fn say_to(&self, peers: &[Arc<Peer>], class: Class, packet: &Packet) {
        let frame: Frame = encode(packet).into();
        peers.iter().for_each(|peer| peer.send(class, Arc::clone(&frame)));
    }

    /// Whether there is room for a peer that proved its key; an older connection may give way.
    fn admit(
        &self,
        id: ConnectionId,
        hello: &Hello,
        address: SocketAddr,
        direction: Direction,
    ) -> Result<(), Refusal> {
        let now = self.host().now();
        let is_masternode = self.is_masternode(&hello.node_key);
        let mut core = self.core();
        // A masternode is not to be unreachable because of a neighbour's ban.
        let is_banned = if is_masternode {
            core.scores.is_key_banned(&hello.node_key, now)
        } else {
            core.scores.is_banned(Some(&hello.node_key), address.ip(), now)
        };
        if is_banned {
            return Err(Refusal::Banned);
        }
        match core.slots.admit(id, hello.node_key, address, direction, is_masternode) {
            Admission::Admit => Ok(()),
            Admission::Refuse(refusal) => Err(refusal.into()),
            Admission::Replace(older) => {
                drop(core);
                let peers = self.all_peers();
                peers.iter().filter(|peer| peer.id == older).for_each(|peer| peer.stop.cancel());
                Ok(())
            }
        }
    }

    /// A connection has become a peer, unless another has taken its slot meanwhile.
    fn begin(&self, peer: &Arc<Peer>) {
        let now = self.host().now();
        let replaced = {
            let mut core = self.core();
            if core.slots.connection_of(&peer.key) != Some(peer.id) {
                return peer.stop.cancel();
            }
            if peer.direction == Direction::Outbound {
                core.book.on_connected(peer.address, peer.key, now);
                core.dials.on_connected(peer.address, now);
            }
            self.peers.insert(peer.key, Arc::clone(peer))
        };
        if let Some(replaced) = replaced {
            replaced.stop.cancel();
            self.forget(&replaced, "replaced by a newer connection".to_owned());
        }
        let height = peer.state().tip.height;
        let mut sync = lock(&self.sync);
        sync.on_peer(peer.key, height);
        sync.on_first_block(peer.key, peer.first_block);
        drop(sync);
        self.fetching.notify_one();
        let (key, address) = (peer.key, peer.address);
        let is_inbound = peer.direction == Direction::Inbound;
        tracing::debug!(%key, %address, is_inbound, agent = peer.agent, "peer connected");
        self.host().tell(NetworkEvent::PeerConnected { key, address, is_inbound });
        self.note_listener(peer);
        self.greet(peer);
    }

    /// Somebody is at an address that was only heard of.
    fn on_felt(&self, peer: &Peer) {
        let now = self.host().now();
        let mut core = self.core();
        let core = &mut *core;
        core.book.on_connected(peer.address, peer.key, now);
        core.dials.on_connected(peer.address, now);
        core.dials.on_closed(peer.address, now, &mut core.rng);
    }

    /// A peer is gone.
    fn end(&self, peer: &Arc<Peer>, why: &PeerError) {
        let was_current = self.peers.remove_if(&peer.key, |_, known| known.id == peer.id);
        if was_current.is_some() {
            self.forget(peer, why.to_string());
            self.fetching.notify_one();
        }
    }

    /// What was asked over a connection that ended is asked of others, or over the next one.
    fn forget(&self, peer: &Peer, reason: String) {
        lock(&self.sync).on_gone(&peer.key);
        lock(&self.compact).on_gone(&peer.key);
        let key = peer.key;
        tracing::debug!(%key, reason, "peer disconnected");
        self.host().tell(NetworkEvent::PeerDisconnected { key, reason });
    }

    /// Somebody whom this node dialled sees it there: others may find it there too.
    fn on_seen_as(&self, by: PublicKey, address: SocketAddr) {
        let port = self.listens.map_or(0, |listens| listens.port());
        if self.is_masternode(&by) || self.seen_as.load().is_none() {
            self.seen_as.store(Some(Arc::new(SocketAddr::new(address.ip(), port))));
        }
    }
}

#[cfg(test)]
mod tests;
