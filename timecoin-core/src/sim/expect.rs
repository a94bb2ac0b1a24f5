//! What a healed network must do, counted in rounds and blocks instead of seconds.

use std::time::Duration;

use super::Simulation;
use super::checks::Failure;
use crate::consensus::{Position, RoundState};
use crate::ledger::view::{Lookup, UtxoView};
use crate::types::amount::Amount;
use crate::types::chain::{Height, Round};
use crate::types::hash::Txid;
use crate::types::transaction::OutPoint;

/// Where a healed network stands at a height: what is decided there is counted from here.
#[derive(Clone, Copy, Debug)]
pub(super) struct Standing {
    /// The height that nobody has decided.
    pub(super) height: Height,
    /// The highest round that any of the nodes is in, at that height.
    round: Round,
}

/// Two payments of one coin, at different nodes at the same moment.
#[derive(Clone, Debug)]
pub(super) struct Contested {
    outpoint: OutPoint,
    txids: [Txid; 2],
}

impl Simulation {
    pub(super) fn standing(&self, able: &[usize]) -> Standing {
        let height = self.archive.height().next();
        let states = able.iter().filter_map(|node| self.round_state(*node, height));
        Standing { height, round: states.map(|state| state.round).max().unwrap_or(Round::ZERO) }
    }

    fn round_state(&self, node: usize, height: Height) -> Option<RoundState> {
        let consensus = self.nodes[node].engine()?.consensus();
        (consensus.height() == height).then(|| consensus.state())
    }

    /// I9: no more than so many rounds of able proposers went by without a decision, at the
    /// height where the network stood and at the one after.
    pub(super) fn check_rounds(
        &mut self,
        from: Standing,
        able: &[usize],
        rounds_max: usize,
    ) -> Result<(), Failure> {
        let is_able = |key| able.iter().any(|node| self.nodes[*node].key() == key);
        let mut found = None;
        for (height, begun) in [(from.height, Some(from.round)), (from.height.next(), None)] {
            let Some(commit) = self.archive.block(height) else { continue };
            let set = &commit.connected.state.tip_masternodes;
            let first = begun.map_or(0, |round| round.0.saturating_add(1));
            let rounds = (first..=commit.certificate.round.0).filter(|round| {
                let proposer = set.get(set.proposer(height, Round(*round)));
                proposer.is_some_and(|member| is_able(member.consensus_key))
            });
            let n_rounds = rounds.count();
            if n_rounds > rounds_max {
                found = Some(format!(
                    "height {height} took {n_rounds} rounds of able proposers, to round {}",
                    commit.certificate.round
                ));
            }
        }
        found.map_or(Ok(()), |text| Err(self.fail_with("I9 liveness", text)))
    }

    /// An owner pays with one coin at two nodes; nothing where there is no coin, or one node.
    pub(super) fn contest(&mut self, from: &str, nodes: [usize; 2]) -> Option<Contested> {
        if nodes[0] == nodes[1] {
            return None;
        }
        let payments = self.conflicting_payments(from, Amount::from_time(1), 2).ok()?;
        let [first, second]: [_; 2] = payments.try_into().ok()?;
        let outpoint = first.inputs.first()?.previous_output;
        let txids = [first.txid(), second.txid()];
        self.submit(nodes[0], first).ok()?;
        self.submit(nodes[1], second).ok()?;
        Some(Contested { outpoint, txids })
    }

    fn is_spent(&self, outpoint: &OutPoint, height: Height) -> bool {
        matches!(self.archive.view(height).lookup(outpoint), Ok(Lookup::Spent))
    }

    /// Whether a node knows that a coin is contested, or that it is no more.
    fn knows_of(&self, node: usize, contested: &Contested) -> bool {
        let waits = |txid| self.nodes[node].engine().is_some_and(|e| e.mempool().contains(txid));
        self.is_spent(&contested.outpoint, self.nodes[node].height())
            || contested.txids.iter().all(waits)
    }

    /// I12: once all able nodes know of a contested outpoint, the next block that one of them
    /// proposes in round 0 settles it.
    pub(super) fn expect_settled(
        &mut self,
        contested: &Contested,
        able: &[usize],
        within: Duration,
    ) -> Result<(), Failure> {
        let all_know = |sim: &Simulation| able.iter().all(|node| sim.knows_of(*node, contested));
        if !self.run_until(all_know, within)? {
            let text = format!("not all know of the double spend of {}", contested.outpoint);
            return Err(self.fail_with("I12 contested outpoints", text));
        }
        // A block that is proposed already can't hold what was not known then.
        let height = self.archive.height().next();
        let untouched = RoundState { round: Round::ZERO, position: Position::Waiting };
        let is_open = able.iter().all(|node| self.round_state(*node, height) == Some(untouched));
        let from = if is_open { height } else { height.next() };
        let settles = |sim: &Simulation| sim.first_good_block(from, able);
        if !self.run_until(|sim| settles(sim).is_some(), within)? {
            return Ok(());
        }
        let Some(at) = settles(self).filter(|at| !self.is_spent(&contested.outpoint, *at)) else {
            return Ok(());
        };
        let text = format!("block {at} of an able proposer leaves {} open", contested.outpoint);
        Err(self.fail_with("I12 contested outpoints", text))
    }

    /// The first block from a height on that an able node proposed and all decided in round 0.
    fn first_good_block(&self, from: Height, able: &[usize]) -> Option<Height> {
        let blocks = self.archive.blocks().filter(|commit| commit.height() >= from);
        let mut good = blocks.filter(|commit| {
            let proposer = commit.connected.block.header().proposer;
            let is_able = able.iter().any(|node| self.nodes[*node].key() == proposer);
            is_able && commit.certificate.round == Round::ZERO
        });
        good.next().map(|commit| commit.height())
    }
}
