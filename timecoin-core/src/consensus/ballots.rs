//! Prepares and Commits of one height: each masternode once a round, contradictions kept.

use std::collections::BTreeMap;

use crate::types::ballot::SignedBallot;
use crate::types::certificate::Seal;
use crate::types::chain::Round;
use crate::types::hash::BlockHash;
use crate::types::masternode_set::MasternodeIndex;

/// Ballots for rounds further ahead than this are refused (PROTOCOL 5).
pub const ROUNDS_AHEAD_MAX: u32 = 10_000;

/// Rounds of which one masternode's ballots are kept; the highest are.
pub(crate) const ROUNDS_PER_VOTER_MAX: usize = 32;

/// What a ballot brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// It was not there.
    New,
    /// The same was there.
    Repeated,
    /// Another one was there for the same phase and round.
    Contradiction(SignedBallot),
}

/// The ballots of one phase.
#[derive(Clone, Debug, Default)]
pub struct BallotBox {
    by_voter: BTreeMap<MasternodeIndex, BTreeMap<Round, SignedBallot>>,
    by_block: BTreeMap<(Round, BlockHash), Vec<Seal>>,
}

impl BallotBox {
    /// Keeps a ballot that names a block.
    pub fn add(&mut self, signed: &SignedBallot) -> Heard {
        let (round, voter) = (signed.ballot.round, signed.voter);
        let Some(block) = signed.ballot.choice.block() else { return Heard::Repeated };
        let rounds = self.by_voter.entry(voter).or_default();
        match rounds.get(&round) {
            Some(known) if known.ballot == signed.ballot => return Heard::Repeated,
            Some(known) => return Heard::Contradiction(*known),
            None => {}
        }
        rounds.insert(round, *signed);
        let oldest = if rounds.len() > ROUNDS_PER_VOTER_MAX { rounds.pop_first() } else { None };
        let seals = self.by_block.entry((round, block)).or_default();
        seals.push(Seal { voter, signature: signed.signature });
        if let Some((_, oldest)) = oldest {
            self.forget(&oldest);
        }
        Heard::New
    }

    fn forget(&mut self, signed: &SignedBallot) {
        let Some(block) = signed.ballot.choice.block() else { return };
        let key = (signed.ballot.round, block);
        if let Some(seals) = self.by_block.get_mut(&key) {
            seals.retain(|seal| seal.voter != signed.voter);
            if seals.is_empty() {
                self.by_block.remove(&key);
            }
        }
    }

    /// The seals for a block in one round, ascending by signer, where they are a quorum.
    pub fn quorum(&self, round: Round, block: BlockHash, quorum: usize) -> Option<Vec<Seal>> {
        let seals = self.by_block.get(&(round, block)).filter(|seals| seals.len() >= quorum)?;
        let mut seals = seals.clone();
        seals.sort_unstable_by_key(|seal| seal.voter);
        Some(seals)
    }

    /// The seals for a block in one round, in the order in which they came.
    pub fn seals(&self, round: Round, block: BlockHash) -> &[Seal] {
        self.by_block.get(&(round, block)).map_or(&[], Vec::as_slice)
    }

    /// Every round and block that has a quorum.
    pub fn quorums(&self, quorum: usize) -> impl Iterator<Item = (Round, BlockHash)> + '_ {
        let reached = move |seals: &Vec<Seal>| seals.len() >= quorum;
        self.by_block.iter().filter(move |(_, seals)| reached(seals)).map(|(key, _)| *key)
    }

    /// The ballot of a masternode in a round.
    pub fn of(&self, voter: MasternodeIndex, round: Round) -> Option<&SignedBallot> {
        self.by_voter.get(&voter)?.get(&round)
    }

    /// Who named this block in any round, the lowest first.
    pub fn voters_for(&self, block: BlockHash) -> Option<MasternodeIndex> {
        let mut found = self.by_block.iter().filter(|((_, named), _)| *named == block);
        found.next().and_then(|(_, seals)| seals.first()).map(|seal| seal.voter)
    }

    /// How many ballots are kept.
    pub fn n_ballots(&self) -> usize {
        self.by_voter.values().map(BTreeMap::len).sum()
    }
}
