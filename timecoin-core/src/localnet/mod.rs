//! Real nodes in one process, connected in memory: [`LocalNet`].
//!
//! Everything is as in production but the wires: the same driver, threads, clocks and stores. A
//! message goes from one node to the next as a value, or as bytes where
//! [`LocalNetConfig::encode_messages`] is set, and every node checks what it receives for itself,
//! unless [`LocalNetConfig::shared_verification_cache`] is set. A call blocks its own thread
//! only; no node ever waits for another.

mod byzantine;
mod config;
mod delays;
mod directory;
mod error;
mod events;
mod faults;
mod link;
mod outlet;
mod payments;
mod settings;
mod status;
mod switch;
mod wait;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

pub use config::{LocalNetConfig, LocalStorage, LocalTransport};
pub use events::{LocalNetEvent, LocalNetEvents};
pub use link::LinkCounts;
pub use status::{LocalNodeState, LocalNodeStatus};

use byzantine::Byzantines;
use directory::Directory;
use events::Merger;
use outlet::{Outlet, Way};
use payments::Purse;
use switch::{Line, Packing, Switch};

use crate::node::{
    Deadline, Node, NodeError, NodeState, Outside, Runtime, VerifiedCache, open_store,
};
use crate::params::Chain;
use crate::sim::{Founding, Network, Random};
use crate::storage::{MemoryDisk, MemoryStorage};
use crate::types::keys::{KeyPair, PublicKey};

/// A network of real nodes in this process.
///
/// Positions name nodes: the masternodes of the genesis in the order of their keys, then the
/// observers. Any thread may call anything at any time. Closing ends all nodes; dropping closes.
///
/// ```
/// use std::time::Duration;
/// use timecoin_core::localnet::{LocalNet, LocalNetConfig};
///
/// let patience = Duration::from_secs(30);
/// let net = LocalNet::start(LocalNetConfig::new(4, 7))?;
/// let payment = net.pay("alice", "bob", "5".parse()?)?;
/// net.wait_final_everywhere(&payment, patience)?;
/// net.crash(0)?;
/// let payment = net.pay("alice", "bob", "6".parse()?)?;
/// net.wait_final_everywhere(&payment, patience)?;
/// net.restart(0)?;
/// net.wait_confirmed_everywhere(&payment, patience)?;
/// net.close(patience)?;
/// # Ok::<(), timecoin_core::NodeError>(())
/// ```
pub struct LocalNet {
    config: LocalNetConfig,
    chain: Chain,
    keys: Vec<KeyPair>,
    places: Vec<Place>,
    switch: Arc<Switch>,
    byzantines: Arc<Byzantines>,
    purse: Mutex<Purse>,
    merger: Merger,
    verified: Option<Arc<VerifiedCache>>,
    stop: CancellationToken,
    directory: Directory,
    /// Last, so that it outlives everything that runs on it.
    runtime: Runtime,
}

/// Where a node runs, life after life.
struct Place {
    node: RwLock<Node>,
    /// Who holds it crashes or restarts the node.
    changing: Mutex<()>,
    /// What it keeps in memory across lives, if it keeps it there.
    disk: Option<MemoryDisk>,
}

impl LocalNet {
    /// Starts a network and all of its nodes.
    ///
    /// # Errors
    /// [`NodeError::Config`], [`NodeError::Genesis`], [`NodeError::Storage`],
    /// [`NodeError::NoThreads`].
    pub fn start(config: LocalNetConfig) -> Result<Self, NodeError> {
        config.check()?;
        let Founding { chain, keys, wallets } = Founding::new(&config.founding())?;
        let runtime = Runtime::shared()?;
        let directory = Directory::new(&config.storage)?;
        let is_believed = config.shared_verification_cache;
        let packing = Packing { is_encoded: config.encode_messages, is_believed };
        let publics: Vec<PublicKey> = keys.iter().map(KeyPair::public).collect();
        let network = Network::new(config.link.clone(), Random::new(config.seed, "network"));
        let byzantines = Arc::new(Byzantines::new(keys.clone(), config.seed));
        let switch = Arc::new(Switch::new(publics, network, packing, Arc::clone(&byzantines)));
        let verified =
            is_believed.then(|| Arc::new(VerifiedCache::shared(SHARED_VERIFIED_BYTES_MAX)));
        let opener = Opener {
            config: &config,
            chain: &chain,
            switch: &switch,
            byzantines: &byzantines,
            verified: verified.as_ref(),
            directory: &directory,
        };
        let mut places = Vec::with_capacity(keys.len());
        for (position, keys) in keys.iter().enumerate() {
            let disk = directory.path().is_none().then(|| MemoryDisk::new(&chain));
            let node = opener.open(position, keys, disk.as_ref())?;
            places.push(Place { node: RwLock::new(node), changing: Mutex::default(), disk });
        }
        let net = LocalNet {
            purse: Mutex::new(Purse::new(wallets)),
            merger: Merger::default(),
            stop: CancellationToken::new(),
            config,
            chain,
            keys,
            places,
            switch,
            byzantines,
            verified,
            directory,
            runtime,
        };
        net.begin()?;
        Ok(net)
    }

    /// Lets all nodes begin at one moment, so that nobody misses what the first one says.
    fn begin(&self) -> Result<(), NodeError> {
        let delayed = Arc::clone(&self.switch).run();
        let put_off = Arc::clone(&self.byzantines).run();
        let handle = self.runtime.handle();
        handle.spawn(self.stop.clone().run_until_cancelled_owned(delayed));
        handle.spawn(self.stop.clone().run_until_cancelled_owned(put_off));
        let nodes: Vec<Node> = (0..self.n_nodes()).map(|position| self.at(position)).collect();
        for (position, node) in nodes.iter().enumerate() {
            node.pause();
            self.switch.connect(position, Some(node.downgrade()));
            node.start()?;
            self.introduce(position, node, &nodes[..position])?;
        }
        self.wait_connected()?;
        nodes.iter().for_each(Node::resume);
        Ok(())
    }

    /// Lets a node dial others, where they talk over sockets.
    fn introduce(&self, position: usize, node: &Node, others: &[Node]) -> Result<(), NodeError> {
        let Some(own) = node.listen_address() else { return Ok(()) };
        for (other, key) in others
            .iter()
            .zip(&self.keys)
            .filter(|(_, key)| key.public() != self.keys[position].public())
        {
            let Some(address) = other.listen_address() else { continue };
            node.connect(&format!("{}@{address}", key.public()))?;
            other.expect(&self.keys[position].public(), own);
        }
        Ok(())
    }

    /// Waits until everybody is connected with everybody, as in memory they are from the start.
    fn wait_connected(&self) -> Result<(), NodeError> {
        let is_done = || {
            let nodes = (0..self.n_nodes()).map(|position| self.at(position));
            nodes
                .filter(|node| node.listen_address().is_some())
                .all(|node| node.peers().len() + 1 >= self.n_nodes())
        };
        let deadline = Deadline::after(CONNECT_MAX);
        while !is_done() {
            if deadline.left().is_none() {
                return Err(NodeError::Timeout { what: "connecting", after: CONNECT_MAX });
            }
            std::thread::sleep(CONNECT_LOOK);
        }
        Ok(())
    }

    /// How many nodes there are, running or not.
    pub fn n_nodes(&self) -> usize {
        self.places.len()
    }

    /// The settings.
    pub fn config(&self) -> &LocalNetConfig {
        &self.config
    }

    /// The chain.
    pub fn chain(&self) -> &Chain {
        &self.chain
    }

    /// The keys of a node.
    ///
    /// # Errors
    /// [`NodeError::InvalidArgument`] where there is no such node.
    pub fn node_keys(&self, node: usize) -> Result<&KeyPair, NodeError> {
        self.place(node).map(|_| &self.keys[node])
    }

    /// A node, to be read, paid through, waited for. After a crash it is closed; the one that is
    /// restarted in its place is another.
    ///
    /// # Errors
    /// [`NodeError::InvalidArgument`] where there is no such node.
    pub fn node(&self, node: usize) -> Result<Node, NodeError> {
        self.place(node).map(|_| self.at(node))
    }

    /// The folder of a node; none where the net keeps everything in memory.
    ///
    /// # Errors
    /// [`NodeError::InvalidArgument`] where there is no such node.
    pub fn node_dir(&self, node: usize) -> Result<Option<std::path::PathBuf>, NodeError> {
        self.place(node).map(|_| self.directory.of_node(node))
    }

    /// Whether it can still do anything.
    ///
    /// # Errors
    /// [`NodeError::Closed`] where the net is closed.
    pub fn check_open(&self) -> Result<(), NodeError> {
        if self.stop.is_cancelled() { Err(NodeError::Closed) } else { Ok(()) }
    }

    /// Ends all nodes in order, and removes a temporary directory. Closing a closed net is fine.
    ///
    /// # Errors
    /// [`NodeError::Timeout`] where that takes longer than `deadline`: it goes on behind;
    /// [`NodeError::Storage`] where a node could not close its store.
    pub fn close(&self, deadline: Duration) -> Result<(), NodeError> {
        let until = Deadline::after(deadline);
        self.stop.cancel();
        let mut result = Ok(());
        for position in 0..self.n_nodes() {
            let _nobody_restarts_it = self.changing(position);
            self.switch.connect(position, None);
            let closed = self.at(position).close(until.left().unwrap_or_default());
            result = result.and(closed);
        }
        self.merger.close();
        if result.is_ok() {
            self.directory.remove();
        }
        result
    }

    fn opener(&self) -> Opener<'_> {
        Opener {
            config: &self.config,
            chain: &self.chain,
            switch: &self.switch,
            byzantines: &self.byzantines,
            verified: self.verified.as_ref(),
            directory: &self.directory,
        }
    }

    fn place(&self, node: usize) -> Result<&Place, NodeError> {
        self.places.get(node).ok_or_else(|| {
            let reason = format!("there are {} nodes, from 0", self.n_nodes());
            NodeError::InvalidArgument { what: "node", reason }
        })
    }

    /// The node at a position that there is.
    fn at(&self, position: usize) -> Node {
        self.places[position].node.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn changing(&self, position: usize) -> MutexGuard<'_, ()> {
        self.places[position].changing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The honest nodes that take part, with their positions.
    fn running(&self) -> impl Iterator<Item = (usize, Node)> + '_ {
        let honest = (0..self.n_nodes()).filter(|node| !self.byzantines.is_byzantine(*node));
        let nodes = honest.map(|position| (position, self.at(position)));
        nodes.filter(|(_, node)| node.state() == NodeState::Running && !node.is_paused())
    }

    /// The position of the first honest node that takes part.
    fn first_running(&self) -> Result<usize, NodeError> {
        let first = self.running().next().map(|(position, _)| position);
        first.ok_or_else(|| self.none_takes_part())
    }

    /// The first honest node that takes part.
    fn gateway(&self) -> Result<Node, NodeError> {
        self.first_running().map(|position| self.at(position))
    }

    fn none_takes_part(&self) -> NodeError {
        self.check_open().err().unwrap_or(NodeError::NoneTakesPart)
    }
}

impl std::fmt::Debug for LocalNet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let heights: Vec<u64> = self.heights().into_iter().map(|height| height.0).collect();
        f.debug_struct("LocalNet").field("heights", &heights).finish_non_exhaustive()
    }
}

impl Drop for LocalNet {
    fn drop(&mut self) {
        if let Err(error) = self.close(CLOSE_MAX) {
            tracing::warn!(%error, "a dropped net goes on closing");
        }
    }
}

/// What it takes to open a node.
struct Opener<'a> {
    config: &'a LocalNetConfig,
    chain: &'a Chain,
    switch: &'a Arc<Switch>,
    byzantines: &'a Arc<Byzantines>,
    verified: Option<&'a Arc<VerifiedCache>>,
    directory: &'a Directory,
}

impl Opener<'_> {
    fn open(
        &self,
        position: usize,
        keys: &KeyPair,
        disk: Option<&MemoryDisk>,
    ) -> Result<Node, NodeError> {
        let mut config = self.config.node(self.chain.genesis());
        config.masternode_key = Some(keys.clone());
        config.data_dir = self.directory.of_node(position);
        config.check()?;
        let opened = match disk {
            Some(disk) => MemoryStorage::open(disk, self.chain)?,
            None => open_store(&config, self.chain)?,
        };
        let line = Arc::new(Line { switch: Arc::clone(self.switch), from: position });
        let outlet = |way| {
            let byzantines = Arc::clone(self.byzantines);
            let outlet = Arc::new(Outlet { way, node: position, byzantines });
            self.byzantines.speak_through(position, &outlet);
            outlet
        };
        let mut outside = match self.config.transport {
            LocalTransport::Memory => Outside::of(outlet(Way::Memory(line))),
            LocalTransport::Tcp => {
                let outside = Outside::configured(&config, self.chain, Some(line))?;
                Outside { peers: outlet(Way::Sockets(Arc::clone(&outside.peers))), ..outside }
            }
        };
        if let Some(verified) = self.verified {
            outside.verified = Arc::clone(verified);
        }
        Node::open_on(config, self.chain.clone(), opened, outside)
    }
}

/// How long the nodes of a net have to connect.
const CONNECT_MAX: Duration = Duration::from_secs(60);

/// Between two looks at whether they have.
const CONNECT_LOOK: Duration = Duration::from_millis(1);

/// How long dropping a net waits.
const CLOSE_MAX: Duration = Duration::from_secs(30);

/// Transactions whose signatures were verified by some node of a net, where they share that.
const SHARED_VERIFIED_BYTES_MAX: usize = 128_000_000;
