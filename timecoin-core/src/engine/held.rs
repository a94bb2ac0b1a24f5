//! Messages that came before their height or epoch, and how much room they may take.
//!
//! Who sent one is known, and little else: those of the next epoch are not even verified. So room
//! is shared out. Each member of the sets that decide has one share and all strangers together
//! have one, so nobody crowds anybody out, however many keys it makes. What finds no room is lost
//! like a message on the way, and its sender repeats it.

use std::collections::VecDeque;

use super::Engine;
use super::input::{PeerId, VerifiedMessage};
use crate::types::ballot::SignedBallot;
use crate::types::chain::Round;
use crate::types::encode::encoded_len;
use crate::types::message::Message;

/// Messages that one queue keeps.
pub(super) const HELD_MAX: usize = 4_096;

/// Messages of one member that a queue keeps, if its share is not less.
pub(super) const HELD_PER_PEER_MAX: usize = 64;

/// Bytes that one queue keeps, as they were on the wire; proposals are counted apart.
pub(super) const HELD_BYTES_MAX: usize = 16_000_000;

/// Proposals of the next height that are kept, one of a round. Above round 0 a quorum has left a
/// round for each.
pub(super) const HELD_PROPOSALS_MAX: usize = 2;

/// Messages in the order in which they came.
#[derive(Clone, Debug)]
pub(super) struct Held<M> {
    messages: VecDeque<Kept<M>>,
    bytes: usize,
}

/// One of them.
#[derive(Clone, Debug)]
pub(super) struct Kept<M> {
    from: PeerId,
    message: M,
    bytes: usize,
    /// Whose share it takes; none for that of the strangers.
    share: Option<PeerId>,
}

impl<M> Default for Held<M> {
    fn default() -> Self {
        Held { messages: VecDeque::new(), bytes: 0 }
    }
}

impl<M> Held<M> {
    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.messages.len()
    }

    /// What they had on the wire.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Keeps a message of so many bytes, if there is room where its sender's share is one of
    /// `n_members` and one more.
    fn keep(&mut self, from: PeerId, message: M, bytes: usize, is_member: bool, n_members: usize) {
        let share = is_member.then_some(from);
        let n_shares = n_members + 1;
        let (mut n_left, mut bytes_left) =
            (HELD_PER_PEER_MAX.min(HELD_MAX / n_shares), HELD_BYTES_MAX / n_shares);
        for kept in self.messages.iter().filter(|kept| kept.share == share) {
            n_left = n_left.saturating_sub(1);
            bytes_left = bytes_left.saturating_sub(kept.bytes);
        }
        let has_room = self.len() < HELD_MAX && self.bytes + bytes <= HELD_BYTES_MAX;
        if has_room && n_left > 0 && bytes <= bytes_left {
            self.bytes += bytes;
            self.messages.push_back(Kept { from, message, bytes, share });
        }
    }
}

impl<M> IntoIterator for Held<M> {
    type Item = (PeerId, M);
    type IntoIter =
        std::iter::Map<std::collections::vec_deque::IntoIter<Kept<M>>, fn(Kept<M>) -> (PeerId, M)>;

    fn into_iter(self) -> Self::IntoIter {
        self.messages.into_iter().map(|kept| (kept.from, kept.message))
    }
}

impl Held<VerifiedMessage> {
    /// How many of them are proposals.
    pub(super) fn n_proposals(&self) -> usize {
        self.proposal_rounds().count()
    }

    fn proposal_rounds(&self) -> impl Iterator<Item = Round> {
        self.messages.iter().filter_map(|kept| match &kept.message {
            VerifiedMessage::Proposal(proposal) => Some(proposal.ballot.ballot.round),
            _ => None,
        })
    }
}

impl Engine {
    /// Keeps a message of the next height until that begins. Nothing follows from one of a height
    /// further on: this node is behind, fetches blocks, and is told again when it is there.
    pub(super) fn hold(&mut self, from: PeerId, message: VerifiedMessage) {
        let bytes = match &message {
            VerifiedMessage::Ballot(signed) => encoded_len(signed),
            VerifiedMessage::RoundChange(change) => encoded_len(change),
            VerifiedMessage::Proposal(proposal) if self.wants_proposal(&proposal.ballot) => 0,
            _ => return,
        };
        let (is_member, n_members) = self.share_of(&from);
        self.held.keep(from, message, bytes, is_member, n_members);
    }

    /// The first proposal of a round, from its proposer: another is in the way of the first, or
    /// the same once more.
    fn wants_proposal(&self, ballot: &SignedBallot) -> bool {
        let (height, round) = (ballot.ballot.height, ballot.ballot.round);
        ballot.voter == self.finality.set().proposer(height, round)
            && self.held.n_proposals() < HELD_PROPOSALS_MAX
            && self.held.proposal_rounds().all(|held| held != round)
    }

    /// Keeps a message of the next epoch until that begins, if it is of a kind that is small.
    pub(super) fn hold_unverified(&mut self, from: PeerId, message: Message) {
        let is_small = matches!(
            message,
            Message::Votes(_)
                | Message::Ballot(_)
                | Message::RoundChange(_)
                | Message::CertInventory(_)
        );
        if is_small {
            let bytes = encoded_len(&message);
            let (is_member, n_members) = self.share_of(&from);
            self.held_unverified.keep(from, message, bytes, is_member, n_members);
        }
    }

    /// Whether a peer is in a set that decides, and how many may be.
    fn share_of(&self, peer: &PeerId) -> (bool, usize) {
        let (current, tip) = (&self.state.masternodes, &self.state.tip_masternodes);
        let is_member = current.index_of(peer).or_else(|| tip.index_of(peer)).is_some();
        (is_member, current.len())
    }
}
