//! One round as a table: where a masternode stands, what it learns, what it does.
//!
//! Rules are tagged B1 to B7 as in PROTOCOL 5. The table holds no messages and counts nothing;
//! whoever feeds it has checked that a quorum is a quorum and a proposal is justified.

use crate::types::chain::Round;
use crate::types::hash::BlockHash;

/// How far a masternode is in its round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Position {
    /// No proposal accepted.
    Waiting,
    /// It accepted the proposal and sent Prepare.
    Accepted(BlockHash),
    /// It holds the prepared certificate and sent Commit.
    Committed(BlockHash),
    /// The height is decided.
    Decided,
}

/// A masternode's place in a height.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RoundState {
    /// Its round.
    pub round: Round,
    /// How far it is.
    pub position: Position,
}

/// Something a masternode learns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Input {
    /// It is the proposer of `round`, and may propose: round 0 is due, or a quorum changed to it.
    MayPropose(Round),
    /// An acceptable, justified proposal of the proposer of `round`.
    Proposal(Round, BlockHash),
    /// A quorum of Prepares of one round.
    PrepareQuorum(Round, BlockHash),
    /// A quorum of Commits of one round, and the block is in hand.
    CommitQuorum(Round, BlockHash),
    /// The timer of a round fired.
    Timeout(Round),
    /// `f + 1` masternodes changed to rounds above; this is the lowest.
    Ahead(Round),
}

/// What the masternode does about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Build or repeat a block, and propose it.
    Propose(Round),
    /// Record and send Prepare.
    Prepare(Round, BlockHash),
    /// Record and send Commit.
    Commit(Round, BlockHash),
    /// Record and send RoundChange.
    ChangeRound(Round),
    /// Apply the block.
    Decide(Round, BlockHash),
}

/// The table: the state after an input, and what to do; nothing where the input changes nothing.
pub fn transition(state: RoundState, input: Input) -> Option<(RoundState, Action)> {
    use Position::{Accepted, Committed, Decided, Waiting};
    let RoundState { round, position } = state;
    let at = |round, position| RoundState { round, position };
    match (position, input) {
        (Decided, _) => None,
        // B1
        (Waiting, Input::MayPropose(r)) if r == round => Some((state, Action::Propose(r))),
        // B2, and B7: never in a round below the own one
        (Waiting, Input::Proposal(r, block)) if r == round => {
            Some((at(r, Accepted(block)), Action::Prepare(r, block)))
        }
        (_, Input::Proposal(r, block)) if r > round => {
            Some((at(r, Accepted(block)), Action::Prepare(r, block)))
        }
        // B3
        (Accepted(accepted), Input::PrepareQuorum(r, block)) if r == round && block == accepted => {
            Some((at(r, Committed(block)), Action::Commit(r, block)))
        }
        // B4: any round
        (_, Input::CommitQuorum(r, block)) => Some((at(round, Decided), Action::Decide(r, block))),
        // B5
        (Waiting | Accepted(_) | Committed(_), Input::Timeout(r)) if r == round => {
            Some((at(r.next(), Waiting), Action::ChangeRound(r.next())))
        }
        // B6
        (Waiting | Accepted(_) | Committed(_), Input::Ahead(r)) if r > round => {
            Some((at(r, Waiting), Action::ChangeRound(r)))
        }
        _ => None,
    }
}
