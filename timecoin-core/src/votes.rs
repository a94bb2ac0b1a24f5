//! Counting votes on transactions: each masternode once, each threshold reported once.

use std::sync::Arc;

use crate::types::hash::Txid;
use crate::types::masternode_set::MasternodeIndex;
use crate::types::verified::Verified;
use crate::types::vote::{Vote, VoteBatch, VoteKind, VoteProof};

/// A vote, by its place in the batch that was signed.
#[derive(Clone, Debug)]
pub struct VoteRef {
    batch: Arc<Verified<VoteBatch>>,
    index: u16,
    voter: MasternodeIndex,
    kind: VoteKind,
}

impl VoteRef {
    /// The vote at `index` of a batch.
    ///
    /// # Panics
    /// If there is no such vote.
    pub fn new(batch: Arc<Verified<VoteBatch>>, index: u16) -> Self {
        let kind = batch.votes[usize::from(index)].kind();
        VoteRef { index, voter: batch.voter, kind, batch }
    }

    /// Who voted.
    pub fn voter(&self) -> MasternodeIndex {
        self.voter
    }

    /// Which promise it makes.
    pub fn kind(&self) -> VoteKind {
        self.kind
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

/// The votes on one transaction, of all kinds, each masternode once for each.
#[derive(Clone, Debug, Default)]
pub struct VoteTally {
    votes: Vec<VoteRef>,
}

impl VoteTally {
    /// Counts a vote unless its masternode's of that kind is there.
    pub fn add(&mut self, vote: VoteRef, quorum: usize) -> Counted {
        let kind = vote.kind();
        if self.of(kind, vote.voter()).is_some() {
            return Counted::Repeated;
        }
        self.votes.push(vote);
        if self.n_voters(kind) == quorum { Counted::Quorum } else { Counted::New }
    }

    /// How many masternodes voted so.
    pub fn n_voters(&self, kind: VoteKind) -> usize {
        self.votes(kind).count()
    }

    /// The vote of a masternode.
    pub fn of(&self, kind: VoteKind, voter: MasternodeIndex) -> Option<&VoteRef> {
        self.votes(kind).find(|vote| vote.voter() == voter)
    }

    /// The votes of a kind, in the order in which they came.
    pub fn votes(&self, kind: VoteKind) -> impl Iterator<Item = &VoteRef> {
        self.votes.iter().filter(move |vote| vote.kind() == kind)
    }

    /// Whose vote came first, of any kind.
    pub fn first_voter(&self) -> Option<MasternodeIndex> {
        self.votes.first().map(VoteRef::voter)
    }

    /// The proofs of a quorum, ascending by voter; nothing where there is none.
    pub fn proofs(&self, kind: VoteKind, quorum: usize) -> Option<Vec<VoteProof>> {
        let mut votes: Vec<&VoteRef> = self.votes(kind).take(quorum).collect();
        if votes.len() < quorum {
            return None;
        }
        votes.sort_by_key(|vote| vote.voter());
        Some(votes.into_iter().map(VoteRef::proof).collect())
    }
}

/// The votes of a batch with their places in it.
pub fn votes_of(batch: &Arc<Verified<VoteBatch>>) -> impl Iterator<Item = (Txid, VoteRef)> + '_ {
    (0u16..)
        .zip(&batch.votes)
        .map(|(index, vote)| (vote.txid(), VoteRef::new(Arc::clone(batch), index)))
}
