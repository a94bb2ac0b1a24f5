//! The model: a scenario under the rules, less those that are dropped.

use stateright::{Model, Property};

use super::masternode::{Change, Masternode};
use super::mutant::Mutant;
use super::scenario::{BlockId, HONEST_MAX, Scenario, bit};
use super::state::{Proposal, State};
use super::view::View;

/// What happens next: an honest masternode sends a message, or a block is decided to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    Approve { who: usize, tx: usize },
    Reject { who: usize, tx: usize },
    Commit { who: usize, tx: usize },
    Propose { height: usize, round: usize, block: BlockId, is_fresh: bool },
    Prepare { who: usize, round: usize, block: BlockId },
    CommitBlock { who: usize, round: usize },
    ChangeRound { who: usize, to: usize },
    Decide { who: usize },
}

/// A scenario and the rules that hold in it.
#[derive(Clone, Debug)]
pub(crate) struct Protocol {
    pub(crate) scenario: Scenario,
    pub(crate) dropped: Vec<Mutant>,
}

impl Protocol {
    pub(crate) fn drops(&self, mutant: Mutant) -> bool {
        self.dropped.contains(&mutant)
    }

    /// How many decide.
    pub(crate) fn quorum(&self) -> usize {
        if self.drops(Mutant::Quorum) {
            2 * self.scenario.faulty_max() + 1
        } else {
            self.scenario.quorum()
        }
    }

    /// Everything that can happen next in a view: what may happen, or in a sure one what must,
    /// sooner or later, on a timely network.
    pub(crate) fn steps(&self, view: &View, steps: &mut Vec<Action>) {
        for who in 0..self.scenario.n_honest() {
            self.vote_steps(view, who, steps);
            self.ballot_steps(view, who, steps);
        }
        self.proposal_steps(view, steps);
    }

    /// The state after an action, before it is brought into its canonical form.
    pub(crate) fn after(&self, state: &State, action: Action) -> State {
        let mut next = *state;
        match action {
            Action::Approve { who, tx } => {
                let epoch = self.epoch(state, who);
                next.masternodes[who].votes[epoch].approves |= bit(tx);
            }
            Action::Reject { who, tx } => {
                let epoch = self.epoch(state, who);
                next.masternodes[who].votes[epoch].rejects |= bit(tx);
            }
            Action::Commit { who, tx } => {
                let epoch = self.epoch(state, who);
                next.masternodes[who].votes[epoch].commits |= bit(tx);
            }
            Action::Propose { height, round, block, is_fresh } => {
                let proposal =
                    if is_fresh { Proposal::Fresh(block) } else { Proposal::Justified(block) };
                next.proposals[height][round] = proposal;
            }
            Action::Prepare { who, round, block } => {
                let masternode = &mut next.masternodes[who];
                masternode.ballots[masternode.height()].prepares[round] = block;
                masternode.round = masternode.round.max(small(round));
            }
            Action::CommitBlock { who, round } => {
                let masternode = &mut next.masternodes[who];
                masternode.ballots[masternode.height()].commits[round] = true;
            }
            Action::ChangeRound { who, to } => {
                let masternode = &mut next.masternodes[who];
                let ballots = &mut masternode.ballots[masternode.height()];
                let b5 = self.drops(Mutant::B5);
                ballots.changes[to] =
                    if b5 { Change::Unprepared } else { ballots.prepared_below(to) };
                masternode.round = small(to);
            }
            Action::Decide { who } => {
                let masternode = &mut next.masternodes[who];
                masternode.height += 1;
                masternode.round = 0;
            }
        }
        next
    }

    fn epoch(&self, state: &State, who: usize) -> usize {
        self.scenario.epoch_of(state.masternodes[who].height())
    }
}

fn small(round: usize) -> u8 {
    u8::try_from(round).expect("few rounds")
}

/// No two blocks of one height can have a commit certificate.
pub(crate) const AGREEMENT: &str = "agreement";

/// Nothing that can be final conflicts with anything that can be final or decided.
pub(crate) const FINALITY: &str = "finality";

/// Where nothing must happen any more, everything is decided that had to be.
pub(crate) const PROGRESS: &str = "progress";

/// Something that a run can come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    /// A transaction is final.
    Final,
    /// A transaction is in a decided block.
    Confirmed,
    /// A masternode approved both of two that conflict: the first Approve was released.
    Released,
    /// A RoundChange claims a prepared block.
    PreparedClaim,
    /// A transaction is final in the second epoch.
    NextEpoch,
}

impl Reach {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Reach::Final => "final",
            Reach::Confirmed => "confirmed",
            Reach::Released => "released",
            Reach::PreparedClaim => "prepared claim",
            Reach::NextEpoch => "final in the next epoch",
        }
    }

    fn property(self) -> Property<Protocol> {
        let is_reached: fn(&Protocol, &State) -> bool = match self {
            Reach::Final => |protocol, state| View::new(protocol, state).finals(0) != 0,
            Reach::Confirmed => |protocol, state| {
                View::new(protocol, state).chain_below(protocol.scenario.heights.len()) != 0
            },
            Reach::Released => |protocol, state| {
                let approves = state.masternodes.iter().map(|m| protocol.votes_of(m).approves);
                let mut approves = approves.filter(|set| set.count_ones() > 1);
                approves.any(|set| protocol.scenario.conflicts_of(set) & set != 0)
            },
            Reach::PreparedClaim => |protocol, state| {
                let changes =
                    state.masternodes.iter().flat_map(|m| m.ballots).flat_map(|b| b.changes);
                let mut claims = changes.filter(|change| matches!(change, Change::Prepared(_)));
                !protocol.scenario.heights.is_empty() && claims.next().is_some()
            },
            Reach::NextEpoch => |protocol, state| View::new(protocol, state).finals(1) != 0,
        };
        Property::sometimes(self.name(), is_reached)
    }
}

impl Model for Protocol {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State::default()]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        self.steps(&View::new(self, state), actions);
    }

    fn next_state(&self, state: &State, action: Action) -> Option<State> {
        Some(self.after(state, action).canonical(self).0)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let mut properties = vec![
            Property::always(AGREEMENT, |protocol: &Protocol, state: &State| {
                !View::new(protocol, state).is_forked
            }),
            Property::always(FINALITY, |protocol: &Protocol, state: &State| {
                protocol.keeps_finality(&View::new(protocol, state))
            }),
        ];
        if self.scenario.ends_timely() {
            properties.push(Property::always(PROGRESS, Protocol::progresses));
        }
        if self.dropped.is_empty() {
            properties.extend(self.scenario.reaches.iter().map(|reach| reach.property()));
        }
        properties
    }
}

impl Protocol {
    fn keeps_finality(&self, view: &View) -> bool {
        let n_heights = self.scenario.heights.len();
        let finals = view.finals(0) | view.finals(1);
        let kept = finals | view.chain_below(n_heights);
        self.scenario.members(finals).all(|tx| self.excluded_by(tx) & kept == 0)
    }

    /// What can't be true beside a transaction: what conflicts with it or with its parent.
    fn excluded_by(&self, tx: usize) -> u8 {
        let transaction = &self.scenario.transactions[tx];
        let by_parent = transaction.parent.map_or(0, |parent| self.excluded_by(parent));
        transaction.conflicts | by_parent
    }

    fn progresses(&self, state: &State) -> bool {
        let view = View::new(self, state).sure();
        if self.is_settled(&view) {
            return true;
        }
        let mut steps = Vec::new();
        let can_step = (0..self.scenario.n_honest()).any(|who| {
            self.ballot_steps(&view, who, &mut steps);
            self.vote_steps(&view, who, &mut steps);
            !steps.is_empty()
        });
        can_step || {
            self.proposal_steps(&view, &mut steps);
            !steps.is_empty()
        }
    }

    /// Every height is decided to every honest masternode, and what nothing stands against is
    /// final or confirmed.
    fn is_settled(&self, view: &View) -> bool {
        let n_heights = self.scenario.heights.len();
        let is_through = |masternode: &Masternode| masternode.height() == n_heights;
        view.honest().iter().all(is_through)
            && (0..self.scenario.transactions.len()).all(|tx| self.is_settled_tx(view, tx))
    }

    fn is_settled_tx(&self, view: &View, tx: usize) -> bool {
        let chain = view.chain_below(self.scenario.heights.len());
        let finals = view.finals(0) | view.finals(1);
        let dead = self.scenario.conflicts_of(chain);
        let transaction = &self.scenario.transactions[tx];
        let is_contested = transaction.conflicts & !dead != 0;
        let has_parent =
            transaction.parent.is_none_or(|parent| (chain | finals) & bit(parent) != 0);
        let was_rejected =
            view.honest().iter().any(|masternode| self.votes_of(masternode).rejects & bit(tx) != 0);
        (chain | dead | finals) & bit(tx) != 0 || is_contested || was_rejected || !has_parent
    }
}

const _: () = assert!(HONEST_MAX <= 8, "counts are small");
