//! The rules of votes on transactions (PROTOCOL 4): which votes a masternode may send.

use super::masternode::{Masternode, Votes};
use super::mutant::Mutant;
use super::protocol::{Action, Protocol};
use super::scenario::{BlockId, TxSet, bit};
use super::view::View;

impl Protocol {
    /// The votes that a masternode may send.
    pub(crate) fn vote_steps(&self, view: &View, who: usize, steps: &mut Vec<Action>) {
        let masternode = &view.honest()[who];
        for tx in 0..self.scenario.transactions.len() {
            if self.may_approve(view, masternode, tx) {
                steps.push(Action::Approve { who, tx });
            }
            if self.may_reject(view, masternode, tx) {
                steps.push(Action::Reject { who, tx });
            }
            if self.may_commit(view, masternode, tx) {
                steps.push(Action::Commit { who, tx });
            }
        }
    }

    /// F1, F2.
    fn may_approve(&self, view: &View, masternode: &Masternode, tx: usize) -> bool {
        let votes = self.votes_of(masternode);
        let is_promised = votes.rejects & bit(tx) != 0 && !self.drops(Mutant::F2Promise);
        let f5a_holds = self.drops(Mutant::F5aApprove) || self.f5a_allows(view, masternode, tx);
        votes.approves & bit(tx) == 0
            && !is_promised
            && self.votes_are_open(masternode)
            && self.is_valid_on_tip(view, masternode, tx)
            && self.parent_is_final(view, masternode, tx)
            && (self.drops(Mutant::F2) || self.lock_conflict(view, masternode, tx) == 0)
            && f5a_holds
    }

    /// F2: it conflicts with a live Approve.
    fn may_reject(&self, view: &View, masternode: &Masternode, tx: usize) -> bool {
        let votes = self.votes_of(masternode);
        self.scenario.rejects
            && (votes.approves | votes.rejects) & bit(tx) == 0
            && self.lock_conflict(view, masternode, tx) != 0
    }

    /// F3.
    fn may_commit(&self, view: &View, masternode: &Masternode, tx: usize) -> bool {
        let epoch = self.scenario.epoch_of(masternode.height());
        let conflicting = self.live_commits(view, masternode) & self.conflicts(tx);
        self.votes_of(masternode).commits & bit(tx) == 0
            && self.votes_are_open(masternode)
            && self.is_valid_on_tip(view, masternode, tx)
            && (self.drops(Mutant::F3) || view.is_certified(epoch, tx))
            && (self.drops(Mutant::F3Conflict) || conflicting == 0)
            && self.f5a_allows(view, masternode, tx)
    }

    /// Whether votes are open: they are closed in the last height of an epoch.
    fn votes_are_open(&self, masternode: &Masternode) -> bool {
        !self.scenario.ends_epoch(masternode.height()) || self.drops(Mutant::Freeze)
    }

    /// F1: nothing that conflicts is confirmed, and neither is it.
    fn is_valid_on_tip(&self, view: &View, masternode: &Masternode, tx: usize) -> bool {
        let chain = view.chain_below(masternode.height());
        let is_dead = self.conflicts(tx) & chain != 0 && !self.drops(Mutant::F1Tip);
        chain & bit(tx) == 0 && !is_dead
    }

    /// F1: the parent is confirmed, or final.
    fn parent_is_final(&self, view: &View, masternode: &Masternode, tx: usize) -> bool {
        let epoch = self.scenario.epoch_of(masternode.height());
        let chain = view.chain_below(masternode.height());
        self.scenario.transactions[tx].parent.is_none_or(|parent| {
            chain & bit(parent) != 0 || view.is_final(epoch, parent) || self.drops(Mutant::F1Parent)
        })
    }

    /// F5a: no block Prepared at the undecided height conflicts.
    fn f5a_allows(&self, view: &View, masternode: &Masternode, tx: usize) -> bool {
        let prepared = self.prepared_content(view, masternode);
        prepared & self.conflicts(tx) == 0 || self.drops(Mutant::F5a)
    }

    fn prepared_content(&self, view: &View, masternode: &Masternode) -> TxSet {
        let ballots = masternode.ballots.get(masternode.height());
        let prepares = ballots.map(|ballots| ballots.prepares).unwrap_or_default();
        let blocks = prepares.iter().filter(|block| **block != 0);
        blocks.fold(0, |content, block| content | view.scenario().content(*block))
    }

    /// The live Approves that an Approve would conflict with.
    fn lock_conflict(&self, view: &View, masternode: &Masternode, tx: usize) -> TxSet {
        let locks = self.votes_of(masternode).approves & self.conflicts(tx);
        self.scenario.select(locks, |lock| !self.is_released(view, masternode, lock))
    }

    /// F6: a decided block made it impossible, or a quorum rejected it. What was released is
    /// never approved again (F2), and what releases it stays: so it needs no record.
    fn is_released(&self, view: &View, masternode: &Masternode, tx: usize) -> bool {
        let epoch = self.scenario.epoch_of(masternode.height());
        let f6_rejects = self.drops(Mutant::F6Rejects);
        let rejects = if f6_rejects { self.scenario.one_honest() } else { self.quorum() };
        let is_dead = self.is_dead(view, masternode, tx) && !self.drops(Mutant::F6Keep);
        let is_rejected = self.scenario.rejects && view.has_rejects(epoch, tx, rejects);
        is_dead || is_rejected || self.drops(Mutant::F6Time)
    }

    fn is_dead(&self, view: &View, masternode: &Masternode, tx: usize) -> bool {
        view.chain_below(masternode.height()) & self.conflicts(tx) != 0
    }

    /// Commits of this epoch that no decided block has settled.
    fn live_commits(&self, view: &View, masternode: &Masternode) -> TxSet {
        let chain = view.chain_below(masternode.height());
        let commits = self.votes_of(masternode).commits & !chain;
        self.scenario.select(commits, |tx| !self.is_dead(view, masternode, tx))
    }

    /// F5b, and at the end of an epoch "every": whether it refuses a fresh proposal.
    pub(crate) fn refuses_fresh(
        &self,
        view: &View,
        masternode: &Masternode,
        block: BlockId,
    ) -> bool {
        let content = self.scenario.content(block);
        let conflicts = self.refuses_conflict(view, masternode, content);
        let is_boundary = self.scenario.ends_epoch(masternode.height());
        let missing = self.owed(view, masternode) & !content != 0;
        let lacks = is_boundary && missing && !self.drops(Mutant::Every);
        (conflicts && !self.drops(Mutant::F5b)) || lacks
    }

    /// Whether it Committed to something that a block's content conflicts with.
    pub(crate) fn refuses_conflict(
        &self,
        view: &View,
        masternode: &Masternode,
        content: TxSet,
    ) -> bool {
        self.live_commits(view, masternode) & self.scenario.conflicts_of(content) != 0
    }

    /// What the last block of the epoch must hold.
    fn owed(&self, view: &View, masternode: &Masternode) -> TxSet {
        if self.drops(Mutant::EveryDead) {
            let chain = view.chain_below(masternode.height());
            return self.votes_of(masternode).commits & !chain;
        }
        self.live_commits(view, masternode)
    }

    /// What honest masternodes Committed and no block below a height settled.
    pub(crate) fn all_live_commits(&self, view: &View, height: usize) -> TxSet {
        let here = view.honest().iter().filter(|masternode| masternode.height() == height);
        here.fold(0, |found, masternode| found | self.live_commits(view, masternode))
    }

    fn conflicts(&self, tx: usize) -> TxSet {
        self.scenario.transactions[tx].conflicts
    }

    /// Its votes of the epoch that it is in.
    pub(crate) fn votes_of<'m>(&self, masternode: &'m Masternode) -> &'m Votes {
        &masternode.votes[self.scenario.epoch_of(masternode.height())]
    }
}
