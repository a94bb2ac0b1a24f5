//! What a masternode signs about blocks: PrePrepare, Prepare, Commit, RoundChange.

use std::fmt;

use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

use super::chain::{Epoch, Height, Round};
use super::encode::encode;
use super::hash::{BlockHash, ChainId, Hash256, SetHash, Tag, hash};
use super::keys::{KeyPair, Signature};
use super::masternode_set::{MasternodeIndex, MasternodeSet};

/// The four kinds of consensus message.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    BorshSerialize,
    BorshDeserialize,
    Serialize,
    Deserialize,
)]
pub enum Phase {
    /// The proposer names a block.
    PrePrepare,
    /// A masternode accepted the proposal.
    Prepare,
    /// A masternode holds a prepared certificate.
    Commit,
    /// A masternode gave up the rounds below.
    RoundChange,
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// A block and the round in which a quorum prepared it.
///
/// "Prepared in round 0" is `Some` of these with round 0; "never prepared" is `None`.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize,
)]
pub struct PreparedBlock {
    /// The round of the prepared certificate.
    pub round: Round,
    /// The prepared block.
    pub block: BlockHash,
}

/// What a ballot says.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize,
)]
pub enum Choice {
    /// The proposer proposes this block.
    PrePrepare(BlockHash),
    /// The proposal was accepted.
    Prepare(BlockHash),
    /// The block is prepared in this round.
    Commit(BlockHash),
    /// This round is entered, with the highest block prepared before it, if any.
    RoundChange(Option<PreparedBlock>),
}

impl Choice {
    /// The kind of message.
    pub const fn phase(&self) -> Phase {
        match self {
            Choice::PrePrepare(_) => Phase::PrePrepare,
            Choice::Prepare(_) => Phase::Prepare,
            Choice::Commit(_) => Phase::Commit,
            Choice::RoundChange(_) => Phase::RoundChange,
        }
    }

    /// The block it names, if it names one.
    pub fn block(&self) -> Option<BlockHash> {
        match *self {
            Choice::PrePrepare(block) | Choice::Prepare(block) | Choice::Commit(block) => {
                Some(block)
            }
            Choice::RoundChange(prepared) => prepared.map(|prepared| prepared.block),
        }
    }
}

/// A statement about one round of one height.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize,
)]
pub struct Ballot {
    /// The epoch of the height.
    pub epoch: Epoch,
    /// The height.
    pub height: Height,
    /// The round; for a RoundChange the one that is entered.
    pub round: Round,
    /// What is said.
    pub choice: Choice,
}

impl Ballot {
    /// What is signed: chain, set, epoch, height, round, kind and block, so that a signature is
    /// valid for one of each only.
    pub fn message(&self, chain_id: &ChainId, set_hash: &SetHash) -> Hash256 {
        hash(Tag::Consensus, &encode(&(chain_id, set_hash, self)))
    }
}

/// A ballot with the name and signature of its masternode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct SignedBallot {
    /// What is said.
    pub ballot: Ballot,
    /// Who says it: a position in the epoch's set.
    pub voter: MasternodeIndex,
    /// The voter's signature of [`Ballot::message`].
    pub signature: Signature,
}

impl SignedBallot {
    /// Signs `ballot`.
    pub fn sign(
        ballot: Ballot,
        voter: MasternodeIndex,
        chain_id: &ChainId,
        set_hash: &SetHash,
        keys: &KeyPair,
    ) -> Self {
        let signature = keys.sign(ballot.message(chain_id, set_hash).as_bytes());
        SignedBallot { ballot, voter, signature }
    }

    /// Whether the voter, a member of `set`, signed it.
    pub fn is_signed(&self, chain_id: &ChainId, set: &MasternodeSet) -> bool {
        let Some(key) = set.voting_key(self.voter) else { return false };
        let message = self.ballot.message(chain_id, &set.hash());
        key.verify(message.as_bytes(), &self.signature).is_ok()
    }
}
