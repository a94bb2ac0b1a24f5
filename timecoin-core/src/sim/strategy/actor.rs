//! What a strategy can see and do.

use std::sync::Arc;
use std::time::Duration;

use crate::engine::Engine;
use crate::engine::output::To;
use crate::ledger::block::{Connected, Proposer, build_block};
use crate::ledger::view::UtxoView;
use crate::params::Chain;
use crate::sim::random::Random;
use crate::types::ballot::{Ballot, Choice, SignedBallot};
use crate::types::chain::{Epoch, Height, Round, Timestamp};
use crate::types::keys::{KeyPair, PublicKey};
use crate::types::masternode_set::{MasternodeIndex, MasternodeSet};
use crate::types::message::Message;
use crate::types::verified::VerifiedTransaction;
use crate::types::vote::{Vote, VoteBatch};

/// To whom a strategy sends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// Every other node.
    All,
    /// Some nodes, by their positions in the simulation.
    Nodes(Vec<usize>),
}

/// What a strategy wants done.
#[derive(Clone, Debug)]
pub enum Command {
    /// Send a message after a while.
    Send {
        /// To whom.
        to: Target,
        /// What.
        message: Box<Message>,
        /// How long from now.
        delay: Duration,
    },
    /// Send bytes that may be no message.
    SendBytes(Target, Vec<u8>),
    /// Call [`super::Strategy::on_wake`].
    Wake(Duration),
    /// Stop, forget every vote, start again.
    Forget,
}

/// The node that a strategy acts for.
pub struct Actor<'a> {
    /// Its keys.
    pub keys: &'a KeyPair,
    /// Its position in the simulation.
    pub node: usize,
    /// The keys of all nodes, by position.
    pub peers: &'a [PublicKey],
    /// Its engine, which believes to be honest.
    pub engine: &'a Engine,
    /// The outputs that its engine knows of.
    pub view: &'a dyn UtxoView,
    /// The time on its clock.
    pub now: Timestamp,
    /// Chance of its own.
    pub random: &'a mut Random,
    pub(crate) commands: Vec<Command>,
}

impl Actor<'_> {
    /// The chain.
    pub fn chain(&self) -> &Chain {
        self.engine.chain()
    }

    /// The masternodes that decide the next block.
    pub fn set(&self) -> &MasternodeSet {
        &self.engine.state().masternodes
    }

    /// Its position in that set.
    pub fn voter(&self) -> Option<MasternodeIndex> {
        self.set().index_of(&self.keys.public())
    }

    /// The epoch of the next block.
    pub fn epoch(&self) -> Epoch {
        self.engine.state().epoch(self.chain())
    }

    /// The height of the next block.
    pub fn height(&self) -> Height {
        self.engine.state().next_height()
    }

    /// The round that its engine is in.
    pub fn round(&self) -> Round {
        self.engine.consensus().round()
    }

    /// The positions of all other nodes.
    pub fn others(&self) -> Vec<usize> {
        (0..self.peers.len()).filter(|node| *node != self.node).collect()
    }

    /// All other nodes in two parts, drawn anew at each call.
    pub fn halves(&mut self) -> [Vec<usize>; 2] {
        let mut others = self.others();
        self.random.shuffle(&mut others);
        let second = others.split_off(others.len() / 2);
        [others, second]
    }

    /// Sends to all.
    pub fn send_all(&mut self, message: Message) {
        self.send_after(Target::All, message, Duration::ZERO);
    }

    /// Sends to some.
    pub fn send(&mut self, nodes: &[usize], message: Message) {
        self.send_after(Target::Nodes(nodes.to_vec()), message, Duration::ZERO);
    }

    /// Sends after a while.
    pub fn send_after(&mut self, to: Target, message: Message, delay: Duration) {
        self.commands.push(Command::Send { to, message: Box::new(message), delay });
    }

    /// Sends bytes that may be no message.
    pub fn send_bytes(&mut self, to: Target, bytes: Vec<u8>) {
        self.commands.push(Command::SendBytes(to, bytes));
    }

    /// Asks for a call after a while.
    pub fn wake_after(&mut self, delay: Duration) {
        self.commands.push(Command::Wake(delay));
    }

    /// Stops, forgets every vote, and starts again.
    pub fn forget(&mut self) {
        self.commands.push(Command::Forget);
    }

    /// The positions that an engine's message goes to.
    pub fn nodes_of(&self, to: &To) -> Vec<usize> {
        match to {
            To::All => self.others(),
            To::Peer(key) => {
                self.others().into_iter().filter(|node| self.peers[*node] == *key).collect()
            }
        }
    }

    /// Signs a ballot for the next height.
    pub fn ballot(&self, round: Round, choice: Choice) -> Option<SignedBallot> {
        self.ballot_at(self.epoch(), self.height(), round, choice)
    }

    /// Signs a ballot for any epoch and height.
    pub fn ballot_at(
        &self,
        epoch: Epoch,
        height: Height,
        round: Round,
        choice: Choice,
    ) -> Option<SignedBallot> {
        let ballot = Ballot { epoch, height, round, choice };
        let set_hash = self.set().hash();
        let voter = self.voter()?;
        Some(SignedBallot::sign(ballot, voter, self.chain().id(), &set_hash, self.keys))
    }

    /// Signs votes of this epoch.
    pub fn votes(&self, votes: Vec<Vote>) -> Option<Message> {
        let (id, epoch, set_hash) = (*self.chain().id(), self.epoch(), self.set().hash());
        let batch = VoteBatch::sign(&id, epoch, set_hash, self.voter()?, votes, self.keys);
        Some(Message::Votes(batch))
    }

    /// Builds a valid block at the next height.
    pub fn build(
        &self,
        transactions: Vec<VerifiedTransaction>,
        now: Timestamp,
    ) -> Option<Connected> {
        let proposer = Proposer { index: self.voter()?, now };
        let state = self.engine.state();
        build_block(self.chain(), state, self.view, transactions, proposer).ok()
    }

    /// Some transactions of the mempool that a block could hold.
    pub fn transactions(&self, n_max: usize) -> Vec<Arc<crate::types::transaction::Transaction>> {
        let entries = self.engine.mempool().entries().take(n_max);
        entries.map(|entry| Arc::clone(entry.transaction.transaction())).collect()
    }
}
