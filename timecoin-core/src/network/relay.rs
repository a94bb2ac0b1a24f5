//! What goes from peer to peer: messages that this node sends, transactions by inventory, and
//! what it heard for those who are not connected to its sender.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::{sleep, timeout};

use super::dispatch::{class_of_message, relayed_class};
use super::error::PeerError;
use super::frame::Frame;
use super::packet::{MESSAGE, Packet};
use super::peer::Peer;
use super::{Network, Shared};
use crate::engine::input::PeerId;
use crate::engine::output::To;
use crate::engine::verify::MessageError;
use crate::peers::rate::Class;
use crate::peers::score::Misbehavior;
use crate::peers::seen::SeenCache;
use crate::types::chain::Timestamp;
use crate::types::encode::encode_into;
use crate::types::hash::{Hash256, Tag, Txid, hash};
use crate::types::map::HashMap;
use crate::types::message::{IDS_MAX, Message, Request};

/// What was relayed, and what is asked for.
pub(super) struct Relay {
    seen: SeenCache<Hash256>,
    wanted: HashMap<Txid, Wanted>,
}

/// A transaction that this node has asked for.
struct Wanted {
    asked: Timestamp,
    /// Others who have it, should the one that was asked not answer.
    others: Vec<PeerId>,
}

impl Default for Relay {
    fn default() -> Self {
        Relay { seen: SeenCache::new(SEEN_MAX), wanted: HashMap::default() }
    }
}

impl Network {
    /// Sends a message of this node. It never waits; what does not fit is lost.
    pub fn send(&self, to: &To, message: &Message) {
        let shared = &self.0;
        if shared.host.get().is_none() || shared.withholds(message) {
            return;
        }
        match to {
            To::Peer(key) => {
                if let Some(peer) = shared.peer(key) {
                    shared.send_to(&peer, message);
                }
            }
            To::All => shared.send_to_all(message),
        }
    }

    /// A transaction is in this node's mempool that was not there.
    pub fn on_transaction(&self, txid: &Txid) {
        let shared = &self.0;
        shared.lock(&shared.relay).wanted.remove(txid);
        let mut is_told = false;
        for peer in shared.all_peers() {
            let mut state = peer.state();
            if state.known.insert(*txid) && state.announced.len() < IDS_MAX {
                state.announced.push(*txid);
                is_told = true;
            }
        }
        if is_told {
            shared.telling.notify_one();
        }
    }

    /// A block is decided.
    pub fn on_block(&self) {
        let shared = &self.0;
        let Some(host) = shared.host.get() else { return };
        let tip = Packet::Tip(host.tip());
        for peer in shared.all_peers() {
            shared.say(&peer, Class::Control, &tip);
        }
        shared.fetching.notify_one();
    }

    /// A message of a peer holds. Who may not have heard it from its author hears it from here:
    /// masternodes are connected with each other, so a masternode tells the others.
    pub fn on_message(&self, from: &PeerId, message: &[u8]) {
        let shared = &self.0;
        let Some(class) = message.first().and_then(|kind| relayed_class(*kind)) else { return };
        let Some(host) = shared.host.get() else { return };
        let masternodes = host.masternodes();
        let is_masternode = masternodes.index_of(&shared.keys.public()).is_some();
        let hears_all = |peer: &Peer| is_masternode && masternodes.index_of(&peer.key).is_some();
        let mut peers = shared.all_peers();
        peers.retain(|peer| peer.key != *from && !hears_all(peer));
        if peers.is_empty() || !shared.lock(&shared.relay).seen.insert(hash(Tag::Trace, message)) {
            return;
        }
        let mut bytes = Vec::with_capacity(1 + message.len());
        bytes.push(MESSAGE);
        bytes.extend_from_slice(message);
        let frame: Frame = bytes.into();
        for peer in peers {
            peer.send(class, Arc::clone(&frame));
        }
    }

    /// A peer sent what no honest node can have sent.
    pub fn on_misbehavior(&self, from: &PeerId, error: &MessageError) {
        if let Some(peer) = self.0.peer(from) {
            self.0.on_bad_message(&peer, error);
        }
    }
}

impl Shared {
    /// Whether a message is signed by a clock that may be wrong.
    fn withholds(&self, message: &Message) -> bool {
        self.is_withholding.load(Ordering::Relaxed)
            && matches!(
                message,
                Message::Votes(_)
                    | Message::Ballot(_)
                    | Message::Proposal(_)
                    | Message::RoundChange(_)
            )
    }

    pub(super) fn send_to(&self, peer: &Peer, message: &Message) {
        if let Message::Transaction(transaction) = message {
            peer.state().known.insert(transaction.txid());
        }
        peer.send(class_of_message(message), frame(message));
    }

    fn send_to_all(&self, message: &Message) {
        let peers = self.all_peers();
        if peers.is_empty() {
            return;
        }
        if let Message::Proposal(proposal) = message {
            return self.send_compact(&peers, proposal);
        }
        let txid = match message {
            Message::Transaction(transaction) => Some(transaction.txid()),
            _ => None,
        };
        let frame = frame(message);
        for peer in peers {
            if txid.is_none_or(|txid| peer.state().known.insert(txid)) {
                peer.send(class_of_message(message), Arc::clone(&frame));
            }
        }
    }

    /// What a new peer is told at once.
    pub(super) fn greet(&self, peer: &Peer) {
        let pending = self.host().pending(IDS_MAX);
        if !pending.is_empty() {
            let mut state = peer.state();
            pending.iter().for_each(|txid| {
                state.known.insert(*txid);
            });
            drop(state);
            self.say(peer, Class::Control, &Packet::Pending(pending));
        }
        self.send_ping(peer);
        self.say(peer, Class::Control, &Packet::GetAddresses);
    }

    pub(super) fn on_inventory(&self, peer: &Peer, txids: &[Txid]) -> Result<(), PeerError> {
        let missing = self.missing(peer, txids)?;
        let now = self.host().now();
        let mut asked = Vec::new();
        {
            let wanted = &mut self.lock(&self.relay).wanted;
            for txid in missing {
                let n_wanted = wanted.len();
                match wanted.get_mut(&txid) {
                    Some(wanted) if wanted.others.len() < OTHERS_MAX => {
                        wanted.others.push(peer.key);
                    }
                    Some(_) => {}
                    None if n_wanted < WANTED_MAX => {
                        wanted.insert(txid, Wanted { asked: now, others: Vec::new() });
                        asked.push(txid);
                    }
                    None => {}
                }
            }
        }
        self.ask_for(peer, asked);
        Ok(())
    }

    /// What was pending there when the connection began; the engine there answers with
    /// certificates.
    pub(super) fn on_pending(&self, peer: &Peer, txids: &[Txid]) -> Result<(), PeerError> {
        let missing = self.missing(peer, txids)?;
        for some in missing.chunks(CERTIFIED_ASKED_MAX) {
            self.send_to(peer, &Message::Request(Request::Transactions(some.to_vec())));
        }
        Ok(())
    }

    fn missing(&self, peer: &Peer, txids: &[Txid]) -> Result<Vec<Txid>, PeerError> {
        if txids.len() > IDS_MAX {
            return Err(PeerError::Misbehavior(Misbehavior::Undecodable));
        }
        let mut state = peer.state();
        txids.iter().for_each(|txid| {
            state.known.insert(*txid);
        });
        drop(state);
        Ok(txids.iter().filter(|txid| !self.host().is_known(txid)).copied().collect())
    }

    fn ask_for(&self, peer: &Peer, txids: Vec<Txid>) {
        for some in txids.chunks(ASKED_MAX) {
            self.say(peer, Class::Control, &Packet::GetTransactions(some.to_vec()));
        }
    }

    /// Asks others for what the first did not bring.
    fn ask_again(&self) {
        let now = self.host().now();
        let mut asked: Vec<(PeerId, Vec<Txid>)> = Vec::new();
        let is_due = |wanted: &Wanted| now.since(wanted.asked) >= ANSWER_MAX;
        self.lock(&self.relay).wanted.retain(|txid, wanted| {
            if !is_due(wanted) {
                return true;
            }
            let Some(next) = wanted.others.pop() else { return false };
            wanted.asked = now;
            match asked.iter_mut().find(|(peer, _)| *peer == next) {
                Some((_, txids)) => txids.push(*txid),
                None => asked.push((next, vec![*txid])),
            }
            true
        });
        for (key, mut txids) in asked {
            txids.sort_unstable();
            if let Some(peer) = self.peer(&key) {
                self.ask_for(&peer, txids);
            }
        }
    }
}

/// Tells peers of transactions, which gather for a moment, and asks again for those that did not
/// come.
pub(super) async fn tell(shared: Arc<Shared>) {
    loop {
        let is_told = timeout(ANSWER_MAX, shared.telling.notified()).await.is_ok();
        if !is_told {
            shared.ask_again();
            continue;
        }
        sleep(GATHER).await;
        for peer in shared.all_peers() {
            let announced = std::mem::take(&mut peer.state().announced);
            if !announced.is_empty() {
                shared.say(&peer, Class::Control, &Packet::Inventory(announced));
            }
        }
    }
}

/// The frame of a message.
fn frame(message: &Message) -> Frame {
    let mut bytes = vec![MESSAGE];
    encode_into(message, &mut bytes);
    bytes.into()
}

/// Messages that are remembered as relayed.
const SEEN_MAX: usize = 50_000;

/// Transactions that are asked for at a time.
const WANTED_MAX: usize = 50_000;

/// Peers that are remembered as having one.
const OTHERS_MAX: usize = 4;

/// Transactions in one question.
const ASKED_MAX: usize = 1_000;

/// As many as the engine answers at once.
const CERTIFIED_ASKED_MAX: usize = 256;

/// How long an answer may take before another peer is asked.
const ANSWER_MAX: Duration = Duration::from_secs(1);

/// How long what is told gathers.
const GATHER: Duration = Duration::from_millis(1);
