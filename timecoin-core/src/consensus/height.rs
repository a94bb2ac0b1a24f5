//! The messages of one height, and what they make possible next.
//!
//! [`Consensus::next_step`] looks at everything that is known and takes the first transition
//! of the table that is open, so that no order of arrival can leave one out.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::ballots::{BallotBox, Heard, ROUNDS_AHEAD_MAX};
use super::round::{Action, Input, Position, RoundState, transition};
use crate::ledger::block::{Connected, VerifiedBlock};
use crate::types::ballot::{Choice, PreparedBlock, SignedBallot};
use crate::types::certificate::{CommitCertificate, PreparedCertificate, Seal};
use crate::types::chain::{Epoch, Height, Round, Timestamp};
use crate::types::hash::BlockHash;
use crate::types::masternode_set::{MasternodeIndex, MasternodeSet};
use crate::types::message::{Justification, RoundChange};

/// The longest timeout is the base times two to this power (PROTOCOL 5).
const TIMEOUT_DOUBLINGS_MAX: u32 = 3;

/// Blocks of one height that are kept whole; one for each round of the last few, and the
/// prepared one always.
pub(crate) const BLOCKS_MAX: usize = 16;

/// What a masternode does next.
#[derive(Clone, Debug)]
pub enum Step {
    /// Propose in this round: the prepared block that the justification proves, or a new one.
    Propose(Round, Justification),
    /// Record and send Prepare.
    Prepare(Round, BlockHash),
    /// Record the certificate and send Commit.
    Commit(PreparedCertificate),
    /// Record and send RoundChange with what is prepared.
    ChangeRound(Round, Option<PreparedCertificate>),
    /// Apply the block.
    Decide(CommitCertificate),
}

/// How much is kept of one height.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ConsensusSizes {
    pub(crate) ballots: usize,
    pub(crate) blocks: usize,
    pub(crate) round_changes: usize,
    pub(crate) proposals: usize,
}

/// A block of the height, and the state after it once it is known to be valid.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// The block.
    pub block: VerifiedBlock,
    /// The state after it, if it was checked.
    pub connected: Option<Connected>,
}

/// What this masternode signed in an earlier life at the height, in order, and the certificate
/// of the highest block that was prepared.
#[derive(Clone, Debug, Default)]
pub struct Restored {
    /// Its ballots.
    pub ballots: Vec<SignedBallot>,
    /// The certificate.
    pub prepared: Option<PreparedCertificate>,
}

/// What a masternode knows about one height.
#[derive(Clone, Debug)]
pub struct Consensus {
    height: Height,
    epoch: Epoch,
    set: MasternodeSet,
    own: Option<MasternodeIndex>,
    state: RoundState,
    prepared: Option<PreparedCertificate>,
    prepares: BallotBox,
    commits: BallotBox,
    proposals: BTreeMap<Round, SignedBallot>,
    round_changes: BTreeMap<MasternodeIndex, RoundChange>,
    candidates: BTreeMap<BlockHash, Candidate>,
    offered: Option<(Round, BlockHash)>,
    proposed: Option<Round>,
    prepared_blocks: BTreeSet<BlockHash>,
    is_due: bool,
    is_ready: bool,
    is_silent: bool,
    timeout_base: Duration,
    timer: Option<Timestamp>,
}

impl Consensus {
    /// The start of a height. `own` is this node's position, if it may vote.
    pub fn new(
        height: Height,
        epoch: Epoch,
        set: MasternodeSet,
        own: Option<MasternodeIndex>,
        timeout_base: Duration,
    ) -> Self {
        Consensus {
            height,
            epoch,
            set,
            own,
            state: RoundState { round: Round::ZERO, position: Position::Waiting },
            prepared: None,
            prepares: BallotBox::default(),
            commits: BallotBox::default(),
            proposals: BTreeMap::new(),
            round_changes: BTreeMap::new(),
            candidates: BTreeMap::new(),
            offered: None,
            proposed: None,
            prepared_blocks: BTreeSet::new(),
            is_due: false,
            is_ready: true,
            is_silent: false,
            timeout_base,
            timer: None,
        }
    }

    /// The height.
    pub fn height(&self) -> Height {
        self.height
    }

    /// The round this node is in.
    pub fn round(&self) -> Round {
        self.state.round
    }

    /// Where it stands.
    pub fn state(&self) -> RoundState {
        self.state
    }

    /// The certificate of the highest block that is prepared here.
    pub fn prepared(&self) -> Option<&PreparedCertificate> {
        self.prepared.as_ref()
    }

    /// The blocks that this masternode has sent Prepare for.
    pub fn prepared_blocks(&self) -> impl Iterator<Item = &VerifiedBlock> {
        let found = self.prepared_blocks.iter().filter_map(|hash| self.candidates.get(hash));
        found.map(|candidate| &candidate.block)
    }

    /// A block of this height.
    pub fn candidate(&self, hash: &BlockHash) -> Option<&Candidate> {
        self.candidates.get(hash)
    }

    /// Takes the state after a block out, once the block is decided.
    pub fn take_connected(&mut self, hash: &BlockHash) -> Option<Connected> {
        self.candidates.get_mut(hash)?.connected.take()
    }

    /// The seals of Commits to a block in one round, quorum or not.
    pub fn commit_seals(&self, round: Round, block: BlockHash) -> &[Seal] {
        self.commits.seals(round, block)
    }

    /// How many ballots and blocks are kept.
    pub(crate) fn sizes(&self) -> ConsensusSizes {
        ConsensusSizes {
            ballots: self.prepares.n_ballots() + self.commits.n_ballots(),
            blocks: self.candidates.len(),
            round_changes: self.round_changes.len(),
            proposals: self.proposals.len(),
        }
    }

    /// Whether the block is due here.
    pub fn is_due(&self) -> bool {
        self.is_due
    }

    /// Says that the block is due: the timer of round 0 starts, and its proposer may propose.
    pub fn set_due(&mut self, now: Timestamp) {
        if !self.is_due {
            self.is_due = true;
            if self.state.round == Round::ZERO {
                self.timer.get_or_insert(now.after(self.timeout(self.state.round)));
            }
        }
    }

    /// Says whether this node could build a block now: it can wait for what must be in it.
    pub fn set_ready(&mut self, is_ready: bool) {
        self.is_ready = is_ready;
    }

    /// Whether this node is the proposer of its round and has not proposed in it.
    pub fn is_to_propose(&self) -> bool {
        let round = self.state.round;
        let is_first = self.proposed.is_none_or(|proposed| proposed < round);
        let is_open = self.state.position == Position::Waiting;
        is_first && is_open && self.own == Some(self.set.proposer(self.height, round))
    }

    /// Says whether this node signs nothing for a while: it takes decisions, and no other step.
    pub fn set_silent(&mut self, is_silent: bool) {
        self.is_silent = is_silent;
    }

    /// This node takes no more part than to follow.
    pub fn observe(&mut self) {
        self.own = None;
    }

    /// When the round times out, if its timer runs.
    pub fn timer(&self) -> Option<Timestamp> {
        let takes_part = self.own.is_some() && !self.is_silent;
        let is_open = takes_part && self.state.position != Position::Decided;
        self.timer.filter(|_| is_open)
    }

    fn timeout(&self, round: Round) -> Duration {
        self.timeout_base.saturating_mul(1 << round.0.min(TIMEOUT_DOUBLINGS_MAX))
    }

    /// Keeps a block of this height.
    pub fn add_block(&mut self, block: VerifiedBlock, connected: Option<Connected>) {
        let hash = block.hash();
        let candidate = self.candidates.entry(hash).or_insert(Candidate { block, connected: None });
        if connected.is_some() {
            candidate.connected = connected;
        }
        while self.candidates.len() > BLOCKS_MAX {
            let kept = |known: &BlockHash| {
                *known == hash
                    || self.prepared_blocks.contains(known)
                    || self.prepared.as_ref().is_some_and(|p| p.block == *known)
                    || self.commits.voters_for(*known).is_some()
            };
            let Some(victim) = self.candidates.keys().find(|known| !kept(known)).copied() else {
                break;
            };
            self.candidates.remove(&victim);
        }
    }

    /// Notes the proposal of a round; gives the earlier one where it names another block.
    pub fn on_proposal(&mut self, ballot: SignedBallot) -> Option<SignedBallot> {
        let known = *self.proposals.entry(ballot.ballot.round).or_insert(ballot);
        while self.proposals.len() > BLOCKS_MAX {
            self.proposals.pop_first();
        }
        (known.ballot != ballot.ballot).then_some(known)
    }

    /// Whether a proposal of this round could still be accepted (B2).
    pub fn accepts(&self, round: Round) -> bool {
        let waits = self.state.position == Position::Waiting && round == self.state.round;
        let is_open = self.state.position != Position::Decided;
        is_open && self.own.is_some() && (waits || round > self.state.round)
    }

    /// Offers a proposal that passed every check: the next step will be to Prepare it (B2).
    pub fn offer(&mut self, round: Round, block: BlockHash) {
        self.offered = Some((round, block));
    }

    /// Counts a Prepare or Commit; gives the earlier one where they contradict each other.
    pub fn on_ballot(&mut self, signed: &SignedBallot) -> Heard {
        match signed.ballot.choice {
            Choice::Prepare(_) => self.prepares.add(signed),
            Choice::Commit(_) => self.commits.add(signed),
            Choice::PrePrepare(_) | Choice::RoundChange(_) => Heard::Repeated,
        }
    }

    /// Keeps the highest RoundChange of a masternode; gives the earlier one of the same round
    /// where they contradict each other.
    pub fn on_round_change(&mut self, change: RoundChange) -> Option<SignedBallot> {
        let voter = change.ballot.voter;
        let known = self.round_changes.get(&voter).map(|known| known.ballot);
        match known {
            Some(known) if known.ballot.round == change.ballot.ballot.round => {
                (known.ballot != change.ballot.ballot).then_some(known)
            }
            Some(known) if known.ballot.round > change.ballot.ballot.round => None,
            _ => {
                self.round_changes.insert(voter, change);
                None
            }
        }
    }

    /// Whether a ballot is for a round that is refused as too far ahead.
    pub fn is_too_far(&self, round: Round) -> bool {
        round.0 > self.state.round.0.saturating_add(ROUNDS_AHEAD_MAX)
    }

    /// The RoundChange of a masternode.
    pub fn round_change_of(&self, voter: MasternodeIndex) -> Option<&RoundChange> {
        self.round_changes.get(&voter)
    }

    /// This masternode's ballots of its round, for repeating.
    pub fn own_ballots(&self) -> Vec<SignedBallot> {
        let Some(own) = self.own else { return Vec::new() };
        let round = self.state.round;
        let found = [self.prepares.of(own, round), self.commits.of(own, round)];
        let earlier = self.prepared.as_ref().and_then(|p| self.commits.of(own, p.round));
        let mut ballots: Vec<SignedBallot> =
            found.into_iter().flatten().chain(earlier).copied().collect();
        ballots.dedup();
        ballots
    }

    /// The proposal of a round, if it was heard.
    pub fn proposal(&self, round: Round) -> Option<&SignedBallot> {
        self.proposals.get(&round)
    }

    /// A block that votes name and that is not in hand, and who named it.
    pub fn missing_block(&self) -> Option<(BlockHash, MasternodeIndex)> {
        let quorums = self.commits.quorums(self.set.quorum());
        let prepared = self.highest_claim().map(|claim| (claim.round, claim.block));
        let named = quorums.chain(prepared).map(|(_, block)| block);
        let missing = named.filter(|block| !self.candidates.contains_key(block));
        missing
            .filter_map(|block| {
                let claimed = self.round_changes.iter().find(|(_, change)| {
                    change.certificate.as_ref().is_some_and(|c| c.block == block)
                });
                let voter = self.commits.voters_for(block).or(claimed.map(|(voter, _)| *voter))?;
                Some((block, voter))
            })
            .find(|(_, voter)| Some(*voter) != self.own)
    }

    fn highest_claim(&self) -> Option<PreparedBlock> {
        let claims = self.round_changes.values().filter_map(|change| change.certificate.as_ref());
        claims.map(PreparedCertificate::prepared).max()
    }

    /// Takes up after a restart.
    pub fn restore(&mut self, restored: Restored) {
        for signed in &restored.ballots {
            let round = signed.ballot.round;
            match signed.ballot.choice {
                Choice::PrePrepare(_) => {
                    self.proposals.insert(round, *signed);
                    self.proposed = self.proposed.max(Some(round));
                }
                Choice::Prepare(block) => {
                    self.prepares.add(signed);
                    self.prepared_blocks.insert(block);
                    self.resume(round, Position::Accepted(block));
                }
                Choice::Commit(block) => {
                    self.commits.add(signed);
                    self.resume(round, Position::Committed(block));
                }
                Choice::RoundChange(_) => self.resume(round, Position::Waiting),
            }
        }
        self.prepared = restored.prepared;
    }

    fn resume(&mut self, round: Round, position: Position) {
        if round >= self.state.round {
            self.state = RoundState { round, position };
        }
    }

    /// Starts the timer of the round once there is a reason to expect anything of it: a proposal
    /// is accepted, or a quorum has left the rounds below (as in PBFT 4.5.2). A masternode whose
    /// clock is ahead so waits for the others, instead of going from round to round alone and
    /// being in none at the same time as they are.
    fn start_timer(&mut self, now: Timestamp) {
        if self.timer.is_some() || self.state.position == Position::Decided {
            return;
        }
        let round = self.state.round;
        let has_accepted = self.state.position != Position::Waiting;
        let changes = self.round_changes.values();
        let is_quorum_here = round > Round::ZERO
            && changes.filter(|change| change.ballot.ballot.round >= round).count()
                >= self.set.quorum();
        if has_accepted || is_quorum_here {
            self.timer = Some(now.after(self.timeout(round)));
        }
    }

    /// The next thing that what is known makes possible; ask again until there is nothing.
    pub fn next_step(&mut self, now: Timestamp) -> Option<Step> {
        if let Some(step) = self.decide() {
            return Some(step);
        }
        self.own.filter(|_| !self.is_silent)?;
        self.start_timer(now);
        if self.timer().is_some_and(|timer| timer <= now)
            && let Some(step) = self.take(Input::Timeout(self.state.round))
        {
            return Some(step);
        }
        if let Some(step) = self.lowest_ahead().and_then(|r| self.take(Input::Ahead(r))) {
            return Some(step);
        }
        if let Some((round, block)) = self.offered.take()
            && let Some(step) = self.take(Input::Proposal(round, block))
        {
            return Some(step);
        }
        if let Position::Accepted(block) = self.state.position {
            let quorum = self.set.quorum();
            if self.prepares.quorum(self.state.round, block, quorum).is_some() {
                return self.take(Input::PrepareQuorum(self.state.round, block));
            }
        }
        if self.may_propose() {
            return self.take(Input::MayPropose(self.state.round));
        }
        None
    }

    fn decide(&mut self) -> Option<Step> {
        let in_hand = |block: &BlockHash| self.candidates.contains_key(block);
        let found = self.commits.quorums(self.set.quorum()).find(|(_, block)| in_hand(block));
        let (round, block) = found?;
        self.take(Input::CommitQuorum(round, block))
    }

    fn lowest_ahead(&self) -> Option<Round> {
        let rounds = self.round_changes.values().map(|change| change.ballot.ballot.round);
        let ahead: Vec<Round> = rounds.filter(|round| *round > self.state.round).collect();
        if ahead.len() < self.set.one_honest() {
            return None;
        }
        ahead.into_iter().min()
    }

    fn may_propose(&self) -> bool {
        let round = self.state.round;
        let may = if round == Round::ZERO {
            self.is_due
        } else {
            self.changes_to(round).count() >= self.set.quorum()
        };
        self.is_to_propose() && may && self.has_what_it_proposes(round)
    }

    fn changes_to(&self, round: Round) -> impl Iterator<Item = &RoundChange> {
        self.round_changes.values().filter(move |change| change.ballot.ballot.round == round)
    }

    fn has_what_it_proposes(&self, round: Round) -> bool {
        let prepared = self.justification(round).prepared;
        match prepared {
            Some(certificate) => self.candidates.contains_key(&certificate.block),
            None => self.is_ready,
        }
    }

    /// Why this node may propose in `round`: every RoundChange to it, and the certificate of
    /// the highest prepared round among them (B1). Round 0 needs none, and a proposal that has
    /// one is refused by everybody.
    fn justification(&self, round: Round) -> Justification {
        if round == Round::ZERO {
            return Justification::default();
        }
        let round_changes = self.changes_to(round).map(|change| change.ballot).collect();
        let certificates = self.changes_to(round).filter_map(|c| c.certificate.as_ref());
        let prepared = certificates.max_by_key(|certificate| certificate.prepared()).cloned();
        Justification { round_changes, prepared }
    }

    /// Runs an input through the table and keeps what the transition needs kept.
    fn take(&mut self, input: Input) -> Option<Step> {
        let (state, action) = transition(self.state, input)?;
        let entered = state.round > self.state.round;
        self.state = state;
        if entered {
            self.timer = None;
            self.is_due = true;
        }
        match action {
            Action::Propose(round) => {
                self.proposed = Some(round);
                Some(Step::Propose(round, self.justification(round)))
            }
            Action::Prepare(round, block) => {
                self.prepared_blocks.insert(block);
                Some(Step::Prepare(round, block))
            }
            Action::Commit(round, block) => {
                let seals = self.prepares.quorum(round, block, self.set.quorum())?;
                let (epoch, height) = (self.epoch, self.height);
                let certificate = PreparedCertificate { epoch, height, round, block, seals };
                self.prepared = Some(certificate.clone());
                Some(Step::Commit(certificate))
            }
            Action::ChangeRound(round) => Some(Step::ChangeRound(round, self.prepared.clone())),
            Action::Decide(round, block) => {
                let seals = self.commits.quorum(round, block, self.set.quorum())?;
                let (epoch, height) = (self.epoch, self.height);
                Some(Step::Decide(CommitCertificate { epoch, height, round, block, seals }))
            }
        }
    }
}
