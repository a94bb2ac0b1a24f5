//! Payments, blocks, crashes and newcomers over sockets.

use timecoin_core::params::BlockProduction;
use timecoin_core::{Height, Node};

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
