//! A state of the model, in a canonical form.

use super::masternode::{Ballots, Masternode, Votes};
use super::protocol::Protocol;
use super::scenario::{BlockId, HEIGHTS_MAX, HONEST_MAX, ROUNDS_MAX, TxSet};
use super::view::View;

/// What an honest proposer proposed in a round.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) enum Proposal {
    #[default]
    None,
    /// No RoundChange that justifies it claims a prepared block, or it is of round 0.
    Fresh(BlockId),
    /// A prepared certificate justifies it.
    Justified(BlockId),
}

/// The honest masternodes with all they have sent, and what honest proposers proposed. What
/// Byzantine masternodes sent is no part of it: they can have sent anything to anybody.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct State {
    /// Sorted: a masternode's number means nothing, since no rule asks for it.
    pub(crate) masternodes: [Masternode; HONEST_MAX],
    pub(crate) proposals: [[Proposal; ROUNDS_MAX]; HEIGHTS_MAX],
    /// Blocks of heights that all honest masternodes have left.
    pub(crate) left: [BlockId; HEIGHTS_MAX],
    /// What may have become final in the epoch that all honest masternodes have left.
    pub(crate) left_final: TxSet,
}

impl State {
    /// The same state in its canonical form, and where each masternode went.
    ///
    /// Masternodes are sorted. Messages of heights and epochs that all honest masternodes have
    /// left can change nothing any more, beside the block that was decided and the transactions
    /// that may be final: these are kept, the messages dropped.
    pub(crate) fn canonical(mut self, protocol: &Protocol) -> (State, [usize; HONEST_MAX]) {
        self.drop_what_all_have_left(protocol);
        let n = protocol.scenario.n_honest();
        let mut order: [usize; HONEST_MAX] = std::array::from_fn(|at| at);
        order[..n].sort_by_key(|at| self.masternodes[*at].packed());
        let sorted = order.map(|at| self.masternodes[at]);
        (State { masternodes: sorted, ..self }, order)
    }

    fn drop_what_all_have_left(&mut self, protocol: &Protocol) {
        let n = protocol.scenario.n_honest();
        let masternodes = &self.masternodes[..n];
        let lowest = masternodes.iter().map(Masternode::height).min().expect("some are honest");
        let has_stale = |height: usize| height < lowest && self.left[height] == 0;
        if !(0..lowest).any(has_stale) {
            return;
        }
        let view = View::new(protocol, self);
        let (decided, finals) = (view.decided, view.finals(0));
        for (height, decided) in decided.into_iter().enumerate().take(lowest) {
            self.left[height] = decided;
            self.proposals[height] = Default::default();
            for masternode in &mut self.masternodes[..n] {
                masternode.ballots[height] = Ballots::default();
            }
        }
        if protocol.scenario.epoch_of(lowest) > 0 {
            self.left_final |= finals;
            for masternode in &mut self.masternodes[..n] {
                masternode.votes[0] = Votes::default();
            }
        }
    }
}
