//! What the peers of a bootstrap find: a node with nothing but the genesis.

use std::sync::Arc;

use crate::engine::input::PeerId;
use crate::ledger::state::LedgerState;
use crate::ledger::view::OutputPage;
use crate::network::{Host, NetworkEvent, PeerTip};
use crate::node::clock::Clock;
use crate::params::Chain;
use crate::sync::headers::{Anchor, HeaderPage};
use crate::types::chain::{Epoch, Height, Timestamp};
use crate::types::hash::{Txid, Wtxid};
use crate::types::masternode_set::MasternodeSet;
use crate::types::message::{Decided, Message};
use crate::types::transaction::{OutPoint, Transaction};

pub(super) struct Newcomer {
    pub(super) chain: Chain,
    pub(super) clock: Arc<Clock>,
    pub(super) genesis: Arc<LedgerState>,
}

impl Host for Newcomer {
    fn receive_bytes(&self, _from: PeerId, _message: Vec<u8>) {}

    fn receive(&self, _from: PeerId, _message: Message) {}

    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    fn tip(&self) -> PeerTip {
        let tip = &self.genesis.tip;
        let utxo_commitment = self.genesis.utxo_set.commitment();
        PeerTip { height: tip.height, hash: tip.hash, utxo_commitment }
    }

    fn masternodes(&self) -> MasternodeSet {
        self.genesis.masternodes.clone()
    }

    fn verifiable(&self) -> Height {
        Height::ZERO
    }

    fn epoch_of(&self, height: Height) -> Epoch {
        self.chain.params().epoch_of(height)
    }

    fn transaction(&self, _txid: &Txid) -> Option<Arc<Transaction>> {
        None
    }

    fn pending(&self, _n_max: usize) -> Vec<Txid> {
        Vec::new()
    }

    /// Nothing is to be fetched but what the snapshot asks for.
    fn is_known(&self, _txid: &Txid) -> bool {
        true
    }

    fn verified(&self, _wtxid: &Wtxid) -> Option<Arc<Transaction>> {
        None
    }

    fn anchor(&self) -> Anchor {
        let tip = &self.genesis.tip;
        let masternodes = self.genesis.masternodes.clone();
        Anchor { height: tip.height, hash: tip.hash, masternodes }
    }

    fn headers(&self, _from: Height, _n_max: u16, _bytes_max: usize) -> HeaderPage {
        HeaderPage::default()
    }

    fn blocks(&self, _from: Height, _n_max: u16, _bytes_max: usize) -> Vec<Decided> {
        Vec::new()
    }

    fn first_block(&self) -> Height {
        Height::ZERO.next()
    }

    fn outputs(&self, _after: Option<&OutPoint>, _n_max: usize) -> Option<OutputPage> {
        None
    }

    fn state(&self) -> Arc<LedgerState> {
        Arc::clone(&self.genesis)
    }

    fn tell(&self, event: NetworkEvent) {
        tracing::debug!(?event, "bootstrap");
    }
}
