//! The votes on one transaction, and how they add up.

use std::sync::Arc;

use super::{Finality, Includable};
use crate::types::certificate::{ApproveCertificate, FinalityCertificate, VoteCertificate};
use crate::types::chain::Epoch;
use crate::types::hash::Txid;
use crate::types::masternode_set::MasternodeSet;
use crate::types::verified::Verified;
use crate::types::vote::{VoteBatch, VoteKind};
use crate::votes::{BatchTrees, Counted, VoteRef, VoteTally, votes_of};

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
    tally: VoteTally,
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
        self.tally.n_voters(VoteKind::Reject) > 0
    }

    /// Whether a quorum rejected it.
    pub fn is_rejected(&self) -> bool {
        self.is_rejected
    }

    /// The votes.
    pub fn tally(&self) -> &VoteTally {
        &self.tally
    }

    /// The approve certificate that came as a whole, if one did.
    pub fn received_certificate(&self) -> Option<&Arc<Verified<ApproveCertificate>>> {
        self.approve_certificate.as_ref()
    }

    /// Whether this masternode holds its claims, by a live Approve or a Commit.
    pub fn has_promise(&self) -> bool {
        let is_approved = matches!(self.own, Some(Decision::Approved { backlog_bytes: Some(_) }));
        is_approved || self.own_commit
    }

    /// Whether nothing was promised here because of its votes, nor follows from them.
    fn is_idle(&self) -> bool {
        self.own.is_none() && !self.own_commit && !self.is_certified && !self.is_final
    }

    /// Whether there is nothing but votes on a transaction that is not here.
    pub(super) fn is_unknown(&self) -> bool {
        !self.is_known && self.is_idle()
    }

    /// Forgets the votes that are in a batch; says whether none is left.
    pub(super) fn forget(&mut self, batch: &Arc<Verified<VoteBatch>>) -> bool {
        self.tally.forget(batch)
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
        trees: &mut BatchTrees,
    ) -> Option<Arc<ApproveCertificate>> {
        if let Some(received) = &self.approve_certificate {
            return Some(Arc::new(ApproveCertificate::clone(received)));
        }
        let votes = self.tally.proofs(VoteKind::Approve, set.quorum(), trees)?;
        let votes = VoteCertificate { epoch, set_hash: set.hash(), votes };
        Some(Arc::new(ApproveCertificate { txid, votes }))
    }

    pub(super) fn finality_certificate(
        &self,
        txid: Txid,
        epoch: Epoch,
        set: &MasternodeSet,
        trees: &mut BatchTrees,
    ) -> Option<Arc<FinalityCertificate>> {
        if let Some(received) = &self.finality_certificate {
            return Some(Arc::new(FinalityCertificate::clone(received)));
        }
        let votes = self.tally.proofs(VoteKind::Commit, set.quorum(), trees)?;
        let votes = VoteCertificate { epoch, set_hash: set.hash(), votes };
        Some(Arc::new(FinalityCertificate { txid, votes }))
    }
}

impl Finality {
    /// Counts the votes of a batch of this epoch (F10). Own batches come this way too.
    pub fn on_votes(&mut self, batch: &Arc<Verified<VoteBatch>>) -> Vec<Milestone> {
        let mut milestones = Vec::new();
        let mut keeps_unknown = false;
        for (txid, vote) in votes_of(batch) {
            keeps_unknown |= self.on_vote(txid, vote, &mut milestones);
        }
        if keeps_unknown {
            self.keep_unknown(batch);
        }
        milestones
    }

    /// Says whether it was counted for a transaction that is not here.
    fn on_vote(&mut self, txid: Txid, vote: VoteRef, milestones: &mut Vec<Milestone>) -> bool {
        let (voter, kind, quorum) = (vote.voter(), vote.kind(), self.set.quorum());
        let votes = self.votes.entry(txid).or_default();
        if !votes.is_known {
            milestones.push(Milestone::Unknown(txid));
        }
        let opposite = match kind {
            VoteKind::Approve => Some(VoteKind::Reject),
            VoteKind::Reject => Some(VoteKind::Approve),
            VoteKind::Commit => None,
        };
        let contradicts = opposite.and_then(|kind| votes.tally.of(kind, voter)).cloned();
        let vote_if_odd = contradicts.is_some().then(|| vote.clone());
        let counted = votes.tally.add(vote, quorum);
        if let (Counted::New | Counted::Quorum, Some(vote), Some(other)) =
            (counted, vote_if_odd, contradicts)
        {
            let is_approve = kind == VoteKind::Approve;
            let (approve, reject) = if is_approve { (vote, other) } else { (other, vote) };
            milestones.push(Milestone::Contradiction { approve, reject });
        }
        match (kind, counted) {
            (_, Counted::Repeated) if votes.is_final && Some(voter) != self.own => {
                milestones.push(Milestone::Behind(txid));
            }
            (VoteKind::Approve, Counted::Quorum) => {
                self.includable.certify(txid, votes, milestones);
            }
            (VoteKind::Commit, Counted::Quorum) => {
                self.includable.finalize(txid, votes, milestones);
            }
            (VoteKind::Reject, Counted::Quorum) => {
                votes.is_rejected = true;
                milestones.push(Milestone::RejectedByQuorum(txid));
            }
            (VoteKind::Reject, Counted::New) if votes.tally.n_voters(kind) == 1 => {
                milestones.push(Milestone::Split(txid));
            }
            _ => {}
        }
        counted != Counted::Repeated && !votes.is_known
    }

    /// Says that this node has the transaction, so that votes for it are not unknown.
    pub fn note_known(&mut self, txid: Txid) {
        self.votes.entry(txid).or_default().is_known = true;
    }

    /// Says that this node has let the transaction go; votes without promises go with it.
    pub fn note_evicted(&mut self, txid: &Txid) {
        if self.votes.get(txid).is_some_and(TxVotes::is_idle) {
            self.votes.remove(txid);
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
        self.includable.certify(txid, votes, milestones);
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
        self.includable.finalize(txid, votes, milestones);
    }
}

impl Includable {
    fn certify(&mut self, txid: Txid, votes: &mut TxVotes, milestones: &mut Vec<Milestone>) {
        if std::mem::replace(&mut votes.is_certified, true) {
            return;
        }
        milestones.push(Milestone::Certified(txid));
        if !votes.is_final {
            let order = self.next_order();
            votes.order = Some(order);
            self.certified.insert(order, txid);
        }
    }

    fn finalize(&mut self, txid: Txid, votes: &mut TxVotes, milestones: &mut Vec<Milestone>) {
        if votes.is_final {
            return;
        }
        self.forget(votes);
        votes.is_final = true;
        let order = self.next_order();
        votes.order = Some(order);
        self.finals.insert(order, txid);
        milestones.push(Milestone::Finalized(txid));
    }
}
