//! Proposals without their transactions: a peer has most of them and asks for the rest.

use std::collections::VecDeque;
use std::sync::Arc;

use super::error::PeerError;
use super::packet::{CompactProposal, Packet};
use super::peer::Peer;
use super::{Shared, lock};
use crate::engine::input::PeerId;
use crate::peers::rate::Class;
use crate::peers::score::Misbehavior;
use crate::types::block::Block;
use crate::types::hash::BlockHash;
use crate::types::map::HashMap;
use crate::types::message::{Message, Proposal};
use crate::types::transaction::Transaction;

/// Proposals under way.
#[derive(Default)]
pub(super) struct Compact {
    /// Own blocks, of which peers may lack transactions.
    sent: VecDeque<(BlockHash, Arc<Block>)>,
    /// The last proposal of each peer that is not complete.
    incomplete: HashMap<PeerId, Incomplete>,
}

struct Incomplete {
    block: BlockHash,
    proposal: CompactProposal,
    /// The transactions behind the coinbase, as far as they are here.
    transactions: Vec<Option<Arc<Transaction>>>,
    /// Whether its sender may propose. A masternode that this node does not know yet may as well.
    is_masternodes: bool,
}

impl Compact {
    pub(super) fn on_gone(&mut self, peer: &PeerId) {
        self.incomplete.remove(peer);
    }

    /// Keeps a proposal until it is complete; whether there is room.
    fn wait(&mut self, peer: PeerId, incomplete: Incomplete) -> bool {
        let strangers =
            self.incomplete.iter().filter(|(key, one)| !one.is_masternodes && **key != peer);
        let is_full = !incomplete.is_masternodes && strangers.count() >= STRANGERS_MAX;
        if !is_full {
            self.incomplete.insert(peer, incomplete);
        }
        !is_full
    }

    fn keep(&mut self, hash: BlockHash, block: &Arc<Block>) {
        if self.sent.iter().any(|(known, _)| *known == hash) {
            return;
        }
        if self.sent.len() == SENT_MAX {
            self.sent.pop_front();
        }
        self.sent.push_back((hash, Arc::clone(block)));
    }

    fn find(&self, hash: &BlockHash) -> Option<Arc<Block>> {
        self.sent.iter().find(|(known, _)| known == hash).map(|(_, block)| Arc::clone(block))
    }
}

impl Shared {
    pub(super) fn send_compact(&self, peers: &[Arc<Peer>], proposal: &Proposal) {
        let block = &proposal.block;
        let split = block.transactions.split_first();
        let Some((coinbase, others)) = split.filter(|(_, o)| o.len() <= TRANSACTIONS_MAX) else {
            let whole = Message::Proposal(proposal.clone());
            return peers.iter().for_each(|peer| self.send_to(peer, &whole));
        };
        lock(&self.compact).keep(block.header.hash(), block);
        let compact = Packet::Proposal(Box::new(CompactProposal {
            ballot: proposal.ballot,
            header: block.header.clone(),
            coinbase: Transaction::clone(coinbase),
            wtxids: others.iter().map(|transaction| transaction.wtxid()).collect(),
            justification: proposal.justification.clone(),
        }));
        self.say_to(peers, Class::Blocks, &compact);
    }

    pub(super) fn on_compact(
        &self,
        peer: &Peer,
        proposal: CompactProposal,
    ) -> Result<(), PeerError> {
        if proposal.wtxids.len() > TRANSACTIONS_MAX {
            return Err(PeerError::Misbehavior(Misbehavior::InvalidBlock));
        }
        let transactions: Vec<_> =
            proposal.wtxids.iter().map(|wtxid| self.host().verified(wtxid)).collect();
        let block = proposal.header.hash();
        let missing: Vec<u16> = missing(&transactions);
        let is_masternodes = self.is_masternode(&peer.key);
        let incomplete = Incomplete { block, proposal, transactions, is_masternodes };
        if missing.is_empty() {
            self.complete(peer, incomplete);
        } else {
            if !lock(&self.compact).wait(peer.key, incomplete) {
                return Ok(());
            }
            self.say(peer, Class::Control, &Packet::GetProposed(block, missing));
        }
        Ok(())
    }

    pub(super) fn on_get_proposed(
        &self,
        peer: &Peer,
        hash: BlockHash,
        positions: &[u16],
    ) -> Result<(), PeerError> {
        let Some(block) = lock(&self.compact).find(&hash) else { return Ok(()) };
        let others = block.transactions.get(1..).unwrap_or_default();
        // A position named again and again would make an answer of any length.
        if !positions.is_sorted_by(|one, next| one < next) {
            return Err(PeerError::Misbehavior(Misbehavior::Unrequested));
        }
        if !peer.outbox().has_room_to_serve(Class::Blocks, 0) {
            return Ok(());
        }
        let mut transactions = Vec::new();
        for position in positions {
            let Some(transaction) = others.get(usize::from(*position)) else { return Ok(()) };
            transactions.push((*position, Transaction::clone(transaction)));
        }
        self.say(peer, Class::Blocks, &Packet::Proposed(hash, transactions));
        Ok(())
    }

    pub(super) fn on_proposed(
        &self,
        peer: &Peer,
        hash: BlockHash,
        transactions: Vec<(u16, Transaction)>,
    ) -> Result<(), PeerError> {
        let Some(mut incomplete) = lock(&self.compact).incomplete.remove(&peer.key) else {
            return Ok(());
        };
        if incomplete.block != hash {
            lock(&self.compact).wait(peer.key, incomplete);
            return Ok(());
        }
        for (position, transaction) in transactions {
            let position = usize::from(position);
            let expected = incomplete.proposal.wtxids.get(position);
            if expected != Some(&transaction.wtxid()) {
                return Err(PeerError::Misbehavior(Misbehavior::Unrequested));
            }
            incomplete.transactions[position] = Some(Arc::new(transaction));
        }
        if missing(&incomplete.transactions).is_empty() {
            self.complete(peer, incomplete);
        }
        Ok(())
    }

    fn complete(&self, peer: &Peer, incomplete: Incomplete) {
        let Incomplete { proposal, transactions, .. } = incomplete;
        let CompactProposal { ballot, header, coinbase, justification, .. } = proposal;
        let transactions =
            std::iter::once(Arc::new(coinbase)).chain(transactions.into_iter().flatten()).collect();
        let block = Arc::new(Block { header, transactions });
        let proposal = Proposal { ballot, block, justification };
        self.host().receive(peer.key, Message::Proposal(proposal));
    }
}

/// The positions of what is not there.
fn missing(transactions: &[Option<Arc<Transaction>>]) -> Vec<u16> {
    (0..).zip(transactions).filter(|(_, there)| there.is_none()).map(|(at, _)| at).collect()
}

/// Own blocks that are kept for those who lack transactions: those of as many rounds.
const SENT_MAX: usize = 4;

/// Proposals of peers that are no masternodes here, which may take 8 MB each.
const STRANGERS_MAX: usize = 4;

/// As many as positions of two bytes can name; a larger block goes whole.
const TRANSACTIONS_MAX: usize = 65_535;
