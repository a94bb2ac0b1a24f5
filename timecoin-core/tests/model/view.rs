//! What the messages of a state add up to.

use super::masternode::{Change, Masternode};
use super::mutant::Mutant;
use super::protocol::Protocol;
use super::scenario::{
    BLOCKS_MAX, BlockId, EMPTY, EPOCHS_MAX, HEIGHTS_MAX, ROUNDS_MAX, Scenario, TRANSACTIONS_MAX,
    TxSet,
};
use super::state::State;

/// How many honest masternodes sent a vote, for each transaction.
type VoteCount = [u8; TRANSACTIONS_MAX];

/// How many honest masternodes sent a ballot, for each block, in each round.
type BallotCount = [[u8; BLOCKS_MAX]; ROUNDS_MAX];

/// The votes of an epoch, counted.
#[derive(Clone, Copy, Default)]
struct VoteCounts {
    approves: VoteCount,
    rejects: VoteCount,
    commits: VoteCount,
}

/// A state with its messages counted.
///
/// A Byzantine masternode's message exists for everybody whom it suits. So a threshold can be
/// reached when the honest ones that sent a message and all Byzantine ones together reach it.
/// [`View::sure`] shows what holds of the same messages when Byzantine masternodes say nothing.
pub(crate) struct View<'a> {
    pub(crate) protocol: &'a Protocol,
    pub(crate) state: &'a State,
    /// Byzantine masternodes that may add to any count.
    help: usize,
    is_sure: bool,
    votes: [VoteCounts; EPOCHS_MAX],
    prepares: [BallotCount; HEIGHTS_MAX],
    commits: [BallotCount; HEIGHTS_MAX],
    /// The block that some round of each height can have a commit certificate for, or 0.
    pub(crate) decided: [BlockId; HEIGHTS_MAX],
    /// The transactions of the decided blocks below each height.
    chains: [TxSet; HEIGHTS_MAX + 1],
    /// Whether two blocks of one height can.
    pub(crate) is_forked: bool,
    /// The most honest masternodes' height.
    pub(crate) highest: usize,
}

impl<'a> View<'a> {
    pub(crate) fn new(protocol: &'a Protocol, state: &'a State) -> Self {
        let help = protocol.scenario.byzantine;
        let mut view = View {
            protocol,
            state,
            help,
            is_sure: false,
            votes: Default::default(),
            prepares: Default::default(),
            commits: Default::default(),
            decided: state.left,
            chains: [0; HEIGHTS_MAX + 1],
            is_forked: false,
            highest: 0,
        };
        view.count();
        view.find_decided();
        view
    }

    /// The same with Byzantine masternodes silent. What is decided stays what it is.
    pub(crate) fn sure(self) -> Self {
        View { help: 0, is_sure: true, ..self }
    }

    fn count(&mut self) {
        let scenario = &self.protocol.scenario;
        let n_epochs = scenario.epoch_of(scenario.heights.len()) + 1;
        for masternode in self.honest() {
            self.highest = self.highest.max(masternode.height());
            for (votes, counts) in masternode.votes.iter().zip(&mut self.votes).take(n_epochs) {
                add_votes(&mut counts.approves, votes.approves);
                add_votes(&mut counts.rejects, votes.rejects);
                add_votes(&mut counts.commits, votes.commits);
            }
            for height in 0..scenario.heights.len() {
                let ballots = &masternode.ballots[height];
                for round in 0..scenario.heights[height].rounds.len() {
                    let Some(at) = usize::from(ballots.prepares[round]).checked_sub(1) else {
                        continue;
                    };
                    self.prepares[height][round][at] += 1;
                    self.commits[height][round][at] += u8::from(ballots.commits[round]);
                }
            }
        }
    }

    fn find_decided(&mut self) {
        let scenario = self.scenario();
        for height in 0..scenario.heights.len() {
            if scenario.is_given(height) {
                self.decided[height] = EMPTY;
            }
            for round in 0..scenario.heights[height].rounds.len() {
                for block in scenario.block_ids() {
                    if !self.is_decided_in(height, round, block) {
                        continue;
                    }
                    let known = self.decided[height];
                    self.is_forked |= known != 0 && known != block;
                    self.decided[height] = block;
                }
            }
            let block = self.decided[height];
            let content = if block == 0 { 0 } else { scenario.content(block) };
            self.chains[height + 1] = self.chains[height] | content;
        }
    }

    pub(crate) fn scenario(&self) -> &'a Scenario {
        &self.protocol.scenario
    }

    pub(crate) fn honest(&self) -> &'a [Masternode] {
        &self.state.masternodes[..self.protocol.scenario.n_honest()]
    }

    /// Whether it shows what must happen, not what may.
    pub(crate) fn is_sure(&self) -> bool {
        self.is_sure
    }

    /// Whether so many honest masternodes and the Byzantine ones reach a threshold.
    pub(crate) fn reaches(&self, n_honest: usize, threshold: usize) -> bool {
        n_honest + self.help >= threshold
    }

    /// Whether they are a quorum.
    pub(crate) fn is_quorum(&self, n_honest: u8) -> bool {
        self.reaches(usize::from(n_honest), self.protocol.quorum())
    }

    /// There is an approve certificate. Whoever Committed holds it and shows it to all.
    pub(crate) fn is_certified(&self, epoch: usize, tx: usize) -> bool {
        let votes = &self.votes[epoch];
        let is_shown = votes.commits[tx] > 0 && !self.protocol.drops(Mutant::F3);
        is_shown || self.is_quorum(votes.approves[tx])
    }

    /// There are so many Rejects.
    pub(crate) fn has_rejects(&self, epoch: usize, tx: usize, threshold: usize) -> bool {
        self.reaches(usize::from(self.votes[epoch].rejects[tx]), threshold)
    }

    /// F4: there is a finality certificate.
    pub(crate) fn is_final(&self, epoch: usize, tx: usize) -> bool {
        let votes = &self.votes[epoch];
        let f4 = self.protocol.drops(Mutant::F4);
        self.is_quorum(if f4 { votes.approves[tx] } else { votes.commits[tx] })
    }

    /// What may be final in an epoch.
    pub(crate) fn finals(&self, epoch: usize) -> TxSet {
        let kept = if epoch == 0 { self.state.left_final } else { 0 };
        kept | self.scenario().select(TxSet::MAX, |tx| self.is_final(epoch, tx))
    }

    /// There is a prepared certificate.
    pub(crate) fn is_prepared_in(&self, height: usize, round: usize, block: BlockId) -> bool {
        self.is_quorum(self.prepares[height][round][usize::from(block) - 1])
    }

    /// B4: there is a commit certificate.
    pub(crate) fn is_decided_in(&self, height: usize, round: usize, block: BlockId) -> bool {
        self.is_quorum(self.commits[height][round][usize::from(block) - 1])
    }

    /// Whether an honest masternode is beyond a height, or a commit certificate exists.
    pub(crate) fn is_decided(&self, height: usize) -> bool {
        let rounds = 0..self.scenario().heights[height].rounds.len();
        let mut blocks =
            rounds.flat_map(|round| self.scenario().block_ids().map(move |b| (round, b)));
        self.highest > height || blocks.any(|(round, b)| self.is_decided_in(height, round, b))
    }

    /// The transactions of the blocks below a height.
    pub(crate) fn chain_below(&self, height: usize) -> TxSet {
        self.chains[height]
    }

    /// The RoundChanges that honest masternodes sent to a round.
    pub(crate) fn changes_to(
        &self,
        height: usize,
        round: usize,
    ) -> impl Iterator<Item = (&'a Masternode, Change)> + Clone + use<'a> {
        let changes = self.honest().iter().map(move |m| (m, m.ballots[height].changes[round]));
        changes.filter(|(_, change)| *change != Change::NotSent)
    }
}

fn add_votes(counts: &mut VoteCount, set: TxSet) {
    for (tx, count) in counts.iter_mut().enumerate() {
        *count += set >> tx & 1;
    }
}
