//! Ballots that come too late to change anything: their signatures need no check.

use super::Engine;
use super::input::{PeerId, VerifiedMessage};
use crate::consensus::Position;
use crate::types::ballot::{Ballot, Choice};
use crate::types::chain::{Height, Round};
use crate::types::hash::BlockHash;
use crate::types::message::Message;

/// What a node has a quorum for already. A quorum is all that it takes, and each masternode's
/// ballot beyond it says the same again: of `3n` ballots a decision needs `2q` at each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settled {
    decided: (Height, BlockHash),
    prepared: Option<(Height, Round, BlockHash)>,
}

impl Settled {
    /// Whether a ballot says only what is known without it. One that says anything else about
    /// the same height is never covered: it may be evidence.
    pub fn covers(&self, ballot: &Ballot) -> bool {
        let Ballot { height, round, choice, .. } = *ballot;
        match choice {
            Choice::Prepare(block) => {
                (height, block) == self.decided || self.prepared == Some((height, round, block))
            }
            Choice::Commit(block) => (height, block) == self.decided,
            Choice::PrePrepare(_) | Choice::RoundChange(_) => false,
        }
    }

    /// What the engine is told of a message that is not worth a check; nothing for any other.
    pub fn late(&self, message: &Message) -> Option<VerifiedMessage> {
        match message {
            Message::Ballot(signed) if self.covers(&signed.ballot) => {
                Some(VerifiedMessage::Late(signed.ballot))
            }
            _ => None,
        }
    }
}

impl Engine {
    /// What this node has a quorum for; it changes with what the engine is told.
    pub fn settled(&self) -> Settled {
        let state = self.consensus.state();
        let prepared = match state.position {
            Position::Committed(block) => Some((self.consensus.height(), state.round, block)),
            _ => None,
        };
        Settled { decided: (self.state.tip.height, self.state.tip.hash), prepared }
    }

    /// Nobody knows whether its sender said that: it counts for nothing.
    pub(super) fn on_late(&mut self, from: PeerId, ballot: &Ballot) {
        if ballot.height < self.state.next_height() {
            self.answer_behind(from, ballot);
        }
    }
}
