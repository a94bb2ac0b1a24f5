//! Votes on transactions that this node does not have: how many of them are kept.
//!
//! Anybody in the set can vote on ids that stand for nothing, and a vote keeps the batch in which
//! it was signed, all of it. So it is the bytes of such batches that are bounded, for each
//! masternode on its own; its oldest votes go first, like messages that were lost.

use std::collections::VecDeque;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Weak};

use super::Finality;
use crate::types::verified::Verified;
use crate::types::vote::{VOTE_BYTES_MAX, VoteBatch};

/// Bytes of the batches of one masternode that are kept for their votes on unknown transactions.
/// Half a block of Approves and as many Commits, which is all that it may have open (F9), take
/// three quarters of it in batches of three.
pub(crate) const UNKNOWN_BYTES_PER_VOTER_MAX: usize = 1_000_000;

/// Votes that so many bytes hold. One that is alone on its id takes some 300 bytes beside its batch.
pub(crate) const UNKNOWN_PER_VOTER_MAX: usize = UNKNOWN_BYTES_PER_VOTER_MAX / VOTE_BYTES_MAX;

/// Bytes of batches that count, up to which none goes though more bytes were passed.
const BYTES_KEPT: usize = UNKNOWN_BYTES_PER_VOTER_MAX / 8 * 7;

/// What is left of more, so that they are not passed again at once.
const BYTES_LEFT: usize = UNKNOWN_BYTES_PER_VOTER_MAX / 4 * 3;

/// Batches of one masternode that brought votes on unknown transactions, oldest first. Only the
/// votes themselves keep the votes of a batch: of one of which none counts any more, what is left
/// here is small, and goes when room is needed. Whether others hold it must decide nothing.
#[derive(Clone, Debug, Default)]
pub(super) struct UnknownVotes {
    batches: VecDeque<(Weak<Verified<VoteBatch>>, usize)>,
    bytes: usize,
}

impl UnknownVotes {
    /// What the batches had on the wire.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    fn push(&mut self, batch: &Arc<Verified<VoteBatch>>) {
        let bytes = batch.bytes_max();
        self.bytes += bytes;
        self.batches.push_back((Arc::downgrade(batch), bytes));
    }

    fn retain(&mut self, is_needed: impl Fn(&Arc<Verified<VoteBatch>>) -> bool) {
        self.batches.retain(|(batch, _)| batch.upgrade().is_some_and(|batch| is_needed(&batch)));
        self.bytes = self.batches.iter().map(|(_, bytes)| bytes).sum();
    }

    fn pop(&mut self) -> Option<Arc<Verified<VoteBatch>>> {
        let (batch, bytes) = self.batches.pop_front()?;
        self.bytes -= bytes;
        batch.upgrade()
    }
}

impl Finality {
    /// A batch holds votes on transactions that are not here, which were counted.
    pub(super) fn keep_unknown(&mut self, batch: &Arc<Verified<VoteBatch>>) {
        let Finality { votes, unknown, .. } = self;
        let Some(kept) = unknown.get_mut(usize::from(batch.voter)) else { return };
        kept.push(batch);
        if kept.bytes <= UNKNOWN_BYTES_PER_VOTER_MAX {
            return;
        }
        kept.retain(|batch| {
            let mut votes_on = batch.votes.iter().filter_map(|vote| votes.get(&vote.txid()));
            votes_on.any(|votes| votes.is_unknown() && votes.tally().leans_on(batch))
        });
        if kept.bytes <= BYTES_KEPT {
            return;
        }
        while kept.bytes > BYTES_LEFT
            && let Some(oldest) = kept.pop()
        {
            for vote in &oldest.votes {
                if let Entry::Occupied(mut known) = votes.entry(vote.txid())
                    && known.get().is_unknown()
                    && known.get_mut().forget(&oldest)
                {
                    known.remove();
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::finality::{Backlog, Milestone};
    use crate::types::address::Address;
    use crate::types::chain::Epoch;
    use crate::types::hash::{ChainId, Tag, Txid, hash};
    use crate::types::keys::{KeyPair, Signature};
    use crate::types::masternode_set::{Masternode, MasternodeIndex, MasternodeSet};
    use crate::types::vote::{BATCH_VOTES_MAX, Vote, VoteKind};

    fn finality() -> Finality {
        let member = |seed: u8| Masternode {
            consensus_key: KeyPair::from_seed(&[seed]).public(),
            payout: Address::from_bytes([0; 20]),
            network_address: String::new(),
        };
        let set = MasternodeSet::new((0..4).map(member).collect()).unwrap();
        Finality::new(Epoch::ZERO, set, None, Backlog::default())
    }

    /// The engine is given what was verified before.
    fn vote(finality: &mut Finality, voter: MasternodeIndex, votes: Vec<Vote>) -> Vec<Milestone> {
        let (set_hash, keys) = (finality.set().hash(), KeyPair::from_seed(&[0]));
        let batch = VoteBatch::sign(&ChainId::ZERO, Epoch::ZERO, set_hash, voter, votes, &keys);
        finality.on_votes(&Arc::new(Verified::vouch(batch)))
    }

    fn id(n: usize) -> Txid {
        Txid::from(hash(Tag::Message, &n.to_le_bytes()))
    }

    fn approves(ids: impl Iterator<Item = usize>) -> Vec<Vote> {
        ids.map(|n| Vote::Approve(id(n))).collect()
    }

    /// The bytes of all batches that any vote keeps, once each.
    fn bytes_kept(finality: &Finality) -> usize {
        let votes =
            finality.votes.values().flat_map(|votes| votes.tally().votes(VoteKind::Approve));
        let batches: BTreeMap<Signature, usize> =
            votes.map(|vote| (vote.batch().signature, vote.batch().bytes_max())).collect();
        batches.values().sum()
    }

    #[test]
    fn batches_of_which_one_vote_counts_take_bounded_room() {
        let mut finality = finality();
        let padding = || 0..BATCH_VOTES_MAX - 1;
        for n in 0..100 {
            vote(&mut finality, 3, approves(padding().chain([BATCH_VOTES_MAX + n])));
            assert!(bytes_kept(&finality) <= UNKNOWN_BYTES_PER_VOTER_MAX);
            assert!(finality.unknown_bytes() <= UNKNOWN_BYTES_PER_VOTER_MAX);
        }
        assert!(finality.get(&id(BATCH_VOTES_MAX + 99)).is_some());
        assert!(finality.get(&id(BATCH_VOTES_MAX)).is_none());
    }

    #[test]
    fn votes_on_any_number_of_unknown_transactions_are_bounded_and_the_newest_stay() {
        let mut finality = finality();
        for n in 0..100 {
            let first = n * BATCH_VOTES_MAX;
            vote(&mut finality, 3, approves(first..first + BATCH_VOTES_MAX));
            assert!(finality.n_transactions() <= UNKNOWN_PER_VOTER_MAX);
        }
        assert!(finality.n_transactions() > UNKNOWN_PER_VOTER_MAX / 2);
        assert!(finality.get(&id(99 * BATCH_VOTES_MAX)).is_some());
    }

    fn flood(finality: &mut Finality) {
        (1..40).for_each(|n| {
            let first = n * BATCH_VOTES_MAX;
            vote(finality, 3, approves(first..first + BATCH_VOTES_MAX));
        });
    }

    #[test]
    fn a_flood_forgets_its_own_votes_on_what_is_unknown_and_no_others() {
        let mut finality = finality();
        let [known, unknown, certified] = [0, 1, 2];
        vote(&mut finality, 3, approves([known, unknown, certified].into_iter()));
        vote(&mut finality, 1, approves([known, unknown, certified].into_iter()));
        let milestones = vote(&mut finality, 2, approves([certified].into_iter()));
        assert!(milestones.iter().any(|reached| matches!(reached, Milestone::Certified(_))));
        finality.note_known(id(known));
        flood(&mut finality);
        let voters = |n: usize| -> Vec<MasternodeIndex> {
            let votes = finality.get(&id(n)).unwrap().tally().votes(VoteKind::Approve);
            votes.map(|vote| vote.voter()).collect()
        };
        assert_eq!([known, unknown, certified].map(voters), [vec![3, 1], vec![1], vec![3, 1, 2]]);
    }

    #[test]
    fn what_was_forgotten_counts_when_it_is_said_again() {
        let mut finality = finality();
        vote(&mut finality, 3, approves(0..1));
        flood(&mut finality);
        assert!(finality.get(&id(0)).is_none());
        vote(&mut finality, 3, approves(0..1));
        assert_eq!(finality.get(&id(0)).unwrap().tally().n_voters(VoteKind::Approve), 1);
    }
}
