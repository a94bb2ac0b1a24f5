//! Staging: how the tests bring a network to an exact state, and look at what it says.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use timecoin_core::engine::verify::{MessageError, VerifyContext, verify_message};
use timecoin_core::sim::strategy::{Actor, Pass, Strategy};
use timecoin_core::sim::{Link, NodeState, Simulation, SimulationConfig};
use timecoin_core::types::ballot::{Ballot, Choice, Phase, PreparedBlock, SignedBallot};
use timecoin_core::types::message::{Message, Proposal};
use timecoin_core::{BlockHash, Height, Round, Timestamp};

/// The delay of every link.
pub(crate) const DELAY: Duration = Duration::from_millis(50);

/// The timeout of round 0.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(2);

/// The first height, at which most tests stage what they need.
pub(crate) const FIRST: Height = Height(1);

/// Settings of a network whose links all take [`DELAY`].
pub(crate) fn config(masternodes: usize, seed: u64) -> SimulationConfig {
    let mut config = SimulationConfig::new(masternodes, seed);
    config.link = Link::constant(DELAY);
    config.round_timeout = TIMEOUT;
    config.journal_lines = JOURNAL_LINES;
    config
}

/// A network of the usual settings.
pub(crate) fn network(masternodes: usize) -> Simulation {
    start(config(masternodes, 1))
}

/// A network of these settings.
pub(crate) fn start(config: SimulationConfig) -> Simulation {
    Simulation::new(config).expect("the settings make a chain")
}

/// Lets time pass; a broken invariant fails the test with the last things that happened.
pub(crate) fn advance(sim: &mut Simulation, duration: Duration) {
    if let Err(failure) = sim.advance(duration) {
        panic!("{failure}\n{}", journal(sim));
    }
}

/// Lets time pass until something holds, which it must within `within`.
pub(crate) fn until(
    sim: &mut Simulation,
    what: &str,
    within: Duration,
    predicate: impl FnMut(&Simulation) -> bool,
) {
    match sim.run_until(predicate, within) {
        Ok(true) => {}
        Ok(false) => panic!("not within {within:?}: {what}\n{}", journal(sim)),
        Err(failure) => panic!("{failure}\n{}", journal(sim)),
    }
}

fn journal(sim: &Simulation) -> String {
    sim.journal().map(|line| format!("{line}\n")).collect()
}

/// Lets time pass until these nodes have decided a height.
pub(crate) fn decide(sim: &mut Simulation, nodes: &[usize], height: Height, within: Duration) {
    let text = format!("{nodes:?} decide height {height}");
    until(sim, &text, within, |sim| nodes.iter().all(|node| sim.node(*node).height() >= height));
}

/// Who proposes in a round of [`FIRST`].
pub(crate) fn proposer(sim: &Simulation, round: u32) -> usize {
    usize::from(sim.chain().first_set().proposer(FIRST, Round(round)))
}

/// The block that was decided first at a height.
pub(crate) fn block_at(sim: &Simulation, height: Height) -> BlockHash {
    let commit = sim.archive().block(height).expect("the height is decided");
    commit.connected.block.hash()
}

/// The highest block that is prepared at a node.
pub(crate) fn prepared_at(sim: &Simulation, node: usize) -> Option<PreparedBlock> {
    let engine = sim.node(node).engine()?;
    Some(engine.consensus().prepared()?.prepared())
}

/// The round that a node is in.
pub(crate) fn round_of(sim: &Simulation, node: usize) -> Option<Round> {
    Some(sim.node(node).engine()?.consensus().round())
}

/// Whether a node takes part.
pub(crate) fn is_running(sim: &Simulation, node: usize) -> bool {
    *sim.node(node).state() == NodeState::Running
}

/// The signed statement in a message about a block.
pub(crate) fn ballot_in(message: &Message) -> Option<&SignedBallot> {
    match message {
        Message::Ballot(signed) => Some(signed),
        Message::Proposal(proposal) => Some(&proposal.ballot),
        Message::RoundChange(change) => Some(&change.ballot),
        _ => None,
    }
}

/// The phase and round of a message about [`FIRST`].
pub(crate) fn first_height(message: &Message) -> Option<(Phase, u32)> {
    let ballot = ballot_in(message)?.ballot;
    (ballot.height == FIRST).then_some((ballot.choice.phase(), ballot.round.0))
}

/// Whether a message is of this phase and round of [`FIRST`].
pub(crate) fn is(message: &Message, phase: Phase, round: u32) -> bool {
    first_height(message) == Some((phase, round))
}

/// Everything that was put onto a link since the tap was opened, let through or not.
#[derive(Clone, Default)]
pub(crate) struct Tap(Arc<Mutex<Vec<Sent>>>);

/// A message, from whom, and to whom.
#[derive(Clone)]
pub(crate) struct Sent {
    pub(crate) from: usize,
    pub(crate) to: usize,
    pub(crate) message: Message,
}

impl Tap {
    /// What was sent so far.
    pub(crate) fn all(&self) -> Vec<Sent> {
        self.0.lock().expect("no test panics while it holds this").clone()
    }

    /// What was said so far about blocks, by whom.
    pub(crate) fn ballots(&self) -> Vec<(usize, Ballot)> {
        let all = self.all();
        let found = all.iter().filter_map(|s| Some((s.from, ballot_in(&s.message)?.ballot)));
        found.collect()
    }

    /// What a node said in one phase and round of [`FIRST`].
    pub(crate) fn choices(&self, node: usize, phase: Phase, round: u32) -> Vec<Choice> {
        let ballots = self.ballots().into_iter();
        let mut choices: Vec<Choice> = ballots
            .filter(|(from, ballot)| *from == node && ballot.height == FIRST)
            .filter(|(_, b)| b.choice.phase() == phase && b.round == Round(round))
            .map(|(_, ballot)| ballot.choice)
            .collect();
        choices.sort();
        choices.dedup();
        choices
    }

    /// The first proposal of a round of [`FIRST`].
    pub(crate) fn proposal(&self, round: u32) -> Option<Proposal> {
        self.all().into_iter().find_map(|sent| match sent.message {
            Message::Proposal(proposal) if proposal.ballot.ballot.round == Round(round) => {
                Some(proposal).filter(|p| p.ballot.ballot.height == FIRST)
            }
            _ => None,
        })
    }

    /// Fails where one of `nodes` said two things in one phase, height and round.
    pub(crate) fn assert_no_contradiction(&self, nodes: &[usize]) {
        let mut said = std::collections::BTreeMap::new();
        for (from, ballot) in self.ballots() {
            let slot = (from, ballot.height, ballot.round, ballot.choice.phase());
            let earlier = *said.entry(slot).or_insert(ballot.choice);
            let is_same = earlier == ballot.choice || !nodes.contains(&from);
            assert!(is_same, "{slot:?}: {earlier:?}, then {:?}", ballot.choice);
        }
    }
}

/// Lets everything through, and shows it.
pub(crate) fn watch(sim: &mut Simulation) -> Tap {
    only(sim, |_, _, _| true)
}

/// Lets through what `filter` says of (from, to, message), and shows everything.
pub(crate) fn only(
    sim: &mut Simulation,
    filter: impl Fn(usize, usize, &Message) -> bool + Send + Sync + 'static,
) -> Tap {
    let tap = Tap::default();
    let sent = Arc::clone(&tap.0);
    sim.network().set_filter(move |from, to, message| {
        let message_sent = Sent { from, to, message: message.clone() };
        sent.lock().expect("no test panics while it holds this").push(message_sent);
        filter(from, to, message)
    });
    tap
}

/// A strategy that is one function of what the node's engine sends.
#[derive(Clone)]
struct OnSend<F>(F);

impl<F> Strategy for OnSend<F>
where
    F: FnMut(&mut Actor<'_>, &Message) -> Pass + Clone + Send + 'static,
{
    fn name(&self) -> &'static str {
        "on-send"
    }

    fn on_send(
        &mut self,
        actor: &mut Actor<'_>,
        _to: &timecoin_core::engine::output::To,
        message: &Message,
    ) -> Pass {
        (self.0)(actor, message)
    }

    fn clone_box(&self) -> Box<dyn Strategy> {
        Box::new(self.clone())
    }
}

/// A strategy that is one function of what comes in, and from whom.
#[derive(Clone)]
struct OnReceive<F>(F);

impl<F> Strategy for OnReceive<F>
where
    F: FnMut(&mut Actor<'_>, usize, &Message) -> Pass + Clone + Send + 'static,
{
    fn name(&self) -> &'static str {
        "on-receive"
    }

    fn on_receive(&mut self, actor: &mut Actor<'_>, from: usize, message: &Message) -> Pass {
        (self.0)(actor, from, message)
    }

    fn clone_box(&self) -> Box<dyn Strategy> {
        Box::new(self.clone())
    }
}

/// Makes a node Byzantine: `decide` sees what its engine wants to send.
pub(crate) fn on_send(
    sim: &mut Simulation,
    node: usize,
    decide: impl FnMut(&mut Actor<'_>, &Message) -> Pass + Clone + Send + 'static,
) {
    sim.set_strategy(node, Box::new(OnSend(decide)));
}

/// Makes a node Byzantine: `decide` sees what comes in.
pub(crate) fn on_receive(
    sim: &mut Simulation,
    node: usize,
    decide: impl FnMut(&mut Actor<'_>, usize, &Message) -> Pass + Clone + Send + 'static,
) {
    sim.set_strategy(node, Box::new(OnReceive(decide)));
}

/// Makes the proposer of round 0 name another block to each group, say Prepare and Commit for it
/// there, and nothing else to anybody.
pub(crate) fn split_proposal(sim: &mut Simulation, node: usize, groups: &[&[usize]]) {
    let groups: Vec<Vec<usize>> = groups.iter().map(|group| group.to_vec()).collect();
    on_send(sim, node, move |actor, message| {
        let Message::Proposal(_) = message else { return Pass::Stop };
        for (later, group) in (0..).zip(&groups) {
            let now = Timestamp(actor.now.0 + later);
            let built = actor.build(Vec::new(), now).expect("an empty block is valid");
            let block = Arc::clone(built.block.block());
            let hash = block.hash();
            let sign = |choice| actor.ballot(Round::ZERO, choice).expect("it is a masternode");
            let ballot = sign(Choice::PrePrepare(hash));
            let votes = [sign(Choice::Prepare(hash)), sign(Choice::Commit(hash))];
            let proposal = Proposal { ballot, block, justification: Default::default() };
            actor.send(group, Message::Proposal(proposal));
            votes.into_iter().for_each(|vote| actor.send(group, Message::Ballot(vote)));
        }
        Pass::Stop
    });
}

/// What a node would say of a message before its engine sees it.
pub(crate) fn verdict(sim: &Simulation, node: usize, message: Message) -> Result<(), MessageError> {
    let engine = sim.node(node).engine().expect("it runs");
    let (chain, state) = (engine.chain(), engine.state());
    let context = VerifyContext {
        chain,
        current: (state.epoch(chain), &state.masternodes),
        tip: (chain.params().epoch_of(state.tip.height), &state.tip_masternodes),
        known: &|_| None,
    };
    verify_message(message, &context).map(drop)
}

/// A statement about a round of [`FIRST`], signed by a masternode that need not know.
pub(crate) fn forge(sim: &Simulation, node: usize, round: u32, choice: Choice) -> SignedBallot {
    let set = sim.chain().first_set();
    let epoch = sim.chain().params().epoch_of(FIRST);
    let ballot = Ballot { epoch, height: FIRST, round: Round(round), choice };
    let keys = sim.node(node).keys();
    let voter = set.index_of(&keys.public()).expect("it is a masternode");
    SignedBallot::sign(ballot, voter, sim.chain().id(), &set.hash(), keys)
}

/// Lines that a failing test prints.
const JOURNAL_LINES: usize = 400;
