//! What a model is about: how many masternodes, which transactions, which blocks, which heights.

use super::protocol::Reach;
use timecoin_core::types::quorum::{faulty_max, one_honest, quorum};

/// A set of transactions: bit `t` is transaction `t`.
pub(crate) type TxSet = u8;

/// A block: 0 is none, otherwise its place in [`Scenario::blocks`] plus one.
pub(crate) type BlockId = u8;

/// The most of each that a state has room for.
pub(crate) const TRANSACTIONS_MAX: usize = 3;
pub(crate) const BLOCKS_MAX: usize = 5;
pub(crate) const ROUNDS_MAX: usize = 3;
pub(crate) const HEIGHTS_MAX: usize = 2;
pub(crate) const EPOCHS_MAX: usize = 2;
pub(crate) const HONEST_MAX: usize = 5;

/// The empty block is the first of every scenario.
pub(crate) const EMPTY: BlockId = 1;

/// Who proposes in a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Proposer {
    /// It proposes to everybody whatever suits it, as far as a justification for it exists.
    Byzantine,
    /// It proposes one block, built from what it happens to know. In the last round of a height
    /// the network is timely: it knows what every honest masternode sent before. That round
    /// stands for one above 0, even where it is the only one, since round 0 can be burnt (F7).
    Honest,
}

/// One height: who proposes in its rounds. Without rounds its block is empty and decided.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HeightPlan {
    pub(crate) rounds: &'static [Proposer],
    /// Whether it is the last of the epoch.
    pub(crate) ends_epoch: bool,
}

/// A transaction.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tx {
    pub(crate) name: &'static str,
    /// Transactions that spend an output that this one spends.
    pub(crate) conflicts: TxSet,
    /// The transaction whose output it spends, if that is one of the scenario's.
    pub(crate) parent: Option<usize>,
}

/// A block.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BlockPlan {
    pub(crate) name: &'static str,
    /// Its transactions.
    pub(crate) content: TxSet,
}

/// A model.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    pub(crate) n: usize,
    /// How many of them are Byzantine.
    pub(crate) byzantine: usize,
    pub(crate) transactions: &'static [Tx],
    /// What may be proposed.
    pub(crate) blocks: &'static [BlockPlan],
    pub(crate) heights: &'static [HeightPlan],
    /// Whether Rejects are sent. Without them F6 releases by blocks and epochs only.
    pub(crate) rejects: bool,
    /// What some run must come to, so that no rule holds because nothing happens.
    pub(crate) reaches: &'static [Reach],
}

impl Scenario {
    pub(crate) fn n_honest(&self) -> usize {
        self.n - self.byzantine
    }

    pub(crate) fn quorum(&self) -> usize {
        quorum(self.n)
    }

    pub(crate) fn faulty_max(&self) -> usize {
        faulty_max(self.n)
    }

    pub(crate) fn one_honest(&self) -> usize {
        one_honest(self.n)
    }

    pub(crate) fn block(&self, block: BlockId) -> &'static BlockPlan {
        &self.blocks[usize::from(block) - 1]
    }

    pub(crate) fn content(&self, block: BlockId) -> TxSet {
        self.block(block).content
    }

    pub(crate) fn block_ids(&self) -> impl Iterator<Item = BlockId> + use<> {
        (0..self.blocks.len()).map(|at| BlockId::try_from(at + 1).expect("few blocks"))
    }

    /// The transactions of a set.
    pub(crate) fn members(&self, set: TxSet) -> impl Iterator<Item = usize> + use<> {
        (0..self.transactions.len()).filter(move |tx| set & bit(*tx) != 0)
    }

    /// The transactions of a set for which something holds.
    pub(crate) fn select(&self, set: TxSet, holds: impl Fn(usize) -> bool) -> TxSet {
        self.members(set).filter(|tx| holds(*tx)).fold(0, |found, tx| found | bit(tx))
    }

    /// Everything that spends what a transaction of the set spends.
    pub(crate) fn conflicts_of(&self, set: TxSet) -> TxSet {
        self.members(set).fold(0, |found, tx| found | self.transactions[tx].conflicts)
    }

    /// The height is decided by nobody: its block is empty.
    pub(crate) fn is_given(&self, height: usize) -> bool {
        self.heights[height].rounds.is_empty()
    }

    pub(crate) fn ends_epoch(&self, height: usize) -> bool {
        self.heights.get(height).is_some_and(|plan| plan.ends_epoch)
    }

    /// The epoch of votes of a masternode that is at this height.
    pub(crate) fn epoch_of(&self, height: usize) -> usize {
        self.heights[..height].iter().filter(|plan| plan.ends_epoch).count()
    }

    /// The network is timely in this round, and its proposer honest.
    pub(crate) fn is_timely(&self, height: usize, round: usize) -> bool {
        let rounds = self.heights[height].rounds;
        round + 1 == rounds.len() && rounds[round] == Proposer::Honest
    }

    /// Whether every height ends in a timely round, so that progress can be asked for.
    pub(crate) fn ends_timely(&self) -> bool {
        let is_live = |plan: &HeightPlan| plan.rounds.last() != Some(&Proposer::Byzantine);
        self.heights.iter().all(is_live)
    }
}

/// The set of one transaction.
pub(crate) fn bit(tx: usize) -> TxSet {
    1 << tx
}

const PAIR: [Tx; 2] = [
    Tx { name: "T1", conflicts: 0b010, parent: None },
    Tx { name: "T2", conflicts: 0b001, parent: None },
];

/// Two payments of one output.
pub(crate) const DOUBLE_SPEND: &[Tx] = &PAIR;

/// Two payments of one output, and T3 that spends what T1 makes.
pub(crate) const WITH_CHILD: &[Tx] =
    &[PAIR[0], PAIR[1], Tx { name: "T3", conflicts: 0, parent: Some(0) }];

/// T1 spends two outputs, T2 the first and T3 the second of them.
pub(crate) const TWO_INPUTS: &[Tx] = &[
    Tx { name: "T1", conflicts: 0b110, parent: None },
    Tx { name: "T2", conflicts: 0b001, parent: None },
    Tx { name: "T3", conflicts: 0b001, parent: None },
];

/// Three payments of one output.
pub(crate) const TRIPLE_SPEND: &[Tx] = &[
    Tx { name: "T1", conflicts: 0b110, parent: None },
    Tx { name: "T2", conflicts: 0b101, parent: None },
    Tx { name: "T3", conflicts: 0b011, parent: None },
];

const NOTHING: BlockPlan = BlockPlan { name: "an empty block", content: 0 };

/// Nothing, T1 alone, T2 alone.
pub(crate) const ONE_OF_TWO: &[BlockPlan] = &[
    NOTHING,
    BlockPlan { name: "a block with T1", content: 0b001 },
    BlockPlan { name: "a block with T2", content: 0b010 },
];

/// Nothing, or one of T1, T2 and T3.
pub(crate) const ONE_OF_THREE: &[BlockPlan] =
    &[NOTHING, ONE_OF_TWO[1], ONE_OF_TWO[2], BlockPlan { name: "a block with T3", content: 0b100 }];

/// What of T1, T2 and T3 goes together where both others conflict with T1.
pub(crate) const T1_OR_OTHERS: &[BlockPlan] = &[
    NOTHING,
    ONE_OF_TWO[1],
    ONE_OF_TWO[2],
    ONE_OF_THREE[3],
    BlockPlan { name: "a block with T2 and T3", content: 0b110 },
];

/// Two blocks that hold no transaction of the scenario, and differ.
pub(crate) const TWO_BLOCKS: &[BlockPlan] =
    &[BlockPlan { name: "block X", content: 0 }, BlockPlan { name: "block Y", content: 0 }];
