//! Nodes of a net that follow rules of their own: the strategies of a simulation, in real time.
//!
//! The node behind a strategy is as honest as any other and knows nothing of it. What it lets out
//! goes to its strategies before it goes to its links (`outlet.rs`), what comes to it is heard by
//! them too, in memory before its signatures are checked, and what they want sent goes out in its
//! name. They look at its engine on its driver's thread, in the order in which things happened.
//! Where too much waits there, messages are lost, as they are between nodes; a strategy's beginning
//! and the times that it asked for are not.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use super::delays::Delays;
use super::outlet::Outlet;
use super::{LocalNet, LocalTransport};
use crate::engine::Engine;
use crate::engine::output::To;
use crate::ledger::view::UtxoView;
use crate::node::{NodeError, WeakNode};
use crate::sim::strategy::{Actor, Command, Pass, Strategy, Target, by_name};
use crate::sim::{Random, SimTime, SimulationError};
use crate::types::chain::Timestamp;
use crate::types::keys::{KeyPair, PublicKey};
use crate::types::message::Message;

impl LocalNet {
    /// Makes a node Byzantine: it follows the strategy of this name, with any that it follows
    /// already, in this life and in all that come. Nobody waits for it or pays through it any
    /// more unless it is named.
    ///
    /// The names are those of a simulation ([`crate::sim::strategy::STRATEGIES`]), without
    /// `amnesia` and `twins`, which only a simulation can do, and over sockets without `garbage`:
    /// they carry messages only. Over sockets the connections stay honest, so that a transaction
    /// or a block that a peer asks for is given to it whatever the strategy.
    ///
    /// ```
    /// use std::time::Duration;
    /// use timecoin_core::localnet::{LocalNet, LocalNetConfig};
    ///
    /// let net = LocalNet::start(LocalNetConfig::new(4, 7))?;
    /// net.set_byzantine(3, "equivocate-votes")?;
    /// let payment = net.pay("alice", "bob", "5".parse()?)?;
    /// net.wait_confirmed_everywhere(&payment, Duration::from_secs(30))?;
    /// # Ok::<(), timecoin_core::NodeError>(())
    /// ```
    ///
    /// # Errors
    /// [`NodeError::InvalidArgument`] where there is no such node, no such strategy, or none that
    /// a net of this transport can follow; [`NodeError::Closed`] where the net is closed.
    pub fn set_byzantine(&self, node: usize, strategy: &str) -> Result<(), NodeError> {
        self.place(node)?;
        let strategy = strategy_named(strategy, self.config.transport)
            .map_err(|reason| NodeError::InvalidArgument { what: "strategy", reason })?;
        let _changing = self.changing(node);
        if self.stop.is_cancelled() {
            return Err(NodeError::Closed);
        }
        self.byzantines.follow(node, strategy);
        Ok(())
    }

    /// Whether a node was made Byzantine.
    ///
    /// # Errors
    /// [`NodeError::InvalidArgument`] where there is no such node.
    pub fn is_byzantine(&self, node: usize) -> Result<bool, NodeError> {
        self.place(node).map(|_| self.byzantines.is_byzantine(node))
    }
}

/// The strategy of a name, or why no node of a net can follow it.
fn strategy_named(name: &str, transport: LocalTransport) -> Result<Box<dyn Strategy>, String> {
    let reason = match (name, transport) {
        ("amnesia", _) => "only a simulation can take a node's votes from it as it runs",
        ("twins", _) => "only a simulation can add a node with the keys of another",
        ("garbage", LocalTransport::Tcp) => "sockets carry messages only: use memory",
        _ => {
            let unknown = || SimulationError::UnknownStrategy(name.to_owned()).to_string();
            return by_name(name).ok_or_else(unknown);
        }
    };
    Err(format!("`{name}`: {reason}"))
}

/// The strategies of all nodes of a net.
pub(super) struct Byzantines {
    keys: Vec<KeyPair>,
    publics: Vec<PublicKey>,
    puppets: Vec<Puppet>,
    errands: Delays<Errand>,
    began: Instant,
}

/// A node, as its strategies have it.
struct Puppet {
    is_byzantine: AtomicBool,
    acting: Mutex<Acting>,
}

struct Acting {
    strategies: Vec<Box<dyn Strategy>>,
    random: Random,
    node: Option<WeakNode>,
    outlet: Weak<Outlet>,
    n_lives: u64,
}

/// What a strategy asked for that is not due yet.
struct Errand {
    node: usize,
    life: u64,
    what: Later,
}

enum Later {
    Send(Target, Box<Message>),
    Tell(Cue),
}

/// What strategies are told whatever else happens.
#[derive(Clone, Copy)]
enum Cue {
    /// Those from a position on begin.
    Start(usize),
    /// The time has come that the one at a position asked for.
    Wake(usize),
}

/// What strategies are told.
enum Prompt {
    /// In that life only.
    Cue(Cue, u64),
    Send(To, Message),
    Receive(usize, Message),
}

/// What there is to see of a node.
struct Sight<'a> {
    engine: &'a Engine,
    view: &'a dyn UtxoView,
    now: Timestamp,
}

impl Byzantines {
    pub(super) fn new(keys: Vec<KeyPair>, seed: u64) -> Self {
        let puppet = |position| Puppet {
            is_byzantine: AtomicBool::new(false),
            acting: Mutex::new(Acting {
                strategies: Vec::new(),
                random: Random::new(seed, &format!("strategies of {position}")),
                node: None,
                outlet: Weak::new(),
                n_lives: 0,
            }),
        };
        Byzantines {
            puppets: (0..keys.len()).map(puppet).collect(),
            publics: keys.iter().map(KeyPair::public).collect(),
            keys,
            errands: Delays::default(),
            began: Instant::now(),
        }
    }

    pub(super) fn is_byzantine(&self, node: usize) -> bool {
        self.puppets[node].is_byzantine.load(Ordering::SeqCst)
    }

    /// From now on a node speaks through this outlet.
    pub(super) fn speak_through(&self, node: usize, outlet: &Arc<Outlet>) {
        self.acting(node).outlet = Arc::downgrade(outlet);
    }

    /// A node begins a life, or ends one.
    pub(super) fn connect(self: &Arc<Self>, node: usize, life: Option<WeakNode>) {
        let mut acting = self.acting(node);
        acting.n_lives += 1;
        acting.node = life;
        let life = acting.n_lives;
        drop(acting);
        if self.is_byzantine(node) {
            self.run_errand(Errand { node, life, what: Later::Tell(Cue::Start(0)) });
        }
    }

    fn follow(self: &Arc<Self>, node: usize, strategy: Box<dyn Strategy>) {
        let mut acting = self.acting(node);
        let position = acting.strategies.len();
        acting.strategies.push(strategy);
        let life = acting.n_lives;
        drop(acting);
        // It begins before it is shown anything.
        self.run_errand(Errand { node, life, what: Later::Tell(Cue::Start(position)) });
        self.puppets[node].is_byzantine.store(true, Ordering::SeqCst);
    }

    /// A Byzantine node wants to say this.
    pub(super) fn say(self: &Arc<Self>, node: usize, to: To, message: Message) {
        self.prompt_or_lose(node, Prompt::Send(to, message));
    }

    /// A Byzantine node hears this of another one.
    pub(super) fn hear(self: &Arc<Self>, node: usize, from: PublicKey, message: Message) {
        if let Some(from) = self.publics.iter().position(|key| *key == from) {
            self.prompt_or_lose(node, Prompt::Receive(from, message));
        }
    }

    /// Does what is due, until dropped.
    pub(super) async fn run(self: Arc<Self>) {
        loop {
            for errand in self.errands.take_due(self.now()) {
                self.run_errand(errand);
            }
            self.errands.wait(|| self.now()).await;
        }
    }

    /// Does it now, or later where the node has no room for it now; not at all where the life is
    /// over in which it was asked for.
    fn run_errand(self: &Arc<Self>, Errand { node, life, what }: Errand) {
        if self.acting(node).n_lives != life {
            return;
        }
        let cue = match what {
            Later::Send(to, message) => return self.send(node, &to, &message),
            Later::Tell(cue) => cue,
        };
        if let Err(NodeError::Busy { .. }) = self.prompt(node, Prompt::Cue(cue, life)) {
            let again = Errand { node, life, what: Later::Tell(cue) };
            self.errands.push(self.now().after(BUSY_RETRY), again);
        }
    }

    fn prompt_or_lose(self: &Arc<Self>, node: usize, prompt: Prompt) {
        if let Err(error) = self.prompt(node, prompt) {
            tracing::debug!(node, %error, "a strategy misses a message");
        }
    }

    fn prompt(self: &Arc<Self>, node: usize, prompt: Prompt) -> Result<(), NodeError> {
        let real = self.acting(node).node.as_ref().and_then(WeakNode::upgrade);
        let real = real.ok_or(NodeError::Closed)?;
        let all = Arc::clone(self);
        real.look(Box::new(move |engine, view, now| {
            all.act(node, &Sight { engine, view, now }, prompt);
        }))
    }

    /// Asks the strategies of a node in turn, until one stops the message, and does what they
    /// want done.
    fn act(&self, node: usize, sight: &Sight<'_>, prompt: Prompt) {
        let mut acting = self.acting(node);
        let Acting { strategies, random, n_lives, .. } = &mut *acting;
        let life = *n_lives;
        let mut wanted = Vec::new();
        let mut pass = Pass::On;
        for (position, strategy) in strategies.iter_mut().enumerate() {
            let mut actor = Actor {
                keys: &self.keys[node],
                node,
                peers: &self.publics,
                engine: sight.engine,
                view: sight.view,
                now: sight.now,
                random: &mut *random,
                commands: Vec::new(),
            };
            pass = prompt.tell(position, life, &mut **strategy, &mut actor);
            wanted.extend(actor.commands.into_iter().map(|command| (position, command)));
            if pass == Pass::Stop {
                break;
            }
        }
        drop(acting);
        for (position, command) in wanted {
            self.obey(node, life, position, command);
        }
        if let (Pass::On, Prompt::Send(to, message), Some(outlet)) =
            (pass, prompt, self.outlet(node))
        {
            outlet.let_out(to, message);
        }
    }

    fn obey(&self, node: usize, life: u64, strategy: usize, command: Command) {
        match command {
            Command::Send { to, message, delay: Duration::ZERO } => self.send(node, &to, &message),
            Command::Send { to, message, delay } => {
                self.put_off(delay, Errand { node, life, what: Later::Send(to, message) });
            }
            Command::SendBytes(to, bytes) => {
                let Some(outlet) = self.outlet(node) else { return };
                for to in self.nodes_of(node, &to) {
                    outlet.let_out_bytes(To::Peer(self.publics[to]), bytes.clone());
                }
            }
            Command::Wake(delay) => {
                self.put_off(delay, Errand { node, life, what: Later::Tell(Cue::Wake(strategy)) });
            }
            Command::Forget => unreachable!("the one strategy that forgets is refused by name"),
        }
    }

    fn put_off(&self, delay: Duration, errand: Errand) {
        if self.errands.len() < ERRANDS_MAX {
            self.errands.push(self.now().after(delay), errand);
        }
    }

    fn send(&self, node: usize, to: &Target, message: &Message) {
        let Some(outlet) = self.outlet(node) else { return };
        match to {
            Target::All => outlet.let_out_forged(To::All, message),
            Target::Nodes(_) => {
                for to in self.nodes_of(node, to) {
                    outlet.let_out_forged(To::Peer(self.publics[to]), message);
                }
            }
        }
    }

    /// The positions of a target that are not the node's own.
    fn nodes_of(&self, node: usize, to: &Target) -> Vec<usize> {
        let others = (0..self.puppets.len()).filter(|other| *other != node);
        match to {
            Target::All => others.collect(),
            Target::Nodes(nodes) => others.filter(|other| nodes.contains(other)).collect(),
        }
    }

    fn outlet(&self, node: usize) -> Option<Arc<Outlet>> {
        self.acting(node).outlet.upgrade()
    }

    fn acting(&self, node: usize) -> MutexGuard<'_, Acting> {
        self.puppets[node].acting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> SimTime {
        SimTime::ZERO.after(self.began.elapsed())
    }
}

impl Prompt {
    /// Tells one strategy, if it is told.
    fn tell(
        &self,
        position: usize,
        life: u64,
        strategy: &mut dyn Strategy,
        actor: &mut Actor<'_>,
    ) -> Pass {
        match self {
            Prompt::Send(to, message) => return strategy.on_send(actor, to, message),
            Prompt::Receive(from, message) => return strategy.on_receive(actor, *from, message),
            Prompt::Cue(_, of_life) if life != *of_life => {}
            Prompt::Cue(Cue::Start(first), _) if position >= *first => strategy.on_start(actor),
            Prompt::Cue(Cue::Wake(one), _) if position == *one => strategy.on_wake(actor),
            Prompt::Cue(..) => {}
        }
        Pass::On
    }
}

/// What strategies of a net asked for that is not due yet; more is lost.
const ERRANDS_MAX: usize = 16_384;

/// After what time a node that had no room for a cue is asked again.
const BUSY_RETRY: Duration = Duration::from_millis(50);
