//! A frame of a peer: whom it concerns.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::compression::{COMPRESSED, unpack};
use super::error::PeerError;
use super::packet::{MESSAGE, Packet, PeerTip, Pong};
use super::peer::Peer;
use super::{Shared, lock};
use crate::engine::verify::MessageError;
use crate::peers::rate::Class;
use crate::peers::score::Misbehavior;
use crate::types::certificate::CertificateError;
use crate::types::encode::decode;
use crate::types::message::{FRAME_BYTES_MAX, Message};

impl Shared {
    /// Takes a frame. An error ends the connection.
    pub(super) fn on_frame(
        self: &Arc<Self>,
        peer: &Arc<Peer>,
        class: Class,
        mut frame: Vec<u8>,
    ) -> Result<(), PeerError> {
        if frame.first() == Some(&MESSAGE) {
            let kind = frame.get(1).copied().ok_or(PeerError::Garbage("message"))?;
            if class_of_kind(kind) != Some(class) {
                return Err(PeerError::Garbage("message class"));
            }
            frame.drain(..1);
            self.host().receive_bytes(peer.key, frame);
            return Ok(());
        }
        let n_bytes = frame.len();
        if class == Class::Sync && frame.first() == Some(&COMPRESSED) {
            frame = unpack(&frame, FRAME_BYTES_MAX)?;
        }
        let packet: Packet = decode("packet", &frame, frame.len())?;
        if class_of(&packet) != class {
            return Err(PeerError::Garbage("packet class"));
        }
        if class == Class::Sync && self.fetches_snapshot() {
            return self.hand_over(peer, packet, n_bytes);
        }
        self.on_packet(peer, packet)
    }

    fn on_packet(self: &Arc<Self>, peer: &Arc<Peer>, packet: Packet) -> Result<(), PeerError> {
        match packet {
            Packet::Message(message) => self.host().receive(peer.key, message),
            Packet::Hello(_) | Packet::Attach(_) => {
                return Err(PeerError::Misbehavior(Misbehavior::Unrequested));
            }
            Packet::Refused(refusal) => return Err(PeerError::Refused(refusal)),
            Packet::Ping(ping) => {
                let pong = Pong { nonce: ping.nonce, now: self.host().now() };
                self.say(peer, Class::Control, &Packet::Pong(pong));
                self.on_peer_tip(peer, ping.tip);
            }
            Packet::Pong(pong) => self.on_pong(peer, pong),
            Packet::Tip(tip) => self.on_peer_tip(peer, tip),
            Packet::GetAddresses => self.on_get_addresses(peer),
            Packet::Addresses(addresses) => self.on_addresses(peer, &addresses)?,
            Packet::Inventory(txids) => self.on_inventory(peer, &txids)?,
            Packet::Pending(txids) => self.on_pending(peer, &txids)?,
            Packet::GetTransactions(txids) => self.on_get_transactions(peer, &txids)?,
            Packet::Proposal(proposal) => self.on_compact(peer, *proposal)?,
            Packet::GetProposed(block, positions) => {
                self.on_get_proposed(peer, block, &positions)?
            }
            Packet::Proposed(block, transactions) => self.on_proposed(peer, block, transactions)?,
            Packet::GetBlocks(question) => self.on_get_blocks(peer, question),
            Packet::Blocks(answer) => self.on_blocks(peer, answer)?,
            Packet::GetHeaders(question) => self.on_get_headers(peer, question),
            Packet::Headers(answer) => self.on_headers(peer, answer)?,
            Packet::GetOutputs(question) => self.on_get_outputs(peer, question),
            Packet::GetState(id) => self.on_get_state(peer, id),
            Packet::Outputs(_) | Packet::State(..) => {
                self.blame(Some(peer.key), peer.address, Misbehavior::Unrequested);
            }
        }
        Ok(())
    }

    /// What is decided at a peer: more than here, or something else at the same height, which
    /// its certificate then shows or not.
    fn on_peer_tip(&self, peer: &Arc<Peer>, tip: PeerTip) {
        peer.state().tip = tip;
        lock(&self.sync).on_peer(peer.key, tip.height);
        let own = self.host().tip();
        if tip.height > own.height {
            self.fetching.notify_one();
        } else if tip.height == own.height && tip != own {
            self.ask_of_tip(peer, tip.height);
        }
    }

    /// `peer` sent something that no honest node can have sent.
    pub(super) fn on_bad_message(&self, peer: &Arc<Peer>, error: &MessageError) {
        let kind = match error {
            MessageError::Malformed(_) => Misbehavior::Undecodable,
            MessageError::Transaction(_) | MessageError::NoConflict => {
                Misbehavior::InvalidTransaction
            }
            // Of another set: its sender's ledger may be another one, in all honesty.
            MessageError::Certificate(CertificateError::OtherSet { .. }) => {
                Misbehavior::BadSignature
            }
            MessageError::Block(_)
            | MessageError::Justification(_)
            | MessageError::Certificate(_) => Misbehavior::InvalidBlock,
            MessageError::RequestTooLarge => Misbehavior::Unrequested,
            _ => Misbehavior::BadSignature,
        };
        self.blame(Some(peer.key), peer.address, kind);
        peer.counts.dropped_in.fetch_add(1, Ordering::Relaxed);
    }
}

/// The class in which a message goes.
pub(super) const fn class_of_message(message: &Message) -> Class {
    match message {
        Message::Transaction(_) | Message::DoubleSpend(_) => Class::Transactions,
        Message::Proposal(_) | Message::Decided(_) | Message::Block(_) => Class::Blocks,
        Message::Request(_) => Class::Control,
        Message::Votes(_)
        | Message::ApproveCertificate(_)
        | Message::FinalityCertificate(_)
        | Message::CertInventory(_)
        | Message::Ballot(_)
        | Message::RoundChange(_)
        | Message::Evidence(_) => Class::Votes,
    }
}

/// The same by the first byte of a message, which is its kind; none for what is no kind.
fn class_of_kind(kind: u8) -> Option<Class> {
    Some(match kind {
        0 | DOUBLE_SPEND => Class::Transactions,
        6 | 9 | 10 => Class::Blocks,
        12 => Class::Control,
        1..=4 | 7 | 8 | 11 => Class::Votes,
        _ => return None,
    })
}

/// The class of a message by its kind, if it goes from peer to peer: transactions and blocks are
/// told of and fetched instead.
pub(super) fn relayed_class(kind: u8) -> Option<Class> {
    class_of_kind(kind).filter(|class| *class == Class::Votes || kind == DOUBLE_SPEND)
}

const DOUBLE_SPEND: u8 = 5;

/// The class in which a packet goes.
pub(super) fn class_of(packet: &Packet) -> Class {
    match packet {
        Packet::Message(message) => class_of_message(message),
        Packet::Proposal(_) | Packet::Proposed(..) => Class::Blocks,
        Packet::Blocks(_) | Packet::Headers(_) | Packet::Outputs(_) | Packet::State(..) => {
            Class::Sync
        }
        _ => Class::Control,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::arbitrary;
    use crate::types::encode::encode;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_kind_of_a_message_tells_its_class(message in arbitrary::message()) {
            let kind = encode(&message)[0];
            prop_assert_eq!(class_of_kind(kind), Some(class_of_message(&message)));
        }
    }
}
