//! Questions of peers: addresses, transactions, blocks.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::Shared;
use super::compression::pack;
use super::error::PeerError;
use super::packet::{
    BLOCKS_MAX, Blocks, GetBlocks, GetHeaders, GetOutputs, HEADERS_MAX, Headers, OUTPUTS_MAX,
    Outputs, Packet,
};
use super::peer::Peer;
use crate::peers::address::PeerAddress;
use crate::peers::book::ADDRESSES_PER_MESSAGE_MAX;
use crate::peers::rate::Class;
use crate::peers::score::Misbehavior;
use crate::peers::slots::Direction;
use crate::sync::headers::HeaderPage;
use crate::types::chain::Height;
use crate::types::encode::{encode, encoded_len};
use crate::types::hash::Txid;
use crate::types::message::Message;

impl Shared {
    /// Once for each connection: who asks again has had its answer.
    pub(super) fn on_get_addresses(&self, peer: &Peer) {
        if std::mem::replace(&mut peer.state().has_addresses, true) {
            return;
        }
        let now = self.host().now();
        let mut addresses = {
            let mut core = self.core();
            let core = &mut *core;
            core.book.sample(&mut core.rng, ADDRESSES_PER_MESSAGE_MAX - 1, now)
        };
        let own = self.listens.filter(|listens| !listens.ip().is_unspecified());
        if let Some(own) = own.or_else(|| self.seen_as.load().as_deref().copied())
            && own.port() != 0
        {
            addresses.push(PeerAddress::new(Some(self.keys.public()), own, now));
        }
        self.say(peer, Class::Control, &Packet::Addresses(addresses));
    }

    pub(super) fn on_addresses(
        &self,
        peer: &Peer,
        addresses: &[PeerAddress],
    ) -> Result<(), PeerError> {
        if addresses.len() > ADDRESSES_PER_MESSAGE_MAX {
            return Err(PeerError::Misbehavior(Misbehavior::TooManyAddresses));
        }
        // Addresses are sent where they are asked for, which is once.
        if std::mem::replace(&mut peer.state().has_told_addresses, true) {
            return Ok(());
        }
        let now = self.host().now();
        self.core().book.add(peer.address.ip(), addresses, now);
        self.dialling.notify_one();
        Ok(())
    }

    /// Where an inbound peer listens is worth a line in the book.
    pub(super) fn note_listener(&self, peer: &Peer) {
        if let Some(listens) = peer.listens.filter(|_| peer.direction == Direction::Inbound) {
            let now = self.host().now();
            let address = PeerAddress::new(Some(peer.key), listens, now);
            self.core().book.add(peer.address.ip(), &[address], now);
        }
    }

    pub(super) fn on_get_transactions(&self, peer: &Peer, txids: &[Txid]) -> Result<(), PeerError> {
        if txids.len() > TRANSACTIONS_MAX {
            return Err(PeerError::Misbehavior(Misbehavior::Undecodable));
        }
        for transaction in txids.iter().filter_map(|txid| self.host().transaction(txid)) {
            if !peer.outbox().has_room_to_serve(Class::Transactions, encoded_len(&*transaction)) {
                break;
            }
            self.send_to(peer, &Message::Transaction(transaction));
        }
        Ok(())
    }

    /// Answers on a thread that may wait for the disk. Where too many are being answered, or too
    /// many of this peer's, or it has yet to read what was answered before, this one is answered
    /// with nothing: the peer asks another.
    pub(super) fn on_get_blocks(self: &Arc<Self>, peer: &Arc<Peer>, question: GetBlocks) {
        let GetBlocks { id, from, count } = question;
        let is_sane = (1..=BLOCKS_MAX).contains(&count);
        let Some(serving) = self.begin_serving(peer, from).filter(|_| is_sane) else {
            return self.say(peer, Class::Sync, &Packet::Blocks(Blocks { id, blocks: Vec::new() }));
        };
        self.tasks.spawn_blocking(move || {
            let blocks = serving.0.host().blocks(from, count, ANSWER_BYTES_MAX);
            serving.answer(pack(encode(&Packet::Blocks(Blocks { id, blocks }))));
        });
    }

    /// Answers in the same way.
    pub(super) fn on_get_headers(self: &Arc<Self>, peer: &Arc<Peer>, question: GetHeaders) {
        let GetHeaders { id, from, count } = question;
        let is_sane = (1..=HEADERS_MAX).contains(&count);
        let Some(serving) = self.begin_serving(peer, from).filter(|_| is_sane) else {
            let page = HeaderPage::default();
            return self.say(peer, Class::Sync, &Packet::Headers(Headers { id, page }));
        };
        self.tasks.spawn_blocking(move || {
            let page = serving.0.host().headers(from, count, HEADERS_READ_MAX);
            serving.answer(encode(&Packet::Headers(Headers { id, page })));
        });
    }

    /// Answers in the same way.
    pub(super) fn on_get_outputs(self: &Arc<Self>, peer: &Arc<Peer>, question: GetOutputs) {
        let GetOutputs { id, after, count } = question;
        let is_sane = (1..=OUTPUTS_MAX).contains(&count);
        let Some(serving) = self.begin_serving(peer, Height(1)).filter(|_| is_sane) else {
            return self.say(peer, Class::Sync, &Packet::Outputs(Outputs { id, page: None }));
        };
        self.tasks.spawn_blocking(move || {
            let page = serving.0.host().outputs(after.as_ref(), usize::from(count));
            serving.answer(pack(encode(&Packet::Outputs(Outputs { id, page }))));
        });
    }

    /// Answers in the same way: a state of 200 masternodes has to be encoded.
    pub(super) fn on_get_state(self: &Arc<Self>, peer: &Arc<Peer>, id: u64) {
        let Some(serving) = self.begin_serving(peer, Height(1)) else {
            return self.say(peer, Class::Sync, &Packet::State(id, None));
        };
        self.tasks.spawn_blocking(move || {
            let state = Box::new((*serving.0.host().state()).clone());
            serving.answer(pack(encode(&Packet::State(id, Some(state)))));
        });
    }

    /// Whether a question about what is decided from a height on is answered now.
    fn begin_serving(self: &Arc<Self>, peer: &Arc<Peer>, from: Height) -> Option<Serving> {
        let n_serving = self.n_serving.fetch_add(1, Ordering::SeqCst);
        let n_of_peer = peer.counts.n_serving.fetch_add(1, Ordering::SeqCst);
        let serving = Serving(Arc::clone(self), Arc::clone(peer));
        let is_free = n_serving < SERVING_MAX
            && n_of_peer < SERVING_PER_PEER_MAX
            && peer.outbox().has_room_to_serve(Class::Sync, 0);
        let is_there = from > Height::ZERO && from <= self.host().tip().height;
        (is_free && is_there).then_some(serving)
    }
}

/// Counts itself out, also where the store panics.
struct Serving(Arc<Shared>, Arc<Peer>);

impl Serving {
    /// Is counted out first: who has the answer may ask again at once.
    fn answer(self, frame: Vec<u8>) {
        let peer = Arc::clone(&self.1);
        drop(self);
        peer.send(Class::Sync, frame.into());
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.0.n_serving.fetch_sub(1, Ordering::SeqCst);
        self.1.counts.n_serving.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Questions that are being answered from the store at a time.
const SERVING_MAX: usize = 16;

/// Those of one peer: as many as a node asks of one at a time.
const SERVING_PER_PEER_MAX: usize = 2;

/// An answer ends before it has more, but for one block, which is at most 4 MB.
const ANSWER_BYTES_MAX: usize = 2_000_000;

/// What is read for one answer of headers, which are stored in their blocks; the answer is less.
const HEADERS_READ_MAX: usize = 6_000_000;

/// Transactions in one question.
const TRANSACTIONS_MAX: usize = 1_000;
