//! Messages that come too late to change anything: their signatures need no check.

use super::Engine;
use super::input::{Late, PeerId, VerifiedMessage};
use crate::consensus::Position;
use crate::types::ballot::{Ballot, Choice};
use crate::types::certificate::CommitCertificate;
use crate::types::chain::{Height, Round};
use crate::types::hash::BlockHash;
use crate::types::message::Message;

/// What a node has a quorum for already. A quorum is all that it takes, and each masternode's
/// ballot beyond it says the same again: of `3n` ballots a decision needs `2q` at each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settled {
    decided: LatestBlocks,
    prepared: Option<(Height, Round, BlockHash)>,
}

/// The blocks that were decided last. One is not enough: under load some hear of a decision when
/// the next is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LatestBlocks([(Height, BlockHash); LATEST_KEPT]);

impl LatestBlocks {
    /// One block, as after a start.
    pub(super) fn of(height: Height, hash: BlockHash) -> Self {
        LatestBlocks([(height, hash); LATEST_KEPT])
    }

    /// One more is decided.
    pub(super) fn push(&mut self, height: Height, hash: BlockHash) {
        self.0.rotate_right(1);
        self.0[0] = (height, hash);
    }

    fn holds(&self, height: Height, hash: BlockHash) -> bool {
        self.0.contains(&(height, hash))
    }
}

impl Settled {
    /// Whether a ballot says only what is known without it. One that says anything else about
    /// the same height is never covered: it may be evidence.
    pub fn covers(&self, ballot: &Ballot) -> bool {
        let Ballot { height, round, choice, .. } = *ballot;
        match choice {
            Choice::Prepare(block) => {
                let is_prepared = self.prepared == Some((height, round, block));
                is_prepared || self.decided.holds(height, block)
            }
            Choice::Commit(block) => self.decided.holds(height, block),
            Choice::PrePrepare(_) | Choice::RoundChange(_) => false,
        }
    }

    /// Whether a certificate decides what is decided already. One for another block at the same
    /// height is never covered: it proves that too many masternodes are faulty.
    pub fn covers_decision(&self, certificate: &CommitCertificate) -> bool {
        self.decided.holds(certificate.height, certificate.block)
    }

    /// What the engine is told of a message that is not worth a check; nothing for any other.
    pub fn late(&self, message: &Message) -> Option<VerifiedMessage> {
        match message {
            Message::Ballot(signed) if self.covers(&signed.ballot) => {
                Some(VerifiedMessage::Late(Late::Ballot(signed.ballot)))
            }
            Message::Decided(decided) if self.covers_decision(&decided.certificate) => {
                Some(VerifiedMessage::Late(Late::Decided))
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
        Settled { decided: self.latest_blocks, prepared }
    }

    /// Nobody knows whether its sender said that: it counts for nothing.
    pub(super) fn on_late(&mut self, from: PeerId, late: &Late) {
        match late {
            Late::Ballot(ballot) if ballot.height < self.state.next_height() => {
                self.answer_behind(from, ballot);
            }
            Late::Ballot(_) | Late::Decided => {}
        }
    }
}

/// Blocks that are remembered as decided.
const LATEST_KEPT: usize = 4;
