//! What a net of real nodes in one process is made of.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use crate::mempool::MempoolLimits;
use crate::node::{Config, NodeError};
use crate::params::{BlockProduction, Genesis};
use crate::sim::{FoundingPlan, Link};

/// Where the nodes of a [`super::LocalNet`] keep what they must not forget.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum LocalStorage {
    /// In memory, as long as the net lives. A crash of a node loses what was not persisted, and
    /// nothing else.
    #[default]
    Memory,
    /// In a directory of its own, which ends with the net.
    TemporaryDirectory,
    /// In this directory, one folder for each node: `node-0`, `node-1`, …
    Directory(PathBuf),
}

/// How the nodes of a [`super::LocalNet`] talk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LocalTransport {
    /// They hand each other what they say.
    #[default]
    Memory,
    /// Over encrypted connections on the loopback interface, as nodes on different machines do.
    Tcp,
}

/// The settings of a [`super::LocalNet`]; those that a simulation has too mean the same there.
///
/// ```
/// use std::time::Duration;
/// use timecoin_core::localnet::{LocalNet, LocalNetConfig};
///
/// let mut config = LocalNetConfig::new(4, 7);
/// config.block_interval = Duration::from_millis(200);
/// let net = LocalNet::start(config)?;
/// assert_eq!(net.n_nodes(), 4);
/// net.close(Duration::from_secs(30))?;
/// # Ok::<(), timecoin_core::NodeError>(())
/// ```
#[derive(Clone, Debug)]
pub struct LocalNetConfig {
    /// Makes the keys and the genesis, and draws what links do: the chain is the same as a
    /// simulation's of this seed and these settings.
    pub seed: u64,
    /// How many masternodes the genesis names; 1 to 200.
    pub masternodes: usize,
    /// Nodes beside them, without a vote in epoch 0; at most 200.
    pub observers: usize,
    /// Where the nodes keep what they must not forget. Default: in memory.
    pub storage: LocalStorage,
    /// How the nodes talk. Default: in memory.
    pub transport: LocalTransport,
    /// How links behave that are given no behaviour of their own. Default: at once, no losses.
    pub link: Link,
    /// The timeout of round 0; 1 ms to 1 day. Default: 2 s.
    pub round_timeout: Duration,
    /// Wallets that the genesis funds. Default: 4.
    pub wallets: usize,
    /// Coins of 10,000 TIME that the genesis gives each wallet. Default: 16.
    pub coins_per_wallet: usize,
    /// Blocks in an epoch. Default: 20.
    pub epoch_blocks: u64,
    /// The interval of blocks. Default: 1 s.
    pub block_interval: Duration,
    /// Whether blocks come at the interval, or only where something wants one. Default: at the
    /// interval.
    pub block_production: BlockProduction,
    /// Changes anything else about the genesis.
    pub edit_genesis: fn(&mut Genesis),
    /// The bounds of each node's mempool.
    pub mempool: MempoolLimits,
    /// Whether a node believes what another node of this net found out about a signature.
    /// Without it each node costs what it would cost alone on its machine. Default: no.
    pub shared_verification_cache: bool,
    /// Whether messages travel as bytes, encoded by the sender and decoded by each receiver, as
    /// over a socket. Without it nodes hand each other the values, which no real network does,
    /// and a payment costs a few microseconds less. Default: no.
    pub encode_messages: bool,
    /// Whether a write counts only once the disk has it. Default: yes.
    pub sync_writes: bool,
    /// How long a submit waits for its answer. Default: 30 s.
    pub submit_timeout: Duration,
}

impl LocalNetConfig {
    /// `masternodes` masternodes in memory, on links without faults.
    pub fn new(masternodes: usize, seed: u64) -> Self {
        LocalNetConfig {
            seed,
            masternodes,
            observers: 0,
            storage: LocalStorage::Memory,
            transport: LocalTransport::Memory,
            link: Link::constant(Duration::ZERO),
            round_timeout: Duration::from_secs(2),
            wallets: 4,
            coins_per_wallet: 16,
            epoch_blocks: 20,
            block_interval: Duration::from_secs(1),
            block_production: BlockProduction::Interval,
            edit_genesis: |_| {},
            mempool: MempoolLimits::default(),
            shared_verification_cache: false,
            encode_messages: false,
            sync_writes: true,
            submit_timeout: Duration::from_secs(30),
        }
    }

    /// Checks every range that the genesis and the nodes' own configurations do not.
    pub(super) fn check(&self) -> Result<(), NodeError> {
        let refuse = |field, value: usize, range| {
            Err(NodeError::Config { field, value: value.to_string(), range })
        };
        if !(1..=MASTERNODES_MAX).contains(&self.masternodes) {
            return refuse("masternodes", self.masternodes, "1 to 200");
        }
        if self.observers > OBSERVERS_MAX {
            return refuse("observers", self.observers, "0 to 200");
        }
        Ok(())
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
            block_production: self.block_production,
            edit_genesis: self.edit_genesis,
        }
    }

    /// What each node is opened with, but for its keys and its directory.
    pub(super) fn node(&self, genesis: &Genesis) -> Config {
        let millis = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        Config {
            mempool_transactions_max: self.mempool.transactions_max,
            mempool_bytes_max: self.mempool.bytes_max,
            waiting_transactions_max: self.mempool.waiting_max,
            waiting_ms_max: self.mempool.waiting_ms_max,
            sync_writes: self.sync_writes,
            round_timeout_ms: millis(self.round_timeout),
            submit_timeout_ms: millis(self.submit_timeout),
            listen: (self.transport == LocalTransport::Tcp).then_some(LOOPBACK),
            inbound_max: NODES_MAX,
            private_addresses: Some(true),
            ..Config::new(genesis.clone())
        }
    }
}

/// PROTOCOL 8.
const MASTERNODES_MAX: usize = 200;

/// Any free port.
const LOOPBACK: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// Masternodes and observers.
const NODES_MAX: usize = MASTERNODES_MAX + OBSERVERS_MAX;

/// As many again.
const OBSERVERS_MAX: usize = 200;
