//! A run of the model in words.

use std::fmt::Write;

use super::masternode::Change;
use super::protocol::{Action, Protocol};
use super::scenario::{BlockId, HONEST_MAX};
use super::state::State;

/// Honest masternodes, as a reader knows them. What is Byzantine is not shown: its messages are
/// there wherever a step needs them.
const NAMES: [&str; HONEST_MAX] = ["A", "B", "C", "D", "E"];

/// The actions of a run, one a line, each masternode under one name throughout.
pub(crate) fn in_words(protocol: &Protocol, actions: &[Action]) -> String {
    let mut state = State::default();
    let mut names = NAMES;
    let mut text = String::new();
    for (at, action) in actions.iter().enumerate() {
        let next = protocol.after(&state, *action);
        let line = Line { protocol, state: &state, next: &next, names: &names };
        writeln!(text, "  {:2}. {}", at + 1, line.of(*action)).expect("a string takes all");
        let (canonical, order) = next.canonical(protocol);
        names = order.map(|from| names[from]);
        state = canonical;
    }
    text
}

struct Line<'a> {
    protocol: &'a Protocol,
    state: &'a State,
    next: &'a State,
    names: &'a [&'static str; HONEST_MAX],
}

impl Line<'_> {
    fn of(&self, action: Action) -> String {
        match action {
            Action::Approve { who, tx } => format!("{} approves {}", self.name(who), self.tx(tx)),
            Action::Reject { who, tx } => format!("{} rejects {}", self.name(who), self.tx(tx)),
            Action::Commit { who, tx } => format!("{} commits {}", self.name(who), self.tx(tx)),
            Action::Propose { height, round, block, is_fresh } => {
                let kind = if is_fresh { "a new block" } else { "again" };
                let place = self.place(height, round);
                format!("the proposer of {place} proposes {kind}: {}", self.block(block))
            }
            Action::Prepare { who, round, block } => {
                let place = self.place(self.height(who), round);
                format!("{} prepares {} in {place}", self.name(who), self.block(block))
            }
            Action::CommitBlock { who, round } => {
                let height = self.height(who);
                let block = self.state.masternodes[who].ballots[height].prepares[round];
                let place = self.place(height, round);
                format!("{} commits {} in {place}", self.name(who), self.block(block))
            }
            Action::ChangeRound { who, to } => self.change(who, to),
            Action::Decide { who } => {
                format!("height {} is decided to {}", self.height(who), self.name(who))
            }
        }
    }

    fn change(&self, who: usize, to: usize) -> String {
        let height = self.height(who);
        let ballots = &self.next.masternodes[who].ballots[height];
        let claim = match ballots.changes[to] {
            Change::Prepared(round) => {
                let block = self.block(ballots.prepares[usize::from(round)]);
                format!("claims {block} prepared in round {round}")
            }
            Change::Unprepared | Change::NotSent => "claims nothing".to_owned(),
        };
        format!("{} changes to {} and {claim}", self.name(who), self.place(height, to))
    }

    fn name(&self, who: usize) -> &'static str {
        self.names[who]
    }

    fn height(&self, who: usize) -> usize {
        self.state.masternodes[who].height()
    }

    fn tx(&self, tx: usize) -> &'static str {
        self.protocol.scenario.transactions[tx].name
    }

    fn block(&self, block: BlockId) -> &'static str {
        self.protocol.scenario.block(block).name
    }

    fn place(&self, height: usize, round: usize) -> String {
        let n_heights = self.protocol.scenario.heights.len();
        if n_heights == 1 {
            format!("round {round}")
        } else {
            format!("round {round} of height {height}")
        }
    }
}
