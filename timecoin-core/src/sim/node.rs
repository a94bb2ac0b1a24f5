//! One simulated node: an engine, its disk and clock, and what waits for a flush.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use super::clock::{NodeClock, SimTime};
use super::disk::{CrashPoint, Disk, Write};
use super::strategy::Strategy;
use super::wire::SharedWire;
use crate::engine::input::PeerId;
use crate::engine::output::{BlockCommit, Event, Output, Submission, To};
use crate::engine::{Engine, EngineConfig};
use crate::mempool::MempoolLimits;
use crate::params::Chain;
use crate::types::chain::Height;
use crate::types::keys::{KeyPair, PublicKey, Signature};
use crate::types::message::{Message, Request};

/// Whether a node takes part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NodeState {
    /// It runs.
    Running,
    /// It stands still; its messages wait.
    Paused,
    /// It is stopped.
    Down,
    /// It stopped by itself.
    Halted(String),
}

/// An output that is done once everything written before it is flushed.
#[derive(Clone, Debug)]
pub(super) enum Action {
    Send(To, Box<Message>),
    Serve(PeerId, Request),
    Submitted(u64, Submission),
    Notify(Event),
}

/// An output that waits for its turn.
#[derive(Clone, Debug)]
pub(super) enum Queued {
    Write(Write),
    Do(Action),
}

/// A node.
pub struct SimNode {
    pub(super) keys: KeyPair,
    pub(super) engine: Option<Box<Engine>>,
    pub(super) state: NodeState,
    /// How often it was started: what an earlier life scheduled is void.
    pub(super) life: u32,
    pub(super) clock: NodeClock,
    pub(super) disk: Disk,
    /// Blocks that its engine decided and that are not durable, in order.
    pub(super) staged: Vec<Arc<BlockCommit>>,
    pub(super) queue: VecDeque<Queued>,
    /// Writes at the head of the queue that are flushed.
    pub(super) n_flushed: usize,
    /// Writes of the flush that is going on.
    pub(super) flushing: Option<usize>,
    pub(super) crash_at: Option<(u32, CrashPoint)>,
    /// What came while it was paused.
    pub(super) inbox: VecDeque<(usize, SharedWire)>,
    pub(super) wake: Option<SimTime>,
    /// Signatures that durable records hold.
    pub(super) recorded: BTreeSet<Signature>,
    pub(super) strategies: Vec<Box<dyn Strategy>>,
    pub(super) is_byzantine: bool,
    /// Whether it started without the votes it may have cast.
    pub(super) is_observing: bool,
    /// Whether an older disk was put in place of its own.
    pub(super) is_put_back: bool,
    pub(super) n_handled: u64,
}

impl Clone for SimNode {
    fn clone(&self) -> Self {
        SimNode {
            keys: self.keys.clone(),
            engine: self.engine.clone(),
            state: self.state.clone(),
            life: self.life,
            clock: self.clock.clone(),
            disk: self.disk.clone(),
            staged: self.staged.clone(),
            queue: self.queue.clone(),
            n_flushed: self.n_flushed,
            flushing: self.flushing,
            crash_at: self.crash_at,
            inbox: self.inbox.clone(),
            wake: self.wake,
            recorded: self.recorded.clone(),
            strategies: self.strategies.iter().map(|strategy| strategy.clone_box()).collect(),
            is_byzantine: self.is_byzantine,
            is_observing: self.is_observing,
            is_put_back: self.is_put_back,
            n_handled: self.n_handled,
        }
    }
}

impl SimNode {
    pub(super) fn new(keys: KeyPair, disk: Disk, clock: NodeClock) -> Self {
        SimNode {
            keys,
            engine: None,
            state: NodeState::Down,
            life: 0,
            clock,
            disk,
            staged: Vec::new(),
            queue: VecDeque::new(),
            n_flushed: 0,
            flushing: None,
            crash_at: None,
            inbox: VecDeque::new(),
            wake: None,
            recorded: BTreeSet::new(),
            strategies: Vec::new(),
            is_byzantine: false,
            is_observing: false,
            is_put_back: false,
            n_handled: 0,
        }
    }

    /// Its key, which names it.
    pub fn key(&self) -> PublicKey {
        self.keys.public()
    }

    /// Its keys, with which tests forge what it never said.
    pub fn keys(&self) -> &KeyPair {
        &self.keys
    }

    /// Its engine, while it runs.
    pub fn engine(&self) -> Option<&Engine> {
        self.engine.as_deref()
    }

    /// Whether it takes part.
    pub fn state(&self) -> &NodeState {
        &self.state
    }

    /// Whether it follows a strategy of its own, or ever did.
    pub fn is_byzantine(&self) -> bool {
        self.is_byzantine
    }

    /// Its disk.
    pub fn disk(&self) -> &Disk {
        &self.disk
    }

    /// Its clock.
    pub fn clock(&self) -> &NodeClock {
        &self.clock
    }

    /// The height of the last block that it decided and wrote.
    pub fn height(&self) -> Height {
        self.disk.height()
    }

    pub(super) fn is_running(&self) -> bool {
        self.state == NodeState::Running && self.engine.is_some()
    }

    /// Starts from what the disk holds.
    pub(super) fn start(&mut self, chain: &Chain, config: &super::SimulationConfig) {
        self.life += 1;
        self.staged.clear();
        self.recorded = self.disk.signatures();
        self.is_observing = self.disk.must_observe(chain);
        self.state = NodeState::Running;
        let mempool: MempoolLimits = config.mempool;
        self.engine = Some(Box::new(Engine::new(EngineConfig {
            chain: chain.clone(),
            keys: Some(self.keys.clone()),
            mempool,
            round_timeout: config.round_timeout,
            state: self.disk.state(chain),
            records: self.disk.records().iter().map(|record| (**record).clone()).collect(),
            must_observe: self.is_observing,
        })));
        if self.is_byzantine {
            self.trust_log();
        }
    }

    /// What contradicts itself on purpose does not look for what it signed before.
    pub(super) fn trust_log(&mut self) {
        if let Some(engine) = &mut self.engine {
            engine.trust_log();
        }
    }

    /// Stops; what was not flushed is gone.
    pub(super) fn stop(&mut self, state: NodeState) {
        self.engine = None;
        self.state = state;
        self.queue.clear();
        self.staged.clear();
        self.inbox.clear();
        self.n_flushed = 0;
        self.flushing = None;
        self.crash_at = None;
        self.wake = None;
    }

    /// Takes the engine's outputs in order.
    pub(super) fn collect(&mut self) {
        let Some(engine) = &mut self.engine else { return };
        while let Some(output) = engine.poll_output() {
            self.queue.push_back(match output {
                Output::Persist(record) => Queued::Write(Write::Record(Arc::from(record))),
                Output::Commit(commit) => {
                    self.staged.push(Arc::clone(&commit));
                    Queued::Write(Write::Block(commit))
                }
                Output::Send(to, message) => Queued::Do(Action::Send(to, message)),
                Output::Serve(peer, request) => Queued::Do(Action::Serve(peer, request)),
                Output::Submitted { ticket, answer } => {
                    Queued::Do(Action::Submitted(ticket, answer))
                }
                Output::Notify(event) => Queued::Do(Action::Notify(event)),
            });
        }
    }

    /// The writes that wait and are not flushed, in order.
    pub(super) fn unflushed(&self, n_max: usize) -> Vec<Write> {
        let writes = self.queue.iter().filter_map(|queued| match queued {
            Queued::Write(write) => Some(write.clone()),
            Queued::Do(_) => None,
        });
        writes.skip(self.n_flushed).take(n_max).collect()
    }
}
