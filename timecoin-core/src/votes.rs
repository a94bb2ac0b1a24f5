//! Counting votes on transactions: each masternode once, each threshold reported once.

use std::sync::Arc;

use crate::types::hash::Txid;
use crate::types::masternode_set::MasternodeIndex;
use crate::types::verified::Verified;
use crate::types::vote::{Vote, VoteBatch, VoteProof};

/// A vote, by its place in the batch that was signed.
#[derive(Clone, Debug)]
pub struct VoteRef {
    batch: Arc<Verified<VoteBatch>>,
    index: u16,
}

impl VoteRef {
    /// The vote at `index` of a batch.
    pub fn new(batch: Arc<Verified<VoteBatch>>, index: u16) -> Self {
        VoteRef { batch, index }
    }

    /// Who voted.
    pub fn voter(&self) -> MasternodeIndex {
        self.batch.voter
    }

    /// The batch that holds it.
    pub fn batch(&self) -> &Arc<Verified<VoteBatch>> {
        &self.batch
    }

    /// What was said.
    pub fn vote(&self) -> Vote {
        self.batch.votes[usize::from(self.index)]
    }

    /// The vote for someone who does not have the batch.
    pub fn proof(&self) -> VoteProof {
        self.batch.proof(self.index.into()).expect("the index was taken from the batch")
    }
}

/// What a vote did to a tally.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counted {
    /// It is one more.
    New,
    /// It is one more, and makes the quorum.
    Quorum,
    /// The masternode's vote was there.
    Repeated,
}

/// The votes of one kind on one transaction.
#[derive(Clone, Debug, Default)]
pub struct VoteTally {
    votes: Vec<VoteRef>,
}

impl VoteTally {
    /// Counts a vote unless its masternode's is there.
    pub fn add(&mut self, vote: VoteRef, quorum: usize) -> Counted {
        if self.of(vote.voter()).is_some() {
            return Counted::Repeated;
        }
        self.votes.push(vote);
        if self.votes.len() == quorum { Counted::Quorum } else { Counted::New }
    }

    /// How many masternodes voted.
    pub fn n_voters(&self) -> usize {
        self.votes.len()
    }

    /// The vote of a masternode.
    pub fn of(&self, voter: MasternodeIndex) -> Option<&VoteRef> {
        self.votes.iter().find(|vote| vote.voter() == voter)
    }

    /// The votes, in the order in which they came.
    pub fn votes(&self) -> &[VoteRef] {
        &self.votes
    }

    /// The proofs of a quorum, ascending by voter; nothing where there is none.
    pub fn proofs(&self, quorum: usize) -> Option<Vec<VoteProof>> {
        let mut votes: Vec<&VoteRef> = self.votes.get(..quorum)?.iter().collect();
        votes.sort_by_key(|vote| vote.voter());
        Some(votes.into_iter().map(VoteRef::proof).collect())
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.votes.clear();
    }
}

/// The votes of a batch with their places in it.
pub fn votes_of(batch: &Arc<Verified<VoteBatch>>) -> impl Iterator<Item = (Txid, VoteRef)> + '_ {
    (0u16..)
        .zip(&batch.votes)
        .map(|(index, vote)| (vote.txid(), VoteRef::new(Arc::clone(batch), index)))
}
