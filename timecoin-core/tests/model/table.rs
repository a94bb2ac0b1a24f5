//! The model walks the table that the engine runs: `consensus::transition`.
//!
//! In every state that a small network can come to, each ballot that the model allows is a
//! transition of the table, and each transition that the table has for what is known is a step
//! of the model.

use std::collections::{HashSet, VecDeque};

use timecoin_core::BlockHash;
use timecoin_core::consensus::{Action as Does, Input, Position, RoundState, transition};
use timecoin_core::types::chain::Round;

use super::masternode::Masternode;
use super::protocol::{Action, Protocol};
use super::scenario::{BlockId, Scenario};
use super::scenarios;
use super::state::State;
use super::view::View;

fn hash(block: BlockId) -> BlockHash {
    BlockHash::from_bytes([block; 32])
}

fn round(round: usize) -> Round {
    Round(u32::try_from(round).expect("few rounds"))
}

/// Where the engine would stand.
fn stand(masternode: &Masternode) -> RoundState {
    let own = masternode.round();
    let ballots = &masternode.ballots[0];
    let position = match ballots.prepares[own] {
        _ if masternode.height() > 0 => Position::Decided,
        0 => Position::Waiting,
        block if ballots.commits[own] => Position::Committed(hash(block)),
        block => Position::Accepted(hash(block)),
    };
    RoundState { round: round(own), position }
}

/// What the engine would be told of, in this state.
fn inputs(view: &View<'_>, masternode: &Masternode) -> Vec<Input> {
    let scenario = view.scenario();
    let n_rounds = scenario.heights[0].rounds.len();
    let mut inputs = Vec::new();
    for at in 0..n_rounds {
        for block in scenario.block_ids() {
            let justifies = view.protocol.justifies_fresh(view, 0, at)
                || view.protocol.justifies(view, 0, at, block);
            if justifies {
                inputs.push(Input::Proposal(round(at), hash(block)));
            }
            if view.is_prepared_in(0, at, block) {
                inputs.push(Input::PrepareQuorum(round(at), hash(block)));
            }
            if view.is_decided_in(0, at, block) {
                inputs.push(Input::CommitQuorum(round(at), hash(block)));
            }
        }
        let others = view.honest().iter().filter(|m| m.ballots[0].has_changed_to(at));
        if at > masternode.round() && view.reaches(others.count(), scenario.one_honest()) {
            inputs.push(Input::Ahead(round(at)));
        }
        if at + 1 < n_rounds {
            inputs.push(Input::Timeout(round(at)));
        }
    }
    inputs
}

/// Where a step leads and what is done; nothing for a decision, since any certificate will do.
type Step = Option<(RoundState, Does)>;

/// What the table does with all of that.
fn by_table(view: &View<'_>, who: usize) -> Vec<Step> {
    let masternode = &view.honest()[who];
    let state = stand(masternode);
    let steps = inputs(view, masternode).into_iter().filter_map(|i| transition(state, i));
    steps.map(|step| Some(step).filter(|(_, does)| !matches!(does, Does::Decide(..)))).collect()
}

/// What the model does, in the same words.
fn by_model(view: &View<'_>, who: usize) -> Vec<Step> {
    let protocol = view.protocol;
    let mut steps = Vec::new();
    protocol.ballot_steps(view, who, &mut steps);
    let translated = |step: Action| {
        let does = match step {
            Action::Prepare { round: at, block, .. } => Does::Prepare(round(at), hash(block)),
            Action::CommitBlock { round: at, .. } => {
                let block = view.honest()[who].ballots[0].prepares[at];
                Does::Commit(round(at), hash(block))
            }
            Action::ChangeRound { to, .. } => Does::ChangeRound(round(to)),
            _ => return None,
        };
        Some((stand(&protocol.after(view.state, step).masternodes[who]), does))
    };
    steps.into_iter().map(translated).collect()
}

/// Compares in every state; gives how many there are.
fn compare(scenario: Scenario) -> usize {
    let protocol = Protocol { scenario, dropped: Vec::new() };
    let mut seen = HashSet::from([State::default()]);
    let mut queue = VecDeque::from([State::default()]);
    let mut steps = Vec::new();
    while let Some(state) = queue.pop_front() {
        let view = View::new(&protocol, &state);
        for who in 0..protocol.scenario.n_honest() {
            let (model, table) = (by_model(&view, who), by_table(&view, who));
            let same = model.iter().all(|step| table.contains(step))
                && table.iter().all(|step| model.contains(step));
            assert!(same, "{who} in {state:?}: {model:?}, but the table has {table:?}");
        }
        steps.clear();
        protocol.steps(&view, &mut steps);
        for step in &steps {
            let next = protocol.after(&state, *step).canonical(&protocol).0;
            if seen.insert(next) {
                queue.push_back(next);
            }
        }
    }
    seen.len()
}

#[test]
fn the_model_walks_the_table_of_the_engine() {
    let n_states = [compare(scenarios::TWO_ROUNDS), compare(scenarios::ONE_BLOCK)];
    assert!(n_states.iter().all(|n| *n > 1_000), "only {n_states:?} states");
}
