//! The votes on one transaction, and how they add up.

use std::sync::Arc;

use super::Finality;
use crate::types::certificate::{ApproveCertificate, FinalityCertificate, VoteCertificate};
use crate::types::chain::Epoch;
use crate::types::hash::Txid;
use crate::types::masternode_set::{MasternodeIndex, MasternodeSet};
use crate::types::verified::Verified;
use crate::types::vote::{VoteBatch, VoteKind};
use crate::votes::{Counted, VoteRef, VoteTally, votes_of};

/// This masternode's own first vote on a transaction (F2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It approved; so many bytes count against its backlog until the Approve is released.
    Approved {
        /// The size of the transaction, or nothing once released.
        backlog_bytes: Option<u32>,
    },
    /// It rejected.
    Rejected,
}

/// All votes on one transaction in one epoch.
#[derive(Clone, Debug, Default)]
pub struct TxVotes {
    approves: VoteTally,
    commits: VoteTally,
    rejects: VoteTally,
    approve_certificate: Option<Arc<Verified<ApproveCertificate>>>,
    finality_certificate: Option<Arc<Verified<FinalityCertificate>>>,
    own: Option<Decision>,
    own_commit: bool,
    is_certified: bool,
    is_final: bool,
    is_rejected: bool,
    is_known: bool,
    order: Option<u64>,
}

/// Something that a vote brought about, reported once.
#[derive(Clone, Debug)]
pub enum Milestone {
    /// A quorum approved.
    Certified(Txid),
    /// A quorum committed.
    Finalized(Txid),
    /// A quorum rejected: it can't be certified in this epoch (F6).
    RejectedByQuorum(Txid),
    /// Somebody rejected it for the first time: the votes are split.
    Split(Txid),
    /// One masternode approved and rejected it.
    Contradiction {
        /// The Approve.
        approve: VoteRef,
        /// The Reject.
        reject: VoteRef,
    },
    /// Votes for a transaction that this node does not have.
    Unknown(Txid),
    /// The voter says again what is decided here: it lacks the certificate.
    Behind(Txid),
}

impl TxVotes {
    /// This masternode's own first vote.
    pub fn own_decision(&self) -> Option<Decision> {
        self.own
    }

    /// Whether this masternode committed to it.
    pub fn own_commit(&self) -> bool {
        self.own_commit
    }

    /// Whether it has an approve certificate.
    pub fn is_certified(&self) -> bool {
        self.is_certified
    }

    /// Whether it has a finality certificate.
    pub fn is_final(&self) -> bool {
        self.is_final
    }

    /// Whether somebody rejected it.
    pub fn is_split(&self) -> bool {
        self.rejects.n_voters() > 0
    }

    /// Whether a quorum rejected it.
    pub fn is_rejected(&self) -> bool {
        self.is_rejected
    }

    /// The Approves.
    pub fn approves(&self) -> &VoteTally {
        &self.approves
    }

    /// The Commits.
    pub fn commits(&self) -> &VoteTally {
        &self.commits
    }

    /// The Rejects.
    pub fn rejects(&self) -> &VoteTally {
        &self.rejects
    }

    /// The approve certificate that came as a whole, if one did.
    pub fn received_certificate(&self) -> Option<&Arc<Verified<ApproveCertificate>>> {
        self.approve_certificate.as_ref()
    }

    pub(super) fn order(&self) -> Option<u64> {
        self.order
    }

    pub(super) fn set_approved(&mut self, bytes: usize) {
        let backlog_bytes = Some(u32::try_from(bytes).unwrap_or(u32::MAX));
        self.own = Some(Decision::Approved { backlog_bytes });
    }

    pub(super) fn set_rejected(&mut self) {
        self.own = Some(Decision::Rejected);
    }

    pub(super) fn set_committed(&mut self) {
        self.own_commit = true;
    }

    pub(super) fn take_backlog(&mut self) -> Option<usize> {
        match &mut self.own {
            Some(Decision::Approved { backlog_bytes }) => {
                backlog_bytes.take().map(|bytes| bytes as usize)
            }
            _ => None,
        }
    }

    pub(super) fn approve_certificate(
        &self,
        txid: Txid,
        epoch: Epoch,
        set: &MasternodeSet,
    ) -> Option<Arc<ApproveCertificate>> {
        if let Some(received) = &self.approve_certificate {
            return Some(Arc::new(ApproveCertificate::clone(received)));
        }
        let votes = self.approves.proofs(set.quorum())?;
        let votes = VoteCertificate { epoch, set_hash: set.hash(), votes };
        Some(Arc::new(ApproveCertificate { txid, votes }))
    }

    pub(super) fn finality_certificate(
        &self,
        txid: Txid,
        epoch: Epoch,
        set: &MasternodeSet,
    ) -> Option<Arc<FinalityCertificate>> {
        if let Some(received) = &self.finality_certificate {
            return Some(Arc::new(FinalityCertificate::clone(received)));
        }
        let votes = self.commits.proofs(set.quorum())?;
        let votes = VoteCertificate { epoch, set_hash: set.hash(), votes };
        Some(Arc::new(FinalityCertificate { txid, votes }))
    }
}

impl Finality {
    /// Counts the votes of a batch of this epoch (F10). Own batches come this way too.
    pub fn on_votes(&mut self, batch: &Arc<Verified<VoteBatch>>) -> Vec<Milestone> {
        let mut milestones = Vec::new();
        for (txid, vote) in votes_of(batch) {
            self.on_vote(txid, vote, &mut milestones);
        }
        milestones
    }

    fn on_vote(&mut self, txid: Txid, vote: VoteRef, milestones: &mut Vec<Milestone>) {
        let voter = vote.voter();
        if !self.admit_vote(&txid, voter) {
            return;
        }
        let quorum = self.set.quorum();
        let votes = self.votes.entry(txid).or_default();
        if !votes.is_known {
            milestones.push(Milestone::Unknown(txid));
        }
        let kind = vote.vote().kind();
        let (tally, opposite) = match kind {
            VoteKind::Approve => (&mut votes.approves, Some(&votes.rejects)),
            VoteKind::Reject => (&mut votes.rejects, Some(&votes.approves)),
            VoteKind::Commit => (&mut votes.commits, None),
        };
        let counted = tally.add(vote.clone(), quorum);
        let contradicts = opposite.and_then(|tally| tally.of(voter)).cloned();
        if let (Counted::New | Counted::Quorum, Some(other)) = (counted, contradicts) {
            let is_approve = kind == VoteKind::Approve;
            let (approve, reject) = if is_approve { (vote, other) } else { (other, vote) };
            milestones.push(Milestone::Contradiction { approve, reject });
        }
        match (kind, counted) {
            (_, Counted::Repeated) if votes.is_final && Some(voter) != self.own => {
                milestones.push(Milestone::Behind(txid));
            }
            (VoteKind::Approve, Counted::Quorum) => self.certify(txid, milestones),
            (VoteKind::Commit, Counted::Quorum) => self.finalize(txid, milestones),
            (VoteKind::Reject, Counted::Quorum) => {
                votes.is_rejected = true;
                milestones.push(Milestone::RejectedByQuorum(txid));
            }
            (VoteKind::Reject, Counted::New) if votes.rejects.n_voters() == 1 => {
                milestones.push(Milestone::Split(txid));
            }
            _ => {}
        }
    }

    /// Votes for transactions that this node does not have are kept, so many per masternode.
    fn admit_vote(&mut self, txid: &Txid, voter: MasternodeIndex) -> bool {
        if self.votes.contains_key(txid) {
            return true;
        }
        let Some(n_unknown) = self.n_unknown.get_mut(usize::from(voter)) else { return false };
        if *n_unknown >= UNKNOWN_PER_VOTER_MAX {
            return false;
        }
        *n_unknown += 1;
        true
    }

    /// Says that this node has the transaction, so that votes for it are not unknown.
    pub fn note_known(&mut self, txid: Txid) {
        let votes = self.votes.entry(txid).or_default();
        if !std::mem::replace(&mut votes.is_known, true) {
            let first = [&votes.approves, &votes.commits, &votes.rejects]
                .into_iter()
                .find_map(|tally| tally.votes().first().map(VoteRef::voter));
            self.uncount_unknown(first);
        }
    }

    /// Says that this node has let the transaction go; votes without promises go with it.
    pub fn note_evicted(&mut self, txid: &Txid) {
        let is_idle = self.votes.get(txid).is_some_and(|votes| {
            votes.own.is_none() && !votes.own_commit && !votes.is_certified && !votes.is_final
        });
        if is_idle {
            self.votes.remove(txid);
        }
    }

    pub(super) fn forget_unknown(&mut self, votes: &TxVotes) {
        if !votes.is_known {
            let first = [&votes.approves, &votes.commits, &votes.rejects]
                .into_iter()
                .find_map(|tally| tally.votes().first().map(VoteRef::voter));
            self.uncount_unknown(first);
        }
    }

    fn uncount_unknown(&mut self, voter: Option<MasternodeIndex>) {
        let count = voter.and_then(|voter| self.n_unknown.get_mut(usize::from(voter)));
        if let Some(count) = count {
            *count = count.saturating_sub(1);
        }
    }

    /// Takes an approve certificate that came as a whole; says whether it is news.
    pub fn on_approve_certificate(
        &mut self,
        certificate: Arc<Verified<ApproveCertificate>>,
        milestones: &mut Vec<Milestone>,
    ) {
        let txid = certificate.txid;
        let votes = self.votes.entry(txid).or_default();
        if votes.is_certified {
            return;
        }
        votes.approve_certificate = Some(certificate);
        if !votes.is_known {
            milestones.push(Milestone::Unknown(txid));
        }
        self.certify(txid, milestones);
    }

    /// Takes a finality certificate that came as a whole.
    pub fn on_finality_certificate(
        &mut self,
        certificate: Arc<Verified<FinalityCertificate>>,
        milestones: &mut Vec<Milestone>,
    ) {
        let txid = certificate.txid;
        let votes = self.votes.entry(txid).or_default();
        if votes.is_final {
            return;
        }
        votes.finality_certificate = Some(certificate);
        if !votes.is_known {
            milestones.push(Milestone::Unknown(txid));
        }
        self.finalize(txid, milestones);
    }

    fn certify(&mut self, txid: Txid, milestones: &mut Vec<Milestone>) {
        let votes = self.votes.entry(txid).or_default();
        if std::mem::replace(&mut votes.is_certified, true) {
            return;
        }
        milestones.push(Milestone::Certified(txid));
        if !votes.is_final {
            votes.order = Some(self.next_order);
            self.certified.insert(self.next_order, txid);
            self.next_order += 1;
        }
    }

    fn finalize(&mut self, txid: Txid, milestones: &mut Vec<Milestone>) {
        let votes = self.votes.entry(txid).or_default();
        if std::mem::replace(&mut votes.is_final, true) {
            return;
        }
        if let Some(order) = votes.order.take() {
            self.certified.remove(&order);
        }
        votes.order = Some(self.next_order);
        self.finals.insert(self.next_order, txid);
        self.next_order += 1;
        milestones.push(Milestone::Finalized(txid));
    }
}

/// Transactions that this node does not have, for which it keeps the votes of one masternode:
/// two full blocks' worth.
pub(crate) const UNKNOWN_PER_VOTER_MAX: usize = 20_000;
