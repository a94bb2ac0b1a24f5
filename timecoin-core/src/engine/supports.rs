//! What the vote log holds beside own votes: the transactions, and the Approves that allow Commits.
//!
//! Others choose how long the batches of their votes are: one that puts each Approve into a long
//! batch of its own makes every Commit lean on all of it. So only what a quorum needs is recorded,
//! the least of it first, and a batch is signed only as long as what stands behind it fits.

use std::collections::VecDeque;
use std::sync::Arc;

use super::Engine;
use super::output::Record;
use crate::types::certificate::ApproveCertificate;
use crate::types::encode::encoded_len;
use crate::types::hash::Txid;
use crate::types::keys::Signature;
use crate::types::map::HashSet;
use crate::types::verified::Verified;
use crate::types::vote::{BATCH_VOTES_MAX, Vote, VoteBatch, VoteKind};
use crate::votes::VoteRef;

/// Bytes of what stands behind the votes of one record, a sixteenth of what the log takes. One
/// vote fits whatever others do: 134 batches of 35 kB and a certificate's transaction. It bounds
/// a record on its way to the log, and nothing that stays.
pub(super) const SUPPORT_BYTES_MAX: usize = 8_000_000;

/// Batches that are remembered while a record is made; looking further back costs more than
/// asking the table of what is recorded.
const LEANED_ON_MAX: usize = 16;

impl Engine {
    /// How many of some votes go into one batch, by what has to be recorded with it.
    pub(super) fn n_recordable(&self, votes: &[Vote]) -> usize {
        let n_max = votes.len().min(BATCH_VOTES_MAX);
        let mut bytes_left = SUPPORT_BYTES_MAX;
        let mut counted: HashSet<Signature> = HashSet::default();
        for (n_before, vote) in votes.iter().take(n_max).enumerate() {
            let bytes = self.support_bytes(vote, &mut counted);
            if n_before > 0 && bytes > bytes_left {
                return n_before;
            }
            bytes_left = bytes_left.saturating_sub(bytes);
        }
        n_max
    }

    fn support_bytes(&self, vote: &Vote, counted: &mut HashSet<Signature>) -> usize {
        let txid = vote.txid();
        if vote.kind() == VoteKind::Reject {
            return 0;
        }
        let entry = self.mempool.get(&txid).filter(|_| !self.recorded.transactions.contains(&txid));
        let mut bytes = entry.map_or(0, |entry| entry.transaction.bytes());
        if vote.kind() == VoteKind::Approve {
            return bytes;
        }
        if let Some(certificate) = self.received_certificate(&txid) {
            let is_new = !self.recorded.certificates.contains(&txid);
            return bytes + if is_new { encoded_len::<ApproveCertificate>(certificate) } else { 0 };
        }
        for support in self.supports_of(&txid, counted) {
            if !self.recorded.batches.contains(&support.signature)
                && counted.insert(support.signature)
            {
                bytes += support.bytes_max();
            }
        }
        bytes
    }

    fn received_certificate(&self, txid: &Txid) -> Option<&Arc<Verified<ApproveCertificate>>> {
        self.finality.get(txid)?.received_certificate()
    }

    /// The batches of a quorum of Approves: what is in the log, or will be with the same record,
    /// then the shortest.
    fn supports_of(
        &self,
        txid: &Txid,
        counted: &HashSet<Signature>,
    ) -> Vec<Arc<Verified<VoteBatch>>> {
        let Some(votes) = self.finality.get(txid) else { return Vec::new() };
        let approves = votes.tally().votes(VoteKind::Approve).map(VoteRef::batch);
        let mut batches: Vec<_> = approves.cloned().collect();
        let quorum = self.finality.set().quorum();
        if batches.len() > quorum {
            batches.sort_by_key(|batch| {
                let signature = &batch.signature;
                let is_new =
                    !self.recorded.batches.contains(signature) && !counted.contains(signature);
                (is_new, batch.votes.len())
            });
            batches.truncate(quorum);
        }
        batches
    }

    /// What stands behind the votes of a batch and is not in the log yet: the transactions, and
    /// the Approves that allow its Commits.
    pub(super) fn record_votes(&mut self, batch: &Arc<Verified<VoteBatch>>) -> Record {
        let mut transactions = Vec::new();
        let mut supports = Vec::new();
        let mut certificates = Vec::new();
        let mut leaned_on: VecDeque<Arc<Verified<VoteBatch>>> = VecDeque::new();
        let none = HashSet::default();
        self.recorded.batches.insert(batch.signature);
        for vote in batch.votes.iter().filter(|vote| vote.kind() != VoteKind::Reject) {
            let txid = vote.txid();
            if self.recorded.transactions.insert(txid) {
                let entry = self.mempool.get(&txid);
                transactions.extend(entry.map(|entry| entry.transaction.transaction().clone()));
            }
            if vote.kind() != VoteKind::Commit {
                continue;
            }
            if let Some(certificate) = self.received_certificate(&txid).cloned() {
                if self.recorded.certificates.insert(txid) {
                    certificates.push(Arc::new(ApproveCertificate::clone(&certificate)));
                }
                continue;
            }
            for support in self.supports_of(&txid, &none) {
                // Most votes of a batch lean on the same few batches.
                if leaned_on.iter().any(|known| Arc::ptr_eq(known, &support)) {
                    continue;
                }
                leaned_on.push_front(Arc::clone(&support));
                leaned_on.truncate(LEANED_ON_MAX);
                if self.recorded.batches.insert(support.signature) {
                    supports.push(Arc::new(VoteBatch::clone(&support)));
                }
            }
        }
        Record::Votes { batch: VoteBatch::clone(batch), transactions, supports, certificates }
    }
}
