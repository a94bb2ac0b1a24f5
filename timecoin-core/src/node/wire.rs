//! A node and its network: each as the other sees it.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Weak};

use super::Node;
use super::config::Config;
use super::error::NodeError;
use super::event::NodeEventKind;
use super::parcel::Parcel;
use super::peers::Peers;
use super::receive::{Line, Receiver};
use super::shared::Shared;
use crate::engine::input::PeerId;
use crate::engine::output::To;
use crate::engine::verify::MessageError;
use crate::ledger::state::LedgerState;
use crate::ledger::view::OutputPage;
use crate::network::{
    Host, Network, NetworkEvent, NetworkSettings, PeerInfo, PeerTarget, PeerTip, Shaper,
};
use crate::params::Chain;
use crate::peers::PeerLimits;
use crate::storage::StorageError;
use crate::sync::SyncLimits;
use crate::sync::headers::{Anchor, HeaderLink, HeaderPage};
use crate::types::certificate::CommitCertificate;
use crate::types::chain::{Epoch, Height, Timestamp};
use crate::types::encode::encoded_len;
use crate::types::hash::{Txid, Wtxid};
use crate::types::keys::{KeyPair, PublicKey};
use crate::types::masternode_set::MasternodeSet;
use crate::types::message::{Decided, Message};
use crate::types::transaction::{OutPoint, Transaction};

/// A network, as the node sends through it.
pub(super) struct Wire(pub(super) Arc<Network>);

impl Peers for Wire {
    fn send(&self, to: To, message: Message) {
        self.0.send(&to, &message);
    }

    fn on_misbehavior(&self, from: PeerId, error: &MessageError) {
        self.0.on_misbehavior(&from, error);
    }

    fn on_pending(&self, txid: &Txid) {
        self.0.on_transaction(txid);
    }

    fn on_block(&self) {
        self.0.on_block();
    }

    fn on_verified(&self, from: PeerId, message: &[u8]) {
        self.0.on_message(&from, message);
    }
}

/// A node, as its network sees it. It keeps nothing alive: a node that is gone answers with what
/// every chain begins with.
pub(super) struct Served {
    pub(super) shared: Weak<Shared>,
    pub(super) receiver: Weak<Receiver>,
    pub(super) genesis: LedgerState,
}

/// What is read for a peer, and the bytes that it counts as; none where there is no such block.
type Read<T> = Result<Option<(usize, T)>, StorageError>;

impl Served {
    fn receive(&self, line: Line, from: PeerId, parcel: Parcel) {
        let Some(receiver) = self.receiver.upgrade() else { return };
        if let Err(error) = receiver.receive(line, from, Arc::new(parcel)) {
            tracing::trace!(%error, "a peer's message is lost");
        }
    }

    fn state(&self) -> Arc<LedgerState> {
        let state = self.shared.upgrade().map(|shared| shared.storage.state());
        state.unwrap_or_else(|| Arc::new(self.genesis.clone()))
    }

    /// What `read` makes of decided blocks, with the bytes that it counts as, from a height on: up
    /// to a number, and to so many bytes but for the first.
    fn served<T>(
        &self,
        from: Height,
        n_max: u16,
        bytes_max: usize,
        read: impl Fn(&Shared, Height) -> Read<T>,
    ) -> impl Iterator<Item = T> {
        let shared = self.shared.upgrade();
        let (mut n_read, mut bytes) = (0, 0);
        (from.0..).map(Height).take(usize::from(n_max)).map_while(move |height| {
            let (size, item) = match read(shared.as_deref()?, height) {
                Ok(found) => found?,
                Err(error) => {
                    tracing::warn!(%error, %height, "a block for a peer can't be read");
                    return None;
                }
            };
            (n_read, bytes) = (n_read + 1, bytes + size);
            (n_read == 1 || bytes <= bytes_max).then_some(item)
        })
    }
}

impl Host for Served {
    fn receive_bytes(&self, from: PeerId, message: Vec<u8>) {
        self.receive(Line::Peer(from), from, Parcel::of_bytes(message));
    }

    fn receive(&self, from: PeerId, message: Message) {
        // A block that comes as a value is one that a sync has put in order.
        let is_synced = matches!(message, Message::Decided(_));
        let line = if is_synced { Line::Sync } else { Line::Peer(from) };
        Served::receive(self, line, from, Parcel::of(message));
    }

    fn now(&self) -> Timestamp {
        self.shared.upgrade().map_or(Timestamp(0), |shared| shared.clock.now())
    }

    fn tip(&self) -> PeerTip {
        let state = self.state();
        PeerTip {
            height: state.tip.height,
            hash: state.tip.hash,
            utxo_commitment: state.utxo_set.commitment(),
        }
    }

    fn masternodes(&self) -> MasternodeSet {
        self.state().masternodes.clone()
    }

    fn verifiable(&self) -> Height {
        let Some(shared) = self.shared.upgrade() else { return Height::ZERO };
        let next = shared.storage.state().next_height();
        shared.chain.params().epoch_end(next)
    }

    fn epoch_of(&self, height: Height) -> Epoch {
        let shared = self.shared.upgrade();
        shared.map_or(Epoch::ZERO, |shared| shared.chain.params().epoch_of(height))
    }

    fn transaction(&self, txid: &Txid) -> Option<Arc<Transaction>> {
        let shared = self.shared.upgrade()?;
        let (transaction, _) = shared.published.transaction(txid)?;
        shared.published.is_live(txid).then_some(transaction)
    }

    fn pending(&self, n_max: usize) -> Vec<Txid> {
        let shared = self.shared.upgrade();
        shared.map_or_else(Vec::new, |shared| shared.published.pending(n_max))
    }

    fn is_known(&self, txid: &Txid) -> bool {
        self.shared.upgrade().is_none_or(|shared| shared.published.status(txid).is_some())
    }

    fn verified(&self, wtxid: &Wtxid) -> Option<Arc<Transaction>> {
        let shared = self.shared.upgrade()?;
        shared.verified.get(wtxid).map(|verified| verified.transaction().clone())
    }

    fn blocks(&self, from: Height, n_max: u16, bytes_max: usize) -> Vec<Decided> {
        let read = |shared: &Shared, height| {
            let decided = shared.storage.block(height)?;
            Ok(decided.map(|decided| (encoded_len(&decided), decided)))
        };
        self.served(from, n_max, bytes_max, read).collect()
    }

    fn anchor(&self) -> Anchor {
        let state = self.state();
        let (height, hash) = (state.tip.height, state.tip.hash);
        Anchor { height, hash, masternodes: state.masternodes.clone() }
    }

    fn headers(&self, from: Height, n_max: u16, bytes_max: usize) -> HeaderPage {
        let mut page = HeaderPage::default();
        for (link, certificate) in self.served(from, n_max, bytes_max, header_link) {
            page.links.push(link);
            page.certificate = Some(certificate);
        }
        page
    }

    fn first_block(&self) -> Height {
        let shared = self.shared.upgrade();
        shared.map_or(Height(1), |shared| shared.storage.first_block())
    }

    fn outputs(&self, after: Option<&OutPoint>, n_max: usize) -> Option<OutputPage> {
        let page = self.shared.upgrade()?.storage.outputs(after, n_max);
        page.inspect_err(|error| tracing::warn!(%error, "outputs for a peer can't be read")).ok()
    }

    fn state(&self) -> Arc<LedgerState> {
        Served::state(self)
    }

    fn tell(&self, event: NetworkEvent) {
        if let Some(shared) = self.shared.upgrade() {
            shared.publish(|| NodeEventKind::from(event));
        }
    }
}

/// A header and the proof of its block; it counts as what is read for it.
fn header_link(shared: &Shared, height: Height) -> Read<(HeaderLink, CommitCertificate)> {
    let Some(Decided { block, certificate }) = shared.storage.block(height)? else {
        return Ok(None);
    };
    let next_members = if block.header.changes_set() {
        let Some(set) = shared.storage.next_set(height)? else { return Ok(None) };
        Some(set.members().to_vec())
    } else {
        None
    };
    let bytes = encoded_len(&(&block, &certificate, &next_members));
    let link = HeaderLink { header: block.header.clone(), next_members };
    Ok(Some((bytes, (link, certificate))))
}

impl From<NetworkEvent> for NodeEventKind {
    fn from(event: NetworkEvent) -> Self {
        match event {
            NetworkEvent::PeerConnected { key, address, is_inbound } => {
                NodeEventKind::PeerConnected { key, address, is_inbound }
            }
            NetworkEvent::PeerDisconnected { key, reason } => {
                NodeEventKind::PeerDisconnected { key, reason: reason.into() }
            }
            NetworkEvent::PeerBanned { key, address, until } => {
                NodeEventKind::PeerBanned { key, address, until }
            }
            NetworkEvent::ClockOffset { offset_ms, is_withholding } => {
                NodeEventKind::ClockOffset { offset_ms, is_withholding }
            }
            NetworkEvent::SyncProgress(progress) => NodeEventKind::SyncProgress {
                height: progress.height,
                target: progress.target,
                bytes: progress.bytes,
                n_peers: progress.n_peers,
            },
        }
    }
}

/// Opens the network that a configuration asks for, if it asks for one.
pub(super) fn open_network(
    config: &Config,
    chain: &Chain,
    shaper: Option<Arc<dyn Shaper>>,
) -> Result<Option<Arc<Network>>, NodeError> {
    if config.listen.is_none() && config.peers.is_empty() {
        return Ok(None);
    }
    let network = bind(config, chain, config.listen, shaper)?;
    Ok(Some(Arc::new(network)))
}

/// A network that listens there, or nowhere.
pub(super) fn bind(
    config: &Config,
    chain: &Chain,
    listen: Option<SocketAddr>,
    shaper: Option<Arc<dyn Shaper>>,
) -> Result<Network, NodeError> {
    let keys = match (&config.masternode_key, &config.node_key) {
        (Some(keys), _) | (None, Some(keys)) => keys.clone(),
        (None, None) => kept_key(config.data_dir.as_deref())?,
    };
    let is_regtest = chain.network() == crate::types::address::Network::Regtest;
    let limits = PeerLimits {
        inbound_max: config.inbound_max,
        outbound_max: config.outbound_max,
        private_addresses: config.private_addresses.unwrap_or(is_regtest),
        ..PeerLimits::default()
    };
    let settings = NetworkSettings {
        listen,
        bootstrap: config.peers.clone(),
        book: config.data_dir.as_ref().map(|dir| dir.join("peers")),
        limits,
        sync: SyncLimits::default(),
        drift_ms_max: chain.params().clock_drift_ms_max,
    };
    Network::bind(settings, *chain.id(), keys, shaper).map_err(|error| {
        let address = listen.map_or_else(String::new, |address| address.to_string());
        NodeError::CannotListen { address, reason: error.to_string() }
    })
}

/// The node key of a directory, made with it; of no directory, one for this life.
fn kept_key(dir: Option<&Path>) -> Result<KeyPair, NodeError> {
    let Some(path) = dir.map(|dir| dir.join("node_key")) else { return Ok(KeyPair::generate()?) };
    let io = |error: std::io::Error| NodeError::InvalidArgument {
        what: "node_key",
        reason: format!("{}: {error}", path.display()),
    };
    match std::fs::read_to_string(&path) {
        Ok(text) => {
            let secret = super::secret_from_text(text.trim())?;
            Ok(KeyPair::from(secret))
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            use std::io::Write;
            use std::os::unix::fs::OpenOptionsExt;
            let keys = KeyPair::generate()?;
            let mut options = std::fs::OpenOptions::new();
            let file = options.write(true).create_new(true).mode(0o600).open(&path);
            let text = super::secret_to_text(&keys.secret());
            file.and_then(|mut file| file.write_all(text.as_bytes())).map_err(io)?;
            Ok(keys)
        }
        Err(error) => Err(io(error)),
    }
}

impl Node {
    /// Where it listens, with the port that it got; none where it does not.
    pub fn listen_address(&self) -> Option<SocketAddr> {
        self.peering().and_then(|network| network.listens())
    }

    /// Its node key, by which peers know it; none where it has no network.
    pub fn node_key(&self) -> Option<PublicKey> {
        self.peering().map(|network| network.key())
    }

    /// The peers that are connected, ascending by key. Any thread may ask often.
    pub fn peers(&self) -> Vec<PeerInfo> {
        self.peering().map(|network| network.peers()).unwrap_or_default()
    }

    /// Dials a peer, now and whenever its connection ends: `key@host:port`, with an address for
    /// a host.
    ///
    /// # Errors
    /// [`NodeError::InvalidArgument`] where the text is no such peer, or the node has no network.
    pub fn connect(&self, peer: &str) -> Result<(), NodeError> {
        let refuse =
            |reason: &str| NodeError::InvalidArgument { what: "peer", reason: reason.to_owned() };
        let network = self.peering().ok_or_else(|| {
            refuse("the node has no network: set listen or peers in its configuration")
        })?;
        let target: PeerTarget = peer.parse().map_err(|_| refuse("not key@host:port"))?;
        let key = target.key.ok_or_else(|| refuse("it names no key: key@host:port"))?;
        let address = target.host.parse().map_err(|_| refuse("the host is no address"))?;
        network.connect(address, key);
        Ok(())
    }

    /// A peer that dials this node is to be dialled there from now on, should it be lost.
    pub(crate) fn expect(&self, key: &PublicKey, address: SocketAddr) {
        if let Some(network) = self.peering() {
            network.expect(address, *key);
        }
    }

    /// Ends the connection to a peer and says whether there was one. It may come again.
    pub fn disconnect(&self, key: &PublicKey) -> bool {
        self.peering().is_some_and(|network| network.disconnect(key))
    }
}
