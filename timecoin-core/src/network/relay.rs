//! What goes from peer to peer: messages that this node sends, transactions by inventory, and
//! what it heard for those who are not connected to its sender.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};

use super::dispatch::{class_of_message, relayed_class};
use super::error::PeerError;
use super::frame::Frame;
use super::packet::{MESSAGE, Packet};
use super::peer::Peer;
use super::{Network, Shared, lock};
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
    /// How many of them each peer named first.
    named: HashMap<PeerId, usize>,
}

impl Relay {
    /// Whether `peer` may name one more that is not here: nobody fills the table for others.
    fn is_free(&self, peer: &PeerId, is_masternode: bool) -> bool {
        let n_max = if is_masternode { WANTED_MAX } else { WANTED_PER_PEER_MAX };
        let is_full = self.wanted.len() >= WANTED_MAX && !is_masternode;
        !is_full && self.named.get(peer).is_none_or(|n_named| *n_named < n_max)
    }

    fn want(&mut self, txid: Txid, peer: PeerId, now: Timestamp) {
        *self.named.entry(peer).or_default() += 1;
        self.wanted.insert(txid, Wanted { asked: now, first: peer, others: Vec::new() });
    }

    fn forget(&mut self, txid: &Txid) {
        if let Some(wanted) = self.wanted.remove(txid) {
            release(&mut self.named, &wanted.first);
        }
    }

    /// What nobody brought in time, by the peers to ask next.
    fn due(&mut self, now: Timestamp) -> Vec<(PeerId, Vec<Txid>)> {
        let Relay { wanted, named, .. } = self;
        let mut asked: HashMap<PeerId, Vec<Txid>> = HashMap::default();
        wanted.retain(|txid, wanted| {
            if now.since(wanted.asked) < ANSWER_MAX {
                return true;
            }
            let Some(next) = wanted.others.pop() else {
                release(named, &wanted.first);
                return false;
            };
            wanted.asked = now;
            asked.entry(next).or_default().push(*txid);
            true
        });
        let mut asked: Vec<_> = asked.into_iter().collect();
        asked.sort_unstable();
        asked
    }
}

fn release(named: &mut HashMap<PeerId, usize>, peer: &PeerId) {
    if let Some(n_named) = named.get_mut(peer) {
        *n_named -= 1;
        if *n_named == 0 {
            named.remove(peer);
        }
    }
}

/// A transaction that this node has asked for.
struct Wanted {
    asked: Timestamp,
    /// Who named it first, in whose part of the table it is.
    first: PeerId,
    /// Others who have it, should the one that was asked not answer.
    others: Vec<PeerId>,
}

impl Default for Relay {
    fn default() -> Self {
        let seen = SeenCache::new(SEEN_MAX);
        Relay { seen, wanted: HashMap::default(), named: HashMap::default() }
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
        lock(&shared.relay).forget(txid);
        let mut is_told = false;
        for peer in shared.all_peers() {
            let mut state = peer.state();
            if state.knows(txid) && state.announced.len() < IDS_MAX {
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
        shared.say_to(&shared.all_peers(), Class::Control, &Packet::Tip(host.tip()));
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
        if peers.is_empty() || !lock(&shared.relay).seen.insert(hash(Tag::Message, message)) {
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

    /// A peer sent what no honest node can have sent. It may be gone by then; what it brought
    /// is fetched from others all the same.
    pub fn on_misbehavior(&self, from: &PeerId, error: &MessageError) {
        let Some(host) = self.0.host.get() else { return };
        lock(&self.0.sync).on_bad_block(from, host.now());
        self.0.fetching.notify_one();
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
            peer.state().knows(&transaction.txid());
        }
        peer.send(class_of_message(message), frame(message));
    }

    pub(super) fn send_to_all(&self, message: &Message) {
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
            if txid.is_none_or(|txid| peer.state().lacks(txid)) {
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
                state.knows(txid);
            });
            drop(state);
            self.say(peer, Class::Control, &Packet::Pending(pending));
        }
        self.send_ping(peer);
        self.say(peer, Class::Control, &Packet::GetAddresses);
    }

    pub(super) fn on_inventory(&self, peer: &Peer, txids: &[Txid]) -> Result<(), PeerError> {
        let missing = self.missing(peer, txids)?;
        if missing.is_empty() {
            return Ok(());
        }
        let now = self.host().now();
        let is_masternode = self.is_masternode(&peer.key);
        let mut asked = Vec::new();
        {
            let relay = &mut lock(&self.relay);
            for txid in missing {
                if let Some(wanted) = relay.wanted.get_mut(&txid) {
                    let is_new = wanted.first != peer.key && !wanted.others.contains(&peer.key);
                    if is_new && wanted.others.len() < OTHERS_MAX {
                        wanted.others.push(peer.key);
                    }
                } else if relay.is_free(&peer.key, is_masternode) {
                    relay.want(txid, peer.key, now);
                    asked.push(txid);
                }
            }
        }
        self.ask_for(peer, asked);
        Ok(())
    }

    /// What was pending there when the connection began; the engine there answers with
    /// certificates, but not with any number at once, so they are asked for bit by bit. Once for
    /// each connection: one packet makes up to 40 questions.
    pub(super) fn on_pending(&self, peer: &Peer, txids: &[Txid]) -> Result<(), PeerError> {
        if std::mem::replace(&mut peer.state().has_told_pending, true) {
            return Ok(());
        }
        let missing = self.missing(peer, txids)?;
        peer.state().pending = missing;
        self.ask_for_pending(peer);
        Ok(())
    }

    /// The next of what was pending there and has not come another way.
    fn ask_for_pending(&self, peer: &Peer) {
        if peer.state().pending.is_empty() {
            return;
        }
        let quorum = self.host().masternodes().quorum();
        let n_max =
            (CERTIFICATES_ASKED_BYTES / (quorum * PROOF_BYTES)).clamp(1, CERTIFIED_ASKED_MAX);
        let mut asked = Vec::new();
        {
            let pending = &mut peer.state().pending;
            while asked.len() < n_max
                && let Some(txid) = pending.pop()
            {
                if !self.host().is_known(&txid) {
                    asked.push(txid);
                }
            }
        }
        if !asked.is_empty() {
            self.send_to(peer, &Message::Request(Request::Transactions(asked)));
        }
    }

    fn missing(&self, peer: &Peer, txids: &[Txid]) -> Result<Vec<Txid>, PeerError> {
        if txids.len() > IDS_MAX {
            return Err(PeerError::Misbehavior(Misbehavior::Undecodable));
        }
        let mut state = peer.state();
        txids.iter().for_each(|txid| {
            state.knows(txid);
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
        let due = lock(&self.relay).due(self.host().now());
        for (key, mut txids) in due {
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
    let mut looked = Instant::now();
    loop {
        let is_told = timeout(ANSWER_MAX, shared.telling.notified()).await.is_ok();
        if looked.elapsed() >= ANSWER_MAX {
            looked = Instant::now();
            shared.ask_again();
            shared.all_peers().iter().for_each(|peer| shared.ask_for_pending(peer));
        }
        if !is_told {
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

/// Transactions that are asked for at a time; those that masternodes name are not counted out.
const WANTED_MAX: usize = 50_000;

/// Those of one peer that is no masternode: a full inventory.
const WANTED_PER_PEER_MAX: usize = IDS_MAX;

/// Peers that are remembered as having one.
const OTHERS_MAX: usize = 4;

/// Transactions in one question.
const ASKED_MAX: usize = 1_000;

/// As many as the engine answers at once.
const CERTIFIED_ASKED_MAX: usize = 256;

/// Bytes of certificates that are asked for at once: half of those with which the engine answers
/// one peer in a while.
const CERTIFICATES_ASKED_BYTES: usize = 1_000_000;

/// A vote in a certificate, at most: a path of ten hashes, a signature, and who signed.
const PROOF_BYTES: usize = 400;

/// How long an answer may take before another peer is asked.
const ANSWER_MAX: Duration = Duration::from_secs(1);

/// How long what is told gathers.
const GATHER: Duration = Duration::from_millis(1);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::keys::KeyPair;

    fn peer(n: u8) -> PeerId {
        KeyPair::from_seed(&[n]).public()
    }

    fn txid(n: usize) -> Txid {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&(n as u64).to_be_bytes());
        Txid::from_bytes(bytes)
    }

    #[test]
    fn one_peer_fills_its_own_part_of_the_table_only() {
        let mut relay = Relay::default();
        let mut n_wanted = 0;
        while relay.is_free(&peer(1), false) {
            relay.want(txid(n_wanted), peer(1), Timestamp(0));
            n_wanted += 1;
        }
        assert_eq!(n_wanted, WANTED_PER_PEER_MAX);
        assert!(relay.is_free(&peer(2), false));
        relay.forget(&txid(0));
        assert!(relay.is_free(&peer(1), false));
    }

    #[test]
    fn strangers_leave_room_for_masternodes() {
        let mut relay = Relay::default();
        (0..WANTED_MAX).for_each(|n| {
            relay.want(txid(n), peer(u8::try_from(n / 10_000).unwrap()), Timestamp(0))
        });
        assert!(!relay.is_free(&peer(9), false) && relay.is_free(&peer(9), true));
    }

    #[test]
    fn what_does_not_come_is_asked_of_others_and_then_forgotten() {
        let mut relay = Relay::default();
        relay.want(txid(1), peer(1), Timestamp(0));
        relay.wanted.get_mut(&txid(1)).unwrap().others.push(peer(2));
        assert!(relay.due(Timestamp(999)).is_empty());
        assert_eq!(relay.due(Timestamp(1_000)), [(peer(2), vec![txid(1)])]);
        assert!(relay.due(Timestamp(1_500)).is_empty());
        assert!(relay.due(Timestamp(2_000)).is_empty());
        assert!(relay.wanted.is_empty() && relay.named.is_empty());
    }
}
