//! The last thing before a signature: what was promised once is never contradicted (PROTOCOL 6).
//!
//! It repeats in a few lines what the protocol above it promises, so that a mistake there is
//! refused here, counted and loud, and never sent.

use std::collections::BTreeMap;

use thiserror::Error;

use crate::finality::Locks;
use crate::types::ballot::{Ballot, Choice, Phase};
use crate::types::chain::{Epoch, Height, Round};
use crate::types::hash::Txid;
use crate::types::map::HashMap;
use crate::types::transaction::OutPoint;
use crate::types::vote::{Vote, VoteKind};

/// What would have contradicted an earlier signature.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Refused {
    /// Another statement was signed for this phase, height and round.
    #[error("{phase} at height {height}, round {round} was signed for something else")]
    Ballot {
        /// The phase.
        phase: Phase,
        /// The height.
        height: Height,
        /// The round.
        round: Round,
    },
    /// A Prepare or Commit below a round that was given up (B7).
    #[error("round {round} at height {height} was given up for round {given_up_for}")]
    RoundGivenUp {
        /// The height.
        height: Height,
        /// The round of the ballot.
        round: Round,
        /// The round of the RoundChange.
        given_up_for: Round,
    },
    /// The height is decided, or of another epoch than the votes.
    #[error("height {height} is decided")]
    Decided {
        /// The height.
        height: Height,
    },
    /// Approve after Reject, or Reject after Approve, of one transaction.
    #[error("{txid} has the other vote of this masternode")]
    Vote {
        /// The transaction.
        txid: Txid,
    },
    /// A live vote for another transaction holds an outpoint.
    #[error("{outpoint} is held by a live vote for {by}")]
    Held {
        /// The outpoint.
        outpoint: OutPoint,
        /// The other transaction.
        by: Txid,
    },
    /// A vote of an epoch that is over, or closed by the freeze.
    #[error("votes of epoch {epoch} are closed")]
    Closed {
        /// The epoch.
        epoch: Epoch,
    },
    /// This node does not know what it may have signed before.
    #[error("this node observes until the next epoch: earlier signatures may be lost")]
    Observing,
}

/// The first half of a transaction id: enough to tell the votes of one epoch apart.
type VoteId = [u8; 16];

/// What was signed about one transaction.
#[derive(Clone, Copy, Debug, Default)]
struct Voted {
    /// Approve or Reject.
    first: Option<VoteKind>,
    is_committed: bool,
}

/// Everything this masternode has signed that a later signature could contradict.
#[derive(Clone, Debug)]
pub struct SignGuard {
    epoch: Epoch,
    decided: Height,
    is_frozen: bool,
    is_observing: bool,
    ballots: BTreeMap<(Height, Round, Phase), Choice>,
    given_up_for: Option<Round>,
    votes: HashMap<VoteId, Voted>,
    locks: Locks,
}

impl SignGuard {
    /// Nothing signed yet after the block at `decided`, in `epoch`.
    pub fn new(epoch: Epoch, decided: Height, is_observing: bool) -> Self {
        SignGuard {
            epoch,
            decided,
            is_frozen: false,
            is_observing,
            ballots: BTreeMap::new(),
            given_up_for: None,
            votes: HashMap::default(),
            locks: Locks::default(),
        }
    }

    /// Whether this node signs nothing until the next epoch.
    pub fn is_observing(&self) -> bool {
        self.is_observing
    }

    /// What is kept of the signatures of the epoch, by name.
    pub(super) fn tables(&self) -> [(&'static str, usize); 2] {
        [("signed votes", self.votes.len()), ("guarded outpoints", self.locks.len())]
    }

    /// From now on this node signs nothing until the next epoch.
    pub fn observe(&mut self) {
        self.is_observing = true;
    }

    /// Whether a ballot about the undecided height is one that was signed here.
    pub fn has_signed(&self, ballot: &Ballot) -> bool {
        let Ballot { height, round, choice, .. } = *ballot;
        self.ballots.get(&(height, round, choice.phase())) == Some(&choice)
    }

    /// Allows a ballot, and remembers it.
    ///
    /// # Errors
    /// [`Refused`].
    pub fn allow_ballot(&mut self, ballot: &Ballot) -> Result<(), Refused> {
        let Ballot { height, round, choice, .. } = *ballot;
        let phase = choice.phase();
        if self.is_observing {
            return Err(Refused::Observing);
        }
        if height <= self.decided {
            return Err(Refused::Decided { height });
        }
        let is_vote = matches!(phase, Phase::Prepare | Phase::Commit);
        if let Some(given_up_for) = self.given_up_for.filter(|r| is_vote && *r > round) {
            return Err(Refused::RoundGivenUp { height, round, given_up_for });
        }
        self.note_ballot(ballot)
    }

    /// Remembers a ballot that was signed in an earlier life.
    ///
    /// # Errors
    /// [`Refused::Ballot`] where it contradicts another one.
    pub fn note_ballot(&mut self, ballot: &Ballot) -> Result<(), Refused> {
        let Ballot { height, round, choice, .. } = *ballot;
        let phase = choice.phase();
        let known = *self.ballots.entry((height, round, phase)).or_insert(choice);
        if known != choice {
            return Err(Refused::Ballot { phase, height, round });
        }
        if phase == Phase::RoundChange {
            self.given_up_for = self.given_up_for.max(Some(round));
        }
        Ok(())
    }

    /// Allows a vote on a transaction that claims `claims`, and remembers it.
    ///
    /// # Errors
    /// [`Refused`]; then nothing is remembered.
    pub fn allow_vote(
        &mut self,
        epoch: Epoch,
        vote: &Vote,
        claims: impl Iterator<Item = OutPoint> + Clone,
    ) -> Result<(), Refused> {
        if self.is_observing {
            return Err(Refused::Observing);
        }
        let closes = self.is_frozen && vote.kind() != VoteKind::Reject;
        if epoch != self.epoch || closes {
            return Err(Refused::Closed { epoch });
        }
        self.note_vote(vote, claims)
    }

    /// Remembers a vote that was signed in an earlier life.
    ///
    /// # Errors
    /// [`Refused::Vote`] or [`Refused::Held`] where it contradicts another one.
    pub fn note_vote(
        &mut self,
        vote: &Vote,
        claims: impl Iterator<Item = OutPoint> + Clone,
    ) -> Result<(), Refused> {
        let (txid, kind) = (vote.txid(), vote.kind());
        for outpoint in claims.clone() {
            let lock = self.locks.get(&outpoint).copied().unwrap_or_default();
            let held = match kind {
                VoteKind::Approve => lock.approve,
                VoteKind::Commit => lock.commit,
                VoteKind::Reject => None,
            };
            if let Some(by) = held.filter(|by| *by != txid) {
                return Err(Refused::Held { outpoint, by });
            }
        }
        let voted = self.votes.entry(vote_id(&txid)).or_default();
        if kind == VoteKind::Commit {
            voted.is_committed = true;
        } else if *voted.first.get_or_insert(kind) != kind {
            return Err(Refused::Vote { txid });
        }
        match kind {
            VoteKind::Approve => claims.for_each(|claim| self.locks.approve(claim, txid)),
            VoteKind::Commit => claims.for_each(|claim| self.locks.commit(claim, txid)),
            VoteKind::Reject => {}
        }
        Ok(())
    }

    /// Whether an Approve or a Reject of a transaction was signed in this epoch. That is known
    /// still after a block has settled the transaction and everything else forgot it.
    pub fn has_voted(&self, txid: &Txid) -> bool {
        self.votes.get(&vote_id(txid)).is_some_and(|voted| voted.first.is_some())
    }

    /// Whether this very vote was signed in this epoch.
    pub fn has_voted_so(&self, vote: &Vote) -> bool {
        let voted = self.votes.get(&vote_id(&vote.txid())).copied().unwrap_or_default();
        match vote.kind() {
            VoteKind::Commit => voted.is_committed,
            first => voted.first == Some(first),
        }
    }

    /// An Approve is released: a quorum rejected the transaction (F6).
    pub fn release_approve(&mut self, txid: &Txid, claims: impl Iterator<Item = OutPoint>) {
        claims.for_each(|claim| self.locks.release_approve(claim, txid));
    }

    /// A decided block settles who spends an outpoint: both locks on it are released (F6).
    pub fn settle(&mut self, txid: &Txid, claims: impl Iterator<Item = OutPoint>) {
        claims.for_each(|claim| self.locks.settle(claim, txid));
    }

    /// Votes are closed until the epoch is over.
    pub fn freeze(&mut self) {
        self.is_frozen = true;
    }

    /// A height is decided: nothing is signed for it any more. In a new epoch the votes of the
    /// old one are void, and an observer may sign again unless `may_have_signed` says that it was
    /// there in that epoch before.
    pub fn decide(&mut self, height: Height, next_epoch: Epoch, may_have_signed: bool) {
        self.decided = height;
        self.ballots.retain(|(signed, ..), _| *signed > height);
        self.given_up_for = None;
        if next_epoch != self.epoch {
            let is_observing = self.is_observing && may_have_signed;
            *self = SignGuard::new(next_epoch, height, is_observing);
        }
    }
}

fn vote_id(txid: &Txid) -> VoteId {
    let mut id = VoteId::default();
    id.copy_from_slice(&txid.as_bytes()[..16]);
    id
}
