//! What a bad network does to connections: a proxy between one masternode and the others.

use std::time::Duration;

use timecoin_core::network::{FaultProxy, ProxyFaults};
use timecoin_core::params::BlockProduction;
use timecoin_core::{Amount, Node, Txid};
use tokio::runtime::Runtime;

use crate::testkit::*;

/// Four masternodes; the last one's connections to the others go through proxies.
struct Parted {
    cluster: Cluster,
    proxies: Vec<FaultProxy>,
    _runtime: Runtime,
}

impl Parted {
    fn new() -> Self {
        let mut cluster = Cluster::new(4, 0, BlockProduction::Interval);
        cluster.nodes.pop().unwrap().close(LONG).unwrap();
        let runtime = Runtime::new().unwrap();
        let proxies: Vec<FaultProxy> = cluster
            .nodes
            .iter()
            .map(|node| {
                FaultProxy::start(node.listen_address().unwrap(), runtime.handle()).unwrap()
            })
            .collect();
        let mut config = config(&cluster.genesis, &cluster.keys[3]);
        // There is to be no other way from it or to it.
        config.listen = None;
        config.outbound_max = 0;
        for (node, proxy) in cluster.nodes.iter().zip(&proxies) {
            let key = node.node_key().unwrap();
            config.peers.push(format!("{key}@{}", proxy.address()).parse().unwrap());
        }
        let last = Node::open(config).unwrap();
        last.start().unwrap();
        cluster.nodes.push(last);
        let parted = Parted { cluster, proxies, _runtime: runtime };
        parted.wait_whole();
        parted
    }

    fn last(&self) -> &Node {
        &self.cluster.nodes[3]
    }

    fn set(&self, faults: &ProxyFaults) {
        self.proxies.iter().for_each(|proxy| proxy.set(faults.clone()));
    }

    fn wait_whole(&self) {
        wait_for("three peers", || self.last().peers().len() == 3);
    }

    fn pay(&self, node: usize) -> Txid {
        self.cluster.wallet(node).pay(&bob().address(), Amount::from_time(1)).unwrap().txid
    }

    /// Everything is as it was: connected, and payments from both sides are confirmed everywhere.
    fn assert_well(&self) {
        self.wait_whole();
        for node in [0, 3] {
            let txid = self.pay(node);
            self.cluster.wait_confirmed_everywhere(&txid);
        }
    }
}

#[test]
fn connections_that_are_cut_come_back() {
    let parted = Parted::new();
    for _ in 0..3 {
        parted.proxies.iter().for_each(FaultProxy::cut);
        parted.assert_well();
    }
}

#[test]
fn a_masternode_that_nobody_reaches_catches_up() {
    let parted = Parted::new();
    parted.set(&ProxyFaults { is_refusing: true, ..ProxyFaults::default() });
    parted.proxies.iter().for_each(FaultProxy::cut);
    wait_for("loneliness", || parted.last().peers().is_empty());
    let txid = parted.pay(0);
    for node in &parted.cluster.nodes[..3] {
        node.wait_confirmed(&txid, LONG).unwrap();
    }
    parted.set(&ProxyFaults::default());
    parted.last().wait_confirmed(&txid, LONG).unwrap();
    parted.assert_well();
}

#[test]
fn stalled_and_slow_links_lose_nothing() {
    let parted = Parted::new();
    parted.set(&ProxyFaults { is_stalled: true, ..ProxyFaults::default() });
    let txid = parted.pay(0);
    for node in &parted.cluster.nodes[..3] {
        node.wait_confirmed(&txid, LONG).unwrap();
    }
    let slow = ProxyFaults {
        delay: Duration::from_millis(60),
        bytes_per_second: Some(1_000_000),
        ..ProxyFaults::default()
    };
    parted.set(&slow);
    parted.last().wait_confirmed(&txid, LONG).unwrap();
    parted.assert_well();
}

#[test]
fn what_is_altered_on_the_way_is_noticed() {
    let parted = Parted::new();
    let keys: Vec<_> = parted.last().peers().iter().map(|peer| peer.since).collect();
    parted.set(&ProxyFaults { corrupts_one_in_kb: 1, ..ProxyFaults::default() });
    // Each connection ends at the first altered record, and nothing altered is believed.
    wait_for("new connections", || {
        let peers = parted.last().peers();
        peers.iter().all(|peer| !keys.contains(&peer.since))
    });
    parted.set(&ProxyFaults::default());
    parted.assert_well();
}

#[test]
fn a_way_that_is_closed_ends_both() {
    let parted = Parted::new();
    parted.proxies.iter().for_each(FaultProxy::half_close);
    parted.assert_well();
}
