//! I4 and I7: what is final conflicts with nothing final or decided, and is in a block of its
//! epoch. A transaction counts as final as soon as its certificate could exist: honest Commits
//! and the keys of all Byzantine masternodes are a quorum.

use std::collections::{BTreeMap, BTreeSet};

use super::{Broken, Knowledge};
use crate::engine::output::BlockCommit;
use crate::params::Chain;
use crate::types::chain::{Epoch, Height};
use crate::types::hash::Txid;
use crate::types::keys::PublicKey;
use crate::types::map::HashMap;
use crate::types::transaction::OutPoint;
use crate::types::vote::{VoteBatch, VoteKind};

/// Commits, what they make final, and what blocks hold.
#[derive(Clone, Debug, Default)]
pub(super) struct FinalityCheck {
    commits: BTreeMap<(Epoch, Txid), BTreeSet<PublicKey>>,
    /// Who took an outpoint for good.
    taken: HashMap<OutPoint, Txid>,
    finals: HashMap<Txid, Epoch>,
    confirmed: HashMap<Txid, Height>,
    height: Height,
}

impl FinalityCheck {
    /// An honest masternode sends votes.
    pub(super) fn on_votes(
        &mut self,
        batch: &VoteBatch,
        known: &Knowledge,
        chain: &Chain,
    ) -> Result<(), Broken> {
        let Some(set) = known.sets.get(&batch.epoch) else { return Ok(()) };
        let Some(voter) = set.get(batch.voter).map(|m| m.consensus_key) else { return Ok(()) };
        for vote in batch.votes.iter().filter(|vote| vote.kind() == VoteKind::Commit) {
            let txid = vote.txid();
            let commits = self.commits.entry((batch.epoch, txid)).or_default();
            commits.insert(voter);
            let honest = commits.iter().filter(|key| !known.byzantine.contains(key)).count();
            if honest + known.n_byzantine(set) >= set.quorum() {
                self.become_final(txid, batch.epoch, known, chain)?;
            }
        }
        Ok(())
    }

    fn become_final(
        &mut self,
        txid: Txid,
        epoch: Epoch,
        known: &Knowledge,
        chain: &Chain,
    ) -> Result<(), Broken> {
        if self.finals.insert(txid, epoch).is_some() {
            return Ok(());
        }
        let claims = known.claims.get(&txid).map(|claims| &claims[..]).unwrap_or(&[]);
        self.take(txid, claims.iter().copied(), "final")?;
        let last = Height((epoch.0 + 1).saturating_mul(chain.params().epoch_blocks));
        if self.height >= last && !self.confirmed.contains_key(&txid) {
            let text = format!("{txid} became final after epoch {epoch} without a block");
            return Err(("I7 final in its epoch", text));
        }
        Ok(())
    }

    fn take(
        &mut self,
        txid: Txid,
        claims: impl Iterator<Item = OutPoint>,
        how: &str,
    ) -> Result<(), Broken> {
        // The name of a masternode may be claimed again once that has left.
        for claim in claims.filter(|claim| claim.vout != u32::MAX) {
            let by = *self.taken.entry(claim).or_insert(txid);
            if by != txid {
                let text = format!("{txid} is {how}, and {by} took {claim} before");
                return Err(("I4 conflicting finality", text));
            }
        }
        Ok(())
    }

    /// A transaction of an old block is let go.
    pub(super) fn forget(&mut self, txid: &Txid, claims: &[OutPoint]) {
        self.confirmed.remove(txid);
        for claim in claims {
            if self.taken.get(claim) == Some(txid) {
                self.taken.remove(claim);
            }
        }
    }

    /// The next block of the chain.
    pub(super) fn on_block(&mut self, commit: &BlockCommit, chain: &Chain) -> Result<(), Broken> {
        self.height = commit.height();
        for transaction in commit.connected.block.transactions() {
            let txid = transaction.txid();
            self.take(txid, transaction.claims(), "decided")?;
            self.confirmed.insert(txid, self.height);
            self.finals.remove(&txid);
        }
        if chain.params().is_epoch_end(self.height) {
            let epoch = chain.params().epoch_of(self.height);
            let mut open: Vec<&Txid> = self
                .finals
                .iter()
                .filter(|(txid, of)| **of <= epoch && !self.confirmed.contains_key(*txid))
                .map(|(txid, _)| txid)
                .collect();
            open.sort();
            if let Some(txid) = open.first() {
                let text = format!("{txid} is final in epoch {epoch} and in none of its blocks");
                return Err(("I7 final in its epoch", text));
            }
            self.commits.retain(|(of, _), _| *of >= epoch);
            self.finals.retain(|_, of| *of >= epoch);
        }
        Ok(())
    }
}
