//! Networks of nodes that talk over sockets.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use timecoin_core::params::BlockProduction;
use timecoin_core::{Amount, Config, Genesis, Height, KeyPair, Node, Txid, Wallet};

/// What everything has time for, also on a machine that is busy with something else.
pub const LONG: Duration = Duration::from_secs(120);

/// Nodes that know each other's addresses. The first are the masternodes.
pub struct Cluster {
    pub genesis: Genesis,
    pub keys: Vec<KeyPair>,
    pub nodes: Vec<Node>,
}

/// Who owns the coins of the genesis.
pub fn owner() -> KeyPair {
    Config::regtest_wallet()
}

pub fn keys(n: usize) -> KeyPair {
    KeyPair::from_seed(format!("node {n}").as_bytes())
}

/// A genesis of so many masternodes.
pub fn genesis(n_masternodes: usize, production: BlockProduction) -> Genesis {
    let masternodes: Vec<_> = (0..n_masternodes).map(|n| keys(n).public()).collect();
    let mut genesis = Genesis::regtest(&masternodes, &[owner().address(); 64]).unwrap();
    genesis.params.block_production = production;
    genesis.params.block_interval_ms = 200;
    genesis
}

pub fn config(genesis: &Genesis, keys: &KeyPair) -> Config {
    let is_masternode = genesis.masternodes.iter().any(|m| m.consensus_key == keys.public());
    let mut config = Config::new(genesis.clone());
    config.listen = Some(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
    config.round_timeout_ms = 2_000;
    if is_masternode {
        config.masternode_key = Some(keys.clone());
    } else {
        config.node_key = Some(keys.clone());
    }
    config
}

/// How a peer is named: `key@host:port`.
pub fn target(node: &Node) -> String {
    format!("{}@{}", node.node_key().unwrap(), node.listen_address().unwrap())
}

impl Cluster {
    /// Masternodes that are all connected with each other, and observers that are connected with
    /// the node before them.
    pub fn new(n_masternodes: usize, n_observers: usize, production: BlockProduction) -> Self {
        Self::of(genesis(n_masternodes, production), n_masternodes, n_observers)
    }

    /// The same, where only the first of the masternodes of a genesis are there.
    pub fn of(genesis: Genesis, n_masternodes: usize, n_observers: usize) -> Self {
        let keys: Vec<KeyPair> = (0..genesis.masternodes.len() + n_observers).map(keys).collect();
        let (masternodes, observers) = keys.split_at(genesis.masternodes.len());
        let there = masternodes[..n_masternodes].iter().chain(observers);
        let nodes = there.map(|keys| Node::open(config(&genesis, keys)).unwrap()).collect();
        let cluster = Cluster { genesis, keys, nodes };
        cluster.connect(n_masternodes);
        cluster
    }

    fn connect(&self, n_masternodes: usize) {
        for (position, node) in self.nodes.iter().enumerate() {
            node.start().unwrap();
            let dialled =
                if position < n_masternodes { 0..position } else { position - 1..position };
            self.nodes[dialled].iter().for_each(|other| node.connect(&target(other)).unwrap());
        }
        for (position, node) in self.nodes.iter().enumerate() {
            let n_peers = if position < n_masternodes { n_masternodes - 1 } else { 1 };
            wait_for("peers", || node.peers().len() >= n_peers);
        }
    }

    pub fn wallet(&self, node: usize) -> Wallet {
        Wallet::new(&self.nodes[node], owner())
    }

    pub fn wait_final_everywhere(&self, txid: &Txid) {
        for node in &self.nodes {
            node.wait_finalized(txid, LONG).unwrap();
        }
    }

    pub fn wait_confirmed_everywhere(&self, txid: &Txid) {
        for node in &self.nodes {
            node.wait_confirmed(txid, LONG).unwrap();
        }
    }

    pub fn wait_height(&self, height: Height) {
        for node in &self.nodes {
            wait_for("height", || node.tip().height >= height);
        }
    }
}

pub fn bob() -> KeyPair {
    KeyPair::from_seed(b"bob")
}

pub fn one() -> Amount {
    Amount::from_time(1)
}

pub fn wait_for(what: &str, mut is_there: impl FnMut() -> bool) {
    let deadline = Instant::now() + LONG;
    while !is_there() {
        assert!(Instant::now() < deadline, "no {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
