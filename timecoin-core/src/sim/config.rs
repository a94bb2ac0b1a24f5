//! What a simulation is made of.

use std::sync::Arc;
use std::time::Duration;

use super::disk::Disk;
use super::founding::FoundingPlan;
use super::network::Link;
use super::plan::Plan;
use super::workload::Workload;
use crate::mempool::MempoolLimits;
use crate::params::{BlockProduction, Genesis};
use crate::types::signature_memo::SignatureMemo;

/// The settings of a [`super::Simulation`]. The same settings always give the same run.
#[derive(Clone, Debug)]
pub struct SimulationConfig {
    /// The one source of chance.
    pub seed: u64,
    /// How many masternodes the genesis names; 1 to 200.
    pub masternodes: usize,
    /// Nodes beside them, without a vote in epoch 0. They have keys and may register.
    pub observers: usize,
    /// Nodes that are not started; a [`super::Fault::Restart`] starts them.
    pub late: Vec<usize>,
    /// How links behave that are given no behaviour of their own.
    pub link: Link,
    /// How long a flush takes; what is sent waits for it.
    pub flush_latency: Duration,
    /// The timeout of round 0.
    pub round_timeout: Duration,
    /// Wallets that the genesis funds.
    pub wallets: usize,
    /// Coins of 10,000 TIME that the genesis gives each wallet.
    pub coins_per_wallet: usize,
    /// Blocks in an epoch.
    pub epoch_blocks: u64,
    /// The interval of blocks.
    pub block_interval: Duration,
    /// Changes anything else about the genesis.
    pub edit_genesis: fn(&mut Genesis),
    /// The bounds of each node's mempool.
    pub mempool: MempoolLimits,
    /// Payments that come by themselves.
    pub workload: Workload,
    /// Faults that come by themselves.
    pub plan: Plan,
    /// Blocks that are kept below the lowest node's height, with everything that is known of
    /// their transactions; none for all. A bound keeps memory flat over any length of time: what
    /// is checked of later blocks stays the same.
    pub history: Option<u64>,
    /// Checks every message at every node, instead of once for all.
    pub verify_everywhere: bool,
    /// Remembers signatures, so that none is made or verified twice; none to do both each time.
    /// With it or without, the run is the same.
    pub signatures: Option<Arc<dyn SignatureMemo>>,
    /// Lines of [`super::Simulation::journal`] that are kept; 0 for none.
    pub journal_lines: usize,
    /// What nodes tell that is kept for [`super::Simulation::events`]; 0 for nothing.
    pub events_max: usize,
    /// The command that repeats this run, for reports of failures.
    pub replay: Option<String>,
}

impl SimulationConfig {
    /// `masternodes` honest masternodes on a good network, and nothing that happens by itself.
    pub fn new(masternodes: usize, seed: u64) -> Self {
        SimulationConfig {
            seed,
            masternodes,
            observers: 0,
            late: Vec::new(),
            link: Link::default(),
            flush_latency: Duration::ZERO,
            round_timeout: Duration::from_secs(2),
            wallets: 4,
            coins_per_wallet: 16,
            epoch_blocks: 20,
            block_interval: Duration::from_secs(1),
            edit_genesis: |_| {},
            mempool: MempoolLimits::default(),
            workload: Workload::default(),
            plan: Plan::default(),
            history: None,
            verify_everywhere: false,
            signatures: None,
            journal_lines: 0,
            events_max: 0,
            replay: None,
        }
    }

    pub(super) fn founding(&self) -> FoundingPlan {
        FoundingPlan {
            seed: self.seed,
            masternodes: self.masternodes,
            observers: self.observers,
            wallets: self.wallets,
            coins_per_wallet: self.coins_per_wallet,
            epoch_blocks: self.epoch_blocks,
            block_interval: self.block_interval,
            block_production: BlockProduction::Interval,
            edit_genesis: self.edit_genesis,
        }
    }

    pub(super) fn disk(&self) -> Disk {
        Disk::new(self.flush_latency)
    }
}
