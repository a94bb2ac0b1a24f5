//! What an honest masternode has sent, and where it stands.
//!
//! A message that was sent stays available, and may reach anybody at any later time or never.
//! So the messages of a run are what its masternodes remember of themselves.

use std::hash::{Hash, Hasher};

use super::scenario::{BlockId, EPOCHS_MAX, HEIGHTS_MAX, ROUNDS_MAX, TxSet};

/// The votes on transactions that it sent in one epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Votes {
    pub(crate) approves: TxSet,
    pub(crate) rejects: TxSet,
    pub(crate) commits: TxSet,
}

/// The highest prepared round that a RoundChange claims. "Prepared in round 0" and "never
/// prepared" are different values.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Change {
    #[default]
    NotSent,
    Unprepared,
    Prepared(u8),
}

/// The messages about blocks that it sent at one height.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ballots {
    /// The block Prepared in each round, 0 where none.
    pub(crate) prepares: [BlockId; ROUNDS_MAX],
    /// Whether it Committed to that block; it holds the prepared certificate then.
    pub(crate) commits: [bool; ROUNDS_MAX],
    /// The RoundChange to each round.
    pub(crate) changes: [Change; ROUNDS_MAX],
}

impl Ballots {
    /// The highest round in which it prepared a block, below `round`.
    pub(crate) fn prepared_below(&self, round: usize) -> Change {
        let highest = (0..round).rev().find(|r| self.commits[*r]);
        highest.map_or(Change::Unprepared, |r| Change::Prepared(u8::try_from(r).expect("few")))
    }

    /// Whether it sent RoundChange to a round of at least `round`.
    pub(crate) fn has_changed_to(&self, round: usize) -> bool {
        self.changes[round..].iter().any(|change| *change != Change::NotSent)
    }
}

/// An honest masternode.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Masternode {
    /// The height that it works on: all below are decided to it.
    pub(crate) height: u8,
    /// Its round of that height.
    pub(crate) round: u8,
    pub(crate) votes: [Votes; EPOCHS_MAX],
    pub(crate) ballots: [Ballots; HEIGHTS_MAX],
}

impl Masternode {
    pub(crate) fn height(&self) -> usize {
        usize::from(self.height)
    }

    pub(crate) fn round(&self) -> usize {
        usize::from(self.round)
    }

    /// All of it in one word: 22 bits, and 16 for each height.
    pub(crate) fn packed(&self) -> u64 {
        let mut word = u64::from(self.height) << 2 | u64::from(self.round);
        for votes in &self.votes {
            for set in [votes.approves, votes.rejects, votes.commits] {
                word = word << 3 | u64::from(set);
            }
        }
        for ballots in &self.ballots {
            for round in 0..ROUNDS_MAX {
                word = word << 3 | u64::from(ballots.prepares[round]);
                word = word << 1 | u64::from(ballots.commits[round]);
            }
            for change in &ballots.changes[1..] {
                let code = match change {
                    Change::NotSent => 0,
                    Change::Unprepared => 1,
                    Change::Prepared(round) => 2 + u64::from(*round),
                };
                word = word << 2 | code;
            }
        }
        word
    }
}

impl Hash for Masternode {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        hasher.write_u64(self.packed());
    }
}
