//! Opening, starting and closing a node.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize};
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::Node;
use super::clock::Clock;
use super::config::Config;
use super::driver::Driver;
use super::error::NodeError;
use super::event::NodeEventKind;
use super::events::{Hub, Subscription};
use super::gate::Gate;
use super::inbox::Inbox;
use super::known_keys::KnownPoints;
use super::metrics::Metrics;
use super::parking::{Bell, Deadline};
use super::peers::{NoPeers, Peers};
use super::proofs::Proofs;
use super::published::Published;
use super::receive::Receiver;
use super::runtime::{Runtime, is_own_thread};
use super::shared::Shared;
use super::state::{Life, NodeState};
use super::verified_cache::VerifiedCache;
use super::verify::Verifier;
use super::wire::{Served, Wire, open_network};
use super::writer::{Writer, queue, write_behind};
use crate::engine::output::Record;
use crate::engine::{Engine, EngineConfig};
use crate::ledger::state::LedgerState;
use crate::network::{Network, Shaper};
use crate::params::Chain;
use crate::storage::interface::Opened;
use crate::storage::{DiskStorage, MemoryDisk, MemoryStorage, StorageOptions};

/// What ends when the last handle is dropped.
pub(super) struct Living {
    shared: Arc<Shared>,
    verifier: Arc<Verifier>,
    receiver: Arc<Receiver>,
    stop: CancellationToken,
    tasks: TaskTracker,
    closed: Arc<Bell>,
    /// Its connections to others, where it has any of its own.
    network: Option<Arc<Network>>,
    /// What [`Node::start`] takes: the engine, which outputs may wait in.
    engine: std::sync::Mutex<Option<Engine>>,
    /// Told to the first subscriber: what was found at opening.
    found: std::sync::Mutex<Vec<NodeEventKind>>,
    /// Last, so that it outlives everything that runs on it.
    runtime: Runtime,
}

/// What a node is given beside its configuration and its store.
pub(crate) struct Outside {
    /// The way to other nodes.
    pub(crate) peers: Arc<dyn Peers>,
    /// Where it looks for transactions that were verified before, and remembers them.
    pub(crate) verified: Arc<VerifiedCache>,
    /// The network behind `peers`, to be started and stopped with the node.
    pub(crate) network: Option<Arc<Network>>,
}

impl Outside {
    /// Other nodes, and a memory of its own.
    pub(crate) fn of(peers: Arc<dyn Peers>) -> Self {
        let verified = Arc::new(VerifiedCache::new(VERIFIED_BYTES_MAX));
        Outside { peers, verified, network: None }
    }

    /// The network that a configuration asks for, or nobody.
    ///
    /// # Errors
    /// Where the port can't be listened on, or the node key can't be kept.
    pub(crate) fn configured(
        config: &Config,
        chain: &Chain,
        shaper: Option<Arc<dyn Shaper>>,
    ) -> Result<Self, NodeError> {
        let Some(network) = open_network(config, chain, shaper)? else {
            return Ok(Outside::of(Arc::new(NoPeers)));
        };
        let peers = Arc::new(Wire(Arc::clone(&network)));
        Ok(Outside { network: Some(network), ..Outside::of(peers) })
    }
}

impl Node {
    /// Opens the store and takes up where it leaves off. The node is new: reads answer, and
    /// [`Node::start`] lets it take part.
    ///
    /// # Errors
    /// [`NodeError::Config`], [`NodeError::Genesis`], [`NodeError::Storage`] (locked by another
    /// node, of another chain, damaged, not writable), [`NodeError::NoThreads`].
    pub fn open(config: Config) -> Result<Self, NodeError> {
        config.check()?;
        let chain = Chain::new(config.genesis.clone())?;
        let opened = open_store(&config, &chain)?;
        let outside = Outside::configured(&config, &chain, None)?;
        Self::open_on(config, chain, opened, outside)
    }

    /// The same, with another way to other nodes than the configured one; what they send goes to
    /// [`Node::receive`].
    ///
    /// # Errors
    /// As [`Node::open`].
    pub fn open_with_peers(config: Config, peers: Arc<dyn Peers>) -> Result<Self, NodeError> {
        config.check()?;
        let chain = Chain::new(config.genesis.clone())?;
        let opened = open_store(&config, &chain)?;
        Self::open_on(config, chain, opened, Outside::of(peers))
    }

    /// Opens over a store that is open already.
    pub(crate) fn open_on(
        config: Config,
        chain: Chain,
        opened: Opened,
        outside: Outside,
    ) -> Result<Self, NodeError> {
        let runtime = match config.runtime_threads {
            0 => Runtime::shared()?,
            threads => Runtime::new(threads)?,
        };
        let Opened { storage, records, must_observe, repairs } = opened;
        let clock = Clock::new();
        let state = storage.state();
        let engine_config = EngineConfig {
            chain: chain.clone(),
            keys: config.masternode_key.clone(),
            mempool: config.mempool(),
            round_timeout: config.round_timeout(),
            state: state.as_ref().clone(),
            records,
            must_observe: must_observe.is_some(),
        };
        let violation = engine_config.records.iter().find_map(Record::violation).cloned();
        let engine = Engine::new(engine_config);
        let repairs = repairs.into_iter().map(|what| NodeEventKind::Repaired { what: what.into() });
        let is_observer = engine.is_observing();
        let recorded = is_observer.then(|| "its vote log says that it observes".to_owned());
        let observing = must_observe
            .or(recorded)
            .as_deref()
            .map(|reason| NodeEventKind::Observing { reason: reason.into() });
        let violated = violation.as_ref().into_iter().flat_map(|violation| {
            let reason = violation.to_string().into();
            [NodeEventKind::from(violation), NodeEventKind::Poisoned { reason }]
        });
        let found = repairs.chain(observing).chain(violated).collect();
        let stop = CancellationToken::new();
        let shared = Arc::new(Shared {
            published: Published::new(&state),
            hub: Hub::new(config.event_queue_max),
            metrics: Metrics::default(),
            clock,
            life: Life::new(),
            halt: stop.child_token(),
            inbox: Inbox::new(INBOX_MAX),
            verified: outside.verified,
            known_keys: KnownPoints::new(),
            settled: ArcSwap::from_pointee(engine.settled()),
            proofs: Proofs::new(),
            peers: outside.peers,
            gate: Gate::default(),
            is_crashed: AtomicBool::new(false),
            is_observer: AtomicBool::new(is_observer),
            n_serving: AtomicUsize::new(0),
            retire_before: AtomicU64::new(0),
            chain,
            config,
            storage,
        });
        if let Some(violation) = violation {
            shared.poison(&violation.to_string());
        }
        let weak = Arc::downgrade(&shared);
        shared.storage.watch(Box::new(move |incident| {
            if let Some(shared) = weak.upgrade() {
                shared.on_incident(incident);
            }
        }));
        Ok(Node(Arc::new(Living {
            verifier: Verifier::new(Arc::clone(&shared), runtime.handle().clone()),
            receiver: Receiver::new(Arc::clone(&shared), runtime.handle().clone()),
            shared,
            stop,
            tasks: TaskTracker::new(),
            closed: Arc::default(),
            network: outside.network,
            engine: std::sync::Mutex::new(Some(engine)),
            found: std::sync::Mutex::new(found),
            runtime,
        })))
    }

    /// Takes part: proposes, votes, takes transactions. A node starts once.
    ///
    /// # Errors
    /// [`NodeError::AlreadyStarted`], [`NodeError::Closed`]; [`NodeError::Poisoned`] where its
    /// store says that it saw two certified blocks at one height.
    pub fn start(&self) -> Result<(), NodeError> {
        let living = &self.0;
        living.shared.life.start()?;
        let engine = living.engine.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
        let engine = engine.ok_or(NodeError::AlreadyStarted { state: NodeState::Running })?;
        let live = live(
            Arc::clone(&living.shared),
            engine,
            living.network.clone(),
            living.stop.clone(),
            Arc::clone(&living.closed),
        );
        living.tasks.spawn_on(live, living.runtime.handle());
        if let Some(network) = &living.network {
            let served = Served {
                shared: Arc::downgrade(&living.shared),
                receiver: Arc::downgrade(&living.receiver),
                genesis: LedgerState::genesis(&living.shared.chain),
            };
            network.start(Arc::new(served), living.runtime.handle());
        }
        tracing::info!(chain = %living.shared.chain.id(), height = %self.tip().height, "started");
        Ok(())
    }

    /// Ends the node: nothing new is taken, what was begun is finished and flushed, the directory
    /// is let go of, waiting calls return [`NodeError::Closed`]. Closing a closed node is fine.
    ///
    /// # Errors
    /// [`NodeError::Timeout`] where that takes longer than `deadline`: it goes on behind.
    pub fn close(&self, deadline: Duration) -> Result<(), NodeError> {
        self.0.close(deadline)
    }

    /// Where it is in its life.
    pub fn state(&self) -> NodeState {
        self.shared().life.state()
    }

    /// Receives events from now on; the first subscriber also gets what was found at opening.
    pub fn subscribe(&self) -> Subscription {
        let subscription = self.shared().hub.subscribe();
        let mut found = self.0.found.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        for kind in found.drain(..) {
            self.shared().publish(|| kind);
        }
        if self.state() == NodeState::Closed {
            self.shared().publish(|| NodeEventKind::Closed);
        }
        subscription
    }
}

impl Living {
    pub(super) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    pub(super) fn verifier(&self) -> &Arc<Verifier> {
        &self.verifier
    }

    pub(super) fn receiver(&self) -> &Arc<Receiver> {
        &self.receiver
    }

    pub(super) fn network(&self) -> Option<&Arc<Network>> {
        self.network.as_ref()
    }

    fn close(&self, patience: Duration) -> Result<(), NodeError> {
        if let Some(network) = &self.network {
            network.stop();
        }
        let deadline = Deadline::after(patience);
        if self.shared.life.begin_close().is_some() && !self.shared.life.has_started() {
            self.shared.inbox.close();
            end(&self.shared, &self.closed);
        }
        self.stop.cancel();
        self.shared.published.wake_all();
        loop {
            let seen = self.closed.rings();
            if self.shared.life.state() == NodeState::Closed {
                return Ok(());
            }
            if !self.closed.wait(seen, deadline) {
                return Err(NodeError::Timeout { what: "closing", after: patience });
            }
        }
    }
}

/// The last handle is gone.
impl Drop for Living {
    fn drop(&mut self) {
        let patience = if is_own_thread() { Duration::ZERO } else { CLOSE_MAX };
        if let Err(error) = self.close(patience) {
            tracing::warn!(%error, "a dropped node goes on closing");
        }
    }
}

/// One node's life on the runtime, from its start to its end.
async fn live(
    shared: Arc<Shared>,
    engine: Engine,
    network: Option<Arc<Network>>,
    stop: CancellationToken,
    closed: Arc<Bell>,
) {
    let running = tokio::spawn(run(Arc::clone(&shared), engine));
    if let Err(error) = running.await {
        shared.poison(&error.to_string());
        shared.inbox.close();
    }
    // Reads go on after a failure: only closing lets go of the store.
    stop.cancelled().await;
    // A closed node's port is free, and its sockets are closed.
    if let Some(network) = network {
        network.ended().await;
    }
    let _ = tokio::task::spawn_blocking(move || end(&shared, &closed)).await;
}

/// Runs driver and writer until the node is to close or is poisoned.
async fn run(shared: Arc<Shared>, engine: Engine) {
    if shared.config.data_dir.is_none() {
        let writer = Writer::Memory(Arc::clone(&shared));
        return Driver::new(engine, shared, writer).run().await;
    }
    let (sender, batches) = queue();
    let writing = tokio::spawn(write_behind(Arc::clone(&shared), batches));
    Driver::new(engine, Arc::clone(&shared), Writer::Disk(sender)).run().await;
    if let Err(error) = writing.await {
        shared.poison(&error.to_string());
    }
}

/// Lets go of the store and tells everybody.
fn end(shared: &Shared, closed: &Bell) {
    if shared.is_crashed() {
        shared.storage.abandon();
    } else if let Err(error) = shared.storage.close() {
        tracing::warn!(%error, "closing the store");
    }
    shared.life.end_close();
    shared.published.wake_all();
    shared.publish(|| NodeEventKind::Closed);
    closed.ring();
    tracing::info!("closed");
}

pub(crate) fn open_store(config: &Config, chain: &Chain) -> Result<Opened, NodeError> {
    match &config.data_dir {
        None => Ok(MemoryStorage::open(&MemoryDisk::new(chain), chain)?),
        Some(dir) => {
            let options = StorageOptions {
                cache_bytes: config.store_cache_bytes,
                cached_utxos_max: config.utxo_cache_entries,
                sync: config.sync_writes,
                ..StorageOptions::default()
            };
            Ok(DiskStorage::open(dir, chain, options)?)
        }
    }
}

/// Requests that wait for the engine; with 100 kB each they are 400 MB, as many as a mempool.
const INBOX_MAX: usize = 4_096;

/// Verified transactions that are remembered.
const VERIFIED_BYTES_MAX: usize = 32_000_000;

/// How long dropping the last handle waits.
const CLOSE_MAX: Duration = Duration::from_secs(30);
