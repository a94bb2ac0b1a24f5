//! A whole network in one thread and in virtual time: real engines, simulated clocks, disks and
//! links, one seed, and checks after every event.
//!
//! The same settings always give the same run, on every platform: events are ordered by time
//! and number, every draw comes from the seed, and no order depends on a hash map. Nothing
//! here reads a clock, starts a thread or does I/O.
//!
//! ```
//! use std::time::Duration;
//! use timecoin_core::sim::{Simulation, SimulationConfig};
//!
//! let mut sim = Simulation::new(SimulationConfig::new(4, 7)).unwrap();
//! let payment = sim.pay("alice", "bob", "5".parse().unwrap()).unwrap();
//! let is_final = |sim: &Simulation| sim.is_final_everywhere(&payment);
//! assert!(sim.run_until(is_final, Duration::from_secs(1)).unwrap());
//! ```

mod archive;
mod checks;
mod clock;
mod config;
mod disk;
mod drive;
mod events;
mod expect;
mod faults;
mod founding;
mod journal;
mod latency;
mod metrics;
mod network;
mod node;
mod payments;
mod perform;
mod plan;
mod random;
mod run;
mod scenario;
mod settings;
mod snapshot;
mod status;
pub mod strategy;
mod text;
mod trace;
mod wire;
mod workload;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;

pub use archive::{Archive, ArchiveView};
pub use checks::Failure;
pub use clock::{NodeClock, SimTime};
pub use config::SimulationConfig;
pub use disk::{CrashPoint, Disk};
pub use events::SimEvent;
pub use latency::Latency;
pub use metrics::{Latencies, Metrics, Summary};
pub use network::{Filter, Link, Network};
pub use node::{NodeState, SimNode};
pub use payments::{PayError, Submitted};
pub use plan::{Fault, Plan};
pub use random::Random;
pub use scenario::{Mode, Scenario};
pub use settings::{Setting, SettingError, SettingKind};
pub use snapshot::Snapshot;
pub use status::SimNodeStatus;
pub use text::TextError;
pub use wire::Wire;
pub use workload::{Coin, FEE, Wallet, Workload};

pub(crate) use founding::{Founding, FoundingPlan};
pub(crate) use settings::{HOUR_MS, find as find_setting};
pub(crate) use workload::Wallets;

use checks::Checks;
use events::EventLog;
use journal::Journal;
use run::Scheduled;
use trace::Trace;
use wire::Memo;

use crate::params::{Chain, GenesisError};
use crate::types::hash::Txid;
use crate::types::keys::{KeyPair, PublicKey};

/// Why a simulation can't begin.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SimulationError {
    /// The settings make no chain.
    #[error(transparent)]
    Genesis(#[from] GenesisError),
    /// A setting out of its range.
    #[error(transparent)]
    Setting(#[from] SettingError),
    /// A node that is not there is named.
    #[error("there is no node {node}: there are 0 to {}", n_nodes.saturating_sub(1))]
    NoNode {
        /// What was asked for.
        node: usize,
        /// How many there are.
        n_nodes: usize,
    },
    /// There is no strategy of that name.
    #[error("there is no strategy `{0}`: there are {known}", known = strategy::STRATEGIES.join(", "))]
    UnknownStrategy(String),
}

/// A network of nodes in virtual time.
pub struct Simulation {
    config: Arc<SimulationConfig>,
    chain: Chain,
    now: SimTime,
    step: u64,
    n_scheduled: u64,
    queue: BTreeMap<(SimTime, u64), Scheduled>,
    nodes: Vec<SimNode>,
    keys: Arc<Vec<PublicKey>>,
    network: Network,
    archive: Archive,
    checks: Checks,
    memo: Memo,
    trace: Trace,
    journal: Journal,
    events: EventLog,
    wallets: Wallets,
    metrics: Metrics,
    answers: BTreeMap<u64, Submitted>,
    next_ticket: u64,
    failure: Option<Failure>,
    random_disk: Random,
    random_workload: Random,
    random_strategy: Random,
}

impl Simulation {
    /// Builds the network; nothing has happened yet.
    ///
    /// # Errors
    /// [`SimulationError`] where the settings make no chain.
    pub fn new(config: SimulationConfig) -> Result<Self, SimulationError> {
        config.check()?;
        let seed = config.seed;
        let Founding { chain, keys, mut wallets } = Founding::new(&config.founding())?;
        let (chain, keys) = match &config.signatures {
            None => (chain, keys),
            Some(memo) => {
                let remember = |keys: KeyPair| keys.with_memo(Arc::clone(memo));
                wallets.all.iter_mut().for_each(|w| w.keys = remember(w.keys.clone()));
                (chain.with_signature_memo(memo), keys.into_iter().map(remember).collect())
            }
        };
        let start = chain.genesis().timestamp;
        let publics = keys.iter().map(KeyPair::public).collect();
        let new_node = |keys| SimNode::new(keys, config.disk(), NodeClock::new(start));
        let nodes: Vec<SimNode> = keys.into_iter().map(new_node).collect();
        let mut sim = Simulation {
            now: SimTime::ZERO,
            step: 0,
            n_scheduled: 0,
            queue: BTreeMap::new(),
            network: Network::new(config.link.clone(), Random::new(seed, "network")),
            archive: Archive::new(&chain),
            checks: Checks::new(&chain, nodes.len()),
            memo: Memo::new(config.verify_everywhere),
            trace: Trace::new(chain.id()),
            journal: Journal::new(config.journal_lines),
            events: EventLog::new(config.events_max),
            wallets,
            metrics: Metrics::default(),
            answers: BTreeMap::new(),
            next_ticket: 0,
            failure: None,
            random_disk: Random::new(seed, "disks"),
            random_workload: Random::new(seed, "workload"),
            random_strategy: Random::new(seed, "strategies"),
            keys: Arc::new(publics),
            nodes,
            chain,
            config: Arc::new(config),
        };
        sim.begin();
        Ok(sim)
    }

    /// Starts the nodes, and schedules what comes by itself.
    fn begin(&mut self) {
        for node in 0..self.nodes.len() {
            if !self.config.late.contains(&node) {
                self.start(node);
            }
        }
        let config = Arc::clone(&self.config);
        for (time, fault) in &config.plan.faults {
            self.schedule(SimTime::ZERO.after(*time), Scheduled::Fault(fault.clone()));
        }
        if config.workload.per_kilosecond > 0 {
            self.schedule(SimTime::ZERO.after(config.workload.start), Scheduled::Payment);
        }
    }

    /// How much virtual time has passed.
    pub fn elapsed(&self) -> Duration {
        self.now.since(SimTime::ZERO)
    }

    /// How many events there were.
    pub fn step_number(&self) -> u64 {
        self.step
    }

    /// The settings.
    pub fn config(&self) -> &SimulationConfig {
        &self.config
    }

    /// The chain.
    pub fn chain(&self) -> &Chain {
        &self.chain
    }

    /// The decided blocks.
    pub fn archive(&self) -> &Archive {
        &self.archive
    }

    /// All nodes: the masternodes of the genesis in the order of their keys, then the others.
    pub fn nodes(&self) -> &[SimNode] {
        &self.nodes
    }

    /// A node.
    pub fn node(&self, node: usize) -> &SimNode {
        &self.nodes[node]
    }

    /// The network, to be changed at any time. What is under way on links that become faster
    /// comes no later than if it were sent now.
    pub fn network(&mut self) -> &mut Network {
        self.network.is_touched = true;
        &mut self.network
    }

    /// What was measured.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// The invariant that was found broken, if one was.
    pub fn failure(&self) -> Option<&Failure> {
        self.failure.as_ref()
    }

    /// The hash of everything that happened: the same for the same settings and calls.
    pub fn digest(&self) -> [u8; 32] {
        self.trace.digest()
    }

    /// The last lines of what happened, where the settings ask for them.
    pub fn journal(&self) -> impl Iterator<Item = &str> {
        self.journal.lines()
    }

    /// What nodes told after the event of that number, the oldest first, as far as the settings
    /// let it be kept.
    pub fn events(&self, after: u64) -> impl Iterator<Item = &Arc<SimEvent>> {
        self.events.after(after)
    }

    /// The positions of the nodes that follow the protocol and never did otherwise.
    pub fn honest(&self) -> impl Iterator<Item = usize> + '_ {
        let honest = self.nodes.iter().enumerate().filter(|(_, node)| !node.is_byzantine);
        honest.map(|(index, _)| index)
    }

    /// The honest nodes that run.
    pub fn running(&self) -> impl Iterator<Item = usize> + '_ {
        self.honest().filter(|node| self.nodes[*node].is_running())
    }

    /// Whether a transaction is final or confirmed at every honest node that runs, and at one
    /// at least.
    pub fn is_final_everywhere(&self, txid: &Txid) -> bool {
        self.running().next().is_some() && self.running().all(|node| self.is_final(node, txid))
    }

    /// Whether a transaction is in a block that every honest node that runs has, and one at
    /// least.
    pub fn is_confirmed_everywhere(&self, txid: &Txid) -> bool {
        self.archive.confirmed_at(txid).is_some_and(|at| self.height_min() >= at)
    }

    /// Whether a transaction is final or confirmed at a node.
    pub fn is_final(&self, node: usize, txid: &Txid) -> bool {
        let node = &self.nodes[node];
        let confirmed = self.archive.confirmed_at(txid).is_some_and(|at| at <= node.height());
        confirmed || node.engine().is_some_and(|engine| engine.finality().is_final(txid))
    }

    /// Whether a transaction is in a decided block, and at which height.
    pub fn confirmed_at(&self, txid: &Txid) -> Option<crate::types::chain::Height> {
        self.archive.confirmed_at(txid)
    }

    /// The lowest height of all honest nodes that run.
    pub fn height_min(&self) -> crate::types::chain::Height {
        self.running().map(|node| self.nodes[node].height()).min().unwrap_or_default()
    }

    /// The number of the last submission of a transaction, as far as it is kept.
    pub fn ticket_of(&self, txid: &Txid) -> Option<u64> {
        let mut submitted = self.answers.iter().rev();
        submitted.find(|(_, submitted)| submitted.txid == *txid).map(|(ticket, _)| *ticket)
    }

    /// A submission, and its answer once there is one.
    pub fn answer(&self, ticket: u64) -> Option<&Submitted> {
        self.answers.get(&ticket)
    }
}
