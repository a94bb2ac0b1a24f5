//! Payments, blocks, crashes and newcomers over sockets.

use timecoin_core::network::{GetBlocks, Packet};
use timecoin_core::params::BlockProduction;
use timecoin_core::{ErrorCode, Height, Node, NodeEventKind, Wallet};

use crate::attacker::Attacker;
use crate::attacks::stranger;
use crate::testkit::*;

#[test]
fn four_masternodes_and_two_observers_agree() {
    let cluster = Cluster::new(4, 2, BlockProduction::Interval);
    let payment = cluster.wallet(0).pay(&bob().address(), one()).unwrap();
    cluster.wait_final_everywhere(&payment.txid);
    cluster.wait_confirmed_everywhere(&payment.txid);
    // An observer's payment finds its way to the masternodes.
    let payment = cluster.wallet(5).pay(&bob().address(), one()).unwrap();
    cluster.wait_final_everywhere(&payment.txid);
    cluster.wait_confirmed_everywhere(&payment.txid);
    let info = cluster.nodes[0].peers();
    assert!(info.iter().filter(|peer| peer.is_masternode).count() == 3);
    assert!(info.iter().all(|peer| peer.agent.starts_with("timecoin/")));
}

#[test]
fn the_others_go_on_without_one_and_it_comes_back() {
    let mut cluster = Cluster::new(4, 0, BlockProduction::Interval);
    let lost = cluster.nodes.remove(3);
    lost.close(LONG).unwrap();
    let payment = cluster.wallet(0).pay(&bob().address(), one()).unwrap();
    cluster.wait_final_everywhere(&payment.txid);
    cluster.wait_height(Height(cluster.nodes[0].tip().height.0 + 30));
    let back = Node::open(config(&cluster.genesis, &cluster.keys[3])).unwrap();
    back.start().unwrap();
    for node in &cluster.nodes {
        back.connect(&target(node)).unwrap();
    }
    cluster.nodes.push(back);
    let height = cluster.nodes[0].tip().height;
    cluster.wait_height(height);
    cluster.wait_confirmed_everywhere(&payment.txid);
}

#[test]
fn a_newcomer_fetches_everything_from_several_peers() {
    let cluster = Cluster::new(1, 2, BlockProduction::OnDemand);
    let producer = &cluster.nodes[0];
    let wallet = cluster.wallet(0);
    let mut last = None;
    // Through two ends of epochs.
    for _ in 0..45 {
        let payment = wallet.pay(&bob().address(), one()).unwrap();
        producer.wait_finalized(&payment.txid, LONG).unwrap();
        producer.produce_block(LONG).unwrap();
        last = Some(payment.txid);
    }
    cluster.wait_height(Height(45));
    let newcomer = Node::open(config(&cluster.genesis, &keys(9))).unwrap();
    let events = newcomer.subscribe();
    newcomer.start().unwrap();
    for node in &cluster.nodes {
        newcomer.connect(&target(node)).unwrap();
    }
    newcomer.wait_confirmed(&last.unwrap(), LONG).unwrap();
    assert_eq!(newcomer.tip(), producer.tip());
    let balance = newcomer.balance(&bob().address()).unwrap();
    assert_eq!(balance, producer.balance(&bob().address()).unwrap());
    wait_for("progress", || {
        let event = events.next_event(LONG).unwrap();
        matches!(event.kind, NodeEventKind::SyncProgress { height, target, .. } if height < target)
    });
}

/// Pages that are long enough travel compressed, and are the same blocks.
#[test]
fn pages_of_blocks_are_compressed() {
    let cluster = Cluster::of(genesis(1, BlockProduction::OnDemand), 1, 0);
    let (node, wallet) = (&cluster.nodes[0], cluster.wallet(0));
    wallet.pay_many(&[(bob().address(), one()); 200]).unwrap();
    node.produce_block(LONG).unwrap();
    let mut asker = Attacker::join(node, &cluster.genesis, &stranger(0));
    let question = GetBlocks { id: 1, from: Height(1), count: 1 };
    asker.say(&Packet::GetBlocks(question)).unwrap();
    let answer = asker.hear_of(|packet| match packet {
        Packet::Blocks(answer) => Some(answer.blocks),
        _ => None,
    });
    assert_eq!(answer.unwrap(), [node.block(Height(1)).unwrap().unwrap()]);
    assert_eq!(asker.n_packed, 1);
}

#[test]
fn a_newcomer_is_told_of_what_waits() {
    let cluster = Cluster::new(4, 0, BlockProduction::OnDemand);
    let payment = cluster.wallet(0).pay(&bob().address(), one()).unwrap();
    cluster.wait_final_everywhere(&payment.txid);
    let newcomer = Node::open(config(&cluster.genesis, &keys(9))).unwrap();
    newcomer.start().unwrap();
    newcomer.connect(&target(&cluster.nodes[3])).unwrap();
    newcomer.wait_finalized(&payment.txid, LONG).unwrap();
}

/// A graph in which each node has few neighbours: everybody hears of a payment, and nobody is
/// sent it by more than one.
#[test]
fn a_payment_reaches_every_node_of_a_sparse_graph() {
    let (n_masternodes, n_nodes) = (4, 20);
    let genesis = genesis(n_masternodes, BlockProduction::OnDemand);
    let nodes: Vec<Node> =
        (0..n_nodes).map(|n| Node::open(config(&genesis, &keys(n))).unwrap()).collect();
    let mut n_links = vec![0; n_nodes];
    let mut link = |from: usize, to: usize| {
        nodes[from].connect(&target(&nodes[to])).unwrap();
        n_links[from] += 1;
        n_links[to] += 1;
    };
    for node in &nodes {
        node.start().unwrap();
    }
    for from in 1..n_masternodes {
        (0..from).for_each(|to| link(from, to));
    }
    for from in n_masternodes..n_nodes {
        link(from, from - 1);
        link(from, (from * 7) % (from - 1));
    }
    for (node, n_links) in nodes.iter().zip(&n_links) {
        wait_for("links", || node.peers().len() == *n_links);
    }
    let wallet = Wallet::new(&nodes[n_nodes - 1], owner());
    for _ in 0..5 {
        let payment = wallet.pay(&bob().address(), one()).unwrap();
        for node in &nodes {
            node.wait_finalized(&payment.txid, LONG).unwrap();
        }
    }
    nodes[0].produce_block(LONG).unwrap();
    for node in &nodes {
        wait_for("the block", || node.tip().height == Height(1));
    }
}

#[test]
fn a_port_that_is_taken_is_named() {
    let cluster = Cluster::new(1, 0, BlockProduction::OnDemand);
    let mut config = config(&cluster.genesis, &keys(5));
    config.listen = cluster.nodes[0].listen_address();
    let error = Node::open(config.clone()).unwrap_err();
    assert_eq!(error.code(), ErrorCode::CannotListen);
    assert!(error.to_string().contains("port 0"), "{error}");
    // The port is free as soon as its node is closed.
    cluster.nodes[0].close(LONG).unwrap();
    Node::open(config).unwrap().start().unwrap();
}

#[test]
fn addresses_are_passed_on_and_kept() {
    let cluster = Cluster::new(4, 0, BlockProduction::Interval);
    let folder = tempfile::tempdir().unwrap();
    let mut config = config(&cluster.genesis, &keys(9)).with_data_dir(folder.path());
    // It knows one address and no key.
    config.peers = vec![cluster.nodes[0].listen_address().unwrap().to_string().parse().unwrap()];
    let newcomer = Node::open(config.clone()).unwrap();
    newcomer.start().unwrap();
    wait_for("four peers", || newcomer.peers().len() == 4);
    let key = newcomer.node_key();
    newcomer.close(LONG).unwrap();
    drop(newcomer);
    // The first one is gone, and so is the configuration; the book is there.
    cluster.nodes[0].close(LONG).unwrap();
    config.peers.clear();
    let back = Node::open(config).unwrap();
    assert_eq!(back.node_key(), key);
    back.start().unwrap();
    wait_for("three peers", || back.peers().len() == 3);
}
