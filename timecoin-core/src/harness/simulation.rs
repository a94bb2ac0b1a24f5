//! A simulation that several threads may use: one changes it at a time, others wait or read.

use std::fmt;
use std::process;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, Instant};

use super::error::invalid;
use super::metrics::NetworkMetrics;
use super::snapshot::SharedSnapshot;
use super::turn::{self, Taken, Turn};
use crate::engine::output::TransactionStatus;
use crate::node::NodeError;
use crate::sim::strategy::STRATEGIES;
use crate::sim::{FEE, Fault, SimNodeStatus, Simulation, SimulationConfig, SimulationError};
use crate::types::address::Address;
use crate::types::amount::Amount;
use crate::types::chain::Height;
use crate::types::hash::{Hash256, Txid};
use crate::types::transaction::Transaction;

/// A simulation that any thread may use. Cheap to clone; all clones are the same simulation.
///
/// [`SharedSimulation::drive`] gives one thread its turn to change it; [`SharedSimulation::read`]
/// answers at once, also while another thread drives.
///
/// ```
/// use std::time::Duration;
/// use timecoin_core::harness::{Goal, SharedSimulation};
/// use timecoin_core::sim::SimulationConfig;
///
/// let sim = SharedSimulation::new(SimulationConfig::new(4, 7))?;
/// let bob = sim.wallet("bob")?;
/// let go_on = &mut || true;
/// let payment = sim.drive(go_on)?.pay("alice", bob, "5 TIME".parse()?, None)?;
/// sim.drive(go_on)?.run_until(&Goal::Finalized(payment.submission()), Duration::from_secs(30))?;
/// let before = sim.snapshot()?;
/// sim.drive(go_on)?.inject(&"crash 0".parse()?)?;
/// sim.drive(go_on)?.advance(Duration::from_secs(60))?;
/// sim.drive(go_on)?.revert(&before)?;
/// assert_eq!(sim.digest()?, before.digest());
/// # Ok::<(), timecoin_core::NodeError>(())
/// ```
#[derive(Clone)]
pub struct SharedSimulation(Arc<Shared>);

struct Shared {
    turn: Turn,
    sim: Mutex<Simulation>,
    n_readers: AtomicUsize,
    /// The simulations that were forked from one another, which share their snapshots.
    family: Arc<()>,
    pid: u32,
}

/// A payment that a node was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SimPayment {
    /// Its id.
    pub txid: Txid,
    /// What it pays the masternodes.
    pub fee: Amount,
    /// The transaction.
    pub transaction: Arc<Transaction>,
    submission: Submission,
}

impl SimPayment {
    /// How it was given to a node, to wait for.
    pub fn submission(&self) -> Submission {
        self.submission
    }
}

/// A transaction and how it was given to a node, whose refusal ends a wait for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Submission {
    /// The transaction's id.
    pub txid: Txid,
    ticket: Option<u64>,
}

/// Something to run until.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Goal {
    /// A payment is final or confirmed at every honest node that runs.
    Finalized(Submission),
    /// A payment is in a block that every honest node that runs has.
    Confirmed(Submission),
    /// Every honest node that runs has the block of this height.
    Height(Height),
}

impl Goal {
    /// Whether it is reached.
    ///
    /// # Errors
    /// What the node answered, where it refused the payment.
    pub fn is_met(&self, sim: &Simulation) -> Result<bool, NodeError> {
        let (payment, is_met) = match self {
            Goal::Finalized(payment) => (payment, sim.is_final_everywhere(&payment.txid)),
            Goal::Confirmed(payment) => (payment, sim.is_confirmed_everywhere(&payment.txid)),
            Goal::Height(height) => {
                return Ok(sim.running().next().is_some() && sim.height_min() >= *height);
            }
        };
        let submitted = payment.ticket.and_then(|ticket| sim.answer(ticket));
        let submitted = submitted.filter(|submitted| submitted.txid == payment.txid);
        match submitted.and_then(|submitted| submitted.answer.as_ref()) {
            Some(Err(rejection)) if !is_met => Err(rejection.clone().into()),
            _ => Ok(is_met),
        }
    }

    const fn name(&self) -> &'static str {
        match self {
            Goal::Finalized(_) => "finality",
            Goal::Confirmed(_) => "confirmation",
            Goal::Height(_) => "the block",
        }
    }
}

impl SharedSimulation {
    /// Builds a network; nothing has happened yet. Where the settings name no command that
    /// repeats the run, it is the command of this process.
    ///
    /// # Errors
    /// [`NodeError::Setting`] and [`NodeError::Genesis`] where the settings make no network.
    pub fn new(mut config: SimulationConfig) -> Result<Self, NodeError> {
        if config.replay.is_none() {
            let words = std::env::args_os().map(|word| word.to_string_lossy().into_owned());
            let words: Vec<String> = words.collect();
            config.replay = (!words.is_empty()).then(|| words.join(" "));
        }
        Ok(Self::of(Simulation::new(config)?, Arc::default()))
    }

    fn of(sim: Simulation, family: Arc<()>) -> Self {
        SharedSimulation(Arc::new(Shared {
            turn: Turn::new(),
            sim: Mutex::new(sim),
            n_readers: AtomicUsize::new(0),
            family,
            pid: process::id(),
        }))
    }

    /// Takes this thread's turn to change it. A thread that has it may take it again; others
    /// wait, and `pulse` is asked now and then whether to go on.
    ///
    /// # Errors
    /// [`NodeError::Interrupted`]; [`NodeError::Forked`] in a process that was forked while
    /// another thread drove it.
    pub fn drive<'a>(&'a self, pulse: &'a mut dyn FnMut() -> bool) -> Result<Drive<'a>, NodeError> {
        let turn = self.0.turn.take(pulse)?;
        Ok(Drive { shared: &self.0, pulse, _turn: turn })
    }

    /// The simulation, to be read for a moment: whoever drives it waits meanwhile.
    ///
    /// # Errors
    /// [`NodeError::Forked`] in a process that was forked while another thread drove it.
    pub fn read(&self) -> Result<MutexGuard<'_, Simulation>, NodeError> {
        self.0.n_readers.fetch_add(1, Ordering::Relaxed);
        let locked = turn::lock(&self.0.sim, self.0.pid);
        self.0.n_readers.fetch_sub(1, Ordering::Relaxed);
        locked
    }

    /// The address of a wallet; a new name takes one of those that the genesis funds.
    ///
    /// # Errors
    /// [`NodeError::InvalidArgument`] where all have other names; as [`SharedSimulation::read`].
    pub fn wallet(&self, name: &str) -> Result<Address, NodeError> {
        Ok(self.read()?.wallet(name)?.address())
    }

    /// What a wallet can spend.
    ///
    /// # Errors
    /// As [`SharedSimulation::wallet`].
    pub fn balance(&self, name: &str) -> Result<Amount, NodeError> {
        Ok(self.read()?.wallet(name)?.balance())
    }

    /// Whether a wallet has this address: not after a revert to before the name was given, where
    /// another name asks first.
    ///
    /// # Errors
    /// [`NodeError::InvalidArgument`] where it has another; as [`SharedSimulation::wallet`].
    pub fn check_wallet(&self, name: &str, address: &Address) -> Result<(), NodeError> {
        if self.wallet(name)? == *address {
            return Ok(());
        }
        let reason = format!("{name} has another address since a revert: ask for it again");
        Err(invalid("wallet", reason))
    }

    /// The hash of everything that happened.
    ///
    /// # Errors
    /// As [`SharedSimulation::read`].
    pub fn digest(&self) -> Result<Hash256, NodeError> {
        Ok(Hash256::from_bytes(self.read()?.digest()))
    }

    /// A node at a glance.
    ///
    /// # Errors
    /// [`NodeError::InvalidArgument`] where there is none; as [`SharedSimulation::read`].
    pub fn node_status(&self, node: usize) -> Result<SimNodeStatus, NodeError> {
        let sim = self.read()?;
        sim.node_status(node).ok_or_else(|| no_node(node, sim.nodes().len()))
    }

    /// A transaction, to wait for, by its id alone.
    ///
    /// # Errors
    /// As [`SharedSimulation::read`].
    pub fn submission(&self, txid: &Txid) -> Result<Submission, NodeError> {
        Ok(Submission { txid: *txid, ticket: self.read()?.ticket_of(txid) })
    }

    /// How far a transaction is: at a node, or else at the first honest one that runs.
    ///
    /// # Errors
    /// [`NodeError::InvalidArgument`] where there is no such node; as [`SharedSimulation::read`].
    pub fn transaction_status(
        &self,
        txid: &Txid,
        node: Option<usize>,
    ) -> Result<Option<TransactionStatus>, NodeError> {
        let sim = self.read()?;
        let node = checked(&sim, node)?;
        Ok(sim.transaction_status(node, txid))
    }

    /// What the network did so far.
    ///
    /// # Errors
    /// As [`SharedSimulation::read`].
    pub fn metrics(&self) -> Result<NetworkMetrics, NodeError> {
        Ok(NetworkMetrics::of(&*self.read()?))
    }

    /// Takes a snapshot.
    ///
    /// # Errors
    /// As [`SharedSimulation::read`].
    pub fn snapshot(&self) -> Result<SharedSnapshot, NodeError> {
        Ok(SharedSnapshot::take(&*self.read()?, &self.0.family))
    }

    /// An independent copy that goes on from here. Snapshots of either are good for both.
    ///
    /// # Errors
    /// As [`SharedSimulation::read`].
    pub fn fork(&self) -> Result<SharedSimulation, NodeError> {
        Ok(Self::of(self.read()?.fork(), Arc::clone(&self.0.family)))
    }
}

impl fmt::Debug for SharedSimulation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut sim = f.debug_struct("SharedSimulation");
        if let Ok(read) = self.read() {
            sim.field("seed", &read.config().seed).field("elapsed", &read.elapsed());
        }
        sim.finish_non_exhaustive()
    }
}

/// A thread's turn to change a simulation; dropping it ends the turn.
pub struct Drive<'a> {
    shared: &'a Shared,
    pulse: &'a mut dyn FnMut() -> bool,
    _turn: Taken<'a>,
}

impl Drive<'_> {
    fn lock(&self) -> Result<MutexGuard<'_, Simulation>, NodeError> {
        turn::lock(&self.shared.sim, self.shared.pid)
    }

    /// Lets so much virtual time pass.
    ///
    /// # Errors
    /// [`NodeError::Invariant`] where an invariant is found broken, and from then on;
    /// [`NodeError::Interrupted`]: what happened so far did happen.
    pub fn advance(&mut self, duration: Duration) -> Result<(), NodeError> {
        self.run(duration, |_| Ok(false)).map(drop)
    }

    /// Lets time pass until a goal is reached, looked at after every event.
    ///
    /// # Errors
    /// [`NodeError::NotReached`] where it is not within that time; what the node answered, where
    /// it refused the payment; as [`Drive::advance`].
    pub fn run_until(&mut self, goal: &Goal, within: Duration) -> Result<(), NodeError> {
        if self.run(within, |sim| goal.is_met(sim))? {
            return Ok(());
        }
        Err(NodeError::NotReached { what: goal.name(), after: within })
    }

    /// Lets time pass until a condition of the host holds, asked after every event. It may use
    /// the simulation, and change it.
    ///
    /// # Errors
    /// What the condition gives; as [`Drive::run_until`].
    pub fn run_until_host(
        &mut self,
        within: Duration,
        mut is_met: impl FnMut() -> Result<bool, NodeError>,
    ) -> Result<(), NodeError> {
        let end = self.lock()?.time().after(within);
        while !is_met()? {
            if !self.lock()?.step_by(end)? {
                return Err(NodeError::NotReached { what: "the condition", after: within });
            }
        }
        Ok(())
    }

    /// Lets the next event happen; false where there is none.
    ///
    /// # Errors
    /// As [`Drive::advance`].
    pub fn step(&mut self) -> Result<bool, NodeError> {
        Ok(self.lock()?.step()?)
    }

    /// In slices, with a look at `pulse` and room for readers between them.
    fn run(
        &mut self,
        within: Duration,
        mut is_met: impl FnMut(&Simulation) -> Result<bool, NodeError>,
    ) -> Result<bool, NodeError> {
        let end = self.lock()?.time().after(within);
        loop {
            let began = Instant::now();
            let mut sim = self.lock()?;
            for n_events in 1u32.. {
                if is_met(&sim)? {
                    return Ok(true);
                }
                if !sim.step_by(end)? {
                    return Ok(false);
                }
                if n_events.is_multiple_of(EVENTS_BETWEEN_LOOKS) && began.elapsed() >= SLICE {
                    break;
                }
            }
            drop(sim);
            for _ in 0..YIELDS_MAX {
                if self.shared.n_readers.load(Ordering::Relaxed) == 0 {
                    break;
                }
                thread::yield_now();
            }
            if !(self.pulse)() {
                return Err(NodeError::Interrupted);
            }
        }
    }

    /// Lets something go wrong, or puts it right, now.
    ///
    /// # Errors
    /// [`NodeError::InvalidArgument`] where it names a node that is not there;
    /// [`NodeError::Invariant`].
    pub fn inject(&mut self, fault: &Fault) -> Result<(), NodeError> {
        let mut sim = self.lock()?;
        fault.check(sim.nodes().len())?;
        Ok(sim.inject(fault.clone())?)
    }

    /// Lets something go wrong, or puts it right, later.
    ///
    /// # Errors
    /// [`NodeError::InvalidArgument`] where it names a node that is not there.
    pub fn inject_after(&mut self, delay: Duration, fault: &Fault) -> Result<(), NodeError> {
        let mut sim = self.lock()?;
        fault.check(sim.nodes().len())?;
        sim.inject_after(delay, fault.clone());
        Ok(())
    }

    /// Makes a node Byzantine: it follows the strategy of this name, with any that it follows
    /// already.
    ///
    /// # Errors
    /// [`NodeError::InvalidArgument`] where there is no such node or strategy.
    pub fn set_byzantine(&mut self, node: usize, name: &str) -> Result<(), NodeError> {
        let unknown = || SimulationError::UnknownStrategy(name.to_owned());
        let name = STRATEGIES.iter().find(|known| **known == name).ok_or_else(unknown)?;
        self.inject(&Fault::Byzantine(node, name))
    }

    /// Changes settings ([`crate::sim::Link::SETTINGS`], as names and texts) of links: of one direction of
    /// one link, or of all that have none of their own.
    ///
    /// # Errors
    /// [`NodeError::InvalidArgument`] for a node that is not there; [`NodeError::Setting`].
    pub fn set_link<'t>(
        &mut self,
        between: Option<(usize, usize)>,
        settings: impl IntoIterator<Item = (&'t str, &'t str)>,
    ) -> Result<(), NodeError> {
        let mut sim = self.lock()?;
        let n_nodes = sim.nodes().len();
        let mut link = match between {
            Some((from, to)) => {
                Fault::Block(from, to).check(n_nodes)?;
                sim.network().link(from, to).clone()
            }
            None => sim.network().default.clone(),
        };
        settings.into_iter().try_for_each(|(name, text)| link.set(name, text))?;
        match between {
            Some((from, to)) => sim.network().set_link(from, to, link),
            None => sim.inject(Fault::Network(link))?,
        }
        Ok(())
    }

    /// Pays from a wallet to an address: at a node, or else at the first honest one that runs.
    /// The node gets it, and answers, once time passes.
    ///
    /// # Errors
    /// [`NodeError::InvalidArgument`] where there is no such wallet or node,
    /// [`NodeError::InsufficientFunds`], [`NodeError::TooManyCoins`], [`NodeError::Transaction`].
    pub fn pay(
        &mut self,
        from: &str,
        to: Address,
        value: Amount,
        node: Option<usize>,
    ) -> Result<SimPayment, NodeError> {
        let mut sim = self.lock()?;
        let node = checked(&sim, node)?;
        let (ticket, transaction) = sim.pay_to(node, from, to, value)?;
        let txid = transaction.txid();
        let submission = Submission { txid, ticket: Some(ticket) };
        Ok(SimPayment { txid, fee: FEE, transaction, submission })
    }

    /// Goes back to a snapshot of this simulation, or of one that it was forked from or into.
    ///
    /// # Errors
    /// [`NodeError::InvalidArgument`] for a snapshot of another simulation.
    pub fn revert(&mut self, snapshot: &SharedSnapshot) -> Result<(), NodeError> {
        if !snapshot.is_of(&self.shared.family) {
            return Err(invalid("snapshot", "it is of another simulation"));
        }
        snapshot.revert(&mut *self.lock()?);
        Ok(())
    }
}

fn checked(sim: &Simulation, node: Option<usize>) -> Result<usize, NodeError> {
    let n_nodes = sim.nodes().len();
    match node {
        None => Ok(sim.gateway(0)),
        Some(node) if node < n_nodes => Ok(node),
        Some(node) => Err(no_node(node, n_nodes)),
    }
}

fn no_node(node: usize, n_nodes: usize) -> NodeError {
    SimulationError::NoNode { node, n_nodes }.into()
}

/// The longest time that a run keeps readers and signals waiting, as far as one event allows.
const SLICE: Duration = Duration::from_millis(20);

/// Reading the clock costs less than a hundredth of so many events.
const EVENTS_BETWEEN_LOOKS: u32 = 16;

/// How often a run makes room for readers that wait.
const YIELDS_MAX: usize = 100;
