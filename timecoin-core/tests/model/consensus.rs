//! The rules of block consensus (PROTOCOL 5): which ballots a masternode may send.

use super::masternode::{Change, Masternode};
use super::mutant::Mutant;
use super::protocol::{Action, Protocol};
use super::scenario::{BlockId, Proposer, TxSet};
use super::state::Proposal;
use super::view::View;

impl Protocol {
    /// The ballots that a masternode may send at the height that it works on.
    pub(crate) fn ballot_steps(&self, view: &View, who: usize, steps: &mut Vec<Action>) {
        let masternode = &view.honest()[who];
        let height = masternode.height();
        if height == self.scenario.heights.len() {
            return;
        }
        if self.scenario.is_given(height) || view.is_decided(height) {
            steps.push(Action::Decide { who });
        }
        if self.scenario.is_given(height) {
            return;
        }
        for round in self.open_rounds(masternode) {
            for block in self.scenario.block_ids() {
                if self.may_prepare(view, masternode, round, block) {
                    steps.push(Action::Prepare { who, round, block });
                }
            }
            if self.may_commit_block(view, masternode, round) {
                steps.push(Action::CommitBlock { who, round });
            }
        }
        for to in masternode.round() + 1..self.scenario.heights[height].rounds.len() {
            if self.may_change_round(view, masternode, to) {
                steps.push(Action::ChangeRound { who, to });
            }
        }
    }

    /// B7: Prepares and Commits are for its round, and Prepares for rounds above.
    fn open_rounds(&self, masternode: &Masternode) -> std::ops::Range<usize> {
        let lowest = if self.drops(Mutant::B7) { 0 } else { masternode.round() };
        lowest..self.scenario.heights[masternode.height()].rounds.len()
    }

    /// B2: a justified proposal, the first of its round; a fresh one passes F5b too.
    fn may_prepare(
        &self,
        view: &View,
        masternode: &Masternode,
        round: usize,
        block: BlockId,
    ) -> bool {
        let height = masternode.height();
        if masternode.ballots[height].prepares[round] != 0
            || !self.is_valid_block(view, height, block)
        {
            return false;
        }
        let (fresh, justified) = match self.scenario.heights[height].rounds[round] {
            Proposer::Byzantine if view.is_sure() => (false, false),
            Proposer::Byzantine => (
                self.justifies_fresh(view, height, round),
                self.justifies(view, height, round, block),
            ),
            Proposer::Honest => {
                let proposal = view.state.proposals[height][round];
                (proposal == Proposal::Fresh(block), proposal == Proposal::Justified(block))
            }
        };
        let f5b_refuses = self.refuses_fresh(view, masternode, block);
        let f5c_refuses = self.drops(Mutant::F5c)
            && self.refuses_conflict(view, masternode, self.scenario.content(block));
        fresh && !f5b_refuses || justified && !f5c_refuses
    }

    /// Its transactions are valid on the tip.
    pub(crate) fn is_valid_block(&self, view: &View, height: usize, block: BlockId) -> bool {
        let content = self.scenario.content(block);
        let chain = view.chain_below(height);
        content & (chain | self.scenario.conflicts_of(chain)) == 0
    }

    /// B1: there are `q` RoundChanges to the round, and none claims a prepared block.
    pub(crate) fn justifies_fresh(&self, view: &View, height: usize, round: usize) -> bool {
        let changes = view.changes_to(height, round);
        let n_free = changes.filter(|(_, change)| *change == Change::Unprepared).count();
        round == 0 || view.reaches(n_free, self.quorum())
    }

    /// B1: there are `q` RoundChanges to the round, and the highest prepared round that they
    /// claim is one of this block. A Byzantine one claims what a certificate exists for.
    pub(crate) fn justifies(
        &self,
        view: &View,
        height: usize,
        round: usize,
        block: BlockId,
    ) -> bool {
        (0..round).any(|prepared| {
            let is_honest_claim = view.changes_to(height, round).any(|(m, change)| {
                is_claim(change, prepared) && m.ballots[height].prepares[prepared] == block
            });
            let is_byzantine_claim =
                self.scenario.byzantine > 0 && view.is_prepared_in(height, prepared, block);
            let changes = view.changes_to(height, round);
            let n_below = changes
                .filter(|(_, change)| self.drops(Mutant::B1) || is_at_most(*change, prepared))
                .count();
            (is_honest_claim || is_byzantine_claim) && view.reaches(n_below, self.quorum())
        })
    }

    /// B3: `q` Prepares of the block that it accepted in this round.
    fn may_commit_block(&self, view: &View, masternode: &Masternode, round: usize) -> bool {
        let ballots = &masternode.ballots[masternode.height()];
        let block = ballots.prepares[round];
        let is_here = round == masternode.round() || self.drops(Mutant::B7);
        is_here
            && block != 0
            && !ballots.commits[round]
            && view.is_prepared_in(masternode.height(), round, block)
    }

    /// B5: its timer fires. B6: `f + 1` others changed to this round or above.
    ///
    /// A timer may fire at any time, but in a timely round. It is no way to catch up with
    /// `f + 1` others who are rounds ahead, since theirs run as fast: without help from Byzantine
    /// masternodes only B6 is.
    fn may_change_round(&self, view: &View, masternode: &Masternode, to: usize) -> bool {
        let height = masternode.height();
        let changed_to = |round: usize| {
            let others = view.honest().iter().map(|other| &other.ballots[height]);
            others.filter(|ballots| ballots.has_changed_to(round)).count()
        };
        let n_ahead = changed_to(masternode.round() + 1);
        let is_next = to == masternode.round() + 1;
        if view.is_sure() {
            let is_lowest = n_ahead > changed_to(to + 1) && n_ahead == changed_to(to);
            let one_honest = self.scenario.one_honest();
            let b6_fails = self.drops(Mutant::B6) && self.scenario.byzantine > 0;
            if n_ahead >= one_honest { is_lowest && !b6_fails } else { is_next }
        } else {
            is_next || view.reaches(changed_to(to), self.scenario.one_honest())
        }
    }

    /// B1 of an honest proposer: what it proposes in a round, given what it may know.
    pub(crate) fn proposal_steps(&self, view: &View, steps: &mut Vec<Action>) {
        for (height, plan) in self.scenario.heights.iter().enumerate() {
            for (round, proposer) in plan.rounds.iter().enumerate() {
                let is_open = view.state.proposals[height][round] == Proposal::None;
                let is_here = view.honest().iter().any(|m| is_at(m, height, round));
                if *proposer == Proposer::Honest && is_open && is_here {
                    self.propose(view, height, round, steps);
                }
            }
        }
    }

    fn propose(&self, view: &View, height: usize, round: usize, steps: &mut Vec<Action>) {
        let is_timely = self.scenario.is_timely(height, round);
        let has_heard = |m: &Masternode| {
            m.height() == height
                && (round == 0 || m.ballots[height].changes[round] != Change::NotSent)
        };
        if is_timely && !view.honest().iter().all(has_heard) {
            return;
        }
        let claims = view.changes_to(height, round).map(|(_, change)| change);
        let has_claims = is_timely && claims.clone().any(|change| change != Change::Unprepared);
        for block in self.scenario.block_ids().filter(|b| self.is_valid_block(view, height, *b)) {
            if self.may_repeat(view, height, round, block, is_timely) {
                steps.push(Action::Propose { height, round, block, is_fresh: false });
            }
            let is_justified = !has_claims && self.justifies_fresh(view, height, round);
            if is_justified && self.may_build(view, height, round, block) {
                steps.push(Action::Propose { height, round, block, is_fresh: true });
            }
        }
    }

    /// Whether it may propose a prepared block again. In a timely round it has every honest
    /// masternode's claim.
    fn may_repeat(
        &self,
        view: &View,
        height: usize,
        round: usize,
        block: BlockId,
        is_timely: bool,
    ) -> bool {
        if !is_timely || self.drops(Mutant::B1) {
            return self.justifies(view, height, round, block);
        }
        let changes = view.changes_to(height, round);
        let highest = (0..round).rev().find(|p| changes.clone().any(|(_, c)| is_claim(c, *p)));
        let is_heard = |prepared: usize| {
            view.changes_to(height, round).any(|(m, change)| {
                is_claim(change, prepared) && m.ballots[height].prepares[prepared] == block
            })
        };
        let above = highest.map_or(0, |highest| highest + 1);
        highest.is_some_and(is_heard)
            || (above..round).any(|prepared| {
                self.scenario.byzantine > 0
                    && !view.is_sure()
                    && view.is_prepared_in(height, prepared, block)
            })
    }

    /// F7: what it puts into a new block. At most one transaction for each outpoint; all that is
    /// certified and that it knows of; in rounds above 0 nothing else. In a timely round it knows
    /// of everything that an honest masternode Committed to, at the end of an epoch by the
    /// inventories. Nothing that it Committed to itself is contradicted.
    fn may_build(&self, view: &View, height: usize, round: usize, block: BlockId) -> bool {
        let epoch = self.scenario.epoch_of(height);
        let content = self.scenario.content(block);
        let certified = |set: TxSet| self.scenario.select(set, |tx| view.is_certified(epoch, tx));
        let is_told = self.scenario.is_timely(height, round) && !self.drops(Mutant::Inventory);
        let told = if is_told { self.all_live_commits(view, height) } else { 0 };
        let taken = content | self.scenario.conflicts_of(certified(content));
        let stands_by_it =
            |m: &Masternode| is_at(m, height, round) && !self.refuses_conflict(view, m, content);
        let is_first = round == 0 && !self.scenario.is_timely(height, round);
        (is_first || certified(content) == content || self.drops(Mutant::F7))
            && certified(told) & !taken == 0
            && view.honest().iter().any(stands_by_it)
    }
}

fn is_at(masternode: &Masternode, height: usize, round: usize) -> bool {
    masternode.height() == height && masternode.round() == round
}

fn is_claim(change: Change, prepared: usize) -> bool {
    matches!(change, Change::Prepared(round) if usize::from(round) == prepared)
}

fn is_at_most(change: Change, prepared: usize) -> bool {
    !matches!(change, Change::Prepared(round) if usize::from(round) > prepared)
}
