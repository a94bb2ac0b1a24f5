//! Counting votes on transactions: each masternode once, each threshold reported once.

use std::sync::Arc;

use crate::types::hash::Txid;
use crate::types::keys::Signature;
use crate::types::map::HashMap;
use crate::types::masternode_set::MasternodeIndex;
use crate::types::merkle::MerkleTree;
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

/// Trees of batches, for the proofs of many votes: most of them are in the same few batches, and
/// a tree costs as much as its whole batch is long.
#[derive(Debug, Default)]
pub struct BatchTrees {
    trees: HashMap<Signature, MerkleTree>,
    bytes_read: usize,
}

impl BatchTrees {
    /// Bytes of the batches of which trees were made since this was asked last.
    pub fn take_bytes_read(&mut self) -> usize {
        std::mem::take(&mut self.bytes_read)
    }

    /// What [`VoteRef::proof`] gives.
    pub fn proof(&mut self, vote: &VoteRef) -> VoteProof {
        let batch = &vote.batch;
        if self.trees.len() >= TREES_MAX && !self.trees.contains_key(&batch.signature) {
            self.trees.clear();
        }
        let tree = self.trees.entry(batch.signature).or_insert_with(|| {
            self.bytes_read += batch.bytes_max();
            batch.tree()
        });
        batch.proof_in(tree, vote.index.into()).expect("the index was taken from the batch")
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

    /// Whether a vote that was counted is in this batch, the very one that was given.
    pub fn leans_on(&self, batch: &Arc<Verified<VoteBatch>>) -> bool {
        self.votes.iter().any(|vote| Arc::ptr_eq(&vote.batch, batch))
    }

    /// Forgets the votes that are in this batch; says whether none is left.
    pub fn forget(&mut self, batch: &Arc<Verified<VoteBatch>>) -> bool {
        self.votes.retain(|vote| !Arc::ptr_eq(&vote.batch, batch));
        self.votes.is_empty()
    }

    /// The proofs of a quorum, ascending by voter; nothing where there is none. Those from short
    /// batches, where there are more: their voters choose how long batches are.
    pub fn proofs(
        &self,
        kind: VoteKind,
        quorum: usize,
        trees: &mut BatchTrees,
    ) -> Option<Vec<VoteProof>> {
        let mut votes: Vec<&VoteRef> = self.votes(kind).collect();
        if votes.len() < quorum {
            return None;
        }
        votes.sort_by_key(|vote| vote.batch.votes.len());
        votes.truncate(quorum);
        votes.sort_by_key(|vote| vote.voter());
        Some(votes.into_iter().map(|vote| trees.proof(vote)).collect())
    }
}

/// The votes of a batch with their places in it.
pub fn votes_of(batch: &Arc<Verified<VoteBatch>>) -> impl Iterator<Item = (Txid, VoteRef)> + '_ {
    (0u16..)
        .zip(&batch.votes)
        .map(|(index, vote)| (vote.txid(), VoteRef::new(Arc::clone(batch), index)))
}

/// Trees that are kept, of 64 kB at most each: more than 200 masternodes have batches of Approves
/// and of Commits on the same transactions.
const TREES_MAX: usize = 512;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::chain::Epoch;
    use crate::types::hash::{ChainId, SetHash};
    use crate::types::keys::KeyPair;

    fn batch(voter: MasternodeIndex, n_votes: usize) -> Arc<Verified<VoteBatch>> {
        let votes = (0..n_votes).map(|n| {
            let mut bytes = [0; 32];
            bytes[..8].copy_from_slice(&n.to_le_bytes());
            Vote::Approve(Txid::from_bytes(bytes))
        });
        let keys = KeyPair::from_seed(&voter.to_le_bytes());
        let (chain_id, set_hash) = (ChainId::ZERO, SetHash::ZERO);
        let votes = votes.collect();
        let batch = VoteBatch::sign(&chain_id, Epoch::ZERO, set_hash, voter, votes, &keys);
        Arc::new(Verified::vouch(batch))
    }

    #[test]
    fn one_tree_proves_all_votes_of_a_batch() {
        let mut trees = BatchTrees::default();
        for (_, vote) in votes_of(&batch(0, 40)) {
            assert_eq!(trees.proof(&vote), vote.proof());
        }
        assert_eq!(trees.trees.len(), 1);
    }

    #[test]
    fn trees_of_any_number_of_batches_take_bounded_room() {
        let mut trees = BatchTrees::default();
        for voter in 0..600 {
            trees.proof(&VoteRef::new(batch(voter, 2), 1));
            assert!(trees.trees.len() <= TREES_MAX);
        }
    }

    #[test]
    fn a_quorum_is_proved_from_the_shortest_batches() {
        let mut tally = VoteTally::default();
        for (voter, n_votes) in [(0, 30), (1, 2), (2, 5), (3, 3)] {
            tally.add(VoteRef::new(batch(voter, n_votes), 0), 3);
        }
        let trees = &mut BatchTrees::default();
        let proofs = tally.proofs(VoteKind::Approve, 3, trees).unwrap();
        let voters: Vec<_> = proofs.iter().map(|proof| proof.voter).collect();
        assert_eq!(voters, [1, 2, 3]);
        assert_eq!(tally.proofs(VoteKind::Approve, 5, trees), None);
    }
}
