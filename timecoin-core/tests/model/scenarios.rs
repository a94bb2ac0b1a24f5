//! The models that are checked.
//!
//! Two rounds are the fewest in which a block can be prepared and proposed again, three the
//! fewest in which one of two prepared rounds is the highest. With one output that two payments
//! spend, everything that a vote or block can contradict is there.

use super::protocol::Reach;
use super::scenario::Proposer::{Byzantine, Honest};
use super::scenario::{
    DOUBLE_SPEND, HeightPlan, ONE_OF_THREE, ONE_OF_TWO, Proposer, Scenario, T1_OR_OTHERS,
    TRIPLE_SPEND, TWO_BLOCKS, TWO_INPUTS, WITH_CHILD,
};

const fn within(rounds: &'static [Proposer]) -> HeightPlan {
    HeightPlan { rounds, ends_epoch: false }
}

const fn at_the_end(rounds: &'static [Proposer]) -> HeightPlan {
    HeightPlan { rounds, ends_epoch: true }
}

/// One height, whose first proposer is Byzantine and whose last round is timely.
pub(crate) const ONE_HEIGHT: Scenario = Scenario {
    name: "one height",
    n: 4,
    byzantine: 1,
    transactions: DOUBLE_SPEND,
    blocks: ONE_OF_TWO,
    heights: &[within(&[Byzantine, Honest])],
    rejects: false,
    reaches: &[Reach::Final, Reach::Confirmed, Reach::PreparedClaim],
};

/// The same with Rejects.
pub(crate) const WITH_REJECTS: Scenario = Scenario {
    name: "one height, with Rejects",
    rejects: true,
    reaches: &[Reach::Final, Reach::Confirmed, Reach::PreparedClaim, Reach::Released],
    ..ONE_HEIGHT
};

/// One timely round, with Rejects.
pub(crate) const ONE_ROUND: Scenario = Scenario {
    name: "one round, with Rejects",
    heights: &[within(&[Honest])],
    reaches: &[Reach::Final, Reach::Confirmed, Reach::Released],
    ..WITH_REJECTS
};

/// One height, all proposers Byzantine.
pub(crate) const BYZANTINE_PROPOSERS: Scenario = Scenario {
    name: "one height, Byzantine proposers",
    heights: &[within(&[Byzantine, Byzantine])],
    ..ONE_HEIGHT
};

/// Votes without blocks, on a double spend and a child of one of its payments.
pub(crate) const VOTES: Scenario = Scenario {
    name: "votes",
    transactions: WITH_CHILD,
    blocks: &[],
    heights: &[],
    rejects: true,
    reaches: &[Reach::Final, Reach::Released],
    ..ONE_HEIGHT
};

/// Blocks without votes, three rounds of Byzantine proposers.
pub(crate) const THREE_ROUNDS: Scenario = Scenario {
    name: "three rounds",
    transactions: &[],
    blocks: TWO_BLOCKS,
    heights: &[within(&[Byzantine, Byzantine, Byzantine])],
    reaches: &[Reach::PreparedClaim],
    ..ONE_HEIGHT
};

/// Two of them.
pub(crate) const TWO_ROUNDS: Scenario =
    Scenario { name: "two rounds", heights: &[within(&[Byzantine, Byzantine])], ..THREE_ROUNDS };

/// Three, and one block.
pub(crate) const ONE_BLOCK: Scenario =
    Scenario { name: "three rounds of one block", blocks: &[TWO_BLOCKS[0]], ..THREE_ROUNDS };

/// Three rounds, the last timely.
pub(crate) const THREE_ROUNDS_TIMELY: Scenario = Scenario {
    name: "three rounds, the last timely",
    heights: &[within(&[Byzantine, Byzantine, Honest])],
    ..THREE_ROUNDS
};

/// Nobody is Byzantine; messages are late.
pub(crate) const ALL_HONEST: Scenario = Scenario {
    name: "no Byzantine masternode",
    byzantine: 0,
    heights: &[within(&[Honest, Honest])],
    ..THREE_ROUNDS
};

/// T1 spends two outputs; T2 and T3 spend one of them each.
pub(crate) const TWO_OUTPUTS: Scenario = Scenario {
    name: "two outputs",
    transactions: TWO_INPUTS,
    blocks: T1_OR_OTHERS,
    heights: &[within(&[Honest])],
    reaches: &[Reach::Final, Reach::Confirmed, Reach::Released],
    ..ONE_HEIGHT
};

/// Three payments of one output.
pub(crate) const THREE_PAYMENTS: Scenario = Scenario {
    name: "three payments of one output",
    transactions: TRIPLE_SPEND,
    blocks: ONE_OF_THREE,
    ..ONE_ROUND
};

/// Five masternodes: `q` is 4, and `2f + 1` would be 3.
pub(crate) const FIVE: Scenario = Scenario {
    name: "five masternodes, one round",
    n: 5,
    heights: &[within(&[Byzantine])],
    reaches: &[Reach::Final, Reach::Confirmed],
    ..ONE_HEIGHT
};

/// Six masternodes: `q` is 5, and `2f + 1` would be 3.
pub(crate) const SIX: Scenario = Scenario { name: "six masternodes, one round", n: 6, ..FIVE };

/// Five masternodes and a second, timely round.
pub(crate) const FIVE_TWO_ROUNDS: Scenario =
    Scenario { name: "five masternodes, two rounds", n: 5, ..ONE_HEIGHT };

/// Six masternodes and a second, timely round.
pub(crate) const SIX_TWO_ROUNDS: Scenario =
    Scenario { name: "six masternodes, two rounds", n: 6, ..ONE_HEIGHT };

/// The votes of one height, then the last height of the epoch, then votes of the next epoch.
pub(crate) const BOUNDARY: Scenario = Scenario {
    name: "epoch boundary",
    heights: &[within(&[]), at_the_end(&[Byzantine, Honest])],
    reaches: &[Reach::Final, Reach::Confirmed, Reach::PreparedClaim, Reach::NextEpoch],
    ..ONE_HEIGHT
};

/// A height whose proposer is Byzantine, then the last one of an epoch in one round.
pub(crate) const HEIGHT_AND_BOUNDARY: Scenario = Scenario {
    name: "a height and an epoch boundary",
    heights: &[within(&[Byzantine, Honest]), at_the_end(&[Honest])],
    ..BOUNDARY
};

/// Two heights of two rounds.
pub(crate) const TWO_HEIGHTS: Scenario = Scenario {
    name: "two heights",
    heights: &[within(&[Byzantine, Honest]), within(&[Byzantine, Honest])],
    ..ONE_HEIGHT
};
