//! What a network needs of the node that it serves.

use std::sync::Arc;

use super::packet::PeerTip;
use crate::engine::input::PeerId;
use crate::ledger::state::LedgerState;
use crate::ledger::view::OutputPage;
use crate::sync::Progress;
use crate::sync::headers::{Anchor, HeaderPage};
use crate::types::chain::{Epoch, Height, Timestamp};
use crate::types::hash::{Txid, Wtxid};
use crate::types::keys::PublicKey;
use crate::types::masternode_set::MasternodeSet;
use crate::types::message::{Decided, Message};
use crate::types::transaction::{OutPoint, Transaction};

/// The node that a network serves. No call waits, but [`Host::blocks`], [`Host::headers`] and
/// [`Host::outputs`].
pub trait Host: Send + Sync {
    /// The bytes of a message of a peer, with nothing checked.
    fn receive_bytes(&self, from: PeerId, message: Vec<u8>);

    /// A message of a peer, with nothing checked but its form.
    fn receive(&self, from: PeerId, message: Message);

    /// The node's clock.
    fn now(&self) -> Timestamp;

    /// What is decided.
    fn tip(&self) -> PeerTip;

    /// The masternodes that decide.
    fn masternodes(&self) -> MasternodeSet;

    /// The last height whose certificate can be verified: the end of an epoch.
    fn verifiable(&self) -> Height;

    /// The epoch of a height.
    fn epoch_of(&self, height: Height) -> Epoch;

    /// A transaction that is neither confirmed nor refused.
    fn transaction(&self, txid: &Txid) -> Option<Arc<Transaction>>;

    /// Some of the transactions that are neither confirmed nor refused.
    fn pending(&self, n_max: usize) -> Vec<Txid>;

    /// Whether a transaction is pending, or was refused of late.
    fn is_known(&self, txid: &Txid) -> bool;

    /// A transaction by its id with signatures, if those were verified.
    fn verified(&self, wtxid: &Wtxid) -> Option<Arc<Transaction>>;

    /// The last decided block, and who decides the next: where headers are followed from.
    fn anchor(&self) -> Anchor;

    /// Headers of decided blocks, up to a number and about so many bytes of their blocks, which
    /// are read for them. It waits for the disk.
    fn headers(&self, from: Height, n_max: u16, bytes_max: usize) -> HeaderPage;

    /// Decided blocks with their certificates, up to a number and about so many bytes. It waits
    /// for the disk.
    fn blocks(&self, from: Height, n_max: u16, bytes_max: usize) -> Vec<Decided>;

    /// The first block that it has or will have.
    fn first_block(&self) -> Height;

    /// Unspent outputs behind one, up to a number, with the height of the block after which they
    /// are; none where they can't be read. It waits for the disk.
    fn outputs(&self, after: Option<&OutPoint>, n_max: usize) -> Option<OutputPage>;

    /// The ledger after the last durable block.
    fn state(&self) -> Arc<LedgerState>;

    /// Something happened.
    fn tell(&self, event: NetworkEvent);
}

/// What happened in a network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NetworkEvent {
    /// A peer is connected.
    PeerConnected {
        /// Its node key.
        key: PublicKey,
        /// Its address.
        address: std::net::SocketAddr,
        /// Whether it dialled.
        is_inbound: bool,
    },
    /// A peer is gone.
    PeerDisconnected {
        /// Its node key.
        key: PublicKey,
        /// Why.
        reason: String,
    },
    /// A peer did what no honest one does, and is not talked to for a while.
    PeerBanned {
        /// Its node key, if it had proved one.
        key: Option<PublicKey>,
        /// Its address.
        address: std::net::SocketAddr,
        /// Until when, by this node's clock.
        until: Timestamp,
    },
    /// The clocks of most peers differ from this node's.
    ClockOffset {
        /// How much they are ahead, in milliseconds; the median.
        offset_ms: i64,
        /// Whether this node sends nothing that it signs until they agree.
        is_withholding: bool,
    },
    /// The node is behind its peers and fetches blocks.
    SyncProgress(Progress),
}
